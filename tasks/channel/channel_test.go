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

func TestKnown(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		known := func() []string {
			names, err := channel.Known(t.Context(), rdb)
			require.NoError(t, err)
			return names
		}
		assert.Empty(t, known(), "where no worker has ever run")
		require.NoError(t, channel.Register(t.Context(), rdb, "shop", "bank"))
		require.NoError(t, channel.Register(t.Context(), rdb, "shop", "news"))
		assert.Equal(t, []string{"bank", "news", "shop"}, known())
		require.NoError(t, channel.Register(t.Context(), rdb))
		assert.Equal(t, []string{"bank", "news", "shop"}, known())
	})
}

func TestChannelsAgeOut(t *testing.T) {
	m, rdb := redistest.Mini(t)
	known := func() []string {
		names, err := channel.Known(t.Context(), rdb)
		require.NoError(t, err)
		return names
	}
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	m.SetTime(start)
	require.NoError(t, channel.Register(t.Context(), rdb, "shop", "bank"))

	m.SetTime(start.Add(7*24*time.Hour - time.Second))
	assert.Equal(t, []string{"bank", "shop"}, known())
	require.NoError(t, channel.Register(t.Context(), rdb, "shop"))

	m.SetTime(start.Add(7 * 24 * time.Hour))
	assert.Equal(t, []string{"shop"}, known(), "also before anybody registers again")
	seen, err := channel.LastSeen(t.Context(), rdb)
	require.NoError(t, err)
	require.Len(t, seen, 1)
	assert.Equal(t, start.Add(7*24*time.Hour-time.Second), seen["shop"])
	require.NoError(t, channel.Register(t.Context(), rdb, "news"))
	stored, err := rdb.ZRange(t.Context(), "lineq:channels", 0, -1).Result()
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"shop", "news"}, stored, "what is forgotten is removed")
}

func TestErrorsOfRedis(t *testing.T) {
	m, rdb := redistest.Mini(t)
	m.SetError("LOADING")
	assert.ErrorContains(t, channel.Register(t.Context(), rdb, "shop"), "register channels: LOADING")
	_, err := channel.Known(t.Context(), rdb)
	assert.ErrorContains(t, err, "list channels: LOADING")
}
