package main

import (
	"cmp"
	"context"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/worker"
)

// workerCommand is lineq worker.
type workerCommand struct {
	Concurrency  int           `default:"400" help:"Pushes of one channel that are under way or wait for their turn at once."`
	Grace        time.Duration `default:"15s" help:"How long sends under way may take to finish at the end."`
	RetainSent   time.Duration `default:"48h" help:"How long records of sent tasks are kept; 24h at least."`
	RetainFailed time.Duration `default:"168h" help:"How long those of all other outcomes are kept."`

	WebhookSecretFile string `placeholder:"FILE" help:"File with the secret that signs the webhooks of campaigns; else LINEQ_WEBHOOK_SECRET has it."`
	logFlags
	lineFlags
	limitFlags
	redisFlag
	schedulesFlag
	metricsFlag
}

func (workerCommand) Help() string {
	return `Examples:

    LINE_CHANNEL_ACCESS_TOKEN=… lineq worker
    lineq worker --config lineq.yaml --redis rediss://user:password@redis.example.com:6380
    LINE_CHANNEL_ACCESS_TOKEN=simulated-token lineq worker --line-origin http://127.0.0.1:8788

It sends for the channel default of LINE_CHANNEL_ACCESS_TOKEN, or of LINE_CHANNEL_ID and LINE_CHANNEL_SECRET, and for the
channels of the file of --config:

    channels:
      shop:
        token_env: SHOP_TOKEN
      news:
        channel_id: "1234567890"
        secret_file: /run/secrets/news
      bank:
        channel_id: "1234567891"        # with a registered assertion signing key instead of the secret
        assertion_key_file: /run/secrets/bank.jwk
        assertion_key_id: 536e453c-aa93-4449-8e98-add2608783c6

lineq config init writes a sample of the file, and lineq config check says what is wrong with one.

` + reloadHelp + `

` + limitsHelp + `

` + redisHelp + `

With --metrics-addr it shows Prometheus metrics at /metrics, at /healthz that it runs, and at /readyz whether it fetches
tasks and Redis answers; while it stops, /readyz says 503.

` + tracingHelp + `

Any number of workers can run on one Redis. SIGTERM lets sends under way finish; a second signal ends it at once.`
}

func (c workerCommand) Run(ctx context.Context, a *app) error {
	switch {
	case c.Concurrency < 1:
		return misusef("--concurrency must be above zero")
	case c.Grace <= 0:
		return misusef("--grace must be above zero")
	case c.RetainSent < 24*time.Hour:
		return misusef("--retain-sent must be 24h at least: LINE remembers retry keys for so long")
	case c.RetainFailed <= 0:
		return misusef("--retain-failed must be above zero")
	}
	clients, err := c.clients(a)
	if err != nil {
		return err
	}
	limits, err := c.limits(a, c.lineFlags, clients)
	if err != nil {
		return err
	}
	webhookSecret, err := c.webhookSecret(a)
	if err != nil {
		return err
	}
	rdb, err := openRedis(ctx, c.Redis, worker.RedisOptions)
	if err != nil {
		return err
	}
	log := c.logger(a.stderr)
	traces, flush, err := a.tracing(ctx, "worker", log)
	if err != nil {
		return err
	}
	defer flush()
	registry := newRegistry()
	if a.getenv("GOGC") == "" {
		debug.SetGCPercent(worker.GCPercent)
	}
	cfg := worker.Config{
		Redis: rdb, Channels: clients, Limits: limits, Metrics: registry, TracerProvider: traces, Log: log, Grace: c.Grace, Concurrency: c.Concurrency,
		Retention: record.Retention{Sent: c.RetainSent, Failed: c.RetainFailed}, WebhookSecret: webhookSecret,
		Version: cmp.Or(version, lineapi.Version),
	}
	if err := c.takeIn(a, rdb, &cfg); err != nil {
		return err
	}
	w, err := worker.New(cfg)
	if err != nil {
		return err
	}
	stop, err := c.serve(log, registry, w.Ready)
	if err != nil {
		return err
	}
	defer stop()
	line := c.LineOrigin
	if line == "" {
		line = lineapi.DefaultOrigin
	}
	log.Info("sending", zap.Strings("channels", slices.Sorted(maps.Keys(clients))),
		zap.String("redis", redisName(c.Redis)), zap.String("line", line))
	defer a.reloads(ctx, "worker", log, func(next *app) error {
		clients, err := c.clients(next)
		if err != nil {
			return err
		}
		limits, err := c.limits(next, c.lineFlags, clients)
		if err != nil {
			return err
		}
		return w.SetChannels(clients, limits)
	})()
	if err := w.Run(ctx); err != nil {
		return err // a worker that stops without Redis leaves some work behind on rdb: the process ends with it open
	}
	return rdb.Close()
}

// webhookSecret is what signs webhooks; empty: nothing does.
func (c workerCommand) webhookSecret(a *app) (string, error) {
	const variable = "LINEQ_WEBHOOK_SECRET"
	switch there := a.getenv(variable) != ""; {
	case c.WebhookSecretFile != "" && there:
		return "", misusef("--webhook-secret-file and %s exclude each other", variable)
	case c.WebhookSecretFile != "":
		return a.secret("webhook_secret", "", c.WebhookSecretFile)
	case there:
		return a.secret("webhook_secret", variable, "")
	}
	return "", nil
}

// logFlags say what a process that stays up tells about its work.
type logFlags struct {
	LogLevel  string `enum:"debug,info,warn,error" default:"info" help:"debug, info, warn or error."`
	LogFormat string `enum:"console,json" default:"console" help:"console or json."`
}

func (f logFlags) logger(w io.Writer) *zap.Logger {
	level, _ := zapcore.ParseLevel(f.LogLevel) // kong knows the words
	config := zap.NewProductionEncoderConfig()
	config.EncodeTime = zapcore.RFC3339TimeEncoder
	config.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(config)
	if f.LogFormat == "console" {
		config.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		config.EncodeLevel = zapcore.CapitalLevelEncoder
		config.ConsoleSeparator = "  "
		encoder = zapcore.NewConsoleEncoder(config)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level))
}
