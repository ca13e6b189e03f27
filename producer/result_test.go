package producer_test

import (
	"context"
	"strings"
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

func TestResultAndWait(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q, ctx := newClient(t, rdb), t.Context()
	_, err := q.Result(ctx, "never")
	require.ErrorIs(t, err, producer.ErrNotFound)
	_, err = q.Result(ctx, "a b")
	require.ErrorContains(t, err, "id")

	ticket, err := q.Enqueue(ctx, tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}},
		producer.ID("order-1"), producer.Channel("shop"))
	require.NoError(t, err)
	_, err = q.Result(ctx, ticket.ID)
	require.ErrorIs(t, err, producer.ErrNotFound, "it is another channel's")
	r, err := q.Result(ctx, ticket.ID, producer.Channel("shop"))
	require.NoError(t, err)
	assert.Equal(t, tasks.StateQueued, r.State)

	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	r, err = q.Wait(short, ticket.ID, producer.Channel("shop"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	assert.Equal(t, tasks.StateQueued, r.State)

	waited := make(chan tasks.Result, 1)
	go func() {
		r, _ := q.Wait(ctx, ticket.ID, producer.Channel("shop"))
		waited <- r
	}()
	_, err = q.Cancel(ctx, ticket.ID, producer.Channel("shop"))
	require.NoError(t, err)
	assert.Equal(t, tasks.OutcomeCancelled, (<-waited).Outcome)
}

func TestResultOfAReservedIDThatIsInNoQueue(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q, ctx := newClient(t, rdb), t.Context()
	reserved := record.New(rdb, record.Retention{}).Reserve(ctx, []record.Reservation{{
		Ref: record.Ref{Channel: "default", ID: "order-1"}, Kind: "push", Queue: "lineq-push-default", Hash: record.Hash{1},
	}})
	require.NoError(t, reserved[0].Err)
	r, err := q.Result(ctx, "order-1")
	require.NoError(t, err)
	assert.Equal(t, tasks.StateQueued, r.State)
	assert.Contains(t, r.Error, "enqueue it again")
	_, err = q.Run(ctx, "order-1")
	require.ErrorIs(t, err, producer.ErrNotQueued)
	require.ErrorIs(t, q.Reschedule(ctx, "order-1", time.Now()), producer.ErrNotQueued)
}

// TestATaskThatIsDecidedBetweenTwoLooks: its record isn't there yet, and in its queue it isn't any more.
func TestATaskThatIsDecidedBetweenTwoLooks(t *testing.T) {
	_, rdb := redistest.Mini(t)
	ctx := t.Context()
	ticket, err := newClient(t, rdb).Push(ctx, alice, lineapi.Text("hi"))
	require.NoError(t, err)
	decided := false
	c := redis.NewClient(rdb.(*redis.Client).Options())
	t.Cleanup(func() { c.Close() })
	c.AddHook(beforeQueues(func() {
		if decided {
			return
		}
		decided = true
		store, ref := record.New(rdb, record.Retention{}), record.Ref{Channel: "default", ID: ticket.ID}
		begun, err := store.Begin(ctx, record.Attempt{
			Ref: ref, Kind: "push", Queue: ticket.Queue, Timeout: time.Minute, Repeatable: true,
		})
		require.NoError(t, err)
		_, err = store.End(ctx, begun, ref, record.Answer{Evidence: record.Accepted, Final: true})
		require.NoError(t, err)
		require.NoError(t, asynq.NewInspectorFromRedisClient(rdb).DeleteTask(ticket.Queue, ref.String()))
	}))
	r, err := newClient(t, c).Result(ctx, ticket.ID)
	require.NoError(t, err)
	assert.True(t, decided)
	assert.Equal(t, tasks.OutcomeSent, r.Outcome)
}

// beforeQueues is called before every command that names a key of asynq's.
type beforeQueues func()

func (b beforeQueues) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b beforeQueues) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		b.look(cmd)
		return next(ctx, cmd)
	}
}

func (b beforeQueues) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		b.look(cmds...)
		return next(ctx, cmds)
	}
}

func (b beforeQueues) look(cmds ...redis.Cmder) {
	for _, cmd := range cmds {
		for _, arg := range cmd.Args() {
			if key, ok := arg.(string); ok && strings.HasPrefix(key, "asynq:") {
				b()
				return
			}
		}
	}
}
