package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// asynq runs the tasks of a killed worker again after more than two minutes. This watch does it within seconds. An active
// task is an orphan when the worker that claims it has died, or when no living worker claims it though each had the time
// to: it was killed between its fetch and its next beat, or the answer to a fetch was lost. Workers of a version that
// claims nothing are left what they may have, see strangers.go.
//
// An orphan is handed on in three steps, each of which can be repeated:
//
//  1. the attempt that the dead worker has left open is given up, so that the next one needn't wait for it;
//  2. a copy is enqueued at the front of the line, under an ID of its own and with the same identity;
//  3. the orphan is taken away from its dead worker.
//
// So the task is always there at least once, and its record makes it sent once: also when the worker was only slow and
// wakes up. What was handed on record.Copies times is left to asynq's own recovery: it may be what kills the workers.
const (
	// deadAfter is how long a worker may be silent.
	deadAfter = 4 * time.Second
	// unclaimedTime is how long after an active task was first seen a beat has to claim it. It is the time that the answer
	// to a fetch may take.
	unclaimedTime = 1500 * time.Millisecond
	// handingOn is how many orphans are handed on at once. Each takes about five round trips to Redis.
	handingOn = 16
)

// watch is what one worker knows of the others.
type watch struct {
	w         *Worker
	client    *asynq.Client
	inspector *asynq.Inspector
	// seen is when each active task was first seen that nobody claimed, by Redis's clock; since this worker's beats are
	// regular.
	seen  map[claim]time.Time
	since time.Time
	// left are the active tasks that aren't looked at again.
	left map[claim]bool
	// counts are what was done for workers that aren't buried yet, by their ids.
	counts map[string]tally
	// beaten is when each process of a worker was last known to beat, by Redis's clock.
	beaten map[string]time.Time
}

// tally counts what became of orphans.
type tally struct{ handed, left int }

func newWatch(w *Worker) *watch {
	return &watch{
		w: w, client: asynq.NewClientFromRedisClient(w.cfg.Redis),
		inspector: asynq.NewInspectorFromRedisClient(w.cfg.Redis),
		left:      map[claim]bool{},
		counts:    map[string]tally{},
		beaten:    map[string]time.Time{},
	}
}

// over watches at every turn, until there are no more.
func (v *watch) over(ctx context.Context, turns <-chan turn) {
	for t := range turns {
		if err := v.look(ctx, t); err != nil && ctx.Err() == nil && v.w.alarms.due("watch", time.Now()) {
			v.w.health.warn("can't look after the tasks of dead workers", err)
		}
	}
}

// peer is a worker as Redis knows it.
type peer struct {
	id, host, pid string
	silent        time.Duration // since its last beat
	claims        []claim
}

func (p peer) dead() bool { return p.silent > deadAfter }

// look hands the orphans on that there are now.
func (v *watch) look(ctx context.Context, t turn) error {
	queues, err := v.queues(ctx)
	if err != nil {
		return err
	}
	// First what is active, then who claims it: what changes hands between the two is no orphan.
	active, err := activeTasks(ctx, v.w.cfg.Redis, queues)
	if err != nil {
		return err
	}
	now := t.redis.Add(time.Since(t.here))
	peers, err := v.peers(ctx, now)
	if err != nil {
		return err
	}
	if time.Since(t.here) > pauseTime {
		return nil // frozen in between: what was read is old
	}
	if !t.since.Equal(v.since) {
		v.seen, v.since = nil, t.since
	}
	v.remember(now, peers)
	orphans := v.judge(now, active, peers)
	if !t.judges() {
		return nil
	}
	if orphans, err = v.withoutStrangers(orphans); err != nil {
		return err
	}
	var living []string
	for _, p := range peers {
		if !p.dead() {
			living = append(living, p.id)
		}
	}
	if err := v.handAllOn(ctx, orphans, living); err != nil {
		return err // the dead stay known, so that the next look does the rest
	}
	return v.bury(ctx, now, peers)
}

func (v *watch) queues(ctx context.Context) ([]string, error) {
	all, err := v.w.cfg.Redis.SMembers(ctx, asynqQueues).Result()
	if err != nil {
		return nil, err
	}
	var ours []string
	for _, q := range all {
		if _, _, ok := tasks.ParseQueue(q); ok {
			ours = append(ours, q)
		}
	}
	return ours, nil
}

// peers reads what all workers have told.
func (v *watch) peers(ctx context.Context, now time.Time) ([]peer, error) {
	beats, err := v.w.cfg.Redis.ZRangeWithScores(ctx, workersKey, 0, -1).Result()
	if err != nil {
		return nil, err
	}
	told := make([]*redis.MapStringStringCmd, len(beats))
	_, err = v.w.cfg.Redis.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, b := range beats {
			told[i] = p.HGetAll(ctx, claimsKey(b.Member.(string)))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	peers := make([]peer, len(beats))
	for i, b := range beats {
		f := told[i].Val()
		peers[i] = peer{
			id: b.Member.(string), host: f["host"], pid: f["pid"], silent: now.Sub(time.UnixMilli(int64(b.Score))),
		}
		var claims map[string][]string
		// What can't be read is of another version: then nobody claims it here.
		_ = json.Unmarshal([]byte(f["claims"]), &claims)
		for queue, ids := range claims {
			for _, id := range ids {
				peers[i].claims = append(peers[i].claims, claim{queue, id})
			}
		}
	}
	return peers, nil
}

// orphan is an active task that nobody has any more.
type orphan struct {
	claim
	worker string // the dead one that claimed it; empty: nobody did
}

// judge says which of the active tasks are orphans, and remembers those that may become some.
func (v *watch) judge(now time.Time, active []claim, peers []peer) []orphan {
	alive, dead := map[claim]bool{}, map[claim]string{}
	heard := now // since then every living worker has told what it has
	for _, p := range peers {
		if !p.dead() {
			heard = earlier(heard, now.Add(-p.silent))
		}
		for _, c := range p.claims {
			if p.dead() {
				dead[c] = p.id
			} else {
				alive[c] = true
			}
		}
	}
	var orphans []orphan
	seen, left := map[claim]time.Time{}, map[claim]bool{}
	for _, c := range active {
		first, known := v.seen[c]
		worker, claimed := dead[c]
		switch {
		case v.left[c]:
			left[c] = true
		case alive[c]:
		case claimed:
			orphans = append(orphans, orphan{c, worker})
		case !known:
			seen[c] = now
		default:
			seen[c] = first
			if heard.Sub(first) >= unclaimedTime {
				orphans = append(orphans, orphan{c, ""})
			}
		}
	}
	v.seen, v.left = seen, left
	return orphans
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// handAllOn hands orphans on, and goes on after an error.
func (v *watch) handAllOn(ctx context.Context, orphans []orphan, living []string) error {
	var mu sync.Mutex
	var errs []error
	bells := map[string]bool{}
	var all sync.WaitGroup
	slots := make(chan struct{}, handingOn)
	for _, o := range orphans {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			became, err := v.handOn(ctx, o.claim, living)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("hand on %s of %s: %w", o.id, o.queue, err))
				return
			}
			n := v.counts[o.worker]
			switch became {
			case handed:
				n.handed++
				v.w.metrics.handed.Inc()
				bells[o.queue] = true
			case leftToAsynq:
				n.left++
				v.left[o.claim] = true
			case gone:
				v.left[o.claim] = true
			}
			v.counts[o.worker] = n
		})
	}
	all.Wait()
	for queue := range bells {
		// Whoever misses it looks a second later.
		_ = v.w.cfg.Redis.Publish(ctx, tasks.Bell, queue).Err()
	}
	if n := v.counts[""]; n.handed+n.left > 0 {
		v.w.log.Warn("tasks that no worker had were handed on: their worker died, or the answer to a fetch was lost",
			zap.Int("tasks", n.handed), zap.Int("left_to_asynq", n.left))
	}
	delete(v.counts, "")
	if errs != nil {
		return errs[0] // when Redis is away, all of them say the same
	}
	return nil
}

// handing is what became of an orphan.
type handing int

const (
	gone handing = iota // it was none any more
	handed
	leftToAsynq
)

func (v *watch) handOn(ctx context.Context, c claim, living []string) (handing, error) {
	ref, n, err := record.ParseCopy(c.id)
	if err != nil || n == record.Copies {
		return leftToAsynq, nil
	}
	info, err := v.inspector.GetTaskInfo(c.queue, c.id)
	switch {
	case errors.Is(err, asynq.ErrTaskNotFound), err == nil && info.State != asynq.TaskStateActive:
		return gone, nil
	case err != nil:
		return gone, err
	case info.ID != c.id:
		return leftToAsynq, nil // the ID stands there without a task
	}
	if _, err := v.w.records.Abandon(ctx, ref, living); err != nil {
		return gone, err
	}
	if err := v.copy(ctx, info, ref.Copy(n+1)); err != nil {
		return gone, err
	}
	if err := toFront(ctx, v.w.cfg.Redis, claim{c.queue, ref.Copy(n + 1)}); err != nil {
		return gone, err
	}
	if err := retire(ctx, v.w.cfg.Redis, c); err != nil {
		return gone, err
	}
	v.w.log.Debug("handed on", zap.String("channel", ref.Channel), zap.String("task_id", ref.ID), zap.Int("copy", n+1))
	return handed, nil
}

// copy enqueues a task once more under another ID, with the same options. A copy that waits or runs already is as good.
func (v *watch) copy(ctx context.Context, t *asynq.TaskInfo, id string) error {
	enqueue := func() error {
		_, err := v.client.EnqueueContext(ctx, asynq.NewTaskWithHeaders(t.Type, t.Payload, t.Headers), asynq.TaskID(id), asynq.Queue(t.Queue),
			asynq.MaxRetry(t.MaxRetry), asynq.Timeout(t.Timeout), asynq.Retention(t.Retention))
		return err
	}
	for range 3 {
		err := enqueue()
		if !errors.Is(err, asynq.ErrTaskIDConflict) {
			return err
		}
		is, err := v.inspector.GetTaskInfo(t.Queue, id)
		switch {
		case errors.Is(err, asynq.ErrTaskNotFound):
			continue // it was done in this moment
		case err != nil:
			return err
		case is.State != asynq.TaskStateCompleted && is.State != asynq.TaskStateArchived:
			return nil
		}
		// One of an earlier life of the task, kept for asynq's dashboard.
		if err := v.inspector.DeleteTask(t.Queue, id); err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
			return err
		}
	}
	return errors.New("its copy comes and goes")
}

// buryScript forgets a worker, unless it was heard of again.
//
// KEYS 1 workers  2 the worker's hash
// ARGV 1 id  2 the time before which it was last heard of, Unix ms
// Returns 1 if it was forgotten
var buryScript = redis.NewScript(`
local beat = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not beat or tonumber(beat) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
return 1
`)

// bury forgets the dead workers, whose tasks have been handed on, with a line for each.
func (v *watch) bury(ctx context.Context, now time.Time, peers []peer) error {
	for _, p := range peers {
		if !p.dead() {
			continue
		}
		buried, err := buryScript.Run(ctx, v.w.cfg.Redis, []string{workersKey, claimsKey(p.id)}, p.id,
			now.Add(-deadAfter).UnixMilli()).Bool()
		if err != nil {
			return err
		}
		if buried {
			v.w.metrics.died.Inc()
			if err := v.freePasses(ctx, p.id); err != nil {
				return err
			}
		}
		if n := v.counts[p.id]; buried || n != (tally{}) {
			v.w.log.Warn("a worker died: its tasks were handed on", zap.String("worker", p.id),
				zap.String("host", p.host), zap.String("pid", p.pid), zap.Duration("silent", p.silent),
				zap.Int("tasks", n.handed), zap.Int("left_to_asynq", n.left))
		}
		delete(v.counts, p.id)
	}
	return nil
}

// freePasses lets others go on at once with what a dead worker had under way of campaigns. Where this fails, it takes until
// the passes are over.
func (v *watch) freePasses(ctx context.Context, worker string) error {
	refs, err := v.w.campaigns.Unended(ctx)
	for _, r := range refs {
		if _, freeErr := v.w.campaigns.Free(ctx, r.ID, worker); err == nil {
			err = freeErr
		}
	}
	return err
}
