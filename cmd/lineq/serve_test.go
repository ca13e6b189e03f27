package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	neturl "net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var servedAt = regexp.MustCompile(`"url": "([^"]+)"`)

// sent makes a push at a gateway and returns the status of its answer, and its task.
func sent(t *testing.T, client *http.Client, url, token string) (status int, id string) {
	t.Helper()
	body := `{"to":"` + user + `","messages":[{"type":"text","text":"` + secretText + `"}]}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v2/bot/message/push", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("X-Line-Request-Id")
}

func TestServe(t *testing.T) {
	line, _ := newLINE(t)
	c, _ := withMini(t)
	c.env["SHOP_TOKEN"], c.env["NEWS_SECRET"] = secretToken, secretSecret
	c.env["NEWS_CALLERS"] = secretToken + "-of-callers"
	config := file(t, "lineq.yaml", fmt.Sprintf(`
channels:
  shop: {token_env: SHOP_TOKEN}
  news: {channel_id: "1", secret_env: NEWS_SECRET, gateway_token_env: NEWS_CALLERS}
api_keys:
  - {name: dashboard, sha256: %x, scopes: [read]}
line-origin: %s
`, sha256.Sum256([]byte("a-key")), line))
	serve := c.start("serve", "--config", config, "--addr", "127.0.0.1:0", "--path-prefix", "/line", "--log-level", "debug")
	work := c.start("worker", "--config", config)
	url := servedAt.FindStringSubmatch(serve.await("serving LINE's API"))[1]
	work.await("worker started")

	for name, token := range map[string]string{"shop": secretToken, "news": secretToken + "-of-callers"} {
		status, id := sent(t, http.DefaultClient, url, token)
		require.Equal(t, http.StatusOK, status)
		require.Eventually(t, func() bool {
			return strings.Contains(c.ok("task", "show", id, "--channel", name, "--json"), `"outcome":"sent"`)
		}, 10*time.Second, 20*time.Millisecond)
	}
	status, _ := sent(t, http.DefaultClient, url, "unknown")
	assert.Equal(t, http.StatusUnauthorized, status)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/lineq/v1/channels", nil)
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer a-key")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	assert.Equal(t, http.StatusOK, resp.StatusCode)
	assertDashboard(t, strings.TrimSuffix(url, "/line"), "a-key")
	assertDashboard(t, url, "a-key")
	require.NoError(t, serve.stop())
	require.NoError(t, work.stop())
}

// assertDashboard logs in as a browser does, from the root on.
func assertDashboard(t *testing.T, url, key string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar}
	look := func(resp *http.Response, err error) string {
		t.Helper()
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assertNoSecrets(t, string(body))
		return string(body)
	}
	assert.Contains(t, look(browser.Get(url+"/")), "Log in", "the root leads to it")
	body := look(browser.PostForm(url+"/lineq/login", neturl.Values{"key": {key}, "to": {"log"}}))
	assert.Contains(t, body, "Delivery log")
	assert.Contains(t, body, ">sent<")
	assert.Contains(t, look(browser.Get(url+"/lineq")), "Workers")
}

func TestServeTLS(t *testing.T) {
	c, _ := withMini(t)
	c.env["LINE_CHANNEL_ACCESS_TOKEN"] = secretToken
	cert, key := certificate(t)
	serve := c.start("serve", "--addr", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
	url := servedAt.FindStringSubmatch(serve.await("serving LINE's API"))[1]
	require.True(t, strings.HasPrefix(url, "https://"), url)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	status, _ := sent(t, client, url, secretToken)
	assert.Equal(t, http.StatusOK, status)
	client.CloseIdleConnections()
	require.NoError(t, serve.stop())
}

func TestServeMisuse(t *testing.T) {
	c, _ := withMini(t)
	c.env["LINE_CHANNEL_ID"], c.env["LINE_CHANNEL_SECRET"] = "1", secretSecret
	for name, o := range map[string]struct {
		args      []string
		says, why string
	}{
		"no token of callers": {nil, "channel default has no token of its callers", "LINEQ_GATEWAY_TOKEN"},
		"half of TLS":         {[]string{"--tls-cert", "cert.pem"}, "belong together", "lineq serve --help"},
		"no certificate":      {[]string{"--tls-cert", "none.pem", "--tls-key", "none.pem"}, "none.pem", ""},
		"no grace":            {[]string{"--grace", "0s"}, "--grace", ""},
		"a scope": {
			[]string{"--config", file(t, "lineq.yaml", "api_keys: [{name: a, sha256: "+strings.Repeat("a", 64)+", scopes: [write]}]")},
			"has no token of its callers", "",
		},
		"a field": {
			[]string{"--config", file(t, "lineq.yaml", "api_keys: [{name: a, key: "+secretToken+"}]")}, "unknown field", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.run(append([]string{"serve"}, o.args...)...)
			assert.Equal(t, 2, got.code, got.stderr)
			assert.Contains(t, got.stderr, o.says)
			assert.Contains(t, got.stderr, o.why)
		})
	}
	c.env["LINEQ_GATEWAY_TOKEN"] = "for-callers"
	got := c.run("serve", "--config", file(t, "lineq.yaml", "api_keys: [{name: a, sha256: "+strings.Repeat("a", 64)+", scopes: [write]}]"))
	assert.Equal(t, 2, got.code)
	assert.Contains(t, got.stderr, "there is no scope")
	assert.Contains(t, got.stderr, "sha256sum")
}

// certificate makes one for this machine.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return file(t, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))),
		file(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})))
}
