package campaign_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/tasks/campaign"
)

func TestParseWindow(t *testing.T) {
	for hours, want := range map[string]campaign.Window{
		"09:00-21:00":     {From: 540, To: 1260, Zone: "Asia/Tokyo"},
		"9:05 - 21:00":    {From: 545, To: 1260, Zone: "Asia/Tokyo"},
		"21:00-02:00":     {From: 1260, To: 120, Zone: "Asia/Tokyo"},
		"18:30-24:00":     {From: 1110, To: 0, Zone: "Asia/Tokyo"},
		"00:00-00:01":     {From: 0, To: 1, Zone: "Asia/Tokyo"},
		" 22:00-00:00   ": {From: 1320, To: 0, Zone: "Asia/Tokyo"},
	} {
		t.Run(hours, func(t *testing.T) {
			got, err := campaign.ParseWindow(hours, "Asia/Tokyo")
			require.NoError(t, err)
			assert.Equal(t, want, got)
		})
	}
	for hours, want := range map[string]string{
		"":            `window "": write it as 09:00-21:00`,
		"9-21":        `write it as`,
		"09:00":       `write it as`,
		"09:60-10:00": `write it as`,
		"09:00-24:01": `write it as`,
		"24:00-09:00": `write it as`,
		"-1:00-09:00": `write it as`,
		"+9:00-10:00": `write it as`,
		"09:00-09:00": `window 09:00-09:00: it ends when it begins; leave it out for the whole day`,
		"00:00-24:00": `it ends when it begins`,
	} {
		t.Run(hours, func(t *testing.T) {
			_, err := campaign.ParseWindow(hours, "Asia/Tokyo")
			assert.ErrorContains(t, err, want)
		})
	}
	for _, zone := range []string{"Asia/Tokio", "Local", "JST-9", "../../etc/passwd"} {
		t.Run(zone, func(t *testing.T) {
			_, err := campaign.ParseWindow("09:00-21:00", zone)
			assert.EqualError(t, err, `window 09:00-21:00: no time zone is called "`+zone+`": use a name such as Asia/Tokyo`)
		})
	}
}

func TestWindowJSON(t *testing.T) {
	type plan struct {
		Window campaign.Window `json:"window,omitzero"`
	}
	b, err := json.Marshal(plan{campaign.Window{From: 540, To: 1260, Zone: "Asia/Tokyo"}})
	require.NoError(t, err)
	assert.Equal(t, `{"window":{"from":540,"to":1260,"zone":"Asia/Tokyo"}}`, string(b))
	var back plan
	require.NoError(t, json.Unmarshal(b, &back))
	assert.Equal(t, "09:00-21:00 Asia/Tokyo", back.Window.String())
	b, err = json.Marshal(plan{})
	require.NoError(t, err)
	assert.Equal(t, `{}`, string(b))
	for _, text := range []string{
		`{"from":-1,"to":5,"zone":""}`, `{"from":1,"to":1440,"zone":""}`, `{"from":1,"to":1,"zone":""}`,
		`{"from":0,"to":1,"zone":"x"}`, `[]`,
	} {
		assert.Error(t, json.Unmarshal([]byte(text), new(campaign.Window)), text)
	}
	assert.Equal(t, "always", campaign.Window{}.String())
	assert.Equal(t, "21:00-00:00 UTC", campaign.Window{From: 1260}.String())
}

func TestWindow(t *testing.T) {
	for name, test := range map[string]struct {
		hours, zone, now string
		next, closes     string // in UTC; empty: now
	}{
		"open":            {"09:00-21:00", "Asia/Tokyo", "2026-07-01T00:00:00Z", "", "2026-07-01T12:00:00Z"},
		"just open":       {"09:00-21:00", "Asia/Tokyo", "2026-07-01T11:59:59.999Z", "", "2026-07-01T12:00:00Z"},
		"just closed":     {"09:00-21:00", "Asia/Tokyo", "2026-07-01T12:00:00Z", "2026-07-02T00:00:00Z", ""},
		"before":          {"09:00-21:00", "Asia/Tokyo", "2026-06-30T23:59:59.5Z", "2026-07-01T00:00:00Z", ""},
		"over midnight":   {"21:00-02:00", "UTC", "2026-07-01T22:00:00Z", "", "2026-07-02T02:00:00Z"},
		"after midnight":  {"21:00-02:00", "UTC", "2026-07-01T01:00:00Z", "", "2026-07-01T02:00:00Z"},
		"in the daytime":  {"21:00-02:00", "UTC", "2026-07-01T02:00:00Z", "2026-07-01T21:00:00Z", ""},
		"summer begins":   {"09:00-21:00", "Europe/Berlin", "2026-03-28T22:00:00Z", "2026-03-29T07:00:00Z", ""},
		"summer ends":     {"09:00-21:00", "Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T08:00:00Z", ""},
		"left out":        {"02:15-02:45", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-30T00:15:00Z", ""},
		"begins left out": {"02:15-04:00", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", ""},
		"ends left out":   {"01:00-02:15", "Europe/Berlin", "2026-03-29T00:10:00Z", "", "2026-03-29T01:00:00Z"},
		"runs over it":    {"01:00-06:00", "Europe/Berlin", "2026-03-29T00:10:00Z", "", "2026-03-29T04:00:00Z"},
		"repeated":        {"02:00-02:30", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", ""},
		"set back into":   {"01:00-02:30", "Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", ""},
		"runs over both":  {"01:00-03:00", "Europe/Berlin", "2026-10-25T00:30:00Z", "", "2026-10-25T02:00:00Z"},
		"half an hour":    {"09:00-21:00", "Australia/Lord_Howe", "2026-04-04T12:00:00Z", "2026-04-04T22:30:00Z", ""},
		"a day left out":  {"09:00-21:00", "Pacific/Apia", "2011-12-30T08:00:00Z", "2011-12-30T19:00:00Z", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := campaign.ParseWindow(test.hours, test.zone)
			require.NoError(t, err)
			now, err := time.Parse(time.RFC3339, test.now)
			require.NoError(t, err)
			is := func(want string, got time.Time) {
				t.Helper()
				if want == "" {
					want = test.now
				}
				assert.Equal(t, want, got.UTC().Format(time.RFC3339Nano))
			}
			assert.Equal(t, test.next == "", w.Open(now))
			is(test.next, w.Next(now))
			is(test.closes, w.Closes(now))
		})
	}
	t.Run("zero", func(t *testing.T) {
		var w campaign.Window
		now := time.Now()
		assert.True(t, w.IsZero())
		assert.True(t, w.Open(now))
		assert.Equal(t, now, w.Next(now))
		assert.True(t, w.Closes(now).IsZero())
	})
}

// TestWindowProperties: a window is open by the clock on the wall; Next is the first moment at which it is, and Closes the
// first at which it isn't any more.
func TestWindowProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := rapid.SampledFrom([]string{
			"", "Asia/Tokyo", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca",
			"America/Caracas", "Asia/Kathmandu",
		}).Draw(t, "zone")
		w := campaign.Window{
			From: rapid.IntRange(0, 1439).Draw(t, "from"), To: rapid.IntRange(0, 1439).Draw(t, "to"), Zone: zone,
		}
		if w.From == w.To {
			t.Skip()
		}
		location, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Date(2005, 1, 1, 0, 0, 0, 0, time.UTC)
		now := start.Add(time.Duration(rapid.Int64Range(0, int64(22*365*24*time.Hour)).Draw(t, "now")))
		if _, turn := now.In(location).ZoneBounds(); !turn.IsZero() && rapid.Bool().Draw(t, "near a change of the clock") {
			now = turn.Add(time.Duration(rapid.Int64Range(-int64(30*time.Hour), int64(5*time.Hour)).Draw(t, "from it")))
		}
		open := func(at time.Time) bool {
			m := at.In(location).Hour()*60 + at.In(location).Minute()
			return w.From < w.To && w.From <= m && m < w.To || w.From > w.To && (w.From <= m || m < w.To)
		}
		if w.Open(now) != open(now) {
			t.Fatalf("open: %v", w.Open(now))
		}
		change := w.Next(now)
		if open(now) {
			if !change.Equal(now) {
				t.Fatalf("next: %v", change)
			}
			change = w.Closes(now)
		} else if !w.Closes(now).Equal(now) {
			t.Fatalf("closes: %v", w.Closes(now))
		}
		if open(change) == open(now) || open(change.Add(-1)) != open(now) || change.Sub(now) > 50*time.Hour {
			t.Fatalf("change: %v", change)
		}
		for at := now; at.Before(change); at = at.Add(29 * time.Second) {
			if open(at) != open(now) {
				t.Fatalf("changed before %v: %v", change, at)
			}
		}
	})
}
