package redistest_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
)

func TestAServerKeepsItsDataWhenKilled(t *testing.T) {
	s := redistest.Start(t)
	require.NoError(t, s.Client(t).Set(t.Context(), "a", "1", 0).Err())
	s.Kill()
	s.Kill() // twice is once
	s.Launch(t)
	assert.Equal(t, "1", s.Client(t).Get(t.Context(), "a").Val())

	options, err := redis.ParseURL(s.URL())
	require.NoError(t, err)
	assert.Equal(t, s.Addr, options.Addr)
}

func TestEachStartsEmpty(t *testing.T) {
	for range 2 {
		redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
			assert.Zero(t, rdb.DBSize(t.Context()).Val())
			require.NoError(t, rdb.Set(t.Context(), "a", "1", 0).Err())
		})
	}
}
