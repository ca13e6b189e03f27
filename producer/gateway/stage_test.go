package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

const (
	token = "simulated-token" // linesim's
	user  = "U0123456789abcdef0123456789abcdef"
	group = "C0123456789abcdef0123456789abcdef"
	room  = "R0123456789abcdef0123456789abcdef"
	menu  = "richmenu-0123456789abcdef0123456789abcdef"
	hello = `{"to":"` + user + `","messages":[{"type":"text","text":"Hello"}]}`
	key   = "5f0c3f4e-9b1d-4c53-8d6a-0d0a6a3c7c11"
)

// stage is a gateway with Redis in front of a simulated LINE. Nobody sends until work is called.
type stage struct {
	*gateway.Gateway
	rdb    redis.UniversalClient
	q      *producer.Client
	sim    *linesim.Simulator
	origin string // of the simulated LINE
	logged *observer.ObservedLogs
}

type setting func(*gateway.Config)

func newStage(t testing.TB, settings ...setting) *stage {
	_, rdb := redistest.Mini(t)
	return stageOn(t, rdb, settings...)
}

func stageOn(t testing.TB, rdb redis.UniversalClient, settings ...setting) *stage {
	t.Helper()
	sim, err := linesim.New(linesim.Config{})
	require.NoError(t, err)
	line := httptest.NewServer(sim)
	t.Cleanup(line.Close)
	q, err := producer.New(producer.Config{Redis: rdb, Gather: true})
	require.NoError(t, err)
	limiter, err := limit.New(limit.Config{Redis: rdb, Limits: limit.Limits{Off: true}})
	require.NoError(t, err)
	core, logged := observer.New(zap.DebugLevel)
	cfg := gateway.Config{
		Redis: rdb, Producer: q, Origin: line.URL, DataOrigin: line.URL, Log: zap.New(core), Limiter: limiter,
		Channels: map[string]gateway.Channel{
			tasks.DefaultChannel: {CallerTokens: []string{token}, Token: lineapi.StaticToken(token)},
			"shop":               {CallerTokens: []string{"for-callers-alone"}, Token: lineapi.StaticToken(token)},
		},
	}
	for _, set := range settings {
		set(&cfg)
	}
	g, err := gateway.New(cfg)
	require.NoError(t, err)
	s := &stage{Gateway: g, rdb: rdb, q: q, sim: sim, origin: line.URL, logged: logged}
	t.Cleanup(func() {
		for _, entry := range logged.All() {
			assert.NotContains(t, entry.Message, token)
			for _, value := range entry.ContextMap() {
				text, _ := json.Marshal(value)
				assert.NotContains(t, string(text), token)
			}
		}
	})
	return s
}

// work has the tasks sent until the test ends.
func (s *stage) work(t testing.TB) {
	t.Helper()
	client, err := lineapi.New(lineapi.Config{
		Token: lineapi.StaticToken(token), Origin: s.origin, DataOrigin: s.origin,
	})
	require.NoError(t, err)
	w, err := worker.New(worker.Config{
		Redis: s.rdb, Channels: map[string]*lineapi.Client{tasks.DefaultChannel: client, "shop": client},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
}

// request is one of a caller's.
type request struct {
	method, path, body string
	header             map[string]string
}

func post(path, body string, header ...string) request {
	r := request{method: http.MethodPost, path: path, body: body, header: map[string]string{
		"Content-Type": "application/json", "Authorization": "Bearer " + token,
	}}
	for i := 0; i < len(header); i += 2 {
		r.header[header[i]] = header[i+1]
	}
	return r
}

// response is what the caller gets.
type response struct {
	status int
	header http.Header
	body   string
}

// ask has a handler answer a request that comes over no connection.
func ask(t testing.TB, h http.Handler, r request) response {
	t.Helper()
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	req := httptest.NewRequest(r.method, "http://gateway.test"+r.path, body)
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req.WithContext(t.Context()))
	return response{w.Code, w.Header(), w.Body.String()}
}

func (s *stage) ask(t testing.TB, r request) response {
	t.Helper()
	return ask(t, s, r)
}

// outcome waits until a task is decided.
func (s *stage) outcome(t testing.TB, id string) tasks.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := s.q.Wait(ctx, id)
	require.NoError(t, err)
	return r
}

// waiting counts the tasks that nobody has taken.
func (s *stage) waiting(t testing.TB) (n int) {
	t.Helper()
	for _, err := range s.q.Tasks(t.Context(), producer.Filter{}) {
		require.NoError(t, err)
		n++
	}
	return n
}
