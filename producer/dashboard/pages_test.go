package dashboard_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/tasks/schedule"
)

func (s *stage) decidedNow(t testing.TB, id string) tasks.Result {
	t.Helper()
	r, err := s.q.Result(t.Context(), id)
	require.NoError(t, err)
	return r
}

// everyPage is what can be looked at without changing anything.
var everyPage = []string{
	"", "channels", "channels/default", "channels/default/hold", "log", "log?outcome=failed", "tasks", "tasks/default/order",
	"tasks/default/order/cancel", "tasks/default/order/run", "schedules", "schedules/weekly/run", "schedules/weekly/remove", "login",
	"nothing/here",
}

var outside = regexp.MustCompile(`(?:https?:)?//[a-z0-9]`)

// TestNothingFromOutside: no byte that is served leads to another host, and nothing is inline that the policy forbids.
func TestNothingFromOutside(t *testing.T) {
	s := newStage(t)
	s.push(t, "order", producer.After(time.Hour))
	s.weekly(t)
	b := s.as(t, "all")
	for _, path := range append([]string{"assets/style.css", "assets/live.js"}, everyPage...) {
		body := b.get(path).body
		require.NotEmpty(t, body, path)
		assert.Empty(t, outside.FindAllString(body, -1), path)
		assert.NotRegexp(t, `<[^>]+ (style|on[a-z]+)=|<style|<script>`, body, path)
	}
	icon := b.get("assets/icon.svg").body
	assert.Equal(t, []string{"http://w"}, outside.FindAllString(icon, -1), "the name of SVG alone")
}

func (s *stage) weekly(t testing.TB) {
	t.Helper()
	_, err := s.q.Schedule(t.Context(), producer.Schedule{
		ID: "weekly", Cron: "0 9 * * MON", Zone: "Asia/Tokyo",
		Task: tasks.Push{To: user, Messages: []lineapi.Message{lineapi.Text(secret)}},
	})
	require.NoError(t, err)
}

// TestMasked: texts and ids are on no page unless asked for, and never as HTML.
func TestMasked(t *testing.T) {
	for name, o := range map[string]struct {
		settings []setting
		shown    bool
	}{"masked": {nil, false}, "shown": {[]setting{showContent}, true}} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, o.settings...)
			s.push(t, "order", producer.After(time.Hour))
			s.weekly(t)
			b := s.as(t, "all")
			for _, path := range everyPage {
				body := b.get(path).body
				assert.NotContains(t, body, "<script>alert", path)
				if !o.shown {
					assert.NotContains(t, body, user, path)
					assert.NotContains(t, body, "only the recipient", path)
				}
			}
			story := b.see("tasks/default/order")
			if o.shown {
				assert.Contains(t, story, user)
				assert.Contains(t, story, "&lt;script&gt;alert(1)&lt;/script&gt; that only the recipient may see")
				return
			}
			assert.Contains(t, story, "U0123…cdef", "it can be told from others")
			assert.Contains(t, story, "text: (62 characters)")
		})
	}
}

// TestTokens: what is good for one use at LINE is shown to nobody, whatever else is.
func TestTokens(t *testing.T) {
	s := newStage(t, showContent)
	const token = "0123456789abcdef-token-that-nobody-may-see"
	for id, task := range map[string]tasks.Task{
		"reply": tasks.Reply{ReplyToken: token, Messages: []lineapi.Message{lineapi.Text("hi")}},
		"read":  tasks.MarkAsRead{MarkAsReadToken: token},
	} {
		_, err := s.q.Enqueue(t.Context(), task, producer.ID(id))
		require.NoError(t, err)
	}
	_, err := s.q.Enqueue(t.Context(), tasks.LinkToken{UserID: user}, producer.ID("link"))
	require.NoError(t, err)
	s.work(t)
	link := s.decided(t, "link")
	require.Contains(t, string(link.Data), "linkToken")
	b := s.as(t, "all")
	for _, id := range []string{"reply", "read", "link"} {
		body := b.see("tasks/default/" + id)
		assert.NotContains(t, body, token, id)
		assert.NotContains(t, body, "linkToken", id)
	}
}

func TestOverview(t *testing.T) {
	s := newStage(t)
	s.push(t, "one")
	s.push(t, "two", producer.After(time.Hour))
	_, err := channel.Put(t.Context(), s.rdb, "shop", channel.Hold{Reason: lineapi.Auth, Note: "<b>401</b>", By: "worker"})
	require.NoError(t, err)
	b := s.as(t, "reader")
	body := b.see("")
	assert.Contains(t, body, "No worker lives, and tasks are waiting")
	assert.Contains(t, body, `<a href="./channels/shop">shop</a> is held: <strong>auth</strong>, “&lt;b&gt;401&lt;/b&gt;”`)
	assert.Regexp(t, `Ready to be sent</dt><dd>1</dd>`, body)
	assert.Regexp(t, `Wait for their time</dt><dd>1</dd>`, body)

	s.work(t)
	s.decided(t, "one")
	require.Eventually(t, func() bool {
		body := b.see("")
		return strings.Contains(body, "Workers</dt><dd>1</dd>") && strings.Contains(body, "<span>5,000</span>")
	}, 10*time.Second, 50*time.Millisecond, "the worker is seen, and the quota that LINE tells of")
	assert.Contains(t, b.see("channels/default"), "pushMessage")
}

func TestHoldAndResume(t *testing.T) {
	s := newStage(t)
	b := s.as(t, "all")
	assert.Equal(t, http.StatusNotFound, b.get("channels/nobody").status)
	assert.Equal(t, http.StatusNotFound, b.post("channels/nobody/hold", nil).status)
	assert.Contains(t, b.see("channels/default/hold"), "Hold default")

	got := b.post("channels/default/hold", url.Values{"note": {"a <script> of a note"}})
	require.Equal(t, http.StatusSeeOther, got.status)
	assert.Equal(t, "./../../channels/default?said=held", got.location)
	body := b.see("channels/default?said=held")
	assert.Contains(t, body, "The channel is held.")
	assert.Contains(t, body, "a &lt;script&gt; of a note")
	holds, err := channel.Holds(t.Context(), s.rdb, "default")
	require.NoError(t, err)
	require.Len(t, holds["default"], 1)
	assert.Equal(t, "API key all", holds["default"][0].By)
	assert.Contains(t, b.post("channels/default/hold", nil).location, "held-before")

	assert.Contains(t, b.see("channels/default/resume"), "operator since")
	assert.Contains(t, b.post("channels/default/resume", nil).location, "said=resumed")
	assert.Contains(t, b.post("channels/default/resume", nil).location, "not-held", "twice does no harm")
	assert.Contains(t, b.get("channels/default/resume").location, "not-held")
	assert.NotContains(t, b.see("channels/default?said=%3Cscript%3E"), "script&gt;", "only what is known is said")
}

func TestLog(t *testing.T) {
	s := newStage(t)
	records := record.New(s.rdb, record.Retention{})
	other := "U" + strings.Repeat("f", 32)
	for i := range 130 {
		l := record.Line{
			Channel: "default", ID: "task-" + string(rune('a'+i%26)), Kind: tasks.KindPush, Outcome: tasks.OutcomeSent, Attempts: 1,
			To: record.MarkOf(user),
		}
		if i%10 == 0 {
			l.Outcome, l.Reason, l.Error, l.To = tasks.OutcomeFailed, lineapi.Invalid, "<script>no</script>", record.MarkOf(other)
		}
		require.NoError(t, records.Log(t.Context(), l))
		require.NoError(t, records.Log(t.Context(), record.Line{
			Channel: "shop", ID: "of-shop", Kind: tasks.KindPush, Outcome: tasks.OutcomeSent, Attempts: 1,
		}))
	}
	require.NoError(t, channel.Register(t.Context(), s.rdb, "default", "shop"))
	b := s.as(t, "reader")
	rows := func(body string) int { return strings.Count(body, "<tr><td") }
	older := regexp.MustCompile(`href="\./(log\?[^"]+)" rel="next"`)
	all := func(path string) (n int) {
		for path != "" {
			body := b.see(path)
			assert.NotContains(t, body, "<script>no")
			n += rows(body)
			next := older.FindStringSubmatch(body)
			path = ""
			if next != nil {
				path = strings.ReplaceAll(next[1], "&amp;", "&")
			}
		}
		return n
	}
	assert.GreaterOrEqual(t, rows(b.see("log")), 50)
	assert.Equal(t, 260, all("log"), "each line stands on one page")
	assert.Equal(t, 130, all("log?channel=shop"))
	assert.Equal(t, 13, all("log?outcome=failed"))
	assert.Equal(t, 13, all("log?reason=invalid&channel=default"))
	assert.Equal(t, 5, all("log?id=task-a"))
	assert.Equal(t, 0, all("log?outcome=unknown"))

	got := b.post("log", url.Values{"recipient": {other}, "channel": {""}})
	require.Equal(t, http.StatusSeeOther, got.status)
	assert.NotContains(t, got.location, other, "an id doesn't belong into an address")
	assert.Equal(t, 13, all(strings.TrimPrefix(got.location, "./")))
	for _, entry := range s.logged.All() {
		assert.NotContains(t, entry.ContextMap(), other)
		for _, v := range entry.ContextMap() {
			assert.NotContains(t, v, other)
		}
	}
	for _, bad := range []string{"log?before=x", "log?to=%3Cscript%3E", "log?id=%20%20/", "log?channel=a%2Fb"} {
		assert.Equal(t, http.StatusBadRequest, b.get(bad).status, bad)
	}
	assert.Equal(t, http.StatusBadRequest, b.post("log", url.Values{"recipient": {"somebody"}}).status)
}

// TestStory follows a task that LINE refused at first, down to its outcome.
func TestStory(t *testing.T) {
	s := newStage(t)
	require.NoError(t, s.sim.SetFaults([]linesim.Fault{{Kind: linesim.FaultRefuse, Count: 2, Status: 503}}))
	s.push(t, "order")
	b := s.as(t, "all")
	body := b.see("tasks/default/order")
	assert.Contains(t, body, "Waits for a worker")
	s.work(t)
	r := s.decided(t, "order")
	require.Equal(t, tasks.OutcomeSent, r.Outcome)
	body = b.see("tasks/default/order")
	assert.Contains(t, body, "Attempt 1: server")
	assert.Contains(t, body, "Attempt 2: server")
	assert.Contains(t, body, "503 ")
	assert.Contains(t, body, "Sent: LINE accepted it")
	assert.Contains(t, body, r.RequestID)
	assert.NotContains(t, body, ">Run again<")
	assert.Equal(t, http.StatusConflict, b.get("tasks/default/order/run").status)
	assert.Contains(t, b.post("tasks/default/order/cancel", nil).location, "cancel-late")

	lines, err := record.New(s.rdb, record.Retention{}).LogTail(t.Context(), "default", 1)
	require.NoError(t, err)
	require.Len(t, lines, 1)
	assert.Equal(t, record.MarkOf(user), lines[0].To, "a worker's line is found by its recipient")
}

// TestCluster reads every page from a Redis Cluster, whose keys are on several nodes.
func TestCluster(t *testing.T) {
	s := stageOn(t, redistest.StartCluster(t).Client(t))
	s.push(t, "order", producer.After(time.Hour))
	s.push(t, "sent")
	s.weekly(t)
	s.work(t)
	s.decided(t, "sent")
	b := s.as(t, "all")
	for _, path := range everyPage {
		if path != "nothing/here" {
			b.see(path)
		}
	}
	assert.Contains(t, b.see("log"), ">sent</a>")
	assert.Contains(t, b.see("tasks"), ">order</a>")
	assert.Contains(t, b.post("channels/default/hold", nil).location, "said=held")
	assert.Contains(t, b.see(""), "is held")
}

func TestCancelAndRun(t *testing.T) {
	s := newStage(t)
	s.push(t, "order", producer.After(time.Hour))
	b := s.as(t, "all")
	body := b.see("tasks/default/order/cancel")
	for _, want := range []string{"default", "U0123…cdef", "up to 1 message"} {
		assert.Contains(t, body, want)
	}
	assert.Contains(t, b.post("tasks/default/order/cancel", nil).location, "said=cancelled")
	assert.Equal(t, tasks.OutcomeCancelled, s.decidedNow(t, "order").Outcome)
	assert.Contains(t, b.post("tasks/default/order/cancel", nil).location, "said=cancelled", "twice does no harm")
	assert.Contains(t, b.see("tasks/default/order"), ">Run again<")
	assert.Contains(t, b.post("tasks/default/order/run", nil).location, "said=run")
	s.work(t)
	assert.Equal(t, tasks.OutcomeSent, s.decided(t, "order").Outcome)
	for _, path := range []string{"tasks/default/nobody", "tasks/default/nobody/cancel"} {
		assert.Equal(t, http.StatusNotFound, b.get(path).status)
	}
	assert.Equal(t, http.StatusNotFound, b.post("tasks/default/nobody/cancel", nil).status)
	assert.Equal(t, http.StatusBadRequest, b.get("tasks/default/a%20b").status)
}

func TestSchedules(t *testing.T) {
	s := newStage(t)
	s.weekly(t)
	b := s.as(t, "all")
	body := b.see("schedules")
	assert.Contains(t, body, "0 9 * * MON")
	assert.Contains(t, body, "00:00:00", "nine in Tokyo")
	assert.Contains(t, b.post("schedules/weekly/pause", nil).location, "said=paused")
	assert.Contains(t, b.see("schedules?said=paused"), ">Resume<")
	assert.Contains(t, b.post("schedules/weekly/resume", nil).location, "said=schedule-resumed")
	assert.Contains(t, b.post("schedules/weekly/run", nil).location, "said=asked")
	assert.Contains(t, b.see("schedules"), "asked")
	assert.Contains(t, b.see("schedules/weekly/remove"), "Asia/Tokyo")
	assert.Contains(t, b.post("schedules/weekly/remove", nil).location, "said=removed")
	assert.Equal(t, http.StatusNotFound, b.post("schedules/weekly/remove", nil).status)
	_, err := s.q.ScheduleSummary(t.Context(), "weekly")
	assert.ErrorIs(t, err, schedule.ErrNotFound)
}

func TestErrors(t *testing.T) {
	s := newStage(t)
	b := s.as(t, "all")
	got := b.get("nothing")
	assert.Equal(t, http.StatusNotFound, got.status)
	assert.Contains(t, got.body, "There is no such page")
	require.NoError(t, s.rdb.Close())
	got = b.get("")
	assert.Equal(t, http.StatusServiceUnavailable, got.status)
	assert.Contains(t, got.body, "Redis doesn&#39;t answer")
	assert.NotEmpty(t, got.header.Get("Retry-After"))
}

// TestBelowAPrefix: whatever stands before /lineq/, in this process or in a proxy, the pages lead to one another.
func TestBelowAPrefix(t *testing.T) {
	s := newStage(t)
	b := s.as(t, "all")
	for _, path := range []string{"", "channels/default", "tasks", "nothing/at/all"} {
		for _, link := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(b.get(path).body, -1) {
			assert.False(t, strings.HasPrefix(link[1], "/"), "%s: %s", path, link[1])
		}
	}
}
