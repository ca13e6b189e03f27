package producer_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
)

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

	second, err := q.Enqueue(t.Context(), push, producer.ID(first.ID))
	require.NoError(t, err)
	assert.True(t, second.Duplicate)
	assert.EqualValues(t, 1, rdb.LLen(t.Context(), "asynq:{lineq-push-default}:pending").Val())
}

func TestALostAnswerThatTheClientRepeatsIsNoDuplicate(t *testing.T) {
	m, rdb := redistest.Mini(t)
	proxy := newDeaf(t, m.Addr())
	q := newClient(t, redis.NewClient(&redis.Options{Addr: proxy.addr, PoolSize: 1}))
	_, err := q.Push(t.Context(), alice, lineapi.Text("hi"))
	require.NoError(t, err)

	proxy.cut.Store(true)
	ticket, err := q.Push(t.Context(), alice, lineapi.Text("hi"))
	require.NoError(t, err)
	assert.False(t, proxy.cut.Load(), "nothing was cut")
	assert.False(t, ticket.Duplicate)
	assert.EqualValues(t, 2, rdb.LLen(t.Context(), "asynq:{lineq-push-default}:pending").Val())
}

// deaf is a proxy that passes all bytes on, but when cut is set, closes the connection at the next answer.
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
					if err != nil || answers && d.cut.CompareAndSwap(true, false) {
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
