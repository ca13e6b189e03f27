package dashboard_test

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/producer/dashboard"
	"github.com/lineq/lineq/producer/gateway/manage"
)

func TestLogin(t *testing.T) {
	s := newStage(t)
	b := s.visitor(t)
	got := b.get("channels?x=1")
	assert.Equal(t, http.StatusSeeOther, got.status)
	assert.Equal(t, "./login?to=channels%3Fx%3D1", got.location)
	assert.Equal(t, "./../login?to=channels%2Fdefault", b.get("channels/default").location)
	assert.Equal(t, http.StatusOK, b.get("login").status)
	assert.Equal(t, http.StatusOK, b.get("assets/style.css").status, "the login page needs it")

	for key, status := range map[string]int{"not-a-key": 401, "": 401, "sender-key": 403, strings.Repeat("x", 5000): 401} {
		got := b.post("login", url.Values{"key": {key}})
		assert.Equal(t, status, got.status)
		assert.Empty(t, got.header.Get("Set-Cookie"))
		if key != "" {
			assert.NotContains(t, got.body, key)
		}
	}
	got = b.post("login", url.Values{"key": {"reader-key"}, "to": {"channels?x=1"}})
	require.Equal(t, http.StatusSeeOther, got.status)
	assert.Equal(t, "./channels?x=1", got.location)
	cookie := got.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "SameSite=Lax", "Max-Age=43200"} {
		assert.Contains(t, cookie, want)
	}
	assert.NotContains(t, cookie, "Secure")
	assert.NotContains(t, cookie, "Path", "the browser takes the path below which it sees the dashboard")
	assert.Contains(t, b.see(""), "reader")

	token := strings.TrimPrefix(strings.SplitN(cookie, ";", 2)[0], "lineq_session=")
	require.NotEmpty(t, token)
	for _, key := range s.rdb.Keys(t.Context(), "*").Val() {
		assert.NotContains(t, key, token, "Redis has no token")
		if strings.HasPrefix(key, "lineq:session:") {
			assert.NotContains(t, s.rdb.Get(t.Context(), key).Val(), token)
			assert.InDelta(t, 12*time.Hour, s.rdb.TTL(t.Context(), key).Val(), float64(time.Minute))
		}
	}

	for _, entry := range s.logged.All() {
		assert.NotContains(t, fmt.Sprint(entry.Message, entry.ContextMap()), "not-a-key")
	}

	got = b.post("logout", nil)
	assert.Equal(t, http.StatusSeeOther, got.status)
	assert.Equal(t, http.StatusSeeOther, b.get("").status)
	assert.Empty(t, s.rdb.Keys(t.Context(), "lineq:session:*").Val())
}

func TestLoginLeadsNowhereElse(t *testing.T) {
	s := newStage(t)
	for _, to := range []string{"https://evil.example/", "//evil.example/", "/evil", `\\evil.example`, "javascript:alert(1)", "%zz"} {
		got := s.visitor(t).post("login", url.Values{"key": {"all-key"}, "to": {to}})
		assert.Equal(t, "./", got.location, to)
	}
}

func TestSecureCookie(t *testing.T) {
	s := newStage(t)
	b := s.visitor(t)
	r := b.request(http.MethodPost, "login", url.Values{"key": {"all-key"}}.Encode())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Forwarded-Proto", "https")
	assert.Contains(t, b.do(r).header.Get("Set-Cookie"), "Secure")
}

// TestKeyIsGone: whoever has logged in with a key that isn't in the configuration any more is out, and a second process
// with the key knows the session.
func TestKeyIsGone(t *testing.T) {
	s := newStage(t)
	b := s.as(t, "reader")
	for name, o := range map[string]struct {
		keys []manage.Key
		want int
	}{
		"another process": {s.cfg.Keys, http.StatusOK},
		"without the key": {[]manage.Key{keyFor("all", manage.Read)}, http.StatusSeeOther},
		"another key of that name": {
			[]manage.Key{{Name: "reader", SHA256: keyFor("all").SHA256, Scopes: []manage.Scope{manage.Read}}}, http.StatusSeeOther,
		},
		"fewer scopes": {[]manage.Key{keyFor("reader", manage.Send)}, http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := s.cfg
			cfg.Keys = o.keys
			d, err := dashboard.New(cfg)
			require.NoError(t, err)
			defer d.Stop()
			r := httptest.NewRequest(http.MethodGet, "/lineq/", nil)
			u, err := url.Parse(s.url)
			require.NoError(t, err)
			for _, c := range b.http.Jar.Cookies(u) {
				r.AddCookie(c)
			}
			w := httptest.NewRecorder()
			d.ServeHTTP(w, r)
			assert.Equal(t, o.want, w.Code)
		})
	}
}

func TestSetAccess(t *testing.T) {
	s := newStage(t)
	d, err := dashboard.New(s.cfg)
	require.NoError(t, err)
	defer d.Stop()
	ask := func(method, path string, form url.Values, cookies ...*http.Cookie) *http.Response {
		r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r)
		return w.Result()
	}
	in := func(key string) *http.Response { return ask(http.MethodPost, "/lineq/login", url.Values{"key": {key}}) }
	old := in("reader-key")
	require.Equal(t, http.StatusSeeOther, old.StatusCode)
	require.Equal(t, http.StatusOK, ask(http.MethodGet, "/lineq/", nil, old.Cookies()...).StatusCode)

	d.SetAccess([]manage.Key{keyFor("next", manage.Read)}, nil)
	out := ask(http.MethodGet, "/lineq/", nil, old.Cookies()...)
	assert.Equal(t, http.StatusSeeOther, out.StatusCode, "whose key is gone is out")
	assert.Contains(t, out.Header.Get("Location"), "login")
	assert.Equal(t, http.StatusUnauthorized, in("reader-key").StatusCode)
	next := in("next-key")
	require.Equal(t, http.StatusSeeOther, next.StatusCode)
	assert.Equal(t, http.StatusOK, ask(http.MethodGet, "/lineq/", nil, next.Cookies()...).StatusCode)
}

func TestGuesses(t *testing.T) {
	s := newStage(t)
	b := s.visitor(t)
	for range 10 {
		assert.Equal(t, http.StatusUnauthorized, b.post("login", url.Values{"key": {"guess"}}).status)
	}
	got := b.post("login", url.Values{"key": {"all-key"}})
	assert.Equal(t, http.StatusTooManyRequests, got.status, "the right one too: else it could be guessed")
	assert.NotEmpty(t, got.header.Get("Retry-After"))
}

func TestScopes(t *testing.T) {
	s := newStage(t)
	s.push(t, "order")
	b := s.as(t, "reader")
	for _, path := range []string{"", "channels", "channels/default", "log", "tasks", "tasks/default/order", "schedules"} {
		assert.NotContains(t, b.see(path), ">Cancel<", path)
	}
	for _, path := range []string{
		"channels/default/hold", "channels/default/resume", "tasks/default/order/cancel", "tasks/default/order/run",
		"schedules/a/run", "schedules/a/remove",
	} {
		assert.Equal(t, http.StatusForbidden, b.get(path).status, path)
		got := b.post(path, nil)
		assert.Equal(t, http.StatusForbidden, got.status, path)
		assert.Contains(t, got.body, "scope", path)
	}
	assert.Equal(t, http.StatusForbidden, b.post("schedules/a/pause", nil).status)
	assert.Empty(t, s.decidedNow(t, "order").Outcome)
}

// TestOtherSites: a page of another site can't do anything in the name of who has logged in.
func TestOtherSites(t *testing.T) {
	s := newStage(t)
	b := s.as(t, "all")
	for name, header := range map[string][2]string{
		"by its site": {"Sec-Fetch-Site", "cross-site"}, "by its origin": {"Origin", "https://evil.example"},
	} {
		t.Run(name, func(t *testing.T) {
			r := b.request(http.MethodPost, "channels/default/hold", "note=evil")
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(header[0], header[1])
			assert.Equal(t, http.StatusForbidden, b.do(r).status)
		})
	}
	assert.Zero(t, s.rdb.Exists(t.Context(), "lineq:{default}:state").Val(), "nothing was held")
	assert.Equal(t, http.StatusNotFound, b.do(b.request(http.MethodPut, "channels/default/hold", "")).status)
}

func TestHeaders(t *testing.T) {
	s := newStage(t)
	for _, path := range []string{"", "login", "assets/style.css", "nothing"} {
		h := s.visitor(t).get(path).header
		assert.Contains(t, h.Get("Content-Security-Policy"), "default-src 'none'")
		assert.NotContains(t, h.Get("Content-Security-Policy"), "unsafe")
		assert.Equal(t, "DENY", h.Get("X-Frame-Options"))
		assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		if !strings.HasPrefix(path, "assets") {
			assert.Equal(t, "no-store", h.Get("Cache-Control"))
		}
	}
}

// stream opens a page's events.
func (b *browser) stream(path string) (*bufio.Scanner, func()) {
	b.t.Helper()
	r := b.request(http.MethodGet, path, "")
	r.Header.Set("Accept", "text/event-stream")
	resp, err := b.http.Do(r)
	require.NoError(b.t, err)
	require.Equal(b.t, http.StatusOK, resp.StatusCode)
	require.Equal(b.t, "text/event-stream", resp.Header.Get("Content-Type"))
	return bufio.NewScanner(resp.Body), func() { resp.Body.Close() }
}

// await reads events until one has the text.
func await(t testing.TB, events *bufio.Scanner, text string) {
	t.Helper()
	for events.Scan() {
		if strings.Contains(events.Text(), text) {
			return
		}
	}
	t.Fatalf("the events ended before one had %q: %v", text, events.Err())
}

func TestLive(t *testing.T) {
	s := newStage(t)
	b := s.as(t, "all")
	events, end := b.stream("channels/default")
	defer end()
	other, endOther := s.as(t, "reader").stream("")
	defer endOther()
	await(t, events, "event: parts")
	require.Equal(t, http.StatusSeeOther, b.post("channels/default/hold", url.Values{"note": {"for now"}}).status)
	await(t, events, "for now")
	await(t, other, "for now")

	require.Equal(t, http.StatusSeeOther, b.post("logout", nil).status)
	await(t, events, "event: over")
	for events.Scan() {
	}
	assert.NoError(t, events.Err(), "the stream ends with its session")

	r := s.visitor(t).request(http.MethodGet, "", "")
	r.Header.Set("Accept", "text/event-stream")
	got := s.visitor(t).do(r)
	assert.Equal(t, http.StatusOK, got.status)
	assert.Equal(t, "event: over\ndata: null\n\n", got.body, "without a session the page asks no more")
}

func TestLiveEndsWithTheDashboard(t *testing.T) {
	s := newStage(t)
	d, err := dashboard.New(s.cfg)
	require.NoError(t, err)
	server := httptest.NewServer(d)
	defer server.Close()
	s.url = server.URL + "/lineq/"
	events, end := s.as(t, "all").stream("")
	defer end()
	await(t, events, "event: parts")
	d.Stop()
	for events.Scan() {
	}
	assert.NoError(t, events.Err())
}
