// Package worker takes tasks from their queues, calls LINE and records what became of each.
//
// A task's way through it is in one function, [Worker.handle]: decode, hold, permit, begin, call, end; then asynq
// acknowledges. What happens at each crash between these steps is the package's contract:
//
//	the worker dies        what Redis has              the next run
//	before begin           the task                    sends it
//	after begin            an attempt, open            repeats it under the same retry key, where there is one;
//	                                                   else it ends as unknown
//	after the call         an attempt, open            the same: LINE answers 409, and the task is sent (replayed)
//	after end              the outcome                 acknowledges, and calls nobody
//	after the acknowledge  the outcome                 there is none
//
// What LINE's answers mean is in one pure function, decide. Nothing but the record decides about a task: asynq only
// carries it, and is never allowed to give up on one.
package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/record"
)

// Config is what a Worker needs.
type Config struct {
	// Redis carries the queues and the records. Make it with [RedisOptions]: go-redis's own settings let a short
	// absence of Redis run tasks twice. It stays the caller's; New adds a hook to it.
	Redis redis.UniversalClient
	// Channels are the ones that this worker sends for, by name. A task of another channel waits for another worker.
	Channels map[string]*lineapi.Client
	// Gate makes requests wait for LINE's limits, and for held channels. Nil: nothing waits.
	Gate Gate
	// Log gets one line per outcome. Nil: silent.
	Log *zap.Logger
	// Grace is how long sends under way may take to finish when Run ends. Zero: 15 seconds, which is above the timeout
	// of one call.
	Grace time.Duration
	// Concurrency is how many sends of one channel's pushes may be under way. Zero: 200, which reaches LINE's 2,000 a
	// second where LINE takes 100 ms. The other queues have a fixed share that fits their limits.
	Concurrency int
	// Retention is how long records of decided tasks are kept.
	Retention record.Retention
}

// channelOf is the client of the channel whose own queue this is; nil: another worker's, or nobody's own.
func (c Config) channelOf(queue string) *lineapi.Client {
	if _, name, ok := tasks.ParseQueue(queue); ok {
		return c.Channels[name]
	}
	return nil
}

// Gate says how long a request must wait before it may go to LINE. Its methods are asked in this order, directly before
// the attempt is opened, from many goroutines. A wait is never a failed attempt: the task goes back to its queue and
// comes again after it.
type Gate interface {
	// Hold returns how long the channel's tasks under this policy are held, and for which reason; 0: they aren't.
	Hold(ctx context.Context, channel string, p tasks.Policy) (time.Duration, lineapi.Reason, error)
	// Permit takes one request of the endpoint's limit and returns when it may go. It may block for a moment where the
	// task's queue is the channel's own; on shared queues it returns at once.
	Permit(ctx context.Context, channel string, p tasks.Policy, id string) (time.Duration, error)
}

// Worker sends. Make it with New, and Run it once.
type Worker struct {
	cfg     Config
	log     *zap.Logger
	records *record.Store
	bells   *bells
	alarms  alarms
	// sends ends when the grace time is over: then calls under way are given up.
	sends     context.Context
	stopSends context.CancelFunc
	random    func() float64
}

// New checks the configuration. It doesn't talk to Redis yet.
func New(cfg Config) (*Worker, error) {
	if cfg.Redis == nil {
		return nil, errors.New("worker: Config.Redis is missing")
	}
	if len(cfg.Channels) == 0 {
		return nil, errors.New("worker: Config.Channels is empty: there is nobody to send for")
	}
	for name, client := range cfg.Channels {
		if err := tasks.CheckChannel(name); err != nil {
			return nil, fmt.Errorf("worker: Config.Channels: %w", err)
		}
		if client == nil {
			return nil, fmt.Errorf("worker: Config.Channels: channel %q has no client", name)
		}
	}
	if cfg.Grace < 0 || cfg.Concurrency < 0 {
		return nil, errors.New("worker: Config.Grace and Config.Concurrency can't be negative")
	}
	if cfg.Grace == 0 {
		cfg.Grace = 15 * time.Second
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 200
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	cfg.Redis.AddHook(handshake{})
	w := &Worker{
		cfg:     cfg,
		log:     cfg.Log,
		records: record.New(cfg.Redis, cfg.Retention),
		bells:   newBells(func(queue string) bool { return cfg.channelOf(queue) != nil }),
		random:  rand.Float64,
	}
	w.sends, w.stopSends = context.WithCancel(context.Background())
	return w, nil
}

// Run works until ctx ends; then it stops fetching, lets sends under way finish within the grace time, gives up on what
// is left, returns all that is unsent to its queue, and returns nil. It returns an error at once when Redis can't be
// reached at the start; later it waits for Redis to come back. When Redis is away at the end, or was in the minute
// before, Run waits no longer than the grace time and a few seconds, and returns an error where something is left: what
// could not be returned to its queue comes again under another worker. What Run leaves behind calls LINE no more and ends
// when Redis is back; until then asynq panics if its client is closed.
func (w *Worker) Run(ctx context.Context) error {
	defer w.stopSends()
	names := slices.Sorted(maps.Keys(w.cfg.Channels))
	roundTrip, err := w.reachRedis(ctx)
	if err == nil {
		err = channel.Register(ctx, w.cfg.Redis, names...)
	}
	switch {
	case ctx.Err() != nil:
		return nil // stopped before it began
	case err != nil:
		return fmt.Errorf("worker: redis can't be reached: %w", err)
	}
	f := newFleet(w, serversFor(roundTrip))
	if err := f.startShared(); err != nil {
		f.stop()
		return fmt.Errorf("worker: %w", err)
	}
	w.checkClock(ctx)
	w.log.Info("worker started", zap.Strings("channels", names), zap.Duration("redis_round_trip", roundTrip))

	listening := make(chan struct{})
	go func() {
		defer close(listening)
		w.bells.listen(ctx, w.cfg.Redis)
	}()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		f.sweepUntil(ctx, names)
		f.stop()
		<-listening // go-redis holds a subscription fast while it connects it again, for up to a minute
	}()
	<-ctx.Done()
	w.log.Info("worker stopping", zap.Duration("grace", w.cfg.Grace))
	grace := time.AfterFunc(w.cfg.Grace, w.stopSends)
	defer grace.Stop()
	patience := time.NewTimer(w.cfg.Grace + stopMargin)
	defer patience.Stop()
	select {
	case <-stopped:
		w.log.Info("worker stopped")
		return nil
	case <-patience.C:
		return errors.New("worker: stopped while Redis is or has just been away: what could not be returned to its queue " +
			"comes again under another worker")
	}
}

// stopMargin is for what asynq does after the grace time: it waits two seconds more, then returns its tasks. With the
// usual grace time it stays below the 30 seconds after which Kubernetes kills.
const stopMargin = 8 * time.Second

// reachRedis fails early where Redis can't be reached, and measures how far it is.
func (w *Worker) reachRedis(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	best := time.Hour
	for range 5 {
		start := time.Now()
		if err := ping(ctx, w.cfg.Redis); err != nil {
			return 0, err
		}
		best = min(best, time.Since(start))
	}
	return best, nil
}

// maxSkew is how far this machine's clock may be from Redis's. Records, deadlines and limits go by Redis's clock, but
// asynq's schedule and its leases by the workers' own.
const maxSkew = 2 * time.Second

func (w *Worker) checkClock(ctx context.Context) {
	before := time.Now()
	theirs, err := w.cfg.Redis.Time(ctx).Result()
	if err != nil {
		return // whoever needs Redis next says so
	}
	if skew := theirs.Sub(before); skew > maxSkew || skew < -maxSkew {
		w.log.Warn("this machine's clock is not Redis's: scheduled tasks go early or late, and a dead worker's tasks too",
			zap.Duration("redis_is_ahead", skew))
	}
}

// ping gives up when ctx ends, which go-redis alone does not: it would try for minutes with the options of a worker.
func ping(ctx context.Context, rdb redis.UniversalClient) error {
	done := make(chan error, 1)
	go func() { done <- rdb.Ping(ctx).Err() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
