package linesim_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

type claims struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"`
	Expires  int64  `json:"exp"`
	TokenExp int64  `json:"token_exp,omitempty"`
}

// assertion signs claims; without a key the signature is nonsense.
func assertion(key *rsa.PrivateKey, keyID string, c claims) string {
	encode := func(v any) string {
		b, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	signed := encode(map[string]string{"alg": "RS256", "typ": "JWT", "kid": keyID}) + "." + encode(c)
	signature := []byte("nonsense")
	if key != nil {
		sum := sha256.Sum256([]byte(signed))
		signature, _ = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (l line) claims(tokenLife int64) claims {
	return claims{"1234567890", "1234567890", "https://api.line.me/", l.clock.Now().Add(30 * time.Minute).Unix(), tokenLife}
}

func (l line) form(path string, pairs ...string) response {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return l.post(path, values.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Authorization", "")
}

func (l line) issue(assertion string) response {
	return l.form("/oauth2/v2.1/token", "grant_type", "client_credentials",
		"client_assertion_type", assertionType, "client_assertion", assertion)
}

func (l line) issueByAssertion() string {
	token, _ := l.issue(assertion(nil, "kid", l.claims(2592000))).object["access_token"].(string)
	return token
}

func (l line) issueStateless() string {
	token, _ := l.form("/oauth2/v3/token", "grant_type", "client_credentials",
		"client_id", "1234567890", "client_secret", "simulated-secret").object["access_token"].(string)
	return token
}

// works says whether a token opens the API.
func (l line) works(token string) bool {
	return l.call("GET", "/v2/bot/info", "", "Authorization", "Bearer "+token).Code == 200
}

func TestStatelessTokens(t *testing.T) {
	for name, credentials := range map[string]func(line) []string{
		"secret": func(line) []string { return []string{"client_id", "1234567890", "client_secret", "simulated-secret"} },
		"assertion": func(l line) []string {
			return []string{"client_assertion_type", assertionType, "client_assertion", assertion(nil, "kid", l.claims(0))}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t, unlimited)
			got := l.form("/oauth2/v3/token", append(credentials(l), "grant_type", "client_credentials")...)
			require.Equal(t, 200, got.Code, got.Body)
			assert.EqualValues(t, 900, got.object["expires_in"])
			assert.Equal(t, "Bearer", got.object["token_type"])
			token := got.object["access_token"].(string)
			assert.True(t, l.works(token))
			assert.Equal(t, 200, l.form("/v2/oauth/revoke", "access_token", token).Code)
			assert.True(t, l.works(token), "it can't be revoked")
			l.clock.advance(15*time.Minute - 1)
			assert.True(t, l.works(token))
			l.clock.advance(1)
			assert.False(t, l.works(token))
		})
	}
}

func TestShortLivedTokens(t *testing.T) {
	l := start(t, unlimited)
	issue := func() string {
		got := l.form("/v2/oauth/accessToken", "grant_type", "client_credentials",
			"client_id", "1234567890", "client_secret", "simulated-secret")
		require.Equal(t, 200, got.Code)
		assert.EqualValues(t, 2592000, got.object["expires_in"])
		return got.object["access_token"].(string)
	}
	first, second := issue(), issue()
	assert.NotEqual(t, first, second)

	l.clock.advance(time.Minute)
	verified := l.form("/v2/oauth/verify", "access_token", first)
	assert.Equal(t, 200, verified.Code)
	assert.Equal(t, "1234567890", verified.object["client_id"])
	assert.EqualValues(t, 2592000-60, verified.object["expires_in"])

	for range 29 {
		issue()
	}
	assert.False(t, l.works(first), "the 31st token kills the oldest")
	assert.True(t, l.works(second))

	got := l.form("/v2/oauth/revoke", "access_token", second)
	assert.Equal(t, 200, got.Code)
	assert.Empty(t, got.Body.String())
	assert.False(t, l.works(second))
	assert.Equal(t, 200, l.form("/v2/oauth/revoke", "access_token", second).Code, "a repeat is harmless")
	verified = l.form("/v2/oauth/verify", "access_token", second)
	assert.Equal(t, 400, verified.Code)
	assert.Equal(t, "invalid_request", verified.object["error"])

	third := issue()
	l.clock.advance(30 * 24 * time.Hour)
	assert.False(t, l.works(third))
	assert.True(t, l.works("simulated-token"), "a long-lived token has no end")
}

func TestTokensByAssertion(t *testing.T) {
	l := start(t, unlimited)
	got := l.issue(assertion(nil, "kid", l.claims(600)))
	require.Equal(t, 200, got.Code, got.Body)
	assert.EqualValues(t, 600, got.object["expires_in"])
	token, keyID := got.object["access_token"].(string), got.object["key_id"].(string)
	assert.True(t, l.works(token))

	verify := func() response {
		return l.call("GET", "/oauth2/v2.1/verify?access_token="+url.QueryEscape(token), "", "Authorization", "")
	}
	kids := func() any {
		return l.call("GET", "/oauth2/v2.1/tokens/kid?client_assertion_type="+url.QueryEscape(assertionType)+
			"&client_assertion="+assertion(nil, "kid", l.claims(0)), "", "Authorization", "").object["kids"]
	}
	assert.EqualValues(t, 600, verify().object["expires_in"])
	assert.Equal(t, []any{keyID}, kids())
	assert.Equal(t, 400, l.form("/v2/oauth/verify", "access_token", token).Code, "not a token of the other kind")

	revoke := func(secret string) response {
		return l.form("/oauth2/v2.1/revoke", "client_id", "1234567890", "client_secret", secret, "access_token", token)
	}
	assert.Equal(t, "invalid_client", revoke("wrong").object["error"])
	assert.True(t, l.works(token))
	assert.Equal(t, 200, revoke("simulated-secret").Code)
	assert.False(t, l.works(token))
	assert.Equal(t, 400, verify().Code)
	assert.Equal(t, []any{}, kids())

	for range 30 {
		require.Equal(t, 200, l.issue(assertion(nil, "kid", l.claims(600))).Code)
	}
	full := l.issue(assertion(nil, "kid", l.claims(600)))
	assert.Equal(t, 400, full.Code)
	assert.Equal(t, "The maximum number of access tokens has already been issued", full.object["error_description"])
	l.clock.advance(10 * time.Minute)
	assert.Equal(t, 200, l.issue(assertion(nil, "kid", l.claims(600))).Code, "expired tokens don't count")
}

func TestAssertions(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	registered := linesim.DefaultChannel
	registered.AssertionKeys = map[string]*rsa.PublicKey{"kid-1": &key.PublicKey}
	l := start(t, linesim.Config{Channels: []linesim.Channel{registered}, Limits: linesim.Limits{Off: true}})
	with := func(change func(*claims)) claims {
		c := l.claims(600)
		change(&c)
		return c
	}
	for name, c := range map[string]struct {
		assertion string
		status    int
	}{
		"signed":            {assertion(key, "kid-1", l.claims(600)), 200},
		"another key":       {assertion(other, "kid-1", l.claims(600)), 400},
		"unknown key id":    {assertion(key, "kid-2", l.claims(600)), 400},
		"no key id":         {assertion(key, "", l.claims(600)), 400},
		"unknown channel":   {assertion(key, "kid-1", with(func(c *claims) { c.Issuer, c.Subject = "9", "9" })), 400},
		"another subject":   {assertion(key, "kid-1", with(func(c *claims) { c.Subject = "9" })), 400},
		"another audience":  {assertion(key, "kid-1", with(func(c *claims) { c.Audience = "https://example.com/" })), 400},
		"expired":           {assertion(key, "kid-1", with(func(c *claims) { c.Expires -= 1800 })), 400},
		"too long":          {assertion(key, "kid-1", with(func(c *claims) { c.Expires++ })), 400},
		"no token_exp":      {assertion(key, "kid-1", with(func(c *claims) { c.TokenExp = 0 })), 400},
		"token_exp too far": {assertion(key, "kid-1", with(func(c *claims) { c.TokenExp = 2592001 })), 400},
		"not a JWT":         {"abc", 400},
	} {
		t.Run(name, func(t *testing.T) {
			got := l.issue(c.assertion)
			assert.Equal(t, c.status, got.Code, got.Body)
			if c.status != 200 {
				assert.NotEmpty(t, got.object["error"])
				assert.NotEmpty(t, got.object["error_description"])
			}
		})
	}
	assert.Equal(t, 400, l.form("/oauth2/v2.1/token", "grant_type", "client_credentials").Code)
	assert.Equal(t, 400, l.form("/v2/oauth/accessToken", "grant_type", "password").Code)
}
