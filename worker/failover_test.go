package worker_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// TestFailover kills the master under a worker and eight producers that ask for a replica. What these were told is
// accepted must be sent, and nothing twice. What they were told has failed they repeat under the same ID, as an app would.
func TestFailover(t *testing.T) {
	t.Parallel()
	sentinels := redistest.StartSentinels(t)
	s := newStage(t, sentinels.Client(t, impatient), linesim.Config{Latency: 20 * time.Millisecond})
	s.work(t, func(cfg *worker.Config) {
		cfg.Redis, cfg.Concurrency = sentinels.Client(t, worker.RedisOptions), 50
	})
	const n, producers = 1600, 8
	tickets := make([]producer.Ticket, n)
	var repeats atomic.Int64
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	killed := make(chan struct{})
	var all sync.WaitGroup
	for p := range producers {
		all.Go(func() {
			for i := p; i < n; i += producers {
				if i >= n/2 && i < n/2+producers {
					<-killed // so that it happens in the middle
				}
				for {
					ticket, err := s.q.Enqueue(ctx, tasks.Push{To: user(i), Messages: []lineapi.Message{lineapi.Text("hi")}},
						producer.ID(fmt.Sprint("order-", i)), producer.Durable(1, 5*time.Second))
					if err == nil {
						tickets[i] = ticket
						break
					}
					repeats.Add(1)
					if ctx.Err() != nil {
						return
					}
				}
			}
		})
	}
	s.accepted(t, n/4)
	master := sentinels.KillMaster(t)
	close(killed)
	all.Wait()
	require.NoError(t, ctx.Err(), "not everything was accepted in time")
	assert.NotEqual(t, master.Addr, sentinels.Master(t).Addr)
	assert.Positive(t, repeats.Load(), "nobody noticed")
	awaitLine(t, s.logs, redisIsBack, 1)
	replayed := s.finish(t, tickets)
	assertQuiet(t, s.logs, 1)
	t.Logf("%d enqueueings were repeated, %d sends", repeats.Load(), replayed)
}

// impatient makes a producer hear of everything.
func impatient(o *redis.UniversalOptions) *redis.UniversalOptions {
	o.MaxRetries, o.DialerRetries = -1, 1
	return o
}

// TestARecordThatIsLost is what a failover may do to the newest records; LINE is what nobody gets a message twice by.
func TestARecordThatIsLost(t *testing.T) {
	t.Parallel()
	lose := func(t *testing.T, s *stage, ticket producer.Ticket) {
		t.Helper()
		s.nothingIsLeft(t, ticket)
		require.EqualValues(t, 1, s.rdb.Del(t.Context(), "lineq:{default:t:"+ticket.ID+"}").Val())
	}
	t.Run("a push is replayed", func(t *testing.T) {
		s := onMini(t)
		s.work(t)
		ticket := s.push(t, user(1), producer.ID("order-1"))
		first := s.wait(t, ticket)
		lose(t, s, ticket)
		r := s.wait(t, s.push(t, user(1), producer.ID("order-1")))
		assert.Equal(t, tasks.OutcomeSent, r.Outcome)
		assert.True(t, r.Replayed)
		assert.Equal(t, first.RequestID, r.RequestID)
		assert.Equal(t, 1, s.line.Ledger().Count(user(1)))
	})
	t.Run("a reply fails, though it arrived", func(t *testing.T) {
		s := onMini(t)
		s.work(t)
		token, err := s.line.NewReplyToken(linesim.DefaultChannel.ID, user(1))
		require.NoError(t, err)
		reply := tasks.Reply{ReplyToken: token, Messages: []lineapi.Message{lineapi.Text("hi")}}
		ticket, err := s.q.Enqueue(t.Context(), reply, producer.ID("reply-1"))
		require.NoError(t, err)
		require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
		lose(t, s, ticket)
		ticket, err = s.q.Enqueue(t.Context(), reply, producer.ID("reply-1"))
		require.NoError(t, err)
		r := s.wait(t, ticket)
		assert.Equal(t, tasks.OutcomeFailed, r.Outcome)
		assert.Equal(t, lineapi.Invalid, r.Reason)
		assert.Equal(t, 1, s.line.Ledger().Count(user(1)))
	})
}

// TestACluster sends through a Redis Cluster, with replicas that confirm.
func TestACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	s := newStage(t, cluster.Client(t), linesim.Config{})
	s.work(t, func(cfg *worker.Config) { cfg.Redis = cluster.Client(t) })
	items := make([]producer.Item, 200)
	for i := range items {
		items[i] = producer.Item{
			Task:    tasks.Push{To: user(i), Messages: []lineapi.Message{lineapi.Text("hi")}},
			Options: []producer.Option{producer.Durable(1, 10*time.Second)},
		}
	}
	tickets, err := s.q.EnqueueAll(t.Context(), items)
	require.NoError(t, err)
	for i, ticket := range tickets {
		require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
		require.Equal(t, 1, s.line.Ledger().Count(user(i)))
	}
	assertQuiet(t, s.logs, 0)
}
