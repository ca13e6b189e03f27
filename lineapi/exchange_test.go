package lineapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

const (
	token   = "channel-access-token+/="
	userID  = "U4af4980629b97d5f48f3d2e5d1b0f0a1"
	userID2 = "Ub0000000000000000000000000000002"
	groupID = "Ca56f94637cc4347f90a25382909b24b9"
	roomID  = "Ra8dbf4673c4c812cd491258042226c99"
	menuID  = "richmenu-88c05ef6921ae53f8b58a25f3a65faf7"
	menuID2 = "richmenu-0123456789abcdef0123456789abcdef"
	key     = "123e4567-e89b-42d3-a456-426614174000"
)

// exchange is a request that must come, and the answer that it gets.
type exchange struct {
	method      string
	host        string // "api", if empty, or "data"
	uri         string
	contentType string
	retryKey    string
	body        string

	status  int // 200 if zero
	header  map[string]string
	answer  string
	noToken bool // no Authorization is expected
}

// origins starts two servers that expect the exchanges in their order, and fails the test for any that doesn't come.
func origins(t *testing.T, exchanges ...exchange) (api, data string) {
	t.Helper()
	var mu sync.Mutex
	next := 0
	server := func(host string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if !assert.Less(t, next, len(exchanges), "unexpected request %s %s", r.Method, r.URL) {
				w.WriteHeader(http.StatusTeapot)
				return
			}
			want := exchanges[next]
			next++
			if want.host == "" {
				want.host = "api"
			}
			body, err := io.ReadAll(r.Body)
			assert.NoError(t, err)
			assert.Equal(t, want.host, host, "host")
			assert.Equal(t, want.method, r.Method, "method")
			assert.Equal(t, want.uri, r.RequestURI, "uri")
			assert.Equal(t, want.body, string(body), "body")
			assert.Equal(t, want.contentType, r.Header.Get("Content-Type"), "content type")
			assert.Empty(t, r.TransferEncoding, "a length is always known")
			if r.Method == http.MethodPost {
				assert.NotEmpty(t, r.Header.Get("Content-Length"), "Content-Length, 0 included")
			}
			assert.Equal(t, "lineq/"+lineapi.Version, r.Header.Get("User-Agent"), "user agent")
			if want.noToken {
				assert.NotContains(t, r.Header, "Authorization")
			} else {
				assert.Equal(t, "Bearer "+token, r.Header.Get("Authorization"), "authorization")
			}
			if want.retryKey == "" {
				assert.NotContains(t, r.Header, "X-Line-Retry-Key")
			} else {
				assert.Equal(t, want.retryKey, r.Header.Get("X-Line-Retry-Key"), "retry key")
			}
			for name, value := range want.header {
				w.Header().Set(name, value)
			}
			if want.status != 0 {
				w.WriteHeader(want.status)
			}
			io.WriteString(w, want.answer)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	t.Cleanup(func() { assert.Equal(t, len(exchanges), next, "requests that came") })
	return server("api"), server("data")
}

// clientFor is a client whose requests must be the exchanges.
func clientFor(t *testing.T, exchanges ...exchange) *lineapi.Client {
	t.Helper()
	api, data := origins(t, exchanges...)
	c, err := lineapi.New(lineapi.Config{
		Token: lineapi.StaticToken(token), Origin: api, DataOrigin: data, HTTPClient: httpClient(t),
	})
	require.NoError(t, err)
	return c
}

// httpClient is a client of the test's own, without idle connections left behind.
func httpClient(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// roundTripper answers requests without a network.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// clientWith is a client over a fake transport.
func clientWith(t require.TestingT, f roundTripper) *lineapi.Client {
	c, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken(token), HTTPClient: &http.Client{Transport: f}})
	require.NoError(t, err)
	return c
}

// asError wants a *lineapi.Error.
func asError(t require.TestingT, err error) *lineapi.Error {
	var e *lineapi.Error
	require.ErrorAs(t, err, &e)
	return e
}

func texts(s ...string) (messages []lineapi.Message) {
	for _, text := range s {
		messages = append(messages, lineapi.Text(text))
	}
	return messages
}
