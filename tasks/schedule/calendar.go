package schedule

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a container may have no time zones

	"github.com/robfig/cron/v3"
)

// Calendar says when a schedule's ticks are. Those of a cron expression go by what a clock on the wall shows in its time
// zone: a tick is due when that clock first shows its time, or has passed it. So one within an hour that summer time leaves
// out is due at the first moment after it, and all that are within it are one; and one within an hour that winter time
// repeats is due the first time only. Those of @every go by the time that passes, whatever a clock shows.
type Calendar struct {
	cron cron.Schedule // nil for @every
	zone *time.Location

	every time.Duration
	since time.Time // ticks of @every are whole multiples after it
}

const everyWord = "@every "

// cronParser takes five fields, or six that begin with seconds, and @daily and its like. Everything that it makes goes by
// the location of the time that it is asked about.
var cronParser = cron.NewParser(
	cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// ParseCalendar reads a cron expression, as '0 9 * * MON', and the IANA name of a time zone; or "@every 10m" in whole
// seconds, which counts from since and needs no zone.
func ParseCalendar(expression, zone string, since time.Time) (Calendar, error) {
	expression = strings.TrimSpace(expression)
	if period, ok := strings.CutPrefix(expression, everyWord); ok {
		return parseEvery(strings.TrimSpace(period), zone, since)
	}
	if strings.Contains(expression, "=") {
		return Calendar{}, fmt.Errorf("%w %.80q: the time zone is a setting of its own", ErrCron, expression)
	}
	l, err := location(zone)
	if err != nil {
		return Calendar{}, err
	}
	parsed, err := cronParser.Parse(expression)
	if err != nil {
		return Calendar{}, fmt.Errorf("%w %.80q: %w", ErrCron, expression, err)
	}
	if parsed.Next(someDay).IsZero() {
		return Calendar{}, fmt.Errorf("%w %.80q: there is no such day", ErrCron, expression)
	}
	return Calendar{cron: parsed, zone: l}, nil
}

// someDay is before a leap year.
var someDay = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

func parseEvery(period, zone string, since time.Time) (Calendar, error) {
	d, err := time.ParseDuration(period)
	if err != nil || d < time.Second || d%time.Second != 0 {
		return Calendar{}, fmt.Errorf("%w %.80q: write it as @every 90s or @every 2h, in whole seconds", ErrCron, everyWord+period)
	}
	l := time.UTC
	if zone != "" {
		if l, err = location(zone); err != nil {
			return Calendar{}, err
		}
	}
	return Calendar{zone: l, every: d, since: since.Truncate(time.Second)}, nil
}

// Zone is where its times are shown.
func (c Calendar) Zone() *time.Location { return c.zone }

// Next is the first tick after t; zero: there is none within five years.
func (c Calendar) Next(t time.Time) time.Time {
	if c.cron == nil {
		n := t.Sub(c.since) / c.every
		if t.Before(c.since) {
			n = 0
		}
		return c.since.Add((n + 1) * c.every).UTC()
	}
	// A clock in UTC is never put forward or back, so cron's arithmetic is that of the clock on the wall. In a zone it would
	// leave the ticks of a missing hour out, and those of a repeated one would be there twice.
	next := c.cron.Next(c.shown(t))
	if next.IsZero() {
		return time.Time{}
	}
	return c.first(next)
}

// latest is the last tick from from on that isn't after now; zero: there is none.
func (c Calendar) latest(from, now time.Time) time.Time {
	from = from.Add(-1)
	for back := time.Minute; ; back *= 8 {
		start := now.Add(-back)
		if start.Before(from) {
			start = from
		}
		var last time.Time
		for t := c.Next(start); !t.IsZero() && !t.After(now); t = c.Next(t) {
			last = t
		}
		if !last.IsZero() || start.Equal(from) {
			return last
		}
	}
}

// reach is longer than any clock on Earth is ahead of another.
const reach = 36 * time.Hour

// shown is the highest time that the clock on the wall has shown until t, written as if it were UTC.
func (c Calendar) shown(t time.Time) time.Time {
	highest := wall(t.In(c.zone))
	for u := t.Add(-reach).In(c.zone); ; {
		_, turn := u.ZoneBounds()
		if turn.IsZero() || turn.After(t) {
			return highest
		}
		_, offset := u.Zone()
		if before := turn.UTC().Add(time.Duration(offset)*time.Second - 1); before.After(highest) {
			highest = before
		}
		u = turn
	}
}

// first is when the clock on the wall first shows a time that is written as if it were UTC, or has passed it.
func (c Calendar) first(shown time.Time) time.Time {
	for u := shown.Add(-reach).In(c.zone); ; {
		start, end := u.ZoneBounds()
		_, offset := u.Zone()
		at := shown.Add(-time.Duration(offset) * time.Second)
		if at.Before(start) {
			at = start
		}
		if end.IsZero() || at.Before(end) {
			return at.UTC()
		}
		u = end
	}
}

// wall is what a clock shows, written as if it were UTC.
func wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// Errors of a calendar that can't be made.
var (
	ErrCron = errors.New("cron")
	ErrZone = errors.New("time zone")
)

// locations holds each *time.Location by its name: time reads a file for it.
var locations sync.Map

func location(zone string) (*time.Location, error) {
	if l, ok := locations.Load(zone); ok {
		return l.(*time.Location), nil
	}
	l, err := time.LoadLocation(zone)
	switch {
	case zone == "":
		return nil, fmt.Errorf("%w: none is given; use a name such as Asia/Tokyo", ErrZone)
	case err != nil || zone == "Local": // it differs from machine to machine
		return nil, fmt.Errorf("%w: none is called %.40q; use a name such as Asia/Tokyo", ErrZone, zone)
	}
	locations.Store(zone, l)
	return l, nil
}
