package manage_test

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
)

// document is openapi.yaml, with a router for its operations.
func document(t testing.TB) (*openapi3.T, routers.Router) {
	t.Helper()
	text, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(text)
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	doc.Servers = openapi3.Servers{{URL: "http://lineq.test/lineq/v1"}}
	router, err := legacy.NewRouter(doc)
	require.NoError(t, err)
	return doc, router
}

var checking sync.Mutex

// check holds an answer against the document, and notes which one it was.
func (s *stage) check(t *testing.T, r *http.Request, w *httptest.ResponseRecorder) {
	t.Helper()
	checking.Lock() // the router is for one at a time
	defer checking.Unlock()
	route, params, err := s.router.FindRoute(r)
	if err != nil {
		assert.Equal(t, http.StatusNotFound, w.Code)
		return
	}
	place := fmt.Sprint(route.Method, " ", route.Path, " ", w.Code)
	input := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 w.Code, Header: w.Header(),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}
	input.SetBodyBytes(w.Body.Bytes())
	declared := route.Operation.Responses.Status(w.Code)
	mediaType, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
	switch {
	case w.Code < 300 && declared == nil:
		assert.Fail(t, "a success that the document doesn't have", place)
		return
	case w.Code == http.StatusNoContent:
		assert.Empty(t, w.Body.String(), place)
	case mediaType == "application/json" || mediaType == "application/problem+json":
		if !assert.NoError(t, openapi3filter.ValidateResponse(t.Context(), input), "%s: %s", place, w.Body) {
			return
		}
	case !assert.NotNil(t, declared.Value.Content.Get(mediaType), "%s is %q", place, mediaType):
		return
	case mediaType == "application/x-ndjson":
		for line := range strings.Lines(w.Body.String()) {
			s.isA(t, "Row", line)
		}
	case mediaType == "text/csv":
		rows, err := csv.NewReader(strings.NewReader(w.Body.String())).ReadAll()
		require.NoError(t, err, place)
		for _, name := range rows[0] {
			assert.Contains(t, s.doc.Components.Schemas["Row"].Value.Properties, name, "a column")
		}
	}
	s.reached[place] = true
}

// isA holds one JSON object against a schema of the document.
func (s *stage) isA(t *testing.T, schema, object string) {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(object), &v), object)
	assert.NoError(t, s.doc.Components.Schemas[schema].Value.VisitJSON(v), object)
}

// successes are the answers that the document promises: method, path and status.
func (s *stage) successes() (all []string) {
	for path, item := range s.doc.Paths.Map() {
		for method, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				if strings.HasPrefix(status, "2") {
					all = append(all, method+" "+path+" "+status)
				}
			}
		}
	}
	return all
}

// Every operation of the document is one that the API has.
func TestDocument(t *testing.T) {
	s := newStage(t)
	for path, item := range s.doc.Paths.Map() {
		for method := range item.Operations() {
			if strings.HasSuffix(path, "/live") {
				continue // TestEverySuccess has it
			}
			got := s.ask(t, "all", method, strings.NewReplacer("{id}", "none", "{channel}", "none").Replace(path), "")
			assert.NotContains(t, got.body, "there is nothing at this path", method+" "+path)
		}
	}
}

// Every success that the document promises is reached, and is as the document has it.
func TestEverySuccess(t *testing.T) {
	s := newStage(t)
	other := "Ufedcba9876543210fedcba9876543210"
	require.NoError(t, s.sim.AddUser(linesim.User{ID: other, State: linesim.Unknown}))
	ok := func(key, method, path, body string, header ...string) response {
		t.Helper()
		got := s.ask(t, key, method, path, body, header...)
		require.Equal(t, 2, got.status/100, "%s %s: %s", method, path, got.body)
		return got
	}
	ended := func(id string) {
		t.Helper()
		require.Eventually(t, func() bool {
			sum, err := s.q.CampaignSummary(t.Context(), id)
			return err == nil && sum.State.Ended()
		}, time.Minute, 20*time.Millisecond)
	}
	ok("nobody", "GET", "/openapi.yaml", "")

	message := s.pushed(t)
	ok("reader", "GET", "/messages/"+message, "")
	_, err := s.q.Enqueue(t.Context(), tasks.Push{To: user, Messages: []lineapi.Message{lineapi.Text("Hi")}}, producer.ID("order-1"))
	require.NoError(t, err)
	ok("reader", "GET", "/tasks/order-1", "")
	ok("operator", "POST", "/tasks/order-1/cancel", "")
	ok("sender", "POST", "/tasks/order-1/run", "")

	const sale = `{"id":"sale","messages":[{"type":"text","text":"Hi {{name}}"}]}`
	audience := "to,name\n" + user + ",Ann\n" + other + ",Eve\nnobody,Bob\n"
	require.Equal(t, http.StatusCreated, s.create(t, sale, audience).status)
	require.Equal(t, http.StatusOK, s.create(t, sale, audience).status)
	ok("operator", "POST", "/campaigns/sale/pause", `{"note":"wait"}`)
	ok("operator", "POST", "/campaigns/sale/resume", "")
	later := `{"id":"later","at":"` + time.Now().Add(time.Hour).Format(time.RFC3339) + `","messages":[{"type":"text","text":"Hi"}]}`
	require.Equal(t, http.StatusCreated, s.create(t, later, "to\n"+user+"\n").status)
	ok("operator", "POST", "/campaigns/later/cancel", "")

	const weekly = `{"id":"weekly","cron":"0 9 * * MON","tz":"Asia/Tokyo","kind":"push",
		"task":{"to":"` + user + `","messages":[{"type":"text","text":"A new week"}]}}`
	ok("sender", "POST", "/schedules", weekly)
	ok("operator", "POST", "/schedules/weekly/pause", "")
	ok("operator", "POST", "/schedules/weekly/resume", "")

	s.work(t)
	ok("sender", "POST", "/schedules/weekly/run", "")
	require.Eventually(t, func() bool {
		return strings.Contains(ok("reader", "GET", "/schedules/weekly", "").body, `"outcome":"sent"`)
	}, time.Minute, 20*time.Millisecond, "with its last run in it")
	ok("reader", "GET", "/schedules", "")
	ok("operator", "DELETE", "/schedules/weekly", "")

	ended("sale")
	assert.Contains(t, ok("reader", "GET", "/campaigns/sale", "").body, `"failures_by":{`)
	ok("reader", "GET", "/campaigns", "")
	assert.Contains(t, ok("reader", "GET", "/campaigns/sale/failures", "").body, other)
	assert.Contains(t, ok("reader", "GET", "/campaigns/sale/rate", "").body, `"decided":[2]`)
	assert.Contains(t, ok("reader", "GET", "/campaigns/sale/export", "").body, user)
	assert.Contains(t, ok("reader", "GET", "/campaigns/sale/export", "", "Accept", "application/x-ndjson").body, user)
	assert.Contains(t, ok("reader", "GET", "/campaigns/later/export", "", "Accept", "application/x-ndjson").body, `"cancelled"`)
	ok("sender", "POST", "/campaigns/sale/retry", "{}")

	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	ok("operator", "POST", "/channels/default/hold", `{"note":"stop","until":"`+until+`"}`)
	assert.Contains(t, ok("reader", "GET", "/channels/default", "").body, until[:len(until)-1])
	assert.Contains(t, ok("reader", "GET", "/channels", "").body, `"held"`)
	ok("operator", "POST", "/channels/default/resume", "")
	ok("reader", "GET", "/channels/default/quota", "")
	assert.Contains(t, ok("reader", "GET", "/channels/default/log", "").body, `"cursor"`)
	ok("reader", "GET", "/tasks/order-1?wait=20s", "")
	s.live(t)

	for _, success := range s.successes() {
		assert.True(t, s.reached[success], "nothing has reached %s", success)
	}
}

// pushed sends through a gateway beside the API, and returns the message's id.
func (s *stage) pushed(t *testing.T) string {
	t.Helper()
	limiter, err := limit.New(limit.Config{Redis: s.rdb, Limits: limit.Limits{Off: true}})
	require.NoError(t, err)
	g, err := gateway.New(gateway.Config{
		Redis: s.rdb, Producer: s.q, Limiter: limiter,
		Channels: map[string]gateway.Channel{
			tasks.DefaultChannel: {CallerTokens: []string{"token"}, Token: lineapi.StaticToken("token")},
		},
	})
	require.NoError(t, err)
	r := httptest.NewRequest("POST", "/v2/bot/message/push",
		strings.NewReader(`{"to":"`+user+`","messages":[{"type":"text","text":"Hi"}]}`))
	r.Header.Set("Authorization", "Bearer token")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r.WithContext(t.Context()))
	var sent struct {
		SentMessages []struct{ ID string }
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &sent), w.Body)
	require.Len(t, sent.SentMessages, 1, w.Body)
	return sent.SentMessages[0].ID
}

// live reads an event of the live log, which doesn't end by itself.
func (s *stage) live(t *testing.T) {
	t.Helper()
	front := httptest.NewServer(s)
	defer front.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", front.URL+"/lineq/v1/channels/default/log/live", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer reader-key")
	r.Header.Set("Last-Event-ID", "0-0")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	events := bufio.NewScanner(resp.Body)
	for events.Scan() {
		if line, ok := strings.CutPrefix(events.Text(), "data: "); ok {
			s.isA(t, "Line", line)
			break
		}
	}
	require.NoError(t, events.Err())
	w := httptest.NewRecorder()
	w.Code = resp.StatusCode
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	s.check(t, httptest.NewRequest("GET", "http://lineq.test/lineq/v1/channels/default/log/live", nil), w)
}
