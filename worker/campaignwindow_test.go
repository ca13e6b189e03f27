package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
)

// A window closes in the middle of two campaigns, and opens again a minute later, which is the shortest that a window can be
// closed: they stop, wait, go on and reach everybody once. It takes up to three minutes.
func TestWindowClosesInACampaign(t *testing.T) {
	if testing.Short() {
		t.Skip("windows go by the minute: this takes up to three")
	}
	t.Parallel()
	s := newStage(t, redistest.Start(t).Client(t), linesim.Config{Latency: 20 * time.Millisecond})
	s.work(t)
	const rate = 100 // recipients a second
	closes := time.Now().UTC().Truncate(time.Minute).Add(time.Minute)
	if time.Until(closes) < 10*time.Second {
		closes = closes.Add(time.Minute)
	}
	opens := closes.Add(time.Minute)
	minutes := func(at time.Time) int { return at.Hour()*60 + at.Minute() }
	window := campaign.Window{From: minutes(opens), To: minutes(closes), Zone: "UTC"} // all day but for a minute
	require.True(t, window.Open(time.Now()))
	n := rate * int(time.Until(closes).Seconds()+5)
	audiences := map[campaign.Mode][]string{campaign.Push: users(2 * n)[:n], campaign.Multicast: users(2 * n)[n:]}
	for mode, to := range audiences {
		size := 500
		if mode == campaign.Multicast {
			size = 10
		}
		s.seal(t, string(mode), campaign.Plan{Mode: mode, Templates: text("hello"), Rate: rate, Window: window}, size, to)
	}

	wait := func(until time.Time) { time.Sleep(time.Until(until)) }
	wait(closes.Add(-2 * time.Second))
	counts := func(mode campaign.Mode) campaign.Summary {
		t.Helper()
		sum, err := s.campaigns.Summary(t.Context(), string(mode))
		require.NoError(t, err)
		require.Equal(t, sum.Recipients, sum.Sent+sum.Failed+sum.Unknown+sum.Pending)
		return sum
	}
	for mode := range audiences {
		assert.Positive(t, counts(mode).Sent, "%s hasn't begun", mode)
	}
	wait(closes)
	closed := map[campaign.Mode]campaign.Summary{}
	for mode := range audiences {
		s.quiet(t, string(mode)) // what was under way has ended
		closed[mode] = counts(mode)
		assert.Equal(t, campaign.StateSending, closed[mode].State)
		assert.Positive(t, closed[mode].Pending, mode)
		assert.Zero(t, closed[mode].Failed+closed[mode].Unknown)
	}
	wait(opens.Add(-time.Second))
	for mode := range audiences {
		assert.Equal(t, closed[mode].Sent, counts(mode).Sent, "%s goes on while the window is closed", mode)
	}
	for mode, to := range audiences {
		sum := s.ended(t, string(mode))
		assert.Equal(t, campaign.StateFinished, sum.State)
		assert.EqualValues(t, len(to), sum.Sent)
		s.everyoneOnce(t, to)
	}
	late := 0
	for r := range s.line.Ledger().Requests() {
		// One that began at the very end may arrive a moment later; on a busy machine that is long.
		if r.At.After(closes.Add(5*time.Second)) && r.At.Before(opens) {
			late++
		}
	}
	assert.Zero(t, late, "requests while the window was closed")
}
