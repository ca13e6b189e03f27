package dashboard_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/producer"
)

func TestAsynq(t *testing.T) {
	s := newStage(t)
	s.push(t, "order-1", producer.After(time.Hour))
	const run = "asynq/api/queues/lineq-push-default/scheduled_tasks/default:order-1:run"
	assert.Equal(t, http.StatusSeeOther, s.visitor(t).get("asynq/").status)
	reader := s.as(t, "reader")
	assert.Contains(t, reader.see("asynq/api/queues"), "lineq-push-default")
	assert.Equal(t, http.StatusForbidden, reader.do(reader.request(http.MethodPost, run, "")).status)
	operator := s.as(t, "all")
	got := operator.do(operator.request(http.MethodPost, run, ""))
	assert.Less(t, got.status, 300, got.body)
}

// TestBrowserAsynq looks at a task in asynq's dashboard.
func TestBrowserAsynq(t *testing.T) {
	s := newStage(t)
	s.push(t, "order-1", producer.After(time.Hour))
	b := newTab(t, s, 1280, 800, "light")
	b.login()
	b.click(`nav a[href$="asynq/"]`)
	b.sees("a", "lineq-push-default")
	b.open("asynq/queues/lineq-push-default/tasks/default:order-1")
	b.sees("body", `"kind"`)
	b.sees("body", "U0123…cdef")
	assert.NotContains(t, look(t, b, chromedp.TextContent(chromedp.CSS("body"))), secret)
}
