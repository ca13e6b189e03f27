package gateway

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/lineq/lineq/tasks/tracing"
)

// beginSpan begins a request's span, in the trace that its caller's traceparent names; nil: nothing is traced.
func (g *Gateway) beginSpan(r *http.Request) (*http.Request, trace.Span) {
	if g.tracer == nil {
		return r, nil
	}
	ctx, span := g.tracer.Start(tracing.Caller(r.Context(), r.Header), r.Method, trace.WithSpanKind(trace.SpanKindServer))
	return r.WithContext(ctx), span
}

// endSpan ends it. Its name is LINE's operation: a path may hold a recipient.
func endSpan(s trace.Span, c *call, status int) {
	if s == nil {
		return
	}
	if c.target.Operation != "" {
		s.SetName(c.target.Operation)
		s.SetAttributes(attribute.String("http.route", c.target.Path))
	}
	if c.channel != nil {
		s.SetAttributes(tracing.Channel.String(c.channel.name))
	}
	s.SetAttributes(attribute.String("http.request.method", c.r.Method), attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		s.SetStatus(codes.Error, "")
	}
	s.End()
}
