package worker_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// traced is a stage whose producer and worker tell their spans.
func traced(t *testing.T, rdb redis.UniversalClient) (*stage, *tracetest.InMemoryExporter) {
	t.Helper()
	s := newStage(t, rdb, linesim.Config{})
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	var err error
	s.q, err = producer.New(producer.Config{Redis: rdb, TracerProvider: provider})
	require.NoError(t, err)
	s.work(t, func(c *worker.Config) { c.TracerProvider = provider })
	return s, exporter
}

// spans waits until there are so many of a name.
func spans(t *testing.T, e *tracetest.InMemoryExporter, name string, n int) (found tracetest.SpanStubs) {
	t.Helper()
	require.Eventually(t, func() bool {
		found = nil
		for _, s := range e.GetSpans() {
			if s.Name == name {
				found = append(found, s)
			}
		}
		return len(found) >= n
	}, time.Minute, 5*time.Millisecond, "%s: %v", name, e.GetSpans())
	require.Len(t, found, n, name)
	return found
}

func told(s tracetest.SpanStub) map[attribute.Key]string {
	all := map[attribute.Key]string{}
	for _, kv := range s.Attributes {
		all[kv.Key] = kv.Value.String()
	}
	return all
}

// From the app's own span to LINE, over a repeat, it is one trace.
func TestTraceOfAPush(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s, e := traced(t, rdb)
		require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultAccept500, Count: 1}}))
		app := sdktrace.NewTracerProvider(sdktrace.WithSyncer(e))
		ctx, root := app.Tracer("app").Start(t.Context(), "order shipped")
		ticket, err := s.q.Push(ctx, user(1), lineapi.Text(secretText))
		root.End()
		require.NoError(t, err)
		require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)

		enqueue := spans(t, e, "enqueue push", 1)[0]
		runs := spans(t, e, "process push", 2)
		calls := spans(t, e, "pushMessage", 2)
		assert.Equal(t, root.SpanContext().SpanID(), enqueue.Parent.SpanID())
		assert.Equal(t, trace.SpanKindProducer, enqueue.SpanKind)
		for i, run := range runs {
			assert.Equal(t, root.SpanContext().TraceID(), run.SpanContext.TraceID())
			assert.Equal(t, enqueue.SpanContext.SpanID(), run.Parent.SpanID())
			assert.Equal(t, trace.SpanKindConsumer, run.SpanKind)
			assert.Equal(t, run.SpanContext.SpanID(), calls[i].Parent.SpanID())
			assert.Equal(t, trace.SpanKindClient, calls[i].SpanKind)
			assert.Equal(t, "/v2/bot/message/push", told(calls[i])["url.template"])
			assert.Equal(t, fmt.Sprint(i+1), told(calls[i])["lineq.attempt"])
			assert.NotEmpty(t, told(calls[i])["line.request_id"])
		}
		assert.Equal(t, "500", told(calls[0])["http.response.status_code"])
		assert.Equal(t, "server", told(calls[0])["lineq.reason"])
		assert.Empty(t, told(runs[0])["lineq.outcome"])
		assert.Equal(t, "409", told(calls[1])["http.response.status_code"])
		assert.Equal(t, "sent", told(runs[1])["lineq.outcome"])
		nothingSecretIn(t, e)
	})
}

func nothingSecretIn(t *testing.T, e *tracetest.InMemoryExporter) {
	t.Helper()
	for _, s := range e.GetSpans() {
		text := fmt.Sprintf("%s %v %v %v", s.Name, s.Attributes, s.Events, s.Status)
		assert.NotContains(t, text, secretText)
		assert.NotContains(t, text, user(1))
		assert.NotContains(t, text, linesim.DefaultChannel.Token)
	}
}

// A campaign has a span for each unit, linked to its intake, and none for a recipient.
func TestTraceOfACampaign(t *testing.T) {
	t.Parallel()
	s, e := traced(t, redistest.Start(t).Client(t))
	_, err := s.q.Campaign(t.Context(), producer.Campaign{
		ID: "sale", Messages: []lineapi.Message{lineapi.Text(secretText)},
		To: func(yield func(producer.Recipient, error) bool) {
			for i := range 1200 {
				if !yield(producer.Recipient{To: user(i)}, nil) {
					return
				}
			}
		},
	})
	require.NoError(t, err)
	require.Equal(t, campaign.StateFinished, s.ended(t, "sale").State)
	intake := spans(t, e, "take in campaign", 1)[0]
	assert.Equal(t, "1200", told(intake)["lineq.recipients"])
	units := spans(t, e, "send multicast of campaign", 3)
	for _, u := range units {
		require.Len(t, u.Links, 1)
		assert.Equal(t, intake.SpanContext.SpanID(), u.Links[0].SpanContext.SpanID())
		assert.Equal(t, "1", told(u)["lineq.requests"])
	}
	assert.Len(t, e.GetSpans(), 4)
	nothingSecretIn(t, e)
}

// Without a provider, a span that the app has goes along, and nobody makes another.
func TestTraceWithoutAProvider(t *testing.T) {
	t.Parallel()
	_, rdb := redistest.Mini(t)
	s := newStage(t, rdb, linesim.Config{})
	e := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(e))
	ctx, root := provider.Tracer("app").Start(context.Background(), "order shipped")
	ticket, err := s.q.Push(ctx, user(1), lineapi.Text(secretText))
	require.NoError(t, err)
	s.work(t, func(c *worker.Config) { c.TracerProvider = provider })
	require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	assert.Equal(t, root.SpanContext().SpanID(), spans(t, e, "process push", 1)[0].Parent.SpanID())

	untraced, err := s.q.Push(t.Context(), user(1), lineapi.Text(secretText))
	require.NoError(t, err)
	require.Equal(t, tasks.OutcomeSent, s.wait(t, untraced).Outcome)
	assert.NotEqual(t, root.SpanContext().TraceID(), spans(t, e, "process push", 2)[1].SpanContext.TraceID())
}
