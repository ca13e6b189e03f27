package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// All that lineq serve has on its address is there with and without the path prefix, and with the same locks.
func TestServePaths(t *testing.T) {
	line, _ := newLINE(t)
	c, rdb := withMini(t)
	c.env["LINE_CHANNEL_ACCESS_TOKEN"] = secretToken
	config := file(t, "lineq.yaml", fmt.Sprintf("api_keys:\n  - {name: metrics, sha256: %x, scopes: [read]}\nline-origin: %s\n",
		sha256.Sum256([]byte("a-key")), line))
	type answer struct {
		status int
		body   string
	}
	get := func(at, bearer string) answer {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, nil)
		require.NoError(t, err)
		if bearer != "" {
			req.Header.Set("Authorization", "Bearer "+bearer)
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		assertNoSecrets(t, string(body))
		return answer{resp.StatusCode, string(body)}
	}
	for name, test := range map[string]struct {
		args           []string
		served, absent []string // prefixes
	}{
		"without a prefix":        {nil, []string{""}, []string{"/line", "/lineq/v1"}},
		"with one":                {[]string{"--path-prefix", "/line"}, []string{"", "/line"}, []string{"/line/line", "/other"}},
		"with a longer one":       {[]string{"--path-prefix", "/bots/line"}, []string{"", "/bots/line"}, []string{"/bots", "/line"}},
		"with a slash at its end": {[]string{"--path-prefix", "/line/"}, []string{"", "/line"}, []string{"/other"}},
	} {
		t.Run(name, func(t *testing.T) {
			serve := c.start(append([]string{"serve", "--config", config, "--addr", "127.0.0.1:0"}, test.args...)...)
			base, err := url.Parse(servedAt.FindStringSubmatch(serve.await("serving LINE's API"))[1])
			require.NoError(t, err)
			origin := "http://" + base.Host
			for _, prefix := range test.served {
				at := origin + prefix
				assert.Equal(t, answer{200, "ok\n"}, get(at+"/healthz", ""), prefix)
				assert.Equal(t, answer{200, "ok\n"}, get(at+"/readyz", ""), prefix)
				assert.Equal(t, 401, get(at+"/metrics", "").status, prefix)
				assert.Equal(t, 401, get(at+"/metrics", secretToken).status, "a channel's token is no key: %s", prefix)
				metrics := get(at+"/metrics", "a-key")
				assert.Equal(t, 200, metrics.status, prefix)
				assert.Contains(t, metrics.body, "\nlineq_gateway_turned_away_total 0\n", prefix)
				assert.Equal(t, 200, get(at+"/lineq/v1/openapi.yaml", "").status, prefix)
				assert.Equal(t, 200, get(at+"/lineq/v1/channels", "a-key").status, prefix)
				assert.Equal(t, 401, get(at+"/v2/bot/info", "a-key").status, "a key is no channel's token: %s", prefix)
				assert.Equal(t, 200, get(at+"/v2/bot/info", secretToken).status, prefix)
				status, _ := sent(t, http.DefaultClient, at, secretToken)
				assert.Equal(t, 200, status, prefix)
			}
			for _, prefix := range test.absent {
				for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
					assert.NotEqual(t, 200, get(origin+prefix+path, "").status, prefix+path)
				}
			}
			assert.Contains(t, get(origin+"/metrics", "a-key").body, "\nlineq_gateway_requests_total{")
			require.NoError(t, serve.stop())
		})
	}
	t.Run("nothing secret is a metric or a key", func(t *testing.T) {
		keys, err := rdb.Keys(t.Context(), "*").Result()
		require.NoError(t, err)
		assertNoSecrets(t, fmt.Sprint(keys))
	})
}
