package redistest

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Cluster is a Redis Cluster of three masters, each with a replica.
type Cluster struct {
	masters, replicas []*Server
}

// slots is how many there are in every Redis Cluster.
const slots = 16384

// StartCluster runs a Redis Cluster until the test ends, under the same conditions as Start.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{}
	for range 3 {
		c.masters = append(c.masters, startNode(t))
		c.replicas = append(c.replicas, startNode(t))
	}
	first, bus, _ := strings.Cut(c.masters[0].Addr, ":")
	for i, m := range c.masters {
		rdb := m.Client(t).(*redis.Client)
		must(t, rdb.ClusterAddSlotsRange(context.Background(), i*slots/3, (i+1)*slots/3-1).Err())
	}
	for _, s := range append(c.masters[1:], c.replicas...) {
		must(t, s.Client(t).Do(context.Background(), "CLUSTER", "MEET", first, bus, c.masters[0].bus).Err())
	}
	for i, r := range c.replicas {
		rdb, master := r.Client(t).(*redis.Client), c.masters[i].Client(t).(*redis.Client)
		id := master.ClusterMyID(context.Background()).Val()
		await(t, "the cluster's nodes don't meet", func(ctx context.Context) bool {
			return rdb.ClusterReplicate(ctx, id).Err() == nil
		})
		await(t, "a replica gets no data", func(ctx context.Context) bool {
			return strings.Contains(rdb.Info(ctx, "replication").Val(), "master_link_status:up")
		})
	}
	for _, s := range append(c.masters, c.replicas...) {
		rdb := s.Client(t).(*redis.Client)
		await(t, "the cluster doesn't start", func(ctx context.Context) bool {
			return strings.Contains(rdb.ClusterInfo(ctx).Val(), "cluster_state:ok") &&
				strings.Count(rdb.ClusterNodes(ctx).Val(), "slave ") == len(c.replicas)
		})
	}
	return c
}

func startNode(t testing.TB) *Server {
	_, bus, _ := net.SplitHostPort(freeAddr(t)) // the usual one, 10,000 above the other, may be no port
	s := Start(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "5000",
		"--repl-diskless-sync-delay", "0")
	s.bus = bus
	return s
}

// Replicas are those of all masters.
func (c *Cluster) Replicas() []*Server { return c.replicas }

// FailOver kills the master that has a key, calls lost, and waits until its replica has taken its place. Then the one that
// was killed starts again, as a replica.
func (c *Cluster) FailOver(t testing.TB, key string, lost func()) {
	t.Helper()
	node, err := c.Client(t).MasterForKey(context.Background(), key)
	must(t, err)
	for i, m := range c.masters {
		if m.Addr != node.Options().Addr {
			continue
		}
		m.Kill()
		lost()
		replica := c.replicas[i].Client(t)
		await(t, "no replica becomes the master", func(ctx context.Context) bool {
			return strings.Contains(replica.Info(ctx, "replication").Val(), "role:master")
		})
		m.Launch(t)
		c.masters[i], c.replicas[i] = c.replicas[i], m
		return
	}
	t.Fatalf("%s is on a master that is none of ours", key)
}

// URL names the masters as lineq's --redis takes it.
func (c *Cluster) URL() string { return "redis-cluster://" + strings.Join(c.Addrs(), ",") }

// Addrs are those of the masters, for a cluster client.
func (c *Cluster) Addrs() (all []string) {
	for _, m := range c.masters {
		all = append(all, m.Addr)
	}
	return all
}

// Client connects to the cluster until the test ends.
func (c *Cluster) Client(t testing.TB) *redis.ClusterClient {
	t.Helper()
	o := &redis.ClusterOptions{Addrs: c.Addrs()}
	rdb := redis.NewClusterClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	must(t, rdb.Ping(context.Background()).Err())
	return rdb
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
