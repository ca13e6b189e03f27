package gateway_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/tasks"
)

func messageIDs(t *testing.T, body string) (ids []string) {
	t.Helper()
	var v struct {
		SentMessages []struct{ ID string }
	}
	require.NoError(t, json.Unmarshal([]byte(body), &v), body)
	for _, m := range v.SentMessages {
		ids = append(ids, m.ID)
	}
	return ids
}

func TestPush(t *testing.T) {
	s := newStage(t)
	s.work(t)
	got := s.ask(t, post("/v2/bot/message/push", says(`{"type":"text","text":"one"},{"type":"text","text":"two"}`)))
	require.Equal(t, http.StatusOK, got.status, got.body)
	id := got.header.Get("X-Line-Request-Id")
	assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, id)
	ids := messageIDs(t, got.body)
	require.Len(t, ids, 2)
	for i, message := range ids {
		taskID, n, err := gateway.ParseMessageID(message)
		require.NoError(t, err)
		assert.Equal(t, id, taskID)
		assert.Equal(t, i, n)
	}
	assert.Equal(t, tasks.OutcomeSent, s.outcome(t, id).Outcome)
	received := s.sim.Ledger().Received(user)
	require.Len(t, received, 1)
	assert.Len(t, received[0].Messages, 2)
}

// What only LINE can know is accepted here, and ends in the record.
func TestWhatOnlyLINEKnows(t *testing.T) {
	s := newStage(t)
	s.work(t)
	require.NoError(t, s.sim.AddUser(linesim.User{ID: user, State: linesim.Unknown}))
	for name, r := range map[string]request{
		"an unknown user":     post("/v2/bot/message/push", hello),
		"a dead reply token":  post("/v2/bot/message/reply", `{"replyToken":"dead","messages":[{"type":"text","text":"x"}]}`),
		"an unknown menu":     post("/v2/bot/user/all/richmenu/"+menu, ""),
		"a menu without one":  post("/v2/bot/user/"+user+"/richmenu/"+menu, ""),
		"a menu for several":  post("/v2/bot/richmenu/bulk/link", `{"userIds":["`+user+`"],"richMenuId":"`+menu+`"}`),
		"an unknown audience": post("/v2/bot/message/narrowcast", `{"messages":[{"type":"text","text":"x"}],"recipient":{"type":"audience","audienceGroupId":1}}`),
	} {
		t.Run(name, func(t *testing.T) {
			got := s.ask(t, r)
			require.Equal(t, 2, got.status/100, got.body)
			result := s.outcome(t, got.header.Get("X-Line-Request-Id"))
			assert.Equal(t, tasks.OutcomeFailed, result.Outcome)
			assert.NotEmpty(t, result.Error)
		})
	}
}

func TestRetryKey(t *testing.T) {
	s := newStage(t)
	first := s.ask(t, post("/v2/bot/message/push", hello, "X-Line-Retry-Key", key))
	require.Equal(t, http.StatusOK, first.status, first.body)
	id := first.header.Get("X-Line-Request-Id")

	again := s.ask(t, post("/v2/bot/message/push", hello, "X-Line-Retry-Key", key))
	assert.Equal(t, http.StatusConflict, again.status)
	assert.Equal(t, id, again.header.Get("X-Line-Accepted-Request-Id"))
	assert.NotEqual(t, id, again.header.Get("X-Line-Request-Id"))
	assert.Equal(t, messageIDs(t, first.body), messageIDs(t, again.body))
	assert.Contains(t, again.body, `"message":"The retry key is already accepted"`)

	other := s.ask(t, post("/v2/bot/message/push", strings.Replace(hello, "Hello", "Goodbye", 1), "X-Line-Retry-Key", key))
	assert.Equal(t, http.StatusBadRequest, other.status)
	assert.Empty(t, other.header.Get("X-Line-Accepted-Request-Id"))

	// Another endpoint and another channel have keys of their own.
	multicast := `{"to":["` + user + `"],"messages":[{"type":"text","text":"Hello"}]}`
	assert.Equal(t, http.StatusOK, s.ask(t, post("/v2/bot/message/multicast", multicast, "X-Line-Retry-Key", key)).status)
	shop := post("/v2/bot/message/push", hello, "X-Line-Retry-Key", key, "Authorization", "Bearer for-callers-alone")
	assert.Equal(t, http.StatusOK, s.ask(t, shop).status)

	assert.Equal(t, 3, s.waiting(t))
	s.work(t)
	assert.Equal(t, tasks.OutcomeSent, s.outcome(t, id).Outcome)
	after := s.ask(t, post("/v2/bot/message/push", hello, "X-Line-Retry-Key", key))
	assert.Equal(t, http.StatusConflict, after.status, "when it is sent, too")
	for _, d := range s.sim.Ledger().Received(user) {
		assert.Equal(t, key, d.RetryKey, "the caller's key goes to LINE")
	}
}

// An app that has sent at LINE directly, and repeats at the gateway, doesn't send twice.
func TestRetryKeyThatLINEKnows(t *testing.T) {
	s := newStage(t)
	s.work(t)
	r := post("/v2/bot/message/push", hello, "X-Line-Retry-Key", key)
	require.Equal(t, http.StatusOK, ask(t, s.sim, r).status)
	got := s.ask(t, r)
	require.Equal(t, http.StatusOK, got.status)
	result := s.outcome(t, got.header.Get("X-Line-Request-Id"))
	assert.Equal(t, tasks.OutcomeSent, result.Outcome)
	assert.True(t, result.Replayed)
	assert.Equal(t, 1, s.sim.Ledger().Count(user))
}

func TestSameKeyAtTheSameTime(t *testing.T) {
	s := newStage(t)
	var all sync.WaitGroup
	statuses := make([]int, 50)
	for i := range statuses {
		all.Go(func() {
			statuses[i] = s.ask(t, post("/v2/bot/message/push", hello, "X-Line-Retry-Key", key)).status
		})
	}
	all.Wait()
	accepted := 0
	for _, status := range statuses {
		if status == http.StatusOK {
			accepted++
		} else {
			assert.Equal(t, http.StatusConflict, status)
		}
	}
	assert.Equal(t, 1, accepted)
	assert.Equal(t, 1, s.waiting(t))
}

func TestOwnHeaders(t *testing.T) {
	s := newStage(t)
	due := time.Now().Add(time.Hour).Truncate(time.Second)
	got := s.ask(t, post("/v2/bot/message/push", hello, "X-Lineq-Id", "order-4711", "X-Lineq-At", due.Format(time.RFC3339)))
	require.Equal(t, http.StatusOK, got.status, got.body)
	assert.Equal(t, "order-4711", got.header.Get("X-Line-Request-Id"))
	taskID, _, err := gateway.ParseMessageID(messageIDs(t, got.body)[0])
	require.NoError(t, err)
	assert.Equal(t, "order-4711", taskID)
	r, err := s.q.Result(t.Context(), "order-4711")
	require.NoError(t, err)
	assert.Equal(t, tasks.StateScheduled, r.State)
	assert.Equal(t, due.UTC(), *r.DueAt)

	again := s.ask(t, post("/v2/bot/message/push", hello, "X-Lineq-Id", "order-4711", "X-Lineq-At", due.Format(time.RFC3339)))
	assert.Equal(t, got.status, again.status)
	assert.Equal(t, got.body, again.body)
	other := post("/v2/bot/message/push", strings.Replace(hello, "Hello", "Goodbye", 1), "X-Lineq-Id", "order-4711")
	assert.Equal(t, http.StatusBadRequest, s.ask(t, other).status)

	urgent := s.ask(t, post("/v2/bot/message/push", hello, "X-Lineq-Urgent", "true"))
	require.Equal(t, http.StatusOK, urgent.status)
	found := false
	for r, err := range s.q.Tasks(t.Context(), producer.Filter{State: tasks.StateQueued}) {
		require.NoError(t, err)
		found = found || r.ID == urgent.header.Get("X-Line-Request-Id")
	}
	assert.True(t, found)
	n, err := s.rdb.LLen(t.Context(), "asynq:{lineq-urgent}:pending").Result()
	require.NoError(t, err)
	assert.EqualValues(t, 1, n)

	for name, value := range map[string]string{
		"X-Lineq-Id": "an id", "X-Lineq-At": "tomorrow", "X-Lineq-Urgent": "very",
	} {
		bad := s.ask(t, post("/v2/bot/message/push", hello, name, value))
		assert.Equal(t, http.StatusBadRequest, bad.status)
		assert.Contains(t, bad.body, name)
	}
	both := post("/v2/bot/message/push", hello, "X-Lineq-Id", "a", "X-Line-Retry-Key", key)
	assert.Equal(t, http.StatusBadRequest, s.ask(t, both).status)
}

func TestNarrowcastProgress(t *testing.T) {
	s := newStage(t)
	got := s.ask(t, post("/v2/bot/message/narrowcast", `{"messages":[{"type":"text","text":"x"}]}`))
	require.Equal(t, http.StatusAccepted, got.status)
	id := got.header.Get("X-Line-Request-Id")
	progress := request{http.MethodGet, "/v2/bot/message/progress/narrowcast?requestId=" + id, "", map[string]string{
		"Authorization": "Bearer " + token,
	}}
	before := s.ask(t, progress)
	require.Equal(t, http.StatusOK, before.status)
	assert.Contains(t, before.body, `"phase":"waiting"`)
	s.work(t)
	sent := s.outcome(t, id)
	require.Equal(t, tasks.OutcomeSent, sent.Outcome)
	after := s.ask(t, progress)
	assert.Equal(t, http.StatusOK, after.status, after.body)
	assert.NotEqual(t, id, sent.RequestID)

	unknown := progress
	unknown.path = "/v2/bot/message/progress/narrowcast?requestId=unknown"
	assert.Equal(t, http.StatusNotFound, s.ask(t, unknown).status, "LINE's own answer")
}

// No key of Redis tells a token, a retry key's owner or a recipient.
func TestKeysTellNothing(t *testing.T) {
	s := newStage(t)
	for _, r := range []request{
		post("/v2/bot/message/push", hello), post("/v2/bot/message/push", hello, "X-Line-Retry-Key", key),
		post("/v2/bot/message/reply", `{"replyToken":"reply-token","messages":[{"type":"text","text":"x"}]}`),
	} {
		require.Equal(t, http.StatusOK, s.ask(t, r).status)
	}
	keys, err := s.rdb.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	assert.NotEmpty(t, keys)
	for _, k := range keys {
		for _, secret := range []string{token, "reply-token", user, "Hello"} {
			assert.NotContains(t, k, secret)
		}
		assert.NotContains(t, stored(t, s.rdb, k), token, "what the caller calls with isn't stored")
	}
}

// stored is all that a key of Redis holds.
func stored(t *testing.T, rdb redis.UniversalClient, key string) string {
	t.Helper()
	kind, err := rdb.Type(t.Context(), key).Result()
	require.NoError(t, err)
	var v any
	switch kind {
	case "string":
		v, err = rdb.Get(t.Context(), key).Result()
	case "hash":
		v, err = rdb.HGetAll(t.Context(), key).Result()
	case "list":
		v, err = rdb.LRange(t.Context(), key, 0, -1).Result()
	case "set":
		v, err = rdb.SMembers(t.Context(), key).Result()
	case "zset":
		v, err = rdb.ZRange(t.Context(), key, 0, -1).Result()
	case "stream":
		v, err = rdb.XRange(t.Context(), key, "-", "+").Result()
	default:
		require.Fail(t, "no kind of value", kind)
	}
	require.NoError(t, err)
	return fmt.Sprint(v)
}
