package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/line/line-bot-sdk-go/v8/linebot/messaging_api"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// arrivals is an HTTP server that notes when a push arrives, and for whom, and answers at once: it stands for a LINE that
// costs nothing, so that what is measured is the way to it.
type arrivals struct {
	*httptest.Server
	count atomic.Int64
	mu    sync.Mutex
	at    map[string]time.Time
	all   chan struct{} // gets a value at each arrival
}

func newArrivals(b *testing.B) *arrivals {
	a := &arrivals{at: map[string]time.Time{}, all: make(chan struct{}, 1<<20)}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		var body struct{ To string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		a.mu.Lock()
		a.at[body.To] = now
		a.mu.Unlock()
		a.count.Add(1)
		w.Header().Set("X-Line-Request-Id", "bench")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"sentMessages":[{"id":"1"}]}`))
		a.all <- struct{}{}
	}))
	b.Cleanup(a.Close)
	return a
}

// benchWorker runs a lineq worker against the arrivals.
func benchWorker(b *testing.B, addr string, line *arrivals) *producer.Client {
	rdb := redis.NewUniversalClient(worker.RedisOptions(&redis.UniversalOptions{Addrs: []string{addr}}))
	b.Cleanup(func() { _ = rdb.Close() })
	c, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken("t"), Origin: line.URL, DataOrigin: line.URL})
	require.NoError(b, err)
	w, err := worker.New(worker.Config{Redis: rdb, Channels: map[string]*lineapi.Client{tasks.DefaultChannel: c}})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	b.Cleanup(func() { cancel(); <-ended })
	q, err := producer.New(producer.Config{Redis: rdb})
	require.NoError(b, err)
	_, err = q.Push(ctx, user(0xffff), lineapi.Text("hi")) // the queue's servers are started with the first task
	require.NoError(b, err)
	<-line.all
	return q
}

// plainWorker is what a user would write: one asynq task per recipient, LINE's official SDK in the handler, nothing
// recorded.
func plainWorker(b *testing.B, addr string, line *arrivals) *asynq.Client {
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: addr})
	b.Cleanup(func() { _ = client.Close() })
	bot, err := messaging_api.NewMessagingApiAPI("t", messaging_api.WithEndpoint(line.URL), messaging_api.WithHTTPClient(
		&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 500}}))
	require.NoError(b, err)
	server := asynq.NewServer(asynq.RedisClientOpt{Addr: addr}, asynq.Config{
		Concurrency: 200, LogLevel: asynq.FatalLevel, Queues: map[string]int{"plain": 1},
	})
	require.NoError(b, server.Start(asynq.HandlerFunc(func(_ context.Context, t *asynq.Task) error {
		var r messaging_api.PushMessageRequest
		if err := json.Unmarshal(t.Payload(), &r); err != nil {
			return err
		}
		_, err := bot.PushMessage(&r, "")
		return err
	})))
	b.Cleanup(server.Shutdown)
	return client
}

func plainTask(to string) *asynq.Task {
	payload, _ := json.Marshal(&messaging_api.PushMessageRequest{
		To: to, Messages: []messaging_api.MessageInterface{&messaging_api.TextMessage{Text: "hi"}},
	})
	return asynq.NewTask("push", payload)
}

// BenchmarkPushes sends single pushes as fast as the machine allows: lineq's, which records each, against plain asynq.
func BenchmarkPushes(b *testing.B) {
	const n = 10_000
	b.Run("lineq", func(b *testing.B) {
		line := newArrivals(b)
		q := benchWorker(b, redistest.Start(b, "--appendfsync", "everysec").Addr, line)
		items := make([]producer.Item, n)
		for i := range items {
			items[i].Task = tasks.Push{To: user(i), Messages: []lineapi.Message{lineapi.Text("hi")}}
		}
		for b.Loop() {
			_, err := q.EnqueueAll(b.Context(), items)
			require.NoError(b, err)
			for range n {
				<-line.all
			}
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "sends/s")
	})
	b.Run("asynq", func(b *testing.B) {
		line := newArrivals(b)
		client := plainWorker(b, redistest.Start(b, "--appendfsync", "everysec").Addr, line)
		for b.Loop() {
			for i := range n {
				_, err := client.Enqueue(plainTask(user(i)), asynq.Queue("plain"))
				require.NoError(b, err)
			}
			for range n {
				<-line.all
			}
		}
		b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "sends/s")
	})
}

// BenchmarkIdle measures the way of one push from the enqueueing to LINE, on queues that are idle.
func BenchmarkIdle(b *testing.B) {
	measure := func(b *testing.B, line *arrivals, enqueue func(to string)) {
		var ways []time.Duration
		for i := 0; b.Loop(); i++ {
			to := user(i)
			start := time.Now()
			enqueue(to)
			<-line.all
			line.mu.Lock()
			ways = append(ways, line.at[to].Sub(start))
			line.mu.Unlock()
		}
		slices.Sort(ways)
		b.ReportMetric(float64(ways[len(ways)/2].Microseconds())/1000, "p50-ms")
		b.ReportMetric(float64(ways[len(ways)*99/100].Microseconds())/1000, "p99-ms")
	}
	b.Run("lineq-urgent", func(b *testing.B) {
		line := newArrivals(b)
		q := benchWorker(b, redistest.Start(b, "--appendfsync", "everysec").Addr, line)
		measure(b, line, func(to string) {
			_, err := q.Enqueue(b.Context(), tasks.Push{To: to, Messages: []lineapi.Message{lineapi.Text("hi")}}, producer.Urgent())
			require.NoError(b, err)
		})
	})
	b.Run("asynq", func(b *testing.B) {
		line := newArrivals(b)
		client := plainWorker(b, redistest.Start(b, "--appendfsync", "everysec").Addr, line)
		measure(b, line, func(to string) {
			_, err := client.Enqueue(plainTask(to), asynq.Queue("plain"))
			require.NoError(b, err)
		})
	})
}

// BenchmarkScheduled measures how late scheduled pushes leave, against their own time.
func BenchmarkScheduled(b *testing.B) {
	const n = 500
	line := newArrivals(b)
	q := benchWorker(b, redistest.Start(b, "--appendfsync", "everysec").Addr, line)
	var late []time.Duration
	for b.Loop() {
		at := map[string]time.Time{}
		var items []producer.Item
		for i := range n {
			t := time.Now().Add(2*time.Second + time.Duration(i)*time.Second/n)
			at[user(i)] = t
			items = append(items, producer.Item{
				Task: tasks.Push{To: user(i), Messages: []lineapi.Message{lineapi.Text("hi")}}, Options: []producer.Option{producer.At(t)},
			})
		}
		_, err := q.EnqueueAll(b.Context(), items)
		require.NoError(b, err)
		for range n {
			<-line.all
		}
		for to, t := range at {
			late = append(late, line.at[to].Sub(t))
		}
	}
	slices.Sort(late)
	require.GreaterOrEqual(b, late[0], time.Duration(0), "one went too early")
	b.ReportMetric(float64(late[len(late)/2].Milliseconds()), "p50-ms-late")
	b.ReportMetric(float64(late[len(late)-1].Milliseconds()), "max-ms-late")
}

// BenchmarkRecords measures what a sent push leaves in Redis: its record and its line in the delivery log.
func BenchmarkRecords(b *testing.B) {
	const n = 10_000
	line := newArrivals(b)
	server := redistest.Start(b, "--appendfsync", "everysec")
	q := benchWorker(b, server.Addr, line)
	rdb := server.Client(b)
	used := func() (bytes int64) {
		info, err := rdb.InfoMap(b.Context(), "memory").Result()
		require.NoError(b, err)
		_, err = fmt.Sscan(info["Memory"]["used_memory"], &bytes)
		require.NoError(b, err)
		return bytes
	}
	for b.Loop() {
		items := make([]producer.Item, n)
		for i := range items {
			items[i].Task = tasks.Push{To: user(i), Messages: []lineapi.Message{lineapi.Text("hi")}}
		}
		before := used()
		tickets, err := q.EnqueueAll(b.Context(), items)
		require.NoError(b, err)
		b.ReportMetric(float64(used()-before)/n, "B/waiting")
		for _, t := range tickets {
			_, err := q.Wait(b.Context(), t.ID)
			require.NoError(b, err)
		}
		for range n {
			<-line.all
		}
		b.ReportMetric(float64(used()-before)/n, "B/sent")
	}
}
