package worker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
)

// asynqsOwn is a client that notes asynq's own done, so that a test can do the same otherwise.
type asynqsOwn struct {
	redis.UniversalClient
	keys []string
	args []any
	seen chan struct{}
}

func (a *asynqsOwn) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if isDone(keys) {
		a.keys, a.args = keys, args
		close(a.seen)
	}
	return a.UniversalClient.EvalSha(ctx, sha, keys, args...)
}

// TestDoneIsAsynqs pins what acks.go relies on in asynq: that it leaves Redis as asynq's own done does.
func TestDoneIsAsynqs(t *testing.T) {
	left := func(t *testing.T, rdb redis.UniversalClient) map[string]string {
		all := map[string]string{}
		for _, key := range rdb.Keys(t.Context(), "asynq:{q}*").Val() {
			all[key] = rdb.Get(t.Context(), key).Val()
			if ttl := rdb.TTL(t.Context(), key).Val(); ttl > 0 {
				all[key] += " for " + ttl.Round(time.Hour).String()
			}
		}
		return all
	}
	_, rdb := redistest.Mini(t)
	enqueue := func(id string) {
		_, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("push", nil), asynq.Queue("q"), asynq.TaskID(id))
		require.NoError(t, err)
	}
	enqueue("1")
	theirs := &asynqsOwn{UniversalClient: rdb, seen: make(chan struct{})}
	server := asynq.NewServerFromRedisClient(theirs, asynq.Config{
		Queues: map[string]int{"q": 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel,
	})
	require.NoError(t, server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })))
	<-theirs.seen
	server.Shutdown()
	want := left(t, rdb)
	require.NotEmpty(t, want, "its counts")

	require.NoError(t, rdb.FlushDB(t.Context()).Err())
	enqueue("1")
	keys, prefix := asynqKeys("q")
	a := newAhead(rdb, "q", 64, newClaims(nil))
	require.NoError(t, a.fetch(t.Context(), keys, []any{time.Now().Add(lease).Unix(), prefix}))
	cmd := newAcks(rdb).done(t.Context(), theirs.keys, theirs.args)
	require.NoError(t, cmd.Err())
	assert.Equal(t, "OK", cmd.Val())
	assert.Equal(t, want, left(t, rdb))
}

func TestAcks(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		keys, prefix := asynqKeys("q")
		done := func(a *acks, id string) error {
			return a.done(ctx, []string{keys[2], keys[3], prefix + id, "asynq:{q}:processed:today", "asynq:{q}:processed"},
				[]any{id, time.Now().Add(time.Hour).Unix(), int64(1) << 62}).Err()
		}
		const n = 1000
		for i := range n {
			id := fmt.Sprint(i)
			require.NoError(t, rdb.HSet(ctx, prefix+id, "msg", "x").Err())
			require.NoError(t, rdb.LPush(ctx, keys[2], id).Err())
			require.NoError(t, rdb.ZAdd(ctx, keys[3], redis.Z{Member: id}).Err())
		}
		// One was handed on to another worker, one is asked for twice.
		require.NoError(t, rdb.LRem(ctx, keys[2], 0, "7").Err())
		a := newAcks(rdb)
		require.NoError(t, done(a, "8"))
		var all sync.WaitGroup
		errs := make([]error, n)
		for i := range n {
			all.Go(func() { errs[i] = done(a, fmt.Sprint(i)) })
		}
		all.Wait()
		for i, err := range errs {
			if i == 7 || i == 8 {
				require.True(t, isTakenAway(err), "%v", err)
				continue
			}
			require.NoError(t, err)
		}
		assert.Zero(t, rdb.LLen(ctx, keys[2]).Val())
		assert.Equal(t, []string{"7"}, rdb.ZRange(ctx, keys[3], 0, -1).Val(), "what another has is his")
		assert.EqualValues(t, 1, rdb.Exists(ctx, prefix+"7").Val())
		for _, count := range []string{"asynq:{q}:processed:today", "asynq:{q}:processed"} {
			assert.Equal(t, fmt.Sprint(n-1), rdb.Get(ctx, count).Val())
		}
		assert.Positive(t, rdb.TTL(ctx, "asynq:{q}:processed:today").Val())
		assert.Negative(t, rdb.TTL(ctx, "asynq:{q}:processed").Val())
	})
	t.Run("without Redis", func(t *testing.T) {
		m, rdb := redistest.Mini(t)
		m.SetError("LOADING for now")
		err := newAcks(rdb).done(t.Context(), []string{"a", "b", "c", "d", "e"}, []any{"1", 1, 2}).Err()
		require.Error(t, err)
		assert.False(t, isTakenAway(err))
	})
}
