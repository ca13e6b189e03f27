package gateway_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/producer/gateway"
)

// Whatever comes in is answered with LINE's shape.
func FuzzRequests(f *testing.F) {
	s := newStage(f, func(c *gateway.Config) { c.PathPrefix = "/line" })
	for _, path := range []string{
		"/v2/bot/message/push", "/v2/bot/message/multicast", "/line/v2/bot/message/narrowcast", "/v2/bot/message/reply",
		"/v2/bot/user/all/richmenu/" + menu, "/v2/bot/richmenu/bulk/link", "/v2/bot/chat/loading/start", "/v2/bot/%2e%2e/x",
	} {
		f.Add("POST", path, hello, key, "", "")
	}
	f.Add("DELETE", "/v2/bot/user/"+user+"/richmenu", "", "", "an-id", "2026-11-23T21:31:08Z")
	f.Add("POST", "/v2/bot/message/multicast", multicastTo(600, "{{x}}"), "", "", "1")
	f.Add("POST", "/v2/bot/message/push", says(`{"type":"flex","altText":"x","contents":{"type":"bubble","hero":{}}}`), "", "x", "")
	f.Fuzz(func(t *testing.T, method, path, body, retryKey, id, at string) {
		u, err := url.ParseRequestURI("http://gateway.test" + path)
		if err != nil || strings.HasPrefix(path, "/healthz") || strings.HasPrefix(path, "/readyz") {
			t.Skip()
		}
		r := httptest.NewRequest(http.MethodPost, "http://gateway.test/", strings.NewReader(body))
		r.Method, r.URL = method, u
		for name, value := range map[string]string{
			"Authorization": "Bearer " + token, "Content-Type": "application/json", "X-Line-Retry-Key": retryKey,
			"X-Lineq-Id": id, "X-Lineq-At": at,
		} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		assert.NotEqual(t, http.StatusServiceUnavailable, w.Code, w.Body)
		if w.Body.Len() > 0 && w.Header().Get("Content-Type") == "application/json" {
			assert.True(t, json.Valid(w.Body.Bytes()), w.Body)
		}
	})
}

func FuzzParseMessageID(f *testing.F) {
	for _, id := range []string{"", "0", "1", "1085436470117655532131074316474853654670", "2120120", "461000000000000001", "-1", "+1", "0x1"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		taskID, n, err := gateway.ParseMessageID(id)
		if err == nil {
			assert.NotEmpty(t, taskID)
			assert.GreaterOrEqual(t, n, 0)
		}
	})
}
