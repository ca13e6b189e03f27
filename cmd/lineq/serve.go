package main

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/dashboard"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/worker"
)

// serveCommand is lineq serve.
type serveCommand struct {
	Addr       string        `default:"127.0.0.1:8789" help:"Address to listen on, port 0 for a free one."`
	PathPrefix string        `placeholder:"PATH" help:"Serve below this path, too, such as /line."`
	TLSCert    string        `name:"tls-cert" placeholder:"FILE" help:"Certificate chain in PEM, to speak TLS; else a proxy in front does."`
	TLSKey     string        `name:"tls-key" placeholder:"FILE" help:"Its key in PEM."`
	Grace      time.Duration `default:"15s" help:"How long requests under way may take to finish at the end."`
	logFlags
	lineFlags
	limitFlags
	redisFlag
	metricsFlag
	dashboardFlags
}

func (serveCommand) Help() string {
	return `Examples:

    LINE_CHANNEL_ACCESS_TOKEN=… lineq serve
    lineq serve --config lineq.yaml --addr :8443 --tls-cert cert.pem --tls-key key.pem

A bot points the base URL of its SDK at it (the one for api.line.me and the one for api-data.line.me) and keeps its token.
What it sends is queued, and lineq worker sends it; everything else goes on to LINE. Request headers that LINE doesn't
have: X-Lineq-At (RFC 3339, or seconds since 1970), X-Lineq-Id, X-Lineq-Urgent: true.

A caller's bearer token says for which channel it calls. It is the channel access token of the channel, or a token for
callers alone, which a channel with channel_id and secret needs:

    channels:
      shop:
        token_env: SHOP_TOKEN
      news:
        channel_id: "1234567890"
        secret_file: /run/secrets/news
        gateway_token_env: NEWS_GATEWAY_TOKEN

For the channel default of LINE_CHANNEL_ID and LINE_CHANNEL_SECRET it is LINEQ_GATEWAY_TOKEN.

At /lineq/ is the dashboard, for a browser. Below /lineq/v1 is an API for what LINE's API doesn't have: tasks, campaigns, channels, the delivery log. It is described
at /lineq/v1/openapi.yaml. For both one needs a key, of which the file of --config holds the hash
(printf %s KEY | sha256sum):

    api_keys:
      - name: dashboard
        sha256: a5bb12fe927f8c9b60d4d7a25c106544534124f69bb6d4bd8c3efd1e41bbde87
        scopes: [read]                  # send: campaigns; operate: cancel, pause, hold

` + reloadHelp + `

/healthz and /readyz are open to everybody; /metrics needs a key that may read, and --metrics-addr shows it elsewhere.

` + tracingHelp + `

` + limitsHelp
}

func (c serveCommand) Run(ctx context.Context, a *app) error {
	if c.Grace <= 0 {
		return misusef("--grace must be above zero")
	}
	certificates, err := c.certificates()
	if err != nil {
		return err
	}
	channels, err := c.callers(ctx, a)
	if err != nil {
		return err
	}
	clients, err := c.clients(a)
	if err != nil {
		return err
	}
	limits, err := c.limits(a, c.lineFlags, clients)
	if err != nil {
		return err
	}
	rdb, err := openRedis(ctx, c.Redis, gatewayRedis)
	if err != nil {
		return err
	}
	defer rdb.Close()
	if a.getenv("GOGC") == "" {
		debug.SetGCPercent(gateway.GCPercent)
	}
	log := c.logger(a.stderr)
	traces, flush, err := a.tracing(ctx, "serve", log)
	if err != nil {
		return err
	}
	defer flush()
	registry := newRegistry()
	registry.MustRegister(worker.NewStanding(rdb))
	stop, err := c.serve(log, registry, nil)
	if err != nil {
		return err
	}
	defer stop()
	q, err := producer.New(producer.Config{Redis: rdb, Gather: true, TracerProvider: traces})
	if err != nil {
		return err
	}
	limiter, err := limit.New(limit.Config{Redis: rdb, Limits: limits})
	if err != nil {
		return err
	}
	for name, client := range clients {
		clients[name] = client.Paced(limiter.Before(name))
	}
	management, err := manage.New(manage.Config{
		Redis: rdb, Producer: q, Clients: clients, Keys: a.apiKeys(), Metrics: registry, Log: log,
	})
	if err != nil {
		return misuse(marked{err, errAPIKeys})
	}
	pages, err := dashboard.New(dashboard.Config{
		Redis: rdb, Producer: q, Clients: clients, Keys: a.apiKeys(), Workers: livingWorkers(rdb),
		ShowContent: c.ShowContent, Log: log,
	})
	if err != nil {
		return err
	}
	api, data, err := c.origins()
	if err != nil {
		return err
	}
	g, err := gateway.New(gateway.Config{
		Redis: rdb, Producer: q, Channels: channels, Limiter: limiter, Origin: api, DataOrigin: data,
		PathPrefix: c.PathPrefix, Metrics: registry, TracerProvider: traces, Log: log,
		Beside: map[string]http.Handler{
			"/lineq": newSite(management, pages), "/metrics": management, "/": http.HandlerFunc(toDashboard),
		},
	})
	if err != nil {
		return misuse(err)
	}
	served := slices.Sorted(maps.Keys(channels))
	defer a.reloads(ctx, "serve", log, func(next *app) error {
		return c.reload(ctx, next, g, management, pages, limiter, &channels)
	})()
	l, err := listen("--addr", c.Addr)
	if err != nil {
		return err
	}
	scheme := "http://"
	if certificates != nil {
		l, scheme = tls.NewListener(l, certificates), "https://"
	}
	line := c.LineOrigin
	if line == "" {
		line = lineapi.DefaultOrigin
	}
	log.Info("serving LINE's API", zap.String("url", scheme+l.Addr().String()+c.PathPrefix),
		zap.Strings("channels", served), zap.String("redis", redisName(c.Redis)),
		zap.String("line", line))
	return g.Serve(ctx, l, c.Grace)
}

// reload takes over what the configuration says by now: all of it, or nothing. channels are those of before.
func (c serveCommand) reload(
	ctx context.Context, next *app, g *gateway.Gateway, management *manage.API, pages *dashboard.Dashboard, limiter *limit.Limiter,
	channels *map[string]gateway.Channel,
) error {
	callers, err := c.callers(ctx, next)
	if err != nil {
		return err
	}
	clients, err := c.clients(next)
	if err != nil {
		return err
	}
	limits, err := c.limits(next, c.lineFlags, clients)
	if err != nil {
		return err
	}
	if err := limits.Check(); err != nil {
		return err
	}
	if err := g.SetChannels(callers); err != nil {
		return err
	}
	for name, client := range clients {
		clients[name] = client.Paced(limiter.Before(name))
	}
	if err := management.SetAccess(next.apiKeys(), clients); err != nil {
		return errors.Join(err, g.SetChannels(*channels))
	}
	pages.SetAccess(next.apiKeys(), clients)
	*channels = callers
	return limiter.SetLimits(limits)
}

// apiKeys are those of the file of --config.
func (a *app) apiKeys() []manage.Key {
	var keys []manage.Key
	if a.config != nil {
		for _, k := range a.config.apiKeys {
			keys = append(keys, manage.Key{Name: k.Name, SHA256: k.SHA256, Scopes: k.Scopes})
		}
	}
	return keys
}

// certificates is what TLS needs; nil: it isn't spoken.
func (c serveCommand) certificates() (*tls.Config, error) {
	switch {
	case c.TLSCert == "" && c.TLSKey == "":
		return nil, nil
	case c.TLSCert == "" || c.TLSKey == "":
		return nil, misusef("--tls-cert and --tls-key belong together")
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
	if err != nil {
		return nil, misuse(errors.Join(errors.New("--tls-cert and --tls-key can't be read"), err))
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// gatewayRedis lets a request fail soon when Redis does: its caller waits, and knows best whether to try again.
func gatewayRedis(o *redis.UniversalOptions) *redis.UniversalOptions {
	o.MaxRetries, o.DialerRetries = 1, 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = time.Second, 2*time.Second, 2*time.Second
	o.PoolSize = max(o.PoolSize, 32)
	return o
}
