package schedule

import (
	"time"
)

const (
	// shortestGrace is how late a worker may be, at the least, before a tick is missed, and longestGrace at the most.
	shortestGrace = 5 * time.Second
	longestGrace  = time.Minute
)

// Tick is one time at which a schedule's task or campaign is enqueued.
type Tick struct {
	Spec  Spec
	At    time.Time // the time that it stands for
	Asked bool      // somebody has asked for it; it isn't one of the calendar's
	Tries int       // how often it was begun before
}

// ID is that of the task or the campaign that the tick enqueues, the same for the same tick:
// <schedule>@20261123T000000Z, in UTC.
func (t Tick) ID() string { return tickID(t.Spec.ID, t.At) }

func tickID(schedule string, at time.Time) string {
	layout := "20060102T150405Z"
	if at.Nanosecond() != 0 {
		layout = "20060102T150405.000Z"
	}
	return schedule + "@" + at.UTC().Format(layout)
}

// choice is what there is to do about the ticks that are due.
type choice struct {
	run    time.Time // the one to run; zero: none
	missed time.Time // the latest one that is passed over; zero: none
	next   time.Time // the first tick after these; zero: there is none
}

// choose says what to do when the tick next is due. Of those that are on time it is the first, so that each of them runs.
func (s Spec) choose(c Calendar, next, now time.Time) choice {
	var missed time.Time
	if early := now.Add(-longestGrace); next.Before(early) {
		missed = c.latest(next, early.Add(-1))
	}
	for t := c.Next(later(next, missed.Add(1)).Add(-1)); !t.IsZero() && !t.After(now); {
		after := c.Next(t)
		if now.Sub(t) <= grace(t, after) {
			return choice{run: t, missed: missed, next: after}
		}
		missed, t = t, after
	}
	ch := choice{missed: missed, next: c.Next(now)}
	if s.Missed != Skip && now.Sub(missed) <= s.patience() {
		ch.run = missed
		ch.missed = time.Time{}
		if before := c.latest(next, missed.Add(-1)); !before.IsZero() {
			ch.missed = before
		}
	}
	return ch
}

// grace is how late a tick may be that isn't missed.
func grace(tick, after time.Time) time.Duration {
	if after.IsZero() {
		return longestGrace
	}
	return min(max(after.Sub(tick), shortestGrace), longestGrace)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
