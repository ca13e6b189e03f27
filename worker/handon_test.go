package worker

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

const handOnQueue = "lineq-push-default"

// fetched enqueues a task and fetches it for nobody.
func fetchedTask(t *testing.T, rdb redis.UniversalClient, id string) claim {
	t.Helper()
	_, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("push", []byte("payload")), asynq.Queue(handOnQueue),
		asynq.TaskID(id), asynq.MaxRetry(7), asynq.Timeout(5*time.Minute), asynq.Retention(time.Hour))
	require.NoError(t, err)
	ctx := t.Context()
	require.NoError(t, rdb.LRem(ctx, asynqKey(handOnQueue, "pending"), 1, id).Err())
	require.NoError(t, rdb.LPush(ctx, asynqKey(handOnQueue, "active"), id).Err())
	require.NoError(t, rdb.HSet(ctx, asynqKey(handOnQueue, "t:"+id), "state", "active").Err())
	require.NoError(t, rdb.ZAdd(ctx, asynqKey(handOnQueue, "lease"), redis.Z{Score: 1, Member: id}).Err())
	return claim{handOnQueue, id}
}

func TestHandOn(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		w := newWorker(t, rdb)
		v := newWatch(w)
		inspector := asynq.NewInspectorFromRedisClient(rdb)
		info := func(t *testing.T, id string) *asynq.TaskInfo {
			t.Helper()
			got, err := inspector.GetTaskInfo(handOnQueue, id)
			require.NoError(t, err)
			return got
		}
		missing := func(t *testing.T, id string) {
			t.Helper()
			_, err := inspector.GetTaskInfo(handOnQueue, id)
			require.ErrorIs(t, err, asynq.ErrTaskNotFound)
		}
		handOn := func(t *testing.T, c claim) handing {
			t.Helper()
			became, err := v.handOn(ctx, c, []string{w.id})
			require.NoError(t, err)
			return became
		}

		t.Run("the copy has all that the original had", func(t *testing.T) {
			c := fetchedTask(t, rdb, "default:plain")
			assert.Equal(t, handed, handOn(t, c))
			missing(t, c.id)
			got := info(t, "default:plain~1")
			assert.Equal(t, asynq.TaskStatePending, got.State)
			assert.Equal(t, "push", got.Type)
			assert.Equal(t, []byte("payload"), got.Payload)
			assert.Equal(t, 7, got.MaxRetry)
			assert.Equal(t, 5*time.Minute, got.Timeout)
			assert.Equal(t, time.Hour, got.Retention)
			assert.Equal(t, gone, handOn(t, c), "a second watch comes too late")
		})
		t.Run("a copy's copy", func(t *testing.T) {
			assert.Equal(t, handed, handOn(t, fetchedTask(t, rdb, "default:again~2")))
			info(t, "default:again~3")
			last := fetchedTask(t, rdb, "default:last~3")
			assert.Equal(t, leftToAsynq, handOn(t, last))
			assert.Equal(t, asynq.TaskStateActive, info(t, last.id).State)
		})
		t.Run("somebody has made the copy and died before the rest", func(t *testing.T) {
			c := fetchedTask(t, rdb, "default:half")
			require.NoError(t, v.copy(ctx, info(t, c.id), "default:half~1"))
			assert.Equal(t, handed, handOn(t, c))
			missing(t, c.id)
			info(t, "default:half~1")
		})
		t.Run("a copy of an earlier life is over", func(t *testing.T) {
			c := fetchedTask(t, rdb, "default:old")
			require.NoError(t, v.copy(ctx, info(t, c.id), "default:old~1"))
			require.NoError(t, inspector.ArchiveTask(handOnQueue, "default:old~1"))
			assert.Equal(t, handed, handOn(t, c))
			assert.Equal(t, asynq.TaskStatePending, info(t, "default:old~1").State, "else the task would be lost")
		})
		t.Run("it waits again", func(t *testing.T) {
			c := fetchedTask(t, rdb, "default:waits")
			require.NoError(t, retire(ctx, rdb, c))
			_, err := asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("push", nil), asynq.Queue(handOnQueue),
				asynq.TaskID(c.id), asynq.ProcessIn(time.Hour))
			require.NoError(t, err)
			assert.Equal(t, gone, handOn(t, c))
			assert.Equal(t, asynq.TaskStateScheduled, info(t, c.id).State)
			missing(t, c.id+"~1")
		})
		t.Run("none of lineq's", func(t *testing.T) {
			assert.Equal(t, leftToAsynq, handOn(t, fetchedTask(t, rdb, "somebody's own id")))
		})
		t.Run("an ID without a task", func(t *testing.T) {
			require.NoError(t, rdb.HSet(ctx, asynqKey(handOnQueue, "t:default:nothing"), "state", "active").Err())
			assert.Equal(t, leftToAsynq, handOn(t, claim{handOnQueue, "default:nothing"}))
			missing(t, "default:nothing~1")
		})

		begin := func(t *testing.T, id, worker string) record.Verdict {
			t.Helper()
			b, err := w.records.Begin(ctx, record.Attempt{
				Ref: record.Ref{Channel: "default", ID: id}, Kind: tasks.KindPush, Queue: handOnQueue,
				Timeout: time.Hour, Repeatable: true, Worker: worker,
			})
			require.NoError(t, err)
			return b.Verdict
		}
		t.Run("a dead worker's attempt is given up", func(t *testing.T) {
			require.Equal(t, record.Go, begin(t, "begun", "dead"))
			assert.Equal(t, handed, handOn(t, fetchedTask(t, rdb, "default:begun")))
			assert.Equal(t, record.Go, begin(t, "begun", w.id))
		})
		t.Run("a living worker's attempt isn't", func(t *testing.T) {
			require.Equal(t, record.Go, begin(t, "living", w.id))
			assert.Equal(t, handed, handOn(t, fetchedTask(t, rdb, "default:living")))
			assert.Equal(t, record.Busy, begin(t, "living", "other"))
		})
		t.Run("the queue's bell is rung", func(t *testing.T) {
			sub := rdb.Subscribe(ctx, tasks.Bell)
			defer sub.Close()
			_, err := sub.Receive(ctx)
			require.NoError(t, err)
			require.NoError(t, v.handAllOn(ctx, []orphan{{fetchedTask(t, rdb, "default:rung"), "dead"}}, nil))
			m, err := sub.ReceiveMessage(ctx)
			require.NoError(t, err)
			assert.Equal(t, handOnQueue, m.Payload)
			assert.Equal(t, tally{handed: 1}, v.counts["dead"])
		})
	})
}
