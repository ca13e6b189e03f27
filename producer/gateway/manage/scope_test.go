package manage_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/producer/gateway/manage"
)

// scopes is what each operation needs; the empty scope is none.
var scopes = map[string]manage.Scope{
	"GET /openapi.yaml": "",

	"GET /tasks/{id}": manage.Read, "GET /messages/{id}": manage.Read,
	"POST /tasks/{id}/cancel": manage.Operate, "POST /tasks/{id}/run": manage.Send,

	"GET /campaigns": manage.Read, "POST /campaigns": manage.Send, "GET /campaigns/{id}": manage.Read,
	"POST /campaigns/{id}/pause": manage.Operate, "POST /campaigns/{id}/resume": manage.Operate,
	"POST /campaigns/{id}/cancel": manage.Operate, "POST /campaigns/{id}/retry": manage.Send,
	"GET /campaigns/{id}/failures": manage.Read, "GET /campaigns/{id}/rate": manage.Read, "GET /campaigns/{id}/export": manage.Read,

	"GET /schedules": manage.Read, "POST /schedules": manage.Send, "GET /schedules/{id}": manage.Read,
	"DELETE /schedules/{id}": manage.Operate, "POST /schedules/{id}/pause": manage.Operate,
	"POST /schedules/{id}/resume": manage.Operate, "POST /schedules/{id}/run": manage.Send,

	"GET /channels": manage.Read, "GET /channels/{channel}": manage.Read, "GET /channels/{channel}/quota": manage.Read,
	"POST /channels/{channel}/hold": manage.Operate, "POST /channels/{channel}/resume": manage.Operate,
	"GET /channels/{channel}/log": manage.Read, "GET /channels/{channel}/log/live": manage.Read,
}

// authorizations are the headers that callers may come with, and what their keys allow; nil: they are nobody's.
var authorizations = map[string][]manage.Scope{
	"Bearer all-key":                 {manage.Send, manage.Read, manage.Operate},
	"bearer all-key":                 {manage.Send, manage.Read, manage.Operate}, // a scheme's case says nothing
	"Bearer reader-key":              {manage.Read},
	"Bearer sender-key":              {manage.Send},
	"Bearer operator-key":            {manage.Operate},
	"":                               nil,
	"Bearer":                         nil,
	"Bearer ":                        nil,
	"Bearer nobody-key":              nil,
	"Bearer all-key ":                nil,
	"Bearer ALL-KEY":                 nil,
	"all-key":                        nil,
	"Basic all-key":                  nil,
	"Bearer all":                     nil, // a name is no key
	"Bearer " + keyFor("all").SHA256: nil, // nor is a hash
}

func TestScopes(t *testing.T) {
	s := newStage(t)
	for path, item := range s.doc.Paths.Map() {
		for method := range item.Operations() {
			operation := method + " " + path
			needs, known := scopes[operation]
			if !assert.True(t, known, "what does %s need?", operation) {
				continue
			}
			url := "/lineq/v1" + strings.NewReplacer("{id}", "none", "{channel}", "none").Replace(path)
			t.Run(operation, func(t *testing.T) { s.allows(t, method, url, needs) })
		}
	}
	t.Run("metrics", func(t *testing.T) { s.allows(t, "GET", "/metrics", manage.Read) })
	t.Run("nothing there", func(t *testing.T) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", "/lineq/v1/nothing", nil))
		assert.Equal(t, http.StatusNotFound, w.Code)
	})
}

// allows has every caller try an operation.
func (s *stage) allows(t *testing.T, method, url string, needs manage.Scope) {
	t.Helper()
	for authorization, has := range authorizations {
		r := httptest.NewRequest(method, url, nil)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r.WithContext(t.Context()))
		switch {
		case needs == "", slices.Contains(has, needs):
			assert.NotContains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, w.Code, "%q: %s", authorization, w.Body)
		case has == nil:
			assert.Equal(t, http.StatusUnauthorized, w.Code, authorization)
			assert.NotEmpty(t, w.Header().Get("WWW-Authenticate"))
			assert.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
		default:
			assert.Equal(t, http.StatusForbidden, w.Code, authorization)
			assert.Contains(t, w.Body.String(), "the scope "+string(needs))
		}
		assert.NotContains(t, w.Body.String(), "all-key")
	}
}
