package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/line/line-bot-sdk-go/v8/linebot/messaging_api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
)

// LINE's own SDK for Go, which decodes strictly: an answer that isn't LINE's is an error.
func TestGoSDK(t *testing.T) {
	s := newStage(t)
	s.work(t)
	front := httptest.NewServer(s)
	defer front.Close()
	bot, err := messaging_api.NewMessagingApiAPI(token, messaging_api.WithEndpoint(front.URL))
	require.NoError(t, err)
	texts := []messaging_api.MessageInterface{&messaging_api.TextMessage{Text: "Hello"}, &messaging_api.TextMessage{Text: "again"}}

	resp, push, err := bot.PushMessageWithHttpInfo(&messaging_api.PushMessageRequest{To: user, Messages: texts}, key)
	require.NoError(t, err)
	assert.Len(t, push.SentMessages, 2)
	assert.Equal(t, tasks.OutcomeSent, s.outcome(t, resp.Header.Get("X-Line-Request-Id")).Outcome)
	resp, _, err = bot.PushMessageWithHttpInfo(&messaging_api.PushMessageRequest{To: user, Messages: texts}, key)
	assert.ErrorContains(t, err, "409")
	assert.NotEmpty(t, resp.Header.Get("X-Line-Accepted-Request-Id"))

	replyToken, err := s.sim.NewReplyToken(linesim.DefaultChannel.ID, user)
	require.NoError(t, err)
	resp, reply, err := bot.ReplyMessageWithHttpInfo(&messaging_api.ReplyMessageRequest{ReplyToken: replyToken, Messages: texts})
	require.NoError(t, err)
	assert.Len(t, reply.SentMessages, 2)
	assert.Equal(t, tasks.OutcomeSent, s.outcome(t, resp.Header.Get("X-Line-Request-Id")).Outcome)

	for name, call := range map[string]func() (*http.Response, error){
		"multicast": func() (*http.Response, error) {
			resp, _, err := bot.MulticastWithHttpInfo(&messaging_api.MulticastRequest{To: []string{user}, Messages: texts}, "")
			return resp, err
		},
		"broadcast": func() (*http.Response, error) {
			resp, _, err := bot.BroadcastWithHttpInfo(&messaging_api.BroadcastRequest{Messages: texts}, "")
			return resp, err
		},
		"narrowcast": func() (*http.Response, error) {
			resp, _, err := bot.NarrowcastWithHttpInfo(&messaging_api.NarrowcastRequest{Messages: texts}, "")
			return resp, err
		},
		"loading": func() (*http.Response, error) {
			resp, _, err := bot.ShowLoadingAnimationWithHttpInfo(&messaging_api.ShowLoadingAnimationRequest{ChatId: user})
			return resp, err
		},
		"unlink": func() (*http.Response, error) {
			resp, _, err := bot.UnlinkRichMenuIdFromUserWithHttpInfo(user)
			return resp, err
		},
		"unlink many": func() (*http.Response, error) {
			resp, _, err := bot.UnlinkRichMenuIdFromUsersWithHttpInfo(&messaging_api.RichMenuBulkUnlinkRequest{UserIds: []string{user}})
			return resp, err
		},
		"no default": func() (*http.Response, error) {
			resp, _, err := bot.CancelDefaultRichMenuWithHttpInfo()
			return resp, err
		},
		"leave": func() (*http.Response, error) {
			resp, _, err := bot.LeaveRoomWithHttpInfo(room)
			return resp, err
		},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := call()
			require.NoError(t, err)
			assert.Equal(t, tasks.OutcomeSent, s.outcome(t, resp.Header.Get("X-Line-Request-Id")).Outcome)
		})
	}
	profile, err := bot.GetProfile(user)
	require.NoError(t, err)
	assert.Equal(t, user, profile.UserId)
	quota, err := bot.GetMessageQuota()
	require.NoError(t, err)
	assert.NotEmpty(t, quota.Type)
}

// A reply leaves for LINE soon after it has come. The figure is what the log of the test says; a busy machine must not fail.
func TestRepliesAreFast(t *testing.T) {
	s := stageOn(t, redistest.Start(t).Client(t))
	s.work(t)
	var took []time.Duration
	for range 200 {
		replyToken, err := s.sim.NewReplyToken(linesim.DefaultChannel.ID, user)
		require.NoError(t, err)
		start := time.Now()
		got := s.ask(t, post("/v2/bot/message/reply", `{"replyToken":"`+replyToken+`","messages":[{"type":"text","text":"x"}]}`))
		require.Equal(t, http.StatusOK, got.status)
		require.Equal(t, tasks.OutcomeSent, s.outcome(t, got.header.Get("X-Line-Request-Id")).Outcome)
		received := s.sim.Ledger().Received(user)
		took = append(took, received[len(received)-1].At.Sub(start))
	}
	slices.Sort(took)
	t.Logf("from a reply's arrival to LINE: p50 %s, p99 %s", took[len(took)/2], took[len(took)*99/100])
	assert.Less(t, took[len(took)/2], 100*time.Millisecond)
}
