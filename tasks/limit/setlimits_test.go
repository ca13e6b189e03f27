package limit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
)

func TestSetLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		conflicts := 0
		l := w.processWith(limit.Config{Limits: rate(100, time.Second), Conflict: func(string, endpoint.Endpoint, time.Duration, time.Duration) {
			conflicts++
		}})
		assert.InDelta(t, 100, perSecond(t, l), 11)
		require.NoError(t, l.SetLimits(rate(20, time.Second)))
		assert.InDelta(t, 20, perSecond(t, l), 3, "the lower one holds at once")
		assert.Equal(t, 50*time.Millisecond, l.Interval(channel, endpoint.PushMessage).Truncate(time.Millisecond))

		require.ErrorContains(t, l.SetLimits(limit.Limits{Rates: map[string]endpoint.Limit{"pushy": {Requests: 1, Per: time.Second}}}),
			"pushy: LINE has no such operation")
		assert.InDelta(t, 20, perSecond(t, l), 3, "nothing has changed")

		require.NoError(t, l.SetLimits(rate(100, time.Second)))
		assert.InDelta(t, 20, perSecond(t, l), 3, "somebody may keep the lower one yet")
		time.Sleep(61 * time.Second)
		assert.InDelta(t, 100, perSecond(t, l), 11)
		assert.Zero(t, conflicts)

		require.NoError(t, l.SetLimits(limit.Limits{Off: true}))
		assert.True(t, l.Off())
		require.NoError(t, l.SetLimits(rate(100, time.Second)))
		assert.False(t, l.Off())
	})
}
