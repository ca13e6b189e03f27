package record

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
)

// Reservation is a caller's own id that is about to be enqueued.
type Reservation struct {
	Ref
	Kind  tasks.Kind
	Queue string
	Hash  Hash
}

// Reserved is what stands under a reservation's id.
type Reserved struct {
	// Queue is the one that the task belongs to: of the first reservation, whatever a later one says.
	Queue string
	// Same tells whether the content is the same.
	Same bool
	// Outcome is the task's, empty while undecided.
	Outcome tasks.Outcome
	// Known tells that the id was written down before.
	Known bool
	// Err is why this reservation could not be made; it may have been made all the same.
	Err error
}

// Reserve writes down callers' own ids, in one round trip, before their tasks are enqueued. The results are in the order
// of the reservations.
func (s *Store) Reserve(ctx context.Context, rs []Reservation) []Reserved {
	run := func(script func(redis.Pipeliner, Reservation) *redis.Cmd) []*redis.Cmd {
		cmds := make([]*redis.Cmd, len(rs))
		// Each command has its own error; Pipelined only repeats the first.
		_, _ = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, r := range rs {
				cmds[i] = script(p, r)
			}
			return nil
		})
		return cmds
	}
	cmds := run(func(p redis.Pipeliner, r Reservation) *redis.Cmd {
		return reserveScript.EvalSha(ctx, p, []string{r.key()}, string(r.Kind), r.Queue, short(r.Hash))
	})
	for _, c := range cmds {
		if redis.HasErrorPrefix(c.Err(), "NOSCRIPT") {
			cmds = run(func(p redis.Pipeliner, r Reservation) *redis.Cmd {
				return reserveScript.Eval(ctx, p, []string{r.key()}, string(r.Kind), r.Queue, short(r.Hash))
			})
			break
		}
	}
	out := make([]Reserved, len(rs))
	for i, c := range cmds {
		v, err := c.StringSlice()
		if err != nil {
			out[i].Err = fmt.Errorf("reserve %s: %w", rs[i].Ref, err)
			continue
		}
		out[i] = Reserved{Queue: v[0], Same: v[1] == short(rs[i].Hash), Outcome: tasks.Outcome(v[2]), Known: v[3] == "1"}
	}
	return out
}
