package worker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// These tests break what real processes need of each other, for as long as their names say; the time is real.

// patient connects as a worker does.
func patient(t *testing.T, addr string) redis.UniversalClient {
	rdb := redis.NewUniversalClient(worker.RedisOptions(&redis.UniversalOptions{Addrs: []string{addr}}))
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

func observed() (*zap.Logger, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.DebugLevel)
	return zap.New(core), logs
}

// said is how often a line was logged.
func said(logs *observer.ObservedLogs, line string) int {
	return logs.Filter(func(e observer.LoggedEntry) bool { return strings.HasPrefix(e.Message, line) }).Len()
}

const (
	redisIsAway = "redis is away"
	redisIsBack = "redis is back"
)

// awaitLine waits until a line was logged n times.
func awaitLine(t *testing.T, logs *observer.ObservedLogs, line string, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return said(logs, line) >= n }, time.Minute, 10*time.Millisecond, "%s %d times", line, n)
}

// assertQuiet checks that each absence of Redis was told of once, and its end, and that nothing else was said aloud.
func assertQuiet(t *testing.T, logs *observer.ObservedLogs, absences int) {
	t.Helper()
	assert.Equal(t, absences, said(logs, redisIsAway))
	assert.Equal(t, absences, said(logs, redisIsBack))
	handedOn := 0
	for _, e := range logs.All() {
		switch {
		case e.Level < zapcore.WarnLevel || strings.HasPrefix(e.Message, redisIsAway):
		case strings.HasPrefix(e.Message, "tasks that no worker had were handed on"),
			strings.HasPrefix(e.Message, "a worker died"):
			handedOn++ // those whose fetch got no answer, or of a worker that couldn't be heard
		default:
			assert.Fail(t, "said aloud", "%s %s %v", e.LoggerName, e.Message, e.ContextMap())
		}
		assert.NotContains(t, fmt.Sprint(e.Message, e.ContextMap()), secretText)
		assert.NotContains(t, fmt.Sprint(e.Message, e.ContextMap()), linesim.DefaultChannel.Token)
	}
	assert.LessOrEqual(t, handedOn, 2*(absences+1), "said too often")
}

// stalled is how long nothing may be decided before finish thinks that what is left is with nobody.
const stalled = 12 * time.Second

// finish waits until every task is sent, and checks that each arrived once. A fetch whose answer was lost leaves its task
// with nobody until its lease is over; where that is all that is left, the lease is ended and another worker begins.
func (s *stage) finish(t *testing.T, tickets []producer.Ticket) (replayed int) {
	t.Helper()
	ctx := t.Context()
	left, moved, helped := tickets, time.Now(), false
	require.Eventually(t, func() bool {
		var open []producer.Ticket
		for _, ticket := range left {
			r, err := s.q.Result(ctx, ticket.ID)
			require.NoError(t, err)
			if r.Outcome == "" {
				open = append(open, ticket)
				continue
			}
			require.Equal(t, tasks.OutcomeSent, r.Outcome, "%+v", r)
		}
		if len(open) < len(left) {
			left, moved = open, time.Now()
		}
		if len(left) > 0 && !helped && time.Since(moved) > stalled {
			t.Logf("%d tasks were with nobody", len(left))
			for _, ticket := range left {
				s.timePasses(t, ticket)
			}
			log, _ := observed()
			s.work(t, func(c *worker.Config) { c.Log = log })
			helped = true
		}
		return len(left) == 0
	}, 3*time.Minute, 100*time.Millisecond)
	for _, ticket := range tickets {
		r, err := s.q.Result(ctx, ticket.ID)
		require.NoError(t, err)
		if r.Replayed {
			replayed++
		}
	}
	t.Logf("%d sent, %d of them replayed", len(tickets), replayed)
	assert.Empty(t, s.line.Ledger().Duplicates())
	for i := range tickets {
		require.Equal(t, 1, s.line.Ledger().Count(user(i)), "user %d", i)
	}
	return replayed
}

func TestRedisIsAwayForLong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		absent time.Duration
		leave  func(*testing.T, *redistest.Server)
		come   func(*testing.T, *redistest.Server)
	}{
		{"frozen for 20 s", 20 * time.Second, freeze, thaw},
		{"frozen for 60 s", 60 * time.Second, freeze, thaw},
		{"killed, and started after 20 s", 20 * time.Second, kill, launch},
		{"killed, and started after 60 s", 60 * time.Second, kill, launch},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := newStage(t, server.Client(t), linesim.Config{Latency: 50 * time.Millisecond})
			s.work(t, func(cfg *worker.Config) { cfg.Redis, cfg.Concurrency = patient(t, server.Addr), 50 })
			tickets := s.pushMany(t, 800)
			s.accepted(t, 200)
			over := time.After(c.absent)
			c.leave(t, server)
			awaitLine(t, s.logs, redisIsAway, 1)
			<-over
			require.Zero(t, said(s.logs, redisIsBack))
			c.come(t, server)
			awaitLine(t, s.logs, redisIsBack, 1)
			replayed := s.finish(t, tickets)
			assert.Zero(t, replayed, "no worker died, so nothing had to be sent again")
			assertQuiet(t, s.logs, 1)
		})
	}
}

func freeze(_ *testing.T, s *redistest.Server) { s.Freeze() }
func thaw(_ *testing.T, s *redistest.Server)   { s.Thaw() }
func kill(_ *testing.T, s *redistest.Server)   { s.Kill() }
func launch(t *testing.T, s *redistest.Server) { s.Launch(t) }

func TestARedisThatMayLoseWhatItWasGiven(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "no")
	s := newStage(t, server.Client(t), linesim.Config{})
	s.work(t)
	awaitLine(t, s.logs, "worker started", 1)
	assert.Equal(t, 1, s.logs.FilterLevelExact(zapcore.WarnLevel).FilterMessageSnippet("keeps nothing on disk").Len())
}

func TestRedisIsKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t) // with appendfsync always: what it has acknowledged is on the disk
	s := newStage(t, server.Client(t), linesim.Config{Latency: 50 * time.Millisecond})
	s.work(t, func(cfg *worker.Config) { cfg.Redis, cfg.Concurrency = patient(t, server.Addr), 20 })
	tickets := s.pushMany(t, 1500)
	const kills = 4
	for n := range kills {
		s.accepted(t, 250*(n+1))
		server.Kill()
		awaitLine(t, s.logs, redisIsAway, n+1)
		server.Launch(t)
		awaitLine(t, s.logs, redisIsBack, n+1)
	}
	s.finish(t, tickets)
	assertQuiet(t, s.logs, kills)
}

// TestBellsAfterAnAbsence: an urgent message goes at once when Redis is back, not when go-redis's pauses between tries are
// over.
func TestBellsAfterAnAbsence(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStage(t, server.Client(t), linesim.Config{})
	stop := s.work(t, func(cfg *worker.Config) { cfg.Redis = patient(t, server.Addr) })
	s.wait(t, s.push(t, user(0), producer.Urgent()))
	server.Kill()
	awaitLine(t, s.logs, redisIsAway, 1)
	<-time.After(15 * time.Second) // by now the pauses are at their longest
	server.Launch(t)
	awaitLine(t, s.logs, redisIsBack, 1)
	require.Eventually(t, func() bool {
		return s.rdb.PubSubNumSub(t.Context(), tasks.Bell).Val()[tasks.Bell] == 1
	}, time.Minute, 10*time.Millisecond)
	subscribed := time.Now()
	back := s.logs.FilterMessageSnippet(redisIsBack).All()[0].Time
	assert.Less(t, subscribed.Sub(back), 30*time.Second, "the bell is deaf")
	s.wait(t, s.push(t, user(1), producer.Urgent()))
	stopping := time.Now()
	stop()
	t.Logf("the bell was heard %s after Redis was back, and the worker stopped within %s", subscribed.Sub(back), time.Since(stopping))
}
