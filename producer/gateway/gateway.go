// Package gateway is LINE's Messaging API in front of the queue: a bot points its SDK's base URL at it, and from then on
// every send is queued, paced, sent once and recorded, with no other change. Start with [New] and [Gateway.Serve].
//
// What changes something at LINE and answers with nothing that only LINE knows becomes a task: reply, push, multicast,
// broadcast, narrowcast, linking and unlinking rich menus one by one and in bulk, the default rich menu, leaving chats,
// the loading animation, mark as read. It is checked as LINE would check it, and answered with LINE's status and body once
// Redis has it. X-Line-Request-Id is the task's ID then, and the ids in sentMessages lead back to it: see [ParseMessageID].
// What only LINE can know (that a recipient doesn't exist, the quota is spent, a reply token has been used) ends in the
// task's record. Everything else, what LINE adds tomorrow included, is passed through under the same limits as the
// workers', with LINE's answer unchanged.
//
// # Once
//
// An X-Line-Retry-Key goes to LINE as it is, and makes up the task's ID together with channel and endpoint. A repeat is
// answered as LINE answers it, with 409 and X-Line-Accepted-Request-Id, for as long as the record is kept, which is longer
// than LINE's 24 hours. Without a key, what a 5xx left open stays open, as at LINE.
//
// # Additions
//
// A multicast takes up to a million users; above 500 it becomes a campaign. The headers X-Lineq-At, X-Lineq-Id and
// X-Lineq-Urgent are the options of package producer.
//
// # Callers
//
// A caller's bearer token says for which channel it calls. Only hashes of the tokens are kept.
package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/tracing"
)

// Config is what a Gateway needs.
type Config struct {
	// Redis is the one that the workers use. It stays the caller's.
	Redis redis.UniversalClient
	// Producer enqueues to it; give it producer.Config.Gather.
	Producer *producer.Client
	// Channels are those that callers can call for, by name.
	Channels map[string]Channel
	// Limiter keeps the workers' limits, also for what is passed through.
	Limiter *limit.Limiter
	// Origin and DataOrigin are where LINE is; empty: LINE's own.
	Origin, DataOrigin string
	// PathPrefix is one below which everything is served as well, such as /line; it may be empty.
	PathPrefix string
	// Beside are handlers of others on the same address, by the first segment of their paths, such as /lineq. A handler
	// with a method Stop has it called when Serve begins to stop.
	Beside map[string]http.Handler
	// Metrics gets the gateway's metrics. Nil: nobody sees them.
	Metrics prometheus.Registerer
	// TracerProvider makes a span of each request, in its caller's trace; give the Producer the same. Nil: nothing is traced.
	TracerProvider trace.TracerProvider
	Log            *zap.Logger // nil: silent
}

// Channel is one that callers can call for.
type Channel struct {
	// CallerTokens are the bearer tokens that mean this channel: its channel access token, or tokens made for callers of the
	// gateway alone. New keeps hashes of them.
	CallerTokens []string
	// Token is the channel's own at LINE, for what is passed through.
	Token lineapi.TokenSource
}

// Gateway is an http.Handler. It is safe for concurrent use.
type Gateway struct {
	redis    redis.UniversalClient
	q        *producer.Client
	door     atomic.Pointer[door]
	limiter  *limit.Limiter
	pass     *passage
	prefix   string
	beside   map[string]http.Handler
	pressure *pressure
	metrics  *metrics
	tracer   trace.Tracer // nil: nothing is traced
	log      *zap.Logger
	closing  chan struct{} // closed when Serve begins to stop
}

// New checks cfg. It doesn't talk to Redis yet.
func New(cfg Config) (*Gateway, error) {
	switch {
	case cfg.Redis == nil:
		return nil, errors.New("gateway: Config.Redis is missing")
	case cfg.Producer == nil:
		return nil, errors.New("gateway: Config.Producer is missing")
	case cfg.Limiter == nil:
		return nil, errors.New("gateway: Config.Limiter is missing")
	}
	prefix := strings.TrimRight(cfg.PathPrefix, "/")
	if prefix != "" && (prefix[0] != '/' || strings.Contains(prefix, "//")) {
		return nil, errors.New("gateway: Config.PathPrefix must start with one slash")
	}
	g := &Gateway{
		redis: cfg.Redis, q: cfg.Producer, limiter: cfg.Limiter, prefix: prefix, beside: cfg.Beside,
		pressure: newPressure(), tracer: tracing.Tracer(cfg.TracerProvider),
		log: cmp.Or(cfg.Log, zap.NewNop()), closing: make(chan struct{}),
	}
	err := g.SetChannels(cfg.Channels)
	if err != nil {
		return nil, err
	}
	if g.pass, err = newPassage(cfg.Origin, cfg.DataOrigin); err != nil {
		return nil, err
	}
	g.metrics, err = newMetrics(cfg.Metrics)
	return g, err
}

// SetChannels replaces Config.Channels. A request that is under way goes on as the channel that it came for. It is safe for
// concurrent use; where it returns an error, nothing has changed.
func (g *Gateway) SetChannels(channels map[string]Channel) error {
	if len(channels) == 0 {
		return errors.New("gateway: Channels is empty: nobody could call")
	}
	d := &door{}
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		if err := tasks.CheckChannel(name); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
		if err := d.add(name, channels[name]); err != nil {
			return fmt.Errorf("gateway: channel %s: %w", name, err)
		}
	}
	g.door.Store(d)
	return nil
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	prefix := ""
	if rest, below := strings.CutPrefix(path, g.prefix); below && strings.HasPrefix(rest, "/") {
		path, prefix = rest, g.prefix
	}
	beside := g.beside[firstSegment(path)]
	switch {
	case path == "/healthz":
		g.healthz(w)
	case path == "/readyz":
		g.readyz(w, r)
	case beside != nil:
		http.StripPrefix(prefix, beside).ServeHTTP(w, r)
	default:
		g.line(w, r, path)
	}
}

// firstSegment is a path's beginning up to its second slash.
func firstSegment(path string) string {
	if path == "" {
		return ""
	}
	if end := strings.IndexByte(path[1:], '/'); end >= 0 {
		return path[:end+1]
	}
	return path
}
