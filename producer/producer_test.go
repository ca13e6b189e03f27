package producer_test

import (
	"context"
	"fmt"
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
	"github.com/lineq/lineq/tasks/redistest"
)

const (
	alice = "U00000000000000000000000000000001"
	bob   = "U00000000000000000000000000000002"
)

func newClient(t *testing.T, rdb redis.UniversalClient) *producer.Client {
	t.Helper()
	q, err := producer.New(producer.Config{Redis: rdb})
	require.NoError(t, err)
	return q
}

// queued is the task that asynq holds for a ticket.
func queued(t *testing.T, rdb redis.UniversalClient, ticket producer.Ticket) *asynq.TaskInfo {
	t.Helper()
	info, err := asynq.NewInspectorFromRedisClient(rdb).GetTaskInfo(ticket.Queue, ticket.Channel+":"+ticket.ID)
	require.NoError(t, err)
	return info
}

func TestNewRefusesABadConfig(t *testing.T) {
	_, err := producer.New(producer.Config{})
	assert.ErrorContains(t, err, "Config.Redis")
	_, rdb := redistest.Mini(t)
	_, err = producer.New(producer.Config{Redis: rdb, Channel: "a b"})
	assert.ErrorContains(t, err, "Config.Channel")
}

func TestPushIsQueuedAsItIs(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q := newClient(t, rdb)
		ticket, err := q.Push(t.Context(), alice, lineapi.Text("<hello>"))
		require.NoError(t, err)
		assert.Equal(t, producer.Ticket{
			ID: ticket.ID, Kind: "push", Channel: "default", Queue: "lineq-push-default", State: "queued",
		}, ticket)

		info := queued(t, rdb, ticket)
		assert.Equal(t, "push", info.Type)
		assert.Greater(t, info.MaxRetry, 1<<20, "asynq must never give up by itself")
		assert.Greater(t, info.Timeout, 10*time.Minute)
		assert.Zero(t, info.Deadline)
		e, err := tasks.Decode("push", info.Payload)
		require.NoError(t, err)
		assert.Equal(t, ticket.ID, e.ID)
		assert.Equal(t, "default", e.Channel)
		assert.Contains(t, string(info.Payload), `{"type":"text","text":"<hello>"}`)

		r, err := q.Result(t.Context(), ticket.ID)
		require.NoError(t, err)
		assert.Equal(t, tasks.Result{ID: ticket.ID, Kind: "push", Channel: "default", State: "queued"}, r)
	})
}

func TestTypedCallsMakeTheirKinds(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q := newClient(t, rdb)
	ctx, text := t.Context(), lineapi.Text("hi")
	menu := "richmenu-" + strings.Repeat("a", 32)
	for kind, call := range map[tasks.Kind]func() (producer.Ticket, error){
		tasks.KindPush:           func() (producer.Ticket, error) { return q.Push(ctx, alice, text) },
		tasks.KindMulticast:      func() (producer.Ticket, error) { return q.Multicast(ctx, []string{alice, bob}, text) },
		tasks.KindBroadcast:      func() (producer.Ticket, error) { return q.Broadcast(ctx, text) },
		tasks.KindReply:          func() (producer.Ticket, error) { return q.Reply(ctx, "reply-token", text) },
		tasks.KindLinkRichMenu:   func() (producer.Ticket, error) { return q.LinkRichMenu(ctx, alice, menu) },
		tasks.KindUnlinkRichMenu: func() (producer.Ticket, error) { return q.UnlinkRichMenu(ctx, alice) },
	} {
		t.Run(string(kind), func(t *testing.T) {
			ticket, err := call()
			require.NoError(t, err)
			assert.Equal(t, kind, ticket.Kind)
			assert.Equal(t, string(kind), queued(t, rdb, ticket).Type)
		})
	}
}

func TestOwnIDMakesACallRepeatable(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		push := tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("shipped")}}

		first, err := q.Enqueue(ctx, push, producer.ID("order-1"))
		require.NoError(t, err)
		assert.False(t, first.Duplicate)
		second, err := q.Enqueue(ctx, push, producer.ID("order-1"), producer.Urgent())
		require.NoError(t, err)
		assert.True(t, second.Duplicate)
		assert.Equal(t, first.Queue, second.Queue, "the first call's queue counts")

		push.Messages = []lineapi.Message{lineapi.Text("cancelled")}
		_, err = q.Enqueue(ctx, push, producer.ID("order-1"))
		require.ErrorIs(t, err, producer.ErrIDReused)

		other, err := q.Enqueue(ctx, push, producer.ID("order-1"), producer.Channel("shop"))
		require.NoError(t, err, "another channel's ids are others")
		assert.False(t, other.Duplicate)
		assert.Equal(t, "lineq-push-shop", other.Queue)
	})
}

func TestOwnIDOfADecidedTaskIsADuplicate(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q, ctx := newClient(t, rdb), t.Context()
	push := tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("shipped")}}
	_, err := q.Enqueue(ctx, push, producer.ID("order-1"))
	require.NoError(t, err)
	outcome, err := q.Cancel(ctx, "order-1")
	require.NoError(t, err)
	require.Equal(t, tasks.OutcomeCancelled, outcome)

	again, err := q.Enqueue(ctx, push, producer.ID("order-1"), producer.Urgent())
	require.NoError(t, err)
	assert.True(t, again.Duplicate)
	assert.Equal(t, tasks.StateDone, again.State)
	assert.Equal(t, "lineq-push-default", again.Queue, "where it was")
	assert.Zero(t, rdb.LLen(ctx, "asynq:{lineq-push-default}:pending").Val())
}

func TestOptions(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q, ctx := newClient(t, rdb), t.Context()
	push := tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}}

	t.Run("at is never early", func(t *testing.T) {
		at := time.Now().Add(time.Hour).Truncate(time.Second).Add(time.Millisecond)
		ticket, err := q.Enqueue(ctx, push, producer.At(at))
		require.NoError(t, err)
		assert.Equal(t, tasks.StateScheduled, ticket.State)
		assert.Equal(t, at.Truncate(time.Second).Add(time.Second).Unix(), queued(t, rdb, ticket).NextProcessAt.Unix())
	})
	t.Run("a time that has passed is now", func(t *testing.T) {
		ticket, err := q.Enqueue(ctx, push, producer.After(-time.Hour))
		require.NoError(t, err)
		assert.Equal(t, tasks.StateQueued, ticket.State)
		assert.Equal(t, asynq.TaskStatePending, queued(t, rdb, ticket).State)
	})
	t.Run("the payload says when it was due", func(t *testing.T) {
		at := time.Now().Add(time.Hour).Truncate(time.Millisecond)
		ticket, err := q.Enqueue(ctx, push, producer.At(at))
		require.NoError(t, err)
		e, err := tasks.Decode("push", queued(t, rdb, ticket).Payload)
		require.NoError(t, err)
		assert.True(t, at.Equal(e.DueAt))
	})
	t.Run("urgent", func(t *testing.T) {
		ticket, err := q.Enqueue(ctx, push, producer.Urgent())
		require.NoError(t, err)
		assert.Equal(t, "lineq-urgent", ticket.Queue)
	})
	t.Run("deadline", func(t *testing.T) {
		deadline := time.Now().Add(time.Hour).Truncate(time.Millisecond)
		ticket, err := q.Enqueue(ctx, push, producer.Deadline(deadline))
		require.NoError(t, err)
		e, err := tasks.Decode("push", queued(t, rdb, ticket).Payload)
		require.NoError(t, err)
		assert.True(t, deadline.Equal(e.Deadline))

		_, err = q.Enqueue(ctx, push, producer.After(2*time.Hour), producer.Deadline(deadline))
		assert.ErrorContains(t, err, "deadline")
	})
	t.Run("a reply has a deadline of its own", func(t *testing.T) {
		ticket, err := q.Reply(ctx, "token", lineapi.Text("hi"))
		require.NoError(t, err)
		e, err := tasks.Decode("reply", queued(t, rdb, ticket).Payload)
		require.NoError(t, err)
		assert.Equal(t, tasks.ReplyLifetime, e.Deadline.Sub(e.EnqueuedAt))
		assert.Zero(t, e.DueAt)
	})
	t.Run("which counts from when it is due, and gives way to the caller's", func(t *testing.T) {
		reply := tasks.Reply{ReplyToken: "token", Messages: push.Messages}
		due, deadline := time.Now().Add(10*time.Second), time.Now().Add(20*time.Second)
		for _, c := range []struct {
			opts []producer.Option
			want time.Time
		}{
			{[]producer.Option{producer.At(due)}, due.Add(tasks.ReplyLifetime)},
			{[]producer.Option{producer.Deadline(deadline)}, deadline},
		} {
			ticket, err := q.Enqueue(ctx, reply, c.opts...)
			require.NoError(t, err)
			e, err := tasks.Decode("reply", queued(t, rdb, ticket).Payload)
			require.NoError(t, err)
			assert.WithinDuration(t, c.want, e.Deadline, time.Millisecond)
		}
	})
	t.Run("retry key", func(t *testing.T) {
		const key = "123e4567-e89b-42d3-a456-426614174000"
		ticket, err := q.Enqueue(ctx, push, producer.RetryKey(key))
		require.NoError(t, err)
		e, err := tasks.Decode("push", queued(t, rdb, ticket).Payload)
		require.NoError(t, err)
		assert.Equal(t, key, e.RetryKey)

		_, err = q.Enqueue(ctx, push, producer.RetryKey("no uuid"))
		assert.ErrorContains(t, err, "UUID")
		_, err = q.Enqueue(ctx, tasks.UnlinkRichMenu{UserID: alice}, producer.RetryKey(key))
		assert.ErrorContains(t, err, "no retry key")
	})
}

type alien struct{}

func (alien) Kind() tasks.Kind { return "alien" }
func (alien) Check() error     { return nil }

func TestEnqueueRefuses(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q, ctx := newClient(t, rdb), t.Context()
	hi := []lineapi.Message{lineapi.Text("hi")}
	for name, c := range map[string]struct {
		task tasks.Task
		opt  producer.Option
		want string
	}{
		"no task":           {nil, producer.Urgent(), "no task"},
		"an unknown kind":   {alien{}, producer.Urgent(), "unknown kind"},
		"a wrong recipient": {tasks.Push{To: "all", Messages: hi}, producer.Urgent(), "to"},
		"six messages": {
			tasks.Push{To: alice, Messages: append(hi, hi[0], hi[0], hi[0], hi[0], hi[0])}, producer.Urgent(), "messages",
		},
		"an id with a brace":    {tasks.Push{To: alice, Messages: hi}, producer.ID("a{b}"), "id"},
		"an id that is long":    {tasks.Push{To: alice, Messages: hi}, producer.ID(strings.Repeat("x", 129)), "id"},
		"a channel with a dash": {tasks.Push{To: alice, Messages: hi}, producer.Channel("a/b"), "channel name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := q.Enqueue(ctx, c.task, c.opt)
			require.ErrorContains(t, err, c.want)
			assert.Empty(t, rdb.Keys(ctx, "*").Val(), "nothing half-done is left behind")
		})
	}
}

func TestEnqueueAll(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		trips := &countTrips{}
		rdb.AddHook(trips)
		items := make([]producer.Item, 1200)
		for i := range items {
			items[i] = producer.Item{Task: tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}}}
		}
		items[7].Task = tasks.Push{To: "nobody"}
		items[1100].Options = []producer.Option{producer.ID("spaced out")}

		tickets, err := q.EnqueueAll(ctx, items)
		var bulk *producer.BulkError
		require.ErrorAs(t, err, &bulk)
		require.Len(t, bulk.Failed, 2)
		assert.Equal(t, 7, bulk.Failed[0].Index)
		assert.Equal(t, 1100, bulk.Failed[1].Index)
		assert.Equal(t, 1200, bulk.Of)
		assert.Len(t, tickets, 1200)
		assert.EqualValues(t, 1198, rdb.LLen(ctx, "asynq:{lineq-push-default}:pending").Val())
		assert.Equal(t, asynq.TaskStatePending, queued(t, rdb, tickets[1199]).State)
		assert.LessOrEqual(t, trips.pipelines.Load(), int32(3))
	})
}

func TestEnqueueAllWithIDsAddsWhatIsMissing(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q, ctx := newClient(t, rdb), t.Context()
	item := func(i int) producer.Item {
		return producer.Item{
			Task:    tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text(fmt.Sprint(i))}},
			Options: []producer.Option{producer.ID(fmt.Sprintf("row-%d", i))},
		}
	}
	_, err := q.EnqueueAll(ctx, []producer.Item{item(1), item(2)})
	require.NoError(t, err)
	tickets, err := q.EnqueueAll(ctx, []producer.Item{item(1), item(2), item(3)})
	require.NoError(t, err)
	assert.True(t, tickets[0].Duplicate)
	assert.True(t, tickets[1].Duplicate)
	assert.False(t, tickets[2].Duplicate)
	assert.EqualValues(t, 3, rdb.LLen(ctx, "asynq:{lineq-push-default}:pending").Val())
}

// countTrips counts the pipelines that take scripts to Redis; a new connection makes one of its own.
type countTrips struct{ pipelines atomic.Int32 }

func (c *countTrips) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (c *countTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (c *countTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return c.Name() == "evalsha" }) {
			c.pipelines.Add(1)
		}
		return next(ctx, cmds)
	}
}

func TestScriptsThatRedisHasForgotten(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		for i := range 2 {
			require.NoError(t, rdb.ScriptFlush(ctx).Err())
			ticket, err := q.Enqueue(ctx, tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}},
				producer.ID(fmt.Sprintf("own-%d", i)))
			require.NoError(t, err)
			assert.False(t, ticket.Duplicate)
			assert.Equal(t, asynq.TaskStatePending, queued(t, rdb, ticket).State)
		}
	})
}

func TestWorkersAreRung(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		_, err := q.Push(ctx, alice, lineapi.Text("hi")) // Redis learns the script: that may ring twice
		require.NoError(t, err)
		sub := rdb.Subscribe(ctx, tasks.Bell)
		defer sub.Close()
		_, err = sub.Receive(ctx)
		require.NoError(t, err)
		_, err = q.Push(ctx, alice, lineapi.Text("hi"))
		require.NoError(t, err)
		m, err := sub.ReceiveMessage(ctx)
		require.NoError(t, err)
		assert.Equal(t, "lineq-push-default", m.Payload)

		// A scheduled one rings when it is started, not before.
		ticket, err := q.Enqueue(ctx, tasks.UnlinkRichMenu{UserID: alice}, producer.After(time.Hour))
		require.NoError(t, err)
		_, err = q.Push(ctx, alice, lineapi.Text("hi"))
		require.NoError(t, err)
		_, err = q.Run(ctx, ticket.ID)
		require.NoError(t, err)
		for _, queue := range []string{"lineq-push-default", "lineq-control"} {
			m, err := sub.ReceiveMessage(ctx)
			require.NoError(t, err)
			assert.Equal(t, queue, m.Payload)
		}
	})
}

func TestErrorsNameNoContent(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q, ctx := newClient(t, rdb), t.Context()
	const secret = "the-secret-text"
	_, err := q.Push(ctx, alice, lineapi.Text(secret+strings.Repeat("x", 6000)))
	require.Error(t, err)
	assert.NotContains(t, err.Error(), secret)
	_, err = q.Reply(ctx, secret, lineapi.Text(""))
	require.Error(t, err)
	assert.NotContains(t, err.Error(), secret)

	_, err = q.Reply(ctx, secret, lineapi.Text(secret))
	require.NoError(t, err)
	for _, key := range rdb.Keys(ctx, "*").Val() {
		assert.NotContains(t, key, secret)
	}
}
