package producer_test

import (
	"fmt"
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

// hello is a push that is to be durable.
func hello(id string, opts ...producer.Option) producer.Item {
	if id != "" {
		opts = append(opts, producer.ID(id))
	}
	return producer.Item{Task: tasks.Push{To: alice, Messages: []lineapi.Message{lineapi.Text("hi")}}, Options: opts}
}

func enqueue(t *testing.T, q *producer.Client, i producer.Item) (producer.Ticket, error) {
	return q.Enqueue(t.Context(), i.Task, i.Options...)
}

// unconfirmed is how many replicas an error says have confirmed, of how many.
func unconfirmed(t *testing.T, err error) string {
	t.Helper()
	var failed *producer.EnqueueError
	require.ErrorAs(t, err, &failed)
	assert.True(t, failed.MayBeStored)
	var few *producer.UnconfirmedError
	require.ErrorAs(t, err, &few)
	require.NoError(t, few.Err)
	assert.Contains(t, err.Error(), fmt.Sprintf("%d of %d replicas have confirmed it", few.Confirmed, few.Of))
	return fmt.Sprint(few.Confirmed, " of ", few.Of)
}

// has tells whether a replica has a task, its reservation and its queue's name at this moment.
func has(t *testing.T, replica redis.UniversalClient, ticket producer.Ticket, reserved bool) {
	t.Helper()
	ctx := t.Context()
	require.EqualValues(t, 1, replica.Exists(ctx, "asynq:{"+ticket.Queue+"}:t:default:"+ticket.ID).Val())
	require.True(t, replica.SIsMember(ctx, "asynq:queues", ticket.Queue).Val())
	if reserved {
		require.EqualValues(t, 1, replica.Exists(ctx, "lineq:{default:t:"+ticket.ID+"}").Val())
	}
}

func TestDurable(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.StartReplica(t, master)
	rdb, there := master.Client(t), replica.Client(t)
	q, ctx := newClient(t, rdb), t.Context()
	durable := producer.Durable(1, 10*time.Second)

	t.Run("what was accepted is on the replica", func(t *testing.T) {
		for i := range 100 {
			ticket, err := enqueue(t, q, hello("", durable))
			require.NoError(t, err)
			has(t, there, ticket, false)
			ticket, err = enqueue(t, q, hello(fmt.Sprint("order-", i), durable))
			require.NoError(t, err)
			has(t, there, ticket, true)
		}
	})
	t.Run("scheduled ones, too", func(t *testing.T) {
		ticket, err := enqueue(t, q, hello("later", durable, producer.After(time.Hour)))
		require.NoError(t, err)
		has(t, there, ticket, true)
	})
	t.Run("many with one WAIT for each batch", func(t *testing.T) {
		require.NoError(t, rdb.ConfigResetStat(ctx).Err())
		items := make([]producer.Item, 1200)
		for i := range items {
			items[i] = hello("", durable)
		}
		tickets, err := q.EnqueueAll(ctx, items)
		require.NoError(t, err)
		for _, ticket := range tickets {
			has(t, there, ticket, false)
		}
		assert.Contains(t, rdb.Info(ctx, "commandstats").Val(), "cmdstat_wait:calls=3,")
	})
	t.Run("after a restart, when Redis knows no script", func(t *testing.T) {
		require.NoError(t, rdb.ScriptFlush(ctx).Err())
		ticket, err := enqueue(t, q, hello("after-restart", durable))
		require.NoError(t, err)
		assert.False(t, ticket.Duplicate)
		has(t, there, ticket, true)
	})
	t.Run("in place of one that asynq keeps though it is over", func(t *testing.T) {
		ticket, err := enqueue(t, q, hello(""))
		require.NoError(t, err)
		key := "asynq:{" + ticket.Queue + "}:"
		require.NoError(t, rdb.HSet(ctx, key+"t:default:"+ticket.ID, "state", "archived").Err())
		require.NoError(t, rdb.LRem(ctx, key+"pending", 1, "default:"+ticket.ID).Err())
		require.NoError(t, rdb.ZAdd(ctx, key+"archived", redis.Z{Member: "default:" + ticket.ID}).Err())
		again, err := enqueue(t, q, hello(ticket.ID, durable))
		require.NoError(t, err)
		assert.False(t, again.Duplicate)
		require.Equal(t, "pending", there.HGet(ctx, key+"t:default:"+ticket.ID, "state").Val())
	})
	t.Run("more replicas than there are", func(t *testing.T) {
		_, err := enqueue(t, q, hello("too-many", producer.Durable(2, 50*time.Millisecond)))
		assert.Equal(t, "1 of 2", unconfirmed(t, err))
	})
	t.Run("each item of a batch by its own number", func(t *testing.T) {
		_, err := q.EnqueueAll(ctx, []producer.Item{
			hello("a"), hello("b", producer.Durable(1, time.Millisecond)), hello("c", producer.Durable(2, 50*time.Millisecond)),
		})
		var bulk *producer.BulkError
		require.ErrorAs(t, err, &bulk)
		require.Len(t, bulk.Failed, 1)
		assert.Equal(t, 2, bulk.Failed[0].Index)
		assert.Equal(t, "1 of 2", unconfirmed(t, bulk.Failed[0].Err))
	})
}

func TestDurableWithoutItsReplica(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.StartReplica(t, master)
	rdb := redis.NewClient(&redis.Options{Addr: master.Addr, ReadTimeout: 500 * time.Millisecond, MaxRetries: -1, PoolSize: 10})
	t.Cleanup(func() { _ = rdb.Close() })
	q := newClient(t, rdb)
	durable := producer.Durable(1, time.Second)
	_, err := enqueue(t, q, hello("", durable))
	require.NoError(t, err)

	replica.Freeze()
	item := hello("order-1", durable)
	_, err = enqueue(t, q, item)
	assert.Equal(t, "0 of 1", unconfirmed(t, err), "longer than a read may take, but no read that failed")
	// The repeat stores nothing, and on a connection that has written nothing WAIT would say that all is well.
	q = newClient(t, master.Client(t))
	_, err = enqueue(t, q, item)
	assert.Equal(t, "0 of 1", unconfirmed(t, err))
	replica.Thaw()
	ticket, err := enqueue(t, q, hello("order-1", producer.Durable(1, time.Minute)))
	require.NoError(t, err)
	assert.True(t, ticket.Duplicate)
	has(t, replica.Client(t), ticket, true)
}

func TestDurableOnACluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	rdb := c.Client(t)
	q, ctx := newClient(t, rdb), t.Context()
	items := make([]producer.Item, 60)
	for i := range items {
		items[i] = hello(fmt.Sprint("order-", i), producer.Durable(1, 10*time.Second))
		if i%2 == 0 {
			items[i].Options = append(items[i].Options, producer.Urgent())
		}
	}
	tickets, err := q.EnqueueAll(ctx, items)
	require.NoError(t, err)
	replicated := map[string]bool{}
	for _, r := range c.Replicas() {
		for _, key := range r.Client(t).Keys(ctx, "*").Val() {
			replicated[key] = true
		}
	}
	assert.True(t, replicated["asynq:queues"])
	for _, ticket := range tickets {
		assert.True(t, replicated["asynq:{"+ticket.Queue+"}:t:default:"+ticket.ID])
		assert.True(t, replicated["lineq:{default:t:"+ticket.ID+"}"])
	}
	assert.ElementsMatch(t, []string{"lineq-urgent", "lineq-push-default"}, rdb.SMembers(ctx, "asynq:queues").Val())

	for _, r := range c.Replicas() {
		r.Freeze()
		defer r.Thaw()
	}
	_, err = enqueue(t, q, hello("order-x", producer.Durable(1, 50*time.Millisecond)))
	assert.Equal(t, "0 of 1", unconfirmed(t, err))
}

func TestDurableIsRefused(t *testing.T) {
	_, rdb := redistest.Mini(t)
	for text, o := range map[string]producer.Option{
		"replicas must be 1 at least, not 0":  producer.Durable(0, time.Second),
		"replicas must be 1 at least, not -1": producer.Durable(-1, time.Second),
		"timeout must be above zero, not 0s":  producer.Durable(1, 0),
		"timeout must be above zero, not -1s": producer.Durable(1, -time.Second),
	} {
		_, err := enqueue(t, newClient(t, rdb), hello("", o))
		assert.ErrorContains(t, err, text)
	}
	t.Run("by a client that can't", func(t *testing.T) {
		q := newClient(t, struct{ redis.UniversalClient }{rdb})
		_, err := enqueue(t, q, hello("", producer.Durable(1, time.Second)))
		require.ErrorContains(t, err, "can't wait for replicas")
	})
	t.Run("by a Redis that can't", func(t *testing.T) {
		server := redistest.Start(t, "--rename-command", "WAIT", "")
		_, err := enqueue(t, newClient(t, server.Client(t)), hello("kept", producer.Durable(1, time.Second)))
		var failed *producer.EnqueueError
		require.ErrorAs(t, err, &failed)
		assert.True(t, failed.MayBeStored)
		var few *producer.UnconfirmedError
		require.ErrorAs(t, err, &few)
		assert.Equal(t, 1, few.Of)
		assert.Error(t, few.Err)
		assert.ErrorContains(t, err, "isn't known")
	})
	assert.Empty(t, rdb.Keys(t.Context(), "*").Val())
}
