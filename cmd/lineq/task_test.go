package main

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/record"
)

// TestTaskListWithCampaign leaves out a campaign's own tasks, which nobody enqueued.
func TestTaskListWithCampaign(t *testing.T) {
	c, rdb := withMini(t)
	c.ok("send", "push", "--to", user, "--text", secretText, "--id", "mine")
	q := asynq.NewClientFromRedisClient(rdb)
	j := campaign.Job{Channel: "default", ID: "spring-sale", Epoch: 1, Lane: 2, Run: 3}
	for _, k := range []tasks.Kind{campaign.KindLane, campaign.KindPreflight, campaign.KindWebhook} {
		payload, err := j.Encode()
		require.NoError(t, err)
		_, err = q.Enqueue(asynq.NewTask(string(k), payload), asynq.TaskID(j.Name(k)), asynq.Queue(j.Queue()))
		require.NoError(t, err)
	}
	all := document[[]tasks.Result](t, c.ok("task", "list", "--json"))
	require.Len(t, all, 1)
	assert.Equal(t, "mine", all[0].ID)
}

func TestTask(t *testing.T) {
	c, _ := withMini(t)
	c.ok("send", "push", "--to", user, "--text", secretText, "--id", "later", "--in", "1h")
	c.ok("send", "push", "--to", user, "--text", secretText, "--id", "now")
	c.ok("chat", "profile", "--to", user, "--id", "shared", "--channel", "shop")
	show := func(id string) tasks.Result {
		return document[tasks.Result](t, c.ok("task", "show", id, "--json"))
	}

	t.Run("show", func(t *testing.T) {
		due := show("later").DueAt
		require.NotNil(t, due)
		assert.WithinDuration(t, time.Now().Add(time.Hour), *due, time.Minute)
		assert.Equal(t, `{"id":"later","kind":"push","channel":"default","state":"scheduled","outcome":"","reason":"",`+
			`"replayed":false,"request_id":"","attempts":0,"first_attempt_at":null,"due_at":"`+due.Format(time.RFC3339)+
			`","finished_at":null,"error":""}`+"\n", c.ok("task", "show", "later", "--json"))
		assert.Contains(t, c.ok("task", "show", "later"), "due       "+due.Local().Format("2006-01-02 15:04:05"))
		assert.Equal(t, "id        now\nkind      push\nchannel   default\nstate     queued\nattempts  0\n",
			c.ok("task", "show", "now"))
	})
	t.Run("list", func(t *testing.T) {
		ids := func(args ...string) (all []string) {
			for _, r := range document[[]tasks.Result](t, c.ok(append([]string{"task", "list", "--json"}, args...)...)) {
				all = append(all, r.ID)
			}
			return all
		}
		assert.ElementsMatch(t, []string{"later", "now", "shared"}, ids())
		assert.ElementsMatch(t, []string{"later", "now"}, ids("--channel", "default"))
		assert.Equal(t, []string{"later"}, ids("--state", "scheduled"))
		assert.Empty(t, ids("--state", "active"))
		assert.Len(t, ids("--lines", "3"), 3)
		o := c.run("task", "list", "--lines", "1")
		assert.Contains(t, o.stdout, "ID      KIND")
		assert.Contains(t, o.stderr, "note: there are more")
	})
	t.Run("reschedule", func(t *testing.T) {
		c.ok("task", "reschedule", "now", "--in", "2h")
		assert.Equal(t, tasks.StateScheduled, show("now").State)
		c.ok("task", "reschedule", "now", "--at", time.Now().Add(time.Hour).Format(time.RFC3339))
	})
	t.Run("run", func(t *testing.T) {
		ticket := document[producer.Ticket](t, c.ok("task", "run", "now", "--json"))
		assert.Equal(t, tasks.StateQueued, ticket.State)
		assert.Equal(t, tasks.StateQueued, show("now").State)
	})
	t.Run("cancel", func(t *testing.T) {
		r := document[tasks.Result](t, c.ok("task", "cancel", "later", "--json"))
		assert.Equal(t, tasks.OutcomeCancelled, r.Outcome)
		c.ok("task", "cancel", "later")
		o := c.run("task", "reschedule", "later", "--in", "1h")
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, "decided already: cancelled")
		assert.Contains(t, o.stderr, "hint: ")
	})
}

// TestTaskThatWasTried meets tasks with a lost attempt, and with one that LINE accepted.
func TestTaskThatWasTried(t *testing.T) {
	c, rdb := withMini(t)
	records := record.New(rdb, record.Retention{})
	attempt := func(id string, k tasks.Kind, a record.Answer, args ...string) {
		c.ok(append(args, "--id", id)...)
		ref := record.Ref{Channel: "default", ID: id}
		policy, err := tasks.PolicyOf(k)
		require.NoError(t, err)
		begun, err := records.Begin(t.Context(), record.Attempt{
			Ref: ref, Kind: k, Queue: policy.Line.Queue("default"), Timeout: time.Second, Repeatable: true,
		})
		require.NoError(t, err)
		require.Equal(t, record.Go, begun.Verdict)
		_, err = records.End(t.Context(), begun, ref, a)
		require.NoError(t, err)
	}
	push := []string{"send", "push", "--to", user, "--text", secretText}
	attempt("sent", "push", record.Answer{Evidence: record.Accepted, Final: true}, push...)
	attempt("open", "push", record.Answer{Evidence: record.Lost}, push...)
	attempt("reply", "reply", record.Answer{Evidence: record.Lost, Final: true},
		"send", "reply", "--to", secretReply, "--text", secretText)

	t.Run("cancel what was sent", func(t *testing.T) {
		o := c.run("task", "cancel", "sent", "--json")
		assert.Equal(t, 1, o.code)
		assert.Equal(t, tasks.OutcomeSent, document[tasks.Result](t, o.stdout).Outcome)
		assert.Contains(t, o.stderr, "lineq: task sent was not cancelled: it is sent")
	})
	t.Run("run what was sent", func(t *testing.T) {
		o := c.run("task", "run", "sent")
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, "LINE has accepted it already")
		assert.Contains(t, o.stderr, "hint: ")
	})
	t.Run("cancel what LINE may have", func(t *testing.T) {
		o := c.run("task", "cancel", "open")
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, "lineq: task open was not cancelled: it is unknown")
	})
	t.Run("run what LINE may have done, without a retry key", func(t *testing.T) {
		ref := record.Ref{Channel: "default", ID: "reply"}
		require.NoError(t, records.KeepPayload(t.Context(), ref, []byte("{}")))
		o := c.run("task", "run", "reply", "--json")
		assert.Zero(t, o.code, o.stderr)
		assert.True(t, document[producer.Ticket](t, o.stdout).Risky)
		assert.Contains(t, o.stderr, "warning: LINE may have done reply before")
	})
	t.Run("run what LINE may have, with its key", func(t *testing.T) {
		o := c.run("task", "run", "open", "--json")
		assert.Zero(t, o.code, o.stderr)
		assert.NotContains(t, o.stderr, "warning")
	})
}

func TestLog(t *testing.T) {
	c, rdb := withMini(t)
	records := record.New(rdb, record.Retention{})
	require.NoError(t, channel.Register(t.Context(), rdb, "default", "shop"))
	write := func(channel, id string, l record.Line) {
		l.Channel, l.ID, l.Kind = channel, id, tasks.KindPush
		require.NoError(t, records.Log(t.Context(), l))
	}
	write("default", "a", record.Line{Outcome: tasks.OutcomeSent, Attempts: 1})
	write("shop", "b", record.Line{Outcome: tasks.OutcomeFailed, Reason: "invalid", Error: "Not\nfound", Attempts: 2})
	write("default", "c", record.Line{Outcome: tasks.OutcomeSent, Replayed: true, Attempts: 2})
	ids := func(args ...string) (all []string) {
		for _, l := range document[[]record.Line](t, c.ok(append([]string{"log", "--json"}, args...)...)) {
			all = append(all, l.ID)
		}
		return all
	}

	t.Run("all channels, by time", func(t *testing.T) {
		lines := document[[]record.Line](t, c.ok("log", "--json"))
		require.Len(t, lines, 3)
		for i := 1; i < len(lines); i++ {
			assert.False(t, lines[i].At.Before(lines[i-1].At))
		}
	})
	t.Run("one channel", func(t *testing.T) { assert.Equal(t, []string{"a", "c"}, ids("--channel", "default")) })
	t.Run("the last", func(t *testing.T) { assert.Equal(t, []string{"c"}, ids("--channel", "default", "--lines", "1")) })
	t.Run("nothing", func(t *testing.T) { assert.Equal(t, "[]\n", c.ok("log", "--json", "--channel", "nobody")) })
	t.Run("for people", func(t *testing.T) {
		out := c.ok("log")
		assert.Contains(t, out, "failed     push                  shop/b  invalid: Not found  (2 attempts)\n")
		assert.Contains(t, out, "sent       push                  default/c  replayed  (2 attempts)\n")
	})
	t.Run("follow", func(t *testing.T) {
		f := c.start("log", "--follow", "--json", "--lines", "1")
		first := document[record.Line](t, f.await(`"id"`))
		assert.NotEmpty(t, first.Cursor)
		write("shop", "d", record.Line{Outcome: tasks.OutcomeUnknown})
		assert.Equal(t, tasks.OutcomeUnknown, document[record.Line](t, f.await(`"id":"d"`)).Outcome)
		require.NoError(t, channel.Register(t.Context(), rdb, "new"))
		write("new", "e", record.Line{Outcome: tasks.OutcomeSent})
		assert.Equal(t, "new", document[record.Line](t, f.await(`"id":"e"`)).Channel)
		assert.NoError(t, f.stop())
		assert.NotContains(t, f.output(), `"id":"a"`)
	})
}
