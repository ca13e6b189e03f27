package worker_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// stage is all that a message meets on its way: a producer, Redis, a worker, and the simulated LINE.
type stage struct {
	line      *linesim.Simulator
	server    *httptest.Server
	rdb       redis.UniversalClient
	q         *producer.Client
	records   *record.Store
	campaigns *campaign.Store
	logs      *observer.ObservedLogs
	log       *zap.Logger
}

// newStage sets everything up but the worker.
func newStage(t *testing.T, rdb redis.UniversalClient, cfg linesim.Config) *stage {
	t.Helper()
	if cfg.Limits.Rates == nil {
		cfg.Limits.Off = true
	}
	line, err := linesim.New(cfg)
	require.NoError(t, err)
	s := &stage{line: line, server: httptest.NewServer(line), rdb: rdb, records: record.New(rdb, record.Retention{}), campaigns: campaign.New(rdb, campaign.Retention{})}
	t.Cleanup(s.server.Close)
	s.q, err = producer.New(producer.Config{Redis: rdb})
	require.NoError(t, err)
	core, logs := observer.New(zapcore.DebugLevel)
	s.log, s.logs = zap.New(core), logs
	return s
}

// onMini is a stage on miniredis.
func onMini(t *testing.T) *stage {
	t.Helper()
	_, rdb := redistest.Mini(t)
	return newStage(t, rdb, linesim.Config{})
}

func (s *stage) client(t *testing.T) *lineapi.Client {
	t.Helper()
	c, err := lineapi.New(lineapi.Config{
		Token: lineapi.StaticToken(linesim.DefaultChannel.Token), Origin: s.server.URL, DataOrigin: s.server.URL,
	})
	require.NoError(t, err)
	return c
}

func (s *stage) config(t *testing.T) worker.Config {
	return worker.Config{
		Redis: s.rdb, Log: s.log, Channels: map[string]*lineapi.Client{tasks.DefaultChannel: s.client(t)},
	}
}

// work runs a worker until the test ends, or until the returned function is called.
func (s *stage) work(t *testing.T, adapt ...func(*worker.Config)) (stop func()) {
	t.Helper()
	_, stop = s.worker(t, adapt...)
	return stop
}

// worker is work for who talks to it while it runs.
func (s *stage) worker(t *testing.T, adapt ...func(*worker.Config)) (w *worker.Worker, stop func()) {
	t.Helper()
	cfg := s.config(t)
	for _, a := range adapt {
		a(&cfg)
	}
	w, err := worker.New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			cancel()
			require.NoError(t, <-ended)
		}
	}
	t.Cleanup(stop)
	return w, stop
}

// waitFor waits until a task stands where it is expected.
func (s *stage) waitFor(t *testing.T, ticket producer.Ticket, want tasks.State) (r tasks.Result) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		r, err = s.q.Result(t.Context(), ticket.ID, producer.Channel(ticket.Channel))
		return err == nil && r.State == want
	}, time.Minute, 5*time.Millisecond)
	return r
}

// wait waits for a task's end.
func (s *stage) wait(t *testing.T, ticket producer.Ticket) tasks.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	r, err := s.q.Wait(ctx, ticket.ID, producer.Channel(ticket.Channel))
	require.NoError(t, err)
	return r
}

func (s *stage) push(t *testing.T, to string, opts ...producer.Option) producer.Ticket {
	t.Helper()
	ticket, err := s.q.Enqueue(t.Context(), tasks.Push{To: to, Messages: []lineapi.Message{lineapi.Text(secretText)}}, opts...)
	require.NoError(t, err)
	return ticket
}

func user(n int) string { return fmt.Sprintf("U%032x", n) }

// secretText and the token must appear nowhere but in payloads and at LINE.
const secretText = "a-text-nobody-may-log"

var (
	group = "C" + fmt.Sprintf("%032x", 1)
	room  = "R" + fmt.Sprintf("%032x", 1)
)
