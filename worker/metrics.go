package worker

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/record"
)

// metrics are what one worker counts. How things stand in Redis, which all workers see alike, is in standing.go. No label
// names a recipient, a task or a campaign: there are as many series as channels, operations and reasons.
type metrics struct {
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
	waits    *prometheus.HistogramVec
	retries  *prometheus.CounterVec
	replayed *prometheus.CounterVec
	breakers *prometheus.CounterVec
	outcomes *prometheus.CounterVec
	took     *prometheus.HistogramVec
	reached  *prometheus.CounterVec
	died     prometheus.Counter
	handed   prometheus.Counter

	mu     sync.RWMutex
	series map[seriesKey]*series
}

type seriesKey struct{ channel, operation string }

// series are those of one channel's endpoint that every request moves, looked up once.
type series struct {
	endpoint       endpoint.Endpoint
	accepted       prometheus.Counter
	latency, waits prometheus.Observer
}

var limitDesc = prometheus.NewDesc("lineq_limit_per_second",
	"Requests a second that this worker may make, by the limit that it keeps.", []string{"channel", "operation"}, nil)

// newMetrics registers them, where there is somebody to see them. limits tell the time between two requests.
func newMetrics(r prometheus.Registerer, limits func(channel string, e endpoint.Endpoint) time.Duration) (*metrics, error) {
	endpointLabels := []string{"channel", "operation"}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lineq_requests_total", Help: "Requests to LINE for tasks and campaigns; code is ok, LINE's status, or the reason why there is none.",
		}, []string{"channel", "operation", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lineq_request_seconds", Help: "How long LINE took to answer, or a request to fail.",
			Buckets: []float64{.01, .025, .05, .1, .2, .4, .8, 2, 5, 10},
		}, []string{"operation"}),
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lineq_permit_wait_seconds", Help: "How long tasks waited in a worker for their turn within LINE's limits.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 8},
		}, endpointLabels),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lineq_retries_total", Help: "Requests that are made again later, by why.",
		}, []string{"channel", "operation", "reason"}),
		replayed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lineq_replayed_total", Help: "Repeats of which LINE said that it had accepted the request before.",
		}, endpointLabels),
		breakers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lineq_breaker_opened_total", Help: "How often this worker found that an endpoint of LINE's fails for everybody.",
		}, endpointLabels),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lineq_outcomes_total", Help: "Tasks that were decided, by how; reason is why one isn't sent.",
		}, []string{"channel", "kind", "outcome", "reason"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lineq_task_seconds", Help: "From when a task was enqueued, or due if it was for later, to its outcome.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 15, 60, 300, 1800, 7200},
		}, []string{"kind"}),
		reached: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lineq_campaign_outcomes_total", Help: "Recipients of campaigns that were decided, by how; reason is why one isn't sent to.",
		}, []string{"channel", "outcome", "reason"}),
		died: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lineq_dead_workers_total", Help: "Workers that this one has found dead.",
		}),
		handed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lineq_handed_on_total", Help: "Tasks of dead workers that this one has handed on.",
		}),
		series: map[seriesKey]*series{},
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.requests, m.latency, m.waits, m.retries, m.replayed, m.breakers, m.outcomes, m.took, m.reached, m.died, m.handed,
		limitsInUse{m, limits},
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// of finds or makes the series of a channel's endpoint.
func (m *metrics) of(channel string, e endpoint.Endpoint) *series {
	key := seriesKey{channel, e.Operation}
	m.mu.RLock()
	s := m.series[key]
	m.mu.RUnlock()
	if s != nil {
		return s
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s = m.series[key]; s == nil {
		s = &series{
			endpoint: e, accepted: m.requests.WithLabelValues(channel, e.Operation, "ok"),
			latency: m.latency.WithLabelValues(e.Operation), waits: m.waits.WithLabelValues(channel, e.Operation),
		}
		m.series[key] = s
	}
	return s
}

// answered counts one request and what it means for its task.
func (m *metrics) answered(channel string, a answer, v verdict) {
	if v.Unmade {
		return
	}
	s := m.of(channel, a.endpoint)
	if a.err == nil || !unsent(a.err) {
		s.latency.Observe(a.took.Seconds())
	}
	if a.err == nil {
		s.accepted.Inc()
		if v.Replayed {
			m.replayed.WithLabelValues(channel, a.endpoint.Operation).Inc()
		}
		return
	}
	code := string(v.Reason)
	if status := statusOf(a.err); status != 0 {
		code = strconv.Itoa(status)
	}
	m.requests.WithLabelValues(channel, a.endpoint.Operation, code).Inc()
	if !v.Final {
		m.retries.WithLabelValues(channel, a.endpoint.Operation, string(v.Reason)).Inc()
	}
}

func (m *metrics) waited(channel string, e endpoint.Endpoint, d time.Duration) {
	m.of(channel, e).waits.Observe(d.Seconds())
}

// decided counts a task's outcome, in the one run that has decided it. since is when the task could first have been sent;
// zero: nobody knows.
func (m *metrics) decided(channel string, k tasks.Kind, d record.Decision, since time.Time) {
	if !d.Fresh {
		return
	}
	m.outcomes.WithLabelValues(channel, string(k), string(d.Outcome), string(d.Reason)).Inc()
	if !since.IsZero() {
		m.took.WithLabelValues(string(k)).Observe(max(0, time.Since(since)).Seconds())
	}
}

// closed counts those of a campaign's recipients that a pass has decided.
func (m *metrics) closed(channel string, before, after []campaign.Part, splits map[int][]campaign.Part) {
	type ending struct {
		outcome tasks.Outcome
		reason  lineapi.Reason
	}
	counts := map[ending]int{}
	count := func(p campaign.Part) {
		switch p.Status {
		case campaign.Sent, campaign.Replayed:
			counts[ending{tasks.OutcomeSent, ""}] += p.Recipients
		case campaign.Failed:
			counts[ending{tasks.OutcomeFailed, p.Reason}] += p.Recipients
		case campaign.Unknown:
			counts[ending{tasks.OutcomeUnknown, p.Reason}] += p.Recipients
		}
	}
	for i, p := range after {
		if before[i].Status.Decided() {
			continue
		}
		count(p)
		for _, piece := range splits[i] {
			count(piece)
		}
	}
	for e, n := range counts {
		m.reached.WithLabelValues(channel, string(e.outcome), string(e.reason)).Add(float64(n))
	}
}

// limitsInUse shows the limits of the endpoints that the worker has asked, as they are when somebody looks.
type limitsInUse struct {
	m        *metrics
	interval func(channel string, e endpoint.Endpoint) time.Duration
}

func (l limitsInUse) Describe(ch chan<- *prometheus.Desc) { ch <- limitDesc }

func (l limitsInUse) Collect(ch chan<- prometheus.Metric) {
	l.m.mu.RLock()
	defer l.m.mu.RUnlock()
	for key, s := range l.m.series {
		if every := l.interval(key.channel, s.endpoint); every > 0 {
			ch <- prometheus.MustNewConstMetric(limitDesc, prometheus.GaugeValue, 1/every.Seconds(), key.channel, key.operation)
		}
	}
}
