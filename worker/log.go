package worker

import (
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// logOutcome writes the one line that every decision gets: what went well at the first try at Debug, the rest louder.
func (w *Worker) logOutcome(j *job, k tasks.Kind, d record.Decision) {
	level := zap.WarnLevel
	switch {
	case d.Outcome == tasks.OutcomeSent && d.Attempts <= 1:
		level = zap.DebugLevel
	case d.Outcome == tasks.OutcomeSent:
		level = zap.InfoLevel
	}
	entry := w.log.Check(level, string(d.Outcome))
	if entry == nil {
		return
	}
	fields := []zap.Field{
		zap.String("channel", j.ref.Channel), zap.String("task_id", j.ref.ID), zap.String("kind", string(k)),
		zap.String("outcome", string(d.Outcome)), zap.Int("attempt", d.Attempts), zap.String("request_id", d.RequestID),
	}
	if d.Replayed {
		fields = append(fields, zap.Bool("replayed", true))
	}
	if d.Reason != "" {
		fields = append(fields, zap.String("reason", string(d.Reason)), zap.String("error", d.Error))
	}
	entry.Write(fields...)
}

// logWaiting tells of a task that must come again: the first time aloud. What a whole channel waits for is told elsewhere,
// once for all its tasks.
func (w *Worker) logWaiting(j *job, begun record.Begun, v verdict) {
	fields := []zap.Field{
		zap.String("channel", j.Channel), zap.String("task_id", j.ID), zap.String("kind", string(j.Task.Kind())),
		zap.Int("attempt", begun.Attempts), zap.String("reason", string(v.Reason)), zap.String("error", v.Error),
		zap.String("request_id", v.RequestID), zap.Duration("wait", v.delay),
	}
	level := zap.InfoLevel
	switch {
	case begun.Attempts > 1, v.Reason == lineapi.Auth, v.Reason == lineapi.Quota, v.Reason == lineapi.RateLimited:
		level = zap.DebugLevel
	}
	w.log.Log(level, "waiting", fields...)
}

// alarmEvery is how often the same alarm is repeated.
const alarmEvery = 10 * time.Minute

// alarms remembers which were raised when. The zero value is ready.
type alarms struct {
	mu     sync.Mutex
	raised map[string]time.Time
}

func (a *alarms) due(name string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last, ok := a.raised[name]; ok && now.Sub(last) < alarmEvery {
		return false
	}
	if a.raised == nil {
		a.raised = map[string]time.Time{}
	}
	a.raised[name] = now
	return true
}

// asynqLog is asynq's log in ours. What asynq calls news is none for an operator, and what it says about a Redis that is
// away has been said once.
type asynqLog struct {
	*zap.SugaredLogger
	health *health
}

func (l asynqLog) Info(args ...any)  { l.SugaredLogger.Debug(args...) }
func (l asynqLog) Warn(args ...any)  { l.say(zap.WarnLevel, args) }
func (l asynqLog) Error(args ...any) { l.say(zap.ErrorLevel, args) }
func (l asynqLog) Fatal(args ...any) { l.SugaredLogger.Error(args...) }

func (l asynqLog) say(level zapcore.Level, args []any) {
	line := fmt.Sprint(args...)
	if l.health.covers(line) {
		level = zap.DebugLevel
	}
	l.SugaredLogger.Log(level, line)
}
