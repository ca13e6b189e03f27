package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
)

// Queue is how one of lineq's queues stands.
type Queue struct {
	Name    string
	Pending int64 // tasks that could begin
	Active  int64 // workers have them
	// Scheduled wait for their time, and Retry for their next attempt.
	Scheduled, Retry int64
	Archived         int64 // asynq has given them up; of lineq's tasks there is none
	// Oldest is since when the first of them has waited, by the clock of the machine that enqueued it; zero: there is none.
	Oldest time.Time
	Paused bool
	// Held tells that lineq has paused it, since its channel is held; else somebody has, by asynq's dashboard or its command.
	Held bool
}

// Queues lists the queues in which something was ever enqueued, sorted by name. It takes three round trips.
func (c *Client) Queues(ctx context.Context) ([]Queue, error) {
	var all []Queue
	err := within(ctx, func() error {
		names, err := c.rdb.SMembers(ctx, allQueues).Result()
		if err != nil {
			return err
		}
		slices.Sort(names)
		for _, name := range names {
			if _, _, ours := tasks.ParseQueue(name); ours {
				all = append(all, Queue{Name: name})
			}
		}
		return c.readQueues(ctx, all)
	})
	if err != nil {
		return nil, fmt.Errorf("look at the queues: %w", err)
	}
	return all, nil
}

func (c *Client) readQueues(ctx context.Context, all []Queue) error {
	if len(all) == 0 {
		return nil
	}
	pending, paused := make([]*redis.IntCmd, len(all)), make([]*redis.StringCmd, len(all))
	active, scheduled := make([]*redis.IntCmd, len(all)), make([]*redis.IntCmd, len(all))
	retry, archived := make([]*redis.IntCmd, len(all)), make([]*redis.IntCmd, len(all))
	first, since := make([]*redis.StringCmd, len(all)), make([]*redis.StringCmd, len(all))
	key := func(i int, name string) string { return "asynq:{" + all[i].Name + "}:" + name }
	_, err := c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range all {
			pending[i], paused[i] = p.LLen(ctx, key(i, "pending")), p.Get(ctx, key(i, "paused"))
			first[i], active[i] = p.LIndex(ctx, key(i, "pending"), -1), p.LLen(ctx, key(i, "active"))
			scheduled[i], retry[i] = p.ZCard(ctx, key(i, "scheduled")), p.ZCard(ctx, key(i, "retry"))
			archived[i] = p.ZCard(ctx, key(i, "archived"))
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	_, err = c.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i := range all {
			since[i] = p.HGet(ctx, key(i, "t:"+first[i].Val()), "pending_since")
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	for i := range all {
		if err := pending[i].Err(); err != nil { // those above are of the first that failed, or has nothing
			return err
		}
		all[i].Pending, all[i].Active = pending[i].Val(), active[i].Val()
		all[i].Scheduled, all[i].Retry = scheduled[i].Val(), retry[i].Val()
		all[i].Archived = archived[i].Val()
		all[i].Paused, all[i].Held = paused[i].Err() == nil, paused[i].Val() == channel.Pause
		if ns, err := strconv.ParseInt(since[i].Val(), 10, 64); err == nil {
			all[i].Oldest = time.Unix(0, ns)
		}
	}
	return nil
}
