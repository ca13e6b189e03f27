package main

import (
	"cmp"
	"io"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
)

// metricsFlag says where a process that stays up shows its metrics.
type metricsFlag struct {
	MetricsAddr string `placeholder:"ADDR" help:"Serve Prometheus metrics at /metrics on this address; a worker also /healthz and /readyz."`
}

// newRegistry has what every process shows of itself.
func newRegistry() *prometheus.Registry {
	built := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "lineq_build_info", Help: "1, with the version of lineq and that of Go.",
		ConstLabels: prometheus.Labels{"version": cmp.Or(version, lineapi.Version), "goversion": runtime.Version()},
	})
	built.Set(1)
	r := prometheus.NewRegistry()
	r.MustRegister(built, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// serve shows the registry's metrics until stop is called, and logs where; with ready, which is nil for what is ready, also
// whether the process runs and does its work. Without an address nothing is served.
func (f metricsFlag) serve(log *zap.Logger, registry *prometheus.Registry, ready func() error) (stop func(), err error) {
	if f.MetricsAddr == "" {
		return func() {}, nil
	}
	l, err := listen("--metrics-addr", f.MetricsAddr)
	if err != nil {
		return nil, err
	}
	log.Info("metrics", zap.String("url", "http://"+l.Addr().String()+"/metrics"))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", metricsHandler(registry))
	if ready != nil {
		mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { probed(w, nil) })
		mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) { probed(w, ready()) })
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second}
	go server.Serve(l) // it ends with Close, and what it says otherwise nobody could act on
	return func() { server.Close() }, nil
}

// metricsHandler leaves out what can't be collected and shows the rest.
func metricsHandler(g prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}

// probed answers a probe.
func probed(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, err.Error()+"\n")
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}
