package producer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/chunk"
	"github.com/lineq/lineq/tasks/redistest"
)

// row is one of an audience: a recipient, or an error.
type row struct {
	producer.Recipient
	err error
}

func audienceOf(rows ...row) iter.Seq2[producer.Recipient, error] {
	return func(yield func(producer.Recipient, error) bool) {
		for _, r := range rows {
			if !yield(r.Recipient, r.err) {
				return
			}
		}
	}
}

// users are n different ones.
func users(n int) iter.Seq2[producer.Recipient, error] {
	return func(yield func(producer.Recipient, error) bool) {
		for i := range n {
			if !yield(producer.Recipient{To: fmt.Sprintf("U%032x", i), Line: i + 2}, nil) {
				return
			}
		}
	}
}

func to(id string, vars ...string) row {
	r := row{Recipient: producer.Recipient{To: id}}
	for i := 0; i < len(vars); i += 2 {
		if r.Vars == nil {
			r.Vars = map[string]string{}
		}
		r.Vars[vars[i]] = vars[i+1]
	}
	return r
}

func says(text string) []lineapi.Message { return []lineapi.Message{lineapi.Text(text)} }

// frozen are the chunks of a campaign in Redis, in their order, and its odd ones.
func frozen(t require.TestingT, rdb redis.UniversalClient, id string) (chunks []chunk.Chunk, odd map[string]string) {
	ctx := context.Background()
	fields, err := rdb.HGetAll(ctx, "lineq:{c:"+id+"}:chunks").Result()
	require.NoError(t, err)
	for n := range len(fields) {
		text, found := fields[fmt.Sprint(n)]
		require.True(t, found, "there is no chunk %d of %d", n, len(fields))
		c, err := chunk.Parse([]byte(text))
		require.NoError(t, err)
		chunks = append(chunks, c)
	}
	odd, err = rdb.HGetAll(ctx, "lineq:{c:"+id+"}:odd").Result()
	require.NoError(t, err)
	return chunks, odd
}

// nothingLeft wants no key of a campaign.
func nothingLeft(t *testing.T, rdb redis.UniversalClient, id string) {
	t.Helper()
	for _, key := range []string{"state", "message", "chunks", "odd", "units", "open", "wait", "errors"} {
		n, err := rdb.Exists(t.Context(), "lineq:{c:"+id+"}:"+key).Result()
		require.NoError(t, err)
		assert.Zero(t, n, key)
	}
}

func TestACampaignToEverybody(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q := newClient(t, rdb)
		for _, n := range []int{1, 499, 500, 501, 16_000, 33_333} {
			id := fmt.Sprintf("c-%d", n)
			var told []campaign.Totals
			report, err := q.Campaign(t.Context(), producer.Campaign{
				ID: id, To: users(n), Messages: says("Sale!"), Progress: func(t campaign.Totals) { told = append(told, t) },
			}, producer.Channel("shop"))
			require.NoError(t, err)
			chunks := int64(n+499) / 500
			assert.Equal(t, producer.Report{
				ID: id, Channel: "shop", State: campaign.StateReady, Recipients: int64(n), Chunks: chunks, Mode: campaign.Multicast,
			}, report)
			assert.Equal(t, campaign.Totals{Recipients: int64(n)}, told[len(told)-1])

			all, odd := frozen(t, rdb, id)
			require.Len(t, all, int(chunks))
			i := 0
			for _, c := range all {
				for k := range c.Len() {
					require.Equal(t, fmt.Sprintf("U%032x", i), c.To(k))
					i++
				}
			}
			assert.Equal(t, n, i)
			if n%500 == 0 {
				assert.Empty(t, odd)
			} else {
				assert.Equal(t, map[string]string{fmt.Sprint(chunks - 1): fmt.Sprint(n%500, " multicast")}, odd)
			}
			sum, err := q.CampaignSummary(t.Context(), id)
			require.NoError(t, err)
			assert.EqualValues(t, n, sum.Pending)
		}
	})
}

func TestACampaignToNobodyIsFinished(t *testing.T) {
	_, rdb := redistest.Mini(t)
	report, err := newClient(t, rdb).Campaign(t.Context(), producer.Campaign{To: users(0), Messages: says("{{name}}")})
	require.NoError(t, err)
	assert.NotEmpty(t, report.ID)
	assert.Equal(t, campaign.StateFinished, report.State)
	assert.Zero(t, report.Chunks)
}

func TestACampaignWithValues(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q := newClient(t, rdb)
		report, err := q.Campaign(t.Context(), producer.Campaign{
			ID: "c", Messages: says("{{name}}, {{age|?}}"),
			To: audienceOf(to(alice, "name", "Aoi", "city", "Kobe"), to(bob, "name", "葵", "age", "7")),
		})
		require.NoError(t, err)
		assert.Equal(t, campaign.Push, report.Mode)
		chunks, _ := frozen(t, rdb, "c")
		require.Len(t, chunks, 1)
		assert.Equal(t, []string{"Aoi", "", "葵", "7"}, chunks[0].Values)
		text, err := rdb.Get(t.Context(), "lineq:{c:c}:message").Bytes()
		require.NoError(t, err)
		var plan campaign.Plan
		require.NoError(t, json.Unmarshal(text, &plan))
		assert.Equal(t, []string{"name", "age"}, plan.Columns, "what no placeholder uses isn't kept")
	})
}

// TestWhatIsFrozenIsWhoWasThere: any audience, with duplicates, rows that can't be used, groups and several messages.
func TestWhatIsFrozenIsWhoWasThere(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q := newClient(t, rdb)
	type place struct {
		template int
		name     string
	}
	campaigns := 0
	rapid.Check(t, func(t *rapid.T) {
		campaigns++
		personal := rapid.Bool().Draw(t, "personal")
		templates := []campaign.Template{{Name: "A", Messages: says("Hello")}, {Name: "B", Messages: says("Hi")}}
		if personal {
			templates[1].Messages = says("Hi {{name}}")
		}
		n := rapid.IntRange(0, 2000).Draw(t, "rows")
		distinct := rapid.IntRange(1, 3000).Draw(t, "distinct")
		wrong := rapid.IntRange(0, 3).Draw(t, "wrong")
		rate := rapid.SampledFrom([]float64{0, 0, 0.1, 7, 1e6}).Draw(t, "rate")
		var rows []row
		var want campaign.Totals
		where := map[string]place{}
		pick := rapid.Uint64().Draw(t, "seed")
		next := func(n int) int { pick = pick*6364136223846793005 + 1442695040888963407; return int(pick>>33) % n }
		for range n {
			template := next(2)
			r := to(fmt.Sprintf("%c%032x", "UUUUCR"[next(6)], next(distinct)), "name", fmt.Sprint("n", next(5)))
			r.Template = templates[template].Name
			bad := next(10) < wrong
			if bad {
				switch next(4) {
				case 0:
					r.To = r.To[1:]
				case 1:
					r.Template = "C"
				case 2:
					r.err = &campaign.RowError{Line: 1, Reason: "not one"}
				case 3:
					r.Vars["name"] = ""
					bad = personal && template == 1
				}
			}
			rows = append(rows, r)
			_, twice := where[r.To]
			switch {
			case bad:
				want.Rejected++
			case twice:
				want.Duplicates++
			default:
				want.Recipients++
				where[r.To] = place{template, r.Vars["name"]}
			}
		}
		id, rejected := fmt.Sprint("c-", campaigns), int64(0)
		report, err := q.Campaign(context.Background(), producer.Campaign{
			ID: id, To: audienceOf(rows...), Templates: templates, Rate: rate,
			Rejected: func(campaign.RowError) { rejected++ },
		})
		if want.Recipients == 0 && err != nil {
			return // not one row had the column
		}
		require.NoError(t, err)
		require.Equal(t, want, campaign.Totals{
			Recipients: report.Recipients, Rejected: report.Rejected, Duplicates: report.Duplicates,
		})
		require.Equal(t, want.Rejected, rejected)

		chunks, odd := frozen(t, rdb, id)
		require.Len(t, chunks, int(report.Chunks))
		size := 500
		if rate > 0 && !personal {
			size = min(500, max(1, int(rate*5)))
		}
		for n, c := range chunks {
			mode := report.Mode
			if c.Prefix != 'U' {
				mode = campaign.Push
			}
			if c.Len() != size || mode != report.Mode {
				require.Equal(t, fmt.Sprint(c.Len(), " ", mode), odd[fmt.Sprint(n)])
				delete(odd, fmt.Sprint(n))
			}
			for i := range c.Len() {
				is, known := where[c.To(i)]
				require.True(t, known, "it is there twice, or shouldn't be")
				delete(where, c.To(i))
				require.Equal(t, is.template, c.Template)
				if personal {
					require.Equal(t, []string{is.name}, c.Row(i))
				}
			}
		}
		require.Empty(t, where)
		require.Empty(t, odd)
	})
}

func TestRowsThatCanNotBeUsed(t *testing.T) {
	const secret = "Umy-secret-name"
	_, rdb := redistest.Mini(t)
	q := newClient(t, rdb)
	templates := []campaign.Template{
		{Name: "A", Messages: says("{{name}} {{x|}}")}, {Name: "B", Messages: says("B")},
	}
	other := to(alice)
	other.Template = secret
	long, longer := strings.Repeat(secret, 1000), strings.Repeat(secret, 20_000)
	for name, c := range map[string]struct {
		r      row
		reason string
	}{
		"a wrong id":         {to(secret, "name", "x"), "id is 15 characters long"},
		"no id":              {to("", "name", "x"), "id is empty"},
		"a missing value":    {to(alice, "name", ""), "has no value for {{name}}, which has no default"},
		"what isn't UTF-8":   {to(alice, "name", "x", "x", secret+"\xff"), "has a value for {{x}} that isn't UTF-8"},
		"a long value":       {to(alice, "name", long), "makes a message that LINE would refuse: messages[0].text"},
		"a very long value":  {to(alice, "name", longer), "has 300000 bytes of values, and 262144 is the most"},
		"what To can't use":  {row{err: &campaign.RowError{Line: 7, Reason: "has no field"}}, "has no field"},
		"no template":        {to(alice, "name", "x"), "names none of the templates"},
		"another's template": {other, "names a template that the campaign doesn't have"},
	} {
		t.Run(name, func(t *testing.T) {
			good := to(bob, "name", "Bob")
			good.Template = "A"
			c.r.Line = 7
			if c.r.Template == "" && name != "no template" {
				c.r.Template = "A"
			}
			var rejected []campaign.RowError
			cp := producer.Campaign{
				To: audienceOf(good, c.r, good), Templates: templates,
				Rejected: func(e campaign.RowError) { rejected = append(rejected, e) },
			}
			report, err := q.Campaign(t.Context(), cp)
			require.NoError(t, err)
			assert.Equal(t, [3]int64{1, 1, 1}, [3]int64{report.Recipients, report.Rejected, report.Duplicates})
			require.Len(t, rejected, 1)
			assert.Equal(t, 7, rejected[0].Line)
			assert.Contains(t, rejected[0].Reason, c.reason)
			assert.NotContains(t, rejected[0].Reason, secret)

			cp.Strict, cp.ID = true, "strict"
			_, err = q.Campaign(t.Context(), cp)
			var failed *producer.CampaignError
			require.ErrorAs(t, err, &failed)
			report = failed.Report
			assert.Equal(t, [3]int64{1, 1, 0}, [3]int64{report.Recipients, report.Rejected, report.Duplicates})
			assert.ErrorContains(t, err, "line 7: "+rejected[0].Reason)
			nothingLeft(t, rdb, "strict")
		})
	}
}

func TestAColumnThatNobodyHas(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q := newClient(t, rdb)
	without := func(n int) (rows []row) {
		for i := range n {
			rows = append(rows, to(fmt.Sprintf("U%032x", i), "nmae", "x"))
		}
		return rows
	}
	var rejected int
	cp := producer.Campaign{
		ID: "c", Messages: says("Dear {{name}}, {{x|}}"), Rejected: func(campaign.RowError) { rejected++ },
	}
	for name, rows := range map[string][]row{
		"few rows":  without(3),
		"many rows": append(without(1000), to(alice, "name", "Aoi")),
	} {
		t.Run(name, func(t *testing.T) {
			cp.To = audienceOf(rows...)
			_, err := q.Campaign(t.Context(), cp)
			require.ErrorContains(t, err, "there is no column for {{name}} (is nmae meant?)")
			assert.Zero(t, rejected, "told of rows, when it is the campaign that is wrong")
			nothingLeft(t, rdb, "c")
		})
	}
	unused := cp
	unused.ID, unused.Messages = "unused", nil
	unused.Templates = []campaign.Template{{Name: "A", Messages: cp.Messages}, {Name: "B", Messages: says("Hi")}}
	b := to(alice)
	b.Template = "B"
	unused.To = audienceOf(b)
	_, err := q.Campaign(t.Context(), unused)
	require.NoError(t, err, "nobody needs the column")

	cp.To = audienceOf(append(without(999), to(alice, "name", "Aoi"), to("x"))...)
	report, err := q.Campaign(t.Context(), cp)
	require.NoError(t, err)
	assert.EqualValues(t, 1, report.Recipients)
	assert.EqualValues(t, 1000, report.Rejected)
	assert.Equal(t, 1000, rejected)
}

// Who is rejected while the columns aren't known isn't kept without end.
func TestManyRejectedBeforeAColumnIsThere(t *testing.T) {
	_, rdb := redistest.Mini(t)
	told, most := 0, 0
	report, err := newClient(t, rdb).Campaign(t.Context(), producer.Campaign{
		ID: "c", Messages: says("Dear {{name}}"), Rejected: func(campaign.RowError) { told++ },
		To: func(yield func(campaign.Recipient, error) bool) {
			for read := range 5000 {
				most = max(most, read-told)
				if !yield(campaign.Recipient{To: "nobody", Line: read + 1}, nil) {
					return
				}
			}
			yield(campaign.Recipient{To: alice, Vars: map[string]string{"name": "Aoi"}}, nil)
		},
	})
	require.NoError(t, err)
	assert.EqualValues(t, 1, report.Recipients)
	assert.Equal(t, 5000, told)
	assert.LessOrEqual(t, most, 1000)
}

func TestCampaignRefuses(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q := newClient(t, rdb)
	good := producer.Campaign{
		ID: "c", To: func(func(producer.Recipient, error) bool) { t.Error("To was read") }, Messages: says("Hi"),
	}
	units := []string{"a", "b"}
	for name, c := range map[string]struct {
		change func(*producer.Campaign)
		text   string
	}{
		"a bad id":               {func(c *producer.Campaign) { c.ID = "a b" }, "id "},
		"nobody":                 {func(c *producer.Campaign) { c.To = nil }, "Campaign.To is missing"},
		"nothing":                {func(c *producer.Campaign) { c.Messages = nil }, "there is no message"},
		"no messages":            {func(c *producer.Campaign) { c.Messages = []lineapi.Message{} }, "LINE takes 1 to 5"},
		"what LINE refuses":      {func(c *producer.Campaign) { c.Messages = says(strings.Repeat("x", 6000)) }, "messages[0].text"},
		"a broken placeholder":   {func(c *producer.Campaign) { c.Messages = says("Hi {{name") }, "messages[0].text: the {{"},
		"a rate below zero":      {func(c *producer.Campaign) { c.Rate = -1 }, "the rate"},
		"a share above one":      {func(c *producer.Campaign) { c.MaxFailures = 5 }, "the share of failures"},
		"a webhook without host": {func(c *producer.Campaign) { c.Webhook = "https://" }, "the webhook"},
		"another webhook":        {func(c *producer.Campaign) { c.Webhook = "ftp://x" }, "the webhook"},
		"an empty window":        {func(c *producer.Campaign) { c.Window = campaign.Window{From: 60, To: 60} }, "window"},
		"two units":              {func(c *producer.Campaign) { c.CustomAggregationUnits = units }, "customAggregationUnits"},
		"both":                   {func(c *producer.Campaign) { c.Templates = []campaign.Template{{Messages: c.Messages}} }, "both"},
		"two of one name": {func(c *producer.Campaign) {
			c.Templates, c.Messages = slices.Repeat([]campaign.Template{{Name: "A", Messages: c.Messages}}, 2), nil
		}, `two templates "A"`},
		"too many": {func(c *producer.Campaign) {
			c.Templates, c.Messages = make([]campaign.Template, 101), nil
		}, "101 templates"},
		"a wrong one of two": {func(c *producer.Campaign) {
			c.Templates = []campaign.Template{{Name: "A", Messages: c.Messages}, {Name: "B", Messages: says("")}}
			c.Messages = nil
		}, `template "B"`},
		"too many placeholders": {func(c *producer.Campaign) {
			var text strings.Builder
			for i := range 101 {
				fmt.Fprintf(&text, "{{p%d}}", i)
			}
			c.Messages = says(text.String())
		}, "101 placeholders"},
	} {
		t.Run(name, func(t *testing.T) {
			cp := good
			c.change(&cp)
			_, err := q.Campaign(t.Context(), cp)
			require.ErrorContains(t, err, c.text)
			nothingLeft(t, rdb, "c")
		})
	}
	_, err := q.Campaign(t.Context(), good, producer.Channel("a b"))
	require.ErrorContains(t, err, "channel")
}
