package lineapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
)

func clientAt(t *testing.T, origin string, client *http.Client) *lineapi.Client {
	t.Helper()
	c, err := lineapi.New(lineapi.Config{
		Token: lineapi.StaticToken(token), Origin: origin, DataOrigin: origin, HTTPClient: client,
	})
	require.NoError(t, err)
	return c
}

func TestConfig(t *testing.T) {
	for name, tt := range map[string]struct{ origin, want string }{
		"no scheme":       {"api.line.me", "lineapi: Config.Origin must start with http:// or https://"},
		"a host and port": {"localhost:8080", "lineapi: Config.Origin must start with http:// or https://"},
		"another scheme":  {"ftp://e", "lineapi: Config.Origin must start with http:// or https://"},
		"no host":         {"https:///v2", "lineapi: Config.Origin has no host"},
		"only a port":     {"http://:80", "lineapi: Config.Origin has no host"},
		"a query":         {"https://e?a=1", "lineapi: Config.Origin has a query or a fragment"},
		"a fragment":      {"https://e#", "lineapi: Config.Origin has a query or a fragment"},
		"a password":      {"https://u:password@e", "lineapi: Config.Origin holds a user name or a password"},
		"not a URL":       {"https://e\x7f", "lineapi: Config.Origin is not a URL"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken(token), Origin: tt.origin})
			assert.EqualError(t, err, tt.want)
			_, err = lineapi.New(lineapi.Config{Token: lineapi.StaticToken(token), DataOrigin: tt.origin})
			assert.EqualError(t, err, strings.Replace(tt.want, "Origin", "DataOrigin", 1))
		})
	}
	t.Run("no token source", func(t *testing.T) {
		_, err := lineapi.New(lineapi.Config{})
		assert.ErrorContains(t, err, "Config.Token is nil")
	})

	urls := func(cfg lineapi.Config) (urls []string) {
		cfg.Token = lineapi.StaticToken(token)
		cfg.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			urls = append(urls, r.URL.String())
			return answering(200, nil, "{}")(r)
		})}
		c, err := lineapi.New(cfg)
		require.NoError(t, err)
		_, err = c.BotInfo(t.Context())
		require.NoError(t, err)
		_, err = c.MessageContent(t.Context(), "1")
		require.NoError(t, err)
		return urls
	}
	t.Run("LINE's own origins", func(t *testing.T) {
		assert.Equal(t, []string{"https://api.line.me/v2/bot/info", "https://api-data.line.me/v2/bot/message/1/content"},
			urls(lineapi.Config{}))
	})
	t.Run("a base path and slashes at the end", func(t *testing.T) {
		assert.Equal(t, []string{"http://e:1/a/b/v2/bot/info", "https://d/v2/bot/message/1/content"},
			urls(lineapi.Config{Origin: "http://e:1/a/b/", DataOrigin: "https://d//"}))
	})
}

// TestRetryKeyOnlyWhereLINETakesIt: on any other endpoint LINE answers the header with 400.
func TestRetryKeyOnlyWhereLINETakesIt(t *testing.T) {
	sent := make(map[string]bool)
	c := clientWith(t, func(r *http.Request) (*http.Response, error) {
		e, _, ok := endpoint.Match(r.Method, endpoint.API, r.URL.Path)
		require.True(t, ok)
		_, has := r.Header["X-Line-Retry-Key"]
		assert.Equal(t, e.Class == endpoint.RetryKey, has, e.Operation)
		sent[e.Operation] = has
		return answering(200, nil, "{}")(r)
	})
	ctx, m := t.Context(), texts("a")
	_, _ = c.Push(ctx, lineapi.PushRequest{To: userID, Messages: m, RetryKey: key})
	_, _ = c.Multicast(ctx, lineapi.MulticastRequest{To: []string{userID}, Messages: m, RetryKey: key})
	_, _ = c.Broadcast(ctx, lineapi.BroadcastRequest{Messages: m, RetryKey: key})
	_, _ = c.Narrowcast(ctx, lineapi.NarrowcastRequest{Messages: m, RetryKey: key})
	_, _ = c.Reply(ctx, lineapi.ReplyRequest{ReplyToken: "r", Messages: m})
	_ = c.ValidatePush(ctx, m)
	_, _ = c.LinkRichMenu(ctx, userID, menuID)
	for _, e := range endpoint.All {
		if e.Class == endpoint.RetryKey {
			assert.True(t, sent[e.Operation], "%s carries the key", e.Operation)
		}
	}
	assert.Len(t, sent, 7)
}

// Of a request of many not everything is watched, and this is known all the same.
func TestUnsentOfWhatIsReady(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	proxy, err := url.Parse(gone.URL)
	require.NoError(t, err)
	stranger := httptest.NewUnstartedServer(http.NotFoundHandler())
	stranger.Config.ErrorLog = log.New(io.Discard, "", 0)
	stranger.StartTLS()
	defer stranger.Close()
	cut := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer cut.Close()
	for name, c := range map[string]struct {
		client *lineapi.Client
		unsent bool
	}{
		"a refused connection": {clientAt(t, gone.URL, httpClient(t)), true},
		"a refusing proxy": {
			clientAt(t, stranger.URL, &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}), true,
		},
		"a certificate that isn't trusted":              {clientAt(t, stranger.URL, httpClient(t)), true},
		"a connection that LINE cut before it answered": {clientAt(t, cut.URL, httpClient(t)), false},
	} {
		t.Run(name, func(t *testing.T) {
			body := append(lineapi.Ready{}.AppendPush(nil, userID), `[{"type":"text","text":"hello"}]}`...)
			_, err := c.client.PushReady(t.Context(), body, "")
			e := asError(t, err)
			assert.Equal(t, lineapi.Network, e.Reason)
			assert.Equal(t, c.unsent, e.Unsent)
		})
	}
}

func TestUnsent(t *testing.T) {
	t.Run("a refused connection", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		l.Close()
		_, err = push(clientAt(t, "http://"+l.Addr().String(), httpClient(t)), "hello")
		e := asError(t, err)
		assert.Equal(t, lineapi.Network, e.Reason)
		assert.True(t, e.Unsent)
		assert.NotContains(t, e.Error(), "/v2/")
	})
	t.Run("a name that isn't known", func(t *testing.T) {
		dial := func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
		}
		_, err := push(clientAt(t, "http://e.invalid", &http.Client{Transport: &http.Transport{DialContext: dial}}), "hello")
		e := asError(t, err)
		assert.Equal(t, lineapi.Network, e.Reason)
		assert.True(t, e.Unsent)
		var dns *net.DNSError
		assert.ErrorAs(t, err, &dns, "the cause is kept")
	})
	t.Run("a certificate that isn't trusted", func(t *testing.T) {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		defer s.Close()
		_, err := push(clientAt(t, s.URL, httpClient(t)), "hello")
		e := asError(t, err)
		assert.Equal(t, lineapi.Network, e.Reason)
		assert.True(t, e.Unsent)
	})
	t.Run("a context that had ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := clientFor(t).Push(ctx, lineapi.PushRequest{To: userID, Messages: texts("a")})
		e := asError(t, err)
		assert.Equal(t, lineapi.Network, e.Reason)
		assert.ErrorIs(t, err, context.Canceled)
		assert.True(t, e.Unsent)
	})
	t.Run("a connection that LINE cut before it answered", func(t *testing.T) {
		s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
		defer s.Close()
		_, err := push(clientAt(t, s.URL, httpClient(t)), "hello")
		e := asError(t, err)
		assert.Equal(t, lineapi.Network, e.Reason)
		assert.False(t, e.Unsent)
	})
	t.Run("a transport that doesn't tell", func(t *testing.T) {
		_, err := push(clientWith(t, func(*http.Request) (*http.Response, error) { return nil, errors.New("lost") }), "hello")
		e := asError(t, err)
		assert.Equal(t, lineapi.Network, e.Reason)
		assert.False(t, e.Unsent)
	})
	t.Run("a token that can't be had", func(t *testing.T) {
		for cause, want := range map[error]lineapi.Reason{
			errors.New("no file"):                                     lineapi.Auth,
			&lineapi.Error{Reason: lineapi.Invalid}:                   lineapi.Auth, // invalid_client is a 400
			&lineapi.Error{Reason: lineapi.Server, RetryAfter: 3e9}:   lineapi.Server,
			&lineapi.Error{Reason: lineapi.Network}:                   lineapi.Network,
			&lineapi.Error{Reason: lineapi.RateLimited}:               lineapi.RateLimited,
			fmt.Errorf("token: %w", context.DeadlineExceeded):         lineapi.Network,
			&lineapi.Error{Reason: lineapi.Unknown, Err: io.EOF}:      lineapi.Auth,
			&lineapi.Error{Reason: lineapi.Auth, Operation: "issue…"}: lineapi.Auth,
		} {
			c, err := lineapi.New(lineapi.Config{Token: failingSource{cause}})
			require.NoError(t, err)
			_, err = push(c, "hello")
			e := asError(t, err)
			assert.Equal(t, want, e.Reason, cause.Error())
			assert.Equal(t, "pushMessage", e.Operation)
			assert.True(t, e.Unsent)
			assert.ErrorIs(t, err, cause)
			if want == lineapi.Server {
				assert.Equal(t, 3*time.Second, e.RetryAfter)
			}
		}
	})
	t.Run("a token that no header can carry", func(t *testing.T) {
		for _, bad := range []string{"", "a\nb", "a b", "ключ"} {
			c, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken(bad)})
			require.NoError(t, err)
			_, err = push(c, "hello")
			e := asError(t, err)
			assert.Equal(t, lineapi.Auth, e.Reason)
			assert.True(t, e.Unsent)
		}
	})
}

type failingSource struct{ err error }

func (s failingSource) Token(context.Context) (string, error) { return "", s.err }

// TestNothingIsSentTwice cuts a connection that was used before, after the request was read: where net/http could try
// again on a new one.
func TestNothingIsSentTwice(t *testing.T) {
	seen := make(map[string]*atomic.Int32)
	paths := []string{"/v2/bot/message/push", "/v2/bot/user/" + userID + "/richmenu", "/v2/bot/richmenu/" + menuID + "/content"}
	for _, path := range paths {
		seen[path] = new(atomic.Int32)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/v2/bot/info" {
			io.WriteString(w, "{}")
			return
		}
		seen[r.URL.Path].Add(1)
		panic(http.ErrAbortHandler)
	}))
	defer s.Close()
	c := clientAt(t, s.URL, httpClient(t))
	for i, send := range []func() error{
		func() error { _, err := push(c, "hello"); return err },
		func() error { _, err := c.UnlinkRichMenu(t.Context(), userID); return err },
		func() error {
			_, err := c.UploadRichMenuImage(t.Context(), menuID, "image/png", strings.NewReader("x"), 1)
			return err
		},
	} {
		_, err := c.BotInfo(t.Context()) // leaves an idle connection
		require.NoError(t, err)
		e := asError(t, send())
		assert.Equal(t, lineapi.Network, e.Reason)
		assert.False(t, e.Unsent)
		assert.EqualValues(t, 1, seen[paths[i]].Load(), paths[i])
	}
}

func TestNoRedirect(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	_, err := push(clientAt(t, s.URL, httpClient(t)), "hello")
	e := asError(t, err)
	assert.Equal(t, 307, e.Status)
	assert.Equal(t, lineapi.Unknown, e.Reason)
	assert.Zero(t, elsewhere.Load())
}

// TestAnswersThatBreakOff promises more than it sends.
func TestAnswersThatBreakOff(t *testing.T) {
	breaking := func(status int, body string) *lineapi.Client {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Line-Request-Id", "r")
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(status)
			io.WriteString(w, body)
		}))
		t.Cleanup(s.Close)
		return clientAt(t, s.URL, httpClient(t))
	}
	t.Run("a write was accepted", func(t *testing.T) {
		receipt, err := push(breaking(200, `{"sentMessages":[{"id":"1"`), "hello")
		require.NoError(t, err)
		assert.Equal(t, lineapi.Receipt{RequestID: "r"}, receipt)
	})
	t.Run("a read failed", func(t *testing.T) {
		_, err := breaking(200, `{"type":`).Quota(t.Context())
		e := asError(t, err)
		assert.Equal(t, lineapi.Network, e.Reason)
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
	t.Run("the status of an error counts", func(t *testing.T) {
		_, err := push(breaking(400, `{"message":"Inva`), "hello")
		assert.Equal(t, lineapi.Invalid, lineapi.ReasonOf(err))
	})
	t.Run("content says so where it ends", func(t *testing.T) {
		content, err := breaking(200, "abc").MessageContent(t.Context(), "1")
		require.NoError(t, err)
		defer content.Body.Close()
		body, err := io.ReadAll(content.Body)
		assert.Equal(t, "abc", string(body))
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

// TestStreaming goes back and forth between both ends, so a side that buffers would wait for ever.
func TestStreaming(t *testing.T) {
	t.Run("download", func(t *testing.T) {
		proceed := make(chan struct{})
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "first")
			w.(http.Flusher).Flush()
			<-proceed
			io.WriteString(w, "second")
		}))
		defer s.Close()
		content, err := clientAt(t, s.URL, httpClient(t)).MessageContent(t.Context(), "1")
		require.NoError(t, err)
		defer content.Body.Close()
		assert.EqualValues(t, -1, content.Length)
		b := make([]byte, 5)
		_, err = io.ReadFull(content.Body, b)
		require.NoError(t, err)
		assert.Equal(t, "first", string(b))
		close(proceed)
		rest, err := io.ReadAll(content.Body)
		require.NoError(t, err)
		assert.Equal(t, "second", string(rest))
	})
	t.Run("upload", func(t *testing.T) {
		image, w := io.Pipe()
		first := make([]byte, 512<<10)
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			assert.EqualValues(t, len(first)+4, r.ContentLength)
			_, err := io.CopyN(io.Discard, r.Body, int64(len(first)))
			assert.NoError(t, err)
			go func() { io.WriteString(w, "last"); w.Close() }()
			rest, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			assert.Equal(t, "last", string(rest))
		}))
		defer s.Close()
		go w.Write(first)
		_, err := clientAt(t, s.URL, httpClient(t)).
			UploadRichMenuImage(t.Context(), menuID, "image/png", image, int64(len(first)+4))
		require.NoError(t, err)
	})
	t.Run("an image shorter than said", func(t *testing.T) {
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
		defer s.Close()
		_, err := clientAt(t, s.URL, httpClient(t)).
			UploadRichMenuImage(t.Context(), menuID, "image/png", strings.NewReader("abc"), 4)
		assert.Equal(t, lineapi.Network, lineapi.ReasonOf(err))
	})
	t.Run("after an early answer nothing reads the image", func(t *testing.T) {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }))
		defer s.Close()
		image := &watchedReader{}
		_, err := clientAt(t, s.URL, httpClient(t)).
			UploadRichMenuImage(t.Context(), menuID, "image/png", image, lineapi.MaxRichMenuImageBytes)
		require.Error(t, err)
		image.buffer = nil // the race detector sees a reader that goes on
	})
}

// TestUploadGivesBack: net/http closes a body while it reads it, when LINE has answered early.
func TestUploadGivesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		image := &slowReader{reading: make(chan struct{}), release: make(chan struct{})}
		var body io.Reader
		early := roundTripper(func(r *http.Request) (*http.Response, error) {
			body = r.Body
			go io.ReadFull(r.Body, make([]byte, 2))
			<-image.reading
			r.Body.Close()
			return &http.Response{StatusCode: 400, Body: http.NoBody, Request: r}, nil
		})
		returned := false
		go func() {
			_, err := clientWith(t, early).UploadRichMenuImage(t.Context(), menuID, "image/png", image, 100)
			assert.Equal(t, lineapi.Invalid, lineapi.ReasonOf(err))
			returned = true
		}()
		synctest.Wait()
		assert.False(t, returned, "the image is being read")
		close(image.release)
		synctest.Wait()
		assert.True(t, returned)
		_, err := body.Read(make([]byte, 1))
		assert.Error(t, err)
		assert.Equal(t, 1, image.reads)
	})
}

// slowReader tells that it reads, and gives a byte when it is released.
type slowReader struct {
	reading, release chan struct{}
	reads            int
}

func (r *slowReader) Read(b []byte) (int, error) {
	r.reads++
	close(r.reading)
	<-r.release
	return copy(b, "x"), nil
}

// watchedReader reads without end, and without a lock.
type watchedReader struct{ buffer []byte }

func (r *watchedReader) Read(b []byte) (int, error) {
	r.buffer = append(r.buffer[:0], 'x')
	return copy(b, r.buffer), nil
}

// TestAnswerTimeout: a server that never answers is given up, without a deadline of the caller's.
func TestAnswerTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		begun := time.Now()
		_, err := push(clientWith(t, silent), "hello")
		assert.Equal(t, lineapi.Network, lineapi.ReasonOf(err))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Minute, time.Since(begun))
	})
}

// TestConcurrentUse shares one client; the contexts stay apart.
func TestConcurrentUse(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Line-Request-Id", fmt.Sprint(len(body)))
	}))
	defer s.Close()
	c := clientAt(t, s.URL, httpClient(t))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			if i%2 == 0 {
				_, err := c.BotInfo(cancelled)
				assert.ErrorIs(t, err, context.Canceled)
				return
			}
			receipt, err := push(c, strings.Repeat("a", i))
			assert.NoError(t, err)
			want := len(`{"to":"","messages":[{"type":"text","text":""}]}`) + len(userID) + i
			assert.Equal(t, fmt.Sprint(want), receipt.RequestID)
		})
	}
	wg.Wait()
}
