package limit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestUsage(t *testing.T) {
	mini, rdb := redistest.Mini(t)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	mini.SetTime(start)
	l, err := limit.New(limit.Config{Redis: rdb, Limits: limit.Limits{Rates: map[string]endpoint.Limit{
		"pushMessage": {Requests: 2000, Per: time.Second},
	}}})
	require.NoError(t, err)
	use := func() []limit.Use {
		all, err := limit.Usage(t.Context(), rdb, []string{"quiet", "shop"}, []endpoint.Endpoint{endpoint.Multicast, endpoint.PushMessage})
		require.NoError(t, err)
		return all
	}
	assert.Empty(t, use(), "nobody has asked for anything")

	for range 10 {
		_, err := l.Take(t.Context(), limit.Request{
			Channel: "shop", Endpoint: endpoint.PushMessage, Priority: limit.Urgent, Patience: time.Minute,
		})
		require.NoError(t, err)
	}
	all := use()
	require.Len(t, all, 1)
	granted := all[0].PerSecond
	assert.Equal(t, "shop", all[0].Channel)
	assert.Equal(t, "pushMessage", all[0].Endpoint.Operation)
	assert.GreaterOrEqual(t, granted, 1.0, "ten requests within ten seconds")
	assert.InDelta(t, float64(500*time.Microsecond), float64(all[0].Interval), float64(time.Microsecond))
	assert.Equal(t, 1.0, all[0].Share)
	assert.False(t, all[0].Broken)

	mini.SetTime(start.Add(15 * time.Second))
	assert.InDelta(t, granted/2, use()[0].PerSecond, 0.01, "half of the ten seconds before")
	mini.SetTime(start.Add(21 * time.Second))
	assert.Zero(t, use()[0].PerSecond)

	require.NoError(t, l.Answered(t.Context(), "shop", endpoint.PushMessage, limit.Limited))
	assert.InDelta(t, 0.9, use()[0].Share, 0.001)
}
