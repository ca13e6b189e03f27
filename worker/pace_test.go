package worker_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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
