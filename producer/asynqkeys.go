package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// This file is all that producer relies on in the way asynq keeps its tasks in Redis, beyond asynq's own functions: a
// queue's keys share the hash tag {queue}; the set asynq:queues lists the queues; a task's hash has a field "state"; waiting
// tasks are members of the sorted sets scheduled and retry by their Unix time, or of the list pending. TestReschedule and
// TestWaiting, which look with asynq's own Inspector, fail when a new asynq changes that.

// allQueues is the key of the set of all queues.
const allQueues = "asynq:queues"

// asynqKey is a key that is kept where the task's is.
func (e entry) asynqKey() string { return "asynq:{" + e.queue + "}:t:" + e.ref.String() }

// moveScript puts a task that waits, in whichever way, among the scheduled ones. asynq has no such call: to delete a task
// and enqueue it again passes through a moment in which it is nowhere.
//
// KEYS 1 asynq:{queue}:t:<id>  2 …:scheduled  3 …:retry  4 …:pending
// ARGV 1 asynq's id  2 Unix time
var moveScript = redis.NewScript(`
local state = redis.call('HGET', KEYS[1], 'state')
if state == 'pending' then
  if redis.call('LREM', KEYS[4], 1, ARGV[1]) == 0 then return 'active' end
elseif state == 'retry' then
  if redis.call('ZREM', KEYS[3], ARGV[1]) == 0 then return 'active' end
elseif state ~= 'scheduled' then
  return state or 'none'
end
redis.call('ZADD', KEYS[2], ARGV[2], ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'scheduled')
return 'scheduled'
`)

func (c *Client) moveTo(ctx context.Context, queue, taskID string, t time.Time) error {
	prefix := "asynq:{" + queue + "}:"
	keys := []string{prefix + "t:" + taskID, prefix + "scheduled", prefix + "retry", prefix + "pending"}
	state, err := moveScript.Run(ctx, c.rdb, keys, taskID, wholeSecond(t).Unix()).Text()
	switch {
	case err != nil:
		return err
	case state == "scheduled":
		return nil
	case state == "active":
		return ErrBusy
	case state == "none":
		return ErrNotFound
	}
	return fmt.Errorf("asynq says that it is %s", state)
}

// finished returns those of the given entries that asynq has under their IDs and won't run by itself any more: completed
// ones, which it keeps for its dashboard, and archived ones.
func (c *Client) finished(ctx context.Context, entries []entry, which []int) (over []int) {
	if len(which) == 0 {
		return nil
	}
	places := make([]place, len(which))
	for k, i := range which {
		places[k] = place{entries[i].queue, entries[i].ref.String()}
	}
	states, err := c.states(ctx, places)
	if err != nil {
		return nil // a state that can't be read is one that is left alone
	}
	for k, i := range which {
		if isOver(states[k]) {
			over = append(over, i)
		}
	}
	return over
}

func isOver(state string) bool { return state == "completed" || state == "archived" }

// place is where asynq has a task: in which queue, and under its own ID or that of a copy.
type place struct{ queue, taskID string }

// placeOf looks for a task in these queues, one that is over last. A task is handed on by a copy that comes before the
// original goes, so the original is asked for first. The zero value is returned where there is none.
func (c *Client) placeOf(ctx context.Context, ref record.Ref, queues []string) (place, error) {
	var places []place
	for _, q := range queues {
		for n := range record.Copies + 1 {
			places = append(places, place{q, ref.Copy(n)})
		}
	}
	states, err := c.states(ctx, places)
	if err != nil {
		return place{}, err
	}
	var over place
	for i, at := range places {
		switch {
		case states[i] == "":
		case !isOver(states[i]):
			return at, nil
		case over == place{}:
			over = at
		}
	}
	return over, nil
}

// handedOn tells of each reservation whether a copy stands for its task, waiting or running. Only ids that were known
// before can have one.
func (c *Client) handedOn(ctx context.Context, rs []record.Reservation, is []record.Reserved) ([]bool, error) {
	var places []place
	var of []int
	for i, r := range is {
		if r.Err != nil || !r.Known || r.Outcome != "" {
			continue
		}
		for n := range record.Copies {
			places, of = append(places, place{r.Queue, rs[i].Copy(n + 1)}), append(of, i)
		}
	}
	states, err := c.states(ctx, places)
	if err != nil {
		return nil, err
	}
	handed := make([]bool, len(rs))
	for k, i := range of {
		handed[i] = handed[i] || states[k] != "" && !isOver(states[k])
	}
	return handed, nil
}

// states reads asynq's states of what is in these places; nothing: "".
func (c *Client) states(ctx context.Context, places []place) ([]string, error) {
	if len(places) == 0 {
		return nil, nil
	}
	cmds := make([]*redis.StringCmd, len(places))
	// Each command has its own error; Pipelined only repeats the first.
	_, _ = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, at := range places {
			cmds[i] = p.HGet(ctx, "asynq:{"+at.queue+"}:t:"+at.taskID, "state")
		}
		return nil
	})
	states := make([]string, len(places))
	for i, cmd := range cmds {
		if err := cmd.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		states[i] = cmd.Val()
	}
	return states, nil
}

// wholeSecond is the first whole second that isn't before t: asynq's schedule knows no fractions, and cuts.
func wholeSecond(t time.Time) time.Time {
	return t.Add(time.Second - time.Nanosecond).Truncate(time.Second)
}

// Waiting counts the tasks that wait in the queues that these channels have of their own: queued, scheduled or between
// two attempts. Those on the queues that all channels share aren't counted. It takes one round trip, whatever waits.
func (c *Client) Waiting(ctx context.Context, channels ...string) (map[string]int64, error) {
	counts := map[string][]*redis.IntCmd{}
	err := within(ctx, func() error {
		_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, name := range channels {
				for _, l := range tasks.Lines() {
					if !l.PerChannel() {
						continue
					}
					prefix := "asynq:{" + l.Queue(name) + "}:"
					counts[name] = append(counts[name], p.LLen(ctx, prefix+"pending"),
						p.ZCard(ctx, prefix+"scheduled"), p.ZCard(ctx, prefix+"retry"))
				}
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count waiting tasks: %w", err)
	}
	waiting := map[string]int64{}
	for name, all := range counts {
		for _, n := range all {
			waiting[name] += n.Val()
		}
	}
	return waiting, nil
}
