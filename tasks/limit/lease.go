package limit

import (
	"container/list"
	"context"
	"slices"
	"time"
)

const (
	// askAhead is how long before the last slot in hand the next are asked for, beside twice the way to Redis and back.
	askAhead = 5 * time.Millisecond
	// leaseTimeout ends a question to a Redis that doesn't answer; those who wait for it get the error.
	leaseTimeout = 5 * time.Second
	// backLimit is how long an answer's way from Redis is reckoned with: an odd one of seconds must not hold up the line.
	backLimit = 250 * time.Millisecond
	// minWake keeps the timer from running for each single slot of a fast endpoint.
	minWake = 200 * time.Microsecond
)

// slot is the right to one request at a time. Whoever goes first at that time gets it, whatever it was leased for.
type slot struct {
	at       time.Time
	priority Priority // that it was leased for
	probe    bool
}

// waiter is a Take that waits. It holds nothing in Redis.
type waiter struct {
	number   int
	deadline time.Time
	overdue  bool // its patience is over; it leaves when Redis was asked for it
	answered bool // Redis was
	turn     chan turnOrError
}

type turnOrError struct {
	Turn
	err error
}

// lease is a question to Redis that is under way.
type lease struct {
	slots int
	up    int // it asks for waiters up to this number
}

// takeShort waits in the process's own queue.
func (g *gate) takeShort(ctx context.Context, r Request) (Turn, error) {
	p := min(max(r.Priority, Bulk), Urgent)
	w := &waiter{deadline: time.Now().Add(r.Patience), turn: make(chan turnOrError, 1)}
	g.mu.Lock()
	g.entered++
	w.number = g.entered
	place := g.waiting[p].PushBack(w)
	g.turn()
	g.mu.Unlock()

	select {
	case t := <-w.turn:
		return t.Turn, t.err
	default:
	}
	patience := time.NewTimer(r.Patience)
	defer patience.Stop()
	for {
		select {
		case t := <-w.turn:
			return t.Turn, t.err
		case <-patience.C:
			g.mu.Lock()
			w.overdue = true
			g.late = true
			g.turn()
			g.mu.Unlock()
		case <-ctx.Done():
			g.mu.Lock()
			g.waiting[p].Remove(place) // does nothing if w was served meanwhile
			g.mu.Unlock()
			return Turn{}, ctx.Err()
		}
	}
}

// turn does all that can be done now: hands out slots that are due, asks for more, sends away those whose patience is
// over, and sets the timer for the next time. The caller holds the lock.
func (g *gate) turn() {
	now := time.Now()
	next := g.handOut(now)
	if g.broken && now.Before(g.probeAt) && now.Before(g.brokenUntil) {
		g.sendAway(now, func(_ int, w *waiter) (Turn, bool) {
			return Turn{Wait: wholeWait(g.probeAt.Sub(now)), Broken: true}, w.deadline.Before(g.probeAt)
		})
		if g.anyWaiting() {
			next = earlier(next, earlier(g.probeAt, g.brokenUntil))
		}
	} else {
		next = earlier(next, g.askForMore(now))
		if g.late {
			g.late = false
			g.sendAway(now, func(ahead int, w *waiter) (Turn, bool) { return g.overdue(now, ahead, w) })
		}
	}
	if next.IsZero() {
		return
	}
	d := max(next.Sub(now), minWake)
	if g.wake == nil {
		g.wake = time.AfterFunc(d, func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.turn()
		})
		return
	}
	g.wake.Reset(d)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func (g *gate) anyWaiting() bool {
	return slices.ContainsFunc(g.waiting[:], func(q list.List) bool { return q.Len() > 0 })
}

// handOut gives the slots that are due to those who go first, and drops those that nobody wanted in time. It returns when
// the next one is due, if somebody waits for it.
func (g *gate) handOut(now time.Time) (next time.Time) {
	used := 0
	p := Urgent
	for _, s := range g.slots {
		if now.Sub(s.at) <= g.handed(s.probe) {
			for p >= Bulk && g.waiting[p].Len() == 0 {
				p--
			}
			if p < Bulk {
				break
			}
			if s.at.After(now) {
				next = s.at
				break
			}
			w := g.waiting[p].Remove(g.waiting[p].Front()).(*waiter)
			w.turn <- turnOrError{Turn: Turn{At: s.at, probe: s.probe}}
			g.probing = g.probing || s.probe
		}
		used++
	}
	g.slots = slices.Delete(g.slots, 0, used)
	return next
}

// askForMore leases slots for those who have none in hand: an urgent request doesn't wait for what was leased for bulk. It
// returns when to ask next, if it isn't time yet.
func (g *gate) askForMore(now time.Time) (next time.Time) {
	need := 0
	var last time.Time // slot in hand of this priority or a higher one
	for p := Urgent; p >= Bulk; p-- {
		for _, s := range g.slots {
			if s.priority == p {
				need--
				if s.at.After(last) {
					last = s.at
				}
			}
		}
		need += g.waiting[p].Len() - g.asking[p].slots
		number := min(need, g.waiting[p].Len())
		if number <= 0 || g.asking[p].slots > 0 {
			continue
		}
		most := g.most(50 * time.Millisecond)
		if p != Urgent {
			if at := last.Add(-askAhead - 2*g.trip); !last.IsZero() && now.Before(at) {
				next = earlier(next, at)
				continue
			}
			most = min(most, max(g.shape.block, g.most(handful+g.trip)))
		}
		number = min(number, most)
		need -= number
		g.startLease(now, p, number)
	}
	return next
}

// most is how many requests may go in this time, at least one.
func (g *gate) most(d time.Duration) int {
	return max(1, int(d/max(1, g.shape.step)))
}

func (g *gate) startLease(now time.Time, p Priority, slots int) {
	patience := time.Duration(0)
	for e := g.waiting[p].Front(); e != nil; e = e.Next() {
		patience = max(patience, e.Value.(*waiter).deadline.Sub(now))
	}
	g.asking[p] = lease{slots: slots, up: g.entered}
	w := wish{slots: slots, early: g.shape.head(p), patience: patience}
	if handed := g.shape.handed(); g.back > handed {
		w.soonest = g.back - handed/2
	}
	go func() { // of its own, since the slots are for whoever waits then; it ends with leaseTimeout
		v, first, err := g.ask(context.Background(), w)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.endLease(p, v, first, err)
	}()
}

func (g *gate) endLease(p Priority, v grant, first time.Time, err error) {
	up := g.asking[p].up
	g.asking[p] = lease{}
	var leaving *turnOrError
	switch {
	case err != nil:
		leaving = &turnOrError{err: err}
	case v.outcome == tooFar:
		leaving = &turnOrError{}
		g.end = first
	case v.outcome == granted:
		g.spacing = v.spacing
		g.end = first.Add(time.Duration(v.slots) * v.spacing)
		for i := range v.slots {
			g.slots = append(g.slots, slot{first.Add(time.Duration(i) * v.spacing), p, v.probe})
		}
		slices.SortStableFunc(g.slots, func(a, b slot) int { return a.at.Compare(b.at) })
	}
	inHand := len(g.slots)
	for higher := Urgent; higher > p; higher-- {
		inHand -= g.waiting[higher].Len()
	}
	for e, place := g.waiting[p].Front(), 0; e != nil && e.Value.(*waiter).number <= up; place++ {
		w, here := e.Value.(*waiter), e
		e = e.Next()
		w.answered = true
		if leaving == nil || place < inHand {
			continue
		}
		g.waiting[p].Remove(here)
		t := *leaving
		if t.err == nil {
			t.Wait = wholeWait(time.Until(first) + time.Duration(place-max(0, inHand))*g.spacing)
		}
		w.turn <- t
	}
	g.turn()
}

// overdue tells a waiter whose patience is over when its turn would be, as far as known here: others may go between.
func (g *gate) overdue(now time.Time, ahead int, w *waiter) (Turn, bool) {
	if !w.overdue {
		return Turn{}, false
	}
	wait := max(0, g.end.Sub(now)) + time.Duration(ahead-len(g.slots))*g.spacing
	if ahead < len(g.slots) {
		wait = g.slots[ahead].at.Sub(now)
		if wait <= g.back {
			return Turn{}, false // it is here sooner than anybody who would come back
		}
	}
	return Turn{Wait: wholeWait(wait)}, true
}

// wholeWait is a wait in whole milliseconds, at least one, so that who comes back after it isn't early.
func wholeWait(d time.Duration) time.Duration {
	return max(0, d).Truncate(time.Millisecond) + time.Millisecond
}

// sendAway ends the waiting of those for whom leaves says so; ahead is how many go before.
func (g *gate) sendAway(now time.Time, leaves func(ahead int, w *waiter) (Turn, bool)) {
	ahead := 0
	for p := Urgent; p >= Bulk; p-- {
		for e := g.waiting[p].Front(); e != nil; {
			w, here := e.Value.(*waiter), e
			e = e.Next()
			if t, ok := leaves(ahead, w); ok && (w.answered || g.asking[p].slots == 0 || t.Broken) {
				g.waiting[p].Remove(here)
				w.turn <- turnOrError{Turn: t}
				continue
			}
			g.late = g.late || w.overdue
			ahead++
		}
	}
}
