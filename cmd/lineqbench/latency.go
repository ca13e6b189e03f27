package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/line/line-bot-sdk-go/v8/linebot/messaging_api"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
)

func measureLatency(ctx context.Context, b *bench) error {
	if err := b.idleLatency(ctx); err != nil {
		return err
	}
	return b.busyLatency(ctx)
}

// idleLatency sends one push after the other, each on queues that are empty.
func (b *bench) idleLatency(ctx context.Context) error {
	line := startLine()
	defer line.Close()
	line.watching.Store(true)
	server, err := startRedis()
	if err != nil {
		return err
	}
	defer server.stop()
	q, err := producer.New(producer.Config{Redis: server})
	if err != nil {
		return err
	}
	plain := asynq.NewClientFromRedisClient(server)
	for _, c := range []struct {
		what, as string
		n        int
		enqueue  func(to string) error
	}{
		{"lineq, urgent push on an idle queue, from enqueueing to LINE", "lineq", 1000, func(to string) error {
			_, err := q.Enqueue(ctx, push(to), producer.Urgent())
			return err
		}},
		{"asynq with LINE's SDK, the same", "asynq", 30, func(to string) error {
			payload, err := json.Marshal(&messaging_api.PushMessageRequest{
				To: to, Messages: []messaging_api.MessageInterface{&messaging_api.TextMessage{Text: "hi"}},
			})
			if err != nil {
				return err
			}
			_, err = plain.EnqueueContext(ctx, asynq.NewTask("push", payload), asynq.Queue(plainQueue))
			return err
		}},
	} {
		line.reset()
		p, err := child{As: c.as, Redis: server.addr, LINE: line.URL, Token: "t"}.start()
		if err != nil {
			return err
		}
		var ways []time.Duration
		for i := -1; i < c.n && err == nil; i++ {
			to, start := user(i+1), time.Now()
			if err = c.enqueue(to); err != nil {
				break
			}
			var at time.Time
			if at, err = line.arrival(ctx, to); err == nil && i >= 0 { // the first one waits for the worker to start
				ways = append(ways, at.Sub(start))
			}
		}
		if _, stopErr := p.stop(); err == nil {
			err = stopErr
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.what, err)
		}
		b.percentiles("f", c.what, ways)
	}
	return nil
}

// percentiles adds a row with a median and, where there are enough values, the 99th percentile; the largest is a note.
func (b *bench) percentiles(part, what string, values []time.Duration, notes ...string) {
	slices.Sort(values)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	n := len(values)
	top, name := values[n-1], "at most"
	if n >= 100 {
		top, name = values[(n*99+99)/100-1], "p99"
	}
	r := row{
		Part: part, What: what + ", " + name, Value: ms(top), Unit: "ms",
		Notes: append(notes, fmt.Sprintf("p50 %.1f, largest of %d %.1f", ms(values[n/2]), n, ms(values[n-1]))),
	}
	b.say("   %s: %.1f ms, %s", r.What, r.Value, r.Notes[len(r.Notes)-1])
	b.rows = append(b.rows, r)
}

// lineLatency is how long LINE takes where bulk runs.
const lineLatency = 50 * time.Millisecond

// busyLatency sends urgent and ordinary pushes of a channel whose whole limit of pushes is taken by a campaign to a million.
func (b *bench) busyLatency(ctx context.Context) error {
	const workers, million = 4, 1_000_000
	watched := time.Duration(max(5, b.seconds/3)) * time.Second
	ctx, cancel := context.WithTimeout(ctx, watched+patience)
	defer cancel()
	sim, err := linesim.New(linesim.Config{Latency: lineLatency})
	if err != nil {
		return err
	}
	answered := &answers{next: sim, waiting: map[string]chan time.Time{}}
	line := httptest.NewServer(answered)
	defer line.Close()
	server, err := startRedis()
	if err != nil {
		return err
	}
	defer server.stop()
	q, err := producer.New(producer.Config{Redis: server})
	if err != nil {
		return err
	}
	if err := feedCampaign(ctx, q, "bulk", million, 0); err != nil {
		return err
	}
	for range workers {
		p, err := child{
			As: "lineq", Redis: server.addr, LINE: line.URL, Token: linesim.DefaultChannel.Token, Limited: true,
		}.start()
		if err != nil {
			return err
		}
		defer p.stop()
	}
	if err := sleep(ctx, 3*time.Second); err != nil { // the campaign is at full speed
		return err
	}
	before := sim.Stats().Requests[endpoint.PushMessage.Operation][http.StatusOK]
	start := time.Now()
	kinds := []*stream{
		{what: "urgent", every: 50 * time.Millisecond, first: 1 << 30, opts: []producer.Option{producer.Urgent()}},
		{what: "ordinary", every: 200 * time.Millisecond, first: 1 << 31},
	}
	var all sync.WaitGroup
	for _, s := range kinds {
		all.Go(func() { s.err = s.send(ctx, q, answered, watched) })
	}
	all.Wait()
	requests := sim.Stats().Requests[endpoint.PushMessage.Operation]
	rate := float64(requests[http.StatusOK]-before) / time.Since(start).Seconds()
	for _, s := range kinds {
		if s.err != nil {
			return fmt.Errorf("%s pushes: %w", s.what, s.err)
		}
		b.percentiles("f", fmt.Sprintf("lineq, %s push beside a campaign, to LINE's answer after %v", s.what, lineLatency), s.took,
			fmt.Sprintf("%.0f pushes/s in all, %d answers 429", rate, requests[http.StatusTooManyRequests]))
	}
	return nil
}

// stream is single pushes at a steady pace.
type stream struct {
	what  string
	every time.Duration
	first int // recipient
	opts  []producer.Option
	took  []time.Duration
	err   error
}

func (s *stream) send(ctx context.Context, q *producer.Client, a *answers, during time.Duration) error {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for i := range int(during / s.every) {
		to := user(s.first + i)
		answer := a.expect(to)
		start := time.Now()
		if _, err := q.Enqueue(ctx, push(to), s.opts...); err != nil {
			return err
		}
		select {
		case at := <-answer:
			s.took = append(s.took, at.Sub(start))
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// answers tells when LINE has accepted and answered pushes that somebody waits for.
type answers struct {
	next    http.Handler
	mu      sync.Mutex
	waiting map[string]chan time.Time // by recipient
}

func (a *answers) expect(to string) <-chan time.Time {
	c := make(chan time.Time, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting[to] = c
	return c
}

func (a *answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	seen := &statusSeen{ResponseWriter: w}
	a.next.ServeHTTP(seen, r)
	now := time.Now()
	var push struct{ To string }
	if seen.status != http.StatusOK || json.Unmarshal(body, &push) != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.waiting[push.To]; c != nil {
		delete(a.waiting, push.To)
		c <- now
	}
}
