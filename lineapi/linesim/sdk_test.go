package linesim_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/line/line-bot-sdk-go/v8/linebot/channel_access_token"
	"github.com/line/line-bot-sdk-go/v8/linebot/messaging_api"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

// LINE's official SDK is a client that this repository has no hand in: if it works, the simulator isn't merely the mirror
// of our own.
func TestOfficialSDK(t *testing.T) {
	l := start(t, linesim.Config{Limits: linesim.Limits{Burst: time.Hour}})
	server := httptest.NewServer(l)
	defer server.Close()
	bot, err := messaging_api.NewMessagingApiAPI("simulated-token", messaging_api.WithEndpoint(server.URL))
	require.NoError(t, err)
	blob, err := messaging_api.NewMessagingApiBlobAPI("simulated-token", messaging_api.WithBlobEndpoint(server.URL))
	require.NoError(t, err)
	hello := []messaging_api.MessageInterface{&messaging_api.TextMessage{Text: "hello"}}

	t.Run("push", func(t *testing.T) {
		request := &messaging_api.PushMessageRequest{To: user(1), Messages: hello}
		_, first, err := bot.PushMessageWithHttpInfo(request, key1)
		require.NoError(t, err)
		require.Len(t, first.SentMessages, 1)
		assert.NotEmpty(t, first.SentMessages[0].QuoteToken)
		assert.Equal(t, 1, l.Ledger().Count(user(1)))

		response, _, err := bot.PushMessageWithHttpInfo(request, key1)
		assert.ErrorContains(t, err, "409")
		assert.NotEmpty(t, response.Header.Get("X-Line-Accepted-Request-Id"))
		assert.Equal(t, 1, l.Ledger().Count(user(1)))

		_, err = bot.PushMessage(&messaging_api.PushMessageRequest{To: "nobody", Messages: hello}, "")
		assert.ErrorContains(t, err, "400")
	})
	t.Run("messages of many types", func(t *testing.T) {
		yes := &messaging_api.MessageAction{Label: "Yes", Text: "yes"}
		_, err := bot.PushMessage(&messaging_api.PushMessageRequest{To: group(1), Messages: []messaging_api.MessageInterface{
			&messaging_api.TextMessage{Text: "a", QuickReply: &messaging_api.QuickReply{
				Items: []messaging_api.QuickReplyItem{{Action: yes}},
			}},
			&messaging_api.StickerMessage{PackageId: "446", StickerId: "1988"},
			&messaging_api.ImageMessage{OriginalContentUrl: "https://example.com/a.png", PreviewImageUrl: "https://example.com/b.png"},
			&messaging_api.TemplateMessage{AltText: "t", Template: &messaging_api.ConfirmTemplate{
				Text: "Sure?", Actions: []messaging_api.ActionInterface{yes, yes},
			}},
			&messaging_api.FlexMessage{AltText: "f", Contents: &messaging_api.FlexBubble{Body: &messaging_api.FlexBox{
				Layout:   messaging_api.FlexBoxLAYOUT_VERTICAL,
				Contents: []messaging_api.FlexComponentInterface{&messaging_api.FlexText{Text: "hi"}},
			}}},
		}}, "")
		require.NoError(t, err)
		assert.Len(t, l.Ledger().Received(group(1))[0].Messages, 5)
	})
	t.Run("multicast", func(t *testing.T) {
		_, err := bot.Multicast(&messaging_api.MulticastRequest{To: []string{user(10), user(11)}, Messages: hello}, key2)
		require.NoError(t, err)
		assert.Equal(t, 1, l.Ledger().Count(user(11)))
	})
	t.Run("reply", func(t *testing.T) {
		token, err := l.NewReplyToken("1234567890", user(12))
		require.NoError(t, err)
		request := &messaging_api.ReplyMessageRequest{ReplyToken: token, Messages: hello}
		sent, err := bot.ReplyMessage(request)
		require.NoError(t, err)
		assert.NotEmpty(t, sent.SentMessages[0].Id)
		_, err = bot.ReplyMessage(request)
		assert.ErrorContains(t, err, "Invalid reply token")
	})
	t.Run("narrowcast", func(t *testing.T) {
		befriend(t, l, 120)
		request := &messaging_api.NarrowcastRequest{
			Messages: hello,
			Filter:   &messaging_api.Filter{Demographic: &messaging_api.AgeDemographicFilter{Gte: "age_20"}},
			Limit:    &messaging_api.Limit{Max: 100},
		}
		response, _, err := bot.NarrowcastWithHttpInfo(request, key1)
		require.NoError(t, err)
		id := response.Header.Get("X-Line-Request-Id")
		progress, err := bot.GetNarrowcastProgress(id)
		require.NoError(t, err)
		assert.EqualValues(t, "waiting", progress.Phase)
		l.clock.advance(2 * time.Second)
		progress, err = bot.GetNarrowcastProgress(id)
		require.NoError(t, err)
		assert.EqualValues(t, "succeeded", progress.Phase)
		assert.EqualValues(t, 100, progress.SuccessCount)
	})
	t.Run("rich menu", func(t *testing.T) {
		menu, err := bot.CreateRichMenu(&messaging_api.RichMenuRequest{
			Size: &messaging_api.RichMenuSize{Width: 2500, Height: 843}, Name: "m", ChatBarText: "Tap",
			Areas: []messaging_api.RichMenuArea{{
				Bounds: &messaging_api.RichMenuBounds{Width: 2500, Height: 843},
				Action: &messaging_api.UriAction{Uri: "https://example.com/"},
			}},
		})
		require.NoError(t, err)
		picture := []byte(pngImage(t, 2500, 843))
		_, err = blob.SetRichMenuImage(menu.RichMenuId, "image/png", bytes.NewReader(picture))
		require.NoError(t, err)
		_, err = bot.LinkRichMenuIdToUser(user(1), menu.RichMenuId)
		require.NoError(t, err)
		linked, err := bot.GetRichMenuIdOfUser(user(1))
		require.NoError(t, err)
		assert.Equal(t, menu.RichMenuId, linked.RichMenuId)
		downloaded, err := blob.GetRichMenuImage(menu.RichMenuId)
		require.NoError(t, err)
		defer downloaded.Body.Close()
		data, err := io.ReadAll(downloaded.Body)
		require.NoError(t, err)
		assert.Equal(t, picture, data)
		_, err = bot.LinkRichMenuIdToUsers(&messaging_api.RichMenuBulkLinkRequest{
			RichMenuId: menu.RichMenuId, UserIds: []string{user(2), user(3)},
		})
		require.NoError(t, err)
		_, err = bot.SetDefaultRichMenu(menu.RichMenuId)
		require.NoError(t, err)
		_, err = bot.CreateRichMenuAlias(&messaging_api.CreateRichMenuAliasRequest{RichMenuAliasId: "main", RichMenuId: menu.RichMenuId})
		require.NoError(t, err)
		_, err = bot.RichMenuBatch(&messaging_api.RichMenuBatchRequest{Operations: []messaging_api.RichMenuBatchOperationInterface{
			&messaging_api.RichMenuBatchUnlinkAllOperation{},
		}})
		require.NoError(t, err)
		list, err := bot.GetRichMenuList()
		require.NoError(t, err)
		require.Len(t, list.Richmenus, 1)
		assert.Equal(t, "Tap", list.Richmenus[0].ChatBarText)
		_, err = bot.DeleteRichMenu(menu.RichMenuId)
		require.NoError(t, err)
	})
	t.Run("people", func(t *testing.T) {
		profile, err := bot.GetProfile(user(1))
		require.NoError(t, err)
		assert.NotEmpty(t, profile.DisplayName)
		var members []string
		for i := range 101 {
			members = append(members, user(i))
		}
		require.NoError(t, l.AddChat(linesim.Chat{ID: group(9), Members: members}))
		page, err := bot.GetGroupMembersIds(group(9), "")
		require.NoError(t, err)
		rest, err := bot.GetGroupMembersIds(group(9), page.Next)
		require.NoError(t, err)
		assert.Equal(t, members, append(page.MemberIds, rest.MemberIds...))
		_, err = bot.GetFollowers("", 0)
		require.NoError(t, err)
		_, err = bot.IssueLinkToken(user(1))
		require.NoError(t, err)
		_, err = bot.ShowLoadingAnimation(&messaging_api.ShowLoadingAnimationRequest{ChatId: user(1), LoadingSeconds: 5})
		require.NoError(t, err)
	})
	t.Run("content", func(t *testing.T) {
		id, err := l.AddContent("1234567890", linesim.Content{MediaType: "image/jpeg", Data: []byte("jpeg")})
		require.NoError(t, err)
		got, err := blob.GetMessageContent(id)
		require.NoError(t, err)
		defer got.Body.Close()
		data, err := io.ReadAll(got.Body)
		require.NoError(t, err)
		assert.Equal(t, "jpeg", string(data))
		status, err := blob.GetMessageContentTranscodingByMessageId(id)
		require.NoError(t, err)
		assert.EqualValues(t, "succeeded", status.Status)
	})
	t.Run("tokens", func(t *testing.T) {
		tokens, err := channel_access_token.NewChannelAccessTokenAPI(channel_access_token.WithEndpoint(server.URL))
		require.NoError(t, err)
		short, err := tokens.IssueChannelToken("client_credentials", "1234567890", "simulated-secret")
		require.NoError(t, err)
		verified, err := tokens.VerifyChannelToken(short.AccessToken)
		require.NoError(t, err)
		assert.Equal(t, "1234567890", verified.ClientId)
		stateless, err := tokens.IssueStatelessChannelToken("client_credentials", "", "", "1234567890", "simulated-secret")
		require.NoError(t, err)
		byJWT, err := tokens.IssueChannelTokenByJWT("client_credentials", assertionType, assertion(nil, "kid", l.claims(60)))
		require.NoError(t, err)
		for _, token := range []string{short.AccessToken, stateless.AccessToken, byJWT.AccessToken} {
			other, err := messaging_api.NewMessagingApiAPI(token, messaging_api.WithEndpoint(server.URL))
			require.NoError(t, err)
			_, err = other.GetBotInfo()
			assert.NoError(t, err)
		}
		response, _, _ := tokens.RevokeChannelTokenWithHttpInfo(short.AccessToken) // it takes the empty body for an error
		assert.Equal(t, http.StatusOK, response.StatusCode)
		_, err = tokens.VerifyChannelToken(short.AccessToken)
		assert.Error(t, err)
	})
}
