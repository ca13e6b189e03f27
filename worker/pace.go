package worker

import (
	"context"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
)

// comeBackEarly is how long before its reserved permit a task is brought back: asynq brings it up to 1.5 s late and cuts
// fractions of a second off, and the rest is waited for here.
const comeBackEarly = 1500 * time.Millisecond

// patience is how long a task may wait for its permit where it is. On a channel's own queue it is in nobody's way, and
// coming again would cost Redis twenty times as much as waiting; on the shared queues somebody else waits behind it.
func patience(l tasks.Line) time.Duration {
	switch l {
	case tasks.LinePush, tasks.LineBulk:
		return 8 * time.Second
	case tasks.LineSlow:
		return 2 * comeBackEarly
	default:
		return 100 * time.Millisecond
	}
}

func priority(l tasks.Line) limit.Priority {
	switch l {
	case tasks.LineUrgent:
		return limit.Urgent
	case tasks.LineBulk:
		return limit.Bulk
	default:
		return limit.Ordinary
	}
}

// request is what the task asks the limiter for.
func (j *job) request() limit.Request {
	line, _, _ := tasks.ParseQueue(j.queue)
	return limit.Request{
		Channel: j.Channel, Endpoint: j.policy.Endpoint, Priority: priority(line), ID: j.ID, Patience: patience(line),
	}
}

// permit lets the task wait for its turn within LINE's limits. The context that it returns carries the permit to the
// call.
func (w *Worker) permit(ctx context.Context, j *job) (context.Context, error) {
	request := j.request()
	if j.Task.Kind() == tasks.KindPublishRichMenu {
		return ctx, nil // each of its steps calls another endpoint, and waits for that one's permit when it calls
	}
	start := time.Now()
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(w.waits, stop)()
	turn, err := w.limiter.Take(waiting, request)
	switch {
	case w.waits.Err() != nil && (err != nil || turn.Wait > 0):
		return nil, &postponed{reason: "the worker stops"}
	case err != nil:
		return nil, &postponed{delay: redisDelay, reason: err.Error()}
	case turn.Wait > 0:
		return nil, &postponed{delay: comeBack(turn.Wait), reason: waitsFor(turn)}
	}
	waited := time.Since(start)
	w.metrics.waited(j.Channel, j.policy.Endpoint, waited)
	w.traceTurn(ctx, waited)
	return limit.With(ctx, request.Endpoint, request.Priority, turn), nil
}

// comeBack is when a task returns that must wait for so long.
func comeBack(wait time.Duration) time.Duration { return max(wait-comeBackEarly, 0) }

func waitsFor(t limit.Turn) string {
	if t.Broken {
		return "waits until LINE's endpoint works again"
	}
	return "waits for its turn within LINE's limits"
}

// lowerLimit tells that another process keeps a lower limit than this one, which holds for both.
func (w *Worker) lowerLimit(name string, e endpoint.Endpoint, ours, kept time.Duration) {
	w.log.Warn("another process keeps a lower limit, which holds: give both the same",
		zap.String("channel", name), zap.String("operation", e.Operation),
		zap.String("ours", perSecond(ours)), zap.String("kept", perSecond(kept)))
}

// breaker tells that an endpoint fails for everybody, and that it works again.
func (w *Worker) breaker(name string, e endpoint.Endpoint, open bool) {
	fields := []zap.Field{zap.String("channel", name), zap.String("operation", e.Operation)}
	if open {
		w.metrics.breakers.WithLabelValues(name, e.Operation).Inc()
		w.log.Warn("LINE's endpoint fails: sends wait, and one at a time tries whether it works again", fields...)
		return
	}
	w.log.Info("LINE's endpoint works again", fields...)
}

func perSecond(interval time.Duration) string {
	return strconv.FormatFloat(float64(time.Second)/float64(interval), 'g', 4, 64) + "/s"
}
