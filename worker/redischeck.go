package worker

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks/topology"
)

// checkRedis warns, at the start, of a Redis that may lose what it was given. Managed ones may forbid to look: of what
// can't be known nothing is said.
func (w *Worker) checkRedis(ctx context.Context, rdb redis.UniversalClient) {
	for _, risk := range risksOf(ctx, rdb) {
		w.log.Warn(risk)
	}
}

// risksOf looks at every node that takes writes.
func risksOf(ctx context.Context, rdb redis.UniversalClient) (all []string) {
	nodes, _ := topology.Nodes(ctx, rdb)
	for _, n := range nodes {
		for _, r := range n.Risks() {
			all = append(all, r.Text+"; "+r.Advice)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
