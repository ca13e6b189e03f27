package producer

import (
	"context"
	"errors"
	"fmt"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
)

// pipeline enqueues through asynq's own client, but in one round trip: asynq works on a Redis client that writes the
// commands down and answers each with success; then they go out together, and the real answers count. What it relies on
// is that asynq enqueues and schedules by one script whose answer 0 means that the task ID is taken.
func (c *Client) pipeline(ctx context.Context, entries []entry) []error {
	errs := make([]error, len(entries))
	all := make([]int, len(entries))
	for i := range all {
		all[i] = i
	}
	c.send(ctx, entries, all, errs, false)
	var unknown, taken, again []int
	for i, err := range errs {
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			unknown = append(unknown, i)
		}
	}
	c.send(ctx, entries, unknown, errs, true) // Redis has just started
	for i, err := range errs {
		if errors.Is(err, asynq.ErrTaskIDConflict) {
			taken = append(taken, i)
		}
	}
	for _, i := range c.finished(ctx, entries, taken) {
		// asynq keeps it though it is over: for its dashboard, or in its archive.
		err := c.inspector.DeleteTask(entries[i].queue, entries[i].ref.String())
		if err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
			errs[i] = err
			continue
		}
		again = append(again, i)
	}
	c.send(ctx, entries, again, errs, false)
	return errs
}

// send enqueues some of the entries, in one round trip, and writes down how each went. whole gives Redis the text of
// asynq's script, too, which it need not know.
func (c *Client) send(ctx context.Context, entries []entry, which []int, errs []error, whole bool) {
	if len(which) == 0 {
		return
	}
	notes := &notepad{
		UniversalClient: c.rdb, pipes: newPipes(c.rdb, entries, which), whole: whole,
		listed: map[string]*redis.IntCmd{},
	}
	client := asynq.NewClientFromRedisClient(notes)
	scripts := make([]*redis.Cmd, len(which))
	bells := map[string]bool{}
	for k, i := range which {
		e := entries[i]
		notes.last = nil
		_, errs[i] = client.EnqueueContext(ctx, asynq.NewTaskWithHeaders(string(e.kind), e.payload, e.headers), c.asynqOptions(e)...)
		scripts[k] = notes.last
		if notes.err != nil {
			errs[i], notes.err = notes.err, nil
		}
		if e.own && e.durable.replicas > 0 && errs[i] == nil {
			_, errs[i] = notes.pipes.at(ctx, e.ref.Key()) // its reservation is there
		}
		if e.at.IsZero() && errs[i] == nil {
			bells[e.queue] = true
		}
	}
	for queue := range bells {
		if p, err := notes.pipes.at(ctx, allQueues); err == nil {
			p.Publish(ctx, tasks.Bell, queue)
		}
	}
	notes.pipes.exec(ctx)
	for k, i := range which {
		if errs[i] != nil {
			continue
		}
		stored, err := scripts[k].Int()
		if err != nil {
			errs[i] = err
			continue
		}
		if err := notes.listed[entries[i].queue].Err(); err != nil {
			errs[i] = storedError{fmt.Errorf("its queue could not be listed: %w", err)}
			continue
		}
		if err := notes.pipes.confirmed(ctx, entries[i]); err != nil {
			errs[i] = err
			continue
		}
		if stored == 0 {
			errs[i] = asynq.ErrTaskIDConflict
		}
	}
}

// notepad is a Redis client that only takes notes of what asynq's Client does: EVALSHA, and SADD for the list of queues.
type notepad struct {
	redis.UniversalClient
	pipes  *pipes
	whole  bool
	last   *redis.Cmd
	listed map[string]*redis.IntCmd // by queue
	err    error                    // no node could be found to do it
}

func (n *notepad) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if n.whole {
		return redis.NewCmdResult(nil, unknownScript{})
	}
	return n.note(ctx, keys[0], func(p redis.Pipeliner) *redis.Cmd { return p.EvalSha(ctx, sha, keys, args...) })
}

func (n *notepad) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return n.note(ctx, keys[0], func(p redis.Pipeliner) *redis.Cmd { return p.Eval(ctx, script, keys, args...) })
}

func (n *notepad) note(ctx context.Context, key string, run func(redis.Pipeliner) *redis.Cmd) *redis.Cmd {
	p, err := n.pipes.at(ctx, key)
	if err != nil {
		n.err = err
		return redis.NewCmdResult(nil, err)
	}
	n.last = run(p)
	return redis.NewCmdResult(int64(1), nil)
}

func (n *notepad) SAdd(ctx context.Context, key string, members ...any) *redis.IntCmd {
	p, err := n.pipes.at(ctx, key)
	if err != nil {
		n.err = err
		return redis.NewIntResult(0, err)
	}
	cmd := p.SAdd(ctx, key, members...)
	for _, queue := range members {
		n.listed[fmt.Sprint(queue)] = cmd
	}
	return redis.NewIntResult(1, nil)
}

// unknownScript is Redis's error about a script that it doesn't know.
type unknownScript struct{}

func (unknownScript) Error() string { return "NOSCRIPT" }
func (unknownScript) RedisError()   {}
