package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/campaign"
)

func userID(n int) string { return fmt.Sprintf("U%032x", n) }

// multicastTo writes the recipients before the messages, as SDKs do, or behind them.
func multicastTo(n int, text string, bad ...int) string {
	var b strings.Builder
	b.WriteString(`{"to":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		id := userID(i)
		for _, at := range bad {
			if i == at {
				id = "nobody"
			}
		}
		b.WriteString(`"` + id + `"`)
	}
	said, _ := json.Marshal(text)
	return b.String() + `],"messages":[{"type":"text","text":` + string(said) + `}]}`
}

func TestMulticastToMany(t *testing.T) {
	s := newStage(t)
	s.work(t)
	got := s.ask(t, post("/v2/bot/message/multicast", multicastTo(1201, "Hello {{name}} {{{ }}"), "X-Line-Retry-Key", key))
	require.Equal(t, http.StatusOK, got.status, got.body)
	assert.Equal(t, "{}", got.body)
	id := got.header.Get("X-Lineq-Campaign")
	assert.Equal(t, id, got.header.Get("X-Line-Request-Id"))

	again := s.ask(t, post("/v2/bot/message/multicast", multicastTo(1201, "Hello {{name}} {{{ }}"), "X-Line-Retry-Key", key))
	assert.Equal(t, http.StatusConflict, again.status)
	assert.Equal(t, id, again.header.Get("X-Line-Accepted-Request-Id"))
	for name, body := range map[string]string{
		"another message": multicastTo(1201, "Goodbye"), "other recipients": multicastTo(1200, "Hello {{name}} {{{ }}"),
		"few recipients": multicastTo(500, "Hello {{name}} {{{ }}"),
	} {
		other := s.ask(t, post("/v2/bot/message/multicast", body, "X-Line-Retry-Key", key))
		assert.Equal(t, http.StatusBadRequest, other.status, name)
	}

	require.Eventually(t, func() bool {
		sum, err := s.q.CampaignSummary(t.Context(), id)
		require.NoError(t, err)
		return sum.State == campaign.StateFinished
	}, 30e9, 20e6)
	for _, n := range []int{0, 600, 1200} {
		received := s.sim.Ledger().Received(userID(n))
		require.Len(t, received, 1)
		assert.JSONEq(t, `{"type":"text","text":"Hello {{name}} {{{ }}"}`, string(received[0].Messages[0]))
	}
}

func TestKeyOfFewIsNotThatOfMany(t *testing.T) {
	s := newStage(t)
	first := s.ask(t, post("/v2/bot/message/multicast", multicastTo(500, "x"), "X-Line-Retry-Key", key))
	require.Equal(t, http.StatusOK, first.status)
	many := s.ask(t, post("/v2/bot/message/multicast", multicastTo(501, "x"), "X-Line-Retry-Key", key))
	assert.Equal(t, http.StatusBadRequest, many.status)
}

// X-Lineq-Id and X-Lineq-At mean for a multicast to many what they mean for one to few.
func TestOwnHeadersOfMany(t *testing.T) {
	s := newStage(t)
	due := time.Now().Add(time.Hour).Truncate(time.Second)
	many := func(text string, n int, header ...string) response {
		return s.ask(t, post("/v2/bot/message/multicast", multicastTo(n, text), header...))
	}
	first := many("x", 600, "X-Lineq-Id", "sale", "X-Lineq-At", due.Format(time.RFC3339))
	require.Equal(t, http.StatusOK, first.status, first.body)
	assert.Equal(t, "sale", first.header.Get("X-Line-Request-Id"))
	assert.Equal(t, "sale", first.header.Get("X-Lineq-Campaign"))
	plan, err := campaign.New(s.rdb, campaign.Retention{}).Plan(t.Context(), "sale")
	require.NoError(t, err)
	assert.True(t, due.Equal(plan.At), plan.At)

	again := many("x", 600, "X-Lineq-Id", "sale", "X-Lineq-At", due.Format(time.RFC3339))
	assert.Equal(t, first.status, again.status, again.body)
	assert.Equal(t, first.header.Get("X-Lineq-Campaign"), again.header.Get("X-Lineq-Campaign"))
	for name, other := range map[string]response{
		"another message":  many("y", 600, "X-Lineq-Id", "sale"),
		"other recipients": many("x", 601, "X-Lineq-Id", "sale"),
		"few of them":      many("x", 500, "X-Lineq-Id", "sale"),
	} {
		assert.Equal(t, http.StatusBadRequest, other.status, name)
		assert.JSONEq(t, `{"message":"The X-Lineq-Id has been used for another request"}`, other.body, name)
	}
	assert.Zero(t, s.waiting(t))

	few := many("x", 500, "X-Lineq-Id", "few")
	require.Equal(t, http.StatusOK, few.status, few.body)
	assert.Equal(t, http.StatusBadRequest, many("x", 501, "X-Lineq-Id", "few").status)
	elsewhere := many("x", 500, "X-Lineq-Id", "sale", "Authorization", "Bearer for-callers-alone")
	assert.Equal(t, http.StatusOK, elsewhere.status, "another channel's ids are its own: %s", elsewhere.body)

	seconds := many("x", 600, "X-Lineq-At", strconv.FormatInt(due.Unix(), 10))
	require.Equal(t, http.StatusOK, seconds.status)
	plan, err = campaign.New(s.rdb, campaign.Retention{}).Plan(t.Context(), seconds.header.Get("X-Lineq-Campaign"))
	require.NoError(t, err)
	assert.True(t, due.Equal(plan.At))
	for name, value := range map[string]string{"X-Lineq-Id": "an id", "X-Lineq-At": "tomorrow", "X-Lineq-Urgent": "true"} {
		bad := many("x", 600, name, value)
		assert.Equal(t, http.StatusBadRequest, bad.status, name)
		assert.Contains(t, bad.body, name)
	}
	both := many("x", 600, "X-Lineq-Id", "a", "X-Line-Retry-Key", key)
	assert.Equal(t, http.StatusBadRequest, both.status)
	all, err := s.q.Campaigns(t.Context())
	require.NoError(t, err)
	assert.Len(t, all, 2)
}

func TestMulticastToAMillion(t *testing.T) {
	s := newStage(t)
	const million = 1_000_000
	one := s.ask(t, post("/v2/bot/message/multicast", multicastTo(million, "x", million-1)))
	assert.Equal(t, http.StatusBadRequest, one.status)
	assert.JSONEq(t, `{"message":"The property, to[999999], in the request body is invalid (line: -, column: -)"}`, one.body)
	more := s.ask(t, post("/v2/bot/message/multicast", multicastTo(million+1, "x")))
	assert.Equal(t, http.StatusBadRequest, more.status)
	assert.Contains(t, more.body, "Size must be between 1 and 1000000")
	all, err := s.q.Campaigns(t.Context())
	require.NoError(t, err)
	assert.Empty(t, all, "nobody is sent to")

	got := s.ask(t, post("/v2/bot/message/multicast", multicastTo(million, "x")))
	require.Equal(t, http.StatusOK, got.status, got.body)
	sum, err := s.q.CampaignSummary(t.Context(), got.header.Get("X-Lineq-Campaign"))
	require.NoError(t, err)
	assert.EqualValues(t, million, sum.Recipients)
}

func TestManyAreRefused(t *testing.T) {
	s := newStage(t)
	many := multicastTo(600, "x")
	long := multicastTo(80_000, "x") // beyond the 2 MB of other requests
	for name, c := range map[string]struct {
		r       request
		status  int
		message string
	}{
		"an empty text":         {post("", multicastTo(600, "")), 400, "The request body has 1 error(s)"},
		"an empty text of many": {post("", multicastTo(80_000, "")), 400, "The request body has 1 error(s)"},
		"cut":                   {post("", many[:len(many)-1]), 400, "could not be parsed"},
		"cut, and long":         {post("", long[:len(long)-1]), 400, "could not be parsed"},
		"more than JSON":        {post("", long+"x"), 400, "could not be parsed"},
		"an unknown property":   {post("", strings.Replace(long, "{", `{"subject":1,`, 1)), 400, "'subject'"},
		"no list":               {post("", `{"to":{},"messages":"`+strings.Repeat("x", 2<<20)+`"}`), 400, "'to'"},
		"no recipients":         {post("", `{"messages":"`+strings.Repeat("x", 2<<20)+`"}`), 413, ""},
		"in capitals":           {post("", strings.ToUpper(long)), 413, ""},
		"urgent":                {post("", many, "X-Lineq-Urgent", "1"), 400, "X-Lineq-Urgent"},
	} {
		t.Run(name, func(t *testing.T) {
			c.r.path = "/v2/bot/message/multicast"
			got := s.ask(t, c.r)
			assert.Equal(t, c.status, got.status, got.body)
			assert.Contains(t, got.body, c.message)
		})
	}
	all, err := s.q.Campaigns(t.Context())
	require.NoError(t, err)
	assert.Empty(t, all)
}
