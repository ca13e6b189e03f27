package worker

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
)

// A hold lets a channel's tasks wait until somebody or something lifts it. The channel's own queues are paused in asynq
// meanwhile, so that a hundred thousand tasks in them cost nothing; tasks in the shared queues are put off, and woken
// when the hold is lifted. Every worker does all this for its channels, so that it is done whoever dies: Redis keeps a
// channel among those that need attention until a worker has woken its tasks.

const (
	// holdsEvery is how often a worker looks for channels that need attention, when no bell tells it.
	holdsEvery = time.Second
	// heldDelay is how long a task in a shared queue is put off, unless it is woken before.
	heldDelay = time.Hour
	// wakeAgainAfter is for what a worker was just doing when the hold was lifted: putting tasks off, or pausing queues that
	// another worker had resumed already.
	wakeAgainAfter = 3 * time.Second
	// authCheckEvery and quotaCheckEvery are how often one of all workers asks LINE whether a hold is still needed.
	authCheckEvery  = 30 * time.Second
	quotaCheckEvery = 5 * time.Minute
)

// heldChannels is what this worker knows of the held ones among its channels.
type heldChannels struct {
	mu        sync.RWMutex
	byChannel map[string][]channel.Hold
}

// of returns the hold that keeps a channel's tasks under this policy, if there is one.
func (h *heldChannels) of(name string, p tasks.Policy) (channel.Hold, bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, hold := range h.byChannel[name] {
		if hold.Covers(p) {
			return hold, true
		}
	}
	return channel.Hold{}, false
}

// set replaces what is known, and returns the channels that this worker didn't know to be held, and those that are held
// no more.
func (h *heldChannels) set(all map[string][]channel.Hold) (news, over []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for name := range all {
		if len(h.byChannel[name]) == 0 {
			news = append(news, name)
		}
	}
	for name := range h.byChannel {
		if len(all[name]) == 0 {
			over = append(over, name)
		}
	}
	h.byChannel = all
	return news, over
}

func (h *heldChannels) add(name string, hold channel.Hold) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string][]channel.Hold{name: append([]channel.Hold{hold}, h.byChannel[name]...)}
	for other, its := range h.byChannel {
		if other != name {
			all[other] = its
		}
	}
	h.byChannel = all
}

// hold puts the tasks of a held channel off.
func (w *Worker) hold(j *job) error {
	if h, held := w.holds.of(j.Channel, j.policy); held {
		return &postponed{delay: w.heldFor(j, h), reason: "the channel is held: " + string(h.Reason)}
	}
	if w.aside.stands(j.Channel) {
		return &postponed{delay: asideDelay, reason: "LINE refuses this worker's token; another's works"}
	}
	if wait := w.recipients.wait(j, time.Now()); wait > 0 {
		return &postponed{delay: wait, reason: "LINE takes no more for this recipient just now"}
	}
	return nil
}

// heldFor is when a held task looks again. On its channel's own queue, which is paused, that costs nothing.
func (w *Worker) heldFor(j *job, h channel.Hold) time.Duration {
	if line, _, _ := tasks.ParseQueue(j.queue); line.PerChannel() {
		return time.Second
	}
	delay := heldDelay
	if !h.Until.IsZero() {
		delay = min(delay, time.Until(h.Until)+time.Second)
	}
	if !j.Deadline.IsZero() {
		delay = min(delay, time.Until(j.Deadline)) // its record shall say in time that it has expired
	}
	return max(delay, 0)
}

// putOnHold holds a channel, for all workers. The first one to do it tells of it.
func (w *Worker) putOnHold(ctx context.Context, name string, h channel.Hold) {
	h.By = w.signature()
	fresh, err := channel.Put(ctx, w.cfg.Redis, name, h)
	if err != nil {
		w.health.warn("can't hold the channel "+name, err)
		return
	}
	w.holds.add(name, h)
	if err := pauseQueues(ctx, w.cfg.Redis, name); err != nil {
		w.log.Debug("can't pause the queues of a held channel yet", zap.String("channel", name), zap.Error(err))
	}
	if !fresh {
		return
	}
	fields := []zap.Field{zap.String("channel", name), zap.String("reason", string(h.Reason)), zap.String("note", h.Note)}
	if h.Until.IsZero() {
		w.log.Error("channel held until somebody acts", fields...)
		return
	}
	w.log.Warn("channel held for a while", append(fields, zap.Time("until", h.Until))...)
}

// watchHolds follows the holds of this worker's channels until ctx ends. again is as in attend.
func (w *Worker) watchHolds(ctx context.Context, again map[string]time.Time) {
	tick := time.NewTicker(holdsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-w.bells.holds:
		}
		if err := w.attend(ctx, again); err != nil && ctx.Err() == nil {
			w.log.Debug("can't look at the holds", zap.Error(err))
		}
		w.lookWhetherAside(ctx)
	}
}

// attend looks at every channel of ours that needs attention. About a held one that is new here it asks LINE at once: its
// token may be a new one. again is when which channel's tasks are woken once more.
func (w *Worker) attend(ctx context.Context, again map[string]time.Time) (err error) {
	fresh := w.fresh.take()
	defer func() {
		if err != nil {
			for name, putOff := range fresh {
				w.fresh.add(putOff, name)
			}
		}
	}()
	names, err := channel.Attention(ctx, w.cfg.Redis)
	if err != nil {
		return err
	}
	var ours []string
	for _, name := range names {
		if w.has(name) {
			ours = append(ours, name)
		}
	}
	held, err := channel.Holds(ctx, w.cfg.Redis, ours...)
	if err != nil {
		return err
	}
	for name, putOff := range fresh {
		if !w.has(name) || len(held[name]) > 0 {
			continue
		}
		if putOff {
			if err := w.rouse(ctx, name); err != nil {
				return err
			}
			continue
		}
		// A worker may have died that had paused its queues when others had resumed them already.
		if err := resumeQueues(ctx, w.cfg.Redis, name); err != nil {
			return err
		}
	}
	news, over := w.holds.set(held)
	for _, name := range news {
		// Somebody else held it, or it was held before this worker started: whoever reads its log wonders why nothing goes.
		h := held[name][0]
		w.log.Info("channel is held", zap.String("channel", name), zap.String("reason", string(h.Reason)),
			zap.Time("since", h.Since), zap.String("by", h.By), zap.String("note", h.Note))
	}
	for _, name := range over {
		if !w.has(name) {
			continue // it has left; it may be held still
		}
		again[name] = time.Now().Add(wakeAgainAfter)
		w.log.Info("channel goes on", zap.String("channel", name))
	}
	for name, at := range again {
		if !w.has(name) {
			delete(again, name)
			continue
		}
		if time.Now().Before(at) || len(held[name]) > 0 {
			continue
		}
		if err := w.rouse(ctx, name); err != nil {
			return err
		}
		delete(again, name)
	}
	for _, name := range ours {
		if len(held[name]) == 0 {
			err = w.wake(ctx, name)
		} else {
			err = pauseQueues(ctx, w.cfg.Redis, name)
			for _, h := range held[name] {
				_, isFresh := fresh[name]
				w.checkHold(ctx, name, h, isFresh)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wake lets a channel's tasks go on, and tells that it has been done.
func (w *Worker) wake(ctx context.Context, name string) error {
	if err := w.rouse(ctx, name); err != nil {
		return err
	}
	return channel.Woken(ctx, w.cfg.Redis, name)
}

// rouse lets a channel's tasks go on. Of a channel that has just been held again it undoes the pause, until the next look.
func (w *Worker) rouse(ctx context.Context, name string) error {
	if err := resumeQueues(ctx, w.cfg.Redis, name); err != nil {
		return err
	}
	if err := w.wakeShared(ctx, name); err != nil {
		return err
	}
	for _, q := range ownQueues(name) {
		w.bells.ring(q)
	}
	return nil
}

// wakeShared makes a channel's tasks due that were put off in the shared queues.
func (w *Worker) wakeShared(ctx context.Context, name string) error {
	for _, l := range tasks.Lines() {
		if l.PerChannel() {
			continue
		}
		if err := wakeTasks(ctx, w.cfg.Redis, l.Queue(name), name); err != nil {
			return err
		}
	}
	return nil
}

// signature is how a worker signs its holds.
func (w *Worker) signature() string { return "worker " + w.id }

// checkHold asks LINE whether a hold is still needed, in one of all workers; when another's token was refused, or
// this worker's is a fresh one, at once.
func (w *Worker) checkHold(ctx context.Context, name string, h channel.Hold, fresh bool) {
	client := w.client(name)
	if client == nil {
		return
	}
	every, check := authCheckEvery, w.tokenWorks
	another := false // worker's refusal says nothing about the token here
	switch h.Reason {
	case lineapi.Auth:
		another = h.By != w.signature() && !w.asked[name].Equal(h.Since)
		w.asked[name] = h.Since
	case lineapi.Quota:
		every, check = quotaCheckEvery, func(ctx context.Context, c *lineapi.Client) bool { return w.quotaHasRoom(ctx, name, c) }
		if !h.Until.IsZero() {
			return // it ends by itself
		}
	default:
		return // an operator's
	}
	claimed, err := channel.Claim(ctx, w.cfg.Redis, name, "check "+string(h.Reason), every)
	if err != nil || !claimed && !fresh && !another {
		return
	}
	w.checks.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		if !check(ctx, client) {
			return
		}
		if h.Reason == lineapi.Auth {
			// Before the worker that was refused goes on, it shall know.
			if err := channel.TokenWorks(ctx, w.cfg.Redis, name, w.id); err != nil {
				w.log.Debug("can't say that a token works", zap.String("channel", name), zap.Error(err))
			}
		}
		if _, err := channel.Lift(ctx, w.cfg.Redis, name, h.Reason); err != nil {
			w.log.Debug("can't lift a hold", zap.String("channel", name), zap.Error(err))
			return
		}
		w.log.Info("hold lifted: LINE takes it again", zap.String("channel", name), zap.String("reason", string(h.Reason)))
	})
}

const checkTimeout = 15 * time.Second

func (w *Worker) tokenWorks(ctx context.Context, c *lineapi.Client) bool {
	_, err := c.BotInfo(ctx)
	return err == nil
}

func (w *Worker) quotaHasRoom(ctx context.Context, name string, c *lineapi.Client) bool {
	left, limited, err := w.quotaLeft(ctx, name, c)
	return err == nil && (!limited || left > 0)
}

func pauseQueues(ctx context.Context, rdb redis.UniversalClient, name string) error {
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, q := range ownQueues(name) {
			p.SetNX(ctx, asynqKey(q, "paused"), channel.Pause, 0)
		}
		return nil
	})
	return err
}

var resumeScript = redis.NewScript(`if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`)

func resumeQueues(ctx context.Context, rdb redis.UniversalClient, name string) error {
	for _, q := range ownQueues(name) {
		if err := resumeScript.Run(ctx, rdb, []string{asynqKey(q, "paused")}, channel.Pause).Err(); err != nil {
			return err
		}
	}
	return nil
}

func ownQueues(name string) (all []string) {
	for _, l := range tasks.Lines() {
		if l.PerChannel() {
			all = append(all, l.Queue(name))
		}
	}
	return all
}

// wakeTasks makes those of a channel's tasks due that were put off in a shared queue.
func wakeTasks(ctx context.Context, rdb redis.UniversalClient, queue, name string) error {
	now := float64(time.Now().Unix())
	var cursor uint64
	for {
		// asynq's ids are ours, which begin with the channel's name; a name has nothing that a pattern could misread.
		found, next, err := rdb.ZScan(ctx, asynqKey(queue, "retry"), cursor, name+":*", 1000).Result()
		if err != nil {
			return err
		}
		due := make([]redis.Z, 0, len(found)/2)
		for i := 0; i < len(found); i += 2 { // members and scores take turns
			due = append(due, redis.Z{Score: now, Member: found[i]})
		}
		if len(due) > 0 {
			if err := rdb.ZAddArgs(ctx, asynqKey(queue, "retry"), redis.ZAddArgs{XX: true, LT: true, Members: due}).Err(); err != nil {
				return err
			}
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}
