package record

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi/endpoint"
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
	// New tells whether this call made the record.
	New bool
	// Outcome is the task's, empty while undecided.
	Outcome tasks.Outcome
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
		v, err := c.Slice()
		if err != nil {
			out[i].Err = fmt.Errorf("reserve %s: %w", rs[i].Ref, err)
			continue
		}
		queue, _ := v[0].(string)
		hash, _ := v[1].(string)
		outcome, _ := v[2].(string)
		written, _ := v[3].(int64)
		out[i] = Reserved{
			Queue: queue, Same: hash == short(rs[i].Hash), New: written == 1, Outcome: tasks.Outcome(outcome),
		}
	}
	return out
}

// Cancel gives an undecided task the outcome cancelled, or unknown where an attempt is open: LINE may have it, and what
// the open attempt hears can still raise it to sent. A decided task keeps its outcome; fresh tells whether this call
// decided it. The record is made if need be.
func (s *Store) Cancel(
	ctx context.Context, ref Ref, k tasks.Kind, queue string,
) (outcome tasks.Outcome, fresh bool, err error) {
	v, err := cancelScript.Run(ctx, s.rdb, []string{ref.key()}, string(k), queue,
		s.retention.Failed.Milliseconds()).StringSlice()
	if err != nil {
		return "", false, fmt.Errorf("cancel %s: %w", ref, err)
	}
	return tasks.Outcome(v[0]), v[1] == "1", nil
}

// ErrSent is returned by Reopen for a task that LINE accepted.
var ErrSent = errors.New("LINE has accepted it already")

// ErrUndecided is returned by Reopen for a task that has no outcome to take off.
var ErrUndecided = errors.New("it has no outcome yet")

// Reopen takes the outcome off a task that is to run again. risky tells that LINE may do it a second time: its outcome
// was unknown, and no retry key that LINE still remembers stands in the way.
func (s *Store) Reopen(ctx context.Context, ref Ref, c endpoint.Class) (risky bool, err error) {
	repeat := "doubles"
	switch c {
	case endpoint.RetryKey:
		repeat = "keyed"
	case endpoint.Read, endpoint.Idempotent, endpoint.LastWins, endpoint.AlreadyDone:
		repeat = "harmless"
	}
	v, err := reopenScript.Run(ctx, s.rdb, []string{ref.key()}, tasks.Horizon.Milliseconds(), repeat).Text()
	switch {
	case err != nil:
		return false, fmt.Errorf("reopen %s: %w", ref, err)
	case v == "sent":
		return false, ErrSent
	case v == "undecided":
		return false, ErrUndecided
	}
	return v == "risky", nil
}
