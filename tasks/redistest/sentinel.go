package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// MasterName is what the sentinels of StartSentinels call their master.
const MasterName = "lineq"

// Sentinels are a master with two replicas, and the three sentinels that make one of these the master when it is gone.
type Sentinels struct {
	// Addrs are those of the sentinels, for a failover client.
	Addrs   []string
	servers []*Server
}

// StartReplica runs a replica of a server until the test ends, and returns when it has all that the server has.
func StartReplica(t testing.TB, of *Server, args ...string) *Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(of.Addr)
	r := Start(t, append([]string{"--replicaof", host + " " + port}, args...)...)
	rdb := r.Client(t)
	await(t, "the replica at "+r.Addr+" gets no data", func(ctx context.Context) bool {
		return strings.Contains(rdb.Info(ctx, "replication").Val(), "master_link_status:up")
	})
	return r
}

// StartSentinels runs redis-sentinel beside redis-server, under the same conditions as Start. It returns when a failover
// would succeed.
func StartSentinels(t testing.TB) *Sentinels {
	t.Helper()
	need(t, "redis-sentinel")
	master := Start(t, "--repl-diskless-sync-delay", "0")
	s := &Sentinels{servers: []*Server{master}}
	for range 2 {
		s.servers = append(s.servers, StartReplica(t, master, "--repl-diskless-sync-delay", "0"))
	}
	for range 3 {
		s.Addrs = append(s.Addrs, startSentinel(t, master))
	}
	for _, addr := range s.Addrs {
		client := redis.NewSentinelClient(&redis.Options{Addr: addr})
		t.Cleanup(func() { _ = client.Close() })
		await(t, "the sentinels don't find each other", func(ctx context.Context) bool {
			known, err := client.Master(ctx, MasterName).Result()
			return err == nil && known["num-slaves"] == "2" && known["num-other-sentinels"] == "2"
		})
	}
	return s
}

// startSentinel runs one sentinel until the test ends and returns its address. It fails over after a second, which is as
// soon as is safe on a busy machine.
func startSentinel(t testing.TB, master *Server) string {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.Addr)
	addr := freeAddr(t)
	_, own, _ := net.SplitHostPort(addr)
	dir := t.TempDir()
	file := filepath.Join(dir, "sentinel.conf") // a sentinel writes into its file what it finds out
	config := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nsentinel monitor %s %s %s 2\n"+
		"sentinel down-after-milliseconds %[3]s 1000\nsentinel failover-timeout %[3]s 5000\n"+
		"sentinel parallel-syncs %[3]s 2\n", own, dir, MasterName, host, port)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("redis-sentinel", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return addr
}

// URL names the sentinels and their master as lineq's --redis takes it.
func (s *Sentinels) URL() string {
	return "redis-sentinel://" + strings.Join(s.Addrs, ",") + "/" + MasterName
}

// Client connects to whichever server is the master, until the test ends. tune may change the options.
func (s *Sentinels) Client(
	t testing.TB, tune ...func(*redis.UniversalOptions) *redis.UniversalOptions,
) redis.UniversalClient {
	t.Helper()
	o := &redis.UniversalOptions{MasterName: MasterName, Addrs: s.Addrs}
	for _, f := range tune {
		o = f(o)
	}
	rdb := redis.NewUniversalClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	if err := rdb.Ping(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	return rdb
}

// Master is the server that all sentinels call the master. It waits until they agree: the one that has led a failover tells
// the others a moment later.
func (s *Sentinels) Master(t testing.TB) *Server {
	t.Helper()
	clients := make([]*redis.SentinelClient, len(s.Addrs))
	for i, addr := range s.Addrs {
		clients[i] = redis.NewSentinelClient(&redis.Options{Addr: addr})
		defer clients[i].Close()
	}
	var master string
	await(t, "the sentinels don't agree on a master", func(ctx context.Context) bool {
		named := map[string]bool{}
		for _, client := range clients {
			addr, err := client.GetMasterAddrByName(ctx, MasterName).Result()
			if err != nil {
				return false
			}
			master = net.JoinHostPort(addr[0], addr[1])
			named[master] = true
		}
		return len(named) == 1
	})
	for _, server := range s.servers {
		if server.Addr == master {
			return server
		}
	}
	t.Fatalf("the sentinels name a master that is none of ours: %v", master)
	return nil
}

// KillMaster ends the master with SIGKILL and returns it: Launch starts it again, as a master of the past that the
// sentinels make a replica.
func (s *Sentinels) KillMaster(t testing.TB) *Server {
	t.Helper()
	m := s.Master(t)
	m.Kill()
	return m
}

// await asks again and again, for a minute at most.
func await(t testing.TB, complaint string, done func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done(ctx) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(complaint)
		}
	}
}
