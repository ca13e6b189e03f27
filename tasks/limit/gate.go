package limit

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

const (
	// breakerRest is how long an open breaker rests before its first probe, and breakerRestLimit before any.
	breakerRest      = 5 * time.Second
	breakerRestLimit = time.Minute
	// believeBroken is for how long a process believes that a breaker is open without asking again: another may close it.
	believeBroken = time.Second
	// restartShare is the part of the rate with which an endpoint starts after its breaker closed.
	restartShare = 0.125
	// probeLate is how long after it was due a probe may go.
	probeLate = 2 * time.Second
	// limitedPause is how often this process tells Redis of 429s; limited.lua counts no more than one in this time.
	limitedPause = 200 * time.Millisecond
)

// gate is where a process's requests to one endpoint wait. Where a request takes a second or more of the limit, Redis is
// asked for each (long.go); where there is no limit, only while the breaker is open; all others lease slots (lease.go).
type gate struct {
	line     *line
	endpoint endpoint.Endpoint
	settled  time.Time // before this, no conflict is told
	conflict func(kept time.Duration)
	breaker  func(open bool)

	mu       sync.Mutex
	shape    shape // of the interval that is kept
	clock    redisClock
	disagree bool // conflict was told

	slots   []slot                // in hand, by time
	waiting [Urgent + 1]list.List // of *waiter, first come first served
	asking  [Urgent + 1]lease     // under way; the zero lease: none
	trip    time.Duration         // of a question to Redis, at its longest of late
	back    time.Duration         // of the answer's way, at its longest of late
	spacing time.Duration         // of the last lease
	end     time.Time             // of the line, as far as known
	wake    *time.Timer           // calls turn
	entered int                   // waiters so far
	late    bool                  // some waiter's patience may be over

	recent      recent
	broken      bool      // as far as known here
	probeAt     time.Time // when a probe may go
	brokenUntil time.Time // before this nobody asks again
	probing     bool      // a probe of this process is under way
	telling     int       // Redis is being told that it opened or closed
	told        int       // how often it was
	lastLimited time.Time
}

func newGate(l *line) *gate {
	g := &gate{line: l, shape: shapeOf(l.interval)}
	g.spacing = g.shape.step
	return g
}

func (g *gate) take(ctx context.Context, r Request) (Turn, error) {
	if err := ctx.Err(); err != nil {
		return Turn{}, err
	}
	g.mu.Lock()
	open := g.broken
	g.mu.Unlock()
	switch {
	case g.line.interval == 0 && !open:
		return Turn{At: time.Now()}, nil
	case g.line.interval == 0 || g.line.interval >= longWait:
		return g.takeLong(ctx, r)
	}
	return g.takeShort(ctx, r)
}

// fresh tells whether a permit that was due at this time may still be used.
func (g *gate) fresh(due time.Time, probe bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Since(due) <= max(g.shape.late, g.probeLate(probe))
}

// handed is how long after it was due a slot is still given to somebody. The caller holds the lock.
func (g *gate) handed(probe bool) time.Duration { return max(g.shape.handed(), g.probeLate(probe)) }

// probeLate is how late a probe may be. It is the only request for seconds, so it can't exceed a limit where LINE's bucket
// holds more than one; and nobody makes another until the breaker's rest is over, so a busy machine must not let it lapse.
func (g *gate) probeLate(probe bool) time.Duration {
	if probe && g.shape.step < coarse {
		return probeLate
	}
	return 0
}

// ask asks Redis, for as long as leaseTimeout, and learns from the answer what it says besides. It returns the first slot's
// local time, too.
func (g *gate) ask(ctx context.Context, w wish) (grant, time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	g.mu.Lock()
	sent := time.Now()
	w.shape, w.redisNow = g.shape, g.clock.at(sent)
	told := g.told
	g.mu.Unlock()

	v, err := g.line.take(ctx, w)
	if err != nil {
		return grant{}, time.Time{}, err
	}
	received := time.Now()

	g.mu.Lock()
	g.clock.learn(sent, received, v.redisNow)
	g.trip = max(received.Sub(sent), g.trip*9/10)
	g.back = max(min(received.Sub(g.clock.local(v.redisNow)), backLimit), g.back*9/10)
	first := g.clock.local(v.redisNow).Add(v.first)
	if now := g.clock.local(v.redisNow); first.Before(now) && v.outcome == granted && !v.kept {
		first = now
	}
	tell := g.keep(v.interval)
	switch {
	case (g.telling > 0 || g.told != told) && g.broken != (v.outcome == broken || v.probe):
		// Redis may have said so before it was told what is known here by now: ask again.
		v.outcome, first = broken, received
	case v.outcome == broken:
		g.broken, g.probeAt, g.brokenUntil = true, first, received.Add(believeBroken)
	default:
		g.broken = v.probe
	}
	g.mu.Unlock()

	if tell {
		g.conflict(v.interval)
	}
	return v, first, nil
}

// keep takes over the interval that is kept, and tells whether to say aloud that it isn't ours.
func (g *gate) keep(interval time.Duration) (tell bool) {
	if interval < g.line.interval || g.line.interval == 0 {
		interval = g.line.interval
	}
	g.shape = shapeOf(interval)
	if interval == g.line.interval || g.disagree || g.conflict == nil || time.Now().Before(g.settled) {
		return false
	}
	g.disagree = true
	return true
}

func (g *gate) answered(ctx context.Context, a Answer) error {
	now := time.Now()
	tell := ""
	g.mu.Lock()
	failing := g.recent.add(now, a == Failing)
	switch {
	case a == Limited && now.Sub(g.lastLimited) >= limitedPause:
		g.lastLimited = now
		tell = "limited"
	case a == Served && g.broken:
		tell = "close"
	case a == Failing && g.broken && g.probing:
		tell = "failed"
	case failing && !g.broken:
		tell = "open"
	}
	switch tell {
	case "close":
		g.broken, g.probing, g.probeAt = false, false, time.Time{}
		g.recent.forget()
	case "failed":
		g.probing = false
	case "open":
		g.broken, g.slots = true, nil
		g.recent.forget()
	}
	changed := tell == "open" || tell == "close"
	if changed {
		g.telling++
	}
	g.mu.Unlock()

	var err error
	switch tell {
	case "":
		return nil
	case "limited":
		err = g.line.limited(ctx)
	default:
		err = g.line.breaker(ctx, tell)
	}
	if changed && g.breaker != nil {
		g.breaker(tell == "open")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if changed {
		g.telling--
		g.told++
	}
	g.turn()
	return err
}
