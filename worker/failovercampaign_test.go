package worker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// TestFailoverInACampaign kills masters while a campaign is sent, and single pushes beside it that ask for a replica.
func TestFailoverInACampaign(t *testing.T) {
	t.Parallel()
	t.Run("Sentinel", func(t *testing.T) {
		t.Parallel()
		sentinels := redistest.StartSentinels(t)
		s := newStage(t, sentinels.Client(t), linesim.Config{Latency: 20 * time.Millisecond})
		s.work(t, func(cfg *worker.Config) { cfg.Redis = sentinels.Client(t, worker.RedisOptions) })
		s.failOver(t, func(lost func()) {
			sentinels.KillMaster(t)
			lost()
		})
	})
	t.Run("Cluster", func(t *testing.T) {
		t.Parallel()
		cluster := redistest.StartCluster(t)
		s := newStage(t, cluster.Client(t), linesim.Config{Latency: 20 * time.Millisecond})
		rdb := redis.NewUniversalClient(worker.RedisOptions(&redis.UniversalOptions{
			Addrs: cluster.Addrs(), IsClusterMode: true,
		}))
		t.Cleanup(func() { _ = rdb.Close() })
		s.work(t, func(cfg *worker.Config) { cfg.Redis = rdb })
		s.failOver(t, func(lost func()) { cluster.FailOver(t, "lineq:{c:sale}:state", lost) })
	})
}

// failOver sends a campaign, lets Redis fail over in its middle, pushes as soon as a master is lost, and checks that all
// are sent once.
func (s *stage) failOver(t *testing.T, do func(lost func())) {
	t.Helper()
	const n, pushes = 2400, 200 // the campaign's take six seconds at its rate
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var to []campaign.Recipient
	for i := range n {
		to = append(to, campaign.Recipient{To: user(i), Vars: map[string]string{"name": fmt.Sprint(i)}})
	}
	_, err := s.q.Campaign(ctx, producer.Campaign{
		ID: "sale", Rate: 400, Messages: []lineapi.Message{lineapi.Text("hello {{name}}")},
		To: func(yield func(campaign.Recipient, error) bool) {
			for _, r := range to {
				if !yield(r, nil) {
					return
				}
			}
		},
	})
	require.NoError(t, err)
	s.accepted(t, n/6)
	tickets := make([]producer.Ticket, pushes)
	repeats := 0
	var enqueued sync.WaitGroup
	do(func() {
		enqueued.Go(func() {
			for i := range tickets {
				for stored := false; !stored && ctx.Err() == nil; {
					var err error
					tickets[i], err = s.q.Enqueue(ctx, tasks.Push{To: user(n + i), Messages: []lineapi.Message{lineapi.Text("hi")}},
						producer.ID(fmt.Sprint("order-", i)), producer.Durable(1, 5*time.Second))
					if stored = err == nil; !stored {
						repeats++
					}
				}
			}
		})
	})
	enqueued.Wait()
	awaitLine(t, s.logs, redisIsBack, 1)
	require.NoError(t, ctx.Err(), "not everything was accepted in time")
	sum := s.ended(t, "sale")
	assert.Equal(t, campaign.StateFinished, sum.State)
	assert.EqualValues(t, n, sum.Sent)
	for _, ticket := range tickets {
		require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	}
	assert.Empty(t, s.line.Ledger().Duplicates())
	for i := range n + pushes {
		require.Equal(t, 1, s.line.Ledger().Count(user(i)), "user %d", i)
	}
	t.Logf("%d of %d recipients replayed, %d enqueueings repeated", sum.Replayed, n, repeats)
}
