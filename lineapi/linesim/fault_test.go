package linesim_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

func (l line) send(headers ...string) response {
	return l.post(pushPath, push(user(1), "a"), headers...)
}

func faulty(t *testing.T, faults ...linesim.Fault) line {
	t.Helper()
	l := start(t, unlimited)
	require.NoError(t, l.SetFaults(faults))
	return l
}

func TestFaults(t *testing.T) {
	t.Run("refuse", func(t *testing.T) {
		l := faulty(t, linesim.Fault{Kind: linesim.FaultRefuse})
		assertRefused(t, 500, "Internal Server Error", l.send())
		assert.Zero(t, l.Ledger().Totals())
	})
	t.Run("refuse with a status", func(t *testing.T) {
		for status, text := range map[int]string{
			503: "Service Unavailable",
			401: authText("invalid token"),
			429: "The API rate limit has been exceeded. Try again later.",
		} {
			l := faulty(t, linesim.Fault{Kind: linesim.FaultRefuse, Status: status})
			assertRefused(t, status, text, l.send())
		}
	})
	t.Run("accept_500", func(t *testing.T) {
		l := faulty(t, linesim.Fault{Kind: linesim.FaultAccept500, Count: 1})
		first := l.send("X-Line-Retry-Key", key1)
		assertRefused(t, 500, "Internal Server Error", first)
		assert.Equal(t, 1, l.Ledger().Count(user(1)))
		second := l.send("X-Line-Retry-Key", key1)
		assert.Equal(t, 409, second.Code)
		assert.Equal(t, first.id(), second.Header().Get("X-Line-Accepted-Request-Id"))
		assert.Equal(t, map[linesim.FaultKind]int64{linesim.FaultAccept500: 1}, l.Stats().Faults)
	})
	t.Run("accept_500 waits for a request that is accepted", func(t *testing.T) {
		l := faulty(t, linesim.Fault{Kind: linesim.FaultAccept500, Count: 1})
		assert.Equal(t, 400, l.post(pushPath, push("x", "a")).Code)
		assert.Len(t, l.Faults(), 1)
		assert.Equal(t, 500, l.send().Code)
		assert.Empty(t, l.Faults())
	})
	t.Run("edge_html", func(t *testing.T) {
		l := faulty(t, linesim.Fault{Kind: linesim.FaultEdgeHTML, Status: 400})
		got := l.send()
		assert.Equal(t, 400, got.Code)
		assert.Equal(t, "text/html", got.Header().Get("Content-Type"))
		assert.Contains(t, got.Body.String(), "<html>")
		assert.Empty(t, got.id())
		assert.Zero(t, l.Ledger().Totals())
	})
	for kind, arrived := range map[linesim.FaultKind]int{linesim.FaultCut: 0, linesim.FaultAcceptCut: 1} {
		t.Run(string(kind), func(t *testing.T) {
			l := faulty(t, linesim.Fault{Kind: kind})
			server := httptest.NewServer(l)
			defer server.Close()
			r, err := http.NewRequest("POST", server.URL+pushPath, strings.NewReader(push(user(1), "a")))
			require.NoError(t, err)
			r.Header.Set("Authorization", "Bearer simulated-token")
			r.Header.Set("Content-Type", "application/json")
			_, err = server.Client().Do(r)
			assert.ErrorContains(t, err, "EOF")
			assert.Equal(t, arrived, l.Ledger().Count(user(1)))
			assert.PanicsWithValue(t, http.ErrAbortHandler, func() { l.send() }, "without a connection")
			assert.Equal(t, map[int]int64{0: 2}, l.Stats().Requests["pushMessage"])
		})
	}
	t.Run("Operation", func(t *testing.T) {
		l := faulty(t, linesim.Fault{Kind: linesim.FaultRefuse, Operation: "getProfile"})
		assert.Equal(t, 200, l.send().Code)
		assert.Equal(t, 500, l.get("/v2/bot/profile/"+user(1)).Code)
	})
	t.Run("no Operation means all that send", func(t *testing.T) {
		l := faulty(t, linesim.Fault{Kind: linesim.FaultRefuse})
		for _, path := range []string{pushPath, multicastPath, narrowcastPath, broadcastPath, replyPath} {
			assert.Equal(t, 500, l.post(path, "{}").Code)
		}
		assert.Equal(t, 200, l.get("/v2/bot/info").Code)
	})
	t.Run("Count", func(t *testing.T) {
		l := faulty(t, linesim.Fault{Kind: linesim.FaultRefuse, Count: 2}, linesim.Fault{Kind: linesim.FaultEdgeHTML, Count: 1})
		var codes []int
		for range 4 {
			codes = append(codes, l.send().Code)
		}
		assert.Equal(t, []int{503, 500, 500, 200}, codes)
	})
	t.Run("Share", func(t *testing.T) {
		run := func(seed uint64) (codes []int) {
			l := start(t, linesim.Config{Seed: seed, Limits: linesim.Limits{Off: true}})
			require.NoError(t, l.SetFaults([]linesim.Fault{{Kind: linesim.FaultRefuse, Share: 0.25}}))
			for range 1000 {
				codes = append(codes, l.send().Code)
			}
			return codes
		}
		codes := run(1)
		refused := 0
		for _, code := range codes {
			if code == 500 {
				refused++
			}
		}
		assert.InDelta(t, 250, refused, 60)
		assert.Equal(t, codes, run(1), "the same seed, the same faults")
		assert.NotEqual(t, codes, run(2))
	})
	for name, f := range map[string]linesim.Fault{
		"kind":      {Kind: "flood"},
		"Operation": {Kind: linesim.FaultCut, Operation: "push"},
		"Share":     {Kind: linesim.FaultCut, Share: 1.1},
		"Count":     {Kind: linesim.FaultCut, Count: -1},
		"Delay":     {Kind: linesim.FaultDelay},
		"Status":    {Kind: linesim.FaultRefuse, Status: 200},
	} {
		t.Run("wrong "+name, func(t *testing.T) {
			l := start(t, unlimited)
			assert.Error(t, l.SetFaults([]linesim.Fault{f}))
			assert.Empty(t, l.Faults())
		})
	}
}

func TestWaits(t *testing.T) {
	t.Run("Latency and delay add up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := start(t, linesim.Config{Latency: 100 * time.Millisecond})
			require.NoError(t, l.SetFaults([]linesim.Fault{{Kind: linesim.FaultDelay, Delay: 2 * time.Second, Count: 1}}))
			began := time.Now()
			assert.Equal(t, 200, l.send().Code)
			assert.Equal(t, 2100*time.Millisecond, time.Since(began))
			assert.Equal(t, 200, l.send().Code)
			assert.Equal(t, 2200*time.Millisecond, time.Since(began))
		})
	})
	t.Run("a caller that leaves gets no answer and may have been accepted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := start(t, linesim.Config{Latency: time.Hour})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			r := httptest.NewRequestWithContext(ctx, "POST", pushPath, strings.NewReader(push(user(1), "a")))
			r.Header.Set("Authorization", "Bearer simulated-token")
			r.Header.Set("Content-Type", "application/json")
			assert.PanicsWithValue(t, http.ErrAbortHandler, func() { l.ServeHTTP(httptest.NewRecorder(), r) })
			assert.Equal(t, 1, l.Ledger().Count(user(1)))
		})
	})
}
