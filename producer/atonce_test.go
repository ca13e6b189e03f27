package producer_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
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

// What happens when two do something to one task at once, and what asynq still has of a task that is over.

var onePush = tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}}

// between calls at most once what is to happen in the middle of a client's work: before or after the first command, or
// pipeline of them, that fits.
type between struct {
	fits          func(cmd redis.Cmder) bool
	before, after func()
}

func (b *between) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b *between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		return b.around([]redis.Cmder{cmd}, func() error { return next(ctx, cmd) })
	}
}

func (b *between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		return b.around(cmds, func() error { return next(ctx, cmds) })
	}
}

func (b *between) around(cmds []redis.Cmder, run func() error) error {
	if !slices.ContainsFunc(cmds, b.fits) {
		return run()
	}
	before, after := b.before, b.after
	b.before, b.after = nil, nil
	if before != nil {
		before()
	}
	err := run()
	if after != nil {
		after()
	}
	return err
}

// scriptOn tells whether a command is a script whose first key begins like that.
func scriptOn(prefix string) func(redis.Cmder) bool {
	return func(cmd redis.Cmder) bool {
		args := cmd.Args()
		if name := cmd.Name(); name != "evalsha" && name != "eval" || len(args) < 4 {
			return false
		}
		key, _ := args[3].(string)
		return strings.HasPrefix(key, prefix)
	}
}

// hooked is a client of the same Redis into whose work others come.
func hooked(t *testing.T, rdb redis.UniversalClient, hooks ...redis.Hook) *producer.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: rdb.(*redis.Client).Options().Addr})
	t.Cleanup(func() { _ = c.Close() })
	for _, h := range hooks {
		c.AddHook(h)
	}
	return newClient(t, c)
}

// fail gives a task the outcome failed, and leaves it in its queue, as a worker does that has not acknowledged it yet.
func fail(t *testing.T, rdb redis.UniversalClient, ticket producer.Ticket) {
	t.Helper()
	store, ref := record.New(rdb, record.Retention{}), record.Ref{Channel: ticket.Channel, ID: ticket.ID}
	begun, err := store.Begin(t.Context(), record.Attempt{
		Ref: ref, Kind: ticket.Kind, Queue: ticket.Queue, Timeout: time.Minute, Repeatable: true,
	})
	require.NoError(t, err)
	_, err = store.End(t.Context(), begun, ref, record.Answer{
		Evidence: record.Refused, Final: true, Reason: lineapi.Invalid,
	})
	require.NoError(t, err)
	require.NoError(t, store.KeepPayload(t.Context(), ref, queued(t, rdb, ticket).Payload))
}

// fetch does what asynq's dequeue does.
func fetch(t *testing.T, rdb redis.UniversalClient, ticket producer.Ticket) {
	t.Helper()
	prefix, ctx := "asynq:{"+ticket.Queue+"}:", t.Context()
	id, err := rdb.RPopLPush(ctx, prefix+"pending", prefix+"active").Result()
	require.NoError(t, err)
	require.Equal(t, ticket.Channel+":"+ticket.ID, id)
	require.NoError(t, rdb.HSet(ctx, prefix+"t:"+id, "state", "active").Err())
}

// acknowledge does what asynq does when a handler has returned nil.
func acknowledge(t *testing.T, rdb redis.UniversalClient, ticket producer.Ticket) {
	t.Helper()
	prefix, id, ctx := "asynq:{"+ticket.Queue+"}:", ticket.Channel+":"+ticket.ID, t.Context()
	require.EqualValues(t, 1, rdb.LRem(ctx, prefix+"active", 0, id).Val())
	require.NoError(t, rdb.Del(ctx, prefix+"t:"+id).Err())
}

func TestRunOfATaskWhoseLastRunIsUnderWay(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		t.Run("is refused, and changes nothing", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, onePush)
			require.NoError(t, err)
			fail(t, rdb, ticket)
			fetch(t, rdb, ticket)
			_, err = q.Run(ctx, ticket.ID)
			require.ErrorIs(t, err, producer.ErrBusy)
			r, err := q.Result(ctx, ticket.ID)
			require.NoError(t, err)
			assert.Equal(t, tasks.OutcomeFailed, r.Outcome)
			acknowledge(t, rdb, ticket)
			_, err = q.Run(ctx, ticket.ID)
			require.NoError(t, err)
			assert.Equal(t, asynq.TaskStatePending, queued(t, rdb, ticket).State)
			fetch(t, rdb, ticket)
		})
		t.Run("waits for one that began meanwhile", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, onePush)
			require.NoError(t, err)
			fail(t, rdb, ticket)
			_, err = hooked(t, rdb,
				&between{fits: scriptOn("lineq:{"), before: func() { fetch(t, rdb, ticket) }},
				&between{fits: isPublish, after: func() { acknowledge(t, rdb, ticket) }},
			).Run(ctx, ticket.ID)
			require.NoError(t, err)
			assert.Equal(t, asynq.TaskStatePending, queued(t, rdb, ticket).State, "it is in no queue")
			fetch(t, rdb, ticket)
		})
		t.Run("one that waits for its next attempt goes now", func(t *testing.T) {
			ticket, err := q.Enqueue(ctx, onePush)
			require.NoError(t, err)
			require.NoError(t, q.Reschedule(ctx, ticket.ID, time.Now().Add(time.Hour)))
			fail(t, rdb, ticket)
			_, err = q.Run(ctx, ticket.ID)
			require.NoError(t, err)
			assert.Equal(t, asynq.TaskStatePending, queued(t, rdb, ticket).State)
		})
	})
}

// isPublish is the bell at the end of what an enqueueing sends.
func isPublish(cmd redis.Cmder) bool { return cmd.Name() == "publish" }

func TestRunInTheMiddleOfACancel(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		ticket, err := q.Enqueue(ctx, onePush)
		require.NoError(t, err)
		payload := "lineq:{default:t:" + ticket.ID + "}:payload"
		_, err = hooked(t, rdb, &between{
			fits: func(cmd redis.Cmder) bool { return cmd.Name() == "set" && cmd.Args()[1] == payload },
			after: func() {
				_, err := q.Run(ctx, ticket.ID)
				require.NoError(t, err)
			},
		}).Cancel(ctx, ticket.ID)
		require.NoError(t, err)
		r, err := q.Result(ctx, ticket.ID)
		require.NoError(t, err)
		assert.Empty(t, r.Outcome)
		assert.Equal(t, asynq.TaskStatePending, queued(t, rdb, ticket).State, "undecided, and in no queue")
	})
}

func TestCancelWritesTheLineThatAnEarlierOneCouldNot(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		ticket, err := q.Enqueue(ctx, onePush)
		require.NoError(t, err)
		require.NoError(t, rdb.Set(ctx, "lineq:{default}:log", "no stream", 0).Err())
		_, err = q.Cancel(ctx, ticket.ID)
		require.Error(t, err)
		require.NoError(t, rdb.Del(ctx, "lineq:{default}:log").Err())

		_, err = q.Cancel(ctx, ticket.ID)
		require.NoError(t, err)
		lines, err := record.New(rdb, record.Retention{}).LogTail(ctx, "default", 10)
		require.NoError(t, err)
		require.Len(t, lines, 1)
		assert.Equal(t, ticket.ID, lines[0].ID)
	})
}

func TestAnAnswerInTheMiddleOfACancel(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx, store := newClient(t, rdb), t.Context(), record.New(rdb, record.Retention{})
		ticket, err := q.Enqueue(ctx, onePush)
		require.NoError(t, err)
		ref := record.Ref{Channel: "default", ID: ticket.ID}
		begun, err := store.Begin(ctx, record.Attempt{
			Ref: ref, Kind: "push", Queue: ticket.Queue, Timeout: time.Minute, Repeatable: true,
		})
		require.NoError(t, err)
		outcome, err := hooked(t, rdb, &between{
			fits: func(cmd redis.Cmder) bool { return cmd.Name() == "xadd" },
			before: func() {
				_, err := store.End(ctx, begun, ref, record.Answer{Evidence: record.Accepted, Final: true, RequestID: "r"})
				require.NoError(t, err)
				require.NoError(t, store.Log(ctx, record.Line{
					Channel: "default", ID: ticket.ID, Kind: "push", Outcome: tasks.OutcomeSent,
				}))
			},
		}).Cancel(ctx, ticket.ID)
		require.NoError(t, err)
		require.Equal(t, tasks.OutcomeUnknown, outcome)
		lines, err := store.LogTail(ctx, "default", 1)
		require.NoError(t, err)
		require.Len(t, lines, 1)
		assert.Equal(t, tasks.OutcomeSent, lines[0].Outcome, "the last line isn't the outcome")
		assert.Equal(t, "r", lines[0].RequestID)
	})
}

func TestATaskThatAsynqKeepsCompleted(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		q, err := producer.New(producer.Config{Redis: rdb, KeepCompleted: time.Hour})
		require.NoError(t, err)
		server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
			Queues: map[string]int{"lineq-push-default": 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel,
		})
		var runs atomic.Int64
		require.NoError(t, server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
			runs.Add(1)
			return nil
		})))
		t.Cleanup(server.Shutdown)
		completed := func(ticket producer.Ticket, n int64) {
			t.Helper()
			require.Eventually(t, func() bool {
				return runs.Load() == n && queued(t, rdb, ticket).State == asynq.TaskStateCompleted
			}, 10*time.Second, time.Millisecond, "it was not run again")
		}

		ticket, err := q.Enqueue(ctx, onePush, producer.ID("order-1"))
		require.NoError(t, err)
		fail(t, rdb, ticket)
		completed(ticket, 1)
		_, err = q.Run(ctx, ticket.ID)
		require.NoError(t, err)
		completed(ticket, 2)

		// The record's time is over, asynq's isn't: the ID is free again.
		require.NoError(t, rdb.Del(ctx, "lineq:{default:t:order-1}").Err())
		ticket, err = q.Enqueue(ctx, onePush, producer.ID("order-1"))
		require.NoError(t, err)
		assert.False(t, ticket.Duplicate)
		completed(ticket, 3)
	})
}
