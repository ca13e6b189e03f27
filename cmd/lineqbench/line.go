package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"
)

// line takes LINE's part where LINE shall cost next to nothing: it counts the requests and answers them at once.
type line struct {
	*httptest.Server
	count       atomic.Int64
	first, last atomic.Int64 // Unix nanoseconds
	changed     chan struct{}
	latency     time.Duration // before every answer

	watching atomic.Bool
	mu       sync.Mutex
	at       map[string]time.Time // first arrivals by recipient, while watching
}

// requestID is of LINE's form.
const requestID = "16b4a4a6-2bc5-075f-ca30-a3021139fc69"

func startLine() *line {
	l := &line{changed: make(chan struct{}, 1), at: map[string]time.Time{}}
	l.Server = httptest.NewServer(l)
	return l
}

func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	if l.watching.Load() {
		l.note(r.Body, now)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("X-Line-Request-Id", requestID)
	w.Header().Set("Content-Type", "application/json")
	push := r.URL.Path == "/v2/bot/message/push"
	if !push && r.URL.Path != "/v2/bot/message/multicast" {
		_, _ = io.WriteString(w, `{}`) // what a campaign asks for before it starts
		return
	}
	if l.latency > 0 {
		time.Sleep(l.latency)
	}
	l.first.CompareAndSwap(0, now.UnixNano())
	l.last.Store(now.UnixNano())
	l.count.Add(1)
	select {
	case l.changed <- struct{}{}:
	default:
	}
	answer := `{}`
	if push {
		answer = `{"sentMessages":[{"id":"1"}]}`
	}
	_, _ = io.WriteString(w, answer)
}

func (l *line) note(body io.Reader, now time.Time) {
	var push struct{ To string }
	if json.NewDecoder(body).Decode(&push) != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, again := l.at[push.To]; !again {
		l.at[push.To] = now
	}
}

// reset forgets all that has arrived.
func (l *line) reset() {
	l.count.Store(0)
	l.first.Store(0)
	l.mu.Lock()
	l.at = map[string]time.Time{}
	l.mu.Unlock()
}

// arrived waits until there were n requests, and returns the time from the first to the last.
func (l *line) arrived(ctx context.Context, n int) (time.Duration, error) {
	for l.count.Load() < int64(n) {
		select {
		case <-l.changed:
		case <-ctx.Done():
			return 0, fmt.Errorf("%d of %d requests arrived: %w", l.count.Load(), n, ctx.Err())
		}
	}
	return time.Duration(l.last.Load() - l.first.Load()), nil
}

// arrival waits for the push to one recipient and returns when it arrived.
func (l *line) arrival(ctx context.Context, to string) (time.Time, error) {
	for {
		l.mu.Lock()
		at, ok := l.at[to]
		l.mu.Unlock()
		if ok {
			return at, nil
		}
		select {
		case <-l.changed:
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}

// user is the id of one recipient.
func user(n int) string { return fmt.Sprintf("U%032x", n) }
