package campaign_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
)

// A campaign is sent under the ID of a dry run while a worker is just telling that one's end: it isn't lost over that.
func TestInEarnestWhileTheDryRunsEndIsTold(t *testing.T) {
	t.Parallel()
	ref := campaign.Ref{Channel: tasks.DefaultChannel, ID: "c"}
	for name, told := range map[string]bool{"before it is told": false, "when it has been told": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
				store := campaign.New(rdb, campaign.Retention{})
				seal := func(dry bool) {
					plan := saying("hi")
					plan.DryRun = dry
					d, err := store.Draft(t.Context(), ref.Channel, ref.ID, plan)
					require.NoError(t, err)
					require.NoError(t, d.Append(t.Context(), 0, packed(t, 3)))
					_, err = d.Seal(t.Context(), 3, 1, nil, campaign.Totals{Recipients: 3})
					require.NoError(t, err)
				}
				needs := func() campaign.Need {
					l, err := store.Look(t.Context(), ref.ID, true)
					require.NoError(t, err)
					return l.Need
				}
				seal(true)
				require.Equal(t, campaign.NeedsPreflight, needs())
				require.NoError(t, store.EndDryRun(t.Context(), ref.ID, campaign.Forecast{}))
				require.Equal(t, campaign.NeedsTelling, needs())
				version, err := store.Version(t.Context(), ref.ID)
				require.NoError(t, err)
				if told {
					require.NoError(t, store.Told(t.Context(), ref, version))
					require.Equal(t, campaign.Gone, needs()) // and another worker is about to forget it
				}

				seal(false)
				if told {
					require.NoError(t, store.Forget(t.Context(), ref))
				} else {
					require.NoError(t, store.Told(t.Context(), ref, version))
				}
				all, err := store.Unended(t.Context())
				require.NoError(t, err)
				assert.Equal(t, []campaign.Ref{ref}, all, "workers look after it")
				assert.Equal(t, campaign.NeedsPreflight, needs())
				sum, err := store.Cancel(t.Context(), ref.ID, campaign.Operator, "")
				require.NoError(t, err)
				assert.Equal(t, campaign.StateCancelled, sum.State)
				assert.Equal(t, campaign.NeedsTelling, needs(), "its own end is told, too")
				version, err = store.Version(t.Context(), ref.ID)
				require.NoError(t, err)
				require.NoError(t, store.Told(t.Context(), ref, version))
				all, err = store.Unended(t.Context())
				require.NoError(t, err)
				assert.Empty(t, all)
			})
		})
	}
}
