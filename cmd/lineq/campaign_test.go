package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
)

// audienceOf is a CSV of n users, each with a name.
func audienceOf(n int) string {
	var b strings.Builder
	b.WriteString("to,name\n")
	for i := range n {
		fmt.Fprintf(&b, "%s,user %d\n", demoUser(i), i)
	}
	return b.String()
}

const greeting = `{"type":"text","text":"Hello {{name|you}}: ` + secretText + `"}`

// sends is a command line that sends to an audience.
func sends(t testing.TB, csv, message string, more ...string) []string {
	t.Helper()
	return append([]string{
		"campaign", "send", "--audience", file(t, "audience.csv", csv), "--message", file(t, "message.json", message),
	}, more...)
}

func TestCampaignSend(t *testing.T) {
	c, _ := withMini(t)
	same := texts(2)

	t.Run("JSON", func(t *testing.T) {
		csv := audienceOf(1200) + demoUser(3) + ",again\nU123,wrong\n"
		o := c.run(sends(t, csv, same, "--id", "spring-sale", "--json")...)
		assert.Zero(t, o.code, o.stderr)
		assert.Equal(t, `{"id":"spring-sale","channel":"default","state":"ready","recipients":1200,"rejected":1,"duplicates":1,`+
			`"chunks":3,"mode":"multicast","duplicate":false}`+"\n", o.stdout)
		assert.Contains(t, o.stderr, "note: no worker has run on this Redis yet; the campaign waits for one")
		assert.Contains(t, o.stderr, "audience.csv:1203: ")
		assert.NotContains(t, o.stderr, "U123")
	})
	t.Run("again", func(t *testing.T) {
		o := c.run(sends(t, audienceOf(5), same, "--id", "spring-sale", "--json")...)
		assert.Zero(t, o.code, o.stderr)
		r := document[producer.Report](t, o.stdout)
		assert.True(t, r.Duplicate)
		assert.EqualValues(t, 1200, r.Recipients)
	})
	t.Run("for people", func(t *testing.T) {
		out := c.ok(sends(t, audienceOf(5), same, "--id", "spring-sale")...)
		assert.Contains(t, out, "id              spring-sale\nchannel         default\n")
		assert.Contains(t, out, "(it was sent before: nothing was added)")
		assert.Contains(t, out, "recipients      1,200\nrejected rows   1\n")
	})
	t.Run("another message", func(t *testing.T) {
		o := c.run(sends(t, audienceOf(5), texts(1), "--id", "spring-sale")...)
		assert.Equal(t, 2, o.code)
		assert.Contains(t, o.stderr, "lineq: campaign spring-sale: another campaign has this id\n  hint: give another message")
	})
	t.Run("personal", func(t *testing.T) {
		r := document[producer.Report](t, c.ok(sends(t, audienceOf(20), greeting, "--json")...))
		assert.Equal(t, campaign.Push, r.Mode)
		assert.NotEmpty(t, r.ID)
	})
	t.Run("from stdin, as NDJSON", func(t *testing.T) {
		o := c.pipe(`{"to":"`+user+`","name":"Mika"}`+"\n"+`{"to":"`+group+`"}`,
			"campaign", "send", "--audience", "-", "--message", file(t, "m.json", greeting), "--json")
		assert.Zero(t, o.code, o.stderr)
		assert.EqualValues(t, 2, document[producer.Report](t, o.stdout).Recipients)
	})
	t.Run("message from stdin", func(t *testing.T) {
		o := c.pipe(same, "campaign", "send", "--audience", file(t, "a.csv", audienceOf(2)), "--message", "-", "--json")
		assert.Zero(t, o.code, o.stderr)
	})
	t.Run("several templates", func(t *testing.T) {
		csv := "to,template\n" + user + ",ja\n" + other + ",英語\n" + group + ",fr\n"
		o := c.run("campaign", "send", "--audience", file(t, "a.csv", csv), "--message", "ja="+file(t, "ja.json", texts(1)),
			"--message", "英語="+file(t, "en.json", texts(2)), "--json")
		assert.Zero(t, o.code, o.stderr)
		r := document[producer.Report](t, o.stdout)
		assert.EqualValues(t, 2, r.Recipients)
		assert.EqualValues(t, 1, r.Rejected)
	})
	t.Run("path with an equals sign", func(t *testing.T) {
		path := file(t, "a=b.json", same)
		c.ok("campaign", "send", "--audience", file(t, "a.csv", audienceOf(2)), "--message", path)
	})
	t.Run("all settings", func(t *testing.T) {
		o := c.run(sends(t, audienceOf(2), same, "--json", "--in", "1h", "--rate", "100/s", "--window", "09:00-21:00",
			"--tz", "Asia/Tokyo", "--max-failures", "5%", "--partial", "--webhook", "https://example.com/hook?secret",
			"--unit", "spring", "--notification-disabled")...)
		assert.Zero(t, o.code, o.stderr)
	})
	t.Run("outside of the window", func(t *testing.T) {
		o := c.run(sends(t, audienceOf(2), same, "--at", "2030-01-01T02:00:00Z", "--window", "09:00-10:00", "--tz", "Asia/Tokyo")...)
		assert.Contains(t, o.stderr, "note: it begins when the window 09:00-10:00 Asia/Tokyo opens: 2030-01-02T00:00:00Z")
	})
	t.Run("at, passed", func(t *testing.T) {
		o := c.run(sends(t, audienceOf(2), same, "--at", "2020-01-01 08:00")...)
		assert.Contains(t, o.stderr, "has passed: it is sent now")
	})
}

func TestCampaignRejected(t *testing.T) {
	c, _ := withMini(t)
	csv := audienceOf(3) + strings.Repeat("U1,x\n", 12)
	t.Run("the first few are shown", func(t *testing.T) {
		o := c.run(sends(t, csv, texts(1), "--json")...)
		assert.Zero(t, o.code, o.stderr)
		assert.EqualValues(t, 12, document[producer.Report](t, o.stdout).Rejected)
		assert.Equal(t, 10, strings.Count(o.stderr, "audience.csv:"))
		assert.Contains(t, o.stderr, "12 rows of ")
		assert.Contains(t, o.stderr, "--rejected FILE takes them all")
	})
	t.Run("all into a file", func(t *testing.T) {
		path := file(t, "rejected.csv", "")
		o := c.run(sends(t, csv, texts(1), "--rejected", path)...)
		assert.Zero(t, o.code, o.stderr)
		assert.Contains(t, o.stderr, path+" has them all")
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		assert.Len(t, lines, 13)
		assert.Equal(t, "line,reason", lines[0])
		assert.True(t, strings.HasPrefix(lines[1], "5,"), lines[1])
	})
	t.Run("strict", func(t *testing.T) {
		o := c.run(sends(t, csv, texts(1), "--strict", "--id", "strict")...)
		assert.Equal(t, 2, o.code)
		assert.Empty(t, o.stdout)
		assert.Contains(t, o.stderr, "audience.csv:5: ")
		assert.Contains(t, o.stderr, "  hint: correct the row")
		assert.Equal(t, 1, c.run("campaign", "show", "strict").code, "nothing is left of it")
	})
}

func TestCampaignControl(t *testing.T) {
	c, rdb := withMini(t)
	c.ok(sends(t, audienceOf(3), texts(1), "--id", "one")...)
	c.ok(sends(t, audienceOf(1000), greeting, "--id", "two", "--channel", "shop")...)
	show := func(id string) campaign.Summary {
		return document[campaign.Summary](t, c.ok("campaign", "show", id, "--json"))
	}

	t.Run("show", func(t *testing.T) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(c.ok("campaign", "show", "one", "--json")), &fields))
		for _, name := range []string{
			"id", "state", "reason", "recipients", "sent", "failed", "unknown", "pending", "requests", "replayed", "started_at",
			"finished_at",
		} {
			assert.Contains(t, fields, name)
		}
		assert.EqualValues(t, 3, fields["pending"])
		assert.Contains(t, c.ok("campaign", "show", "two"), "recipients  1,000\nsent        0\n")
	})
	t.Run("list", func(t *testing.T) {
		all := document[[]campaign.Summary](t, c.ok("campaign", "list", "--json"))
		assert.Len(t, all, 2)
		shop := document[[]campaign.Summary](t, c.ok("campaign", "list", "--json", "--channel", "shop"))
		require.Len(t, shop, 1)
		assert.Equal(t, "two", shop[0].ID)
		assert.Equal(t, "[]\n", c.ok("campaign", "list", "--json", "--state", "sending"))
		o := c.run("campaign", "list", "--lines", "1")
		assert.Contains(t, o.stderr, "note: there are more")
		assert.Len(t, strings.Split(strings.TrimSpace(o.stdout), "\n"), 2)
	})
	t.Run("pause and resume", func(t *testing.T) {
		out := c.ok("campaign", "pause", "one", "--note", "wrong price")
		assert.Contains(t, out, "paused (operator)\n")
		assert.Contains(t, out, "wrong price\n")
		assert.Equal(t, campaign.StatePaused, show("one").State)
		o := c.run("campaign", "watch", "one", "--json")
		assert.Equal(t, 1, o.code)
		assert.Equal(t, "wrong price", document[campaign.Summary](t, o.stdout).Note)
		assert.Contains(t, o.stderr, "lineq: campaign one is paused (operator): wrong price\n  hint: lineq campaign resume one")
		c.ok("campaign", "resume", "one", "--max-failures", "10%")
		assert.Equal(t, campaign.StateReady, show("one").State)
	})
	t.Run("recipients", func(t *testing.T) {
		one := document[rowState](t, c.ok("campaign", "show", "one", "--recipient", demoUser(2), "--json"))
		assert.Equal(t, rowState{To: demoUser(2), Outcome: "pending"}, one)
		two := document[[]rowState](t, c.ok("campaign", "show", "one", "--recipient", demoUser(2)+","+demoUser(0), "--json"))
		assert.Len(t, two, 2)
		assert.Contains(t, c.ok("campaign", "show", "one", "--recipient", demoUser(2)), demoUser(2)+"  pending")
		o := c.run("campaign", "show", "one", "--recipient", user)
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, "lineq: campaign one has no such recipient")
		assert.Contains(t, o.stderr, "hint: lineq campaign export one")
	})
	t.Run("cancel and export", func(t *testing.T) {
		assert.Contains(t, c.ok("campaign", "export", "one"), demoUser(0)+",pending,,,,,false\n")
		sum := document[campaign.Summary](t, c.ok("campaign", "cancel", "one", "--json"))
		assert.Equal(t, campaign.StateCancelled, sum.State)
		assert.EqualValues(t, 3, sum.Pending)
		c.ok("campaign", "cancel", "one")
		out := c.ok("campaign", "export", "one")
		assert.Equal(t, "to,outcome,reason,request_id,at,error,replayed\n"+demoUser(0)+",cancelled,,,,,false\n"+
			demoUser(1)+",cancelled,,,,,false\n"+demoUser(2)+",cancelled,,,,,false\n", out)
		lines := strings.Split(strings.TrimSpace(c.ok("campaign", "export", "one", "--format", "ndjson")), "\n")
		assert.Len(t, lines, 3)
		assert.Equal(t, rowState{To: demoUser(1), Outcome: "cancelled"}, document[rowState](t, lines[1]))
		o := c.run("campaign", "resume", "one")
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, "hint: lineq campaign show tells how it stands")
	})
	t.Run("failures of nobody", func(t *testing.T) {
		assert.Equal(t, "[]\n", c.ok("campaign", "failures", "two", "--json"))
		o := c.run("campaign", "retry", "two")
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, "it is ready\n  hint: lineq campaign show tells how it stands")
		o = c.run("campaign", "retry", "one")
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, "campaign one: nobody has failed, 0 are unknown, 3 pending\n  hint: lineq campaign show one")
	})
	t.Run("interrupted", func(t *testing.T) {
		w := c.start("campaign", "watch", "two")
		w.await("two: ready, 0 of 1,000 decided")
		assert.ErrorIs(t, w.stop(), errInterrupted)
		assert.Contains(t, w.output(), "note: the campaign goes on: lineq campaign watch two")
	})
	t.Run("refused by LINE", func(t *testing.T) {
		store := campaign.New(rdb, campaign.Retention{})
		w := c.start("campaign", "watch", "two")
		w.await("two: ready")
		require.NoError(t, store.Refuse(t.Context(), "two", nil, lineapi.Invalid, "messages[0].text is odd"))
		err := <-w.ended
		assert.ErrorContains(t, err, "campaign two is paused (invalid): messages[0].text is odd")
		assert.Equal(t, 1, exitCode(err))
	})
}

// TestCampaignDryRun plays the worker.
func TestCampaignDryRun(t *testing.T) {
	c, rdb := withMini(t)
	store := campaign.New(rdb, campaign.Retention{})
	forecast := campaign.Forecast{Requests: 3, Seconds: 90, QuotaCost: 1200, QuotaLeft: 5000}
	dry := func(t *testing.T, id string, look func(id string) error, more ...string) output {
		done := make(chan error, 1)
		go func() { done <- whenReady(t.Context(), store, id, look) }()
		o := cli{t, c.env}.run(sends(t, audienceOf(1200), texts(1), append(more, "--id", id, "--dry-run")...)...)
		require.NoError(t, <-done)
		return o
	}
	passes := func(id string) error { return store.EndDryRun(t.Context(), id, forecast) }
	t.Run("JSON", func(t *testing.T) {
		o := dry(t, "json", passes, "--json")
		assert.Zero(t, o.code, o.stderr)
		sum := document[campaign.Summary](t, o.stdout)
		assert.Equal(t, campaign.StateCancelled, sum.State)
		assert.Equal(t, campaign.DryRun, sum.Reason)
		require.NotNil(t, sum.Forecast)
		assert.Equal(t, forecast, *sum.Forecast)
		assert.EqualValues(t, 3, sum.Chunks)
	})
	t.Run("for people", func(t *testing.T) {
		o := dry(t, "people", passes)
		assert.Zero(t, o.code, o.stderr)
		for _, want := range []string{
			"state cancelled (dry_run)", "forecast 3 requests, at least 1 min 30 s", "quota cost at most 1,200", "quota left 5,000",
		} {
			assert.Contains(t, strings.Join(strings.Fields(o.stdout), " "), want)
		}
	})
	t.Run("not enough quota", func(t *testing.T) {
		few := forecast
		few.QuotaLeft = 7
		o := dry(t, "quota", func(id string) error {
			return store.Refuse(t.Context(), id, &few, lineapi.Quota, "7 left of this month's quota, and it needs 1200")
		})
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stdout, "quota left  7\n")
		assert.Contains(t, o.stderr, "lineq: campaign quota is paused (quota): 7 left of this month's quota")
		assert.Contains(t, o.stderr, "--partial")
	})
	t.Run("no worker", func(t *testing.T) {
		o := c.run(sends(t, audienceOf(3), texts(1), "--id", "nobody", "--dry-run", "--timeout", "1ms")...)
		assert.Equal(t, 1, o.code)
		assert.Empty(t, o.stdout)
		assert.Contains(t, o.stderr, "lineq: campaign nobody: no worker has checked it within 1 s\n  hint: lineq channel list")
	})
}

// whenReady does something as soon as a campaign is sealed.
func whenReady(ctx context.Context, store *campaign.Store, id string, do func(id string) error) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if sum, err := store.Summary(ctx, id); err == nil && sum.State == campaign.StateReady {
			return do(id)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
