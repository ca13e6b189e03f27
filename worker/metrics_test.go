package worker_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// values are the samples of a metric, by the values of its labels in the order of their names; of a histogram the counts.
func values(t testing.TB, g prometheus.Gatherer, name string) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	require.NoError(t, err)
	all := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			of := strings.Join(labels, " ")
			switch {
			case m.Counter != nil:
				all[of] = m.Counter.GetValue()
			case m.Gauge != nil:
				all[of] = m.Gauge.GetValue()
			default:
				all[of] = float64(m.Histogram.GetSampleCount())
			}
		}
	}
	return all
}

func TestWhatAWorkerCounts(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{})
		require.NoError(t, s.line.AddUser(linesim.User{ID: user(9), State: linesim.Unknown}))
		require.NoError(t, s.line.SetFaults([]linesim.Fault{
			{Kind: linesim.FaultRefuse, Operation: "pushMessage", Count: 1},
			{Kind: linesim.FaultAccept500, Operation: "multicast", Count: 1},
		}))
		registry := prometheus.NewRegistry()
		s.work(t, func(cfg *worker.Config) { cfg.Metrics = registry })
		for i := range 3 {
			assert.Equal(t, tasks.OutcomeSent, s.wait(t, s.push(t, user(i))).Outcome)
		}
		assert.Equal(t, tasks.OutcomeFailed, s.wait(t, s.push(t, user(9))).Outcome)
		many, err := s.q.Multicast(t.Context(), users(2), lineapi.Text(secretText))
		require.NoError(t, err)
		assert.True(t, s.wait(t, many).Replayed)
		late := s.push(t, user(5), producer.At(time.Now().Add(time.Hour)), producer.Deadline(time.Now().Add(2*time.Hour)))
		s.waitFor(t, late, tasks.StateScheduled)

		// The record has an outcome before it is counted.
		require.Eventually(t, func() bool { return values(t, registry, "lineq_task_seconds")["multicast"] == 1 },
			time.Minute, 5*time.Millisecond)
		assert.Equal(t, map[string]float64{
			"default push sent ": 3, "default push failed invalid": 1, "default multicast sent ": 1,
		}, values(t, registry, "lineq_outcomes_total"))
		assert.Equal(t, map[string]float64{
			"default ok pushMessage": 3, "default 500 pushMessage": 1, "default 400 pushMessage": 1,
			"default 500 multicast": 1, "default ok multicast": 1,
		}, values(t, registry, "lineq_requests_total"))
		assert.Equal(t, map[string]float64{"default pushMessage server": 1, "default multicast server": 1},
			values(t, registry, "lineq_retries_total"))
		assert.Equal(t, map[string]float64{"default multicast": 1}, values(t, registry, "lineq_replayed_total"))
		assert.Equal(t, map[string]float64{"pushMessage": 5, "multicast": 2}, values(t, registry, "lineq_request_seconds"))
		assert.Equal(t, map[string]float64{"push": 4, "multicast": 1}, values(t, registry, "lineq_task_seconds"))
		assert.InDeltaMapValues(t, map[string]float64{"default pushMessage": 2000, "default multicast": 200},
			values(t, registry, "lineq_limit_per_second"), 0.1)
		assert.Equal(t, map[string]float64{"": 0}, values(t, registry, "lineq_dead_workers_total"))
		noStrangersInLabels(t, registry)
	})
}

func TestACampaignIsCountedByRecipients(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	for i := range 3 {
		require.NoError(t, s.line.AddUser(linesim.User{ID: user(i), State: linesim.Unknown}))
	}
	require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultAccept500, Count: 2}}))
	registry := prometheus.NewRegistry()
	s.work(t, func(cfg *worker.Config) { cfg.Metrics = registry })
	s.seal(t, "pushes", campaign.Plan{Mode: campaign.Push, Templates: text("hello {{name}}"), Columns: []string{"name"}}, 500, users(100),
		make([]string, 100))
	sum := s.ended(t, "pushes")
	s.seal(t, "multicasts", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello")}, 30, users(100)[10:])
	s.ended(t, "multicasts")
	assert.EqualValues(t, 97, sum.Sent)
	require.Eventually(t, func() bool { return values(t, registry, "lineq_campaign_outcomes_total")["default sent "] == 187 },
		time.Minute, 5*time.Millisecond)
	assert.Equal(t, map[string]float64{"default sent ": 187, "default failed invalid": 3},
		values(t, registry, "lineq_campaign_outcomes_total"))
	assert.Positive(t, values(t, registry, "lineq_replayed_total")["default pushMessage"])
	noStrangersInLabels(t, registry)
}

func TestAMulticastThatWasSplitIsCountedOnce(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	s.refuse(t, func(body string) (int, string) {
		if strings.Contains(body, user(7)) {
			return http.StatusBadRequest, `{"message":"The property, 'to', in the request body is invalid"}`
		}
		return 0, ""
	})
	registry := prometheus.NewRegistry()
	s.work(t, func(cfg *worker.Config) { cfg.Metrics = registry })
	s.seal(t, "split", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello")}, 30, users(60))
	sum := s.ended(t, "split")
	require.EqualValues(t, 59, sum.Sent, "%+v", sum)
	require.Eventually(t, func() bool {
		counts := values(t, registry, "lineq_campaign_outcomes_total")
		return counts["default sent "]+counts["default failed invalid"] == 60
	}, time.Minute, 5*time.Millisecond)
	assert.Equal(t, map[string]float64{"default sent ": 59, "default failed invalid": 1},
		values(t, registry, "lineq_campaign_outcomes_total"))
}

func TestAnOpenBreakerIsCounted(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultRefuse, Status: 503}}))
	registry := prometheus.NewRegistry()
	s.work(t, func(cfg *worker.Config) { cfg.Metrics = registry })
	s.pushMany(t, 50)
	require.Eventually(t, func() bool { return values(t, registry, "lineq_breaker_opened_total")["default pushMessage"] == 1 },
		time.Minute, 5*time.Millisecond)
}

func TestNoLimitIsShownWhereThereIsNone(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	registry := prometheus.NewRegistry()
	s.work(t, func(cfg *worker.Config) {
		cfg.Metrics = registry
		cfg.Limits = limit.Limits{Channels: map[string]limit.Channel{"default": {
			Share: 0.5, Rates: map[string]endpoint.Limit{"pushMessage": {Requests: 100, Per: time.Second}},
		}}}
	})
	s.wait(t, s.push(t, user(1)))
	assert.InDeltaMapValues(t, map[string]float64{"default pushMessage": 50}, values(t, registry, "lineq_limit_per_second"), 0.1)

	off := onMini(t)
	unlimited := prometheus.NewRegistry()
	off.work(t, func(cfg *worker.Config) { cfg.Metrics, cfg.Limits.Off = unlimited, true })
	off.wait(t, off.push(t, user(1)))
	assert.Empty(t, values(t, unlimited, "lineq_limit_per_second"))
}

// labelValues are what the labels of lineq's metrics may say; channels are names.
var labelValues = map[string]*regexp.Regexp{
	"channel":   regexp.MustCompile(`^(default|shop)?$`),
	"operation": regexp.MustCompile(`^[a-zA-Z]+$`),
	"code":      regexp.MustCompile(`^(ok|[1-5][0-9]{2}|[a-z_]+)$`),
	"kind":      regexp.MustCompile(`^[a-z.:_-]+$`),
	"outcome":   regexp.MustCompile(`^(sent|failed|unknown)$`),
	"reason":    regexp.MustCompile(`^[a-z_]*$`),
	"line":      regexp.MustCompile(`^(urgent|push|bulk|control|slow)$`),
	"state":     regexp.MustCompile(`^[a-z]+$`),
	"by":        regexp.MustCompile(`^(lineq|operator)$`),
}

// noStrangersInLabels holds every label against what it may say, so that no id, token or text can ever stand in one.
func noStrangersInLabels(t testing.TB, g prometheus.Gatherer) {
	t.Helper()
	families, err := g.Gather()
	require.NoError(t, err)
	require.NotEmpty(t, families)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				may := labelValues[l.GetName()]
				if assert.NotNil(t, may, "%s has the label %s", f.GetName(), l.GetName()) {
					assert.Regexp(t, may, l.GetValue(), "%s{%s}", f.GetName(), l.GetName())
				}
			}
		}
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	m, rdb := redistest.Mini(t)
	s := newStage(t, rdb, linesim.Config{})
	require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultDelay, Delay: 300 * time.Millisecond}}))
	w, stop := s.worker(t)
	becomes := func(want error) {
		t.Helper()
		require.Eventually(t, func() bool { return w.Ready() == want }, time.Minute, time.Millisecond, "%v", w.Ready())
	}
	becomes(nil)
	m.SetError("LOADING Redis is loading the dataset in memory")
	becomes(worker.ErrRedisAway)
	m.SetError("")
	becomes(nil)
	s.push(t, user(1))
	s.accepted(t, 1)
	done := make(chan struct{})
	go func() { defer close(done); stop() }()
	becomes(worker.ErrStopping)
	<-done
	assert.Equal(t, worker.ErrStopping, w.Ready())

	fresh, err := worker.New(s.config(t))
	require.NoError(t, err)
	assert.Equal(t, worker.ErrStarting, fresh.Ready())
}
