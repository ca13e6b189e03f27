package gateway

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/limit"
)

// onceListener is a listener with one connection, which is within this process.
type onceListener struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l *onceListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *onceListener) Close() error   { close(l.closed); return nil }
func (l *onceListener) Addr() net.Addr { return &net.TCPAddr{} }

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// However long LINE takes, and however slowly an upload comes in, the caller gets the answer.
func TestPassesThroughForAsLongAsItTakes(t *testing.T) {
	const bodyless = "GET /v2/bot/info HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer token\r\n\r\n"
	upload := func(conn net.Conn) {
		_, _ = io.WriteString(conn, "POST /v2/bot/richmenu/richmenu-0123456789abcdef0123456789abcdef/content HTTP/1.1\r\nHost: gateway\r\n"+
			"Authorization: Bearer token\r\nContent-Type: image/png\r\nContent-Length: 10\r\n\r\n")
		for range 10 {
			time.Sleep(20 * time.Second)
			_, _ = conn.Write([]byte("x"))
		}
	}
	ask := func(conn net.Conn) { _, _ = io.WriteString(conn, bodyless) }
	for name, test := range map[string]struct {
		send   func(net.Conn)
		line   roundTrip
		status int
	}{
		"LINE takes nearly too long": {ask, func(*http.Request) (*http.Response, error) {
			time.Sleep(answerTime - time.Second)
			return &http.Response{StatusCode: 204, Header: http.Header{}, Body: http.NoBody}, nil
		}, 204},
		"LINE doesn't answer": {ask, func(*http.Request) (*http.Response, error) {
			time.Sleep(answerTime)
			return nil, errors.New("timeout awaiting response headers")
		}, 502},
		"an upload comes slowly": {upload, func(r *http.Request) (*http.Response, error) {
			n, err := io.Copy(io.Discard, r.Body)
			if n != 10 || err != nil {
				return nil, errors.Join(errors.New("it was cut"), err)
			}
			time.Sleep(answerTime - time.Second)
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}"))}, nil
		}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rdb := redis.NewClient(&redis.Options{
					MaxRetries: -1, DialerRetries: 1, PoolSize: 10_000,
					MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
					Dialer:                   func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no Redis") },
				})
				defer rdb.Close()
				q, err := producer.New(producer.Config{Redis: rdb})
				require.NoError(t, err)
				limiter, err := limit.New(limit.Config{Redis: rdb, Limits: limit.Limits{Off: true}})
				require.NoError(t, err)
				g, err := New(Config{Redis: rdb, Producer: q, Limiter: limiter, Channels: map[string]Channel{
					"default": {CallerTokens: []string{"token"}, Token: lineapi.StaticToken("token")},
				}})
				require.NoError(t, err)
				g.pass.transport = test.line
				l := &onceListener{make(chan net.Conn), make(chan struct{})}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- g.Serve(ctx, l, time.Second) }()
				here, there := net.Pipe()
				l.conn <- there
				go test.send(here)
				resp, err := http.ReadResponse(bufio.NewReader(here), nil)
				if assert.NoError(t, err) {
					assert.Equal(t, test.status, resp.StatusCode)
					_, _ = io.Copy(io.Discard, resp.Body)
				}
				_ = here.Close()
				cancel()
				assert.NoError(t, <-ended)
			})
		})
	}
}
