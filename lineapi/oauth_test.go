package lineapi_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

func oauthFor(t *testing.T, exchanges ...exchange) *lineapi.OAuth {
	t.Helper()
	for i := range exchanges {
		exchanges[i].noToken = true
	}
	api, _ := origins(t, exchanges...)
	o, err := lineapi.NewOAuth(lineapi.OAuthConfig{Origin: api, HTTPClient: httpClient(t)})
	require.NoError(t, err)
	return o
}

func TestOAuth(t *testing.T) {
	const (
		form      = "application/x-www-form-urlencoded"
		assertion = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
	)
	for name, tt := range map[string]struct {
		exchange exchange
		call     func(ctx context.Context, o *lineapi.OAuth) (any, error)
		want     any
	}{
		"issue stateless": {
			exchange{
				method: "POST", uri: "/oauth2/v3/token", contentType: form,
				body:   "client_id=1&client_secret=s%26&grant_type=client_credentials",
				answer: `{"access_token":"t","expires_in":900,"token_type":"Bearer"}`,
			},
			func(ctx context.Context, o *lineapi.OAuth) (any, error) { return o.IssueStateless(ctx, "1", "s&") },
			lineapi.IssuedToken{AccessToken: "t", ExpiresIn: 15 * time.Minute},
		},
		"issue stateless by JWT": {
			exchange{
				method: "POST", uri: "/oauth2/v3/token", contentType: form,
				body:   "client_assertion=a.b.c&client_assertion_type=" + assertion + "&grant_type=client_credentials",
				answer: `{"access_token":"t","expires_in":900}`,
			},
			func(ctx context.Context, o *lineapi.OAuth) (any, error) { return o.IssueStatelessByJWT(ctx, "a.b.c") },
			lineapi.IssuedToken{AccessToken: "t", ExpiresIn: 15 * time.Minute},
		},
		"issue by JWT": {
			exchange{
				method: "POST", uri: "/oauth2/v2.1/token", contentType: form,
				body:   "client_assertion=a.b.c&client_assertion_type=" + assertion + "&grant_type=client_credentials",
				answer: `{"access_token":"t","expires_in":2592000,"token_type":"Bearer","key_id":"k"}`,
			},
			func(ctx context.Context, o *lineapi.OAuth) (any, error) { return o.IssueByJWT(ctx, "a.b.c") },
			lineapi.IssuedToken{AccessToken: "t", ExpiresIn: 30 * 24 * time.Hour, KeyID: "k"},
		},
		"key ids": {
			exchange{
				method: "GET", uri: "/oauth2/v2.1/tokens/kid?client_assertion=a.b.c&client_assertion_type=" + assertion,
				answer: `{"kids":["k1","k2"]}`,
			},
			func(ctx context.Context, o *lineapi.OAuth) (any, error) { return o.KeyIDs(ctx, "a.b.c") },
			[]string{"k1", "k2"},
		},
		"verify": {
			exchange{
				method: "GET", uri: "/oauth2/v2.1/verify?access_token=t%2B",
				answer: `{"client_id":"1","expires_in":60,"scope":"profile"}`,
			},
			func(ctx context.Context, o *lineapi.OAuth) (any, error) { return o.Verify(ctx, "t+") },
			lineapi.VerifiedToken{ClientID: "1", ExpiresIn: time.Minute, Scope: "profile"},
		},
		"revoke": {
			exchange{
				method: "POST", uri: "/oauth2/v2.1/revoke", contentType: form,
				body: "access_token=t&client_id=1&client_secret=s",
			},
			func(ctx context.Context, o *lineapi.OAuth) (any, error) { return nil, o.Revoke(ctx, "1", "s", "t") },
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tt.call(t.Context(), oauthFor(t, tt.exchange))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}

	t.Run("a secret that LINE repeats stays out of the error", func(t *testing.T) {
		o := oauthFor(t, exchange{
			method: "GET", uri: "/oauth2/v2.1/verify?access_token=the-token", status: 400,
			answer: `{"error":"invalid_request","error_description":"the-token expired"}`,
		})
		_, err := o.Verify(t.Context(), "the-token")
		assert.EqualError(t, err, "verifyChannelTokenByJWT: 400: invalid_request: [hidden] expired")
	})
	t.Run("nor does the URL with the token get into one", func(t *testing.T) {
		o, err := lineapi.NewOAuth(lineapi.OAuthConfig{Origin: "http://127.0.0.1:1", HTTPClient: httpClient(t)})
		require.NoError(t, err)
		_, err = o.Verify(t.Context(), "the-token")
		assert.NotContains(t, everything(err), "the-token")
		assert.NotContains(t, everything(err), "access_token")
		assert.True(t, asError(t, err).Unsent)
	})
	t.Run("an answer without a token", func(t *testing.T) {
		for _, body := range []string{`{}`, `{"access_token":"t"}`, `{"access_token":"t","expires_in":-1}`} {
			o, err := lineapi.NewOAuth(lineapi.OAuthConfig{HTTPClient: &http.Client{Transport: answering(200, nil, body)}})
			require.NoError(t, err)
			_, err = o.IssueStateless(t.Context(), "1", "s")
			assert.Equal(t, lineapi.Unknown, lineapi.ReasonOf(err), body)
			assert.NotContains(t, err.Error(), `"t"`)
		}
	})
}

func TestAssertion(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	good := lineapi.AssertionKey{ChannelID: "1234567890", KeyID: "kid-1", PrivateKey: key}

	parse := func(t *testing.T, assertion string) (*jwt.Token, jwt.MapClaims) {
		claims := jwt.MapClaims{}
		token, err := jwt.ParseWithClaims(assertion, claims, func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
			jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer("1234567890"), jwt.WithSubject("1234567890"),
			jwt.WithAudience("https://api.line.me/"), jwt.WithExpirationRequired())
		require.NoError(t, err)
		assert.Equal(t, map[string]any{"alg": "RS256", "typ": "JWT", "kid": "kid-1"}, token.Header)
		exp, err := claims.GetExpirationTime()
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Until(exp.Time), 30*time.Minute)
		return token, claims
	}
	t.Run("for a v2.1 token", func(t *testing.T) {
		assertion, err := good.Sign(30 * 24 * time.Hour)
		require.NoError(t, err)
		_, claims := parse(t, assertion)
		assert.EqualValues(t, 2592000, claims["token_exp"])
		assert.Equal(t, assertion, url.QueryEscape(assertion))
	})
	t.Run("for a stateless token", func(t *testing.T) {
		assertion, err := good.Sign(0)
		require.NoError(t, err)
		_, claims := parse(t, assertion)
		assert.NotContains(t, claims, "token_exp")
	})
	t.Run("what it refuses", func(t *testing.T) {
		for want, k := range map[string]lineapi.AssertionKey{
			"ChannelID is empty": {KeyID: "k", PrivateKey: key},
			"KeyID is empty":     {ChannelID: "1", PrivateKey: key},
			"PrivateKey is nil":  {ChannelID: "1", KeyID: "k"},
		} {
			_, err := k.Sign(0)
			assert.ErrorContains(t, err, want)
		}
		for _, life := range []time.Duration{-time.Second, time.Millisecond, 30*24*time.Hour + time.Second} {
			_, err := good.Sign(life)
			assert.ErrorContains(t, err, "up to 30 days")
		}
	})
}
