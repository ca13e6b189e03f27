package worker

import (
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// logOutcome writes the one line that every decision gets: what went well at the first try at Debug, the rest louder.
func (w *Worker) logOutcome(j *job, k tasks.Kind, d record.Decision) {
	fields := []zap.Field{
		zap.String("channel", j.ref.Channel), zap.String("task_id", j.ref.ID), zap.String("kind", string(k)),
		zap.String("outcome", string(d.Outcome)), zap.Int("attempt", d.Attempts),
		zap.String("request_id", d.RequestID),
	}
	if d.Replayed {
		fields = append(fields, zap.Bool("replayed", true))
	}
	if d.Outcome == tasks.OutcomeSent {
		if d.Attempts <= 1 {
			w.log.Debug("sent", fields...)
		} else {
			w.log.Info("sent", fields...)
		}
		return
	}
	w.log.Warn(string(d.Outcome), append(fields, zap.String("reason", string(d.Reason)), zap.String("error", d.Error))...)
}

// logWaiting tells of a task that must come again: aloud where somebody has to act, and the first time.
func (w *Worker) logWaiting(j *job, begun record.Begun, v verdict) {
	fields := []zap.Field{
		zap.String("channel", j.Channel), zap.String("task_id", j.ID), zap.String("kind", string(j.Task.Kind())),
		zap.Int("attempt", begun.Attempts), zap.String("reason", string(v.Reason)), zap.String("error", v.Error),
		zap.String("request_id", v.RequestID), zap.Duration("wait", v.delay),
	}
	switch {
	case begun.Attempts > 1:
		w.log.Debug("waiting", fields...)
	case v.Reason == lineapi.Auth || v.Reason == lineapi.Quota:
		w.log.Error("waiting: somebody must act", fields...)
	default:
		w.log.Info("waiting", fields...)
	}
}

// asynqLog is asynq's log in ours. What asynq calls news is none for an operator.
type asynqLog struct{ *zap.SugaredLogger }

func (l asynqLog) Info(args ...any)  { l.SugaredLogger.Debug(args...) }
func (l asynqLog) Fatal(args ...any) { l.SugaredLogger.Error(args...) }
