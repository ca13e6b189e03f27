package campaign

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a container may have no time zones
)

// Window is a part of each day, in a time zone. It may reach over midnight: 21:00-02:00. Its zero value is the whole day.
// It goes by what a clock on the wall shows there: an hour that a change to winter time repeats is twice in it, and one
// that summer time leaves out in none.
type Window struct {
	From int    `json:"from"` // minutes after midnight, 0 to 1439
	To   int    `json:"to"`   // the same; not in the window any more
	Zone string `json:"zone"` // IANA name, such as Asia/Tokyo; empty: UTC
}

const day = 24 * time.Hour

// ParseWindow reads hours such as 09:00-21:00, and the name of a time zone. 24:00 is the end of a day.
func ParseWindow(hours, zone string) (Window, error) {
	from, to, found := strings.Cut(hours, "-")
	w := Window{Zone: zone}
	var fromOK, toOK bool
	w.From, fromOK = minutes(from)
	w.To, toOK = minutes(to)
	if !found || !fromOK || !toOK || w.From == int(day/time.Minute) {
		return Window{}, fmt.Errorf("window %.20q: write it as 09:00-21:00", hours)
	}
	w.To %= int(day / time.Minute)
	return w, w.Check()
}

// minutes reads 09:00, 9:00 and 24:00 as minutes after midnight.
func minutes(s string) (n int, ok bool) {
	hour, minute, found := strings.Cut(strings.TrimSpace(s), ":")
	if !found || len(hour) < 1 || len(hour) > 2 || len(minute) != 2 {
		return 0, false
	}
	h, err := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	n = int(h*60 + m)
	return n, err == nil && err2 == nil && m < 60 && n <= int(day/time.Minute)
}

// Check says what is wrong with a window: an empty one, or a time zone that this machine doesn't know.
func (w Window) Check() error {
	if w.IsZero() {
		return nil
	}
	last := int(day/time.Minute) - 1
	switch {
	case w.From < 0 || w.From > last || w.To < 0 || w.To > last:
		return fmt.Errorf("window: hours are 0 to %d minutes after midnight", last)
	case w.From == w.To:
		return fmt.Errorf("window %s: it ends when it begins; leave it out for the whole day", w.hours())
	case w.Zone == "Local": // it differs from machine to machine
	default:
		if _, err := location(w.Zone); err == nil {
			return nil
		}
	}
	return fmt.Errorf("window %s: no time zone is called %.40q: use a name such as Asia/Tokyo", w.hours(), w.Zone)
}

// UnmarshalJSON refuses what Check does.
func (w *Window) UnmarshalJSON(data []byte) error {
	type plain Window
	if err := json.Unmarshal(data, (*plain)(w)); err != nil {
		return err
	}
	return w.Check()
}

// IsZero tells whether the window is the whole day.
func (w Window) IsZero() bool { return w == Window{} }

func (w Window) String() string {
	if w.IsZero() {
		return "always"
	}
	if w.Zone == "" {
		return w.hours() + " UTC"
	}
	return w.hours() + " " + w.Zone
}

func (w Window) hours() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", w.From/60, w.From%60, w.To/60, w.To%60)
}

// Open tells whether a moment is in the window.
func (w Window) Open(now time.Time) bool {
	if w.IsZero() {
		return true
	}
	return w.holds(clock(w.in(now)))
}

// Next is when the window opens next: now if it is open.
func (w Window) Next(now time.Time) time.Time {
	if w.Open(now) {
		return now
	}
	return w.change(now, w.From)
}

// Closes is when the window that is open now closes; now if none is. The zero window never closes: it returns the zero
// time.
func (w Window) Closes(now time.Time) time.Time {
	switch {
	case w.IsZero():
		return time.Time{}
	case !w.Open(now):
		return now
	}
	return w.change(now, w.To)
}

// change is when the window opens or closes next, which is when the clock shows so many minutes after midnight, or when it
// is put forward or back over that.
func (w Window) change(now time.Time, minutes int) time.Time {
	open := w.Open(now)
	for at := w.in(now); ; {
		then := at.Add((time.Duration(minutes)*time.Minute - clock(at) + day) % day)
		_, turn := at.ZoneBounds()
		if turn.IsZero() || then.Before(turn) {
			return then.In(now.Location())
		}
		if at = turn; w.Open(at) != open {
			return at.In(now.Location())
		}
	}
}

// holds tells whether the window is open when the clock shows so much after midnight.
func (w Window) holds(clock time.Duration) bool {
	from, to := time.Duration(w.From)*time.Minute, time.Duration(w.To)*time.Minute
	if from < to {
		return from <= clock && clock < to
	}
	return from <= clock || clock < to
}

// clock is what a clock shows, as time after midnight.
func clock(t time.Time) time.Duration {
	h, m, s := t.Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second +
		time.Duration(t.Nanosecond())
}

// in is a moment in the window's time zone; UTC stands for one that Check refuses.
func (w Window) in(t time.Time) time.Time {
	l, err := location(w.Zone)
	if err != nil {
		l = time.UTC
	}
	return t.In(l)
}

// locations holds each *time.Location by its name: time reads a file for it.
var locations sync.Map

func location(zone string) (*time.Location, error) {
	if l, ok := locations.Load(zone); ok {
		return l.(*time.Location), nil
	}
	l, err := time.LoadLocation(zone)
	if err == nil {
		locations.Store(zone, l)
	}
	return l, err
}
