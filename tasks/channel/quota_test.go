package channel_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestQuotas(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		ctx := t.Context()
		none, err := channel.Quotas(ctx, rdb)
		require.NoError(t, err)
		assert.Empty(t, none)
		for name, q := range map[string]channel.Quota{
			"shop": {Limit: 1000, Used: 400}, "over": {Limit: 10, Used: 12}, "free": {Limit: -1},
		} {
			require.NoError(t, channel.KeepQuota(ctx, rdb, name, q))
		}
		require.NoError(t, rdb.HSet(ctx, "lineq:{odd}:quota", "limit", "many").Err())
		all, err := channel.Quotas(ctx, rdb, "shop", "over", "free", "odd", "nobody")
		require.NoError(t, err)
		require.Len(t, all, 3, "what can't be read isn't known")
		for name, want := range map[string]int64{"shop": 600, "over": 0} {
			left, limited := all[name].Left()
			assert.True(t, limited)
			assert.Equal(t, want, left)
		}
		_, limited := all["free"].Left()
		assert.False(t, limited)
		now, err := rdb.Time(ctx).Result()
		require.NoError(t, err)
		assert.LessOrEqual(t, now.Sub(all["shop"].At), time.Minute)
		assert.Error(t, channel.KeepQuota(ctx, rdb, "no{name}", channel.Quota{}))
	})
}

func TestAQuotaThatNobodyAsksForIsForgotten(t *testing.T) {
	m, rdb := redistest.Mini(t)
	require.NoError(t, channel.KeepQuota(t.Context(), rdb, "shop", channel.Quota{Limit: 1}))
	m.FastForward(2 * time.Hour)
	all, err := channel.Quotas(t.Context(), rdb, "shop")
	require.NoError(t, err)
	assert.Empty(t, all)
}
