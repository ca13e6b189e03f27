package worker

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
)

// fleet runs asynq's Servers: always those of the shared queues, and those of a channel's own queues while these have
// work, so that a hundred quiet channels cost nothing.
type fleet struct {
	w *Worker
	// perPush is how many servers one push queue gets: a Server fetches once per round trip to Redis.
	perPush int
	running map[string]*crew
	halting map[string]chan struct{} // closed when a queue's last crew has ended
	foreign map[string]bool          // queues of channels that nobody here has, told of once
}

// crew is the servers of one queue.
type crew struct {
	servers []*asynq.Server
	ahead   []*ahead // of each
	closing chan struct{}
	idle    time.Time // since when; zero: it has work
}

const (
	sweepEvery = time.Second
	// soon is how long before its first task is due a queue's servers are started: a sweep, and a start.
	soon = 3 * time.Second
	// idleTime is how long a queue's servers outlive its last task.
	idleTime = 30 * time.Second
)

func newFleet(w *Worker, perPush int) *fleet {
	return &fleet{w: w, perPush: perPush, running: map[string]*crew{}, halting: map[string]chan struct{}{}, foreign: map[string]bool{}}
}

// serversFor is how many servers reach LINE's 2,000 pushes a second at this distance from Redis.
func serversFor(roundTrip time.Duration) int {
	n := int(2000/maxAhead*roundTrip/time.Second) + 1
	return min(n, 8)
}

func (f *fleet) startShared() error {
	for _, l := range tasks.Lines() {
		if !l.PerChannel() {
			if err := f.start(l.Queue(""), l); err != nil {
				return err
			}
		}
	}
	return nil
}

// concurrency is how many tasks of a queue one worker has under way. On the shared queues a task waits a moment for its
// permit at most; the bulk queue reaches 200 multicasts a second at 100 ms each, with as many that wait for their turn.
func (f *fleet) concurrency(l tasks.Line) int {
	switch l {
	case tasks.LinePush:
		return max(1, f.w.cfg.Concurrency/f.perPush)
	case tasks.LineUrgent:
		return 64
	case tasks.LineBulk:
		return 64
	case tasks.LineControl:
		return 16
	default:
		return 4
	}
}

func (f *fleet) start(queue string, l tasks.Line) error {
	n := 1
	if l == tasks.LinePush {
		n = f.perPush
	}
	c := &crew{closing: make(chan struct{})}
	f.running[queue] = c
	acks := newAcks(f.w.redis)
	for range n {
		rdb := &attentive{
			UniversalClient: f.w.redis, bells: f.w.bells, queue: queue, bell: f.w.bells.hear(queue),
			ahead:  newAhead(f.w.cfg.Redis, queue, f.concurrency(l), f.w.claims),
			acks:   acks,
			claims: f.w.claims, closing: c.closing,
		}
		c.ahead = append(c.ahead, rdb.ahead)
		server := asynq.NewServerFromRedisClient(enduring{rdb, f.w.lookout}, asynq.Config{
			Concurrency: f.concurrency(l),
			Queues:      map[string]int{queue: 1},
			Logger:      asynqLog{f.w.log.Named("asynq").Sugar(), f.w.health},
			LogLevel:    asynq.InfoLevel,
			// After an empty answer, which has waited for the bell already, asynq pauses all the same.
			TaskCheckInterval: time.Millisecond,
			// asynq's schedule knows whole seconds, and a task never goes before its own: with this pause it goes
			// within 1.5 s of it.
			DelayedTaskCheckInterval: 400 * time.Millisecond,
			// asynq gives up after our own grace time, which lets calls end and be recorded.
			ShutdownTimeout: f.w.cfg.Grace + 2*time.Second,
			RetryDelayFunc:  retryDelay,
			IsFailure:       isFailure,
		})
		if err := server.Start(asynq.HandlerFunc(f.w.claimed)); err != nil {
			return err
		}
		c.servers = append(c.servers, server)
	}
	return nil
}

// halt lets a queue's servers end. What they have under way may take a while, for which no other queue waits.
func (f *fleet) halt(queue string) {
	c := f.running[queue]
	delete(f.running, queue)
	f.w.bells.forget(queue)
	ended := make(chan struct{})
	f.halting[queue] = ended
	go func() {
		defer close(ended)
		c.halt()
	}()
}

// ended tells whether nothing of a queue's last crew is left.
func (f *fleet) ended(queue string) bool {
	select {
	case <-f.halting[queue]:
		delete(f.halting, queue)
	default:
	}
	return f.halting[queue] == nil
}

// halt shuts a queue's servers down: first the waiting, then asynq.
func (c *crew) halt() {
	close(c.closing)
	var all sync.WaitGroup
	for _, a := range c.ahead {
		all.Go(a.close)
	}
	for _, s := range c.servers {
		all.Go(s.Shutdown)
	}
	all.Wait()
}

// stop shuts everything down, all queues at once.
func (f *fleet) stop() {
	var all sync.WaitGroup
	for _, c := range f.running {
		all.Go(c.halt)
	}
	all.Wait()
	for _, ended := range f.halting {
		<-ended
	}
}

// sweepUntil looks at the channels' own queues, every second and whenever a bell rings at which nobody waits, until ctx
// ends.
func (f *fleet) sweepUntil(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	registered := time.Now()
	for {
		if err := f.sweep(ctx); err != nil && ctx.Err() == nil {
			f.w.health.warn("can't look at the queues", err)
		}
		if time.Since(registered) > channel.Refresh {
			registered = time.Now()
			f.w.checkClock(ctx)
			if err := channel.Register(ctx, f.w.cfg.Redis, f.w.channels.Load().names...); err != nil && ctx.Err() == nil {
				f.w.health.warn("can't say which channels are served here", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-f.w.bells.unheard:
		case <-f.w.changed:
			registered = time.Time{}
		}
	}
}

// sweep starts the servers of queues that have work or will have it soon, and stops those of queues that have had none
// for a while, or that this worker leaves to others.
func (f *fleet) sweep(ctx context.Context) error {
	queues, err := f.w.cfg.Redis.SMembers(ctx, asynqQueues).Result()
	if err != nil {
		return err
	}
	now := time.Now()
	for _, q := range queues {
		line, name, ok := tasks.ParseQueue(q)
		if !ok || !line.PerChannel() {
			continue
		}
		busy, err := hasWork(ctx, f.w.cfg.Redis, q, now)
		if err != nil {
			return err
		}
		c := f.running[q]
		switch {
		case !f.w.has(name):
			if c != nil {
				f.halt(q)
			} else if busy && !f.foreign[q] {
				f.foreign[q] = true
				f.w.log.Warn("tasks wait for a channel that this worker doesn't have",
					zap.String("channel", name), zap.String("queue", q))
			}
		case f.w.aside.stands(name):
			if c != nil {
				f.halt(q)
			}
		case busy && c == nil && !f.ended(q):
		case busy && c == nil:
			delete(f.foreign, q)
			if err := f.start(q, line); err != nil {
				return err
			}
		case busy && c != nil:
			c.idle = time.Time{}
		case c != nil && c.idle.IsZero():
			c.idle = now
		case c != nil && now.Sub(c.idle) > idleTime:
			f.halt(q)
		}
	}
	return nil
}

// retryDelay is asynq's question when a task shall come again. A task whose worker died comes at once: its record knows
// what to do.
func retryDelay(_ int, err error, _ *asynq.Task) time.Duration {
	var p *postponed
	switch {
	case errors.As(err, &p):
		return p.delay
	case errors.Is(err, asynq.ErrLeaseExpired):
		return 0
	}
	return time.Minute // a panic
}

// isFailure is asynq's question whether an error counts against the task.
func isFailure(err error) bool {
	var p *postponed
	if errors.As(err, &p) {
		return p.failure
	}
	return !errors.Is(err, asynq.ErrLeaseExpired) && !errors.Is(err, context.Canceled)
}
