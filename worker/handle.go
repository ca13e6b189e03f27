package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// job is one run of one task.
type job struct {
	tasks.Envelope
	ref     record.Ref
	queue   string
	payload []byte
	hash    record.Hash
	policy  tasks.Policy
	client  *lineapi.Client
}

// couldGo is when the task could first have been sent; zero: it doesn't say.
func (j *job) couldGo() time.Time {
	if j.DueAt.After(j.EnqueuedAt) {
		return j.DueAt
	}
	return j.EnqueuedAt
}

// handle is the way of a task, step by step. It returns nil when asynq may forget the task, and a *postponed when it
// shall come again.
func (w *Worker) handle(ctx context.Context, t *asynq.Task) (err error) {
	j, err := w.decode(ctx, t)
	if err != nil || j == nil {
		return err
	}
	ctx, span := w.beginRun(ctx, t, j)
	defer func() { endRun(span, err) }()
	for {
		if err := w.hold(j); err != nil {
			return err
		}
		permitted, err := w.permit(ctx, j)
		if err != nil {
			return err
		}
		if err := w.hold(j); err != nil {
			return err // it was held while it waited for its turn
		}
		begun, err := w.begin(ctx, j)
		if err != nil || begun == nil {
			return err
		}
		answer := w.call(permitted, j, *begun)
		more, err := w.end(ctx, j, *begun, answer)
		if err != nil || !more {
			return err
		}
	}
}

// postponed is how a run tells asynq to bring the task again.
type postponed struct {
	delay   time.Duration
	reason  string
	failure bool // asynq's dashboard counts it as failed
}

// Error is what the asynq dashboard shows. asynq leaves a task active for ever whose error isn't valid UTF-8.
func (p *postponed) Error() string { return strings.ToValidUTF8(p.reason, "?") }

const (
	// foreignDelay is for tasks that another worker may be able to send.
	foreignDelay = 30 * time.Second
	// redisDelay is for when Redis failed under a run.
	redisDelay = time.Second
)

// foreignWait is how long a task stays away from a worker that doesn't have its channel, with so much time left until its
// deadline, where it has one: short enough for a reply to meet a worker that has it.
func foreignWait(left time.Duration) time.Duration {
	if left <= 0 {
		return foreignDelay
	}
	return min(max(left/10, time.Second), foreignDelay)
}

// decode reads the task. What another version or another worker may be able to send stays in its queue; what nobody can
// read is recorded as failed. A nil job and a nil error mean that the task is done with.
func (w *Worker) decode(ctx context.Context, t *asynq.Task) (*job, error) {
	queue, _ := asynq.GetQueueName(ctx)
	id, _ := asynq.GetTaskID(ctx)
	e, err := tasks.Decode(tasks.Kind(t.Type()), t.Payload())
	if err != nil {
		if errors.Is(err, tasks.ErrNewerVersion) || errors.Is(err, tasks.ErrUnknownKind) {
			if w.alarms.due("newer "+t.Type(), time.Now()) {
				w.log.Warn("tasks left for a newer worker", zap.String("task_id", id), zap.Error(err))
			}
			return nil, &postponed{delay: foreignDelay, reason: err.Error()}
		}
		return nil, w.unreadable(ctx, t, id, queue, err)
	}
	j := &job{
		Envelope: e, ref: record.Ref{Channel: e.Channel, ID: e.ID}, queue: queue, payload: t.Payload(),
		client: w.client(e.Channel),
	}
	if j.client == nil {
		if w.alarms.due("foreign "+e.Channel, time.Now()) {
			w.log.Warn("tasks of a channel that this worker doesn't have",
				zap.String("channel", e.Channel), zap.String("task_id", e.ID))
		}
		return nil, &postponed{
			delay:  foreignWait(time.Until(e.Deadline)),
			reason: fmt.Sprintf("no worker here has the channel %q", e.Channel),
		}
	}
	if j.policy, err = tasks.PolicyOf(e.Task.Kind()); err != nil {
		return nil, err
	}
	if j.hash, err = e.Hash(); err != nil {
		return nil, w.unreadable(ctx, t, id, queue, err)
	}
	return j, nil
}

// unreadable records a payload that no version can read, under the identity in asynq's ID. Where that is none of ours,
// somebody else put the task there: asynq archives it.
func (w *Worker) unreadable(ctx context.Context, t *asynq.Task, id, queue string, cause error) error {
	ref, err := record.ParseRef(id)
	if err != nil {
		w.log.Error("task that is none of lineq's", zap.String("task_id", id), zap.String("queue", queue), zap.Error(cause))
		return fmt.Errorf("%w: %w", cause, asynq.SkipRetry)
	}
	begun, err := w.records.Begin(ctx, record.Attempt{
		Ref: ref, Kind: tasks.Kind(t.Type()), Queue: queue, Repeatable: true, Worker: w.id,
	})
	if err != nil {
		return &postponed{delay: redisDelay, reason: err.Error()}
	}
	decision := begun.Decision
	switch begun.Verdict {
	case record.Busy:
		return &postponed{delay: begun.Wait, reason: "another run of this task is under way"}
	case record.Go:
		decision, err = w.records.End(ctx, begun, ref, record.Answer{
			Evidence: record.Refused, Final: true, Reason: lineapi.Invalid, Error: cause.Error(),
		})
		if err != nil {
			return &postponed{delay: redisDelay, reason: err.Error()}
		}
	}
	return w.settle(ctx, &job{ref: ref, queue: queue, payload: t.Payload()}, tasks.Kind(t.Type()), decision)
}

// begin opens the attempt. A nil result and a nil error mean that the task is done with.
func (w *Worker) begin(ctx context.Context, j *job) (*record.Begun, error) {
	begun, err := w.records.Begin(ctx, record.Attempt{
		Ref: j.ref, Kind: j.Task.Kind(), Queue: j.queue, Hash: j.hash, Timeout: j.policy.CallTimeout,
		Repeatable: repeatable(j), Deadline: j.Deadline, Worker: w.id,
	})
	if err != nil {
		return nil, &postponed{delay: redisDelay, reason: err.Error()}
	}
	switch begun.Verdict {
	case record.Go:
		return &begun, nil
	case record.Busy:
		return nil, &postponed{delay: begun.Wait, reason: "another run of this task is under way"}
	case record.Other:
		// The record is another message's; this one has no record to fail in, so asynq keeps it.
		w.log.Error("other content under the same id", zap.String("channel", j.Channel), zap.String("task_id", j.ID))
		return nil, fmt.Errorf("other content was sent under the id %s: %w", j.ID, asynq.SkipRetry)
	default:
		return nil, w.settle(ctx, j, j.Task.Kind(), begun.Decision)
	}
}

// repeatable tells whether a task may be called again after an attempt whose answer was lost.
func repeatable(j *job) bool {
	// Publishing looks at LINE for what the lost attempt did.
	return j.Task.Kind() == tasks.KindPublishRichMenu || j.policy.Endpoint.Class.Repeatable()
}

// call calls LINE, within the time that begin was told.
func (w *Worker) call(ctx context.Context, j *job, begun record.Begun) answer {
	ctx, cancel := context.WithTimeout(ctx, j.policy.CallTimeout)
	defer cancel()
	defer context.AfterFunc(w.sends, cancel)()
	ctx, span := w.beginCall(ctx, j, begun)
	start := time.Now()
	a := perform(ctx, j, begun)
	endCall(span, a)
	a.took = time.Since(start)
	a.renewable = j.client.CanRenewToken()
	return a
}

// bookkeeping bounds what must be written after a call, also when the run's own context has ended.
const bookkeeping = 2 * time.Minute

// end records the answer. more tells that the task has another step.
func (w *Worker) end(ctx context.Context, j *job, begun record.Begun, a answer) (more bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bookkeeping)
	defer cancel()
	v := decide(a, begun, w.random())
	w.metrics.answered(j.Channel, a, v)
	if v.Evidence == record.Accepted && a.data != nil {
		if err := w.records.KeepData(ctx, j.ref, a.data, a.dataLifetime); err != nil {
			return false, &postponed{delay: redisDelay, reason: err.Error()}
		}
	}
	decision, err := w.records.End(ctx, begun, j.ref, v.Answer)
	if err != nil {
		return false, &postponed{delay: redisDelay, reason: err.Error()}
	}
	w.react(ctx, j, a, v.Reason)
	if decision.Outcome != "" {
		return false, w.settle(ctx, j, j.Task.Kind(), decision)
	}
	if v.Evidence == record.Accepted {
		return true, nil
	}
	if w.sends.Err() != nil {
		v.delay = 0 // given up because the worker stops: the next one need not wait
	}
	w.logWaiting(j, begun, v)
	return false, &postponed{
		delay: v.delay, reason: string(v.Reason), failure: v.Reason == lineapi.Server || v.Reason == lineapi.Network,
	}
}

// settle does what follows a decision: the delivery log, the payload of what may be run again, and the log. It is
// repeated when the worker dies in it, so a line may stand in the delivery log twice.
func (w *Worker) settle(ctx context.Context, j *job, k tasks.Kind, d record.Decision) error {
	err := w.records.Log(ctx, record.Line{
		Channel: j.ref.Channel, ID: j.ref.ID, Kind: k, Outcome: d.Outcome, Reason: d.Reason, Replayed: d.Replayed,
		RequestID: d.RequestID, Attempts: d.Attempts, Error: d.Error,
		To: record.MarkOf(tasks.Recipient(j.Task)),
	})
	if err == nil && d.Outcome != tasks.OutcomeSent {
		err = w.records.KeepPayload(ctx, j.ref, j.payload)
	}
	if err != nil {
		return &postponed{delay: redisDelay, reason: err.Error()}
	}
	w.metrics.decided(j.ref.Channel, k, d, j.couldGo())
	w.traceOutcome(ctx, d)
	w.logOutcome(j, k, d)
	return nil
}
