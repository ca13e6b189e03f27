package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/schedule"
)

// Every worker runs the schedules of its channels: once a second, when the next tick is due, and whenever a bell tells that
// one has changed. Who claims a tick enqueues what it stands for under the tick's own ID; so who does that again, since the
// first one died over it, adds nothing.

const (
	// schedulesEvery is how often a worker looks at the schedules of its channels, at the least.
	schedulesEvery = time.Second
	// unableDelay is how long a worker leaves a tick to others that it can't do itself. Then it tells why.
	unableDelay = 10 * time.Second
	// failedDelay is how long a worker leaves a tick to others that it has failed to do.
	failedDelay = 5 * time.Second
	// afterwards bounds what is written about a tick when the worker stops.
	afterwards = 5 * time.Second
)

// ticks is what a worker knows of the ticks that it works on. The zero value is ready.
type ticks struct {
	mu     sync.Mutex
	failed map[string]time.Time // by their IDs, when this worker failed to do them
	work   sync.WaitGroup
}

// failedLately tells whether this worker has just failed to do a tick.
func (t *ticks) failedLately(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, failed := t.failed[id]
	return failed
}

func (t *ticks) fail(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = map[string]time.Time{}
	}
	now := time.Now()
	t.failed[id] = now
	for other, at := range t.failed {
		if now.Sub(at) > schedule.MaxWithin {
			delete(t.failed, other)
		}
	}
}

// watchSchedules runs the schedules until ctx ends, and returns when nothing of them is under way here.
func (w *Worker) watchSchedules(ctx context.Context) {
	defer w.ticks.work.Wait()
	for {
		wait, err := w.lookAtSchedules(ctx)
		if err != nil && ctx.Err() == nil {
			w.health.warn("can't look at the schedules", err)
		}
		look := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-look.C:
		case <-w.bells.schedules:
		}
		look.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// lookAtSchedules does what is due, and returns when to look again.
func (w *Worker) lookAtSchedules(ctx context.Context) (time.Duration, error) {
	due, wait, err := w.schedules.Due(ctx, w.has, schedulesEvery)
	if err != nil {
		return schedulesEvery, err
	}
	var errs []error
	for _, r := range due {
		if err := w.lookAtSchedule(ctx, r); err != nil {
			errs = append(errs, err) // the others go on
		}
	}
	return wait, errors.Join(errs...)
}

// lookAtSchedule runs the ticks of one schedule that are due. A campaign's goes on beside the others.
func (w *Worker) lookAtSchedule(ctx context.Context, r schedule.Ref) error {
	for {
		c, err := w.schedules.Claim(ctx, r.ID, w.leaveTick)
		switch {
		case errors.Is(err, schedule.ErrNotFound):
			return nil
		case errors.Is(err, tasks.ErrNewerVersion), errors.Is(err, tasks.ErrUnknownKind):
			if w.alarms.due("schedule "+r.ID, time.Now()) {
				w.log.Warn("schedule left for a newer worker", zap.String("schedule", r.ID), zap.Error(err))
			}
			return nil
		case err != nil:
			return err
		}
		if !c.Passed.IsZero() {
			if err := w.tellPassed(ctx, r, c); err != nil {
				w.log.Debug("can't log a tick that didn't run", zap.String("schedule", r.ID), zap.Error(err))
			}
		}
		switch {
		case c.Tick == nil && c.Passed.IsZero():
			return nil
		case c.Tick == nil:
			continue
		case c.Tick.Spec.Campaign != nil:
			w.ticks.work.Go(func() { w.runTick(ctx, *c.Tick, w.takeInCampaign) })
			return nil
		}
		w.runTick(ctx, *c.Tick, w.enqueueTick)
	}
}

// leaveTick says how long a tick is left to other workers.
func (w *Worker) leaveTick(t schedule.Tick) time.Duration {
	switch {
	case w.unable(t.Spec) != nil:
		return unableDelay
	case w.ticks.failedLately(t.ID()):
		return failedDelay
	}
	return 0
}

var (
	errNoCampaigns = errors.New("no worker takes in campaigns for schedules: they run in programs that set " +
		"worker.Config.ScheduledCampaign, as lineq worker does")
	errNoCommands = errors.New("no worker may run commands: start one with --schedule-commands")
)

// unable says why this worker can't do the ticks of a schedule; nil: it can.
func (w *Worker) unable(s schedule.Spec) error {
	switch {
	case s.Campaign == nil:
		return nil
	case w.cfg.ScheduledCampaign == nil:
		return errNoCampaigns
	case s.Campaign.Command != "" && !w.cfg.ScheduleCommands:
		return errNoCommands
	}
	return nil
}

// runTick does a claimed tick, and writes down how that went.
func (w *Worker) runTick(ctx context.Context, t schedule.Tick, do func(context.Context, schedule.Tick) error) {
	err := w.unable(t.Spec)
	if err == nil {
		err = do(ctx, t)
	}
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterwards)
	defer cancel()
	fields := []zap.Field{
		zap.String("channel", t.Spec.Channel), zap.String("schedule", t.Spec.ID), zap.Time("tick", t.At),
		zap.String("task_id", t.ID()),
	}
	switch {
	case err == nil:
		w.log.Info("schedule: enqueued", fields...)
		err = w.schedules.Done(after, t)
	case ctx.Err() != nil:
		err = w.schedules.Release(after, t)
	default:
		w.log.Warn("schedule: a tick fails, and is tried again", append(fields, zap.Error(err))...)
		w.ticks.fail(t.ID())
		err = w.schedules.Fail(after, t, err.Error())
	}
	if err != nil { // another worker takes it over
		w.log.Debug("can't write down what became of a tick", append(fields, zap.Error(err))...)
	}
}

// takeInCampaign lets the hook take a campaign in, and says meanwhile that it is under way.
func (w *Worker) takeInCampaign(ctx context.Context, t schedule.Tick) error {
	kept, end := context.WithCancel(ctx)
	var keep sync.WaitGroup
	keep.Go(func() {
		tick := time.NewTicker(schedule.Lease / 4)
		defer tick.Stop()
		for {
			select {
			case <-kept.Done():
				return
			case <-tick.C:
				_ = w.schedules.Keep(kept, t) // else another worker finds the campaign's draft busy
			}
		}
	})
	defer keep.Wait()
	defer end()
	return w.cfg.ScheduledCampaign(ctx, t)
}

// enqueueTick enqueues the task of a tick, unless that was done before.
func (w *Worker) enqueueTick(ctx context.Context, t schedule.Tick) error {
	policy, err := tasks.PolicyOf(t.Spec.Task.Kind())
	if err != nil {
		return err
	}
	e := tasks.Envelope{Channel: t.Spec.Channel, ID: t.ID(), EnqueuedAt: time.Now().UTC(), Task: t.Spec.Task}
	if life := cmp.Or(t.Spec.Expire, policy.Lifetime); life > 0 {
		e.Deadline = t.At.Add(life)
	}
	payload, err := e.Encode()
	if err != nil {
		return err
	}
	hash, err := e.Hash()
	if err != nil {
		return err
	}
	line := policy.Line
	if t.Spec.Urgent {
		line = tasks.LineUrgent
	}
	ref := record.Ref{Channel: e.Channel, ID: e.ID}
	r := w.records.Reserve(ctx, []record.Reservation{
		{Ref: ref, Kind: e.Task.Kind(), Queue: line.Queue(e.Channel), Hash: hash},
	})[0]
	switch {
	case r.Err != nil:
		return r.Err
	case !r.Same:
		return fmt.Errorf("enqueue %s: another task has this id", e.ID)
	case r.Outcome != "":
		return nil
	}
	_, err = w.asynq.EnqueueContext(ctx, asynq.NewTask(string(e.Task.Kind()), payload), asynq.TaskID(ref.String()),
		asynq.Queue(r.Queue), asynq.MaxRetry(math.MaxInt32), asynq.Timeout(longestLane))
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("enqueue %s: %w", e.ID, err)
	}
	w.cfg.Redis.Publish(ctx, tasks.Bell, r.Queue)
	return nil
}

// tellPassed writes into the delivery log that a tick didn't run, and perhaps others before it.
func (w *Worker) tellPassed(ctx context.Context, r schedule.Ref, c schedule.Claimed) error {
	t := schedule.Tick{Spec: schedule.Spec{ID: r.ID}, At: c.Passed}
	line := record.Line{
		Channel: r.Channel, ID: t.ID(), Kind: schedule.KindSchedule, Outcome: tasks.OutcomeFailed, Reason: schedule.ReasonTick,
		Error: c.Why,
	}
	if c.Why == "" {
		line.Reason, line.Error = schedule.ReasonMissed, "no worker took it in time"
	}
	w.log.Warn("schedule: a tick didn't run", zap.String("channel", r.Channel), zap.String("schedule", r.ID),
		zap.Time("tick", c.Passed), zap.String("reason", string(line.Reason)), zap.String("error", line.Error))
	return w.records.Log(ctx, line)
}
