package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/record"
)

// A hundred channels with every answer that a bad day brings are as many series as a Prometheus takes in passing.
func TestSeriesOfAHundredChannels(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := newMetrics(registry, limit.Limits{}.Interval)
	require.NoError(t, err)
	endpoints := []endpoint.Endpoint{
		endpoint.PushMessage, endpoint.Multicast, endpoint.ReplyMessage, endpoint.LinkRichMenuIdToUser, endpoint.GetProfile,
	}
	for i := range 100 {
		name := fmt.Sprint("shop-", i)
		for _, e := range endpoints {
			m.waited(name, e, time.Millisecond)
			for status, reason := range map[int]lineapi.Reason{0: "", 400: lineapi.Invalid, 429: lineapi.RateLimited, 500: lineapi.Server} {
				a := answer{endpoint: e, took: time.Millisecond}
				if status != 0 {
					a.err = &lineapi.Error{Status: status, Reason: reason}
				}
				m.answered(name, a, decide(a, record.Begun{Attempts: 1}, 0))
			}
		}
		for _, k := range []tasks.Kind{tasks.KindPush, tasks.KindMulticast, tasks.KindReply} {
			m.decided(name, k, record.Decision{Fresh: true, Outcome: tasks.OutcomeSent}, time.Now())
			m.decided(name, k, record.Decision{Fresh: true, Outcome: tasks.OutcomeFailed, Reason: lineapi.Invalid}, time.Now())
		}
		parts := []campaign.Part{{Recipients: 500, Status: campaign.Sent}}
		m.closed(name, []campaign.Part{{Recipients: 500, Status: campaign.Pending}}, parts, nil)
	}
	families, err := registry.Gather()
	require.NoError(t, err)
	series := 0
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			series++
			if h := metric.GetHistogram(); h != nil {
				series += len(h.GetBucket()) + 2 // +Inf, sum; the count stands for the metric itself
			}
		}
	}
	t.Log(series)
	assert.Less(t, series, 12_000)
}
