package worker_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// accepted waits until LINE has accepted n requests; their answers are still on the way.
func (s *stage) accepted(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return s.line.Ledger().Totals().Requests >= n }, time.Minute, time.Millisecond)
}

func (s *stage) pushMany(t *testing.T, n int) []producer.Ticket {
	t.Helper()
	items := make([]producer.Item, n)
	for i := range items {
		items[i].Task = tasks.Push{To: user(i), Messages: []lineapi.Message{lineapi.Text("hi")}}
	}
	tickets, err := s.q.EnqueueAll(t.Context(), items)
	require.NoError(t, err)
	return tickets
}

func TestStopLetsSendsFinish(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{Latency: 200 * time.Millisecond})
		stop := s.work(t, func(c *worker.Config) { c.Concurrency = 20 })
		tickets := s.pushMany(t, 100)
		s.accepted(t, 5)
		stop()

		finished := 0
		for i, ticket := range tickets {
			r, err := s.q.Result(t.Context(), ticket.ID)
			require.NoError(t, err)
			switch r.State {
			case tasks.StateDone:
				finished++
				require.Equal(t, tasks.OutcomeSent, r.Outcome)
				require.Equal(t, 1, r.Attempts)
			default:
				require.Contains(t, []tasks.State{tasks.StateQueued, tasks.StateWaiting}, r.State, "nothing is left under way")
				require.Zero(t, s.line.Ledger().Count(user(i)), "it was sent, but not recorded")
			}
		}
		assert.Positive(t, finished)
		assert.Less(t, finished, 100, "it fetched on after the stop")

		s.work(t)
		for i, ticket := range tickets {
			require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
			require.Equal(t, 1, s.line.Ledger().Count(user(i)))
		}
	})
}

func TestStopGivesUpAfterTheGraceTime(t *testing.T) {
	t.Parallel()
	_, rdb := redistest.Mini(t)
	s := newStage(t, rdb, linesim.Config{})
	require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultDelay, Delay: time.Hour, Count: 1}}))
	stop := s.work(t, func(c *worker.Config) { c.Grace = 50 * time.Millisecond })
	ticket := s.push(t, user(1))
	s.accepted(t, 1)
	stop()
	r, err := s.q.Result(t.Context(), ticket.ID)
	require.NoError(t, err)
	assert.Equal(t, tasks.StateWaiting, r.State)
	assert.Equal(t, lineapi.Network, r.Reason)

	s.work(t)
	r = s.wait(t, ticket)
	assert.Equal(t, tasks.OutcomeSent, r.Outcome)
	assert.True(t, r.Replayed)
	assert.Equal(t, 1, s.line.Ledger().Count(user(1)))
}

func TestRedisComesBack(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	options := worker.RedisOptions(&redis.UniversalOptions{Addrs: []string{server.Addr}})
	rdb := redis.NewUniversalClient(options)
	t.Cleanup(func() { _ = rdb.Close() })
	s := newStage(t, server.Client(t), linesim.Config{Latency: 20 * time.Millisecond})
	s.work(t, func(c *worker.Config) {
		c.Redis, c.Concurrency = rdb, 20
		c.Grace = 2 * time.Minute // that the end may take as long as go-redis needs for its subscriptions
	})
	tickets := s.pushMany(t, 200)
	s.accepted(t, 20)
	server.Kill()
	server.Launch(t)
	for i, ticket := range tickets {
		require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
		require.Equal(t, 1, s.line.Ledger().Count(user(i)))
	}
}

func TestStopWithoutRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rdb := redis.NewUniversalClient(worker.RedisOptions(&redis.UniversalOptions{Addrs: []string{server.Addr}}))
	s := newStage(t, server.Client(t), linesim.Config{Latency: 200 * time.Millisecond})
	cfg := s.config(t)
	cfg.Redis, cfg.Grace, cfg.Concurrency = rdb, 50*time.Millisecond, 20
	w, err := worker.New(cfg)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	tickets := s.pushMany(t, 40)
	s.accepted(t, 10)
	server.Kill()
	stop()
	select {
	case err := <-ended:
		require.ErrorContains(t, err, "away")
	case <-time.After(time.Minute):
		require.Fail(t, "it waits for Redis")
	}
	server.Launch(t) // rdb stays open: see Run
	for _, ticket := range tickets {
		r, err := s.q.Result(t.Context(), ticket.ID)
		require.NoError(t, err)
		require.Contains(t, []tasks.Outcome{"", tasks.OutcomeSent}, r.Outcome)
	}
}

// stopAt ends a context before the n-th command that Redis is given.
type stopAt struct {
	n    atomic.Int64
	stop context.CancelFunc
}

func (s *stopAt) DialHook(next redis.DialHook) redis.DialHook { return next }

func (s *stopAt) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		s.count()
		return next(ctx, cmd)
	}
}

func (s *stopAt) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		s.count()
		return next(ctx, cmds)
	}
}

func (s *stopAt) count() {
	if s.n.Add(-1) == 0 {
		s.stop()
	}
}

// A worker that is stopped while it starts ends as one that is stopped later.
func TestStopWhileItStarts(t *testing.T) {
	t.Parallel()
	for n := range int64(30) {
		t.Run(fmt.Sprintf("at command %d", n), func(t *testing.T) {
			_, mini := redistest.Mini(t)
			s := newStage(t, mini, linesim.Config{})
			rdb := redis.NewClient(&redis.Options{Addr: mini.(*redis.Client).Options().Addr})
			t.Cleanup(func() { _ = rdb.Close() })
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			hook := &stopAt{stop: stop}
			hook.n.Store(n + 1)
			rdb.AddHook(hook)
			cfg := s.config(t)
			cfg.Redis, cfg.Grace = rdb, 10*time.Millisecond
			w, err := worker.New(cfg)
			require.NoError(t, err)
			require.NoError(t, w.Run(ctx))
		})
	}
}
