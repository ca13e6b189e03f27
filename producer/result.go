package producer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// Result says what is known of a task, or fails with ErrNotFound: the ID was never used, or its record's time is over.
func (c *Client) Result(ctx context.Context, id string, opts ...ChannelOption) (tasks.Result, error) {
	ref, err := c.ref(id, opts)
	if err != nil {
		return tasks.Result{}, err
	}
	var r tasks.Result
	if err := within(ctx, func() error {
		found, err := c.find(ctx, ref)
		if err == nil {
			r = found.result()
		}
		return err
	}); err != nil {
		return tasks.Result{}, fmt.Errorf("result of %s: %w", id, err)
	}
	return r, nil
}

// Wait returns the result of a task once it is decided, or what is known of it together with the context's error. It
// asks Redis every few milliseconds at first and every quarter of a second in the end.
func (c *Client) Wait(ctx context.Context, id string, opts ...ChannelOption) (tasks.Result, error) {
	var last tasks.Result
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		r, err := c.Result(ctx, id, opts...)
		switch {
		case err == nil && r.State == tasks.StateDone:
			return r, nil
		case err == nil:
			last = r
		case ctx.Err() != nil:
			return last, fmt.Errorf("wait for %s: %w", id, ctx.Err())
		default:
			return last, err
		}
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("wait for %s: %w", id, ctx.Err())
		case <-time.After(pause):
		}
	}
}

func (c *Client) ref(id string, opts []ChannelOption) (record.Ref, error) {
	ref := record.Ref{Channel: c.channel, ID: id}
	for _, o := range opts {
		ref.Channel = o.name
	}
	return ref, cmp.Or(tasks.CheckChannel(ref.Channel), tasks.CheckID(ref.ID))
}

// found is what records and queues say of a task. At least one of them knows it.
type found struct {
	record   record.Record
	recorded bool
	task     *asynq.TaskInfo // nil: in no queue
}

// find looks a task up: its record first, then its queue, which for a task that nobody has begun is any of its lines. A
// copy is the task.
func (c *Client) find(ctx context.Context, ref record.Ref) (found, error) {
	var f found
	for range 2 {
		var err error
		f.record, err = c.records.Read(ctx, ref)
		switch {
		case err == nil:
			f.recorded = true
		case !errors.Is(err, record.ErrNotFound):
			return found{}, err
		}
		queues := []string{f.record.Queue}
		if !f.recorded {
			queues = nil
			for _, l := range tasks.Lines() {
				queues = append(queues, l.Queue(ref.Channel))
			}
		}
		at, err := c.placeOf(ctx, ref, queues)
		if err != nil {
			return found{}, err
		}
		if at != (place{}) {
			info, err := c.inspector.GetTaskInfo(at.queue, at.taskID)
			switch {
			case err == nil:
				f.task = info
				return f, nil
			case !errors.Is(err, asynq.ErrTaskNotFound) && !errors.Is(err, asynq.ErrQueueNotFound):
				return found{}, err
			}
		}
		if f.recorded && f.record.Result.Outcome != "" {
			return f, nil
		}
		// Between the two looks the task may have been decided and left its queue, or handed on: look once more.
	}
	if !f.recorded {
		return found{}, ErrNotFound
	}
	return f, nil
}

func (f found) result() tasks.Result {
	r := f.record.Result
	if f.task == nil {
		if r.Outcome == "" {
			r.State, r.Error = tasks.StateQueued, "its id is reserved, but it is in no queue: enqueue it again"
		}
		return r
	}
	if !f.recorded {
		ref := refOf(f.task)
		r = tasks.Result{ID: ref.ID, Channel: ref.Channel, Kind: tasks.Kind(f.task.Type)}
	}
	if r.Outcome == "" {
		r.State = stateOf(f.task.State)
		r.DueAt = dueAt(f.task)
	}
	return r
}

// dueAt is when asynq brings a task that waits for its time or its next attempt; nil: it doesn't wait.
func dueAt(t *asynq.TaskInfo) *time.Time {
	if t.State != asynq.TaskStateScheduled && t.State != asynq.TaskStateRetry || t.NextProcessAt.IsZero() {
		return nil
	}
	due := t.NextProcessAt.UTC()
	return &due
}

// refOf reads the identity that stands in the asynq ID of every task of ours.
func refOf(t *asynq.TaskInfo) record.Ref {
	ref, _ := record.ParseRef(t.ID)
	return ref
}

func stateOf(s asynq.TaskState) tasks.State {
	switch s {
	case asynq.TaskStateActive:
		return tasks.StateActive
	case asynq.TaskStateScheduled:
		return tasks.StateScheduled
	case asynq.TaskStateRetry, asynq.TaskStateArchived:
		return tasks.StateWaiting
	default:
		return tasks.StateQueued
	}
}
