// Package manage is the HTTP API below /lineq/v1 for what LINE's API doesn't have: what became of a task, campaigns,
// schedules, held channels, the delivery log. Start with [New]; openapi.yaml, which it serves, describes all of it.
//
// Callers have keys with scopes: read looks at everything, send makes campaigns and starts tasks again, operate cancels,
// pauses and holds. Errors are application/problem+json. A POST with an Idempotency-Key is carried out once in 24 hours; a
// repeat gets the first one's answer.
package manage

import (
	"cmp"
	_ "embed"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/record"
)

// Config is what an API needs.
type Config struct {
	// Redis is the one that the workers use. It stays the caller's.
	Redis    redis.UniversalClient
	Producer *producer.Client
	// Clients ask LINE for the quota, by channel; give them the limiter's permits.
	Clients map[string]*lineapi.Client
	// Keys are those of the callers. Without one nobody can call.
	Keys []Key
	// Metrics are shown at /metrics to who may read. Nil: there are none.
	Metrics prometheus.Gatherer
	Log     *zap.Logger // nil: silent
}

// API is an http.Handler for /lineq/ and /metrics. It is safe for concurrent use.
type API struct {
	redis   redis.UniversalClient
	q       *producer.Client
	records *record.Store
	access  atomic.Pointer[access]
	log     *zap.Logger
	mux     *http.ServeMux

	stopping chan struct{} // closed by Stop
	stop     sync.Once
}

//go:embed openapi.yaml
var document []byte

// New checks cfg.
func New(cfg Config) (*API, error) {
	switch {
	case cfg.Redis == nil:
		return nil, errors.New("manage: Config.Redis is missing")
	case cfg.Producer == nil:
		return nil, errors.New("manage: Config.Producer is missing")
	}
	a := &API{
		redis: cfg.Redis, q: cfg.Producer, records: record.New(cfg.Redis, record.Retention{}), log: cmp.Or(cfg.Log, zap.NewNop()), mux: http.NewServeMux(), stopping: make(chan struct{}),
	}
	if err := a.SetAccess(cfg.Keys, cfg.Clients); err != nil {
		return nil, err
	}
	a.routes()
	if cfg.Metrics != nil {
		shown := promhttp.HandlerFor(cfg.Metrics, promhttp.HandlerOpts{})
		a.mux.Handle("GET /metrics", a.may(Read, func(w http.ResponseWriter, r *http.Request) error {
			shown.ServeHTTP(w, r)
			return nil
		}))
	}
	return a, nil
}

// access is who may call, and the channels that LINE can be asked about. It never changes: another takes its place.
type access struct {
	keys    []Key
	clients map[string]*lineapi.Client
}

// SetAccess replaces Config.Keys and Config.Clients. A request that is under way goes on as it was let in, a live log
// included. It is safe for concurrent use; where it returns an error, nothing has changed.
func (a *API) SetAccess(keys []Key, clients map[string]*lineapi.Client) error {
	if err := checkKeys(keys); err != nil {
		return err
	}
	a.access.Store(&access{slices.Clone(keys), maps.Clone(clients)})
	return nil
}

func (a *API) routes() {
	for pattern, h := range map[string]http.Handler{
		"GET /tasks/{id}":         a.may(Read, a.task),
		"GET /messages/{id}":      a.may(Read, a.message),
		"POST /tasks/{id}/cancel": a.may(Operate, a.once(a.cancelTask)),
		"POST /tasks/{id}/run":    a.may(Send, a.once(a.runTask)),

		"POST /campaigns":              a.may(Send, a.createCampaign),
		"GET /campaigns":               a.may(Read, a.campaigns),
		"GET /campaigns/{id}":          a.may(Read, a.campaign),
		"GET /campaigns/{id}/rate":     a.may(Read, a.campaignRate),
		"POST /campaigns/{id}/pause":   a.may(Operate, a.once(a.pauseCampaign)),
		"POST /campaigns/{id}/resume":  a.may(Operate, a.once(a.resumeCampaign)),
		"POST /campaigns/{id}/cancel":  a.may(Operate, a.once(a.cancelCampaign)),
		"POST /campaigns/{id}/retry":   a.may(Send, a.once(a.retryCampaign)),
		"GET /campaigns/{id}/failures": a.may(Read, a.failures),
		"GET /campaigns/{id}/export":   a.may(Read, a.export),

		"POST /schedules":             a.may(Send, a.createSchedule), // its id makes it idempotent
		"GET /schedules":              a.may(Read, a.listSchedules),
		"GET /schedules/{id}":         a.may(Read, onSchedule(a.q.ScheduleSummary)),
		"POST /schedules/{id}/pause":  a.may(Operate, a.once(onSchedule(a.q.PauseSchedule))),
		"POST /schedules/{id}/resume": a.may(Operate, a.once(onSchedule(a.q.ResumeSchedule))),
		"POST /schedules/{id}/run":    a.may(Send, a.once(onSchedule(a.q.RunSchedule))),
		"DELETE /schedules/{id}":      a.may(Operate, a.removeSchedule),

		"GET /channels":                   a.may(Read, a.channels),
		"GET /channels/{channel}":         a.may(Read, a.channel),
		"GET /channels/{channel}/quota":   a.may(Read, a.quota),
		"POST /channels/{channel}/hold":   a.may(Operate, a.once(a.hold)),
		"POST /channels/{channel}/resume": a.may(Operate, a.once(a.resume)),

		"GET /channels/{channel}/log":      a.may(Read, a.logPage),
		"GET /channels/{channel}/log/live": a.may(Read, a.logLive),
	} {
		method, path := cut(pattern)
		a.mux.Handle(method+" /lineq/v1"+path, h)
	}
	a.mux.HandleFunc("GET /lineq/v1/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(document)
	})
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, problem{Status: http.StatusNotFound, Detail: "there is nothing at this path"})
	})
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// Stop ends what would go on for ever: live logs, and waits for tasks.
func (a *API) Stop() { a.stop.Do(func() { close(a.stopping) }) }
