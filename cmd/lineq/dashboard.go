package main

import (
	"context"
	"net/http"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/producer/dashboard"
	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/worker"
)

// dashboardFlags is for commands that serve the dashboard.
type dashboardFlags struct {
	ShowContent bool `help:"Show texts of messages and ids of recipients in the dashboard; else they are masked."`
}

// site is what a gateway has below /lineq: the management API, and the dashboard.
type site struct {
	*http.ServeMux
	management *manage.API
	dashboard  *dashboard.Dashboard
}

func newSite(m *manage.API, d *dashboard.Dashboard) *site {
	s := &site{ServeMux: http.NewServeMux(), management: m, dashboard: d}
	s.Handle("/lineq/v1/", m)
	s.Handle("/", d)
	return s
}

// Stop ends what would go on for ever.
func (s *site) Stop() {
	s.management.Stop()
	s.dashboard.Stop()
}

// toDashboard answers at the root of a gateway, at which LINE has nothing.
func toDashboard(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Location", "lineq/") // relative: a prefix may stand before it
	w.WriteHeader(http.StatusSeeOther)
}

// livingWorkers tells the dashboard of the workers on a Redis.
func livingWorkers(rdb redis.UniversalClient) func(context.Context) ([]dashboard.Worker, error) {
	return func(ctx context.Context) ([]dashboard.Worker, error) {
		living, err := worker.Living(ctx, rdb)
		var all []dashboard.Worker
		for _, a := range living {
			all = append(all, dashboard.Worker(a))
		}
		return all, err
	}
}
