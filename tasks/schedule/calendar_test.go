package schedule_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/tasks/schedule"
)

func calendar(t testing.TB, expression, zone string) schedule.Calendar {
	t.Helper()
	c, err := schedule.ParseCalendar(expression, zone, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	return c
}

// ticks are the first n after a moment, as RFC 3339 in the calendar's zone.
func ticks(c schedule.Calendar, after string, n int) (all []string) {
	t, err := time.Parse(time.RFC3339, after)
	if err != nil {
		panic(err)
	}
	for range n {
		t = c.Next(t)
		all = append(all, t.In(c.Zone()).Format(time.RFC3339))
	}
	return all
}

func TestNext(t *testing.T) {
	for name, test := range map[string]struct {
		cron, zone, after string
		want              []string
	}{
		"every Monday": {
			"0 9 * * MON", "Asia/Tokyo", "2026-11-20T00:00:00Z",
			[]string{"2026-11-23T09:00:00+09:00", "2026-11-30T09:00:00+09:00"},
		},
		"on a tick": {
			"0 9 * * *", "Asia/Tokyo", "2026-11-23T00:00:00Z", []string{"2026-11-24T09:00:00+09:00"},
		},
		"just before it": {
			"0 9 * * *", "Asia/Tokyo", "2026-11-22T23:59:59.999Z", []string{"2026-11-23T09:00:00+09:00"},
		},
		"with seconds": {
			"*/30 * * * * *", "Asia/Tokyo", "2026-11-23T00:00:00Z",
			[]string{"2026-11-23T09:00:30+09:00", "2026-11-23T09:01:00+09:00"},
		},
		"daily": {"@daily", "Asia/Tokyo", "2026-11-23T00:00:00Z", []string{"2026-11-24T00:00:00+09:00"}},
		"every 90 s": {
			"@every 90s", "", "2026-01-01T00:00:10Z", []string{"2026-01-01T00:01:30Z", "2026-01-01T00:03:00Z"},
		},
		"every, before its beginning": {"@every 90s", "", "2025-01-01T00:00:10Z", []string{"2026-01-01T00:01:30Z"}},

		"the hour that isn't there": {
			"30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z",
			[]string{"2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"},
		},
		"several in the hour that isn't there are one": {
			"*/20 1-3 * * *", "America/New_York", "2026-03-08T06:30:00Z",
			[]string{"2026-03-08T01:40:00-05:00", "2026-03-08T03:00:00-04:00", "2026-03-08T03:20:00-04:00"},
		},
		"the hour that comes twice": {
			"30 1 * * *", "America/New_York", "2026-11-01T04:00:00Z",
			[]string{"2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"},
		},
		"asked within its second coming": {
			"30 1 * * *", "America/New_York", "2026-11-01T06:10:00Z", []string{"2026-11-02T01:30:00-05:00"},
		},
		"every hour": {
			"0 * * * *", "America/New_York", "2026-11-01T04:30:00Z",
			[]string{"2026-11-01T01:00:00-04:00", "2026-11-01T02:00:00-05:00"},
		},
		"by the time that passes": {
			"@every 1h", "America/New_York", "2026-11-01T04:30:00Z",
			[]string{"2026-11-01T01:00:00-04:00", "2026-11-01T01:00:00-05:00", "2026-11-01T02:00:00-05:00"},
		},
		"midnight that isn't there": {
			"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z",
			[]string{"2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"},
		},
		"midnight that comes twice": {
			"30 23 * * *", "America/Sao_Paulo", "2018-02-17T12:00:00Z",
			[]string{"2018-02-17T23:30:00-02:00", "2018-02-18T23:30:00-03:00"},
		},
		"half an hour": {
			"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00Z",
			[]string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"},
		},
		"a day that isn't there": {
			"0 12 30 * *", "Pacific/Apia", "2011-12-01T00:00:00Z",
			[]string{"2011-12-31T00:00:00+14:00", "2012-01-30T12:00:00+14:00"},
		},
		"29 February": {"0 9 29 2 *", "Asia/Tokyo", "2026-01-01T00:00:00Z", []string{"2028-02-29T09:00:00+09:00"}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, test.want, ticks(calendar(t, test.cron, test.zone), test.after, len(test.want)))
		})
	}
}

func TestCalendarRefused(t *testing.T) {
	for name, test := range map[string]struct{ cron, zone, says string }{
		"nothing":             {"", "Asia/Tokyo", "empty"},
		"four fields":         {"0 9 * *", "Asia/Tokyo", "expected 5 to 6 fields, found 4"},
		"no such hour":        {"0 24 * * *", "Asia/Tokyo", "above maximum (23)"},
		"no such day":         {"0 9 30 2 *", "Asia/Tokyo", "there is no such day"},
		"a zone within":       {"TZ=Asia/Tokyo 0 9 * * *", "Asia/Tokyo", "a setting of its own"},
		"a zone, and no more": {"TZ=Asia/Tokyo", "Asia/Tokyo", "a setting of its own"},
		"no zone":             {"0 9 * * *", "", "time zone: none is given"},
		"the machine's zone":  {"0 9 * * *", "Local", `none is called "Local"`},
		"no such zone":        {"0 9 * * *", "Asia/Tokio", `none is called "Asia/Tokio"`},
		"a path":              {"0 9 * * *", "../../etc/passwd", "none is called"},
		"every nothing":       {"@every ", "Asia/Tokyo", "unrecognized"},
		"every no duration":   {"@every day", "", "@every 90s"},
		"every 0 s":           {"@every 0s", "", "@every 90s"},
		"every half second":   {"@every 1500ms", "", "@every 90s"},
		"every, no such zone": {"@every 1h", "Asia/Tokio", `none is called`},
		"no such word":        {"@noon", "Asia/Tokyo", "unrecognized descriptor"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := schedule.ParseCalendar(test.cron, test.zone, time.Time{})
			assert.ErrorContains(t, err, test.says)
		})
	}
}

// turns are zones and years with a change of the clock, usual and unusual ones.
var turns = map[string][]int{
	"America/New_York": {2006, 2007, 2026}, "America/Sao_Paulo": {2017, 2018}, "Europe/Berlin": {1980, 2026, 2035},
	"Australia/Lord_Howe": {2026}, "Pacific/Apia": {2011, 2012}, "Asia/Tehran": {2021}, "Africa/Casablanca": {2026},
	"Asia/Tokyo": {2026}, "America/Caracas": {2007, 2016}, "Asia/Pyongyang": {2015, 2018}, "Antarctica/Troll": {2026},
}

// TestNextByLookingAtTheClock compares with a clock that is looked at every minute of some days.
func TestNextByLookingAtTheClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(slices.Sorted(keys(turns))).Draw(t, "zone")
		year := rapid.SampledFrom(turns[zone]).Draw(t, "year")
		minutes := rapid.SliceOfNDistinct(rapid.IntRange(0, 59), 1, 3, rapid.ID).Draw(t, "minutes")
		hours := rapid.SliceOfNDistinct(rapid.IntRange(0, 23), 1, 5, rapid.ID).Draw(t, "hours")
		c, err := schedule.ParseCalendar(fmt.Sprintf("%s %s * * *", list(minutes), list(hours)), zone, time.Time{})
		require.NoError(t, err)
		from := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 364).Draw(t, "day")) * 24 * time.Hour)
		if turn, found := turnAfter(from, c.Zone()); found && rapid.Bool().Draw(t, "near a turn") {
			from = turn.Add(-time.Duration(rapid.IntRange(0, 48*60).Draw(t, "minutes before")) * time.Minute).UTC().Truncate(time.Minute)
		}
		to := from.Add(72 * time.Hour)

		// Each time on the wall is due when the clock reaches it, or jumps over it.
		var want []time.Time
		highest := from.In(c.Zone()).Add(-48 * time.Hour)
		shown := func(u time.Time) int64 { _, offset := u.In(c.Zone()).Zone(); return u.Unix() + int64(offset) }
		reached := shown(highest)
		for u := highest.Add(time.Minute); !u.After(to); u = u.Add(time.Minute) {
			hit := false
			for s := reached + 60; s <= shown(u); s += 60 {
				w := time.Unix(s, 0).UTC()
				hit = hit || slices.Contains(minutes, w.Minute()) && slices.Contains(hours, w.Hour())
			}
			reached = max(reached, shown(u))
			if hit && u.After(from) {
				want = append(want, u.UTC())
			}
		}
		var got []time.Time
		for u := c.Next(from); !u.After(to); u = c.Next(u) {
			got = append(got, u)
		}
		assert.Equal(t, want, got, "%s from %s", zone, from)
	})
}

// TestNextGoesOn asks at any moment: a tick is after it, and is the same for all moments up to it.
func TestNextGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom(slices.Sorted(keys(turns))).Draw(t, "zone")
		expression := rapid.SampledFrom([]string{
			"* * * * *", "*/7 * * * * *", "0 9 * * MON", "30 2 1,15 * *", "59 23 31 12 *", "@hourly", "@every 7m", "@monthly",
		}).Draw(t, "cron")
		c, err := schedule.ParseCalendar(expression, zone, time.Unix(1_000_000_000, 0))
		require.NoError(t, err)
		at := time.Unix(rapid.Int64Range(0, 2_500_000_000).Draw(t, "at"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		next := c.Next(at)
		require.True(t, next.After(at))
		between := at.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(at))-1).Draw(t, "between")))
		assert.Equal(t, next, c.Next(between))
		assert.True(t, c.Next(next).After(next))
		assert.Zero(t, next.Nanosecond())
	})
}

func FuzzParseCalendar(f *testing.F) {
	f.Add("0 9 * * MON", "Asia/Tokyo")
	f.Add("@every 90s", "")
	f.Add("TZ=", "Local")
	f.Add("0-59/7,3 */2 ? JAN-MAR SUN", "America/New_York")
	f.Fuzz(func(t *testing.T, expression, zone string) {
		c, err := schedule.ParseCalendar(expression, zone, time.Unix(0, 0))
		if err != nil {
			return
		}
		now := time.Date(2026, 3, 8, 6, 59, 59, 1, time.UTC)
		if next := c.Next(now); !next.IsZero() {
			assert.True(t, next.After(now))
		}
	})
}

func turnAfter(t time.Time, l *time.Location) (time.Time, bool) {
	_, turn := t.In(l).ZoneBounds()
	return turn, !turn.IsZero()
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func list(numbers []int) string {
	var all []string
	for _, n := range numbers {
		all = append(all, fmt.Sprint(n))
	}
	return strings.Join(all, ",")
}
