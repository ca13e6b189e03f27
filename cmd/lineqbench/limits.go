package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// strictLINE is the simulated LINE with its published limits and room for a tenth of a second's worth, and a note of when
// it accepted what.
type strictLINE struct {
	*linesim.Simulator
	server *httptest.Server
	mu     sync.Mutex
	uses   map[string]*use // by path
}

// use is how much of one endpoint's limit was used.
type use struct {
	limit    endpoint.Limit
	from, to time.Time // from the first accepted request, for so long
	accepted int
}

func startStrictLINE(latency, watched time.Duration) (*strictLINE, error) {
	sim, err := linesim.New(linesim.Config{Latency: latency})
	if err != nil {
		return nil, err
	}
	s := &strictLINE{Simulator: sim, uses: map[string]*use{
		endpoint.PushMessage.Path: {limit: endpoint.PushMessage.Limit}, endpoint.Multicast.Path: {limit: endpoint.Multicast.Limit},
	}}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		seen := &statusSeen{ResponseWriter: w}
		sim.ServeHTTP(seen, r)
		if u := s.uses[r.URL.Path]; u != nil && seen.status == http.StatusOK {
			s.mu.Lock()
			defer s.mu.Unlock()
			if u.from.IsZero() {
				u.from, u.to = now, now.Add(watched)
			}
			if now.Before(u.to) {
				u.accepted++
			}
		}
	}))
	return s, nil
}

type statusSeen struct {
	http.ResponseWriter
	status int
}

func (s *statusSeen) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

func (s *statusSeen) Write(b []byte) (int, error) {
	if s.status == 0 {
		s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(b)
}

// over waits until all endpoints were watched for their time.
func (s *strictLINE) over(ctx context.Context) error {
	for {
		s.mu.Lock()
		left := time.Duration(0)
		for _, u := range s.uses {
			if u.from.IsZero() {
				left = time.Second
			} else {
				left = max(left, time.Until(u.to))
			}
		}
		s.mu.Unlock()
		if left <= 0 {
			return nil
		}
		if err := sleep(ctx, min(left, 100*time.Millisecond)); err != nil {
			return err
		}
	}
}

// share is the part of the limit that was used.
func (u *use) share() float64 {
	possible := u.to.Sub(u.from).Seconds() * float64(u.limit.Requests) / u.limit.Per.Seconds()
	return float64(u.accepted) / possible
}

// measureLimits has pushes and multicasts sent at the same time, at the limits that LINE publishes, by 1, 2, 4 and 8
// workers.
func measureLimits(ctx context.Context, b *bench) error {
	for _, workers := range []int{1, 2, 4, 8} {
		err := b.useOfLimits(ctx, limitsRun{
			part: "e", what: fmt.Sprintf("%d workers", workers), workers: workers, seconds: b.seconds, feed: feedTasks,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// feedTasks enqueues what takes so many seconds at LINE's limits. Few recipients: the limit counts requests.
func feedTasks(ctx context.Context, q *producer.Client, seconds int) error {
	for _, f := range []struct {
		limit endpoint.Limit
		task  func(i int) tasks.Task
	}{
		{endpoint.PushMessage.Limit, func(i int) tasks.Task { return push(user(i)) }},
		{endpoint.Multicast.Limit, func(i int) tasks.Task { return multicastTo(i, 3) }},
	} {
		if err := feed(ctx, q, f.limit.Requests*seconds, f.task); err != nil {
			return err
		}
	}
	return nil
}

// limitsRun is one measurement of how much of LINE's limits is used.
type limitsRun struct {
	part, what string
	workers    int
	seconds    int
	latency    time.Duration // of LINE
	feed       func(ctx context.Context, q *producer.Client, seconds int) error
}

func (b *bench) useOfLimits(ctx context.Context, l limitsRun) error {
	line, err := l.run(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", l.what, err)
	}
	requests := line.Stats().Requests
	for _, e := range []endpoint.Endpoint{endpoint.PushMessage, endpoint.Multicast} {
		u := line.uses[e.Path]
		r := row{
			Part: l.part, What: fmt.Sprintf("%s, use of %d %s/s", l.what, u.limit.Requests, plural[e.Operation]),
			Value: 100 * u.share(), Unit: "%",
			Notes: []string{fmt.Sprintf("%d answers 429", requests[e.Operation][http.StatusTooManyRequests])},
		}
		b.say("   %s: %.2f %%, %s", r.What, r.Value, r.Notes[0])
		b.rows = append(b.rows, r)
	}
	return nil
}

var plural = map[string]string{endpoint.PushMessage.Operation: "pushes", endpoint.Multicast.Operation: "multicasts"}

func (l limitsRun) run(ctx context.Context) (*strictLINE, error) {
	watched := time.Duration(l.seconds) * time.Second
	ctx, cancel := context.WithTimeout(ctx, watched+patience)
	defer cancel()
	line, err := startStrictLINE(l.latency, watched)
	if err != nil {
		return nil, err
	}
	defer line.server.Close()
	server, err := startRedis()
	if err != nil {
		return nil, err
	}
	defer server.stop()
	q, err := producer.New(producer.Config{Redis: server})
	if err != nil {
		return nil, err
	}
	if err := l.feed(ctx, q, l.seconds+5); err != nil {
		return nil, err
	}
	var processes []*process
	for range l.workers {
		p, err := child{
			As: "lineq", Redis: server.addr, LINE: line.server.URL, Token: linesim.DefaultChannel.Token, Limited: true,
		}.start()
		if err != nil {
			return nil, err
		}
		processes = append(processes, p)
	}
	watchErr := line.over(ctx)
	for _, p := range processes {
		_ = p.stdin.Close()
	}
	for _, p := range processes {
		if _, err := p.stop(); err != nil {
			return nil, err
		}
	}
	return line, watchErr
}
