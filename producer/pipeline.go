package producer

import (
	"context"
	"errors"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
)

// pipeline enqueues through asynq's own client, but in one round trip: asynq works on a Redis client that writes the
// commands down and answers each with success; then they go out together, and the real answers count. What it relies on
// is that asynq enqueues and schedules by one script whose answer 0 means that the task ID is taken.
func (c *Client) pipeline(ctx context.Context, entries []entry) []error {
	notes := &notepad{UniversalClient: c.rdb, pipe: c.rdb.Pipeline()}
	client := asynq.NewClientFromRedisClient(notes)
	errs := make([]error, len(entries))
	scripts := make([]*redis.Cmd, len(entries))
	bells := map[string]bool{}
	for i, e := range entries {
		_, errs[i] = client.EnqueueContext(ctx, asynq.NewTask(string(e.kind), e.payload), c.asynqOptions(e)...)
		scripts[i] = notes.last
		if e.at.IsZero() {
			bells[e.queue] = true
		}
	}
	for queue := range bells {
		notes.pipe.Publish(ctx, tasks.Bell, queue)
	}
	// Each command has its own error; Exec only repeats the first.
	_, _ = notes.pipe.Exec(ctx)
	var taken []int
	for i, e := range entries {
		if errs[i] != nil {
			continue
		}
		stored, err := scripts[i].Int()
		switch {
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			// Redis has just started: let asynq load its script with the first of them.
			errs[i] = c.enqueueAlone(ctx, e)
		case err != nil:
			errs[i] = err
		case stored == 0:
			errs[i] = asynq.ErrTaskIDConflict
			taken = append(taken, i)
		}
	}
	for _, i := range c.finished(ctx, entries, taken) {
		errs[i] = c.enqueueInstead(ctx, entries[i])
	}
	return errs
}

// enqueueInstead replaces a task that asynq keeps though it is over: for its dashboard, or in its archive.
func (c *Client) enqueueInstead(ctx context.Context, e entry) error {
	err := c.inspector.DeleteTask(e.queue, e.ref.String())
	if err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
		return err
	}
	return c.enqueueAlone(ctx, e)
}

func (c *Client) enqueueAlone(ctx context.Context, e entry) error {
	client := asynq.NewClientFromRedisClient(c.rdb)
	_, err := client.EnqueueContext(ctx, asynq.NewTask(string(e.kind), e.payload), c.asynqOptions(e)...)
	return err
}

// notepad is a Redis client that only takes notes of what asynq's Client does: EVALSHA, and SADD for the list of queues.
type notepad struct {
	redis.UniversalClient
	pipe redis.Pipeliner
	last *redis.Cmd
}

func (n *notepad) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	n.last = n.pipe.EvalSha(ctx, sha, keys, args...)
	return redis.NewCmdResult(int64(1), nil)
}

func (n *notepad) SAdd(ctx context.Context, key string, members ...any) *redis.IntCmd {
	n.pipe.SAdd(ctx, key, members...)
	return redis.NewIntResult(1, nil)
}
