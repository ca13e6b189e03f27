package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks/redistest"
)

// collected is what an OTLP receiver got.
type collected struct {
	mu    sync.Mutex
	spans map[string][]*tracepb.Span // by the service's name
	raw   bytes.Buffer
}

// ServeHTTP takes spans as a collector does.
func (c *collected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	b, err := io.ReadAll(body)
	var request collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(b, &request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		http.Error(w, "no traces", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raw.Write(b)
	for _, of := range request.ResourceSpans {
		service := ""
		for _, a := range of.Resource.Attributes {
			if a.Key == "service.name" {
				service = a.Value.GetStringValue()
			}
		}
		for _, s := range of.ScopeSpans {
			c.spans[service] = append(c.spans[service], s.Spans...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// named finds a service's spans of a name.
func (c *collected) named(service, name string) (found []*tracepb.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans[service] {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// TestTraces follows a caller's trace through the processes: the gateway, Redis, a worker, and LINE, which loses an answer.
func TestTraces(t *testing.T) {
	binary := build(t)
	redis := redistest.Start(t)
	sim, err := linesim.New(linesim.Config{Channels: []linesim.Channel{{ID: "1", Token: secretToken}}})
	require.NoError(t, err)
	require.NoError(t, sim.SetFaults([]linesim.Fault{{Kind: linesim.FaultAccept500, Count: 1}}))
	line := httptest.NewServer(sim)
	t.Cleanup(line.Close)
	got := &collected{spans: map[string][]*tracepb.Span{}}
	receiver := httptest.NewServer(got)
	t.Cleanup(receiver.Close)
	env := []string{
		"LINEQ_REDIS=redis://" + redis.Addr, "LINE_CHANNEL_ACCESS_TOKEN=" + secretToken, "LINEQ_LINE_ORIGIN=" + line.URL,
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + receiver.URL, "OTEL_BSP_SCHEDULE_DELAY=50",
	}
	work := launch(t, binary, env, "worker")
	work.await("worker started")
	serve := launch(t, binary, append(env, "OTEL_SERVICE_NAME=shop-gateway"), "serve", "--addr", "127.0.0.1:0")
	url := servedAt.FindStringSubmatch(serve.await("serving LINE's API"))[1]

	const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v2/bot/message/push",
		bytes.NewBufferString(fmt.Sprintf(`{"to":%q,"messages":[{"type":"text","text":%q}]}`, user, secretText)))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+secretToken)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Eventually(t, func() bool { return len(got.named("lineq-worker", "process push")) == 2 }, time.Minute, 10*time.Millisecond)

	served := got.named("shop-gateway", "pushMessage")
	enqueued := got.named("shop-gateway", "enqueue push")
	require.Len(t, served, 1)
	require.Len(t, enqueued, 1)
	assert.Equal(t, tracepb.Span_SPAN_KIND_SERVER, served[0].Kind)
	assert.Equal(t, served[0].SpanId, enqueued[0].ParentSpanId)
	runs, calls := got.named("lineq-worker", "process push"), got.named("lineq-worker", "pushMessage")
	require.Len(t, calls, 2)
	for i, run := range runs {
		assert.Equal(t, enqueued[0].SpanId, run.ParentSpanId)
		assert.Equal(t, run.SpanId, calls[i].ParentSpanId)
		assert.Equal(t, traceID, fmt.Sprintf("%x", calls[i].TraceId), "one trace, from the caller to LINE")
	}
	for _, p := range []*process{serve, work} {
		p.signal(syscall.SIGTERM)
		assert.Zero(t, p.wait().ExitStatus())
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	assertNoSecrets(t, got.raw.String())
	assert.NotContains(t, got.raw.String(), user)
}

// TestTracesWithoutACollector sends all the same, and says once that nobody takes the traces.
func TestTracesWithoutACollector(t *testing.T) {
	binary := build(t)
	redis := redistest.Start(t)
	sim, err := linesim.New(linesim.Config{Channels: []linesim.Channel{{ID: "1", Token: secretToken}}})
	require.NoError(t, err)
	line := httptest.NewServer(sim)
	t.Cleanup(line.Close)
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	env := []string{
		"LINEQ_REDIS=redis://" + redis.Addr, "LINE_CHANNEL_ACCESS_TOKEN=" + secretToken, "LINEQ_LINE_ORIGIN=" + line.URL,
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + nobody.URL, "OTEL_BSP_SCHEDULE_DELAY=20", "OTEL_EXPORTER_OTLP_TIMEOUT=100",
	}
	work := launch(t, binary, env, "worker")
	work.await("worker started")
	c := cli{t: t, env: map[string]string{"LINEQ_REDIS": "redis://" + redis.Addr}}
	for range 3 {
		c.ok("send", "push", "--to", user, "--text", secretText, "--wait")
	}
	work.await("traces can't be sent")
	work.signal(syscall.SIGTERM)
	assert.Zero(t, work.wait().ExitStatus())
	assert.Equal(t, 1, bytes.Count(work.all.Bytes(), []byte("traces can't be sent")))

	other := launch(t, binary, append(env, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"), "worker")
	assert.Equal(t, 2, other.wait().ExitStatus())
	assert.Contains(t, other.all.String(), "lineq speaks http/protobuf")
}
