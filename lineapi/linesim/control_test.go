package linesim_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

func (l line) control(method, path, body string) response {
	w := httptest.NewRecorder()
	l.ControlHandler().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	a := response{ResponseRecorder: w}
	json.Unmarshal(w.Body.Bytes(), &a.object)
	return a
}

func (l line) lines(path string) (all []map[string]any) {
	for s := bufio.NewScanner(l.control("GET", path, "").Body); s.Scan(); {
		var object map[string]any
		if json.Unmarshal(s.Bytes(), &object) == nil {
			all = append(all, object)
		}
	}
	return all
}

func TestControlLedger(t *testing.T) {
	l := start(t, unlimited)
	l.post(pushPath, push(user(1), "a"), "X-Line-Retry-Key", key1)
	l.post(multicastPath, multicast("a", user(1), user(2)))

	assert.JSONEq(t, `{"requests":2,"deliveries":3,"recipients":2}`, l.control("GET", "/ledger", "").Body.String())
	assert.Equal(t, []map[string]any{
		{"recipient": user(1), "count": 2.0}, {"recipient": user(2), "count": 1.0},
	}, l.lines("/ledger/recipients"))
	var received []linesim.Delivery
	require.NoError(t, json.Unmarshal(l.control("GET", "/ledger/recipients/"+user(1), "").Body.Bytes(), &received))
	assert.Equal(t, l.Ledger().Received(user(1)), received)
	assert.JSONEq(t, `[]`, l.control("GET", "/ledger/recipients/"+user(9), "").Body.String())
	requests := l.lines("/ledger/requests")
	require.Len(t, requests, 2)
	assert.Equal(t, "pushMessage", requests[0]["operation"])
	assert.Equal(t, key1, requests[0]["retryKey"])
	assert.EqualValues(t, 2, requests[1]["recipients"])
	duplicates := l.lines("/ledger/duplicates")
	require.Len(t, duplicates, 1)
	assert.Equal(t, user(1), duplicates[0]["recipient"])
	stats := l.control("GET", "/stats", "").object
	assert.Equal(t, map[string]any{"pushMessage": map[string]any{"200": 1.0}, "multicast": map[string]any{"200": 1.0}}, stats["requests"])

	assert.Equal(t, 200, l.control("DELETE", "/ledger", "").Code)
	assert.Zero(t, l.Ledger().Totals())
}

func TestRecipientsByOperation(t *testing.T) {
	l := start(t, linesim.Config{})
	for range 2 {
		require.Equal(t, 200, l.post(pushPath, push(user(1), "a")).Code)
	}
	require.Equal(t, 200, l.post(multicastPath, multicast("a", user(1), user(2))).Code)
	counts := func(query string) string { return l.control("GET", "/ledger/recipients"+query, "").Body.String() }
	one, two := `{"recipient":"`+user(1)+`","count":`, `{"recipient":"`+user(2)+`","count":1}`+"\n"
	assert.Equal(t, one+"3}\n"+two, counts(""))
	assert.Equal(t, one+"2}\n", counts("?operation=pushMessage"))
	assert.Equal(t, one+"1}\n"+two, counts("?operation=multicast"))
	assert.Equal(t, one+"3}\n"+two, counts("?operation=multicast&operation=pushMessage"))
	assert.Empty(t, counts("?operation=broadcast"))
}

func TestControlSteers(t *testing.T) {
	l := start(t, linesim.Config{})
	t.Run("faults", func(t *testing.T) {
		const faults = `[{"kind":"delay","operation":"getProfile","share":0.5,"delay":"1m30s"},{"kind":"refuse","count":1,"status":503}]`
		require.Equal(t, 200, l.control("PUT", "/faults", faults).Code)
		assert.JSONEq(t, faults, l.control("GET", "/faults", "").Body.String())
		assert.Equal(t, 503, l.post(pushPath, push(user(1), "a")).Code)
		assert.Len(t, l.Faults(), 1)
		assert.Equal(t, 90*time.Second, l.Faults()[0].Delay)
		require.Equal(t, 200, l.control("PUT", "/faults", `[]`).Code)
		assert.JSONEq(t, `[]`, l.control("GET", "/faults", "").Body.String())
	})
	t.Run("clock", func(t *testing.T) {
		require.Equal(t, 200, l.control("PUT", "/clock", `{"offset":"24h0m0s"}`).Code)
		assert.Equal(t, l.clock.Now().Add(24*time.Hour), l.Now())
		assert.JSONEq(t, `{"now":"2026-08-21T03:00:00Z","offset":"24h0m0s"}`, l.control("GET", "/clock", "").Body.String())
	})
	t.Run("limits", func(t *testing.T) {
		const limits = `{"off":false,"burst":"1s","rates":{"multicast":{"requests":1,"per":"1s"}}}`
		require.Equal(t, 200, l.control("PUT", "/limits", limits).Code)
		assert.JSONEq(t, limits, l.control("GET", "/limits", "").Body.String())
		assert.Equal(t, 200, l.post(multicastPath, multicast("a", user(1))).Code)
		assert.Equal(t, 429, l.post(multicastPath, multicast("a", user(1))).Code)
		require.Equal(t, 200, l.control("PUT", "/limits", `{"off":true}`).Code)
		assert.Equal(t, 200, l.post(multicastPath, multicast("a", user(1))).Code)
	})
	t.Run("channels and quota", func(t *testing.T) {
		require.Equal(t, 200, l.control("POST", "/channels", `{"id":"2","token":"second","quota":{"limit":1}}`).Code)
		assert.Equal(t, 200, l.post(pushPath, push(user(1), "a"), "Authorization", "Bearer second").Code)
		assert.Equal(t, 429, l.post(pushPath, push(user(1), "a"), "Authorization", "Bearer second").Code)
		assert.JSONEq(t, `{"limit":1,"used":1}`, l.control("GET", "/channels/2/quota", "").Body.String())
		require.Equal(t, 200, l.control("PUT", "/channels/2/quota", `{"limit":2,"used":1}`).Code)
		assert.Equal(t, 200, l.post(pushPath, push(user(1), "a"), "Authorization", "Bearer second").Code)
		assert.Equal(t, 200, l.control("PUT", "/channels/2/audiences", `{"audienceGroupId":1,"userIds":["`+user(1)+`"]}`).Code)
	})
	t.Run("users and chats", func(t *testing.T) {
		require.Equal(t, 200, l.control("POST", "/users", `[{"id":"`+user(5)+`","state":"unknown"}]`).Code)
		assert.Equal(t, 400, l.post(pushPath, push(user(5), "a")).Code)
		require.Equal(t, 200, l.control("POST", "/chats", `[{"id":"`+group(5)+`","members":["`+user(1)+`","`+user(2)+`"]}]`).Code)
		assert.EqualValues(t, 2, l.get("/v2/bot/group/" + group(5) + "/members/count").object["count"])
	})
	t.Run("reply tokens", func(t *testing.T) {
		token := l.control("POST", "/channels/1234567890/replytokens", `{"source":"`+user(1)+`"}`).object["replyToken"].(string)
		assert.Equal(t, 200, l.post(replyPath, `{"replyToken":"`+token+`","messages":`+text("a")+`}`).Code)
	})
	t.Run("content", func(t *testing.T) {
		id := l.control("POST", "/channels/1234567890/contents", `{"mediaType":"image/png","data":"aGk=","prepare":"0s"}`).object["messageId"].(string)
		assert.Equal(t, "hi", l.get("/v2/bot/message/"+id+"/content").Body.String())
		require.Equal(t, 200, l.control("DELETE", "/contents/"+id, "").Code)
		assert.Equal(t, 410, l.get("/v2/bot/message/"+id+"/content").Code)
	})
	for name, c := range map[string]struct{ method, path, body string }{
		"a misspelt property":  {"PUT", "/faults", `[{"kind":"refuse","cout":1}]`},
		"an unknown fault":     {"PUT", "/faults", `[{"kind":"flood"}]`},
		"two documents":        {"PUT", "/clock", `{"offset":"1s"} {}`},
		"a bad duration":       {"PUT", "/clock", `{"offset":"soon"}`},
		"a channel twice":      {"POST", "/channels", `{"id":"1234567890"}`},
		"no such channel":      {"PUT", "/channels/9/quota", `{}`},
		"no channel's quota":   {"GET", "/channels/9/quota", ``},
		"no channel's content": {"POST", "/channels/9/contents", `{"mediaType":"a/b"}`},
		"a user who isn't one": {"POST", "/users", `[{"id":"x"}]`},
		"a chat of nobodies":   {"POST", "/chats", `[{"id":"` + group(1) + `","members":["x"]}]`},
		"content that is gone": {"DELETE", "/contents/9", ``},
	} {
		t.Run(name, func(t *testing.T) {
			got := l.control(c.method, c.path, c.body)
			assert.Equal(t, http.StatusBadRequest, got.Code)
			assert.NotEmpty(t, got.message())
		})
	}
}

func TestConfiguration(t *testing.T) {
	for name, config := range map[string]linesim.Config{
		"Latency":  {Latency: -1},
		"Quota":    {Channels: []linesim.Channel{{ID: "1", Quota: linesim.Quota{Limit: -1}}}},
		"no ID":    {Channels: []linesim.Channel{{Token: "a"}}},
		"exists":   {Channels: []linesim.Channel{{ID: "1"}, {ID: "1"}}},
		"token of": {Channels: []linesim.Channel{{ID: "1", Token: "s3cret"}, {ID: "2", Token: "s3cret"}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := linesim.New(config)
			require.ErrorContains(t, err, name)
			assert.NotContains(t, err.Error(), "s3cret")
		})
	}
}

// The same requests with the same seed get the same identifiers; another seed gives others.
func TestSeed(t *testing.T) {
	run := func(seed uint64) string {
		l := start(t, linesim.Config{Seed: seed})
		return l.post(pushPath, push(user(1), "a")).Body.String() + l.menu(t) + l.issueStateless()
	}
	assert.Equal(t, run(1), run(1))
	assert.NotEqual(t, run(1), run(2))
}
