// Package dashboard is lineq in the browser: queues, limits, holds, the delivery log, single tasks, schedules, campaigns.
// Start with [New]; the result is an http.Handler for everything below /lineq/ that isn't the management API.
//
// Pages are rendered by the server and work without scripts; with them a page that is open follows what happens, by
// server-sent events. Nothing is loaded from another host. Whoever looks has logged in with an API key of the management
// API, and may do what its scopes allow. Texts of messages and ids of recipients are masked unless Config.ShowContent.
//
// A part of the dashboard is a [section]: it has its own file, its own templates, and one line in the table of sections.
package dashboard

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/schedule"
)

// Config is what a Dashboard needs.
type Config struct {
	// Redis is the one that the workers use. It stays the caller's.
	Redis    redis.UniversalClient
	Producer *producer.Client
	// Clients ask LINE for the quota, by channel; give them the limiter's permits.
	Clients map[string]*lineapi.Client
	// Keys are those with which one logs in. Without one nobody can.
	Keys []manage.Key
	// Workers lists those that live. Nil: that isn't known.
	Workers func(context.Context) ([]Worker, error)
	// ShowContent shows texts of messages and ids of recipients as they are, to everybody who may read.
	ShowContent bool
	Log         *zap.Logger // nil: silent
}

// Worker is one that lives.
type Worker struct{ ID, Host, PID, Version string }

// Dashboard is an http.Handler for /lineq/. It is safe for concurrent use.
type Dashboard struct {
	cfg       Config
	records   *record.Store
	access    atomic.Pointer[access]
	guesses   guesses
	layout    *layout
	hub       *hub
	quotas    *quotas
	now       shared[*snapshot]
	schedules shared[[]schedule.Summary]
	campaigns *campaign.Store
	// asynq's dashboard, by what the visitor may
	asynqToRead, asynqToOperate http.Handler
	// allCampaigns are those that are kept, the newest first.
	allCampaigns shared[[]campaign.Summary]
	examples     examples
	retries      retries

	nav     []entry
	says    map[string]string
	mux     *http.ServeMux
	handler http.Handler // mux behind what holds for every request

	stopping chan struct{} // closed by Stop
	stop     sync.Once
}

// New checks cfg. It doesn't talk to Redis yet.
func New(cfg Config) (*Dashboard, error) {
	switch {
	case cfg.Redis == nil:
		return nil, errors.New("dashboard: Config.Redis is missing")
	case cfg.Producer == nil:
		return nil, errors.New("dashboard: Config.Producer is missing")
	}
	cfg.Log = cmp.Or(cfg.Log, zap.NewNop())
	d := &Dashboard{
		cfg: cfg, records: record.New(cfg.Redis, record.Retention{}),
		campaigns: campaign.New(cfg.Redis, campaign.Retention{}), quotas: newQuotas(),
		says: map[string]string{}, mux: http.NewServeMux(), stopping: make(chan struct{}),
	}
	d.SetAccess(cfg.Keys, cfg.Clients)
	var err error
	if d.layout, err = newLayout(cfg.ShowContent); err != nil {
		return nil, err
	}
	if err = d.newAsynq(); err != nil {
		return nil, err
	}
	d.allCampaigns.load, d.examples.all, d.retries.running = cfg.Producer.Campaigns, map[string]exampleSet{}, map[string]bool{}
	d.hub, d.now.load, d.schedules.load = newHub(d), d.look, cfg.Producer.Schedules
	d.routes()
	d.handler = protect(d.mux)
	return d, nil
}

// access is who may look, and for which channels LINE can be asked. It never changes: another one takes its place.
type access struct {
	people
	clients map[string]*lineapi.Client
}

// SetAccess replaces Config.Keys and Config.Clients. Whoever has logged in with a key that is gone is out with the next
// request, and pages that are open end within ten seconds. It is safe for concurrent use.
func (d *Dashboard) SetAccess(keys []manage.Key, clients map[string]*lineapi.Client) {
	d.access.Store(&access{newPeople(d.cfg.Redis, slices.Clone(keys)), maps.Clone(clients)})
	d.quotas.set(clients)
}

// ServeHTTP answers one request.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.handler.ServeHTTP(w, r) }

// Stop ends what would go on for ever: pages that follow what happens.
func (d *Dashboard) Stop() {
	d.stop.Do(func() { close(d.stopping) })
	d.hub.wait()
	d.retries.all.Wait()
	d.quotas.stop()
}

// root is what all paths of the dashboard begin with.
const root = "/lineq/"

// section is a part of the dashboard.
type section struct {
	nav     []entry // in the navigation
	pages   []page
	actions []action
	mounts  []mount
	// says are sentences for the top of the page that an action leads to, by their code, see [done].
	says map[string]string
}

// sections are the parts of the dashboard, in the order of the navigation.
var sections = []func(*Dashboard) section{
	(*Dashboard).overviewSection,
	(*Dashboard).channelSection,
	(*Dashboard).campaignSection,
	(*Dashboard).logSection,
	(*Dashboard).taskSection,
	(*Dashboard).scheduleSection,
	(*Dashboard).asynqSection,
}

// entry is one of the navigation. Its path is below root.
type entry struct{ Path, Name string }

// page is one that can be looked at by everybody who may read.
type page struct {
	path     string // below root, as a pattern of http.ServeMux's; "{$}" is root itself
	nav      string // the path of the entry that it belongs to
	template string // templates/<template>.html, which defines "title" and "main"
	// live are the templates within that one, and the ids of the elements that hold them, which are rendered again while
	// the page is open.
	live []string
	// load gets what the page shows. It must not keep the visit.
	load func(ctx context.Context, v *visit) (any, error)
	// still tells of a visit whose page doesn't follow what happens. Nil: all do.
	still func(v *visit) bool
	// needs is another scope than read, for a page that asks whether something shall be done.
	needs manage.Scope
}

// action changes something, on POST, and tells where to go then.
type action struct {
	path  string
	needs manage.Scope
	do    func(ctx context.Context, v *visit) (location string, err error)
}

// mount is a handler of another sort, for everybody who may read. It sees the whole path, and asks the visit what else
// one may.
type mount struct {
	path  string // as that of a page, perhaps with a method before it
	serve func(w http.ResponseWriter, r *http.Request, v *visit)
}

// follows tells whether a visit's page follows what happens.
func (p *page) follows(v *visit) bool { return len(p.live) > 0 && (p.still == nil || !p.still(v)) }

func (d *Dashboard) routes() {
	for _, make := range sections {
		s := make(d)
		d.nav = append(d.nav, s.nav...)
		for code, text := range s.says {
			d.says[code] = text
		}
		for _, p := range s.pages {
			d.mux.Handle("GET "+root+p.path, d.may(cmp.Or(p.needs, manage.Read), d.showPage(&p)))
		}
		for _, a := range s.actions {
			d.mux.Handle("POST "+root+a.path, d.may(a.needs, d.act(a)))
		}
		for _, m := range s.mounts {
			method, path, found := strings.Cut(m.path, " ")
			if !found {
				method, path = "", m.path
			} else {
				method += " "
			}
			d.mux.Handle(method+root+path, d.may(manage.Read, m.serve))
		}
	}
	d.mux.HandleFunc("GET "+root+"login", d.showLogin)
	d.mux.HandleFunc("POST "+root+"login", d.login)
	d.mux.HandleFunc("POST "+root+"logout", d.logout)
	d.mux.HandleFunc("GET "+root+"assets/{file}", serveAsset)
	d.mux.HandleFunc("GET "+strings.TrimSuffix(root, "/"), func(w http.ResponseWriter, _ *http.Request) {
		goTo(w, "lineq/")
	})
	d.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		d.may(manage.Read, func(w http.ResponseWriter, r *http.Request, v *visit) {
			d.fail(w, v, problem{http.StatusNotFound, "There is no such page."})
		}).ServeHTTP(w, r)
	})
}

// act carries an action out, and sends the browser to a page that can be loaded again without doing it again.
func (d *Dashboard) act(a action) func(http.ResponseWriter, *http.Request, *visit) {
	return func(w http.ResponseWriter, r *http.Request, v *visit) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			d.fail(w, v, problem{http.StatusBadRequest, "The form can't be read."})
			return
		}
		location, err := within(r.Context(), func(ctx context.Context) (string, error) { return a.do(ctx, v) })
		if err != nil {
			d.fail(w, v, err)
			return
		}
		if a.needs != manage.Read {
			d.cfg.Log.Info("done by the dashboard", zap.String("action", a.path), zap.String("path", r.URL.Path),
				zap.String("by", v.Key.Name))
		}
		goTo(w, v.Root+location)
	}
}

// done is the location of a path below root whose page begins with what section.says has under the code.
func done(path, code string) string { return path + "?said=" + code }

// maxForm bounds what a form sends.
const maxForm = 64 << 10

// goTo sends the browser to a place that is relative to this one: what stands before /lineq/, in this process and in
// proxies before it, isn't known.
func goTo(w http.ResponseWriter, location string) {
	w.Header().Set("Location", location)
	w.WriteHeader(http.StatusSeeOther)
}

// patience is how long a page waits for what it shows. A client of Redis may be more patient.
const patience = 8 * time.Second

var errPatience = errors.New("no answer in time")

// within gives up on f when ctx ends or patience is over. What f does then, it does for nobody.
func within[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errPatience)
	defer cancel()
	type result struct {
		v   T
		err error
	}
	c := make(chan result, 1)
	go func() { v, err := f(ctx); c <- result{v, err} }()
	select {
	case got := <-c:
		return got.v, got.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// protect is what holds for every request: headers, and no changes on behalf of another site's page.
func protect(next http.Handler) http.Handler {
	sameSite := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "+
			"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if err := sameSite.Check(r); err != nil {
			http.Error(w, "This request came from another site. A proxy in front of lineq must leave the Host header as it is.",
				http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
