package channel_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestWorkingToken(t *testing.T) {
	m, rdb := redistest.Mini(t)
	whose := func(name string) string {
		worker, err := channel.WorkingToken(t.Context(), rdb, name)
		require.NoError(t, err)
		return worker
	}
	assert.Empty(t, whose("shop"))
	require.NoError(t, channel.TokenWorks(t.Context(), rdb, "shop", "one"))
	assert.Equal(t, "one", whose("shop"))
	assert.Empty(t, whose("bank"))
	require.NoError(t, channel.TokenWorks(t.Context(), rdb, "shop", "two"))
	assert.Equal(t, "two", whose("shop"))
	m.FastForward(10*time.Minute - time.Millisecond)
	assert.Equal(t, "two", whose("shop"))
	m.FastForward(time.Millisecond)
	assert.Empty(t, whose("shop"), "it may have been changed since")

	m.SetError("LOADING")
	_, err := channel.WorkingToken(t.Context(), rdb, "shop")
	assert.ErrorContains(t, err, "read whose token of shop works: LOADING")
	assert.ErrorContains(t, channel.TokenWorks(t.Context(), rdb, "shop", "one"), "say that the token of shop works: LOADING")
}
