package worker

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// checkRedis warns, at the start, of a Redis that may lose what it was given. Managed ones may forbid to look: of what
// can't be known nothing is said.
func (w *Worker) checkRedis(ctx context.Context, rdb redis.UniversalClient) {
	for _, risk := range risksOf(ctx, rdb) {
		w.log.Warn(risk)
	}
}

// risksOf looks at every node that takes writes.
func risksOf(ctx context.Context, rdb redis.UniversalClient) []string {
	var mu sync.Mutex
	var all []string
	add := func(ctx context.Context, node redis.UniversalClient) {
		some := risksOfNode(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, some...)
	}
	if cluster, ok := rdb.(*redis.ClusterClient); ok {
		_ = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			add(ctx, node)
			return nil
		})
	} else {
		add(ctx, rdb)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func risksOfNode(ctx context.Context, node redis.UniversalClient) (risks []string) {
	// One section at a time, since Redis before 7 takes no more.
	info := map[string]string{}
	for _, section := range []string{"server", "memory", "persistence"} {
		text, _ := node.Info(ctx, section).Result()
		for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
			if name, value, ok := strings.Cut(lines.Text(), ":"); ok {
				info[name] = value
			}
		}
	}
	var major, minor int
	version := info["redis_version"]
	if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 && (major < 6 || major == 6 && minor < 2) {
		risks = append(risks, "redis "+version+" is older than 6.2, with which lineq has been tested: update it")
	}
	switch policy := info["maxmemory_policy"]; {
	case strings.HasPrefix(policy, "allkeys-"):
		risks = append(risks, "redis has the maxmemory-policy "+policy+
			": when its memory is full it throws messages away that were never sent; set noeviction")
	case policy != "" && policy != "noeviction":
		risks = append(risks, "redis has the maxmemory-policy "+policy+
			": when its memory is full it forgets what was sent, and a repeat may be sent twice; set noeviction")
	}
	if info["aof_enabled"] == "0" {
		save, err := node.ConfigGet(ctx, "save").Result()
		if err == nil && save["save"] == "" {
			risks = append(risks, "redis keeps nothing on disk, neither AOF nor RDB: when it restarts, every message that "+
				"waits is lost; set appendonly yes")
		}
	}
	return risks
}
