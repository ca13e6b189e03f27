package lineapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
)

// jwkOf is a private key as LINE's instructions make it.
func jwkOf(t testing.TB, key *rsa.PrivateKey) []byte {
	t.Helper()
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	b, err := json.MarshalIndent(map[string]any{
		"kty": "RSA", "alg": "RS256", "use": "sig", "ext": true, "key_ops": []string{"sign"},
		"n": number(key.N), "e": number(big.NewInt(int64(key.E))), "d": number(key.D),
		"p": number(key.Primes[0]), "q": number(key.Primes[1]),
		"dp": number(key.Precomputed.Dp), "dq": number(key.Precomputed.Dq), "qi": number(key.Precomputed.Qinv),
	}, "", "  ")
	require.NoError(t, err)
	return b
}

func pemOf(kind string, b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}) }

func TestParseAssertionKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for form, data := range map[string][]byte{
		"JWK": jwkOf(t, key), "JWK in space": append([]byte("\n "), append(jwkOf(t, key), '\n')...),
		"PKCS #8": pemOf("PRIVATE KEY", pkcs8), "PKCS #1": pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)),
	} {
		t.Run(form, func(t *testing.T) {
			got, err := lineapi.ParseAssertionKey(data)
			require.NoError(t, err)
			assert.True(t, got.Equal(key))
		})
	}

	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	elliptic8, err := x509.MarshalPKCS8PrivateKey(curve)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	require.NoError(t, err)
	with := func(name string, value any) []byte {
		var jwk map[string]any
		require.NoError(t, json.Unmarshal(jwkOf(t, key), &jwk))
		jwk[name] = value
		b, err := json.Marshal(jwk)
		require.NoError(t, err)
		return b
	}
	for want, data := range map[string][]byte{
		"neither a JSON Web Key":          []byte("secret-in-the-wrong-file"),
		"JSON can't be read":              []byte(`{"kty":"RSA", secret`),
		`kty isn't "RSA"`:                 with("kty", "EC"),
		"the public key, without d":       with("d", ""),
		"isn't base64url":                 with("n", "secret+/"),
		"its e is too large":              with("e", base64.RawURLEncoding.EncodeToString([]byte("secret-in-e"))),
		"more than two primes":            with("oth", []string{}),
		"aren't those of an RSA key":      with("d", base64.RawURLEncoding.EncodeToString([]byte("secret"))),
		"shorter than the 2048 bits":      pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(short)),
		"a key that isn't RSA":            pemOf("PRIVATE KEY", elliptic8),
		"the public key; the private one": pemOf("PUBLIC KEY", public),
		"no private key that can be read": pemOf("ENCRYPTED PRIVATE KEY", pkcs8),
		"its PEM can't be read":           []byte("-----BEGIN PRIVATE KEY-----\nsecret"),
		"at most 64 KiB":                  []byte("{" + strings.Repeat(" ", 64<<10) + "}"),
	} {
		t.Run(want, func(t *testing.T) {
			_, err := lineapi.ParseAssertionKey(data)
			require.ErrorContains(t, err, want)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

func FuzzParseAssertionKey(f *testing.F) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(f, err)
	f.Add(jwkOf(f, key))
	f.Add(pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)))
	f.Add([]byte(`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB","p":"","q":""}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if key, err := lineapi.ParseAssertionKey(data); err == nil {
			_, err = lineapi.AssertionKey{ChannelID: "1", KeyID: "k", PrivateKey: key}.Sign(0)
			require.NoError(t, err, "what is taken can sign")
		}
	})
}

// TestStatelessTokenByKey lets the simulated LINE judge the signature.
func TestStatelessTokenByKey(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	sim, err := linesim.New(linesim.Config{Channels: []linesim.Channel{
		{ID: "1", Token: "console-token", AssertionKeys: map[string]*rsa.PublicKey{"kid": &key.PublicKey}},
	}})
	require.NoError(t, err)
	line := httptest.NewServer(sim)
	t.Cleanup(line.Close)

	source, err := lineapi.NewStatelessToken(lineapi.StatelessConfig{
		ChannelID: "1", Key: &lineapi.AssertionKey{KeyID: "kid", PrivateKey: key}, Origin: line.URL,
	})
	require.NoError(t, err)
	client, err := lineapi.New(lineapi.Config{Token: source, Origin: line.URL, DataOrigin: line.URL})
	require.NoError(t, err)
	assert.True(t, client.CanRenewToken())
	_, err = client.BotInfo(t.Context())
	require.NoError(t, err)

	for name, k := range map[string]lineapi.AssertionKey{
		"another key": {KeyID: "kid", PrivateKey: other}, "a kid that LINE doesn't know": {KeyID: "dik", PrivateKey: key},
	} {
		t.Run(name, func(t *testing.T) {
			source, err := lineapi.NewStatelessToken(lineapi.StatelessConfig{ChannelID: "1", Key: &k, Origin: line.URL})
			require.NoError(t, err)
			_, err = source.Token(t.Context())
			require.ErrorContains(t, err, "Invalid signature of client_assertion")
		})
	}
	for want, cfg := range map[string]lineapi.StatelessConfig{
		"one of them is enough": {ChannelID: "1", ChannelSecret: "s", Key: &lineapi.AssertionKey{KeyID: "kid", PrivateKey: key}},
		"another channel's":     {ChannelID: "1", Key: &lineapi.AssertionKey{ChannelID: "2", KeyID: "kid", PrivateKey: key}},
		"KeyID is empty":        {ChannelID: "1", Key: &lineapi.AssertionKey{PrivateKey: key}},
	} {
		_, err := lineapi.NewStatelessToken(cfg)
		assert.ErrorContains(t, err, want)
	}
}
