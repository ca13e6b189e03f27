package campaign_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

func TestStanding(t *testing.T) {
	t.Parallel()
	_, store := mini(t)
	seal := func(id string) {
		d, err := store.Draft(t.Context(), tasks.DefaultChannel, id, saying("one"))
		require.NoError(t, err)
		require.NoError(t, d.Append(t.Context(), 0, packed(t, 3)))
		_, err = d.Seal(t.Context(), 3, 1, nil, campaign.Totals{Recipients: 3})
		require.NoError(t, err)
	}
	for i := range 103 {
		seal(fmt.Sprintf("c-%03d", i))
	}
	_, err := store.Draft(t.Context(), tasks.DefaultChannel, "draft", saying("one"))
	require.NoError(t, err)
	_, err = store.Cancel(t.Context(), "c-001", campaign.Operator, "")
	require.NoError(t, err)

	all, more, err := store.Standing(t.Context(), 1000)
	require.NoError(t, err)
	assert.Zero(t, more)
	require.Len(t, all, 102, "neither drafts nor what has ended")
	for _, sum := range all {
		assert.Equal(t, campaign.StateReady, sum.State)
		assert.EqualValues(t, 3, sum.Pending)
	}
	all, more, err = store.Standing(t.Context(), 2)
	require.NoError(t, err)
	assert.Len(t, all, 1, "one of the two has ended")
	assert.Equal(t, 101, more)
}
