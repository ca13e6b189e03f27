package gateway_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestMain(m *testing.M) {
	logging.Disable()
	os.Exit(m.Run())
}

// pipes is a listener whose connections are within this process, and so go by a test's own clock.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	here, there := net.Pipe()
	p.conns <- there
	return here
}

// withoutRedis is a gateway whose Redis can't be reached.
func withoutRedis(t *testing.T) *gateway.Gateway {
	rdb := redis.NewClient(&redis.Options{
		MaxRetries: -1, DialerRetries: 1,
		PoolSize:                 10_000,                                                            // after so many failures it would look for Redis by itself, in a goroutine that outlives the test
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}, // it has goroutines
		Dialer:                   func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no Redis") },
	})
	t.Cleanup(func() { _ = rdb.Close() })
	q, err := producer.New(producer.Config{Redis: rdb, Gather: true})
	require.NoError(t, err)
	limiter, err := limit.New(limit.Config{Redis: rdb})
	require.NoError(t, err)
	g, err := gateway.New(gateway.Config{Redis: rdb, Producer: q, Limiter: limiter, Channels: map[string]gateway.Channel{
		tasks.DefaultChannel: {CallerTokens: []string{token}, Token: lineapi.StaticToken(token)},
	}})
	require.NoError(t, err)
	return g
}

// A caller that is slow or never ends loses its connection, and costs nobody else anything.
func TestSlowCallers(t *testing.T) {
	const head = "POST /v2/bot/message/push HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer " + token +
		"\r\nContent-Type: application/json\r\n"
	for name, c := range map[string]struct {
		sends  string
		within time.Duration
		answer int // 0: none
	}{
		"no headers":            {"POST /v2/bot", 11 * time.Second, 0},
		"a body that waits":     {head + "Content-Length: 100\r\n\r\n{", 31 * time.Second, http.StatusBadRequest},
		"chunks that never end": {head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", 31 * time.Second, http.StatusBadRequest},
		"no request":            {"", 3 * time.Minute, 0},
		"nobody, and a body that waits": {
			"POST /v2/bot/message/push HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n\r\n{", 31 * time.Second, http.StatusUnauthorized,
		},
		"nothing there, and a body that waits": {
			"POST /v2//bot HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n\r\n{", 31 * time.Second, http.StatusNotFound,
		},
		"a question with a body that waits": {
			"GET /healthz HTTP/1.1\r\nHost: gateway\r\nContent-Length: 100\r\n\r\n{", 31 * time.Second, http.StatusOK,
		},
		"large headers": {head + "X: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", time.Second, http.StatusRequestHeaderFieldsTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, l := withoutRedis(t), newPipes()
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- g.Serve(ctx, l, time.Second) }()
				conn := l.dial()
				start := time.Now()
				go io.WriteString(conn, c.sends)
				got, _ := io.ReadAll(conn)
				assert.LessOrEqual(t, time.Since(start), c.within)
				if c.answer != 0 {
					resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(string(got))), nil)
					require.NoError(t, err, "%s", got)
					assert.Equal(t, c.answer, resp.StatusCode)
				}
				cancel()
				assert.NoError(t, <-ended)
			})
		})
	}
}

// A caller that goes on sending has all the time it needs: a multicast to many comes in for three minutes, and an answer is
// waited for as long as LINE takes.
func TestLongBodies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := withoutRedis(t), newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- g.Serve(ctx, l, time.Second) }()
		conn := l.dial()
		body := multicastTo(80_000, "")
		go func() {
			_, _ = io.WriteString(conn, "POST /v2/bot/message/multicast HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer "+token+
				"\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
			first := 2<<20 + 64<<10 // what LINE takes must come at once
			_, _ = fmt.Fprintf(conn, "%x\r\n%s\r\n", first, body[:first])
			rest := body[first:]
			for part := range slices.Chunk([]byte(rest), len(rest)/9) {
				time.Sleep(20 * time.Second)
				_, _ = fmt.Fprintf(conn, "%x\r\n%s\r\n", len(part), part)
			}
			_, _ = io.WriteString(conn, "0\r\n\r\n")
		}()
		start := time.Now()
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		got, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Greater(t, time.Since(start), 3*time.Minute)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
		assert.Contains(t, string(got), "The request body has 1 error(s)", "it was read to its end: an empty text isn't taken")
		_ = conn.Close()
		cancel()
		assert.NoError(t, <-ended)
	})
}

func TestStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, l := withoutRedis(t), newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- g.Serve(ctx, l, 5*time.Second) }()
		conn := l.dial()
		body := `{"to":"nobody"}`
		_, err := io.WriteString(conn, "POST /v2/bot/message/push HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer "+token+
			"\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"+body[:5])
		require.NoError(t, err)
		synctest.Wait()
		cancel()
		synctest.Wait()
		assert.Equal(t, "stopping\n", ask(t, g, request{method: http.MethodGet, path: "/readyz"}).body)
		assert.Equal(t, "ok\n", ask(t, g, request{method: http.MethodGet, path: "/healthz"}).body)
		go io.WriteString(conn, body[5:])
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		assert.Equal(t, http.StatusBadRequest, resp.StatusCode, "what is under way has its answer")
		_, _ = io.Copy(io.Discard, resp.Body)
		assert.NoError(t, <-ended)
	})
}

// Without Redis nothing is accepted, and nothing of it is there when Redis is back.
func TestRedisAway(t *testing.T) {
	server := redistest.Start(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: 1, DialerRetries: 1, DialTimeout: time.Second})
	t.Cleanup(func() { _ = rdb.Close() })
	s := stageOn(t, rdb)
	get := request{method: http.MethodGet, path: "/readyz"}
	require.Equal(t, http.StatusOK, s.ask(t, get).status)
	server.Kill()
	for name, r := range map[string]request{
		"a push":              post("/v2/bot/message/push", hello),
		"one under a key":     post("/v2/bot/message/push", hello, "X-Line-Retry-Key", key),
		"a multicast":         post("/v2/bot/message/multicast", multicastTo(2, "x"), "X-Line-Retry-Key", key),
		"a multicast to many": post("/v2/bot/message/multicast", multicastTo(600, "x")),
		"a link":              post("/v2/bot/user/"+user+"/richmenu/"+menu, ""),
	} {
		t.Run(name, func(t *testing.T) {
			got := s.ask(t, r)
			assert.Equal(t, http.StatusServiceUnavailable, got.status)
			assert.NotEmpty(t, got.header.Get("Retry-After"))
			assert.JSONEq(t, `{"message":"The queue is not available. Try again later."}`, got.body)
		})
	}
	assert.Equal(t, http.StatusServiceUnavailable, s.ask(t, get).status)
	server.Launch(t)
	require.Eventually(t, func() bool { return s.ask(t, get).status == http.StatusOK }, 10*time.Second, 20*time.Millisecond)
	assert.Zero(t, s.waiting(t))
	assert.Equal(t, http.StatusOK, s.ask(t, post("/v2/bot/message/push", hello, "X-Line-Retry-Key", key)).status)
	assert.Equal(t, 1, s.waiting(t))
}

// A Redis that is nearly full takes no more: workers need the rest.
func TestRedisFull(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Client(t)
	s := stageOn(t, rdb)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l, time.Second) }()
	require.NoError(t, rdb.ConfigSet(t.Context(), "maxmemory", "1mb").Err())
	get := request{method: http.MethodGet, path: "/readyz"}
	require.Eventually(t, func() bool { return s.ask(t, get).body == "Redis is full\n" }, 10*time.Second, 20*time.Millisecond)
	got := s.ask(t, post("/v2/bot/message/push", hello))
	assert.Equal(t, http.StatusServiceUnavailable, got.status)
	assert.Equal(t, "10", got.header.Get("Retry-After"))
	require.NoError(t, rdb.ConfigSet(t.Context(), "maxmemory", "0").Err())
	require.Eventually(t, func() bool { return s.ask(t, get).status == http.StatusOK }, 10*time.Second, 20*time.Millisecond)
	cancel()
	assert.NoError(t, <-ended)
}

func TestOddBodies(t *testing.T) {
	s := newStage(t)
	front := httptest.NewServer(s)
	defer front.Close()
	send := func(body io.Reader, header ...string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, front.URL+"/v2/bot/message/push", body)
		require.NoError(t, err)
		for name, value := range post("", "", header...).header {
			req.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		assert.NotEmpty(t, resp.Header.Get("X-Line-Request-Id"))
		return resp.StatusCode
	}
	var zipped strings.Builder
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, hello)
	z.Close()
	assert.Equal(t, http.StatusBadRequest, send(strings.NewReader(zipped.String()), "Content-Encoding", "gzip"))
	assert.Equal(t, http.StatusOK, send(io.MultiReader(strings.NewReader(hello))), "in chunks, of unknown length")
	assert.Equal(t, http.StatusRequestEntityTooLarge, send(io.MultiReader(strings.NewReader(strings.Repeat(" ", 2<<20+1)))))
	assert.Equal(t, 1, s.waiting(t))

	// A header that a caller makes up can't become another one of ours.
	conn, err := net.Dial("tcp", front.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	io.WriteString(conn, "POST /v2/bot/message/push HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+
		"\r\nContent-Type: a\x01\tb\r\nContent-Length: 2\r\nX-Lineq-Id: a\r\n\r\n{}")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	assert.Equal(t, 4, resp.StatusCode/100)
}
