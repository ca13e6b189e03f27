package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// Cancel takes a task back. Its outcome becomes cancelled, or unknown where an attempt is open whose answer nobody has
// heard: a later answer can still raise that to sent. A task that was decided before keeps its outcome, which is returned
// without an error; so cancelling twice is no error either. What it costs to be sure is that a cancelled task's ID can't
// be used for another message; Run starts it again.
func (c *Client) Cancel(ctx context.Context, id string, opts ...ChannelOption) (tasks.Outcome, error) {
	ref, err := c.ref(id, opts)
	if err != nil {
		return "", err
	}
	var outcome tasks.Outcome
	if err := within(ctx, func() error { outcome, err = c.cancel(ctx, ref); return err }); err != nil {
		return "", fmt.Errorf("cancel %s: %w", id, err)
	}
	return outcome, nil
}

func (c *Client) cancel(ctx context.Context, ref record.Ref) (tasks.Outcome, error) {
	f, err := c.find(ctx, ref)
	if err != nil {
		return "", err
	}
	kind, queue := f.record.Result.Kind, f.record.Queue
	if f.task != nil {
		kind, queue = tasks.Kind(f.task.Type), f.task.Queue
	}
	// The outcome goes first: from here on no worker opens an attempt, also one that has just fetched the task.
	outcome, fresh, err := c.records.Cancel(ctx, ref, kind, queue)
	if err != nil {
		return "", err
	}
	// Where the task is in its queue and no worker will settle it any more, its line is written here: perhaps a second
	// time, since an earlier call may have failed before it.
	left := f.task != nil && outcome != tasks.OutcomeSent && outcome != tasks.OutcomeFailed
	if fresh || left {
		if err := c.log(ctx, ref, kind, outcome, f); err != nil {
			return outcome, err
		}
	}
	if !left {
		return outcome, nil
	}
	if err := c.records.KeepPayload(ctx, ref, f.task.Payload); err != nil {
		return outcome, err
	}
	err = c.inspector.DeleteTask(f.task.Queue, f.task.ID)
	if err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
		// A worker has it: it finds the outcome and lets go. ErrTaskNotFound: it has done so already.
		if now, lookErr := c.inspector.GetTaskInfo(f.task.Queue, f.task.ID); lookErr == nil &&
			now.State != asynq.TaskStateActive {
			return outcome, err
		}
		return outcome, nil
	}
	return outcome, c.restore(ctx, ref, kind, f.task)
}

// log writes the line of a cancelled task. An attempt that was open may have been heard of meanwhile, and its line may
// stand before this one; the last line of a task must be its outcome.
func (c *Client) log(ctx context.Context, ref record.Ref, k tasks.Kind, o tasks.Outcome, f found) error {
	line := record.Line{Channel: ref.Channel, ID: ref.ID, Kind: k, Outcome: o, Attempts: f.record.Result.Attempts}
	if f.task != nil {
		if e, err := tasks.Decode(k, f.task.Payload); err == nil {
			line.To = record.MarkOf(tasks.Recipient(e.Task))
		}
	}
	if err := c.records.Log(ctx, line); err != nil {
		return err
	}
	now, err := c.records.Read(ctx, ref)
	r := now.Result
	if err != nil || r.Outcome == "" || r.Outcome == o {
		return err
	}
	line.Outcome, line.Reason, line.Error, line.Attempts = r.Outcome, r.Reason, r.Error, r.Attempts
	line.RequestID, line.Replayed = r.RequestID, r.Replayed
	return c.records.Log(ctx, line)
}

// restore puts a task back that Cancel has deleted while a Run took its outcome off: the Run had found it in its queue.
func (c *Client) restore(ctx context.Context, ref record.Ref, k tasks.Kind, t *asynq.TaskInfo) error {
	now, err := c.records.Read(ctx, ref)
	if err != nil || now.Result.Outcome != "" {
		return err
	}
	err = c.pipeline(ctx, []entry{{ref: ref, kind: k, queue: t.Queue, payload: t.Payload}})[0]
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}
	return err
}

// Reschedule moves a task that waits to be sent no earlier than t, in one step. It fails with ErrBusy while the task is
// being sent, and with ErrDecided when it has an outcome.
func (c *Client) Reschedule(ctx context.Context, id string, t time.Time, opts ...ChannelOption) error {
	ref, err := c.ref(id, opts)
	if err != nil {
		return err
	}
	if err := within(ctx, func() error {
		f, err := c.find(ctx, ref)
		switch {
		case err != nil:
			return err
		case f.record.Result.Outcome != "":
			return fmt.Errorf("%w: %s", ErrDecided, f.record.Result.Outcome)
		case f.task == nil:
			return ErrNotQueued
		}
		return c.moveTo(ctx, f.task.Queue, f.task.ID, t)
	}); err != nil {
		return fmt.Errorf("reschedule %s: %w", id, err)
	}
	return nil
}

// Run sends a task now that waits for its time or its next attempt, and starts a task again that failed, was cancelled or
// is unknown. What LINE has accepted is refused with record.ErrSent. An unknown task keeps its retry key while LINE
// remembers it, so that it can't arrive twice; afterwards the ticket says Risky.
func (c *Client) Run(ctx context.Context, id string, opts ...ChannelOption) (Ticket, error) {
	ref, err := c.ref(id, opts)
	if err != nil {
		return Ticket{}, err
	}
	var ticket Ticket
	if err := within(ctx, func() error { ticket, err = c.run(ctx, ref); return err }); err != nil {
		return Ticket{}, fmt.Errorf("run %s: %w", id, err)
	}
	return ticket, nil
}

func (c *Client) run(ctx context.Context, ref record.Ref) (Ticket, error) {
	f, err := c.findSettled(ctx, ref)
	if err != nil {
		return Ticket{}, err
	}
	if f.record.Result.Outcome == "" && f.task != nil {
		switch f.task.State {
		case asynq.TaskStateActive:
			return Ticket{}, ErrBusy
		case asynq.TaskStatePending:
			return ticketOf(f.task), nil
		}
		if err := c.inspector.RunTask(f.task.Queue, f.task.ID); err != nil {
			return Ticket{}, err
		}
		return ticketOf(f.task), c.rdb.Publish(ctx, tasks.Bell, f.task.Queue).Err()
	}

	if f.record.Result.Outcome == tasks.OutcomeSent {
		return Ticket{}, record.ErrSent
	}
	policy, err := tasks.PolicyOf(f.record.Result.Kind)
	if err != nil {
		return Ticket{}, err
	}
	payload, err := c.records.Payload(ctx, ref)
	if errors.Is(err, record.ErrNotFound) {
		return Ticket{}, ErrNotQueued
	}
	if err != nil {
		return Ticket{}, err
	}
	risky, err := c.records.Reopen(ctx, ref, policy.Endpoint.Class)
	if err != nil && !errors.Is(err, record.ErrUndecided) {
		return Ticket{}, err
	}
	e := entry{ref: ref, kind: f.record.Result.Kind, queue: f.record.Queue, payload: payload}
	switch err := c.enqueueAgain(ctx, e); {
	case errors.Is(err, ErrBusy):
		return Ticket{}, err
	case err != nil:
		return Ticket{}, &EnqueueError{ID: ref.ID, MayBeStored: mayBeStored(err), Err: err}
	}
	return Ticket{
		ID: ref.ID, Kind: e.kind, Channel: ref.Channel, Queue: e.queue, State: tasks.StateQueued, Risky: risky,
	}, nil
}

// busyLooks times busyPause is how long Run waits for the last run of a decided task to let go of it.
const (
	busyLooks = 100
	busyPause = 20 * time.Millisecond
)

// findSettled is find, but it waits for the run that has decided a task to take it out of its queue. Who runs a task
// again directly after Wait comes before that.
func (c *Client) findSettled(ctx context.Context, ref record.Ref) (found, error) {
	for range busyLooks {
		f, err := c.find(ctx, ref)
		toldAtOnce := f.record.Result.Outcome == "" || f.record.Result.Outcome == tasks.OutcomeSent
		if err != nil || toldAtOnce || f.task == nil || f.task.State != asynq.TaskStateActive {
			return f, err
		}
		if err := pause(ctx); err != nil {
			return found{}, err
		}
	}
	return found{}, ErrBusy
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(busyPause):
		return nil
	}
}

// enqueueAgain stores a task whose outcome was taken off. asynq may still have it from before: if it waits there, its next
// run finds it undecided; but a run under way may have found the outcome, and would take it out of its queue.
func (c *Client) enqueueAgain(ctx context.Context, e entry) error {
	for range busyLooks {
		err := c.pipeline(ctx, []entry{e})[0]
		if !errors.Is(err, asynq.ErrTaskIDConflict) {
			return err
		}
		info, err := c.inspector.GetTaskInfo(e.queue, e.ref.String())
		switch {
		case errors.Is(err, asynq.ErrTaskNotFound):
			continue
		case err != nil:
			return err
		case info.State == asynq.TaskStatePending:
			return nil
		case info.State != asynq.TaskStateActive && c.inspector.RunTask(e.queue, e.ref.String()) == nil:
			return c.rdb.Publish(ctx, tasks.Bell, e.queue).Err()
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
	return ErrBusy
}

func ticketOf(t *asynq.TaskInfo) Ticket {
	ref := refOf(t)
	return Ticket{
		ID: ref.ID, Kind: tasks.Kind(t.Type), Channel: ref.Channel, Queue: t.Queue, State: tasks.StateQueued,
	}
}
