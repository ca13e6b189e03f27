package worker

import (
	"context"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
)

// claim names a task that a worker has: its queue, and its ID in asynq.
type claim struct{ queue, id string }

// claims are the tasks that this worker has, from their fetching until asynq has let go of them. The worker tells them
// with every beat; an active task that no living worker claims is handed on. It is safe for concurrent use.
type claims struct {
	mu sync.Mutex
	// held is until when each claim stands by itself; zero: as long as its run.
	held map[claim]time.Time
	// takenAway is called when asynq wants to let go of a task that was handed on to another worker.
	takenAway func()
}

// ackTime is how long after its run a task stays claimed whose acknowledgement nobody sees: asynq doesn't make one when
// the lease has ended.
const ackTime = 3 * time.Second

func newClaims(takenAway func()) *claims {
	return &claims{held: map[claim]time.Time{}, takenAway: takenAway}
}

// add claims a task that was just fetched. Should asynq never run it, the claim ends with the lease.
func (c *claims) add(queue, id string) { c.hold(queue, id, time.Now().Add(lease)) }

func (c *claims) hold(queue, id string, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[claim{queue, id}] = until
}

// remove ends a claim.
func (c *claims) remove(queue, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, claim{queue, id})
}

// ended lets a claim stand for no longer than the acknowledgement takes. asynq may have made it before the end of the run.
func (c *claims) ended(queue, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.held[claim{queue, id}]; ok {
		c.held[claim{queue, id}] = time.Now().Add(ackTime)
	}
}

// snapshot lists what is claimed now, the IDs by queue.
func (c *claims) snapshot() map[string][]string {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string][]string{}
	for t, until := range c.held {
		if !until.IsZero() && now.After(until) {
			delete(c.held, t)
			continue
		}
		all[t.queue] = append(all[t.queue], t.id)
	}
	return all
}

// acknowledged sees the answer to asynq's letting go of a task. Where that failed, the claim ends all the same: if asynq
// doesn't manage it after all, the task is handed on, and its record knows what was done. A task that was taken away is
// none of asynq's business any more: it hears that all is well, else it would ask for half a minute and log each time.
func (c *claims) acknowledged(queue string, cmd *redis.Cmd, args []any) *redis.Cmd {
	if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
		return cmd // asynq asks again at once
	}
	if len(args) > 0 {
		if id, ok := args[0].(string); ok {
			c.remove(queue, id)
		}
	}
	if isTakenAway(cmd.Err()) {
		c.takenAway()
		return redis.NewCmdResult("OK", nil)
	}
	return cmd
}

// Eval is how asynq runs a script that Redis doesn't have yet.
func (a *attentive) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	cmd := a.UniversalClient.Eval(ctx, script, keys, args...)
	if isAcknowledge(keys) {
		return a.claims.acknowledged(a.queue, cmd, args)
	}
	return cmd
}

// claimed is handle under a claim.
func (w *Worker) claimed(ctx context.Context, t *asynq.Task) error {
	queue, _ := asynq.GetQueueName(ctx)
	id, _ := asynq.GetTaskID(ctx)
	w.claims.hold(queue, id, time.Time{})
	defer w.claims.ended(queue, id)
	if isCampaignTask(tasks.Kind(t.Type())) {
		return w.campaignTask(ctx, t)
	}
	return w.handle(ctx, t)
}

// takenAway tells that others have taken this worker for dead. When Redis has just been away, its absence has been told
// of; and asynq may only have asked twice, because it didn't hear the first answer.
func (w *Worker) takenAway() {
	if !w.health.lately() && w.alarms.due("taken away", time.Now()) {
		w.log.Warn("tasks of this worker were handed on to others, since it could not say that it lives")
	}
}
