package main

import (
	"encoding/csv"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

// TestCampaignReachesLINE sends campaigns through Redis and a worker to the simulated LINE.
func TestCampaignReachesLINE(t *testing.T) {
	c, l := withLocal(t)
	t.Run("the same to all", func(t *testing.T) {
		o := cli{t, c.env}.run(sends(t, audienceOf(1200), texts(1), "--id", "same", "--watch", "--json")...)
		assert.Zero(t, o.code, o.stderr)
		sum := document[campaign.Summary](t, o.stdout)
		assert.Equal(t, campaign.StateFinished, sum.State)
		assert.EqualValues(t, 1200, sum.Sent)
		assert.EqualValues(t, 3, sum.Requests)
		assert.NotNil(t, sum.StartedAt)
		assert.NotNil(t, sum.FinishedAt)
		assert.Contains(t, o.stderr, "of 1,200 decided")
		for i := range 1200 {
			require.Equal(t, 1, l.sim.Ledger().Count(demoUser(i)), i)
		}
	})
	t.Run("watch what has ended", func(t *testing.T) {
		assert.Contains(t, cli{t, c.env}.ok("campaign", "watch", "same"), "sent        1,200\n")
	})
	t.Run("personal, to some who are unknown", func(t *testing.T) {
		l.sim.Ledger().Reset()
		require.NoError(t, l.sim.AddUser(linesim.User{ID: demoUser(7), State: linesim.Unknown}))
		c := cli{t, c.env}
		o := c.run(sends(t, audienceOf(150), `{"type":"text","text":"Hello {{name}}"}`, "--id", "some", "--watch")...)
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stdout, "state       finished_with_failures\n")
		assert.Contains(t, o.stdout, "failures    invalid 1\n")
		assert.Contains(t, o.stderr, "lineq: campaign some: 1 of 150 recipients failed, 0 are unknown\n  hint: lineq campaign failures some")
		failures := document[[]rowState](t, c.ok("campaign", "failures", "some", "--json"))
		require.Len(t, failures, 1)
		f := failures[0]
		assert.Equal(t, demoUser(7), f.To)
		assert.Equal(t, "failed", f.Outcome)
		assert.Equal(t, lineapi.Invalid, f.Reason)
		assert.NotEmpty(t, f.Error)
		assert.NotEmpty(t, f.RequestID)
		assert.NotNil(t, f.At)
		assert.Contains(t, c.ok("campaign", "failures", "some"), demoUser(7)+"  failed   invalid  "+f.RequestID)

		rows, err := csv.NewReader(strings.NewReader(c.ok("campaign", "export", "some"))).ReadAll()
		require.NoError(t, err)
		require.Len(t, rows, 151)
		outcomes := map[string]int{}
		for _, row := range rows[1:] {
			outcomes[row[1]]++
			assert.NotEmpty(t, row[3], "request id")
			assert.NotEmpty(t, row[4], "at")
		}
		assert.Equal(t, map[string]int{"sent": 149, "failed": 1}, outcomes)
		row := document[rowState](t, c.ok("campaign", "show", "some", "--recipient", demoUser(8), "--json"))
		assert.Equal(t, "sent", row.Outcome)
	})
	t.Run("retry", func(t *testing.T) {
		c := cli{t, c.env}
		require.NoError(t, l.sim.AddUser(linesim.User{ID: demoUser(7)}))
		o := c.run("campaign", "retry", "some", "--id", "some-2", "--watch", "--json")
		assert.Zero(t, o.code, o.stderr)
		sum := document[campaign.Summary](t, o.stdout)
		assert.EqualValues(t, 1, sum.Recipients)
		assert.Equal(t, 1, l.sim.Ledger().Count(demoUser(7)))
		again := document[producer.Report](t, c.ok("campaign", "retry", "some", "--id", "some-2", "--json"))
		assert.True(t, again.Duplicate)
	})
	t.Run("log", func(t *testing.T) {
		assert.Contains(t, cli{t, c.env}.ok("log"), "default/same")
	})
	t.Run("no task of a campaign is listed", func(t *testing.T) {
		assert.Equal(t, "[]\n", cli{t, c.env}.ok("task", "list", "--json"))
	})
}

func TestCampaignTest(t *testing.T) {
	c, l := withLocal(t)
	o := c.run(sends(t, audienceOf(10), `{"type":"text","text":"Hello {{name}}"}`, "--test", user, "--test", group, "--json")...)
	require.Zero(t, o.code, o.stderr)
	tickets := document[[]producer.Ticket](t, o.stdout)
	require.Len(t, tickets, 2)
	for _, ticket := range tickets {
		q, err := producer.New(producer.Config{Redis: l.rdb})
		require.NoError(t, err)
		r, err := q.Wait(t.Context(), ticket.ID)
		require.NoError(t, err)
		if assert.Equal(t, tasks.OutcomeSent, r.Outcome, r.Error) && r.Kind == tasks.KindPush {
			assert.Equal(t, "default", ticket.Channel)
		}
	}
	assert.Equal(t, 1, l.sim.Ledger().Count(user))
	assert.Zero(t, l.sim.Ledger().Count(demoUser(0)), "nobody else")
	assert.Equal(t, "[]\n", cli{t, c.env}.ok("campaign", "list", "--json"))
}

// TestCampaignChecked lets a worker check.
func TestCampaignChecked(t *testing.T) {
	c, l := withLocal(t)
	t.Run("all is well", func(t *testing.T) {
		o := cli{t, c.env}.run(sends(t, audienceOf(1200), texts(1), "--id", "dry", "--dry-run", "--json")...)
		assert.Zero(t, o.code, o.stderr)
		sum := document[campaign.Summary](t, o.stdout)
		assert.Equal(t, campaign.DryRun, sum.Reason)
		require.NotNil(t, sum.Forecast)
		assert.EqualValues(t, 3, sum.Forecast.Requests)
		assert.EqualValues(t, 1200, sum.Forecast.QuotaCost)
		assert.Zero(t, l.sim.Ledger().Count(demoUser(0)))
	})
	t.Run("LINE refuses it", func(t *testing.T) {
		o := cli{t, c.env}.run(sends(t, audienceOf(2), `{"type":"nothing-that-LINE-knows"}`, "--id", "wrong", "--dry-run")...)
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, "lineq: campaign wrong is paused (invalid): ")
	})
}

func TestCampaignWebhook(t *testing.T) {
	c, _ := withLocal(t)
	told := make(chan *http.Request, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case told <- r:
		default:
		}
	}))
	defer hook.Close()
	c.ok(sends(t, audienceOf(2), texts(1), "--watch", "--webhook", hook.URL)...)
	assert.Equal(t, http.MethodPost, (<-told).Method)
}

// TestCampaignRetryUnknown cancels a campaign while nobody can know what LINE has.
func TestCampaignRetryUnknown(t *testing.T) {
	c, l := withLocal(t)
	require.NoError(t, l.sim.SetFaults([]linesim.Fault{{Kind: linesim.FaultAcceptCut, Operation: "multicast", Share: 1}}))
	c.ok(sends(t, audienceOf(5), texts(1), "--id", "cut")...)
	require.Eventually(t, func() bool { return l.sim.Ledger().Count(demoUser(0)) == 1 }, 30*time.Second, 5*time.Millisecond)
	c.ok("campaign", "cancel", "cut")
	require.Eventually(t, func() bool {
		return document[campaign.Summary](t, c.ok("campaign", "show", "cut", "--json")).Unknown == 5
	}, time.Minute, 50*time.Millisecond)
	require.NoError(t, l.sim.SetFaults(nil))

	o := c.run("campaign", "retry", "cut")
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, "lineq: campaign cut: nobody has failed, 5 are unknown, 0 pending\n  hint: LINE may have sent it")
	assert.Contains(t, c.ok("campaign", "failures", "cut"), demoUser(4)+"  unknown  ")
	o = c.run("campaign", "retry", "cut", "--unknown", "--watch")
	assert.Zero(t, o.code, o.stderr)
	assert.Contains(t, o.stderr, "warning: LINE may have sent it to 5 recipients before, and may send it to them a second time now\n")
	assert.Contains(t, o.stdout, "id          cut-retry-1\n")
	assert.Equal(t, 2, l.sim.Ledger().Count(demoUser(0)))
}
