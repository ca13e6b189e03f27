package producer_test

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestCancel(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		store := record.New(rdb, record.Retention{})
		push := tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}}

		t.Run("a task that waits", func(t *testing.T) {
			for _, opts := range [][]producer.Option{nil, {producer.After(time.Hour)}, {producer.ID("mine")}} {
				ticket, err := q.Enqueue(ctx, push, opts...)
				require.NoError(t, err)
				for range 2 {
					outcome, err := q.Cancel(ctx, ticket.ID)
					require.NoError(t, err)
					assert.Equal(t, tasks.OutcomeCancelled, outcome)
				}
				_, err = asynq.NewInspectorFromRedisClient(rdb).GetTaskInfo(ticket.Queue, "default:"+ticket.ID)
				assert.ErrorIs(t, err, asynq.ErrTaskNotFound)
				r, err := q.Result(ctx, ticket.ID)
				require.NoError(t, err)
				assert.Equal(t, tasks.OutcomeCancelled, r.Outcome)
				assert.Equal(t, tasks.StateDone, r.State)
				assert.NotNil(t, r.FinishedAt)
			}
		})
		t.Run("a task whose attempt is open", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, push)
			require.NoError(t, err)
			ref := record.Ref{Channel: "default", ID: ticket.ID}
			begun, err := store.Begin(ctx, record.Attempt{
				Ref: ref, Kind: "push", Queue: ticket.Queue, Timeout: time.Minute, Repeatable: true,
			})
			require.NoError(t, err)
			outcome, err := q.Cancel(ctx, ticket.ID)
			require.NoError(t, err)
			assert.Equal(t, tasks.OutcomeUnknown, outcome)

			_, err = store.End(ctx, begun, ref, record.Answer{Evidence: record.Accepted, Final: true, RequestID: "r"})
			require.NoError(t, err)
			r, err := q.Result(ctx, ticket.ID)
			require.NoError(t, err)
			assert.Equal(t, tasks.OutcomeSent, r.Outcome, "the answer that was heard counts")
		})
		t.Run("a task that was decided, and whose worker has yet to let go of it", func(t *testing.T) {
			for evidence, want := range map[record.Evidence]tasks.Outcome{
				record.Accepted: tasks.OutcomeSent, record.Refused: tasks.OutcomeFailed,
			} {
				ticket, err := q.Enqueue(ctx, push)
				require.NoError(t, err)
				ref := record.Ref{Channel: "default", ID: ticket.ID}
				begun, err := store.Begin(ctx, record.Attempt{
					Ref: ref, Kind: "push", Queue: ticket.Queue, Timeout: time.Minute, Repeatable: true,
				})
				require.NoError(t, err)
				_, err = store.End(ctx, begun, ref, record.Answer{Evidence: evidence, Final: true, Reason: lineapi.Invalid})
				require.NoError(t, err)
				outcome, err := q.Cancel(ctx, ticket.ID)
				require.NoError(t, err)
				assert.Equal(t, want, outcome)
				assert.Equal(t, asynq.TaskStatePending, queued(t, rdb, ticket).State, "the rest is the worker's")
			}
		})
		t.Run("an id that nobody used", func(t *testing.T) {
			_, err := q.Cancel(ctx, "never")
			require.ErrorIs(t, err, producer.ErrNotFound)
			assert.Zero(t, rdb.Exists(ctx, "lineq:{default:t:never}").Val())
		})
		t.Run("it stands in the delivery log once", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, push, producer.Channel("logged"))
			require.NoError(t, err)
			for range 2 {
				_, err = q.Cancel(ctx, ticket.ID, producer.Channel("logged"))
				require.NoError(t, err)
			}
			lines, err := store.LogTail(ctx, "logged", 10)
			require.NoError(t, err)
			require.Len(t, lines, 1)
			assert.Equal(t, tasks.OutcomeCancelled, lines[0].Outcome)
		})
	})
}

func TestReschedule(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		push := tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}}
		at := time.Now().Add(3 * time.Hour).Truncate(time.Second)
		for _, opts := range [][]producer.Option{nil, {producer.After(time.Hour)}} {
			ticket, err := q.Enqueue(ctx, push, opts...)
			require.NoError(t, err)
			require.NoError(t, q.Reschedule(ctx, ticket.ID, at))
			info := queued(t, rdb, ticket)
			assert.Equal(t, asynq.TaskStateScheduled, info.State)
			assert.Equal(t, at.Unix(), info.NextProcessAt.Unix())
		}
		require.ErrorIs(t, q.Reschedule(ctx, "never", at), producer.ErrNotFound)
		ticket, err := q.Enqueue(ctx, push)
		require.NoError(t, err)
		_, err = q.Cancel(ctx, ticket.ID)
		require.NoError(t, err)
		require.ErrorIs(t, q.Reschedule(ctx, ticket.ID, at), producer.ErrDecided)
	})
}

func TestRun(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		store := record.New(rdb, record.Retention{})
		push := tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}}
		attempt := func(ticket producer.Ticket) record.Attempt {
			e, err := tasks.Decode("push", queued(t, rdb, ticket).Payload)
			require.NoError(t, err)
			hash, err := e.Hash()
			require.NoError(t, err)
			return record.Attempt{
				Ref: record.Ref{Channel: "default", ID: ticket.ID}, Kind: "push", Queue: ticket.Queue, Hash: hash,
				Timeout: time.Minute, Repeatable: true,
			}
		}
		// decide plays a worker that ends the task with an answer and lets go of it.
		decide := func(ticket producer.Ticket, a record.Answer) {
			at := attempt(ticket)
			begun, err := store.Begin(ctx, at)
			require.NoError(t, err)
			require.Equal(t, record.Go, begun.Verdict)
			_, err = store.End(ctx, begun, at.Ref, a)
			require.NoError(t, err)
			require.NoError(t, store.KeepPayload(ctx, at.Ref, queued(t, rdb, ticket).Payload))
			require.NoError(t, asynq.NewInspectorFromRedisClient(rdb).DeleteTask(ticket.Queue, at.Ref.String()))
		}

		t.Run("a scheduled one goes now", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, push, producer.After(time.Hour))
			require.NoError(t, err)
			_, err = q.Run(ctx, ticket.ID)
			require.NoError(t, err)
			assert.Equal(t, asynq.TaskStatePending, queued(t, rdb, ticket).State)
			_, err = q.Run(ctx, ticket.ID)
			require.NoError(t, err, "it waits for a worker already")
		})
		t.Run("a sent one is refused", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, push)
			require.NoError(t, err)
			decide(ticket, record.Answer{Evidence: record.Accepted, Final: true})
			require.NoError(t, rdb.Del(ctx, "lineq:{default:t:"+ticket.ID+"}:payload").Err(), "of a sent one it isn't kept")
			_, err = q.Run(ctx, ticket.ID)
			require.ErrorIs(t, err, record.ErrSent)
		})
		t.Run("a failed one comes again", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, push)
			require.NoError(t, err)
			decide(ticket, record.Answer{Evidence: record.Refused, Final: true, Reason: lineapi.Invalid})
			again, err := q.Run(ctx, ticket.ID)
			require.NoError(t, err)
			assert.False(t, again.Risky)
			begun, err := store.Begin(ctx, attempt(again))
			require.NoError(t, err)
			assert.Equal(t, record.Go, begun.Verdict)
			assert.Equal(t, 2, begun.Attempts)
		})
		t.Run("an unknown one keeps its key while LINE knows it", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, push)
			require.NoError(t, err)
			decide(ticket, record.Answer{Evidence: record.Lost, Final: true, Reason: lineapi.Server})
			again, err := q.Run(ctx, ticket.ID)
			require.NoError(t, err)
			assert.False(t, again.Risky)
			begun, err := store.Begin(ctx, attempt(again))
			require.NoError(t, err)
			assert.Zero(t, begun.Generation)
			assert.True(t, begun.Open)
		})
		t.Run("and takes a new one afterwards, aloud", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, push)
			require.NoError(t, err)
			decide(ticket, record.Answer{Evidence: record.Lost, Final: true, Reason: lineapi.Server})
			dayAgo := time.Now().Add(-24 * time.Hour).UnixMilli()
			require.NoError(t, rdb.HSet(ctx, "lineq:{default:t:"+ticket.ID+"}", "b", dayAgo).Err())
			again, err := q.Run(ctx, ticket.ID)
			require.NoError(t, err)
			assert.True(t, again.Risky)
			begun, err := store.Begin(ctx, attempt(again))
			require.NoError(t, err)
			assert.Equal(t, 1, begun.Generation)
		})
		t.Run("a cancelled one comes again", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, push)
			require.NoError(t, err)
			_, err = q.Cancel(ctx, ticket.ID)
			require.NoError(t, err)
			again, err := q.Run(ctx, ticket.ID)
			require.NoError(t, err)
			assert.Equal(t, asynq.TaskStatePending, queued(t, rdb, again).State)
		})
		t.Run("one that an earlier Run got only half of the way", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, push)
			require.NoError(t, err)
			decide(ticket, record.Answer{Evidence: record.Refused, Final: true, Reason: lineapi.Invalid})
			_, err = store.Reopen(ctx, record.Ref{Channel: "default", ID: ticket.ID}, endpoint.RetryKey)
			require.NoError(t, err)
			_, err = q.Run(ctx, ticket.ID)
			require.NoError(t, err)
			assert.Equal(t, asynq.TaskStatePending, queued(t, rdb, ticket).State)
		})
		t.Run("one that is being sent is left alone", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, push, producer.Channel("active"))
			require.NoError(t, err)
			// What asynq's dequeue does.
			prefix := "asynq:{lineq-push-active}:"
			id, err := rdb.RPopLPush(ctx, prefix+"pending", prefix+"active").Result()
			require.NoError(t, err)
			require.NoError(t, rdb.HSet(ctx, prefix+"t:"+id, "state", "active").Err())
			_, err = q.Run(ctx, ticket.ID, producer.Channel("active"))
			require.ErrorIs(t, err, producer.ErrBusy)
			require.ErrorIs(t, q.Reschedule(ctx, ticket.ID, time.Now(), producer.Channel("active")), producer.ErrBusy)
			outcome, err := q.Cancel(ctx, ticket.ID, producer.Channel("active"))
			require.NoError(t, err)
			assert.Equal(t, tasks.OutcomeCancelled, outcome, "no attempt is open yet, so none will be")
		})
	})
}
