package tracing_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/tasks/tracing"
)

func TestCallersTracestateStaysBehind(t *testing.T) {
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	ctx := tracing.Caller(t.Context(), map[string][]string{"Traceparent": {parent}, "Tracestate": {"shop=U0123456789abcdef"}})
	assert.Equal(t, map[string]string{"traceparent": parent}, tracing.Headers(ctx))
	assert.Nil(t, tracing.Headers(tracing.Caller(t.Context(), nil)), "no caller, no trace")
}
