package worker

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/channel"
)

// metrics are what a worker counts. No label names a recipient.
type metrics struct {
	requests *prometheus.CounterVec
	waits    *prometheus.HistogramVec
	held     *prometheus.GaugeVec
	shown    map[[2]string]bool // the labels that held has, for setHolds, which one goroutine calls at a time
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lineq_requests_total", Help: "Requests to LINE, by LINE's operation; code is ok, LINE's status, or the reason why there is none.",
		}, []string{"channel", "operation", "code"}),
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lineq_permit_wait_seconds", Help: "How long tasks waited in a worker for their turn within LINE's limits.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 8},
		}, []string{"channel", "operation"}),
		held: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "lineq_channel_held", Help: "1 while a channel's tasks wait for the reason.",
		}, []string{"channel", "reason"}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.requests, m.waits, m.held} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) answered(name string, e endpoint.Endpoint, status int, reason lineapi.Reason) {
	code := string(reason)
	switch {
	case status != 0:
		code = strconv.Itoa(status)
	case reason == "":
		code = "ok"
	}
	m.requests.WithLabelValues(name, e.Operation, code).Inc()
}

// accepted is what answered counts for requests that LINE has taken, for who has many of them.
func (m *metrics) accepted(name string, e endpoint.Endpoint) prometheus.Counter {
	return m.requests.WithLabelValues(name, e.Operation, "ok")
}

func (m *metrics) waited(name string, e endpoint.Endpoint, d time.Duration) {
	m.waits.WithLabelValues(name, e.Operation).Observe(d.Seconds())
}

// setHolds shows these holds and no others. One that goes on is there at every moment: a scrape in between must not
// resolve an alarm.
func (m *metrics) setHolds(all map[string][]channel.Hold) {
	shown := map[[2]string]bool{}
	for name, holds := range all {
		for _, h := range holds {
			m.held.WithLabelValues(name, string(h.Reason)).Set(1)
			shown[[2]string{name, string(h.Reason)}] = true
		}
	}
	for labels := range m.shown {
		if !shown[labels] {
			m.held.DeleteLabelValues(labels[:]...)
		}
	}
	m.shown = shown
}
