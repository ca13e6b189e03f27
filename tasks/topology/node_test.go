package topology_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/tasks/topology"
)

func TestNodes(t *testing.T) {
	t.Parallel()
	t.Run("one", func(t *testing.T) {
		server := redistest.Start(t)
		redistest.StartReplica(t, server)
		nodes, err := topology.Nodes(t.Context(), server.Client(t))
		require.NoError(t, err)
		require.Len(t, nodes, 1)
		n := nodes[0]
		assert.Positive(t, n.Used)
		assert.NotEmpty(t, n.Version)
		n.Used, n.Version = 0, ""
		assert.Equal(t, topology.Node{
			Addr: server.Addr, Replicas: 1, Policy: "noeviction", Keeps: topology.Log, Fsync: "always",
		}, n)
		assert.Empty(t, n.Risks())
	})
	t.Run("its replica", func(t *testing.T) {
		replica := redistest.StartReplica(t, redistest.Start(t), "--appendonly", "no")
		nodes, err := topology.Nodes(t.Context(), replica.Client(t))
		require.NoError(t, err)
		assert.True(t, nodes[0].Replica)
		risks := nodes[0].Risks()
		require.Len(t, risks, 1)
		assert.Equal(t, topology.CheckPersistence, risks[0].Check)
		assert.Equal(t, "set appendonly yes", risks[0].Advice)
	})
	t.Run("every master of a Cluster", func(t *testing.T) {
		c := redistest.StartCluster(t)
		nodes, err := topology.Nodes(t.Context(), c.Client(t))
		require.NoError(t, err)
		require.Len(t, nodes, 3)
		for _, n := range nodes {
			assert.Contains(t, c.Addrs(), n.Addr)
			assert.Equal(t, 1, n.Replicas)
		}
	})
	t.Run("one that isn't there", func(t *testing.T) {
		rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
		t.Cleanup(func() { _ = rdb.Close() })
		_, err := topology.Nodes(t.Context(), rdb)
		assert.Error(t, err)
	})
}

func TestClock(t *testing.T) {
	t.Parallel()
	_, rdb := redistest.Mini(t)
	ahead, roundTrip, err := topology.Clock(t.Context(), rdb)
	require.NoError(t, err)
	assert.Positive(t, roundTrip)
	assert.Less(t, ahead.Abs(), time.Minute)
	require.NoError(t, rdb.Close())
	_, _, err = topology.Clock(t.Context(), rdb)
	assert.Error(t, err)
}

// TestFollowMasters: a client that has written to a master finds the one that takes its place.
func TestFollowMasters(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	rdb := c.Client(t)
	topology.FollowMasters(rdb)
	var before, after atomic.Int64
	ping := func(n *atomic.Int64) func(context.Context, redis.UniversalClient) error {
		return func(ctx context.Context, node redis.UniversalClient) error {
			n.Add(1)
			return node.Ping(ctx).Err()
		}
	}
	require.NoError(t, topology.EachMaster(t.Context(), rdb, ping(&before)))
	old, err := rdb.MasterForKey(t.Context(), "a")
	require.NoError(t, err)
	c.FailOver(t, "a", func() {
		require.Error(t, rdb.Set(t.Context(), "a", "1", 0).Err())
	})
	require.Eventually(t, func() bool { return rdb.Set(t.Context(), "a", "1", 0).Err() == nil }, time.Minute, time.Millisecond)
	require.Eventually(t, func() bool { // the one that has come back tells for a moment that it is still the master
		rdb.ReloadState(t.Context())
		heir, err := rdb.MasterForKey(t.Context(), "a")
		return err == nil && heir.Options().Addr != old.Options().Addr
	}, time.Minute, time.Millisecond)
	require.NoError(t, topology.EachMaster(t.Context(), rdb, ping(&after)))
	assert.EqualValues(t, 3, before.Load())
	assert.EqualValues(t, 3, after.Load())
	topology.FollowMasters(redis.NewClient(&redis.Options{})) // is left alone
}
