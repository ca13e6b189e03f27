package linesim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

// clock stands until a test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 8, 20, 3, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type line struct {
	*linesim.Simulator
	clock  *clock
	tokens struct{ byAssertion, stateless string }
}

// start makes a simulator without limits, unless the configuration has some, on a clock of its own.
func start(t testing.TB, config linesim.Config) line {
	t.Helper()
	c := newClock()
	if config.Clock == nil {
		config.Clock = c.Now
	}
	sim, err := linesim.New(config)
	require.NoError(t, err)
	return line{Simulator: sim, clock: c}
}

var unlimited = linesim.Config{Limits: linesim.Limits{Off: true}}

// response is an answer, its JSON object decoded.
type response struct {
	*httptest.ResponseRecorder
	object map[string]any
}

func (r response) message() string { s, _ := r.object["message"].(string); return s }

func (r response) id() string { return r.Header().Get("X-Line-Request-Id") }

// call sends a request over no connection. Headers are pairs of name and value; the token is the default channel's.
func (l line) call(method, path, body string, headers ...string) response {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer simulated-token")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	l.ServeHTTP(w, r)
	a := response{ResponseRecorder: w}
	json.Unmarshal(w.Body.Bytes(), &a.object)
	return a
}

func (l line) post(path, body string, headers ...string) response {
	return l.call(http.MethodPost, path, body, headers...)
}

func (l line) get(path string) response { return l.call(http.MethodGet, path, "") }

const (
	pushPath       = "/v2/bot/message/push"
	multicastPath  = "/v2/bot/message/multicast"
	narrowcastPath = "/v2/bot/message/narrowcast"
	broadcastPath  = "/v2/bot/message/broadcast"
	replyPath      = "/v2/bot/message/reply"

	key1 = "123e4567-e89b-12d3-a456-426614174000"
	key2 = "123e4567-e89b-42d3-a456-426614174001"
)

func user(n int) string  { return fmt.Sprintf("U%032x", n) }
func group(n int) string { return fmt.Sprintf("C%032x", n) }
func room(n int) string  { return fmt.Sprintf("R%032x", n) }

func text(s string) string {
	quoted, _ := json.Marshal(s)
	return `[{"type":"text","text":` + string(quoted) + `}]`
}

func push(to, words string) string { return `{"to":"` + to + `","messages":` + text(words) + `}` }

func multicast(words string, to ...string) string {
	quoted, _ := json.Marshal(to)
	return `{"to":` + string(quoted) + `,"messages":` + text(words) + `}`
}

func assertRefused(t *testing.T, want int, message string, got response) {
	t.Helper()
	assert.Equal(t, want, got.Code)
	assert.Equal(t, message, got.message())
	assert.NotEmpty(t, got.id(), "X-Line-Request-Id is on every answer of LINE's own")
}
