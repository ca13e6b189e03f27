package manage_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

const user = "U0123456789abcdef0123456789abcdef"

func keyFor(name string, scopes ...manage.Scope) manage.Key {
	return manage.Key{Name: name, SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(name+"-key"))), Scopes: scopes}
}

// stage is the API on a Redis, with a simulated LINE. Every answer is checked against the document.
type stage struct {
	*manage.API
	mini    *miniredis.Miniredis // where it is one
	rdb     redis.UniversalClient
	q       *producer.Client
	sim     *linesim.Simulator
	client  *lineapi.Client
	doc     *openapi3.T
	router  routers.Router
	reached map[string]bool // answers that were as the document has them: method, path and status
}

func newStage(t testing.TB) *stage {
	mini, rdb := redistest.Mini(t)
	s := stageOn(t, rdb)
	s.mini = mini
	return s
}

func stageOn(t testing.TB, rdb redis.UniversalClient) *stage {
	sim, err := linesim.New(linesim.Config{Channels: []linesim.Channel{{
		ID: "1", Token: "token", Quota: linesim.Quota{Limit: 1000},
	}}})
	require.NoError(t, err)
	line := httptest.NewServer(sim)
	t.Cleanup(line.Close)
	client, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken("token"), Origin: line.URL, DataOrigin: line.URL})
	require.NoError(t, err)
	q, err := producer.New(producer.Config{Redis: rdb})
	require.NoError(t, err)
	api, err := manage.New(manage.Config{
		Redis: rdb, Producer: q, Clients: map[string]*lineapi.Client{tasks.DefaultChannel: client},
		Metrics: prometheus.NewRegistry(),
		Keys: []manage.Key{
			keyFor("all", manage.Send, manage.Read, manage.Operate), keyFor("reader", manage.Read),
			keyFor("sender", manage.Send), keyFor("operator", manage.Operate),
		},
	})
	require.NoError(t, err)
	doc, router := document(t)
	return &stage{
		API: api, rdb: rdb, q: q, sim: sim, client: client, doc: doc, router: router, reached: map[string]bool{},
	}
}

func (s *stage) work(t *testing.T) {
	t.Helper()
	w, err := worker.New(worker.Config{Redis: s.rdb, Channels: map[string]*lineapi.Client{tasks.DefaultChannel: s.client}})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.NoError(t, <-ended)
	})
}

type response struct {
	status int
	header http.Header
	body   string
}

// ask makes a request with the key of that name, and checks its answer against the document.
func (s *stage) ask(t *testing.T, key, method, path, body string, header ...string) response {
	t.Helper()
	r := httptest.NewRequest(method, "http://lineq.test/lineq/v1"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+key+"-key")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r.WithContext(t.Context()))
	s.check(t, r, w)
	return response{w.Code, w.Header(), w.Body.String()}
}

func TestTasks(t *testing.T) {
	s := newStage(t)
	ticket, err := s.q.Enqueue(t.Context(), tasks.Push{To: user, Messages: []lineapi.Message{lineapi.Text("Hi")}},
		producer.ID("order-1"))
	require.NoError(t, err)
	got := s.ask(t, "reader", "GET", "/tasks/order-1", "")
	assert.Equal(t, http.StatusOK, got.status)
	assert.Contains(t, got.body, `"state":"queued"`)
	waited := s.ask(t, "reader", "GET", "/tasks/order-1?wait=20ms", "")
	assert.Contains(t, waited.body, `"state":"queued"`, "when the time is over, it is as it is")

	cancelled := s.ask(t, "operator", "POST", "/tasks/order-1/cancel", "")
	assert.Contains(t, cancelled.body, `"outcome":"cancelled"`)
	run := s.ask(t, "sender", "POST", "/tasks/order-1/run", "")
	assert.Equal(t, http.StatusOK, run.status, run.body)
	s.work(t)
	sent := s.ask(t, "reader", "GET", "/tasks/order-1?wait=20s", "")
	assert.Contains(t, sent.body, `"outcome":"sent"`)
	again := s.ask(t, "sender", "POST", "/tasks/order-1/run", "")
	assert.Equal(t, http.StatusConflict, again.status)
	assert.Equal(t, "application/problem+json", again.header.Get("Content-Type"))
	assert.Equal(t, "order-1", ticket.ID)

	for path, status := range map[string]int{
		"/tasks/nothing": 404, "/tasks/order-1?channel=a%20b": 400, "/tasks/order-1?wait=1h": 400, "/messages/1": 404,
		"/messages/461000000000000001": 404, "/nothing": 404, "/tasks/a%20b": 400,
	} {
		assert.Equal(t, status, s.ask(t, "all", "GET", path, "").status, path)
	}
}

// form is the body of a new campaign.
func form(t *testing.T, order, audience string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, part := range [][2]string{{"campaign", order}, {"audience", audience}} {
		p, err := w.CreateFormField(part[0])
		require.NoError(t, err)
		_, err = io.WriteString(p, part[1])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.String(), w.FormDataContentType()
}

func (s *stage) create(t *testing.T, order, audience string, header ...string) response {
	t.Helper()
	body, contentType := form(t, order, audience)
	return s.ask(t, "sender", "POST", "/campaigns", body, append([]string{"Content-Type", contentType}, header...)...)
}

func TestCampaigns(t *testing.T) {
	s := newStage(t)
	const order = `{"id":"sale","messages":[{"type":"text","text":"Hi {{name}}"}]}`
	other := "Ufedcba9876543210fedcba9876543210"
	audience := "to,name\n" + user + ",Ann\nnobody,Bob\n" + other + ",Eve\n"
	got := s.create(t, order, audience)
	require.Equal(t, http.StatusCreated, got.status, got.body)
	assert.Contains(t, got.body, `"recipients":2`)
	assert.Contains(t, got.body, `"rejected_rows":[{"line":3`)
	assert.Equal(t, http.StatusOK, s.create(t, order, audience).status)
	assert.Equal(t, http.StatusConflict, s.create(t, strings.Replace(order, "Hi", "Ho", 1), audience).status)

	assert.Contains(t, s.ask(t, "operator", "POST", "/campaigns/sale/pause", `{"note":"wait"}`).body, `"state":"paused"`)
	require.NoError(t, s.sim.AddUser(linesim.User{ID: other, State: linesim.Unknown}))
	s.work(t)
	resumed := s.ask(t, "operator", "POST", "/campaigns/sale/resume", `{"max_failures":1}`)
	assert.Equal(t, http.StatusOK, resumed.status, resumed.body)
	require.Eventually(t, func() bool {
		sum, err := s.q.CampaignSummary(t.Context(), "sale")
		require.NoError(t, err)
		return sum.State == campaign.StateFinishedWithFailures
	}, 20*time.Second, 20*time.Millisecond)
	assert.Contains(t, s.ask(t, "reader", "GET", "/campaigns/sale", "").body, `"failed":1`)
	rate := s.ask(t, "reader", "GET", "/campaigns/sale/rate", "").body
	assert.Regexp(t, `^{"id":"sale","start":"20[^"]+Z","bucket_seconds":1,"decided":\[[0-9,]+\],"recent_per_second":[0-9.]+}`, rate)
	assert.Equal(t, 404, s.ask(t, "reader", "GET", "/campaigns/nothing/rate", "").status)
	assert.Contains(t, s.ask(t, "reader", "GET", "/campaigns", "").body, `"id":"sale"`)
	assert.Contains(t, s.ask(t, "reader", "GET", "/campaigns?channel=shop", "").body, `"campaigns":[]`)
	failures := s.ask(t, "reader", "GET", "/campaigns/sale/failures", "").body
	assert.Contains(t, failures, other)
	assert.NotContains(t, failures, user)
	export := s.ask(t, "reader", "GET", "/campaigns/sale/export", "")
	assert.Equal(t, "text/csv", export.header.Get("Content-Type"))
	assert.Equal(t, 3, strings.Count(export.body, "\n"))
	objects := s.ask(t, "reader", "GET", "/campaigns/sale/export", "", "Accept", "application/x-ndjson").body
	assert.Equal(t, 2, strings.Count(objects, "\n"))

	retried := s.ask(t, "sender", "POST", "/campaigns/sale/retry", `{}`)
	assert.Equal(t, http.StatusCreated, retried.status, retried.body)
	assert.Equal(t, http.StatusConflict, s.ask(t, "operator", "POST", "/campaigns/sale/cancel", "").status)
	assert.Equal(t, http.StatusNotFound, s.ask(t, "operator", "POST", "/campaigns/none/cancel", "").status)
}

func TestCampaignsThatAreNone(t *testing.T) {
	s := newStage(t)
	const order, audience = `{"messages":[{"type":"text","text":"Hi"}]}`, "to\n" + user + "\n"
	for name, c := range map[string]struct {
		order, audience string
		status          int
	}{
		"no messages":       {`{}`, audience, 422},
		"an empty text":     {`{"messages":[{"type":"text","text":""}]}`, audience, 422},
		"no message":        {`{"messages":["Hi"]}`, audience, 422},
		"another field":     {`{"subject":"Hi"}`, audience, 400},
		"no JSON":           {`Hi`, audience, 400},
		"a time":            {`{"at":"tomorrow","messages":[{"type":"text","text":"Hi"}]}`, audience, 400},
		"hours":             {`{"window":"9-5","messages":[{"type":"text","text":"Hi"}]}`, audience, 400},
		"an id":             {`{"id":"a b","messages":[{"type":"text","text":"Hi"}]}`, audience, 400},
		"no column to":      {order, "name\nAnn\n", 422},
		"no usable row":     {order, "to\nnobody\n", 422},
		"a row, and strict": {`{"strict":true,"messages":[{"type":"text","text":"Hi"}]}`, audience + "nobody\n", 422},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.create(t, c.order, c.audience)
			assert.Equal(t, c.status, got.status, got.body)
		})
	}
	assert.Equal(t, 415, s.ask(t, "sender", "POST", "/campaigns", order).status)
	all, err := s.q.Campaigns(t.Context())
	require.NoError(t, err)
	assert.Empty(t, all)
}

// A Redis that is nearly full takes no more campaigns, and everything else of the API goes on: it helps to make room.
func TestRedisFull(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	s := stageOn(t, rdb)
	const order, audience = `{"id":"sale","messages":[{"type":"text","text":"Hi"}]}`, "to\n" + user + "\n"
	require.Equal(t, http.StatusCreated, s.create(t, order, audience).status)
	require.NoError(t, rdb.ConfigSet(t.Context(), "maxmemory", "1mb").Err())
	refused := s.create(t, strings.Replace(order, "sale", "other", 1), audience)
	assert.Equal(t, http.StatusServiceUnavailable, refused.status)
	assert.Contains(t, refused.body, "Redis is nearly full")
	assert.NotEmpty(t, refused.header.Get("Retry-After"))
	assert.Equal(t, http.StatusOK, s.ask(t, "reader", "GET", "/campaigns/sale", "").status)
	require.NoError(t, rdb.ConfigSet(t.Context(), "maxmemory", "0").Err())
	assert.Equal(t, http.StatusCreated, s.create(t, strings.Replace(order, "sale", "other", 1), audience).status)
}

func TestChannels(t *testing.T) {
	s := newStage(t)
	assert.Contains(t, s.ask(t, "reader", "GET", "/channels", "").body, `"channel":"default","state":"running"`)
	until := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	held := s.ask(t, "operator", "POST", "/channels/default/hold", `{"note":"stop","until":"`+until+`"}`)
	assert.Contains(t, held.body, `"reason":"operator"`)
	assert.Contains(t, held.body, `"by":"API key operator"`)
	assert.Contains(t, s.ask(t, "reader", "GET", "/channels/default", "").body, `"state":"held"`)
	assert.Contains(t, s.ask(t, "operator", "POST", "/channels/default/resume", `{"reason":"operator"}`).body, `"state":"running"`)
	assert.JSONEq(t, `{"limit":1000,"used":0,"left":1000}`, s.ask(t, "reader", "GET", "/channels/default/quota", "").body)
	for path, status := range map[string]int{"/channels/none": 404, "/channels/none/quota": 404, "/channels/a%20b": 400} {
		assert.Equal(t, status, s.ask(t, "reader", "GET", path, "").status, path)
	}
	assert.Equal(t, 400, s.ask(t, "operator", "POST", "/channels/default/resume", `{"reason":"x"}`).status)
	assert.Equal(t, 400, s.ask(t, "operator", "POST", "/channels/default/hold", `{"until":"x"}`).status)
	assert.Equal(t, 400, s.ask(t, "operator", "POST", "/channels/default/hold", `{"x":1}`).status)
}

func TestSchedules(t *testing.T) {
	s := newStage(t)
	const weekly = `{"id":"weekly","cron":"0 9 * * MON","tz":"Asia/Tokyo","kind":"push",
		"task":{"to":"` + user + `","messages":[{"type":"text","text":"A new week"}]}}`
	made := s.ask(t, "sender", "POST", "/schedules", weekly)
	require.Equal(t, http.StatusOK, made.status, made.body)
	assert.Contains(t, made.body, `"missed":"run_once"`)
	assert.Equal(t, made.body, s.ask(t, "sender", "POST", "/schedules", weekly).body, "the same again changes nothing")
	assert.Equal(t, 409, s.ask(t, "sender", "POST", "/schedules", strings.Replace(weekly, "MON", "TUE", 1)).status)
	club := s.ask(t, "sender", "POST", "/schedules", `{"id":"club","cron":"@daily","tz":"Asia/Tokyo","channel":"shop",
		"campaign":{"messages":[{"type":"text","text":"Hi {{name}}"}]},"audience":"/srv/members.csv"}`)
	assert.Equal(t, http.StatusOK, club.status, club.body)

	assert.Contains(t, s.ask(t, "reader", "GET", "/schedules", "").body, `"id":"club"`)
	assert.NotContains(t, s.ask(t, "reader", "GET", "/schedules?channel=default", "").body, `"id":"club"`)
	assert.Contains(t, s.ask(t, "operator", "POST", "/schedules/weekly/pause", "").body, `"paused":true`)
	assert.Contains(t, s.ask(t, "reader", "GET", "/schedules/weekly", "").body, `"paused":true`)
	assert.Contains(t, s.ask(t, "operator", "POST", "/schedules/weekly/resume", "").body, `"paused":false`)
	s.work(t)
	assert.Equal(t, http.StatusOK, s.ask(t, "sender", "POST", "/schedules/weekly/run", "").status)
	require.Eventually(t, func() bool {
		return strings.Contains(s.ask(t, "reader", "GET", "/schedules/weekly", "").body, `"outcome":"sent"`)
	}, 20*time.Second, 20*time.Millisecond)
	assert.Equal(t, 1, s.sim.Ledger().Count(user))
	assert.Equal(t, 204, s.ask(t, "operator", "DELETE", "/schedules/weekly", "").status)
	assert.Equal(t, 404, s.ask(t, "reader", "GET", "/schedules/weekly", "").status)

	for name, body := range map[string]string{
		"neither": `{"id":"a","cron":"@daily"}`, "a cron": strings.Replace(weekly, "MON", "SOON", 1),
		"a command": `{"id":"a","cron":"@daily","command":"ls"}`, "an unknown kind": strings.Replace(weekly, `"push"`, `"pull"`, 1),
		"a time":  strings.Replace(weekly, `"kind"`, `"expire":"soon","kind"`, 1),
		"an id":   strings.Replace(weekly, `"weekly"`, `"a b"`, 1),
		"no user": strings.Replace(weekly, user, "all", 1),
		"a path":  `{"id":"a","cron":"@daily","campaign":{"messages":[{"type":"text","text":"Hi"}]},"audience":"members.csv"}`,
	} {
		got := s.ask(t, "sender", "POST", "/schedules", body)
		assert.Contains(t, []int{400, 422}, got.status, name+": "+got.body)
	}
	assert.Equal(t, 403, s.ask(t, "sender", "DELETE", "/schedules/club", "").status)
	assert.Equal(t, 400, s.ask(t, "reader", "GET", "/schedules/a%20b", "").status)
}

func TestLog(t *testing.T) {
	s := newStage(t)
	front := httptest.NewServer(s)
	defer front.Close()
	live := func(last string) *bufio.Scanner {
		req, err := http.NewRequestWithContext(t.Context(), "GET", front.URL+"/lineq/v1/channels/default/log/live", nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer reader-key")
		req.Header.Set("Last-Event-ID", last)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		t.Cleanup(func() { _ = resp.Body.Close() })
		require.Equal(t, "text/event-stream", resp.Header.Get("Content-Type"))
		lines := bufio.NewScanner(resp.Body)
		require.True(t, lines.Scan())
		return lines
	}
	events := live("")
	for range 3 {
		_, err := s.q.Push(t.Context(), user, lineapi.Text("Hi"))
		require.NoError(t, err)
	}
	s.work(t)
	var cursors []string
	for len(cursors) < 3 && events.Scan() {
		if id, ok := strings.CutPrefix(events.Text(), "id: "); ok {
			cursors = append(cursors, id)
		}
	}
	require.Len(t, cursors, 3)
	again := live(cursors[1])
	for again.Scan() && !strings.HasPrefix(again.Text(), "id: ") {
	}
	assert.Equal(t, "id: "+cursors[2], again.Text(), "who comes back misses nothing")

	var page struct {
		Lines []struct{ Cursor, Outcome string }
		Next  string
	}
	read := func(query string) {
		t.Helper()
		require.NoError(t, json.Unmarshal([]byte(s.ask(t, "reader", "GET", "/channels/default/log"+query, "").body), &page))
	}
	read("?after=&limit=2")
	assert.Len(t, page.Lines, 2)
	assert.Equal(t, cursors[1], page.Next)
	read("?after=" + page.Next)
	assert.Len(t, page.Lines, 1)
	read("?limit=1")
	assert.Equal(t, cursors[2], page.Lines[0].Cursor)
	for _, query := range []string{"?limit=0", "?limit=1001", "?limit=x", "?after=x"} {
		assert.Equal(t, 400, s.ask(t, "reader", "GET", "/channels/default/log"+query, "").status)
	}
	s.Stop()
	for events.Scan() {
	}
	assert.NoError(t, events.Err(), "a live log ends when the process does")
}

func TestKeys(t *testing.T) {
	s := newStage(t)
	for name, keys := range map[string][]manage.Key{
		"has no name":             {{SHA256: strings.Repeat("a", 64), Scopes: []manage.Scope{manage.Read}}},
		"two keys":                {keyFor("a", manage.Read), keyFor("a", manage.Read)},
		"64 hexadecimal digits":   {{Name: "a", SHA256: "secret", Scopes: []manage.Scope{manage.Read}}},
		"has no scopes":           {keyFor("a")},
		"they are send, read and": {keyFor("a", "write")},
	} {
		_, err := manage.New(manage.Config{Redis: s.rdb, Producer: s.q, Keys: keys})
		assert.ErrorContains(t, err, name)
		assert.NotContains(t, err.Error(), "secret")
	}
}
