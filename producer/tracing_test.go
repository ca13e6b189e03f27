package producer_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/tasks/tracing"
)

func TestTracing(t *testing.T) {
	_, rdb := redistest.Mini(t)
	e := tracetest.NewInMemoryExporter()
	q, err := producer.New(producer.Config{Redis: rdb, TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(e))})
	require.NoError(t, err)
	hello := []lineapi.Message{lineapi.Text("hello")}
	_, err = q.EnqueueAll(t.Context(), []producer.Item{
		{Task: tasks.Push{To: "U0123456789abcdef0123456789abcdef", Messages: hello}},
		{Task: tasks.Broadcast{Messages: hello}},
	})
	require.NoError(t, err)
	_, err = q.Push(t.Context(), "nobody", hello...)
	require.Error(t, err)
	_, err = q.Enqueue(t.Context(), nil)
	require.Error(t, err)
	all := e.GetSpans()
	require.Len(t, all, 3)
	assert.Equal(t, "enqueue", all[0].Name)
	assert.Contains(t, all[0].Attributes, tracing.Tasks.Int(2))
	assert.Equal(t, "enqueue push", all[1].Name)
	assert.Equal(t, sdktrace.Status{Code: codes.Error, Description: "not enqueued"}, all[1].Status, "without the error's words")
	assert.Equal(t, "enqueue", all[2].Name)
}

func TestTracingIsFreeWhereThereIsNone(t *testing.T) {
	ctx := t.Context()
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if tracing.Headers(ctx) != nil || tracing.Tracer(nil) != nil {
			t.Fail()
		}
	}))
}
