package worker_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// limited is a stage whose LINE keeps these limits, and the workers with it.
func limited(t *testing.T, rdb redis.UniversalClient, rates map[string]endpoint.Limit) (*stage, func(*worker.Config)) {
	t.Helper()
	s := newStage(t, rdb, linesim.Config{Limits: linesim.Limits{Rates: rates}})
	return s, func(c *worker.Config) { c.Limits = limit.Limits{Rates: rates} }
}

func TestLimitsAreKeptByAllWorkersTogether(t *testing.T) {
	t.Parallel()
	s, keep := limited(t, redistest.Start(t).Client(t), map[string]endpoint.Limit{"pushMessage": {Requests: 300, Per: time.Second}})
	s.work(t, keep)
	s.work(t, keep)
	items := make([]producer.Item, 600)
	for i := range items {
		items[i].Task = tasks.Push{To: user(i), Messages: []lineapi.Message{lineapi.Text("hi")}}
		if i%10 == 0 {
			items[i].Options = []producer.Option{producer.Urgent()}
		}
	}
	tickets, err := s.q.EnqueueAll(t.Context(), items)
	require.NoError(t, err)
	for i, ticket := range tickets {
		r := s.wait(t, ticket)
		require.Equal(t, tasks.OutcomeSent, r.Outcome)
		require.Equal(t, 1, r.Attempts, "a wait is no attempt: %v", s.logs.FilterMessage("waiting").All())
		require.Equal(t, 1, s.line.Ledger().Count(user(i)))
	}
	assert.Zero(t, s.line.Stats().RateLimited)
}

func TestALongWaitIsScheduled(t *testing.T) {
	t.Parallel()
	s, keep := limited(t, redistest.Start(t).Client(t), map[string]endpoint.Limit{"broadcast": {Requests: 15, Per: time.Minute}})
	s.work(t, keep)
	var tickets []producer.Ticket
	for range 4 {
		ticket, err := s.q.Broadcast(t.Context(), lineapi.Text("hi"))
		require.NoError(t, err)
		tickets = append(tickets, ticket)
	}
	inspector := asynq.NewInspectorFromRedisClient(s.rdb)
	require.Eventually(t, func() bool {
		info, err := inspector.GetQueueInfo("lineq-slow")
		return err == nil && info.Retry == 3
	}, time.Minute, 5*time.Millisecond, "those whose turn is far don't wait in the worker")
	for _, ticket := range tickets {
		r := s.wait(t, ticket)
		require.Equal(t, tasks.OutcomeSent, r.Outcome)
		require.Equal(t, 1, r.Attempts)
	}
	assert.Zero(t, s.line.Stats().RateLimited)
}

func TestAnEndpointThatFailsIsLeftAlone(t *testing.T) {
	t.Parallel()
	_, rdb := redistest.Mini(t)
	s := newStage(t, rdb, linesim.Config{})
	require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultRefuse, Operation: "pushMessage"}}))
	s.work(t, func(c *worker.Config) { c.Concurrency = 40 })
	items := make([]producer.Item, 400)
	for i := range items {
		items[i].Task = tasks.Push{To: user(i), Messages: []lineapi.Message{lineapi.Text("hi")}}
	}
	tickets, err := s.q.EnqueueAll(t.Context(), items)
	require.NoError(t, err)
	refused := func() int64 { return s.line.Stats().Requests["pushMessage"][http.StatusInternalServerError] }
	require.Eventually(t, func() bool { return refused() >= 20 }, time.Minute, time.Millisecond)
	loading, err := s.q.Enqueue(t.Context(), tasks.ShowLoading{UserID: user(1), Seconds: 5})
	require.NoError(t, err)
	require.Equal(t, tasks.OutcomeSent, s.wait(t, loading).Outcome, "other endpoints go on")
	require.NoError(t, s.line.SetFaults(nil))
	for _, ticket := range tickets {
		require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	}
	assert.Less(t, refused(), int64(150), "most of the 400 never tried in vain")
	assert.Equal(t, 1, s.logs.FilterMessageSnippet("LINE's endpoint fails").Len(), "told once")
	assert.Equal(t, 1, s.logs.FilterMessage("LINE's endpoint works again").Len())
}

func TestAHoldKeepsWhatWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	s, keep := limited(t, redistest.Start(t).Client(t), map[string]endpoint.Limit{"pushMessage": {Requests: 5, Per: time.Second}})
	s.work(t, keep)
	tickets := s.pushMany(t, 30)
	s.accepted(t, 2)
	_, err := channel.Put(t.Context(), s.rdb, tasks.DefaultChannel, channel.Hold{Reason: channel.Operator})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.logs.FilterMessage("channel is held").Len() == 1 }, time.Minute, time.Millisecond)
	before := s.line.Ledger().Totals().Requests
	for _, ticket := range tickets {
		require.Eventually(t, func() bool {
			r, err := s.q.Result(t.Context(), ticket.ID)
			return err == nil && r.State != tasks.StateActive
		}, time.Minute, 5*time.Millisecond)
	}
	assert.LessOrEqual(t, s.line.Ledger().Totals().Requests, before+1, "one may have been under way")
}

// A thousand urgent pushes of one channel wait for their turns at LINE; another channel's reply passes them all.
func TestUrgentPushesOfOneChannelDelayNoOther(t *testing.T) {
	t.Parallel()
	const crowd = 1000
	s := newStage(t, redistest.Start(t).Client(t), linesim.Config{Channels: []linesim.Channel{
		linesim.DefaultChannel, {ID: "2", Secret: "s", Token: "token-of-shop"},
	}})
	s.work(t, s.with(t, "shop", "token-of-shop"), func(c *worker.Config) {
		c.Limits.Channels = map[string]limit.Channel{
			tasks.DefaultChannel: {Rates: map[string]endpoint.Limit{"pushMessage": {Requests: 1, Per: 2 * time.Second}}},
		}
	})
	items := make([]producer.Item, crowd)
	for i := range items {
		items[i] = producer.Item{
			Task:    tasks.Push{To: user(i), Messages: []lineapi.Message{lineapi.Text("hi")}},
			Options: []producer.Option{producer.Urgent()},
		}
	}
	tickets, err := s.q.EnqueueAll(t.Context(), items)
	require.NoError(t, err)
	for i := range 5 {
		token, err := s.line.NewReplyToken("2", user(2000+i))
		require.NoError(t, err)
		reply, err := s.q.Enqueue(t.Context(), tasks.Reply{ReplyToken: token, Messages: []lineapi.Message{lineapi.Text("hi")}},
			producer.Channel("shop"))
		require.NoError(t, err)
		require.Equal(t, tickets[0].Queue, reply.Queue, "they stand in one queue")
		require.Equal(t, tasks.OutcomeSent, s.wait(t, reply).Outcome)
		require.Equal(t, 1, s.line.Ledger().Count(user(2000+i)))
	}
	gone := s.line.Stats().Requests["pushMessage"][http.StatusOK]
	assert.Less(t, gone, int64(crowd/20), "whoever had waited for them would have waited for minutes")
}

// Two workers are configured differently: the lower limit holds, and the one with the higher says so, once.
func TestALowerLimitIsSaidAloud(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	s, careful := limited(t, rdb, map[string]endpoint.Limit{"pushMessage": {Requests: 20, Per: time.Second}})
	s.work(t, careful)
	for _, ticket := range s.pushMany(t, 5) {
		require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	}
	aloud := func() []observer.LoggedEntry { return s.logs.FilterMessageSnippet("keeps a lower limit").All() }
	assert.Empty(t, aloud(), "they agree")

	s.work(t, func(c *worker.Config) {
		c.Limits = limit.Limits{Rates: map[string]endpoint.Limit{"pushMessage": {Requests: 500, Per: time.Second}}}
	})
	require.Eventually(t, func() bool { s.pushMany(t, 5); return len(aloud()) > 0 }, time.Minute, 100*time.Millisecond)
	for _, ticket := range s.pushMany(t, 30) {
		require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	}
	require.Len(t, aloud(), 1)
	line := aloud()[0]
	assert.Equal(t, zapcore.WarnLevel, line.Level)
	says := line.ContextMap()
	assert.Equal(t, tasks.DefaultChannel, says["channel"])
	assert.Equal(t, "pushMessage", says["operation"])
	assert.Equal(t, "500/s", says["ours"])
	assert.Equal(t, "20/s", says["kept"])
	assert.Zero(t, s.line.Stats().RateLimited, "LINE's limit is the lower one, and both keep it")
}
