// Package asynqdash is asynq's own dashboard, asynqmon, made fit for lineq's queues: payloads can be read, nothing is loaded
// from another host, and what would go behind lineq's back is refused.
//
// What it lets through, beside looking:
//
//	a scheduled, waiting or archived task: run    what is decided isn't sent again, the worker sees to it
//	a queue: pause                                nothing is lost, tasks wait
//	a queue: resume                               but not one that lineq has paused, since its channel is held
//	in other programs' queues: archive, delete, cancel one task
//
// Everything else is refused, see [refusal]: a lineq task that is archived or deleted here is still undecided in its
// record and would never be sent; …_all on a large queue stops Redis for seconds; a deleted queue is forgotten by workers
// that run.
//
// It has no login. Whoever mounts it puts one before it.
package asynqdash

import (
	"errors"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/hibiken/asynqmon"
	"github.com/redis/go-redis/v9"
)

// Config is what a Handler needs.
type Config struct {
	// Redis is the one that the workers use. It stays the caller's.
	Redis redis.UniversalClient
	// Root is the path below which the handler is mounted, as /lineq/asynq. What proxies put before it needn't be known.
	Root string
	// ReadOnly refuses every change.
	ReadOnly bool
	// ShowContent shows texts of messages and ids of recipients. Reply tokens are never shown.
	ShowContent bool
}

// Handler is an http.Handler for everything below Config.Root. It is safe for concurrent use.
type Handler struct {
	cfg     Config
	asynq   http.Handler
	index   *index
	handler http.Handler
}

// shared gives asynqmon the client that is there, whatever it is connected to. asynqmon's Close, which would close it, is
// never called.
type shared struct{ redis.UniversalClient }

func (s shared) MakeRedisClient() any { return s.UniversalClient }

// New checks cfg. It doesn't talk to Redis yet.
func New(cfg Config) (*Handler, error) {
	cfg.Root = strings.TrimSuffix(cfg.Root, "/")
	switch {
	case cfg.Redis == nil:
		return nil, errors.New("asynqdash: Config.Redis is missing")
	case cfg.Root == "" || path.Clean(cfg.Root) != cfg.Root || cfg.Root[0] != '/':
		return nil, errors.New("asynqdash: Config.Root must be a clean path below /, as /lineq/asynq")
	}
	f := formatter{shown: cfg.ShowContent}
	h := &Handler{cfg: cfg, asynq: asynqmon.New(asynqmon.Options{
		RootPath: cfg.Root, RedisConnOpt: shared{cfg.Redis}, ReadOnly: cfg.ReadOnly,
		PayloadFormatter: asynqmon.PayloadFormatterFunc(f.payload), ResultFormatter: asynqmon.ResultFormatterFunc(f.result),
	})}
	var err error
	if h.index, err = newIndex(h.asynq, cfg.Root); err != nil {
		return nil, err
	}
	h.handler = http.HandlerFunc(h.serve)
	return h, nil
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", h.index.policy)
	w.Header().Set("Cache-Control", "no-store")
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "This request came from another site.", http.StatusForbidden)
		return
	}
	h.handler.ServeHTTP(w, r)
}

// maxBody bounds what is sent to it: asynqmon's bodies name single tasks.
const maxBody = 64 << 10

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	below, ok := strings.CutPrefix(r.URL.Path, h.cfg.Root+"/")
	switch {
	case !ok && r.URL.Path != h.cfg.Root:
		http.NotFound(w, r)
	case below != "" && path.Clean(r.URL.Path) != strings.TrimSuffix(r.URL.Path, "/"):
		http.NotFound(w, r) // asynqmon would lead to the clean one, without what proxies put before it
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		h.change(w, r, below)
	case below == "api/metrics":
		http.Error(w, "asynq's page of metrics is off: lineq has metrics of its own.", http.StatusNotFound)
	case strings.HasPrefix(below, "api/"):
		bound(r)
		if h.cfg.ShowContent {
			h.asynq.ServeHTTP(w, r)
			return
		}
		var got page
		h.asynq.ServeHTTP(&got, r)
		got.send(w, withoutIDs(got.Bytes()))
	case isAsset(below):
		w.Header().Set("Cache-Control", "private, max-age=86400")
		h.asynq.ServeHTTP(&typed{ResponseWriter: w, as: assetTypes[path.Ext(below)]}, r)
	case strings.HasPrefix(below, "static/"):
		http.NotFound(w, r)
	default:
		h.index.serve(w, r)
	}
}

const (
	maxSize = 100 // tasks on a page; asynqmon's own choices end there
	maxPage = 1000
)

// bound keeps asynqmon's lists short: it reads any size of a page.
func bound(r *http.Request) {
	q := r.URL.Query()
	for name, most := range map[string]int{"size": maxSize, "page": maxPage} {
		if q.Get(name) == "" {
			continue
		}
		n, err := strconv.Atoi(q.Get(name))
		if err != nil || n < 1 {
			n = 1
		}
		q.Set(name, strconv.Itoa(min(n, most)))
	}
	r.URL.RawQuery = q.Encode()
}
