package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

func TestMetrics(t *testing.T) {
	c, _ := withMini(t)
	sim, err := linesim.New(linesim.Config{Channels: []linesim.Channel{{ID: "1", Secret: secretSecret, Token: secretToken}}})
	require.NoError(t, err)
	line := httptest.NewServer(sim)
	defer line.Close()
	c.env["LINE_CHANNEL_ACCESS_TOKEN"] = secretToken
	w := c.start("worker", "--line-origin", line.URL, "--metrics-addr", "127.0.0.1:0")
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/metrics`).FindString(w.await("metrics"))
	require.NotEmpty(t, url)
	w.await("worker started")

	c.ok("send", "push", "--to", user, "--text", secretText, "--wait")
	c.ok("channel", "hold", "default", "--note", "wrong price")
	w.await("channel is held")
	// The line is written just before the metric is set.
	var text string
	require.Eventually(t, func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		text = string(body)
		return err == nil && regexp.MustCompile(`(?m)^lineq_channel_held\{.*\} 1$`).MatchString(text)
	}, time.Minute, 5*time.Millisecond)
	assert.Contains(t, text, `lineq_channel_held{channel="default",reason="operator"} 1`)
	assert.Contains(t, text, `lineq_requests_total{channel="default",code="ok",operation="pushMessage"} 1`)
	assert.Contains(t, text, `lineq_permit_wait_seconds_count{channel="default",operation="pushMessage"} 1`)
	assertNoSecrets(t, text)
	assert.NotContains(t, text, user)
	assert.NotContains(t, text, "wrong price")

	require.NoError(t, w.stop())
	_, err = http.Get(url)
	assert.Error(t, err, "it ends with the worker")
}
