package producer

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/tracing"
)

// span begins a span of this client's; nil: it makes none.
func (c *Client) span(ctx context.Context, name string) (context.Context, trace.Span) {
	if c.tracer == nil {
		return ctx, nil
	}
	return c.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindProducer))
}

// enqueued ends the span of a call that enqueued one task.
func enqueued(s trace.Span, t Ticket, err error) {
	if s == nil {
		return
	}
	s.SetAttributes(tracing.Channel.String(t.Channel), tracing.Kind.String(string(t.Kind)), tracing.Tasks.Int(1))
	if t.Duplicate {
		s.AddEvent("it was enqueued before")
	}
	ended(s, err)
}

// enqueuedAll ends that of one that enqueued many.
func enqueuedAll(s trace.Span, tickets []Ticket, err error) {
	if s == nil {
		return
	}
	s.SetAttributes(tracing.Tasks.Int(len(tickets)))
	ended(s, err)
}

// takenIn ends that of a campaign's intake.
func takenIn(s trace.Span, r Report, err error) {
	if s == nil {
		return
	}
	s.SetAttributes(tracing.Campaign.String(r.ID), tracing.Recipients.Int64(r.Recipients))
	ended(s, err)
}

// ended ends a span. Its status doesn't have the error's words, which may be those of the caller's task.
func ended(s trace.Span, err error) {
	if err != nil {
		s.SetStatus(codes.Error, "not enqueued")
	}
	s.End()
}

// taskSpan begins the span of one task. Its name is only made where somebody reads it.
func (c *Client) taskSpan(ctx context.Context, t tasks.Task) (context.Context, trace.Span) {
	switch {
	case c.tracer == nil:
		return ctx, nil
	case t == nil:
		return c.span(ctx, "enqueue")
	}
	return c.span(ctx, "enqueue "+string(t.Kind()))
}
