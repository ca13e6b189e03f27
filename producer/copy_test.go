package producer_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

// handOn replaces a task by its n-th copy, as a worker does whose watch found it orphaned.
func handOn(t *testing.T, rdb redis.UniversalClient, ticket producer.Ticket, n int, opts ...asynq.Option) {
	t.Helper()
	info := queued(t, rdb, ticket)
	ref, err := record.ParseRef(info.ID)
	require.NoError(t, err)
	_, err = asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask(info.Type, info.Payload), append(opts,
		asynq.TaskID(ref.Copy(n)), asynq.Queue(ticket.Queue), asynq.MaxRetry(math.MaxInt32))...)
	require.NoError(t, err)
	require.NoError(t, asynq.NewInspectorFromRedisClient(rdb).DeleteTask(ticket.Queue, info.ID))
}

// TestACopyIsTheTask: a task that was handed on under another ID in asynq is found and treated under its own.
func TestACopyIsTheTask(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		inspector := asynq.NewInspectorFromRedisClient(rdb)
		push := tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}}
		for n := 1; n <= record.Copies; n++ {
			copied := func(t *testing.T, handOnOpts []asynq.Option, opts ...producer.Option) (producer.Ticket, string) {
				ticket, err := q.Enqueue(ctx, push, opts...)
				require.NoError(t, err)
				handOn(t, rdb, ticket, n, handOnOpts...)
				return ticket, record.Ref{Channel: "default", ID: ticket.ID}.Copy(n)
			}
			later := []asynq.Option{asynq.ProcessIn(time.Hour)}
			t.Run(fmt.Sprintf("copy %d", n), func(t *testing.T) {
				t.Run("result", func(t *testing.T) {
					ticket, _ := copied(t, nil)
					r, err := q.Result(ctx, ticket.ID)
					require.NoError(t, err)
					assert.Equal(t, tasks.StateQueued, r.State)
					assert.Equal(t, ticket.ID, r.ID)
				})
				t.Run("list", func(t *testing.T) {
					ticket, _ := copied(t, nil)
					assert.Contains(t, list(t, q, producer.Filter{}), "default:"+ticket.ID)
				})
				t.Run("cancel", func(t *testing.T) {
					ticket, id := copied(t, nil)
					outcome, err := q.Cancel(ctx, ticket.ID)
					require.NoError(t, err)
					assert.Equal(t, tasks.OutcomeCancelled, outcome)
					_, err = inspector.GetTaskInfo(ticket.Queue, id)
					assert.ErrorIs(t, err, asynq.ErrTaskNotFound)
				})
				t.Run("reschedule", func(t *testing.T) {
					ticket, id := copied(t, nil)
					at := time.Now().Add(time.Hour).Truncate(time.Second)
					require.NoError(t, q.Reschedule(ctx, ticket.ID, at))
					info, err := inspector.GetTaskInfo(ticket.Queue, id)
					require.NoError(t, err)
					assert.Equal(t, at.Unix(), info.NextProcessAt.Unix())
				})
				t.Run("run", func(t *testing.T) {
					ticket, id := copied(t, later)
					again, err := q.Run(ctx, ticket.ID)
					require.NoError(t, err)
					assert.Equal(t, ticket.ID, again.ID)
					info, err := inspector.GetTaskInfo(ticket.Queue, id)
					require.NoError(t, err)
					assert.Equal(t, asynq.TaskStatePending, info.State)
				})
				t.Run("enqueue again", func(t *testing.T) {
					own := producer.ID(fmt.Sprint("own-", n))
					ticket, _ := copied(t, later, own)
					again, err := q.Enqueue(ctx, push, own, producer.Urgent())
					require.NoError(t, err)
					assert.True(t, again.Duplicate)
					assert.Equal(t, ticket.Queue, again.Queue)
					_, err = inspector.GetTaskInfo(ticket.Queue, "default:"+ticket.ID)
					assert.ErrorIs(t, err, asynq.ErrTaskNotFound, "it would be there twice")
				})
			})
		}
	})
}

// TestAFinishedCopyIsNone: a copy that asynq keeps for its dashboard doesn't stand for the task.
func TestAFinishedCopyIsNone(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		push := tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}}
		ticket, err := q.Enqueue(ctx, push, producer.ID("order-1"))
		require.NoError(t, err)
		handOn(t, rdb, ticket, 1)
		inspector := asynq.NewInspectorFromRedisClient(rdb)
		require.NoError(t, inspector.ArchiveTask(ticket.Queue, "default:order-1~1"))

		again, err := q.Enqueue(ctx, push, producer.ID("order-1"))
		require.NoError(t, err)
		assert.False(t, again.Duplicate, "nothing of it was under way")
		assert.Equal(t, asynq.TaskStatePending, queued(t, rdb, again).State)
		r, err := q.Result(ctx, "order-1")
		require.NoError(t, err)
		assert.Equal(t, tasks.StateQueued, r.State)
	})
}

func TestDueAt(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		push := tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}}
		at := time.Now().Add(time.Hour).Truncate(time.Second)
		_, err := q.Enqueue(ctx, push, producer.ID("later"), producer.At(at))
		require.NoError(t, err)
		r, err := q.Result(ctx, "later")
		require.NoError(t, err)
		require.NotNil(t, r.DueAt)
		assert.Equal(t, at.UTC(), *r.DueAt)
		assert.Equal(t, at.UTC(), *list(t, q, producer.Filter{})["default:later"].DueAt)

		// One that waits for its next attempt.
		waiting, err := q.Enqueue(ctx, push)
		require.NoError(t, err)
		fetch(t, rdb, waiting)
		prefix, id := "asynq:{"+waiting.Queue+"}:", "default:"+waiting.ID
		require.NoError(t, rdb.LRem(ctx, prefix+"active", 0, id).Err())
		require.NoError(t, rdb.ZAdd(ctx, prefix+"retry", redis.Z{Score: float64(at.Unix()), Member: id}).Err())
		require.NoError(t, rdb.HSet(ctx, prefix+"t:"+id, "state", "retry").Err())
		r, err = q.Result(ctx, waiting.ID)
		require.NoError(t, err)
		assert.Equal(t, tasks.StateWaiting, r.State)
		require.NotNil(t, r.DueAt)
		assert.Equal(t, at.UTC(), *r.DueAt)

		now, err := q.Enqueue(ctx, push)
		require.NoError(t, err)
		r, err = q.Result(ctx, now.ID)
		require.NoError(t, err)
		assert.Nil(t, r.DueAt, "it is due already")
		_, err = q.Cancel(ctx, "later")
		require.NoError(t, err)
		r, err = q.Result(ctx, "later")
		require.NoError(t, err)
		assert.Nil(t, r.DueAt, "it is decided")
	})
}
