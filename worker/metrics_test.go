package worker

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/channel"
)

func TestHoldsAsAMetric(t *testing.T) {
	m, err := newMetrics(prometheus.NewRegistry())
	require.NoError(t, err)
	auth := map[string][]channel.Hold{"shop": {{Reason: lineapi.Auth}}}
	both := map[string][]channel.Hold{"shop": {{Reason: lineapi.Auth}, {Reason: channel.Operator}}, "news": {{Reason: lineapi.Quota}}}

	t.Run("what is over goes", func(t *testing.T) {
		m.setHolds(both)
		assert.Equal(t, 3, testutil.CollectAndCount(m.held))
		m.setHolds(auth)
		assert.Equal(t, 1, testutil.CollectAndCount(m.held))
		assert.Equal(t, 1., testutil.ToFloat64(m.held.WithLabelValues("shop", string(lineapi.Auth))))
		m.setHolds(nil)
		assert.Zero(t, testutil.CollectAndCount(m.held))
	})
	t.Run("what goes on is in every scrape", func(t *testing.T) {
		m.setHolds(auth)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 20_000 {
				m.setHolds(auth)
			}
		}()
		for scraping := true; scraping; {
			require.Equal(t, 1, testutil.CollectAndCount(m.held))
			select {
			case <-done:
				scraping = false
			default:
			}
		}
	})
}
