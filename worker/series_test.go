package worker

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
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

// A task runs again after its outcome when its worker died over the rest: only the run that decided it counts.
func TestAnOutcomeIsCountedByTheRunThatDecided(t *testing.T) {
	m, err := newMetrics(prometheus.NewRegistry(), limit.Limits{}.Interval)
	require.NoError(t, err)
	sent := record.Decision{Outcome: tasks.OutcomeSent}
	m.decided("default", tasks.KindPush, sent, time.Now())
	assert.Zero(t, testutil.CollectAndCount(m.outcomes))
	sent.Fresh = true
	m.decided("default", tasks.KindPush, sent, time.Time{})
	assert.Equal(t, 1, testutil.CollectAndCount(m.outcomes))
	assert.Zero(t, testutil.CollectAndCount(m.took), "nobody knows since when")
}

func TestATaskCouldGoWhenItWasDue(t *testing.T) {
	enqueued := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ due, want time.Time }{
		"at once":                {time.Time{}, enqueued},
		"later":                  {enqueued.Add(time.Hour), enqueued.Add(time.Hour)},
		"a time that has passed": {enqueued.Add(-time.Hour), enqueued},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, (&job{Envelope: tasks.Envelope{EnqueuedAt: enqueued, DueAt: c.due}}).couldGo())
		})
	}
}

// What never left this machine says nothing about how long LINE takes, and what the limiter put off was no request.
func TestWhatLINEWasNotAskedIsNoLatency(t *testing.T) {
	m, err := newMetrics(prometheus.NewRegistry(), limit.Limits{}.Interval)
	require.NoError(t, err)
	for _, e := range []*lineapi.Error{
		{Reason: lineapi.Network, Unsent: true}, {Reason: lineapi.RateLimited, Unsent: true, RetryAfter: time.Minute},
	} {
		a := answer{endpoint: endpoint.PushMessage, took: time.Second, err: e}
		m.answered("default", a, decide(a, record.Begun{Attempts: 1}, 0))
	}
	assert.Equal(t, 1., testutil.ToFloat64(m.requests.WithLabelValues("default", "pushMessage", "network")))
	assert.Zero(t, testutil.ToFloat64(m.requests.WithLabelValues("default", "pushMessage", "rate_limited")))
	assert.Equal(t, 1., testutil.ToFloat64(m.retries.WithLabelValues("default", "pushMessage", "network")))
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.latency)
	families, err := registry.Gather()
	require.NoError(t, err)
	assert.Zero(t, families[0].GetMetric()[0].GetHistogram().GetSampleCount())
}
