package campaign_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

// Only what LINE didn't answer makes a unit wait longer from one pass to the next: the last of 64 recipients isn't to wait
// for minutes because others failed before it, or because workers died.
func TestPassesInVain(t *testing.T) {
	t.Parallel()
	m, store := mini(t)
	now := time.Unix(1_800_000_000, 0)
	m.SetTime(now)
	plan := saying("hi")
	plan.Mode = campaign.Push
	d, err := store.Draft(t.Context(), tasks.DefaultChannel, "c", plan)
	require.NoError(t, err)
	require.NoError(t, d.Append(t.Context(), 0, packed(t, 3)))
	_, err = d.Seal(t.Context(), 3, 1, nil, campaign.Totals{Recipients: 3})
	require.NoError(t, err)
	require.NoError(t, store.Start(t.Context(), "c", campaign.Forecast{}, nil))
	l := campaign.Lane{ID: "c", Epoch: 1, Run: 1, Worker: "w"}
	_, ours, err := store.BeginLane(t.Context(), l)
	require.NoError(t, err)
	require.True(t, ours)
	claim := func() campaign.Unit {
		now = now.Add(time.Minute)
		m.SetTime(now)
		c, err := store.Claim(t.Context(), l, campaign.Wish{Units: 1, Most: campaign.Block, Lease: 30 * time.Second})
		require.NoError(t, err)
		require.Len(t, c.Units, 1)
		return c.Units[0]
	}
	end := func(u campaign.Unit, states string, calls int) {
		for i := range u.Parts {
			u.Parts[i].Status = campaign.Status(states[i])
		}
		_, ours, err := store.Close(t.Context(), "c", u, campaign.Closing{Parts: u.Parts, Calls: calls})
		require.NoError(t, err)
		require.True(t, ours)
	}
	for _, step := range []struct {
		passes int
		states string // empty: the worker dies
		calls  int
	}{
		{1, "ooo", 3}, {2, "ooo", 3}, {3, "", 0}, {3, "", 0}, {3, "ooo", 0}, {3, "ooo", 1}, {4, "soo", 3}, {1, "soo", 2},
		{2, "sor", 2}, {1, "sfr", 1},
	} {
		u := claim()
		assert.Equal(t, step.passes, u.Passes, step.states)
		if step.states != "" {
			end(u, step.states, step.calls)
		}
	}
	sum, err := store.Summary(t.Context(), "c")
	require.NoError(t, err)
	assert.Equal(t, campaign.StateFinishedWithFailures, sum.State)
}
