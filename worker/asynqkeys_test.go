package worker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
)

// TestAsynqKeys pins the keys that are read.
func TestAsynqKeys(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx, now := t.Context(), time.Now()
		client := asynq.NewClientFromRedisClient(rdb)
		inspector := asynq.NewInspectorFromRedisClient(rdb)
		busy := func(queue string) bool {
			t.Helper()
			b, err := hasWork(ctx, rdb, queue, now)
			require.NoError(t, err)
			return b
		}
		enqueue := func(queue string, opts ...asynq.Option) {
			_, err := client.Enqueue(asynq.NewTask("push", nil), append(opts, asynq.Queue(queue), asynq.TaskID("1"))...)
			require.NoError(t, err)
		}
		assert.False(t, busy("nobody-was-here"))
		enqueue("pending")
		assert.True(t, busy("pending"))
		enqueue("soon", asynq.ProcessAt(now.Add(2*time.Second)))
		assert.True(t, busy("soon"))
		enqueue("late", asynq.ProcessAt(now.Add(time.Hour)))
		assert.False(t, busy("late"))

		queues, err := rdb.SMembers(ctx, asynqQueues).Result()
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"pending", "soon", "late"}, queues)

		// A server that has fetched it, and one that puts it back.
		hold, held := make(chan struct{}), make(chan struct{})
		server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
			Queues: map[string]int{"pending": 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel,
			RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Second },
		})
		require.NoError(t, server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
			close(held)
			<-hold
			return errors.New("again")
		})))
		<-held
		assert.True(t, busy("pending"), "active")
		active, err := activeTasks(ctx, rdb, []string{"soon", "pending", "nobody-was-here"})
		require.NoError(t, err)
		assert.Equal(t, []claim{{"pending", "1"}}, active)
		close(hold)
		server.Shutdown()
		info, err := inspector.GetTaskInfo("pending", "1")
		require.NoError(t, err)
		require.Equal(t, asynq.TaskStateRetry, info.State)
		assert.True(t, busy("pending"), "retry")
	})
}

// TestAsynqScripts pins the scripts that fetch and forward.
func TestAsynqScripts(t *testing.T) {
	_, rdb := redistest.Mini(t)
	spy := &scriptSpy{UniversalClient: rdb}
	client := asynq.NewClientFromRedisClient(rdb)
	_, err := client.Enqueue(asynq.NewTask("push", nil), asynq.Queue("q"), asynq.ProcessAt(time.Now().Add(2*time.Second)))
	require.NoError(t, err)
	done := make(chan struct{})
	server := asynq.NewServerFromRedisClient(spy, asynq.Config{
		Queues: map[string]int{"q": 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel,
		DelayedTaskCheckInterval: 10 * time.Millisecond,
	})
	require.NoError(t, server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		close(done)
		return nil
	})))
	<-done
	server.Shutdown()
	dequeues, forwarded := 0, int64(0)
	for _, s := range spy.calls() {
		keys, answer := s[0], s[1][0].(*redis.Cmd)
		names := make([]string, len(keys))
		for i, k := range keys {
			names[i] = k.(string)
		}
		switch {
		case isDequeue(names):
			dequeues++
			end, ok := s[1][1].(int64)
			require.True(t, ok, "dequeue's first argument is no Unix time")
			assert.InDelta(t, time.Now().Add(lease).Unix(), end, 30)
		case isForward(names):
			n, err := answer.Int64()
			if err == nil {
				forwarded += n
			}
		}
	}
	assert.Positive(t, dequeues)
	assert.EqualValues(t, 1, forwarded)
}

// TestAsynqAcknowledges pins the scripts by which asynq lets go of a task, in each way there is.
func TestAsynqAcknowledges(t *testing.T) {
	ends := map[string]error{
		"done": nil, "completed": nil, "retry": errors.New("again"), "archived": asynq.SkipRetry, "put-back": nil,
	}
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		spy := &scriptSpy{UniversalClient: rdb}
		client := asynq.NewClientFromRedisClient(rdb)
		for id := range ends {
			opts := []asynq.Option{asynq.Queue("q"), asynq.TaskID(id)}
			if id == "completed" {
				opts = append(opts, asynq.Retention(time.Hour))
			}
			_, err := client.Enqueue(asynq.NewTask("push", nil), opts...)
			require.NoError(t, err)
		}
		// Redis must know the scripts, else asynq runs them by EVAL.
		for range 2 {
			server := asynq.NewServerFromRedisClient(spy, asynq.Config{
				Queues: map[string]int{"q": 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel,
				RetryDelayFunc:  func(int, error, *asynq.Task) time.Duration { return time.Hour },
				ShutdownTimeout: time.Millisecond,
			})
			begun, over := make(chan struct{}, len(ends)), make(chan struct{})
			require.NoError(t, server.Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
				id, _ := asynq.GetTaskID(ctx)
				begun <- struct{}{}
				if id == "put-back" {
					<-over
				}
				return ends[id]
			})))
			for range ends {
				<-begun
			}
			server.Shutdown()
			close(over)
			inspector := asynq.NewInspectorFromRedisClient(rdb)
			put, err := inspector.GetTaskInfo("q", "put-back")
			require.NoError(t, err)
			require.Equal(t, asynq.TaskStatePending, put.State)
			for id := range ends {
				if id == "put-back" {
					continue
				}
				if err := inspector.DeleteTask("q", id); err != nil {
					require.ErrorIs(t, err, asynq.ErrTaskNotFound)
				}
				opts := []asynq.Option{asynq.Queue("q"), asynq.TaskID(id)}
				if id == "completed" {
					opts = append(opts, asynq.Retention(time.Hour))
				}
				_, err := client.Enqueue(asynq.NewTask("push", nil), opts...)
				require.NoError(t, err)
			}
		}
		let := map[string]int{}
		for _, s := range spy.calls() {
			var keys []string
			for _, k := range s[0] {
				keys = append(keys, k.(string))
			}
			if isAcknowledge(keys) {
				assert.False(t, isDequeue(keys) || isForward(keys))
				assert.NoError(t, s[1][0].(*redis.Cmd).Err())
				let[s[1][1].(string)]++
			}
		}
		for id := range ends {
			assert.Positive(t, let[id], id)
			assert.LessOrEqual(t, let[id], 2, id)
		}
		assert.Len(t, let, len(ends), "scripts that let go of nothing were taken for some that do: %v", let)
	})
}

// TestRetire pins that a task which was taken away leaves nothing behind, and what asynq hears when it lets go of it.
func TestRetire(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		spy := &scriptSpy{UniversalClient: rdb}
		hold, held := make(chan struct{}), make(chan struct{})
		server := asynq.NewServerFromRedisClient(spy, asynq.Config{
			Queues: map[string]int{"q": 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel,
		})
		require.NoError(t, server.Start(asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
			if id, _ := asynq.GetTaskID(ctx); id == "taken" {
				close(held)
				<-hold
			}
			return nil
		})))
		client := asynq.NewClientFromRedisClient(rdb)
		for _, id := range []string{"first", "taken"} { // after the first, Redis knows the scripts
			_, err := client.Enqueue(asynq.NewTask("push", nil), asynq.Queue("q"), asynq.TaskID(id))
			require.NoError(t, err)
		}
		<-held
		require.NoError(t, retire(ctx, rdb, claim{"q", "taken"}))
		require.NoError(t, retire(ctx, rdb, claim{"q", "taken"}), "again")
		for _, key := range []string{"active", "lease", "t:taken"} {
			assert.Eventually(t, func() bool { return rdb.Exists(ctx, asynqKey("q", key)).Val() == 0 }, time.Minute,
				time.Millisecond, key) // the first may not be done with yet
		}
		close(hold)
		server.Shutdown()
		answers := 0
		for _, s := range spy.calls() {
			if args := s[1][1:]; len(args) > 0 && args[0] == "taken" && isTakenAway(s[1][0].(*redis.Cmd).Err()) {
				answers++
			}
		}
		assert.Positive(t, answers)

		_, err := client.Enqueue(asynq.NewTask("push", nil), asynq.Queue("q"), asynq.TaskID("waits"))
		require.NoError(t, err)
		require.NoError(t, retire(ctx, rdb, claim{"q", "waits"}))
		_, err = asynq.NewInspectorFromRedisClient(rdb).GetTaskInfo("q", "waits")
		assert.NoError(t, err, "a task that isn't active is left alone")
	})
}

type scriptSpy struct {
	redis.UniversalClient

	mu   sync.Mutex
	seen [][2][]any
}

// calls are all that were seen until now.
func (s *scriptSpy) calls() [][2][]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.seen)
}

func (s *scriptSpy) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	cmd := s.UniversalClient.EvalSha(ctx, sha, keys, args...)
	if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
		return cmd
	}
	all := make([]any, len(keys))
	for i, k := range keys {
		all[i] = k
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, [2][]any{all, append([]any{cmd}, args...)})
	return cmd
}
