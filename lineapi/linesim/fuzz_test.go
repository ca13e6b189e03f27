package linesim_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Whatever is asked, there is an answer: JSON with a request id, HTML without one, or nothing but a status where LINE
// says nothing.
func FuzzServeHTTP(f *testing.F) {
	for _, e := range endpoint.All {
		f.Add(e.Method, concrete(e), "application/json", "{}")
	}
	for _, body := range []string{
		push(user(1), "a"), multicast("a", user(1), user(2)), menuObject, "[", `{"to":`, `{"a":{"b":[1,2,{"c":"]}"}]}}`, `"`,
		`{"to":"` + user(1) + `","messages":[` + template(`{"type":"carousel","columns":[{},{}]}`) + `,` + flex(bubble) + `]}`,
		`{"messages":[{"type":"textV2","text":"{a}","substitution":{"a":{"type":"mention","mentionee":{"type":"all"}}}}]}`,
	} {
		f.Add("POST", pushPath, "application/json", body)
		f.Add("POST", multicastPath, "application/json", body)
		f.Add("POST", "/v2/bot/message/validate/push", "application/json; charset=utf-8", body)
	}
	f.Add("POST", narrowcastPath, "application/json", `{"messages":[],"recipient":{"type":"operator","not":{"type":"audience"}}}`)
	f.Add("POST", "/oauth2/v2.1/token", "application/x-www-form-urlencoded", "grant_type=client_credentials&client_assertion_type="+assertionType+"&client_assertion=e30.e30.e30")
	f.Add("GET", "/v2/bot/followers/ids?start=AAAA&limit=9", "", "")

	f.Fuzz(func(t *testing.T, method, path, contentType, body string) {
		u, err := url.ParseRequestURI(path)
		if err != nil || u.Host != "" || !strings.HasPrefix(path, "/") {
			t.Skip()
		}
		r, err := http.NewRequest(method, "http://localhost"+u.String(), strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		r.Header.Set("Authorization", "Bearer simulated-token")
		r.Header.Set("Content-Type", contentType)
		l := start(t, unlimited)
		w := httptest.NewRecorder()
		l.ServeHTTP(w, r)

		answer := w.Body.Bytes()
		if w.Code < 200 || w.Code > 599 {
			t.Errorf("status %d", w.Code)
		}
		switch mediaType := w.Header().Get("Content-Type"); {
		case mediaType == "text/html":
			if !bytes.HasPrefix(answer, []byte("<html>")) || w.Header().Get("X-Line-Request-Id") != "" {
				t.Errorf("not from the edge: %q", answer)
			}
		case mediaType == "application/json":
			if !json.Valid(answer) {
				t.Errorf("not JSON: %q", answer)
			}
			fallthrough
		default:
			if w.Header().Get("X-Line-Request-Id") == "" {
				t.Error("no request id")
			}
			if mediaType == "" && len(answer) > 0 {
				t.Errorf("what is this? %q", answer)
			}
		}
	})
}

// A message arrives as it was sent, whatever JSON it holds.
func FuzzMessagesAreKept(f *testing.F) {
	for _, extra := range []string{`"]}\\\"["`, `[[],{"a":"}"}]`, ` { "a" : -1.5e3 } `, `null`, `"\u005c"`, `"\\"`} {
		f.Add(extra)
	}
	f.Fuzz(func(t *testing.T, extra string) {
		message := `{"type":"text","text":"a","extra":` + extra + `}`
		var object map[string]json.RawMessage
		if json.Unmarshal([]byte(message), &object) != nil || len(object) != 3 || string(object["type"]) != `"text"` ||
			string(object["text"]) != `"a"` {
			t.Skip()
		}
		l := start(t, unlimited)
		got := l.post(pushPath, `{"messages":[`+message+` , {"type":"text","text":"b"}],"to":"`+user(1)+`"}`)
		if got.Code != http.StatusOK {
			t.Fatal(got.Code, got.Body)
		}
		received := l.Ledger().Received(user(1))
		if len(received) != 1 || len(received[0].Messages) != 2 || string(received[0].Messages[0]) != message {
			t.Errorf("sent %s, received %s", message, received)
		}
	})
}
