package campaign_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

// Whatever comes in after the end of a campaign, nothing of it stays for ever.
func TestNothingOutlivesItsCampaign(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		states string // of the pass that is under way when the campaign is cancelled
		late   string // an error's text that is first heard of then
	}{
		"nobody was sent to":       {states: "ppp"},
		"one was sent to":          {states: "spp"},
		"LINE may have it":         {states: "oop"},
		"a refusal of a new kind":  {states: "sfp", late: "another refusal"},
		"everybody was sent to":    {states: "sss"},
		"all of them were refused": {states: "fff", late: "another refusal"},
	} {
		t.Run(name, func(t *testing.T) {
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
			_, _, err = store.BeginLane(t.Context(), l)
			require.NoError(t, err)
			wish := campaign.Wish{Units: 1, Most: campaign.Block, Lease: 30 * time.Second}
			c, err := store.Claim(t.Context(), l, wish)
			require.NoError(t, err)
			require.Len(t, c.Units, 1)

			_, err = store.Cancel(t.Context(), "c", campaign.Operator, "")
			require.NoError(t, err)
			u := c.Units[0]
			for i := range u.Parts {
				u.Parts[i].Status = campaign.Status(test.states[i])
			}
			if test.late != "" {
				numbers, err := store.Intern(t.Context(), "c", test.late)
				require.NoError(t, err)
				require.Equal(t, []int{1}, numbers)
			}
			_, ours, err := store.Close(t.Context(), "c", u, campaign.Closing{Parts: u.Parts, Calls: 3, Again: time.Second})
			require.NoError(t, err)
			require.True(t, ours)
			m.SetTime(now.Add(time.Minute))
			_, err = store.Claim(t.Context(), l, wish) // settles what LINE may have
			require.NoError(t, err)
			sum, err := store.Summary(t.Context(), "c")
			require.NoError(t, err)
			assert.Equal(t, campaign.StateCancelled, sum.State)
			assert.Equal(t, sum.Recipients, sum.Sent+sum.Failed+sum.Unknown+sum.Pending)

			for _, key := range m.Keys() {
				if strings.HasPrefix(key, "lineq:{c:c}:") {
					assert.Positive(t, m.TTL(key), "%s stays for ever", key)
				}
			}
			m.FastForward(100 * 24 * time.Hour)
			for _, key := range m.Keys() {
				assert.NotContains(t, key, "lineq:{c:c}:", "is left")
			}
		})
	}
}
