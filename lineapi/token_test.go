package lineapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

// issuer issues stateless tokens t1, t2 and so on. A request takes one second.
type issuer struct {
	mu        sync.Mutex
	issued    int
	inFlight  int
	most      int
	expiresIn int
	fail      error // instead of an answer
	status    int   // instead of 200
}

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.mu.Lock()
	i.inFlight++
	i.most = max(i.most, i.inFlight)
	i.mu.Unlock()
	defer func() {
		i.mu.Lock()
		i.inFlight--
		i.mu.Unlock()
	}()
	select {
	case <-time.After(time.Second):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.issued++
	switch {
	case i.fail != nil:
		return nil, i.fail
	case i.status != 0:
		return answering(i.status, nil, `{"error":"invalid_client"}`)(r)
	}
	return answering(200, nil, fmt.Sprintf(`{"access_token":"t%d","expires_in":%d,"token_type":"Bearer"}`, i.issued, i.expiresIn))(r)
}

func (i *issuer) set(f func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	f()
}

func stateless(t *testing.T, i *issuer) *lineapi.StatelessToken {
	t.Helper()
	if i.expiresIn == 0 {
		i.expiresIn = 900
	}
	source, err := lineapi.NewStatelessToken(lineapi.StatelessConfig{
		ChannelID: "1", ChannelSecret: "s", HTTPClient: &http.Client{Transport: i},
	})
	require.NoError(t, err)
	return source
}

func wantToken(t *testing.T, source lineapi.TokenSource, want string) {
	t.Helper()
	got, err := source.Token(t.Context())
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestStatelessToken(t *testing.T) {
	t.Run("is fetched once and renewed before its end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{}
			source := stateless(t, i)
			begun := time.Now()
			for time.Since(begun) < time.Hour {
				got, err := source.Token(t.Context())
				require.NoError(t, err)
				// Token n was asked for at most 12 minutes and a second's step after token n-1.
				age := time.Since(begun) - time.Duration(i.issued-1)*12*time.Minute
				assert.Less(t, age, 15*time.Minute)
				assert.Equal(t, fmt.Sprintf("t%d", i.issued), got)
				time.Sleep(30 * time.Second) // the bubble's clock
			}
			assert.Equal(t, 5, i.issued)
		})
	})
	t.Run("has one renewal in flight at a time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{}
			source := stateless(t, i)
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() { wantToken(t, source, "t1") })
			}
			wg.Wait()
			assert.Equal(t, 1, i.issued)

			time.Sleep(13 * time.Minute) // now one fetches, and the others don't wait
			begun := time.Now()
			wg.Go(func() { wantToken(t, source, "t2") })
			synctest.Wait()
			for range 100 {
				wg.Go(func() { wantToken(t, source, "t1"); assert.Zero(t, time.Since(begun)) })
			}
			wg.Wait()
			assert.Equal(t, 2, i.issued)
			assert.Equal(t, 1, i.most)
		})
	})
	t.Run("a token that has ended isn't given out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{}
			source := stateless(t, i)
			wantToken(t, source, "t1")
			time.Sleep(14*time.Minute + 31*time.Second)
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() { wantToken(t, source, "t2") })
			}
			wg.Wait()
			assert.Equal(t, 2, i.issued)
		})
	})
	t.Run("a refused token is fetched anew, once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{}
			source := stateless(t, i)
			wantToken(t, source, "t1")
			source.Renew("t1")
			wantToken(t, source, "t2")
			source.Renew("t1") // by a slower request of before
			source.Renew("")
			wantToken(t, source, "t2")
		})
	})
	t.Run("a token refused while its successor is on the way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{}
			source := stateless(t, i)
			wantToken(t, source, "t1")
			time.Sleep(13 * time.Minute)
			var wg sync.WaitGroup
			wg.Go(func() { wantToken(t, source, "t2") })
			synctest.Wait()
			source.Renew("t1")
			wantToken(t, source, "t2")
			wg.Wait()
			assert.Equal(t, 2, i.issued)
		})
	})
	t.Run("a failed renewal leaves the old token in use", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{}
			source := stateless(t, i)
			wantToken(t, source, "t1")
			time.Sleep(13 * time.Minute)
			i.set(func() { i.status = 500 })
			wantToken(t, source, "t1")
			wantToken(t, source, "t1")
			assert.Equal(t, 2, i.issued, "no second try at once")
			time.Sleep(11 * time.Second)
			i.set(func() { i.status = 0 })
			wantToken(t, source, "t3")
		})
	})
	t.Run("all who wait share a failure", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{status: 400}
			source := stateless(t, i)
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() {
					_, err := source.Token(t.Context())
					assert.EqualError(t, err, "issueStatelessChannelToken: 400: invalid_client")
				})
			}
			wg.Wait()
			assert.Equal(t, 1, i.issued)
		})
	})
	t.Run("a caller who gives up doesn't fail the others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{}
			source := stateless(t, i)
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() {
				_, err := source.Token(ctx)
				assert.ErrorIs(t, err, context.Canceled)
			})
			synctest.Wait()
			for range 10 {
				wg.Go(func() { wantToken(t, source, "t1") })
			}
			synctest.Wait()
			cancel()
			wg.Wait()
			assert.Equal(t, 1, i.issued)
		})
	})
	t.Run("a caller who waits can give up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			source := stateless(t, &issuer{})
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { wantToken(t, source, "t1") })
			synctest.Wait()
			cancel()
			_, err := source.Token(ctx)
			assert.ErrorIs(t, err, context.Canceled)
			wg.Wait()
		})
	})
	t.Run("a short life keeps the proportions", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			i := &issuer{expiresIn: 20}
			source := stateless(t, i)
			wantToken(t, source, "t1")
			time.Sleep(8 * time.Second)
			wantToken(t, source, "t1")
			time.Sleep(2 * time.Second)
			wantToken(t, source, "t2")
		})
	})
	t.Run("needs id and secret", func(t *testing.T) {
		_, err := lineapi.NewStatelessToken(lineapi.StatelessConfig{ChannelSecret: "s"})
		assert.ErrorContains(t, err, "ChannelID is empty")
		_, err = lineapi.NewStatelessToken(lineapi.StatelessConfig{ChannelID: "1"})
		assert.ErrorContains(t, err, "no ChannelSecret and no Key")
		_, err = lineapi.NewStatelessToken(lineapi.StatelessConfig{ChannelID: "1", ChannelSecret: "s", Origin: "e"})
		assert.ErrorContains(t, err, "Origin must start with")
	})
}

// TestTokenAfter401: the client tells its source, sends nothing again itself, and uses the next token for the next call.
func TestTokenAfter401(t *testing.T) {
	var used []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth2/v3/token" {
			fmt.Fprintf(w, `{"access_token":"t%d","expires_in":900}`, len(used))
			return
		}
		used = append(used, r.Header.Get("Authorization"))
		if len(used) == 1 {
			w.WriteHeader(401)
			io.WriteString(w, `{"message":"Authentication failed due to the following reason: expired"}`)
		}
	}))
	defer s.Close()
	source, err := lineapi.NewStatelessToken(lineapi.StatelessConfig{
		ChannelID: "1", ChannelSecret: "s", Origin: s.URL, HTTPClient: httpClient(t),
	})
	require.NoError(t, err)
	c, err := lineapi.New(lineapi.Config{Token: source, Origin: s.URL, HTTPClient: httpClient(t)})
	require.NoError(t, err)
	assert.True(t, c.CanRenewToken())

	_, err = push(c, "hello")
	assert.Equal(t, lineapi.Auth, lineapi.ReasonOf(err))
	assert.Len(t, used, 1)
	_, err = push(c, "hello")
	require.NoError(t, err)
	assert.Equal(t, []string{"Bearer t0", "Bearer t1"}, used)
}

func TestStaticToken(t *testing.T) {
	wantToken(t, lineapi.StaticToken(" "+token+"\n"), token)
	assert.False(t, clientFor(t).CanRenewToken())
}

func TestTokenFailureReachesTheCaller(t *testing.T) {
	i := &issuer{fail: errors.New("lost")}
	synctest.Test(t, func(t *testing.T) {
		c, err := lineapi.New(lineapi.Config{Token: stateless(t, i)})
		require.NoError(t, err)
		_, err = push(c, "hello")
		e := asError(t, err)
		assert.Equal(t, lineapi.Network, e.Reason)
		assert.True(t, e.Unsent, "the token's request went out, the message didn't")
		assert.True(t, strings.HasPrefix(e.Error(), "pushMessage: no channel access token: issueStatelessChannelToken: "), e.Error())
	})
}
