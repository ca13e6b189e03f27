package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/tasks/redistest"
)

// stalled are requests whose bodies have begun and don't end before release.
type stalled struct {
	all     sync.WaitGroup
	pipes   []*io.PipeWriter
	answers chan int
}

// stall makes n requests of unknown length, and waits until each has had its beginning read.
func (s *stage) stall(t *testing.T, n int, path, begins string) *stalled {
	t.Helper()
	held := &stalled{answers: make(chan int, n)}
	for range n {
		read, write := io.Pipe()
		held.pipes = append(held.pipes, write)
		r := httptest.NewRequest(http.MethodPost, "http://gateway.test"+path, read)
		for name, value := range post("", "").header {
			r.Header.Set(name, value)
		}
		r.ContentLength = -1
		held.all.Go(func() {
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r.WithContext(t.Context()))
			_ = read.Close()
			held.answers <- w.Code
		})
		_, err := io.WriteString(write, begins) // returns when it has been read
		require.NoError(t, err)
	}
	return held
}

// release ends the bodies with what is missing, and returns the answers' statuses.
func (held *stalled) release(ends string) (statuses map[int]int) {
	for _, write := range held.pipes {
		_, _ = io.WriteString(write, ends)
		_ = write.Close()
	}
	held.all.Wait()
	close(held.answers)
	statuses = map[int]int{}
	for status := range held.answers {
		statuses[status]++
	}
	return statuses
}

// turnedAway is LINE's own answer to too many requests.
func turnedAway(t *testing.T, got response) {
	t.Helper()
	assert.Equal(t, http.StatusTooManyRequests, got.status)
	assert.JSONEq(t, `{"message":"The API rate limit has been exceeded. Try again later."}`, got.body)
	assert.Equal(t, "1", got.header.Get("Retry-After"))
	assert.Equal(t, "application/json", got.header.Get("Content-Type"))
	assert.NotEmpty(t, got.header.Get("X-Line-Request-Id"))
}

// More than 256 MB of requests are never on their way into Redis: the next caller is told to come again.
func TestTooMuchAtOnce(t *testing.T) {
	const most = 128 // of LINE's largest, which those of unknown length may be
	registry := prometheus.NewRegistry()
	s := newStage(t, func(c *gateway.Config) { c.Metrics = registry })
	held := s.stall(t, most, "/v2/bot/message/push", hello[:10])
	turnedAway(t, s.ask(t, post("/v2/bot/message/push", hello)))
	turnedAway(t, s.ask(t, post("/v2/bot/message/multicast", multicastTo(2, "x"))))
	assert.EqualValues(t, 2, counted(t, registry, "lineq_gateway_turned_away_total"))
	passed := request{http.MethodGet, "/v2/bot/info", "", map[string]string{"Authorization": "Bearer " + token}}
	assert.Equal(t, http.StatusOK, s.ask(t, passed).status, "what isn't queued goes on")
	for _, path := range []string{"/healthz", "/readyz"} {
		assert.Equal(t, http.StatusOK, s.ask(t, request{method: http.MethodGet, path: path}).status, path)
	}
	assert.Zero(t, s.waiting(t), "nothing of them is accepted")

	assert.Equal(t, map[int]int{http.StatusOK: most}, held.release(hello[10:]))
	assert.Equal(t, http.StatusOK, s.ask(t, post("/v2/bot/message/push", hello)).status)
	assert.Equal(t, most+1, s.waiting(t))
}

// Four multicasts to many stream in at once; a fifth comes again.
func TestTooManyLongOnes(t *testing.T) {
	const most = 4
	registry := prometheus.NewRegistry()
	s := newStage(t, func(c *gateway.Config) { c.Metrics = registry })
	long := multicastTo(80_000, "x") // beyond the 2 MB of other requests
	const beyond = 2<<20 + 64<<10
	held := s.stall(t, most, "/v2/bot/message/multicast", long[:beyond])
	turnedAway(t, s.ask(t, post("/v2/bot/message/multicast", long)))
	turnedAway(t, s.ask(t, post("/v2/bot/message/multicast", multicastTo(600, "x"))))
	assert.EqualValues(t, 2, counted(t, registry, "lineq_gateway_turned_away_total"))
	assert.Equal(t, http.StatusOK, s.ask(t, post("/v2/bot/message/multicast", multicastTo(500, "x"))).status, "few are no trouble")
	assert.Equal(t, http.StatusOK, s.ask(t, post("/v2/bot/message/push", hello)).status)

	assert.Equal(t, map[int]int{http.StatusOK: most}, held.release(long[beyond:]))
	got := s.ask(t, post("/v2/bot/message/multicast", multicastTo(600, "x")))
	assert.Equal(t, http.StatusOK, got.status, got.body)
	all, err := s.q.Campaigns(t.Context())
	require.NoError(t, err)
	assert.Len(t, all, most+1)
}

func counted(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.Metric[0].Counter.GetValue()
		}
	}
	return 0
}

// theMillion is the body of a multicast to a million, made as it is read.
type theMillion struct {
	n    int
	rest bytes.Buffer
}

func (m *theMillion) Read(b []byte) (int, error) {
	const million = 1_000_000
	for m.rest.Len() == 0 {
		switch {
		case m.n == 0:
			m.rest.WriteString(`{"messages":[{"type":"text","text":"x"}],"to":[`)
		case m.n > million:
			return 0, io.EOF
		}
		for ; m.rest.Len() < 64<<10 && m.n < million; m.n++ {
			if m.n > 0 {
				m.rest.WriteByte(',')
			}
			fmt.Fprintf(&m.rest, `"U%032x"`, m.n)
		}
		if m.n == million {
			m.rest.WriteString("]}")
			m.n++
		}
	}
	return m.rest.Read(b)
}

// A multicast to a million, whose body is 36 MB, costs its ids' 33 MB, what they grow by, and the intake of its campaign.
func TestAMillionInBoundedMemory(t *testing.T) {
	s := stageOn(t, redistest.Start(t).Client(t))
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // what is alive is what counts
	runtime.GC()
	heap := func() uint64 {
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		return now.HeapAlloc
	}
	before, most := heap(), uint64(0)
	answered, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		for tick := time.NewTicker(time.Millisecond); ; {
			most = max(most, heap())
			select {
			case <-answered:
				return
			case <-tick.C:
			}
		}
	}()
	r := httptest.NewRequest(http.MethodPost, "/v2/bot/message/multicast", &theMillion{})
	for name, value := range post("", "").header {
		r.Header.Set(name, value)
	}
	r.ContentLength = -1
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r.WithContext(t.Context()))
	close(answered)
	<-watched
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	t.Logf("%d MB at most, beside %d MB before", (most-before)>>20, before>>20)
	assert.Less(t, most-before, uint64(160<<20))
	sum, err := s.q.CampaignSummary(t.Context(), w.Header().Get("X-Lineq-Campaign"))
	require.NoError(t, err)
	assert.EqualValues(t, 1_000_000, sum.Recipients)
}
