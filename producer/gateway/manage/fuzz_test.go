package manage_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// Whatever comes in is answered as the document says, and never with "the queue is not available": Redis is there.
func FuzzRequests(f *testing.F) {
	s := newStage(f)
	s.Stop() // live logs end at once
	_, err := s.q.Enqueue(f.Context(), tasks.Push{To: user, Messages: []lineapi.Message{lineapi.Text("Hi")}}, producer.ID("order-1"))
	require.NoError(f, err)
	form := "--b\r\nContent-Disposition: form-data; name=\"campaign\"\r\n\r\n{\"id\":\"spring\",\"messages\":[{\"type\":\"text\",\"text\":\"Hi\"}]}\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"audience\"; filename=\"a.csv\"\r\n\r\nuser_id\n" + user + "\n\r\n--b--\r\n"
	for _, seed := range [][5]string{
		{"POST", "/campaigns", form, "multipart/form-data; boundary=b", "k"},
		{"POST", "/campaigns", form[:len(form)-20], "multipart/form-data; boundary=b", ""},
		{"POST", "/campaigns", form, "multipart/form-data", ""},
		{"POST", "/campaigns/spring/pause", "", "", "k"},
		{"POST", "/campaigns/spring/retry", `{"id":"again","unknown":true}`, "application/json", ""},
		{"GET", "/campaigns?cursor=x&limit=-1", "", "", ""},
		{"GET", "/campaigns/spring/export?format=xml", "", "", ""},
		{"GET", "/campaigns/spring/failures?limit=99999999999999999999", "", "", ""},
		{"POST", "/schedules", `{"id":"s","cron":"@every 1m","tz":"Asia/Tokyo","task":{"type":"push","to":"` + user + `"}}`, "application/json", ""},
		{"DELETE", "/schedules/%2e%2e", "", "", ""},
		{"POST", "/tasks/order-1/cancel", "{", "application/json", "key with spaces"},
		{"GET", "/tasks/order-1?channel=a%20b", "", "", ""},
		{"GET", "/messages/461000000000000001", "", "", ""},
		{"POST", "/channels/default/hold", `{"for":"-1h"}`, "application/json", ""},
		{"GET", "/channels/default/log?since=x&before=%00", "", "", ""},
		{"GET", "/channels/default/log/live", "", "", ""},
		{"GET", "/channels/a%20b/quota", "", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2], seed[3], seed[4])
	}
	f.Fuzz(func(t *testing.T, method, path, body, contentType, key string) {
		u, err := url.ParseRequestURI("http://lineq.test/lineq/v1" + path)
		if err != nil || u.Query().Has("wait") { // a stopped API refuses to wait
			t.Skip()
		}
		r := httptest.NewRequest(http.MethodPost, "http://lineq.test/", strings.NewReader(body))
		r.Method, r.URL = method, u
		r.Header.Set("Authorization", "Bearer all-key")
		r.Header.Set("Content-Type", contentType)
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r.WithContext(t.Context()))
		assert.Less(t, w.Code, http.StatusInternalServerError, w.Body)
		if w.Code < http.StatusMultipleChoices {
			s.check(t, r, w)
		}
	})
}
