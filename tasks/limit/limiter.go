// Package limit keeps what a channel asks of LINE within LINE's limits, for all processes on one Redis together.
//
// All requests of one channel to one endpoint stand in one line, which Redis keeps: take.lua moves the line on and says
// when the next requests may go (GCRA), so nobody is refused, and who asks first goes first. Each process leases a few
// slots at a time for those who wait in it, and hands each slot out at its time; what nobody used in time lapses. All
// times are of Redis's clock; what a process's own clock says doesn't matter.
//
// LINE's limits are token buckets of unpublished size. What goes out fits a bucket that holds a tenth of a second's
// requests, at least one, also when a process stalls for a moment. A fifth of that bucket is left alone by bulk: an urgent
// request uses it to pass.
//
// Start with [New] and [Limiter.Take]. LINE's limits for single users and the monthly quota aren't kept here, nor are the
// requests of other systems that send with the same channel known; for those, see [Channel.Share].
package limit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Priority says who goes first. Within a process it is strict. Between processes an urgent request passes up to 20 ms of
// others' requests, which is about what is in line when bulk takes everything, and an ordinary one 10 ms. Where a request
// takes 50 ms or more of the limit, it is first come, first served between processes, and where it takes a second or more
// within them, too.
type Priority int

const (
	Bulk Priority = iota
	Ordinary
	Urgent
)

// Config is what a Limiter needs.
type Config struct {
	// Redis keeps the lines. It stays the caller's.
	Redis redis.UniversalClient
	// Limits are this process's. Where those of processes on one Redis disagree, the lower limit holds for all of them
	// until nobody has used it for a minute.
	Limits Limits
	// Conflict is told once per channel and endpoint that another process keeps a lower limit, which holds: the time
	// between two requests as configured here, and as kept. Nil: nobody is told. It must return soon.
	Conflict func(channel string, e endpoint.Endpoint, ours, kept time.Duration)
	// Breaker is told when this process opens an endpoint's breaker, or closes it. Nil: nobody is told. It must return soon.
	Breaker func(channel string, e endpoint.Endpoint, open bool)
}

// Limiter gives permits. It is safe for concurrent use, needs no closing, and asks Redis nothing while nobody waits.
type Limiter struct {
	cfg Config

	off     atomic.Bool
	mu      sync.RWMutex
	limits  Limits
	changed time.Time // when SetLimits replaced them; zero: never
	gates   map[gateKey]*gate
}

type gateKey struct{ channel, operation string }

// New checks cfg. It doesn't talk to Redis yet.
func New(cfg Config) (*Limiter, error) {
	if cfg.Redis == nil {
		return nil, errors.New("limit: Config.Redis is missing")
	}
	if err := cfg.Limits.Check(); err != nil {
		return nil, fmt.Errorf("limit: Config.Limits: %w", err)
	}
	l := &Limiter{cfg: cfg, limits: cfg.Limits, gates: map[gateKey]*gate{}}
	l.off.Store(cfg.Limits.Off)
	return l, nil
}

// SetLimits replaces Config.Limits. Who waits at this moment goes by the old ones. One that got lower holds from the next
// request on, for all processes; one that got higher when nobody has used the lower one for a minute, of which Conflict isn't
// told meanwhile. Where it returns an error, nothing has changed.
func (l *Limiter) SetLimits(limits Limits) error {
	if err := limits.Check(); err != nil {
		return fmt.Errorf("limit: SetLimits: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limits, l.changed = limits, time.Now()
	l.off.Store(limits.Off)
	maps.DeleteFunc(l.gates, func(key gateKey, g *gate) bool {
		return limits.Interval(key.channel, g.endpoint) != g.line.interval
	})
	return nil
}

// Interval is the time between two requests as this process's limits have it; zero: there is no limit.
func (l *Limiter) Interval(channel string, e endpoint.Endpoint) time.Duration {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.limits.Interval(channel, e)
}

// Off tells whether no limits are kept at all.
func (l *Limiter) Off() bool { return l.off.Load() }

// settling is how long after SetLimits nobody is told of a lower limit, which may be the one of before.
const settling = 2 * time.Minute

// gate finds or makes the gate of a channel's endpoint.
func (l *Limiter) gate(channel string, e endpoint.Endpoint) *gate {
	key := gateKey{channel, e.Operation}
	l.mu.RLock()
	g := l.gates[key]
	l.mu.RUnlock()
	if g != nil {
		return g
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if g = l.gates[key]; g == nil {
		interval := l.limits.Interval(channel, e)
		g = newGate(&line{rdb: l.cfg.Redis, channel: channel, operation: e.Operation, interval: interval})
		g.endpoint = e
		if !l.changed.IsZero() {
			g.settled = l.changed.Add(settling)
		}
		if l.cfg.Conflict != nil {
			g.conflict = func(kept time.Duration) { l.cfg.Conflict(channel, e, interval, kept) }
		}
		if l.cfg.Breaker != nil {
			g.breaker = func(open bool) { l.cfg.Breaker(channel, e, open) }
		}
		l.gates[key] = g
	}
	return g
}

// Request is who asks for a permit, and for what.
type Request struct {
	Channel  string
	Endpoint endpoint.Endpoint
	Priority Priority
	// ID is the task's, which finds its permit again where permits are kept; "" keeps none.
	ID string
	// Patience is how long Take may block for a turn.
	Patience time.Duration
}

// Turn is Take's answer.
type Turn struct {
	// Wait is zero if the request may go now. Else it is the time until the turn. Nothing was taken, unless Reserved.
	Wait time.Duration
	// Reserved tells that the permit is kept under the request's ID. Who comes back with the same ID between
	// Wait - Patience and Wait from now gets it at its time: with a Patience of two seconds, schedule the next Take for
	// Wait - 2 s, and it may be late by nearly two seconds. Who comes back earlier is told again. Who comes back after
	// Wait has lost it, and goes to the end of the line.
	Reserved bool
	// Broken tells that the endpoint fails for everybody. Wait is until the next probe.
	Broken bool
	// At is when the permit was due, by the local monotonic clock.
	At time.Time

	probe bool // of an open breaker
}

// Take waits for a permit for one request to LINE, up to r.Patience. A turn that Redis says is farther off is told at once,
// in Turn.Wait, and so is a breaker whose next probe is. A permit should be used within milliseconds: [Limiter.Before]
// replaces one that got old on the way.
//
// Where a limit grants one request a second or less and r.ID isn't empty, a turn that is farther off than r.Patience is
// kept under the ID: see Turn.Reserved. Such a permit is used up when Take returns it, and a repeat with the same ID takes
// another.
//
// An error is Redis's or the context's; nothing may be sent then.
func (l *Limiter) Take(ctx context.Context, r Request) (Turn, error) {
	return l.gate(r.Channel, r.Endpoint).take(ctx, r)
}

// Answer is what LINE's answers mean to the limiter.
type Answer int

const (
	Served  Answer = iota // LINE works: 2xx, and 4xx other than 429
	Limited               // a 429 of the endpoint's rate; not one of the quota or of a single user
	Failing               // 5xx, timeouts, broken connections
)

// Answered tells what became of a request. It costs no command of Redis's while LINE serves.
//
// A 429 slows the endpoint down for every process: by a tenth, once per 200 ms, to no less than a 64th, and with a pause
// of 50 ms or one interval. It recovers by a twentieth of the limit per second, or per interval if that is longer.
//
// Where half of this process's last answers are failures (of the last second, or as many of the last ten as give twenty),
// the endpoint's breaker opens for every process; one whose limits are off learns of it by its own failures only. After
// five seconds one request goes as a probe. When it fails, too, the time to the next doubles, up to a minute. When LINE
// serves again, the endpoint goes on with an eighth of its rate and recovers as after a 429.
func (l *Limiter) Answered(ctx context.Context, channel string, e endpoint.Endpoint, a Answer) error {
	return l.gate(channel, e).answered(ctx, a)
}
