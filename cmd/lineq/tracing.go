package main

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
)

// tracingHelp is the part of a command's help about traces.
const tracingHelp = `With OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT) it sends OpenTelemetry traces there, by OTLP over HTTP;
OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and the other variables mean what they mean elsewhere.`

// tracingFlush is how long the last spans may take to leave at the end.
const tracingFlush = 5 * time.Second

// tracing starts the export of traces, where the environment says where to. A nil provider: there is none. A collector that
// can't be reached slows nothing down, and is told of at most once in ten minutes.
func (a *app) tracing(ctx context.Context, service string, log *zap.Logger) (p trace.TracerProvider, stop func(), err error) {
	endpoint := cmp.Or(a.getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), a.getenv("OTEL_EXPORTER_OTLP_ENDPOINT"))
	if endpoint == "" || a.getenv("OTEL_SDK_DISABLED") == "true" || a.getenv("OTEL_TRACES_EXPORTER") == "none" {
		return nil, func() {}, nil
	}
	if protocol := cmp.Or(a.getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), a.getenv("OTEL_EXPORTER_OTLP_PROTOCOL")); protocol != "" && protocol != "http/protobuf" {
		return nil, nil, misusef("OTEL_EXPORTER_OTLP_PROTOCOL: lineq speaks http/protobuf, not %.40q", protocol)
	}
	var told atomic.Int64
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		now := time.Now().Unix()
		if last := told.Load(); now-last > 600 && told.CompareAndSwap(last, now) {
			log.Warn("traces can't be sent", zap.Error(err))
		}
	}))
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("traces: %w", err)
	}
	of, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "lineq-"+service),
			attribute.String("service.version", cmp.Or(version, lineapi.Version))),
		resource.WithFromEnv(), resource.WithTelemetrySDK(), resource.WithHost(), resource.WithProcessPID())
	if err != nil {
		log.Warn("what the environment says about this process for its traces can't be read whole", zap.Error(err))
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(of))
	return provider, func() {
		ctx, cancel := context.WithTimeout(context.Background(), tracingFlush)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			otel.Handle(err)
		}
	}, nil
}
