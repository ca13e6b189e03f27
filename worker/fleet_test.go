package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
)

func newWorker(t *testing.T, rdb redis.UniversalClient) *Worker {
	t.Helper()
	c, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken("token"), Origin: "http://127.0.0.1:1"})
	require.NoError(t, err)
	w, err := New(Config{Redis: rdb, Channels: map[string]*lineapi.Client{"default": c}})
	require.NoError(t, err)
	return w
}

func TestNewRefusesABadConfig(t *testing.T) {
	_, rdb := redistest.Mini(t)
	c := &lineapi.Client{}
	for want, cfg := range map[string]Config{
		"Redis":       {Channels: map[string]*lineapi.Client{"default": c}},
		"nobody":      {Redis: rdb},
		"no client":   {Redis: rdb, Channels: map[string]*lineapi.Client{"default": nil}},
		"Channels":    {Redis: rdb, Channels: map[string]*lineapi.Client{"a b": c}},
		"Concurrency": {Redis: rdb, Channels: map[string]*lineapi.Client{"default": c}, Concurrency: -1},
	} {
		_, err := New(cfg)
		assert.ErrorContains(t, err, want)
	}
}

func TestRunFailsAtOnceWithoutRedis(t *testing.T) {
	w := newWorker(t, redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1}))
	assert.ErrorContains(t, w.Run(t.Context()), "redis can't be reached")
}

func TestServersFollowTheDistance(t *testing.T) {
	for roundTrip, want := range map[time.Duration]int{
		100 * time.Microsecond: 1, 2 * time.Millisecond: 1, 10 * time.Millisecond: 2, time.Second: 8,
	} {
		assert.Equal(t, want, serversFor(roundTrip), roundTrip)
	}
}

func TestSweepStartsAndStopsServers(t *testing.T) {
	_, rdb := redistest.Mini(t)
	w := newWorker(t, rdb)
	f := newFleet(w, 1)
	t.Cleanup(f.stop)
	ctx := t.Context()
	queue, foreign := tasks.LinePush.Queue("default"), tasks.LinePush.Queue("elsewhere")
	for _, q := range []string{queue, foreign, "somebody-elses"} {
		_, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("push", nil), asynq.Queue(q),
			asynq.TaskID("x"), asynq.ProcessAt(time.Now().Add(2*time.Second)), asynq.MaxRetry(math.MaxInt32))
		require.NoError(t, err)
	}
	require.NoError(t, f.sweep(ctx))
	require.Contains(t, f.running, queue)
	assert.Len(t, f.running, 1, "other channels' and other programs' queues are left alone")

	require.NoError(t, asynq.NewInspectorFromRedisClient(rdb).DeleteTask(queue, "x"))
	require.NoError(t, f.sweep(ctx))
	require.Contains(t, f.running, queue, "it has only just become idle")
	f.running[queue].idle = time.Now().Add(-idleTime - time.Second)
	require.NoError(t, f.sweep(ctx))
	assert.NotContains(t, f.running, queue)
}

// scripted is a Redis whose EVALSHA gives the answers of a list, the last one for ever.
type scripted struct {
	redis.UniversalClient
	answers []*redis.Cmd
	args    [][]any
}

func (s *scripted) EvalSha(_ context.Context, _ string, _ []string, args ...any) *redis.Cmd {
	s.args = append(s.args, args)
	a := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	return a
}

func (s *scripted) Publish(context.Context, string, any) *redis.IntCmd {
	return redis.NewIntResult(1, nil)
}

func TestAttentive(t *testing.T) {
	dequeue := []string{"asynq:{q}:pending", "asynq:{q}:paused", "asynq:{q}:active", "asynq:{q}:lease"}
	empty, task := redis.NewCmdResult([]any{}, nil), redis.NewCmdResult([]any{"id", "a task"}, nil)
	setUp := func(answers ...*redis.Cmd) (*attentive, *scripted, *bells, chan struct{}) {
		b, inner, closing := newBells(func(string) bool { return true }), &scripted{answers: answers}, make(chan struct{})
		return &attentive{
			UniversalClient: inner, bells: b, queue: "q", bell: b.hear("q"), ahead: newAhead(inner, "q", 64, newClaims(nil)),
			closing: closing,
		}, inner, b, closing
	}
	t.Run("a ring ends the wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, inner, b, _ := setUp(empty, task)
			start := time.Now()
			time.AfterFunc(300*time.Millisecond, func() { b.ring("q") })
			cmd := a.EvalSha(t.Context(), "sha", dequeue, start.Add(lease).Unix(), "prefix")
			assert.Equal(t, "a task", cmd.Val())
			assert.Equal(t, 300*time.Millisecond, time.Since(start))
			assert.Equal(t, []any{time.Now().Add(lease).Unix(), "prefix", 1}, inner.args[1], "the lease is renewed")
		})
	})
	t.Run("a ring before the question counts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, _, b, _ := setUp(empty, task)
			start := time.Now()
			b.ring("q")
			b.ring("q")
			assert.Equal(t, "a task", a.EvalSha(t.Context(), "sha", dequeue, int64(1), "prefix").Val())
			assert.Zero(t, time.Since(start))
		})
	})
	t.Run("without a ring it looks again after a while", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, inner, b, _ := setUp(empty)
			start := time.Now()
			b.ring("another queue")
			assert.ErrorIs(t, a.EvalSha(t.Context(), "sha", dequeue, int64(1), "prefix").Err(), redis.Nil)
			assert.Equal(t, maxSilence, time.Since(start))
			assert.Len(t, inner.args, 2)
		})
	})
	t.Run("closing ends the wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, inner, _, closing := setUp(empty)
			start := time.Now()
			close(closing)
			assert.ErrorIs(t, a.EvalSha(t.Context(), "sha", dequeue, int64(1), "prefix").Err(), redis.Nil)
			assert.Zero(t, time.Since(start))
			assert.Len(t, inner.args, 1)
		})
	})
	t.Run("what was forwarded rings", func(t *testing.T) {
		a, _, _, _ := setUp(redis.NewCmdResult(int64(3), nil))
		a.EvalSha(t.Context(), "sha", []string{"asynq:{q}:scheduled", "asynq:{q}:pending"})
		assert.Len(t, a.bell, 1)
	})
	t.Run("a ring that nobody hears is kept for the sweep", func(t *testing.T) {
		_, rdb := redistest.Mini(t)
		b := newWorker(t, rdb).bells
		b.ring("lineq-push-elsewhere")
		b.ring("lineq-urgent")
		assert.Empty(t, b.unheard, "what this worker can't send must not keep it busy")
		b.ring("lineq-push-default")
		assert.Len(t, b.unheard, 1)
	})
}

func TestWhatAsynqIsTold(t *testing.T) {
	wait := &postponed{delay: 3 * time.Second, reason: "bad \xff utf-8"}
	assert.Equal(t, 3*time.Second, retryDelay(0, fmt.Errorf("x: %w", wait), nil))
	assert.False(t, isFailure(wait))
	assert.True(t, isFailure(&postponed{failure: true}))
	assert.Equal(t, "bad ? utf-8", wait.Error())
	assert.Zero(t, retryDelay(0, asynq.ErrLeaseExpired, nil))
	assert.False(t, isFailure(asynq.ErrLeaseExpired))
	assert.True(t, isFailure(errors.New("a panic")))
}

func TestRunThatIsStoppedBeforeItBegins(t *testing.T) {
	_, rdb := redistest.Mini(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.NoError(t, newWorker(t, rdb).Run(ctx))
}
