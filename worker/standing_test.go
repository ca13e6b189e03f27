package worker_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

func standing(rdb redis.UniversalClient) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(worker.NewStanding(rdb))
	return r
}

func TestHowThingsStand(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{})
		ctx := t.Context()
		empty := standing(rdb)
		assert.Equal(t, map[string]float64{"": 1}, values(t, empty, "lineq_redis_up"))
		assert.Equal(t, map[string]float64{"": 0}, values(t, empty, "lineq_workers"))
		assert.Empty(t, values(t, empty, "lineq_queue_tasks"))

		require.NoError(t, channel.Register(ctx, rdb, "default", "shop", "free"))
		for range 3 {
			s.push(t, user(1))
		}
		s.push(t, user(1), producer.After(time.Hour))
		s.push(t, user(1), producer.Channel("shop"))
		for _, h := range []channel.Hold{
			{Reason: lineapi.Auth, Note: secretText, By: user(1)}, {Reason: channel.Operator},
			{Reason: lineapi.Quota, Until: time.Now().Add(-time.Minute)}, // over
		} {
			_, err := channel.Put(ctx, rdb, "shop", h)
			require.NoError(t, err)
		}
		require.NoError(t, rdb.Set(ctx, "asynq:{lineq-push-shop}:paused", channel.Pause, 0).Err())
		require.NoError(t, rdb.Set(ctx, "asynq:{lineq-push-default}:paused", "1", 0).Err())
		require.NoError(t, channel.KeepQuota(ctx, rdb, "default", channel.Quota{Limit: 1000, Used: 950}))
		require.NoError(t, channel.KeepQuota(ctx, rdb, "shop", channel.Quota{Limit: 5, Used: 7}))
		require.NoError(t, channel.KeepQuota(ctx, rdb, "free", channel.Quota{Limit: -1}))
		s.seal(t, "waits", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello")}, 500, users(20))
		s.seal(t, "refused", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello")}, 500, users(7))
		require.NoError(t, s.campaigns.Refuse(ctx, "refused", nil, lineapi.Quota, secretText))
		s.seal(t, "gone", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello")}, 500, users(9))
		_, err := s.campaigns.Cancel(ctx, "gone", campaign.Operator, "")
		require.NoError(t, err)

		g := standing(rdb)
		assert.Equal(t, map[string]float64{
			"default push queued": 3, "default push scheduled": 1, "default push waiting": 0, "default push active": 0,
			"default push archived": 0,
			"shop push queued":      1, "shop push scheduled": 0, "shop push waiting": 0, "shop push active": 0,
			"shop push archived": 0,
		}, values(t, g, "lineq_queue_tasks"))
		assert.Equal(t, map[string]float64{"lineq shop push": 1, "operator default push": 1}, values(t, g, "lineq_queue_paused"))
		assert.Equal(t, map[string]float64{"shop auth": 1, "shop operator": 1}, values(t, g, "lineq_channel_held"))
		assert.Equal(t, map[string]float64{"default": 1000, "shop": 5}, values(t, g, "lineq_quota_limit"))
		assert.Equal(t, map[string]float64{"default": 50, "shop": 0}, values(t, g, "lineq_quota_left"))
		assert.Equal(t, map[string]float64{"default  ready": 1, "default quota paused": 1}, values(t, g, "lineq_campaigns"))
		assert.Equal(t, map[string]float64{
			"default sent": 0, "default failed": 0, "default unknown": 0, "default pending": 27,
		}, values(t, g, "lineq_campaign_recipients"))
		assert.Len(t, values(t, g, "lineq_channel_seen_seconds"), 3)
		for of, age := range values(t, g, "lineq_queue_oldest_seconds") {
			assert.Positive(t, age, of)
		}
	})
}

func TestHowThingsStandOnACluster(t *testing.T) {
	t.Parallel()
	rdb := redistest.StartCluster(t).Client(t)
	s := newStage(t, rdb, linesim.Config{})
	registry := prometheus.NewRegistry()
	s.work(t, s.with(t, "shop", linesim.DefaultChannel.Token), func(cfg *worker.Config) { cfg.Metrics = registry })
	for _, name := range []string{"default", "shop"} {
		s.wait(t, s.push(t, user(1), producer.Channel(name)))
		s.push(t, user(1), producer.Channel(name), producer.After(time.Hour))
	}
	g := standing(rdb)
	assert.Equal(t, map[string]float64{"": 1}, values(t, g, "lineq_redis_up"))
	assert.Equal(t, map[string]float64{"": 1}, values(t, g, "lineq_workers"))
	for _, g := range []prometheus.Gatherer{g, registry} {
		tasks := values(t, g, "lineq_queue_tasks")
		assert.Equal(t, 1., tasks["default push scheduled"])
		assert.Equal(t, 1., tasks["shop push scheduled"])
		assert.Len(t, values(t, g, "lineq_channel_seen_seconds"), 2)
	}
}

// What could have begun long ago is old, also where no worker has made it pending.
func TestTheOldestThatCouldHaveBegun(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	ticket := s.push(t, user(1), producer.After(time.Hour))
	key := "asynq:{" + ticket.Queue + "}:scheduled"
	anHourAgo := redis.Z{Member: "default:" + ticket.ID, Score: float64(time.Now().Add(-time.Hour).Unix())}
	assert.Equal(t, map[string]float64{"default push": 0}, values(t, standing(s.rdb), "lineq_queue_oldest_seconds"))
	require.NoError(t, s.rdb.ZAddXX(t.Context(), key, anHourAgo).Err())
	assert.InDelta(t, 3600, values(t, standing(s.rdb), "lineq_queue_oldest_seconds")["default push"], 60)
}

func TestWhatWasKnownStaysWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	m, rdb := redistest.Mini(t)
	_, err := channel.Put(t.Context(), rdb, "shop", channel.Hold{Reason: channel.Operator})
	require.NoError(t, err)
	g := standing(rdb)
	assert.Equal(t, map[string]float64{"": 1}, values(t, g, "lineq_redis_up"))
	m.SetError("LOADING Redis is loading the dataset in memory")
	require.Eventually(t, func() bool { return values(t, g, "lineq_redis_up")[""] == 0 }, time.Minute, 50*time.Millisecond)
	assert.Equal(t, map[string]float64{"shop operator": 1}, values(t, g, "lineq_channel_held"))
	m.SetError("")
	require.Eventually(t, func() bool { return values(t, g, "lineq_redis_up")[""] == 1 }, time.Minute, 50*time.Millisecond)
}

// looks counts how often the queues are listed.
type looks struct{ n atomic.Int32 }

func (l *looks) DialHook(next redis.DialHook) redis.DialHook { return next }
func (l *looks) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (l *looks) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if args := cmd.Args(); len(args) > 1 && args[1] == "asynq:queues" {
			l.n.Add(1)
		}
		return next(ctx, cmd)
	}
}

func TestManyScrapersCostOneLook(t *testing.T) {
	t.Parallel()
	_, rdb := redistest.Mini(t)
	asked := &looks{}
	rdb.AddHook(asked)
	g := standing(rdb)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { values(t, g, "lineq_redis_up") })
	}
	all.Wait()
	assert.Less(t, asked.n.Load(), int32(20), "the look is kept for a second")
}

func TestAWorkerLearnsTheQuota(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	require.NoError(t, s.line.SetQuota(linesim.DefaultChannel.ID, linesim.Quota{Limit: 100, Used: 40}))
	registry := prometheus.NewRegistry()
	s.work(t, func(cfg *worker.Config) { cfg.Metrics = registry })
	s.seal(t, "c", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello")}, 500, users(10))
	s.ended(t, "c") // its preflight has asked
	require.Eventually(t, func() bool { return values(t, registry, "lineq_quota_left")["default"] == 60 },
		time.Minute, 20*time.Millisecond)
	assert.Equal(t, map[string]float64{"": 1}, values(t, registry, "lineq_workers"))
	assert.Equal(t, map[string]float64{"default": 100}, values(t, registry, "lineq_quota_limit"))
	q, err := channel.Quotas(t.Context(), s.rdb, tasks.DefaultChannel, "other")
	require.NoError(t, err)
	require.Len(t, q, 1)
	assert.EqualValues(t, 40, q[tasks.DefaultChannel].Used)
}

// One of all workers asks for the quota, without a campaign or a hold.
func TestOneOfAllWorkersAsksForTheQuota(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	require.NoError(t, s.line.SetQuota(linesim.DefaultChannel.ID, linesim.Quota{Limit: 100, Used: 40}))
	first, second := prometheus.NewRegistry(), prometheus.NewRegistry()
	s.work(t, func(cfg *worker.Config) { cfg.Metrics = first })
	s.work(t, func(cfg *worker.Config) { cfg.Metrics = second })
	for _, g := range []prometheus.Gatherer{first, second} {
		require.Eventually(t, func() bool { return values(t, g, "lineq_quota_left")["default"] == 60 }, time.Minute, 100*time.Millisecond)
	}
	var asked int64
	for operation, codes := range s.line.Stats().Requests {
		if strings.Contains(strings.ToLower(operation), "quota") && !strings.Contains(strings.ToLower(operation), "consumption") {
			for _, n := range codes {
				asked += n
			}
		}
	}
	assert.EqualValues(t, 1, asked)
}
