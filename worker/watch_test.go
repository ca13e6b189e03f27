package worker

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
)

func TestPulse(t *testing.T) {
	type beat struct{ here, redis time.Duration } // since the beat before
	regular := func(n int) (all []beat) {
		for range n {
			all = append(all, beat{time.Second, time.Second})
		}
		return all
	}
	for name, test := range map[string]struct {
		beats []beat
		want  bool
	}{
		"just begun":                       {regular(1), false},
		"four beats":                       {regular(4), false},
		"four seconds":                     {regular(5), true},
		"Redis was away":                   {append(regular(100), beat{20 * time.Second, 20 * time.Second}), false},
		"just back":                        {append(append(regular(100), beat{20 * time.Second, 20 * time.Second}), regular(3)...), false},
		"back for four seconds":            {append(append(regular(100), beat{20 * time.Second, 20 * time.Second}), regular(4)...), true},
		"this machine slept":               {append(regular(100), beat{time.Second, time.Hour}), false},
		"Redis's clock was put back":       {append(regular(100), beat{time.Second, -time.Minute}), false},
		"Redis's clock was put forward":    {append(regular(100), beat{time.Second, time.Minute}), false},
		"clocks that differ, and drift":    {append(regular(100), beat{time.Second, 1010 * time.Millisecond}), true},
		"a beat that came late, on a busy": {append(regular(100), beat{2 * time.Second, 2 * time.Second}), true},
	} {
		t.Run(name, func(t *testing.T) {
			var p pulse
			now := turn{here: time.Unix(1e9, 0), redis: time.Unix(2e9, 0)}
			for _, b := range test.beats {
				now.here, now.redis = now.here.Add(b.here), now.redis.Add(b.redis)
				p.beat(now)
			}
			now.since = p.since
			assert.Equal(t, test.want, now.judges())
		})
	}
}

func TestJudge(t *testing.T) {
	const fresh, stale, late = 500 * time.Millisecond, 5 * time.Second, 3 * time.Second
	x, y := claim{"lineq-urgent", "default:x"}, claim{"lineq-urgent", "default:y"}
	start := time.Unix(1e9, 0)
	// look is one look at a time since the start.
	type look struct {
		at     time.Duration
		active []claim
		peers  []peer
		want   []orphan
	}
	me := peer{id: "me", silent: fresh}
	for name, looks := range map[string][]look{
		"a living worker's": {
			{0, []claim{x}, []peer{{id: "a", silent: fresh, claims: []claim{x}}}, nil},
			{time.Hour, []claim{x}, []peer{{id: "a", silent: 4 * time.Second, claims: []claim{x}}}, nil},
		},
		"a dead worker's, at once": {
			{0, []claim{x, y}, []peer{me, {id: "a", silent: stale, claims: []claim{x}}}, []orphan{{x, "a"}}},
		},
		"a dead worker's that a living one has got since": {
			{0, []claim{x}, []peer{{id: "a", silent: stale, claims: []claim{x}}, {id: "b", silent: fresh, claims: []claim{x}}}, nil},
		},
		"nobody's, when everybody has had the time to claim it": {
			{0, []claim{x}, []peer{me}, nil},
			{time.Second, []claim{x}, []peer{me}, nil},
			{2 * time.Second, []claim{x}, []peer{me}, []orphan{{x, ""}}},
		},
		"a worker that is slow may have it": {
			{0, []claim{x}, []peer{me, {id: "slow", silent: fresh}}, nil},
			{3 * time.Second, []claim{x}, []peer{me, {id: "slow", silent: late}}, nil},
			{5 * time.Second, []claim{x}, []peer{me, {id: "slow", silent: stale}}, []orphan{{x, ""}}},
		},
		"claimed a little later": {
			{0, []claim{x}, []peer{me}, nil},
			{time.Second, []claim{x}, []peer{{id: "me", silent: fresh, claims: []claim{x}}}, nil},
			{3 * time.Second, []claim{x}, []peer{me}, nil},
		},
		"fetched again and again": {
			{0, []claim{x}, []peer{me}, nil},
			{time.Second, nil, []peer{me}, nil},
			{3 * time.Second, []claim{x}, []peer{me}, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, rdb := redistest.Mini(t)
			v := newWatch(newWorker(t, rdb))
			for _, l := range looks {
				require.Equal(t, l.want, v.judge(start.Add(l.at), l.active, l.peers), l.at)
			}
		})
	}
	t.Run("what was left to asynq isn't judged again", func(t *testing.T) {
		_, rdb := redistest.Mini(t)
		v := newWatch(newWorker(t, rdb))
		v.left[x] = true
		dead := []peer{me, {id: "a", silent: stale, claims: []claim{x}}}
		assert.Empty(t, v.judge(start, []claim{x}, dead))
		assert.Empty(t, v.judge(start, nil, dead), "asynq has brought it back")
		assert.Len(t, v.judge(start, []claim{x}, dead), 1)
	})
}

func TestOneWatches(t *testing.T) {
	m, rdb := redistest.Mini(t)
	ctx := t.Context()
	a, b := newWorker(t, rdb), newWorker(t, rdb)
	watches := func(w *Worker) bool {
		t.Helper()
		got, err := w.beat(ctx)
		require.NoError(t, err)
		return got.watches
	}
	assert.True(t, watches(a))
	assert.False(t, watches(b))
	assert.True(t, watches(a), "its owner renews the lock")
	m.FastForward(watchTime + time.Millisecond)
	assert.True(t, watches(b), "the watcher was heard of no more")
	assert.False(t, watches(a))
	b.leave()
	assert.True(t, watches(a), "the watcher has left")
}

// TestPeers is what workers tell each other, through Redis.
func TestPeers(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		w := newWorker(t, rdb)
		w.claims.add("lineq-urgent", `an "id" of somebody else's`)
		now, err := w.beat(ctx)
		require.NoError(t, err)
		require.NoError(t, rdb.ZAdd(ctx, workersKey, redis.Z{
			Score: float64(now.redis.Add(-5 * time.Second).UnixMilli()), Member: "expired",
		}).Err())

		v := newWatch(w)
		peers, err := v.peers(ctx, now.redis)
		require.NoError(t, err)
		require.Len(t, peers, 2)
		gone, me := peers[0], peers[1]
		assert.True(t, gone.dead())
		assert.Empty(t, gone.claims)
		assert.False(t, me.dead())
		assert.Zero(t, me.silent)
		assert.Equal(t, w.id, me.id)
		assert.Equal(t, []claim{{"lineq-urgent", `an "id" of somebody else's`}}, me.claims)

		require.NoError(t, v.bury(ctx, now.redis, []peer{gone, {id: w.id, silent: time.Hour}}))
		peers, err = v.peers(ctx, now.redis)
		require.NoError(t, err)
		assert.Len(t, peers, 1, "one is forgotten; one was heard of again")
	})
}

// TestKeysOfOneSlot runs every script on a Redis Cluster, which refuses keys of several slots.
func TestKeysOfOneSlot(t *testing.T) {
	server := redistest.Start(t, "--cluster-enabled", "yes")
	require.NoError(t, redis.NewClient(&redis.Options{Addr: server.Addr}).ClusterAddSlotsRange(t.Context(), 0, 16383).Err())
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{server.Addr}})
	t.Cleanup(func() { _ = rdb.Close() })
	ctx := t.Context()
	require.Eventually(t, func() bool {
		return rdb.Set(ctx, "ready", "", 0).Err() == nil
	}, time.Minute, 10*time.Millisecond, "the cluster forms")

	w := newWorker(t, rdb)
	v := newWatch(w)
	client := asynq.NewClientFromRedisClient(rdb)
	for _, queue := range []string{"lineq-urgent", "lineq-push-default"} {
		_, err := client.Enqueue(asynq.NewTask("push", nil), asynq.Queue(queue), asynq.TaskID("default:1"))
		require.NoError(t, err)
		active := []string{asynqKey(queue, "pending"), asynqKey(queue, "active")}
		require.NoError(t, rdb.LMove(ctx, active[0], active[1], "RIGHT", "LEFT").Err())
		require.NoError(t, rdb.HSet(ctx, asynqKey(queue, "t:default:1"), "state", "active").Err())
	}
	now, err := w.beat(ctx)
	require.NoError(t, err)
	now.since = now.here
	require.NoError(t, v.look(ctx, now))
	now.redis, now.here = now.redis.Add(2*unclaimedTime), time.Now()
	now.since = now.here.Add(-steadyTime)
	v.since = now.since
	require.NoError(t, rdb.ZAdd(ctx, workersKey,
		redis.Z{Score: float64(now.redis.UnixMilli()), Member: w.id}, redis.Z{Score: 1, Member: "dead"}).Err())
	require.NoError(t, v.look(ctx, now))
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	for _, queue := range []string{"lineq-urgent", "lineq-push-default"} {
		all, err := inspector.ListPendingTasks(queue)
		require.NoError(t, err)
		require.Len(t, all, 1)
		assert.Equal(t, "default:1~1", all[0].ID)
	}
	left, err := rdb.ZRange(ctx, workersKey, 0, -1).Result()
	require.NoError(t, err)
	assert.Equal(t, []string{w.id}, left)
	w.leave()
	assert.Zero(t, rdb.Exists(ctx, workersKey, claimsKey(w.id), watcherKey).Val())
}
