package main

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"
)

// metricsFlag says where a process that stays up shows its metrics.
type metricsFlag struct {
	MetricsAddr string `placeholder:"ADDR" help:"Serve Prometheus metrics at /metrics on this address."`
}

// serve shows the metrics of the registry that it returns until stop is called, and logs where. Without an address nothing
// is served.
func (f metricsFlag) serve(log *zap.Logger) (registry *prometheus.Registry, stop func(), err error) {
	registry = prometheus.NewRegistry()
	if f.MetricsAddr == "" {
		return registry, func() {}, nil
	}
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	l, err := listen("--metrics-addr", f.MetricsAddr)
	if err != nil {
		return nil, nil, err
	}
	log.Info("metrics", zap.String("url", "http://"+l.Addr().String()+"/metrics"))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(l) // it ends with Close, and what it says otherwise nobody could act on
	return registry, func() { server.Close() }, nil
}
