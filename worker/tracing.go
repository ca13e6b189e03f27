package worker

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/hibiken/asynq"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/tracing"
)

// Each run of a task is a span in the trace of what enqueued it, however long ago, and each request to LINE one in that. A
// campaign has a span for each unit of work, a multicast or a block of pushes, which is linked to its intake: a span for each
// of a million recipients would cost more than the sending. Without a tracer, nothing of this is done.

// beginRun begins the span of a task's run; nil: nothing is traced.
func (w *Worker) beginRun(ctx context.Context, t *asynq.Task, j *job) (context.Context, trace.Span) {
	if w.tracer == nil {
		return ctx, nil
	}
	return w.tracer.Start(tracing.From(ctx, t.Headers()), "process "+t.Type(), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(tracing.Channel.String(j.Channel), tracing.Kind.String(t.Type())))
}

// endRun ends it. A run after which the task comes again is no error.
func endRun(s trace.Span, err error) {
	if s == nil {
		return
	}
	if p, ok := errors.AsType[*postponed](err); ok {
		s.AddEvent("it comes again", trace.WithAttributes(attribute.Int64("lineq.delay_ms", p.delay.Milliseconds())))
	}
	s.End()
}

// traceTurn tells how long a run waited for its turn within LINE's limits.
func (w *Worker) traceTurn(ctx context.Context, waited time.Duration) {
	if w.tracer == nil {
		return
	}
	trace.SpanFromContext(ctx).AddEvent("turn within LINE's limits",
		trace.WithAttributes(attribute.Int64("lineq.waited_ms", waited.Milliseconds())))
}

// traceOutcome tells how a task was decided.
func (w *Worker) traceOutcome(ctx context.Context, d record.Decision) {
	if w.tracer == nil {
		return
	}
	trace.SpanFromContext(ctx).SetAttributes(tracing.Outcome.String(string(d.Outcome)), tracing.Reason.String(string(d.Reason)))
}

// beginCall begins the span of a request to LINE; nil: nothing is traced.
func (w *Worker) beginCall(ctx context.Context, j *job, begun record.Begun) (context.Context, trace.Span) {
	if w.tracer == nil {
		return ctx, nil
	}
	e := j.policy.Endpoint
	return w.tracer.Start(ctx, e.Operation, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("http.request.method", e.Method), attribute.String("url.template", e.Path),
		tracing.Attempt.Int(begun.Attempts)))
}

// endCall ends it. LINE's words aren't told: they may quote a message.
func endCall(s trace.Span, a answer) {
	if s == nil {
		return
	}
	status, id := a.endpoint.OK, a.receipt.RequestID
	if a.receipt.Replayed {
		status = http.StatusConflict
	}
	if e, ok := errors.AsType[*lineapi.Error](a.err); ok {
		status, id = e.Status, e.RequestID
		s.SetAttributes(tracing.Reason.String(string(e.Reason)))
	}
	if a.err != nil {
		s.SetStatus(codes.Error, "")
	}
	if status != 0 {
		s.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	if id != "" {
		s.SetAttributes(tracing.RequestID.String(id))
	}
	s.End()
}

// beginUnit begins the span of a unit of a campaign, in a trace of its own; nil: nothing is traced.
func (l *laneRun) beginUnit(ctx context.Context, pushes bool) (context.Context, trace.Span) {
	if l.w.tracer == nil {
		return ctx, nil
	}
	name := "send multicast of campaign"
	if pushes {
		name = "send pushes of campaign"
	}
	options := []trace.SpanStartOption{
		trace.WithNewRoot(), trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(tracing.Channel.String(l.plan.channel), tracing.Campaign.String(l.plan.id)),
	}
	if intake := trace.SpanContextFromContext(tracing.From(context.Background(), l.plan.plan.Trace)); intake.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: intake}))
	}
	return l.w.tracer.Start(ctx, name, options...)
}

// endUnit ends it.
func (p *pass) endUnit() {
	if p.span == nil {
		return
	}
	recipients := 0
	for _, part := range p.parts {
		recipients += part.Recipients
	}
	p.span.SetAttributes(tracing.Recipients.Int(recipients), tracing.Requests.Int64(int64(p.calls.Load())))
	p.span.End()
}
