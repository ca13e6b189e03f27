package producer_test

import (
	"context"
	"fmt"
	"net"
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

	again, err := q.Enqueue(ctx, push, producer.ID("order-1"))
	require.NoError(t, err)
	assert.True(t, again.Duplicate)
	assert.Equal(t, tasks.StateDone, again.State)
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
		sub := rdb.Subscribe(ctx, tasks.Bell)
		defer sub.Close()
		_, err := sub.Receive(ctx)
		require.NoError(t, err)
		_, err = q.Push(ctx, alice, lineapi.Text("hi"))
		require.NoError(t, err)
		m, err := sub.ReceiveMessage(ctx)
		require.NoError(t, err)
		assert.Equal(t, "lineq-push-default", m.Payload)
	})
}

func TestRedisIsAway(t *testing.T) {
	t.Run("nothing listens: not stored", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		addr := l.Addr().String()
		l.Close()
		for _, opts := range [][]producer.Option{nil, {producer.ID("order-1")}} {
			q := newClient(t, redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1}))
			ticket, err := q.Enqueue(t.Context(),
				tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}}, opts...)
			var failed *producer.EnqueueError
			require.ErrorAs(t, err, &failed)
			assert.False(t, failed.MayBeStored)
			assert.Equal(t, ticket.ID, failed.ID)
			assert.NotContains(t, err.Error(), "hi\"")
		}
	})
	t.Run("it hangs: the call ends with its context and may be stored", func(t *testing.T) {
		addr := silent(t)
		q := newClient(t, redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, ReadTimeout: time.Minute}))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := q.Push(ctx, alice, lineapi.Text("hi"))
		var failed *producer.EnqueueError
		require.ErrorAs(t, err, &failed)
		assert.True(t, failed.MayBeStored)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("a context that has ended: not stored", func(t *testing.T) {
		_, rdb := redistest.Mini(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := newClient(t, rdb).Push(ctx, alice, lineapi.Text("hi"))
		var failed *producer.EnqueueError
		require.ErrorAs(t, err, &failed)
		assert.False(t, failed.MayBeStored)
		assert.Empty(t, rdb.Keys(t.Context(), "*").Val())
	})
	t.Run("it refuses: not stored", func(t *testing.T) {
		m, rdb := redistest.Mini(t)
		m.SetError("OOM command not allowed when used memory > 'maxmemory'.")
		_, err := newClient(t, rdb).Push(t.Context(), alice, lineapi.Text("hi"))
		var failed *producer.EnqueueError
		require.ErrorAs(t, err, &failed)
		assert.False(t, failed.MayBeStored)
	})
}

// silent is a server that takes connections and never answers.
func silent(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}()
	return l.Addr().String()
}

func TestALostAnswerIsStoredOnce(t *testing.T) {
	m, rdb := redistest.Mini(t)
	proxy := newDeaf(t, m.Addr())
	q := newClient(t, redis.NewClient(&redis.Options{Addr: proxy.addr, MaxRetries: -1, PoolSize: 1}))
	push := tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}}
	before, err := q.Enqueue(t.Context(), push) // now the connection is made, and Redis knows the scripts
	require.NoError(t, err)
	_, err = q.Cancel(t.Context(), before.ID)
	require.NoError(t, err)

	proxy.cut.Store(true)
	first, err := q.Enqueue(t.Context(), push)
	var failed *producer.EnqueueError
	require.ErrorAs(t, err, &failed)
	require.True(t, failed.MayBeStored)
	require.Eventually(t, func() bool {
		return rdb.LLen(t.Context(), "asynq:{lineq-push-default}:pending").Val() == 1
	}, 5*time.Second, time.Millisecond)

	proxy.cut.Store(false)
	second, err := q.Enqueue(t.Context(), push, producer.ID(first.ID))
	require.NoError(t, err)
	assert.True(t, second.Duplicate)
	assert.EqualValues(t, 1, rdb.LLen(t.Context(), "asynq:{lineq-push-default}:pending").Val())
}

// deaf is a proxy that, while cut is set, passes the client's bytes on and closes the connection at the first answer.
type deaf struct {
	addr string
	cut  atomic.Bool
}

func newDeaf(t *testing.T, target string) *deaf {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	d := &deaf{addr: l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				client.Close()
				continue
			}
			pass := func(to, from net.Conn, answers bool) {
				defer to.Close()
				defer from.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := from.Read(buf)
					if err != nil || answers && d.cut.Load() {
						return
					}
					if _, err := to.Write(buf[:n]); err != nil {
						return
					}
				}
			}
			go pass(server, client, false)
			go pass(client, server, true)
		}
	}()
	return d
}

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
