package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHealthcheck(t *testing.T) {
	c, mini := withMini(t)
	c.env["LINE_CHANNEL_ACCESS_TOKEN"] = secretToken
	cert, key := certificate(t)
	serve := c.start("serve", "--addr", "127.0.0.1:0", "--tls-cert", cert, "--tls-key", key)
	addr := strings.TrimPrefix(servedAt.FindStringSubmatch(serve.await("serving LINE's API"))[1], "https://")
	assert.Equal(t, "ready\n", c.ok("healthcheck", "--addr", addr, "--tls-cert", cert))

	other, _ := certificate(t)
	o := c.run("healthcheck", "--addr", addr, "--tls-cert", other)
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, "certificate")

	// As in a container: the addresses are those of the variables.
	c.env["LINEQ_ADDR"], c.env["LINEQ_TLS_CERT"], c.env["LINEQ_METRICS_ADDR"] = addr, cert, ":9091"
	assert.Equal(t, "ready\n", c.ok("healthcheck"))
	require.NoError(t, mini.Close())
	require.NoError(t, serve.stop())
	assert.Equal(t, 1, c.run("healthcheck").code, "nobody is there")
}

func TestHealthcheckOfAWorker(t *testing.T) {
	status, says := http.StatusOK, "ok\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/readyz", r.URL.Path)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(says))
	}))
	t.Cleanup(server.Close)
	c, _ := withMini(t)
	addr := strings.TrimPrefix(server.URL, "http://")
	c.env["LINEQ_METRICS_ADDR"] = addr
	assert.Equal(t, "ready\n", c.ok("healthcheck"))
	_, port, _ := strings.Cut(addr, ":")
	c.env["LINEQ_METRICS_ADDR"] = ":" + port
	assert.Equal(t, "ready\n", c.ok("healthcheck"))
	status, says = http.StatusServiceUnavailable, "Redis doesn't answer\n"
	o := c.run("healthcheck")
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, "503 Service Unavailable: Redis doesn't answer")

	delete(c.env, "LINEQ_METRICS_ADDR")
	for want, args := range map[string][]string{
		"there is nothing to ask":    nil,
		"an address with a port":     {"--addr", "localhost"},
		"must start with http":       {"--url", "localhost:9091"},
		"must be above zero":         {"--addr", ":1", "--timeout", "0s"},
		"holds no certificate":       {"--addr", ":1", "--tls-cert", file(t, "cert.pem", "secret")},
		"no such file":               {"--addr", ":1", "--tls-cert", "none.pem"},
		"--metrics-addr must be an ": {"--metrics-addr", "127.0.0.1:0"},
	} {
		o := c.run(append([]string{"healthcheck"}, args...)...)
		assert.Equal(t, 2, o.code, want)
		assert.Contains(t, o.stderr, want)
		assert.NotContains(t, o.stderr, "secret")
	}
}
