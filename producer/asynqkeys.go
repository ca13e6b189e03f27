package producer

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
)

// This file is all that producer relies on in the way asynq keeps its tasks in Redis, beyond asynq's own functions: a
// queue's keys share the hash tag {queue}; a task's hash has a field "state"; waiting tasks are members of the sorted sets
// scheduled and retry by their Unix time, or of the list pending. TestReschedule and TestWaiting, which look
// with asynq's own Inspector, fail when a new asynq changes that.

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
	states := make([]*redis.StringCmd, len(which))
	// A state that can't be read is one that is left alone.
	_, _ = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for k, i := range which {
			states[k] = p.HGet(ctx, "asynq:{"+entries[i].queue+"}:t:"+entries[i].ref.String(), "state")
		}
		return nil
	})
	for k, i := range which {
		if s := states[k].Val(); s == "completed" || s == "archived" {
			over = append(over, i)
		}
	}
	return over
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
