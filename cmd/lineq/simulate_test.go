package main

import (
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
)

var (
	urlIn   = regexp.MustCompile(`http://[0-9.:]+`)
	redisIn = regexp.MustCompile(`redis://[0-9.:]+`)
)

// control asks a simulator's control endpoint.
func control(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	require.NoError(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.StatusCode, string(b))
	return string(b)
}

// asked is the answer to a call with a bearer token: a POST where it has a body.
func asked(t *testing.T, url, token, body string) string {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.StatusCode, string(b))
	return string(b)
}

func TestSimulate(t *testing.T) {
	c, _ := withMini(t)
	sim := c.start("simulate", "--addr", "127.0.0.1:0", "--quota", "1", "--latency", "1ms", "--limits", "off",
		"--fault", "accept_500=0.5,delay=0.25:1ms", "--seed", "7")
	url := urlIn.FindString(sim.await("simulated LINE on"))
	assert.Contains(t, sim.await("LINE_CHANNEL_ACCESS_TOKEN="), "lineq worker --line-origin "+url)

	var faults []map[string]any
	require.NoError(t, json.Unmarshal([]byte(control(t, url+"/_sim/faults")), &faults))
	assert.Equal(t, []map[string]any{
		{"kind": "accept_500", "share": 0.5}, {"kind": "delay", "share": 0.25, "delay": "1ms"},
	}, faults)
	assert.Contains(t, control(t, url+"/_sim/limits"), `"off":true`)
	assert.JSONEq(t, `{"limit":1,"used":0}`, control(t, url+"/_sim/channels/"+linesim.DefaultChannel.ID+"/quota"))

	c.env["LINE_CHANNEL_ACCESS_TOKEN"] = linesim.DefaultChannel.Token
	w := c.start("worker", "--line-origin", url)
	w.await("worker started")
	c.ok("send", "push", "--to", user, "--text", secretText, "--wait")
	assert.Contains(t, control(t, url+"/_sim/ledger/recipients/"+user), secretText)
	assert.NoError(t, w.stop())
	assert.NoError(t, sim.stop())
}

func TestParseFault(t *testing.T) {
	for text, want := range map[string]linesim.Fault{
		"refuse=0.05":   {Kind: "refuse", Share: 0.05},
		"cut=1":         {Kind: "cut", Share: 1},
		"delay=0.1:2s":  {Kind: "delay", Share: 0.1, Delay: 2 * time.Second},
		"refuse":        {},
		"refuse=":       {},
		"refuse=0":      {},
		"refuse=NaN":    {},
		"refuse=-1":     {},
		"delay=0.1:x":   {},
		"delay=0.1:2s:": {},
	} {
		t.Run(text, func(t *testing.T) {
			got, err := parseFault(text)
			assert.Equal(t, want, got)
			assert.Equal(t, want == linesim.Fault{}, err != nil)
		})
	}
}

// TestDev pastes what dev prints.
func TestDev(t *testing.T) {
	t.Run("with Redis within", func(t *testing.T) {
		dev := cli{t, nil}.start("dev", "--addr", "127.0.0.1:0")
		redisURL := dev.await("nothing survives its end")
		assert.Contains(t, dev.await("dashboard"), localKey)
		gateway := urlIn.FindString(dev.await("gateway"))
		url := urlIn.FindString(dev.await("simulated LINE"))
		export := redisIn.FindString(dev.await("export REDIS_URL="))
		assert.Contains(t, redisURL, export)
		paste := strings.Fields(strings.TrimSpace(dev.await("lineq send push")))
		cli{t, map[string]string{"REDIS_URL": export}}.ok(paste[1:]...)
		assert.Contains(t, control(t, url+"/_sim/ledger/recipients/"+exampleUser), "hello")

		pushed := document[struct {
			SentMessages []struct{ ID string }
		}](t, asked(t, gateway+"/v2/bot/message/push", linesim.DefaultChannel.Token,
			`{"to":"`+user+`","messages":[{"type":"text","text":"through the gateway"}]}`))
		require.Len(t, pushed.SentMessages, 1)
		of := document[struct{ Task tasks.Result }](t,
			asked(t, gateway+"/lineq/v1/messages/"+pushed.SentMessages[0].ID, localKey, ""))
		task := document[tasks.Result](t, asked(t, gateway+"/lineq/v1/tasks/"+of.Task.ID+"?wait=20s", localKey, ""))
		assert.Equal(t, tasks.OutcomeSent, task.Outcome)
		assert.Contains(t, cli{t, map[string]string{"REDIS_URL": export}}.ok("log", "--json"), task.ID)
		assertDashboard(t, gateway, localKey)
		assert.NoError(t, dev.stop())
	})
	t.Run("with another Redis", func(t *testing.T) {
		m, _ := redistest.Mini(t)
		m.RequireAuth(secretRedis)
		c := cli{t, map[string]string{"REDIS_URL": "redis://:" + secretRedis + "@" + m.Addr()}}
		dev := c.start("dev", "--addr", "127.0.0.1:0")
		assert.Contains(t, dev.await("what is in it stays"), m.Addr())
		dev.await("lineq log")
		c.ok("send", "push", "--to", user, "--text", secretText, "--wait")
		assert.NoError(t, dev.stop())
	})
}

// TestLocalRedisForgets sees keys expire in the Redis that dev and demo bring along.
func TestLocalRedisForgets(t *testing.T) {
	l := &local{}
	stop, err := l.startRedis()
	require.NoError(t, err)
	defer stop()
	rdb, err := openRedis(t.Context(), l.redisURL, asGiven)
	require.NoError(t, err)
	defer rdb.Close()
	require.NoError(t, rdb.Set(t.Context(), "key", "value", time.Second).Err())
	for rdb.Exists(t.Context(), "key").Val() == 1 {
		rdb.BLPop(t.Context(), time.Second, "nothing") // a second passes, for Redis too
	}
	assert.NoError(t, rdb.Ping(t.Context()).Err())
}
