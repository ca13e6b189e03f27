package campaign_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/chunk"
)

func mini(t *testing.T) (*miniredis.Miniredis, *campaign.Store) {
	t.Helper()
	m := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	return m, campaign.New(rdb, campaign.Retention{})
}

func saying(text string) campaign.Plan {
	return campaign.Plan{
		Mode: campaign.Multicast, Templates: []campaign.Template{{Messages: []lineapi.Message{lineapi.Text(text)}}},
	}
}

func packed(t *testing.T, n int) []byte {
	t.Helper()
	c := chunk.Chunk{Prefix: 'U'}
	for i := range n {
		raw := chunk.ID{byte(i >> 8), byte(i)}
		c.IDs = append(c.IDs, raw[:]...)
	}
	b, err := c.Append(nil)
	require.NoError(t, err)
	return b
}

func TestDraftOfAnIntakeThatDied(t *testing.T) {
	t.Parallel()
	m, store := mini(t)
	now := time.Unix(1_800_000_000, 0)
	pass := func(d time.Duration) {
		now = now.Add(d)
		m.SetTime(now)
		m.FastForward(d)
	}
	pass(0)
	first, err := store.Draft(t.Context(), tasks.DefaultChannel, "c", saying("one"))
	require.NoError(t, err)
	require.NoError(t, first.Append(t.Context(), 0, packed(t, 3)))
	_, err = store.Draft(t.Context(), tasks.DefaultChannel, "c", saying("one"))
	require.ErrorIs(t, err, campaign.ErrIntake)

	for range 4 { // it waits for its audience, and says so
		pass(campaign.Beat)
		require.NoError(t, first.Append(t.Context(), 0))
	}
	_, err = store.Draft(t.Context(), tasks.DefaultChannel, "c", saying("one"))
	require.ErrorIs(t, err, campaign.ErrIntake)

	pass(4 * campaign.Beat)
	second, err := store.Draft(t.Context(), tasks.DefaultChannel, "c", saying("two"))
	require.NoError(t, err, "what was never sealed may become another campaign")
	require.ErrorIs(t, first.Append(t.Context(), 1, packed(t, 3)), campaign.ErrLost)
	_, err = first.Seal(t.Context(), 3, 1, nil, campaign.Totals{Recipients: 3})
	require.ErrorIs(t, err, campaign.ErrLost)
	require.NoError(t, first.Abandon(t.Context()), "it is none of its business any more")

	_, err = second.Seal(t.Context(), 3, 1, nil, campaign.Totals{Recipients: 3})
	require.ErrorContains(t, err, "0 of 1 chunks are in Redis", "what the first had written is gone")
	require.NoError(t, second.Append(t.Context(), 0, packed(t, 3)))
	sum, err := second.Seal(t.Context(), 3, 1, nil, campaign.Totals{Recipients: 3, Rejected: 2, Duplicates: 1})
	require.NoError(t, err)
	assert.Equal(t, campaign.StateReady, sum.State)
	assert.EqualValues(t, 3, sum.Pending)
	again, err := second.Seal(t.Context(), 3, 1, nil, campaign.Totals{Recipients: 3, Rejected: 2, Duplicates: 1})
	require.NoError(t, err)
	assert.Equal(t, sum, again)
	require.ErrorIs(t, second.Append(t.Context(), 1, packed(t, 3)), campaign.ErrLost, "it is sealed")
	require.NoError(t, second.Abandon(t.Context()))
	_, err = store.Summary(t.Context(), "c")
	require.NoError(t, err, "what is sealed can't be abandoned")

	_, err = store.Draft(t.Context(), tasks.DefaultChannel, "c", saying("two"))
	var exists *campaign.ExistsError
	require.ErrorAs(t, err, &exists)
	assert.EqualValues(t, 3, exists.Summary.Recipients)
	_, err = store.Draft(t.Context(), tasks.DefaultChannel, "c", saying("three"))
	require.ErrorIs(t, err, campaign.ErrIDReused)
	_, err = store.Draft(t.Context(), "other", "c", saying("two"))
	require.ErrorIs(t, err, campaign.ErrIDReused)
}

// TestARepeatIsKnownAgain: on a Cluster a failover may lose that there is a campaign, and keep the campaign.
func TestARepeatIsKnownAgain(t *testing.T) {
	t.Parallel()
	m, store := mini(t)
	seal := func() error {
		d, err := store.Draft(t.Context(), tasks.DefaultChannel, "c", saying("one"))
		if err != nil {
			return err
		}
		require.NoError(t, d.Append(t.Context(), 0, packed(t, 3)))
		_, err = d.Seal(t.Context(), 3, 1, nil, campaign.Totals{Recipients: 3})
		return err
	}
	known := func() (unended []campaign.Ref, listed int) {
		unended, err := store.Unended(t.Context())
		require.NoError(t, err)
		all, err := store.List(t.Context())
		require.NoError(t, err)
		return unended, len(all)
	}
	require.NoError(t, seal())
	m.Del("lineq:campaigns")
	m.Del("lineq:campaigns:unended")
	var exists *campaign.ExistsError
	require.ErrorAs(t, seal(), &exists)
	unended, listed := known()
	assert.Equal(t, []campaign.Ref{{Channel: tasks.DefaultChannel, ID: "c"}}, unended)
	assert.Equal(t, 1, listed)

	_, err := store.Cancel(t.Context(), "c", campaign.Operator, "")
	require.NoError(t, err)
	version, err := store.Version(t.Context(), "c")
	require.NoError(t, err)
	require.NoError(t, store.Told(t.Context(), unended[0], version))
	require.ErrorAs(t, seal(), &exists)
	unended, _ = known()
	assert.Empty(t, unended, "one that has ended needs nobody")
}

func TestDraftDisappears(t *testing.T) {
	t.Parallel()
	m, store := mini(t)
	d, err := store.Draft(t.Context(), tasks.DefaultChannel, "c", saying("one"))
	require.NoError(t, err)
	require.NoError(t, d.Append(t.Context(), 0, packed(t, 3)))
	require.NotEmpty(t, m.Keys())
	m.FastForward(25 * time.Hour)
	assert.Empty(t, m.Keys())
}

func TestSealedStaysUntilItHasEnded(t *testing.T) {
	t.Parallel()
	m, store := mini(t)
	d, err := store.Draft(t.Context(), tasks.DefaultChannel, "c", saying("one"))
	require.NoError(t, err)
	require.NoError(t, d.Append(t.Context(), 0, packed(t, 3)))
	_, err = d.Seal(t.Context(), 3, 1, nil, campaign.Totals{Recipients: 3})
	require.NoError(t, err)
	m.FastForward(1000 * time.Hour)
	sum, err := store.Cancel(t.Context(), "c", campaign.Operator, "")
	require.NoError(t, err)
	assert.EqualValues(t, 3, sum.Pending)
	for row, err := range store.Recipients(t.Context(), "c") {
		require.NoError(t, err)
		assert.Equal(t, tasks.OutcomeCancelled, row.Outcome)
	}
	m.FastForward(8 * 24 * time.Hour)
	_, err = store.Find(t.Context(), "c", "U00000000000000000000000000000000")
	require.ErrorIs(t, err, campaign.ErrExpired)
	_, err = store.Summary(t.Context(), "c")
	require.NoError(t, err, "counts stay longer")
	m.FastForward(90 * 24 * time.Hour)
	_, err = store.Summary(t.Context(), "c")
	require.ErrorIs(t, err, campaign.ErrNotFound)
	all, err := store.List(t.Context())
	require.NoError(t, err)
	assert.Empty(t, all)
}

func TestPath(t *testing.T) {
	t.Parallel()
	all := []int{0, 1, 2, 3, 4, 5, 6}
	for path, want := range map[campaign.Path][]int{
		"": all, "L": {0, 1, 2, 3}, "R": {4, 5, 6}, "d0": {1, 2, 3, 4, 5, 6}, "d6": {0, 1, 2, 3, 4, 5}, "o3": {3},
		"Rd1": {4, 6}, "d0d0L": {2, 3, 4}, "LRo1": {3}, "RRL": {6},
	} {
		got, err := campaign.Apply(path, all)
		require.NoError(t, err, path)
		assert.Equal(t, want, got, path)
	}
	for _, path := range []campaign.Path{"d7", "o7", "x1", "d", "Ld4", "d99999999999999999999"} {
		_, err := campaign.Apply(path, all)
		assert.Error(t, err, path)
	}
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6}, all, "what is given stays as it is")
}
