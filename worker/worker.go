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
// The next run comes within seconds. Each worker tells in Redis, once a second, that it lives and which tasks it has; one of
// them looks for tasks of workers that have gone silent, or that nobody has, and hands them on under a second ID in asynq.
// A worker that was only frozen may then run a task at the same time as another: the record makes that harmless.
//
// Requests keep LINE's limits by package limit, together with all other workers. What an answer means for more than its own
// task is in trouble.go: an endpoint slows down for everybody, a channel is held (holds.go) until its token works or its
// quota has room. A held channel's queues are paused in asynq.
//
// What LINE's answers mean is in one pure function, decide. Nothing but the record decides about a task: asynq only
// carries it, and is never allowed to give up on one.
package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/schedule"
	"github.com/lineq/lineq/tasks/topology"
	"github.com/lineq/lineq/tasks/tracing"
)

// Config is what a Worker needs.
type Config struct {
	// Redis carries the queues and the records. Make it with [RedisOptions]: go-redis's own settings let a short
	// absence of Redis run tasks twice. It stays the caller's; New adds a hook to it.
	Redis redis.UniversalClient
	// Channels are the ones that this worker sends for, by name. A task of another channel waits for another worker. See
	// Worker.SetChannels.
	Channels map[string]*lineapi.Client
	// Limits are the rates that all workers on this Redis keep together. The zero value keeps LINE's own.
	Limits limit.Limits
	// Metrics gets the worker's metrics, whose names begin with lineq_, and a Standing. Nil: nobody.
	Metrics prometheus.Registerer
	// TracerProvider makes spans of runs and requests, in the traces of what enqueued them. Nil: nothing is traced.
	TracerProvider trace.TracerProvider
	// Log gets one line per outcome. Nil: silent.
	Log *zap.Logger
	// Grace is how long sends under way may take to finish when Run ends. Zero: 15 seconds, which is above the timeout
	// of one call.
	Grace time.Duration
	// Concurrency is how many sends of one channel's pushes may be under way. Zero: 400, which reaches LINE's 2,000 a
	// second where LINE takes 100 ms, with as many that wait for their turn. The other queues have a fixed share that fits
	// their limits.
	Concurrency int
	// Retention is how long records of decided tasks are kept.
	Retention record.Retention
	// WebhookSecret signs the webhooks of campaigns, see WebhookSignature. Empty: they aren't signed.
	WebhookSecret string
	// ScheduledCampaign takes in the campaign of a schedule's tick, under the tick's own ID; a repeat must add nothing. Nil:
	// the campaigns of schedules are left to other workers.
	ScheduledCampaign func(ctx context.Context, t schedule.Tick) error
	// ScheduleCommands lets ScheduledCampaign run the command that a schedule names for its audience. Whoever can write to
	// this Redis then runs commands here.
	ScheduleCommands bool
	// Version is what Living tells of this worker.
	Version string
}

// Worker sends. Make it with New, and Run it once.
type Worker struct {
	cfg     Config
	id      string // of this worker, random
	log     *zap.Logger
	redis   redis.UniversalClient // Config.Redis, for what every send needs
	records *record.Store
	// campaigns are in Redis; known is what this worker knows of those that it works on.
	campaigns *campaign.Store
	known     campaigns
	schedules *schedule.Store
	ticks     ticks
	asynq     *asynq.Client
	channels  atomic.Pointer[served]
	setting   sync.Mutex    // one SetChannels at a time
	changed   chan struct{} // gets a value when the channels have changed
	fresh     names         // that nobody has attended to since they were given their client
	limiter   *limit.Limiter
	metrics   *metrics
	tracer    trace.Tracer // nil: nothing is traced
	phase     atomic.Int32
	bells     *bells
	claims    *claims
	health    *health
	lookout   lookout
	alarms    alarms

	holds      heldChannels
	tokens     refusals
	aside      aside
	recipients recipients
	checks     sync.WaitGroup
	asked      map[string]time.Time // the beginnings of the holds for auth about which attend has asked LINE

	// waits ends when the worker stops: then nobody waits for a permit any more.
	waits     context.Context
	stopWaits context.CancelFunc
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
	if err := checkChannels(cfg.Channels); err != nil {
		return nil, fmt.Errorf("worker: Config.Channels: %w", err)
	}
	if cfg.Grace < 0 || cfg.Concurrency < 0 {
		return nil, errors.New("worker: Config.Grace and Config.Concurrency can't be negative")
	}
	if cfg.Grace == 0 {
		cfg.Grace = 15 * time.Second
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 400
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	bundled := inBundles(cfg.Redis)
	w := &Worker{}
	limiter, err := limit.New(limit.Config{Redis: cfg.Redis, Limits: cfg.Limits, Conflict: w.lowerLimit, Breaker: w.breaker})
	if err != nil {
		return nil, fmt.Errorf("worker: Config.Limits: %w", err)
	}
	m, err := newMetrics(cfg.Metrics, limiter.Interval)
	if err != nil {
		return nil, fmt.Errorf("worker: Config.Metrics: %w", err)
	}
	cfg.Redis.AddHook(handshake{})
	topology.FollowMasters(cfg.Redis)
	*w = Worker{
		limiter:   limiter,
		tracer:    tracing.Tracer(cfg.TracerProvider),
		cfg:       cfg,
		id:        newWorkerID(),
		log:       cfg.Log,
		redis:     bundled,
		records:   record.New(bundled, cfg.Retention),
		campaigns: campaign.New(bundled, campaign.Retention{}),
		schedules: schedule.New(cfg.Redis),
		asynq:     asynq.NewClientFromRedisClient(cfg.Redis),
		health:    &health{log: cfg.Log},
		lookout:   newLookout(cfg.Redis),
		random:    rand.Float64,
		metrics:   m,
		changed:   make(chan struct{}, 1),
		asked:     map[string]time.Time{},
	}
	if cfg.Metrics != nil {
		if err := cfg.Metrics.Register(NewStanding(w.lookout.UniversalClient)); err != nil {
			return nil, fmt.Errorf("worker: Config.Metrics: %w", err)
		}
	}
	w.bells = newBells(w.serves)
	w.claims = newClaims(w.takenAway)
	w.fresh.add(false, w.serve(cfg.Channels)...)
	w.waits, w.stopWaits = context.WithCancel(context.Background())
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
	defer w.stopWaits()
	names := w.channels.Load().names
	roundTrip, err := w.reachRedis(ctx)
	if err == nil {
		err = channel.Register(ctx, w.cfg.Redis, names...)
	}
	if err != nil {
		return notStarted(ctx, fmt.Errorf("redis can't be reached: %w", err))
	}
	again := map[string]time.Time{}
	if err := w.attend(ctx, again); err != nil {
		w.lookout.close()
		return notStarted(ctx, err)
	}
	w.checkClock(ctx)
	w.checkRedis(ctx, w.lookout.UniversalClient)
	// Before it fetches anything: a worker that is killed in its first second shall be known.
	if _, err := w.beat(ctx); err != nil {
		w.leave()
		w.lookout.close()
		return notStarted(ctx, err)
	}
	f := newFleet(w, serversFor(roundTrip))
	if err := f.startShared(); err != nil {
		f.stop()
		w.leave()
		w.lookout.close()
		return notStarted(ctx, err)
	}
	w.log.Info("worker started", zap.String("worker", w.id), zap.Strings("channels", names),
		zap.Duration("redis_round_trip", roundTrip))

	var watches sync.WaitGroup
	watches.Go(func() { w.bells.listen(ctx, w.lookout) })
	watches.Go(func() { w.health.watch(ctx, w.lookout.UniversalClient) })
	watches.Go(func() { w.watchHolds(ctx, again) })
	watches.Go(func() { w.watchCampaigns(ctx) })
	watches.Go(func() { w.watchSchedules(ctx) })
	watches.Go(func() { w.watchQuotas(ctx) })
	// It lives for the others until it has given back all that it had.
	lives, die := context.WithCancel(context.WithoutCancel(ctx))
	defer die()
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		w.beatUntil(lives)
	}()
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		f.sweepUntil(ctx)
		w.stopWaits()
		f.stop()
		die()
		<-beating
		w.leave()
		watches.Wait()
		w.checks.Wait()
		w.lookout.close() // not before asynq has ended, which panics without it
	}()
	w.phase.Store(int32(fetching))
	<-ctx.Done()
	w.phase.Store(int32(stopping))
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

// notStarted is why Run could not begin. Stopped before it began is no error.
func notStarted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("worker: %w", err)
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
	theirs, err := w.lookout.Time(ctx).Result()
	if err != nil || time.Since(before) > maxSkew/2 {
		return // Redis is away or slow, which others tell of
	}
	skew := theirs.Sub(before)
	if (skew > maxSkew || skew < -maxSkew) && w.alarms.due("clock", before) {
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
