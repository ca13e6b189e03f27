package topology

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Node is what a Redis server that takes writes says of itself. What it doesn't say is empty: managed ones may forbid to
// look.
type Node struct {
	Addr     string
	Version  string
	Replica  bool // it takes none after all
	Replicas int  // that follow it now
	Policy   string
	Used     int64 // bytes of memory
	Max      int64 // bytes that it may use; zero: no bound is known
	Keeps    Keeps
	// Fsync is Redis's appendfsync.
	Fsync string
	// Fails tells that its last write to the disk has failed.
	Fails bool
}

// Keeps is how a server keeps its data on disk; empty: not known.
type Keeps string

const (
	Nothing   Keeps = "nothing"
	Snapshots Keeps = "snapshots" // RDB alone
	Log       Keeps = "log"       // the append-only file
)

// Nodes asks every server that takes writes. Its error is of a Redis that can't be reached.
func Nodes(ctx context.Context, rdb redis.UniversalClient) ([]Node, error) {
	var mu sync.Mutex
	var all []Node
	err := EachMaster(ctx, rdb, func(ctx context.Context, node redis.UniversalClient) error {
		n := ask(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, n)
		return nil
	})
	slices.SortFunc(all, func(a, b Node) int { return cmp.Compare(a.Addr, b.Addr) })
	return all, err
}

func ask(ctx context.Context, rdb redis.UniversalClient) Node {
	// One section at a time, since Redis before 7 takes no more.
	info := map[string]string{}
	for _, section := range []string{"server", "memory", "persistence", "replication"} {
		text, _ := rdb.Info(ctx, section).Result()
		for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
				info[name] = value
			}
		}
	}
	number := func(name string) int64 { n, _ := strconv.ParseInt(info[name], 10, 64); return n }
	n := Node{
		Version: info["redis_version"], Replica: info["role"] == "slave", Replicas: int(number("connected_slaves")),
		Policy: info["maxmemory_policy"], Used: number("used_memory"), Max: number("maxmemory"),
		Fails: info["aof_last_write_status"] == "err" || info["rdb_last_bgsave_status"] == "err",
	}
	if c, ok := rdb.(*redis.Client); ok {
		n.Addr = c.Options().Addr
	}
	config := func(name string) (string, bool) {
		m, err := rdb.ConfigGet(ctx, name).Result()
		return m[name], err == nil
	}
	switch info["aof_enabled"] {
	case "1":
		n.Keeps = Log
		n.Fsync, _ = config("appendfsync")
	case "0":
		if save, ok := config("save"); ok {
			n.Keeps = Snapshots
			if save == "" {
				n.Keeps = Nothing
			}
		}
	}
	return n
}

// The checks that a Risk is of.
const (
	CheckVersion     = "version"
	CheckPolicy      = "policy"
	CheckPersistence = "persistence"
)

// Risk is what puts messages at risk, and what to do about it.
type Risk struct{ Check, Text, Advice string }

// Risks are those for which no message has to be lost yet.
func (n Node) Risks() (risks []Risk) {
	add := func(check, advice, format string, args ...any) {
		risks = append(risks, Risk{check, fmt.Sprintf(format, args...), advice})
	}
	var major, minor int
	if k, _ := fmt.Sscanf(n.Version, "%d.%d", &major, &minor); k == 2 && (major < 6 || major == 6 && minor < 2) {
		add(CheckVersion, "update it", "redis %s is older than 6.2, with which lineq has been tested", n.Version)
	}
	switch {
	case strings.HasPrefix(n.Policy, "allkeys-"):
		add(CheckPolicy, "set noeviction", "redis has the maxmemory-policy %s: when its memory is full it throws messages away "+
			"that were never sent", n.Policy)
	case n.Policy != "" && n.Policy != "noeviction":
		add(CheckPolicy, "set noeviction", "redis has the maxmemory-policy %s: when its memory is full it forgets what was "+
			"sent, and a repeat may be sent twice", n.Policy)
	}
	if n.Keeps == Nothing {
		add(CheckPersistence, "set appendonly yes", "redis keeps nothing on disk, neither AOF nor RDB: when it restarts, every "+
			"message that waits is lost")
	}
	return risks
}

// Clock compares a server's clock with this machine's. ahead is how far the server's is; it is right to half the round
// trip, which is the shortest of some.
func Clock(ctx context.Context, rdb redis.UniversalClient) (ahead, roundTrip time.Duration, err error) {
	for i := range 5 {
		before := time.Now()
		theirs, err := rdb.Time(ctx).Result()
		took := time.Since(before)
		if err != nil {
			return 0, 0, err
		}
		if i == 0 || took < roundTrip {
			ahead, roundTrip = theirs.Sub(before.Add(took/2)), took
		}
	}
	return ahead, roundTrip, nil
}
