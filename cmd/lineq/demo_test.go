package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/record"
)

func TestDemo(t *testing.T) {
	t.Run("JSON", func(t *testing.T) {
		o := cli{t, nil}.run("demo", "--recipients", "200", "--fault-share", "0.3", "--seed", "3", "--json")
		require.Zero(t, o.code, o.stderr)
		s := document[demoSummary](t, o.stdout)
		assert.Equal(t, 200+3*20+5+200, s.Recipients)
		assert.Equal(t, s.Recipients, s.Once)
		assert.Zero(t, s.Twice+s.Never+s.Unaccounted)
		counts := map[tasks.Kind]demoCounts{}
		for _, c := range s.Kinds {
			counts[c.Kind] = c
			assert.Equal(t, c.Tasks, c.Sent, c.Kind)
		}
		assert.Equal(t, 200, counts[tasks.KindPush].Tasks)
		assert.Positive(t, counts[tasks.KindPush].Replayed, "no fault struck after the acceptance")
		assert.Greater(t, counts[tasks.KindPush].Attempts, 200)
		assert.Len(t, counts, 5)
		assert.Contains(t, o.stderr, "of 210 tasks decided")
		assert.Equal(t, campaign.StateFinished, s.Campaign.State)
		assert.EqualValues(t, 200, s.Campaign.Sent)
		assert.Greater(t, s.Campaign.Requests, int64(200))
		assert.Positive(t, s.Campaign.Replayed)
	})
	t.Run("for people", func(t *testing.T) {
		out := cli{t, nil}.ok("demo", "--recipients", "1", "--fault-share", "0")
		assert.Regexp(t, `^KIND +TASKS +SENT +FAILED +UNKNOWN +REPLAYED +ATTEMPTS\n`, out)
		assert.Regexp(t, `\nreply +5 +5 +0 +0 +0 +5\n`, out)
		assert.Contains(t, out, "\nCampaign to 1 recipients: 1 sent, 0 failed, 0 unknown, in 1 requests, 0 replayed.\n")
		assert.Contains(t, out, "Of 10 recipients, by the simulated LINE's ledger, 10 received once, 0 twice")
	})
}

// TestDemoSummary compares outcomes with a ledger that doesn't agree.
func TestDemoSummary(t *testing.T) {
	sim, err := linesim.New(linesim.Config{})
	require.NoError(t, err)
	server, client := simulated(t, sim)
	defer server.stop()
	push := func(to string) {
		_, err := client.Push(t.Context(), lineapi.PushRequest{To: to, Messages: []lineapi.Message{lineapi.Text("a")}})
		require.NoError(t, err)
	}
	task := func(o tasks.Outcome, to ...string) *demoTask {
		decided := record.Line{Outcome: o, Attempts: 2, Replayed: true}
		return &demoTask{kind: tasks.KindPush, recipients: to, decided: decided}
	}
	for name, test := range map[string]struct {
		task     *demoTask
		received int
		want     demoSummary
		err      string
	}{
		"sent, received": {task("sent", demoUser(1)), 1, demoSummary{Once: 1}, ""},
		"sent, not received": {
			task("sent", demoUser(2)), 0, demoSummary{Never: 1, Unaccounted: 1}, "0 recipients received twice, 1 are not",
		},
		"failed":            {task("failed", demoUser(3)), 0, demoSummary{Never: 1}, ""},
		"failed, received":  {task("failed", demoUser(4)), 1, demoSummary{Once: 1, Unaccounted: 1}, "1 are not"},
		"unknown":           {task("unknown", demoUser(5)), 0, demoSummary{Never: 1}, ""},
		"unknown, received": {task("unknown", demoUser(6)), 1, demoSummary{Once: 1}, ""},
		"sent twice":        {task("sent", demoUser(7)), 2, demoSummary{Twice: 1}, "1 recipients received twice"},
	} {
		t.Run(name, func(t *testing.T) {
			for range test.received {
				push(test.task.recipients[0])
			}
			d := demo{local: &local{sim: sim}, byID: map[string]*demoTask{"a": test.task}}
			got := d.summary()
			assert.Equal(t, 1, got.Kinds[0].Replayed)
			assert.Equal(t, 2, got.Kinds[0].Attempts)
			got.Kinds = nil
			test.want.Recipients = 1
			assert.Equal(t, test.want, got)
			if test.err == "" {
				assert.NoError(t, got.err())
			} else {
				assert.ErrorContains(t, got.err(), test.err)
				assert.Equal(t, 1, exitCode(got.err()))
			}
		})
	}
}

func simulated(t *testing.T, sim *linesim.Simulator) (*simulatorServer, *lineapi.Client) {
	l, err := listen("--addr", "127.0.0.1:0")
	require.NoError(t, err)
	url := "http://" + l.Addr().String()
	client, err := lineapi.New(lineapi.Config{
		Token: lineapi.StaticToken(linesim.DefaultChannel.Token), Origin: url, DataOrigin: url,
	})
	require.NoError(t, err)
	return serveSimulator(l, sim), client
}
