package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// liveEvery is how often the pages that somebody has open are rendered again.
	liveEvery = time.Second
	// checkEvery is how often a viewer's session is looked at, which another process may have ended. It also keeps a proxy
	// from taking a quiet page for a dead one.
	checkEvery = 10 * time.Second
	// maxViewers bounds the pages that are open.
	maxViewers = 200
	// partTime is how long a part may take to reach a viewer.
	partTime = 20 * time.Second
)

// wantsEvents tells a page's own stream of events from the page: they have one address.
func wantsEvents(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream")
}

// hub renders the pages that are open. Viewers who see the same share one group, which is rendered once for all of them,
// and all groups share one ticker, which runs while there is a viewer.
type hub struct {
	d       *Dashboard
	mu      sync.Mutex
	groups  map[string]*group
	viewers int
	ticks   sync.WaitGroup
	ticking bool
	stopped bool
}

// group is a page as some viewers see it.
type group struct {
	page    *page
	visit   *visit // of the first of them
	viewers map[*viewer]bool

	parts map[string]string // as last rendered; never changed, only replaced
	away  string            // why there is nothing newer; empty: there is
}

type viewer struct {
	news  chan struct{} // holds one when the group has something new
	gone  chan struct{} // closed when the session was left in this process
	token string
}

func newHub(d *Dashboard) *hub { return &hub{d: d, groups: map[string]*group{}} }

// wait returns when nothing is rendered any more, after Dashboard.stopping was closed.
func (h *hub) wait() {
	h.mu.Lock()
	h.stopped = true
	h.mu.Unlock()
	h.ticks.Wait()
}

// keyOf is the same for visits that see the same.
func keyOf(v *visit) string {
	query := v.URL.Query()
	query.Del("said")
	b, _ := json.Marshal([]any{v.Root, v.URL.Path, query, slices.Sorted(slices.Values(v.Key.Scopes))})
	return string(b)
}

// join adds a viewer, unless there are too many.
func (h *hub) join(v *visit, p *page) (*group, *viewer, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.stopped || h.viewers >= maxViewers {
		return nil, nil, false
	}
	key := keyOf(v)
	g := h.groups[key]
	if g == nil {
		g = &group{page: p, visit: v, viewers: map[*viewer]bool{}}
		h.groups[key] = g
	}
	one := &viewer{news: make(chan struct{}, 1), gone: make(chan struct{}), token: v.session}
	g.viewers[one] = true
	h.viewers++
	if g.parts != nil || g.away != "" {
		one.news <- struct{}{}
	}
	if !h.ticking {
		h.ticking = true
		h.ticks.Go(h.tick)
	}
	return g, one, true
}

func (h *hub) part(v *visit, g *group, one *viewer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(g.viewers, one)
	h.viewers--
	if len(g.viewers) == 0 {
		delete(h.groups, keyOf(v))
	}
}

// leave ends the streams of a session.
func (h *hub) leave(token string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, g := range h.groups {
		for one := range g.viewers {
			if one.token == token {
				one.token = ""
				close(one.gone)
			}
		}
	}
}

// tick renders what is watched, until nothing is.
func (h *hub) tick() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-h.d.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for {
		h.mu.Lock()
		open := slices.Collect(maps.Values(h.groups))
		if len(open) == 0 || ctx.Err() != nil {
			h.ticking = false
			h.mu.Unlock()
			return
		}
		h.mu.Unlock()
		for _, g := range open {
			h.renew(ctx, g)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// renew renders a group, and tells its viewers where something is new.
func (h *hub) renew(ctx context.Context, g *group) {
	data, err := within(ctx, func(ctx context.Context) (any, error) { return g.page.load(ctx, g.visit) })
	var parts map[string]string
	if err == nil {
		parts, err = h.d.fragments(g.page, h.d.frame(g.visit, g.page.nav, data))
	}
	away := ""
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		away = h.d.problemOf(g.visit, err).Title
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil && g.away == "" && maps.Equal(parts, g.parts) || err != nil && g.away == away {
		return
	}
	if err == nil {
		g.parts = parts
	}
	g.away = away
	for one := range g.viewers {
		select {
		case one.news <- struct{}{}:
		default: // it hasn't looked since the last time
		}
	}
}

// over is a stream that tells the page to open no other.
func over(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = w.Write([]byte("event: over\ndata: null\n\n"))
}

// serve sends a viewer what changes on a page, until one of both has enough.
func (h *hub) serve(w http.ResponseWriter, r *http.Request, v *visit, p *page) {
	if !p.follows(v) {
		over(w)
		return
	}
	g, one, ok := h.join(v, p)
	if !ok {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "too many pages are open", http.StatusServiceUnavailable)
		return
	}
	defer h.part(v, g, one)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would wait for more
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	say := func(event string, data any) error {
		b, err := json.Marshal(data)
		if err != nil {
			return err
		}
		_ = control.SetWriteDeadline(time.Now().Add(partTime))
		var text bytes.Buffer
		text.WriteString("event: " + event + "\ndata: ")
		text.Write(b)
		text.WriteString("\n\n")
		if _, err := w.Write(text.Bytes()); err != nil {
			return err
		}
		return control.Flush()
	}
	had := map[string]string{}
	check := time.NewTicker(checkEvery)
	defer check.Stop()
	for err := say("live", nil); err == nil; {
		select {
		case <-r.Context().Done():
			return
		case <-h.d.stopping:
			return
		case <-one.gone:
			_ = say("over", nil)
			return
		case <-check.C:
			_, lost := within(r.Context(), func(ctx context.Context) (any, error) { return h.d.people.by(ctx, v.session) })
			if errors.Is(lost, errNoSession) {
				_ = say("over", nil)
				return
			}
			err = say("live", nil)
		case <-one.news:
			h.mu.Lock()
			parts, away := g.parts, g.away
			h.mu.Unlock()
			if away != "" {
				err = say("away", away)
				continue
			}
			changed := map[string]string{}
			for name, html := range parts {
				if had[name] != html {
					changed[name] = html
				}
			}
			had = parts
			err = say("parts", changed)
		}
	}
}
