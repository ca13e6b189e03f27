// Package tracing carries OpenTelemetry's trace of a message from the process that enqueues it to the one that sends it, in the
// headers of asynq's task: not in its payload, which makes up the task's identity. The format is W3C's Trace Context.
//
// A span is named by what is done, and carries channel, kind, attempt, outcome and reason, in lineq's own words; never a
// recipient, a text or a token.
package tracing

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Scope names the instrumentation.
const Scope = "github.com/lineq/lineq"

// What spans carry.
const (
	Channel  = attribute.Key("lineq.channel")
	Kind     = attribute.Key("lineq.kind")
	Tasks    = attribute.Key("lineq.tasks") // how many
	Attempt  = attribute.Key("lineq.attempt")
	Outcome  = attribute.Key("lineq.outcome")
	Reason   = attribute.Key("lineq.reason")
	Campaign = attribute.Key("lineq.campaign") // its ID
	// Recipients is how many there are, and Requests how many requests a unit of a campaign took.
	Recipients = attribute.Key("lineq.recipients")
	Requests   = attribute.Key("lineq.requests")
	RequestID  = attribute.Key("line.request_id") // LINE's x-line-request-id
)

var format propagation.TraceContext

// Tracer is the provider's; nil: there is none, and nothing is traced.
func Tracer(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		return nil
	}
	return p.Tracer(Scope)
}

// Headers carry the trace of ctx; nil: it has none.
func Headers(ctx context.Context) map[string]string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return nil
	}
	headers := propagation.MapCarrier{}
	format.Inject(ctx, headers)
	return headers
}

// From is a context with the trace that the headers carry. What isn't one is left out.
func From(ctx context.Context, headers map[string]string) context.Context {
	return format.Extract(ctx, propagation.MapCarrier(headers))
}

// Caller is a context with the trace of an HTTP request's caller. Its tracestate stays behind: thousands of bytes that are the
// caller's, which each task would keep in Redis.
func Caller(ctx context.Context, headers map[string][]string) context.Context {
	ctx = format.Extract(ctx, propagation.HeaderCarrier(headers))
	span := trace.SpanContextFromContext(ctx)
	return trace.ContextWithRemoteSpanContext(ctx, span.WithTraceState(trace.TraceState{}))
}
