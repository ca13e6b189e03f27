package worker

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
)

// asynqKeys are a queue's, as asynq gives them to its dequeue.
func asynqKeys(queue string) (keys []string, prefix string) {
	p := "asynq:{" + queue + "}:"
	return []string{p + "pending", p + "paused", p + "active", p + "lease"}, p + "t:"
}

// kept is how asynq keeps one task.
type kept struct {
	fields, pending, active []string
	state                   string
	leased                  bool
}

func keptOf(t *testing.T, rdb redis.UniversalClient, queue, id string) kept {
	ctx := t.Context()
	keys, prefix := asynqKeys(queue)
	hash := rdb.HGetAll(ctx, prefix+id).Val()
	k := kept{
		pending: rdb.LRange(ctx, keys[0], 0, -1).Val(), active: rdb.LRange(ctx, keys[2], 0, -1).Val(),
		state: hash["state"],
	}
	for name := range hash {
		k.fields = append(k.fields, name)
	}
	slices.Sort(k.fields)
	if end, err := rdb.ZScore(ctx, keys[3], id).Result(); err == nil {
		assert.InDelta(t, time.Now().Add(lease).Unix(), end, 30)
		k.leased = true
	}
	return k
}

// TestFetchIsAsynqs pins what ahead.go relies on in asynq: that a fetched task looks as one that asynq has fetched, and one
// that was given back as one that asynq has.
func TestFetchIsAsynqs(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		for _, queue := range []string{"theirs", "ours"} {
			_, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("push", []byte("payload")),
				asynq.Queue(queue), asynq.TaskID("1"))
			require.NoError(t, err)
		}
		before := keptOf(t, rdb, "ours", "1")
		hold, held := make(chan struct{}), make(chan struct{})
		defer close(hold)
		server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
			Queues: map[string]int{"theirs": 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel,
			ShutdownTimeout: time.Millisecond,
		})
		require.NoError(t, server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
			close(held)
			<-hold
			return nil
		})))
		<-held
		keys, prefix := asynqKeys("ours")
		a := newAhead(rdb, "ours", 64, newClaims(nil))
		require.NoError(t, a.fetch(t.Context(), keys, []any{time.Now().Add(lease).Unix(), prefix}))
		require.Len(t, a.tasks, 1)
		fetched := keptOf(t, rdb, "ours", "1")
		assert.Equal(t, keptOf(t, rdb, "theirs", "1"), fetched)
		assert.Equal(t, kept{[]string{"msg", "state"}, []string{}, []string{"1"}, "active", true}, fetched)

		server.Shutdown()
		a.keys, a.prefix = keys, prefix
		a.close()
		assert.Equal(t, before, keptOf(t, rdb, "ours", "1"))
		back := keptOf(t, rdb, "theirs", "1")
		assert.Equal(t, []string{"1"}, back.pending)
		assert.Equal(t, "pending", back.state)
		assert.False(t, back.leased)
	})
}

func TestFetchAhead(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		keys, prefix := asynqKeys("q")
		args := []any{time.Now().Add(lease).Unix(), prefix}
		next := func(t *testing.T, a *ahead) string {
			cmd := a.next(ctx, keys, args)
			if cmd.Err() == redis.Nil {
				return ""
			}
			require.NoError(t, cmd.Err())
			return cmd.Val().(string)
		}
		fill := func(t *testing.T, n int) (ids []string) {
			require.NoError(t, rdb.FlushDB(ctx).Err())
			for i := range n {
				id := fmt.Sprint(i)
				require.NoError(t, rdb.HSet(ctx, prefix+id, "msg", "message "+id, "state", "pending").Err())
				require.NoError(t, rdb.LPush(ctx, keys[0], id).Err())
				ids = append(ids, id)
			}
			return ids
		}
		t.Run("all come once, in their order", func(t *testing.T) {
			ids := fill(t, 300)
			a := newAhead(rdb, "q", 64, newClaims(nil))
			for _, id := range ids {
				require.Equal(t, "message "+id, next(t, a))
			}
			assert.Empty(t, next(t, a))
			assert.Len(t, rdb.LRange(ctx, keys[2], 0, -1).Val(), 300)
			assert.EqualValues(t, 300, rdb.ZCard(ctx, keys[3]).Val())
			assert.Equal(t, maxAhead, a.count, "more are fetched together where all are taken soon")
		})
		t.Run("what is left goes back in front", func(t *testing.T) {
			fill(t, 10)
			a := newAhead(rdb, "q", 64, newClaims(nil))
			a.count = 5
			require.Equal(t, "message 0", next(t, a))
			require.Equal(t, "message 1", next(t, a))
			bell := rdb.Subscribe(ctx, "lineq:bell")
			defer bell.Close()
			_, err := bell.Receive(ctx)
			require.NoError(t, err)
			a.close()
			assert.Equal(t, []string{"9", "8", "7", "6", "5", "4", "3", "2"}, rdb.LRange(ctx, keys[0], 0, -1).Val())
			assert.ElementsMatch(t, []string{"0", "1"}, rdb.LRange(ctx, keys[2], 0, -1).Val())
			assert.EqualValues(t, 2, rdb.ZCard(ctx, keys[3]).Val())
			assert.Equal(t, "pending", rdb.HGet(ctx, prefix+"2", "state").Val())
			assert.Empty(t, next(t, a), "it is over")
			ring, err := bell.ReceiveMessage(ctx)
			require.NoError(t, err)
			assert.Equal(t, "q", ring.Payload, "somebody else may have a slot")
		})
		t.Run("no slot in time", func(t *testing.T) {
			fill(t, 10)
			a := newAhead(rdb, "q", 64, newClaims(nil))
			a.count = 8
			require.Equal(t, "message 0", next(t, a))
			require.Eventually(t, func() bool { return rdb.LLen(ctx, keys[0]).Val() == 9 }, time.Minute, time.Millisecond)
			a.mu.Lock()
			assert.Equal(t, 4, a.count, "fewer are fetched together")
			a.mu.Unlock()
			assert.Equal(t, "message 1", next(t, a))
			a.close()
		})
		t.Run("a paused queue", func(t *testing.T) {
			fill(t, 3)
			require.NoError(t, rdb.Set(ctx, keys[1], 1, 0).Err())
			a := newAhead(rdb, "q", 64, newClaims(nil))
			assert.Empty(t, next(t, a))
			assert.EqualValues(t, 3, rdb.LLen(ctx, keys[0]).Val())
		})
		t.Run("an id whose task was deleted", func(t *testing.T) {
			fill(t, 3)
			require.NoError(t, rdb.Del(ctx, prefix+"1").Err())
			a := newAhead(rdb, "q", 64, newClaims(nil))
			a.count = 5
			assert.Equal(t, "message 0", next(t, a))
			assert.Equal(t, "message 2", next(t, a))
			assert.ElementsMatch(t, []string{"0", "2"}, rdb.LRange(ctx, keys[2], 0, -1).Val())
			assert.Zero(t, rdb.Exists(ctx, prefix+"1").Val())
		})
		t.Run("what somebody else has recovered stays his", func(t *testing.T) {
			fill(t, 3)
			a := newAhead(rdb, "q", 64, newClaims(nil))
			a.count = 3
			require.Equal(t, "message 0", next(t, a))
			require.NoError(t, rdb.LRem(ctx, keys[2], 0, "1").Err())
			a.close()
			assert.Equal(t, []string{"2"}, rdb.LRange(ctx, keys[0], 0, -1).Val())
		})
	})
}

// TestAPauseStopsWhatIsFetched: a task waits for a slot no longer than aheadTime, however late the timer runs.
func TestAPauseStopsWhatIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &scripted{answers: []*redis.Cmd{
			redis.NewCmdResult([]any{"1", "one", "2", "two", "3", "three"}, nil), // fetch
			redis.NewCmdResult("ok", nil),                                        // give back
			redis.NewCmdResult([]any{}, nil),                                     // fetch: paused
		}}
		a := newAhead(inner, "q", 64, newClaims(nil))
		a.count = 3
		keys, prefix := asynqKeys("q")
		take := func() *redis.Cmd { return a.next(t.Context(), keys, []any{int64(1), prefix}) }
		assert.Equal(t, "one", take().Val())
		time.Sleep(aheadTime / 2)
		assert.Equal(t, "two", take().Val())
		require.Len(t, inner.args, 1, "the second needed no Redis")
		a.timer.Stop()
		time.Sleep(aheadTime)
		assert.ErrorIs(t, take().Err(), redis.Nil)
		require.Len(t, inner.args, 3)
		assert.Equal(t, []any{prefix, time.Now().UnixNano(), "3"}, inner.args[1])
	})
}
