package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
)

// aLINE is one whose answers a test makes up.
func aLINE(t *testing.T, answer http.HandlerFunc, settings ...setting) *stage {
	line := httptest.NewServer(answer)
	t.Cleanup(line.Close)
	return newStage(t, append([]setting{func(c *gateway.Config) { c.Origin, c.DataOrigin = line.URL+"/base", line.URL+"/data" }},
		settings...)...)
}

func TestPassesThrough(t *testing.T) {
	s := aLINE(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Line-Request-Id", "line's own")
		w.Header().Set("X-Tomorrow", "1")
		w.Header().Set("Content-Type", "text/odd")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprintf(w, "%s %s %s %q", r.Method, r.RequestURI, r.Header.Get("Authorization"), body)
		assert.Empty(t, r.Header.Get("X-Forwarded-For"))
		assert.Empty(t, r.Header.Get("X-Lineq-Id"))
	})
	for name, c := range map[string]struct{ method, path, to string }{
		"an endpoint":           {"GET", "/v2/bot/profile/" + user, "/base/v2/bot/profile/" + user},
		"with a query":          {"GET", "/v2/bot/followers/ids?limit=1&start=a%2Bb;c", "/base/v2/bot/followers/ids?limit=1&start=a%2Bb;c"},
		"of the data host":      {"GET", "/v2/bot/message/1/content", "/data/v2/bot/message/1/content"},
		"an upload":             {"POST", "/v2/bot/richmenu/" + menu + "/content", "/data/v2/bot/richmenu/" + menu + "/content"},
		"of tomorrow":           {"PATCH", "/v3/bot/hologram/a%20b", "/base/v3/bot/hologram/a%20b"},
		"tomorrow's data":       {"HEAD", "/v2/bot/message/1/content", "/data/v2/bot/message/1/content"},
		"another method":        {"GET", "/v2/bot/message/push", "/base/v2/bot/message/push"},
		"a batch of rich menus": {"POST", "/v2/bot/richmenu/batch", "/base/v2/bot/richmenu/batch"},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.ask(t, request{c.method, c.path, "body", map[string]string{
				"Authorization": "Bearer for-callers-alone", "X-Lineq-Id": "x",
			}})
			assert.Equal(t, http.StatusTeapot, got.status)
			assert.Equal(t, []string{"line's own"}, got.header["X-Line-Request-Id"])
			assert.Equal(t, "1", got.header.Get("X-Tomorrow"))
			assert.Equal(t, "text/odd", got.header.Get("Content-Type"))
			if c.method != "HEAD" {
				assert.Equal(t, fmt.Sprintf("%s %s Bearer %s %q", c.method, c.to, token, "body"), got.body)
			}
		})
	}
	open := s.ask(t, request{"POST", "/oauth2/v3/token", "a=b", nil})
	assert.Equal(t, `POST /base/oauth2/v3/token  "a=b"`, open.body, "tokens are issued to who has none")
	closed := s.ask(t, request{"GET", "/v2/bot/info", "", nil})
	assert.Equal(t, http.StatusUnauthorized, closed.status)
}

func TestStreamsBothWays(t *testing.T) {
	reached, more := make(chan string), make(chan bool)
	s := aLINE(t, func(w http.ResponseWriter, r *http.Request) {
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			reached <- lines.Text()
		}
		io.WriteString(w, "one\n")
		w.(http.Flusher).Flush()
		<-more
		io.WriteString(w, "two\n")
	})
	front := httptest.NewServer(s)
	defer front.Close()
	body, in := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, front.URL+"/v2/bot/audienceGroup/upload/byFile", body)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	answered := make(chan *http.Response, 1)
	go func() {
		resp, err := http.DefaultClient.Do(req)
		assert.NoError(t, err)
		answered <- resp
	}()
	for _, line := range []string{"first", "second"} {
		io.WriteString(in, line+"\n")
		assert.Equal(t, line, <-reached, "while the upload goes on")
	}
	in.Close()
	resp := <-answered
	defer resp.Body.Close()
	answers := bufio.NewScanner(resp.Body)
	require.True(t, answers.Scan())
	assert.Equal(t, "one", answers.Text(), "while the answer goes on")
	close(more)
	require.True(t, answers.Scan())
	assert.Equal(t, "two", answers.Text())
}

func TestPassesUnderLimits(t *testing.T) {
	asked := 0
	s := aLINE(t, func(w http.ResponseWriter, _ *http.Request) { asked++ }, func(c *gateway.Config) {
		limits := limit.Limits{Rates: map[string]endpoint.Limit{"testWebhookEndpoint": {Requests: 1, Per: time.Hour}}}
		var err error
		c.Limiter, err = limit.New(limit.Config{Redis: c.Redis, Limits: limits})
		require.NoError(t, err)
	})
	r := post("/v2/bot/channel/webhook/test", "{}")
	require.Equal(t, http.StatusOK, s.ask(t, r).status)
	got := s.ask(t, r)
	assert.Equal(t, http.StatusTooManyRequests, got.status)
	assert.JSONEq(t, `{"message":"The API rate limit has been exceeded. Try again later."}`, got.body)
	assert.NotEmpty(t, got.header.Get("Retry-After"))
	assert.Equal(t, 1, asked)
}

func TestLINEAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	gone := "http://" + l.Addr().String()
	require.NoError(t, l.Close())
	s := newStage(t, func(c *gateway.Config) { c.Origin, c.DataOrigin = gone, gone })
	got := s.ask(t, request{"GET", "/v2/bot/info", "", map[string]string{"Authorization": "Bearer " + token}})
	assert.Equal(t, http.StatusBadGateway, got.status)
	assert.JSONEq(t, `{"message":"LINE can't be reached"}`, got.body)
	assert.Equal(t, http.StatusOK, s.ask(t, post("/v2/bot/message/push", hello)).status, "what is queued doesn't need LINE")
}

// Paths that a server behind this one may read otherwise reach nobody.
func TestPathTricks(t *testing.T) {
	s := aLINE(t, func(http.ResponseWriter, *http.Request) { t.Error("LINE was asked") })
	for _, path := range []string{
		"/v2/bot/message/../message/push", "/v2/bot/%2e%2e/bot/message/push", "/v2/bot/message//push", "//v2/bot/message/push",
		"/v2/bot/message/push/", "/v2/bot/message/%70ush", "/v2/bot/user/%61ll/richmenu/" + menu, "/v2/bot/message%2fpush",
		"/v2/bot/message%5cpush", "/v2/bot/user/..%2fall/richmenu/" + menu, "/v2/bot/user//richmenu/" + menu,
		"/v2/bot/message/pu%00sh", "/v2/bot/message/pu%0d%0ash", "/", "",
	} {
		t.Run(path, func(t *testing.T) {
			for _, method := range []string{"POST", "GET", "DELETE"} {
				req := httptest.NewRequest(method, "http://gateway.test/", strings.NewReader(hello))
				if u, err := url.ParseRequestURI("http://gateway.test" + path); assert.NoError(t, err) {
					req.URL = u
				}
				req.Header.Set("Authorization", "Bearer "+token)
				req.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				s.ServeHTTP(w, req)
				assert.Equal(t, http.StatusNotFound, w.Code)
			}
		})
	}
	assert.Zero(t, s.waiting(t))

	all := s.ask(t, post("/v2/bot/user/all/richmenu/"+menu, ""))
	assert.Equal(t, http.StatusOK, all.status, "which is what LINE understands by it")
	r, err := s.q.Result(t.Context(), all.header.Get("X-Line-Request-Id"))
	require.NoError(t, err)
	assert.Equal(t, tasks.KindSetDefaultRichMenu, r.Kind)
}

func TestConfig(t *testing.T) {
	s := newStage(t)
	source := lineapi.StaticToken("x")
	limiter, err := limit.New(limit.Config{Redis: s.rdb})
	require.NoError(t, err)
	good := gateway.Config{Redis: s.rdb, Producer: s.q, Limiter: limiter, Channels: map[string]gateway.Channel{"a": {[]string{"x"}, source}}}
	_, err = gateway.New(good)
	require.NoError(t, err)
	for name, spoil := range map[string]func(*gateway.Config){
		"Redis":      func(c *gateway.Config) { c.Redis = nil },
		"Producer":   func(c *gateway.Config) { c.Producer = nil },
		"Limiter":    func(c *gateway.Config) { c.Limiter = nil },
		"Channels":   func(c *gateway.Config) { c.Channels = nil },
		"channel":    func(c *gateway.Config) { c.Channels = map[string]gateway.Channel{"a b": {[]string{"x"}, source}} },
		"Token":      func(c *gateway.Config) { c.Channels = map[string]gateway.Channel{"a": {[]string{"x"}, nil}} },
		"nobody":     func(c *gateway.Config) { c.Channels = map[string]gateway.Channel{"a": {nil, source}} },
		"empty":      func(c *gateway.Config) { c.Channels = map[string]gateway.Channel{"a": {[]string{""}, source}} },
		"Origin":     func(c *gateway.Config) { c.Origin = "api.line.me" },
		"PathPrefix": func(c *gateway.Config) { c.PathPrefix = "line" },
		"the channel a": func(c *gateway.Config) {
			c.Channels = map[string]gateway.Channel{"a": {[]string{"x"}, source}, "b": {[]string{"x"}, source}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			spoil(&bad)
			_, err := gateway.New(bad)
			assert.ErrorContains(t, err, name)
		})
	}
}
