package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/worker"
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
	assert.Contains(t, text, `lineq_outcomes_total{channel="default",kind="push",outcome="sent",reason=""} 1`)
	assert.Contains(t, text, `lineq_build_info{`)
	assert.Contains(t, text, "lineq_redis_up 1\n")
	assert.Contains(t, text, "lineq_workers 1\n")
	assertNoSecrets(t, text)
	assert.NotContains(t, text, user)
	assert.NotContains(t, text, "wrong price")

	for _, probe := range []string{"/healthz", "/readyz"} {
		resp, err := http.Get(strings.TrimSuffix(url, "/metrics") + probe)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, errors.Join(err, resp.Body.Close()))
		assert.Equal(t, http.StatusOK, resp.StatusCode)
		assert.Equal(t, "ok\n", string(body))
	}
	require.NoError(t, w.stop())
	_, err = http.Get(url)
	assert.Error(t, err, "it ends with the worker")
}

func TestProbes(t *testing.T) {
	for want, err := range map[int]error{http.StatusOK: nil, http.StatusServiceUnavailable: worker.ErrStopping} {
		w := httptest.NewRecorder()
		probed(w, err)
		assert.Equal(t, want, w.Code)
		if err != nil {
			assert.Equal(t, err.Error()+"\n", w.Body.String())
		}
	}
}

func TestServeShowsMetrics(t *testing.T) {
	c, rdb := withMini(t)
	_, err := channel.Put(t.Context(), rdb, "default", channel.Hold{Reason: channel.Operator, Note: secretText})
	require.NoError(t, err)
	c.env["LINE_CHANNEL_ACCESS_TOKEN"] = secretToken
	serve := c.start("serve", "--addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0", "--line-origin", "http://127.0.0.1:1")
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/metrics`).FindString(serve.await("metrics"))
	require.NotEmpty(t, url)
	serve.await("serving LINE's API")
	resp, err := http.Get(url)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close()))
	for _, line := range []string{
		"lineq_redis_up 1", "lineq_workers 0", `lineq_channel_held{channel="default",reason="operator"} 1`,
		"lineq_gateway_turned_away_total 0",
	} {
		assert.Contains(t, strings.Split(string(body), "\n"), line)
	}
	assert.NotContains(t, string(body), "lineq_dead_workers_total", "it is no worker")
	assertNoSecrets(t, string(body))
	require.NoError(t, serve.stop())
}

// TestDevShowsAllMetrics: those of a worker and those of a gateway on one page, to whoever is on this machine; and whatever
// callers send, nothing of it is on that page.
func TestDevShowsAllMetrics(t *testing.T) {
	c := cli{t, map[string]string{}}
	dev := c.start("dev", "--addr", "127.0.0.1:0")
	url := strings.TrimSuffix(regexp.MustCompile(`http://127\.0\.0\.1:\d+/metrics`).FindString(dev.await("metrics")), "/metrics")
	require.NotEmpty(t, url)
	ask := func(method, path, token, body string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Lineq-Id", secretReply)
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(answer)
	}
	messages := `"messages":[{"type":"text","text":"` + secretText + `"}]}`
	ask("POST", "/v2/bot/message/push", "simulated-token", `{"to":"`+user+`",`+messages)
	ask("POST", "/v2/bot/message/push", secretToken, `{"to":"`+user+`",`+messages)
	ask("POST", "/v2/bot/message/reply", "simulated-token", `{"replyToken":"`+secretReply+`",`+messages)
	ask("POST", "/v2/bot/"+user+"/tomorrow", "simulated-token", "{}")
	ask(strings.ToUpper(user), "/v2/bot/profile/"+user, "simulated-token", "")
	var text string
	require.Eventually(t, func() bool {
		text = ask("GET", "/metrics", "", "")
		return strings.Contains(text, `lineq_outcomes_total{channel="default",kind="push",outcome="sent",reason=""} 1`)
	}, time.Minute, 20*time.Millisecond)
	for _, name := range []string{"lineq_dead_workers_total", "lineq_redis_up", "lineq_build_info"} {
		assert.Contains(t, text, "\n"+name)
	}
	assert.Contains(t, text, `lineq_gateway_requests_total{channel="default",code="200",operation="pushMessage"} 1`)
	assert.Contains(t, text, `lineq_gateway_requests_total{channel="",code="401",operation="pushMessage"} 1`)
	assert.Contains(t, text, `operation="other"`)
	assertNoSecrets(t, text)
	assert.NotContains(t, text, "simulated-token")
	assert.NotContains(t, strings.ToLower(text), strings.ToLower(user))
	require.NoError(t, dev.stop())
}
