package gateway

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a gateway counts. No label names a recipient.
type metrics struct {
	requests   *prometheus.CounterVec
	took       *prometheus.HistogramVec
	turnedAway prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lineq_gateway_requests_total", Help: "Requests of callers, by LINE's operation and the status they got.",
		}, []string{"channel", "operation", "code"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lineq_gateway_seconds", Help: "How long callers waited for their answer.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .5, 2, 8},
		}, []string{"operation"}),
		turnedAway: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lineq_gateway_turned_away_total", Help: "Requests that were refused before memory was full, here or in Redis.",
		}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.took, m.turnedAway} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) answered(c *call, status int, d time.Duration) {
	name, operation := "", c.target.Operation
	if c.channel != nil {
		name = c.channel.name
	}
	m.requests.WithLabelValues(name, operation, strconv.Itoa(status)).Inc()
	m.took.WithLabelValues(operation).Observe(d.Seconds())
}
