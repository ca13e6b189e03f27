package dashboard_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/dashboard"
	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

const (
	user   = "U0123456789abcdef0123456789abcdef"
	secret = "text <script>alert(1)</script> that only the recipient may see"
)

func keyFor(name string, scopes ...manage.Scope) manage.Key {
	return manage.Key{Name: name, SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(name+"-key"))), Scopes: scopes}
}

// stage is a dashboard on a Redis, with a simulated LINE. Nobody sends until work is called.
type stage struct {
	rdb    redis.UniversalClient
	q      *producer.Client
	sim    *linesim.Simulator
	client *lineapi.Client
	cfg    dashboard.Config
	url    string // of the dashboard, with a slash at its end
	logged *observer.ObservedLogs
}

type setting func(*dashboard.Config)

func showContent(c *dashboard.Config) { c.ShowContent = true }

func newStage(t testing.TB, settings ...setting) *stage {
	_, rdb := redistest.Mini(t)
	return stageOn(t, rdb, settings...)
}

func stageOn(t testing.TB, rdb redis.UniversalClient, settings ...setting) *stage {
	t.Helper()
	sim, err := linesim.New(linesim.Config{Channels: []linesim.Channel{{
		ID: "1", Token: "token", Quota: linesim.Quota{Limit: 5000},
	}}})
	require.NoError(t, err)
	line := httptest.NewServer(sim)
	t.Cleanup(line.Close)
	client, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken("token"), Origin: line.URL, DataOrigin: line.URL})
	require.NoError(t, err)
	q, err := producer.New(producer.Config{Redis: rdb})
	require.NoError(t, err)
	core, logged := observer.New(zap.DebugLevel)
	s := &stage{rdb: rdb, q: q, sim: sim, client: client, logged: logged}
	s.cfg = dashboard.Config{
		Redis: rdb, Producer: q, Clients: map[string]*lineapi.Client{tasks.DefaultChannel: client}, Log: zap.New(core),
		Keys: []manage.Key{
			keyFor("all", manage.Send, manage.Read, manage.Operate), keyFor("reader", manage.Read),
			keyFor("sender", manage.Send),
		},
		Workers: func(ctx context.Context) ([]dashboard.Worker, error) {
			living, err := worker.Living(ctx, rdb)
			var all []dashboard.Worker
			for _, a := range living {
				all = append(all, dashboard.Worker(a))
			}
			return all, err
		},
	}
	for _, set := range settings {
		set(&s.cfg)
	}
	d, err := dashboard.New(s.cfg)
	require.NoError(t, err)
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	t.Cleanup(d.Stop)
	s.url = server.URL + "/lineq/"
	return s
}

// work runs a worker until the test ends, or stop is called.
func (s *stage) work(t testing.TB) (stop func()) {
	t.Helper()
	w, err := worker.New(worker.Config{Redis: s.rdb, Channels: map[string]*lineapi.Client{tasks.DefaultChannel: s.client}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		assert.NoError(t, <-ended)
	}
	t.Cleanup(stop)
	return stop
}

// push enqueues a push.
func (s *stage) push(t testing.TB, id string, opts ...producer.Option) {
	t.Helper()
	_, err := s.q.Enqueue(t.Context(), tasks.Push{To: user, Messages: []lineapi.Message{lineapi.Text(secret)}},
		append(opts, producer.ID(id))...)
	require.NoError(t, err)
}

// sent waits until a task is decided.
func (s *stage) decided(t testing.TB, id string) tasks.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := s.q.Wait(ctx, id)
	require.NoError(t, err)
	return r
}

// browser is a visitor with a jar of cookies, who follows no redirects.
type browser struct {
	t    testing.TB
	base string
	http *http.Client
}

func (s *stage) visitor(t testing.TB) *browser {
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &browser{t, s.url, &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// as is a visitor who has logged in.
func (s *stage) as(t testing.TB, name string) *browser {
	t.Helper()
	b := s.visitor(t)
	got := b.post("login", url.Values{"key": {name + "-key"}})
	require.Equal(t, http.StatusSeeOther, got.status, got.body)
	return b
}

type page struct {
	status   int
	body     string
	header   http.Header
	location string
}

func (b *browser) do(r *http.Request) page {
	b.t.Helper()
	resp, err := b.http.Do(r)
	require.NoError(b.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(b.t, err)
	return page{resp.StatusCode, string(body), resp.Header, resp.Header.Get("Location")}
}

func (b *browser) request(method, path, body string) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, strings.NewReader(body))
	require.NoError(b.t, err)
	return r
}

func (b *browser) get(path string) page {
	b.t.Helper()
	return b.do(b.request(http.MethodGet, path, ""))
}

// see is get of a page that must be there.
func (b *browser) see(path string) string {
	b.t.Helper()
	got := b.get(path)
	require.Equal(b.t, http.StatusOK, got.status, "%s: %s", path, got.body)
	return got.body
}

func (b *browser) post(path string, form url.Values) page {
	b.t.Helper()
	r := b.request(http.MethodPost, path, form.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return b.do(r)
}
