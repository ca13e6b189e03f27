package worker

import (
	"context"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
)

// TestWorkersThatDoNotBeat is a rolling upgrade: a worker of an older version has a task that it never claims.
func TestWorkersThatDoNotBeat(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		serve := func(queue string) *asynq.Server {
			older := asynq.NewServerFromRedisClient(rdb, asynq.Config{
				Queues: map[string]int{queue: 1}, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Millisecond,
			})
			require.NoError(t, older.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error { return nil })))
			require.Eventually(t, func() bool {
				all, err := asynq.NewInspectorFromRedisClient(rdb).Servers()
				return err == nil && len(all) > 0
			}, time.Minute, time.Millisecond)
			return older
		}
		// The servers shall only be there.
		require.NoError(t, rdb.Set(ctx, asynqKey(handOnQueue, "paused"), "", 0).Err())
		w := newWorker(t, rdb)
		start, err := w.beat(ctx)
		require.NoError(t, err)
		// The server of this test lives in another process than the worker, as far as Redis knows.
		elsewhere := func() { require.NoError(t, rdb.HSet(ctx, claimsKey(w.id), "pid", "another").Err()) }
		elsewhere()
		v := newWatch(w)
		var passed time.Duration
		look := func() {
			t.Helper()
			passed += unclaimedTime + time.Second
			now := turn{redis: start.redis.Add(passed), here: time.Now(), since: start.here.Add(-time.Hour)}
			require.NoError(t, rdb.ZAdd(ctx, workersKey, redis.Z{Score: float64(now.redis.UnixMilli()), Member: w.id}).Err())
			require.NoError(t, v.look(ctx, now))
		}
		has := func(key, id string) bool { return rdb.HExists(ctx, asynqKey(handOnQueue, "t:"+id), key).Val() }

		older := serve(handOnQueue)
		fetchedTask(t, rdb, "default:its")
		dead := fetchedTask(t, rdb, "default:dead")
		require.NoError(t, rdb.ZAdd(ctx, workersKey, redis.Z{Score: 1, Member: "dead"}).Err())
		require.NoError(t, rdb.HSet(ctx, claimsKey("dead"), "claims", `{"`+dead.queue+`":["`+dead.id+`"]}`).Err())
		for range 3 {
			look()
		}
		assert.True(t, has("msg", "default:its"), "the older worker may have it")
		assert.False(t, has("msg", "default:its~1"))
		assert.True(t, has("msg", "default:dead~1"), "what a dead worker has claimed is nobody else's")

		older.Shutdown()
		look()
		assert.True(t, has("msg", "default:its~1"), "the older worker has gone without it")

		t.Run("a server of somebody else's queue", func(t *testing.T) {
			other := serve("mail")
			defer other.Shutdown()
			fetchedTask(t, rdb, "default:lost")
			look()
			look()
			assert.True(t, has("msg", "default:lost~1"))
		})
		t.Run("the server of a worker that beats, or has died a moment ago", func(t *testing.T) {
			its := serve(handOnQueue)
			defer its.Shutdown()
			_, err := w.beat(ctx)
			require.NoError(t, err)
			fetchedTask(t, rdb, "default:late")
			look()
			elsewhere() // this process beats no more
			look()
			assert.True(t, has("msg", "default:late~1"))
			fetchedTask(t, rdb, "default:later")
			passed += 2 * listedTime
			look()
			look()
			assert.False(t, has("msg", "default:later~1"), "a server that outlives its listing is of a new process")
		})
	})
}
