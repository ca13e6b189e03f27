package lineapi_test

import (
	"context"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
)

const (
	jsonType = "application/json"
	hello    = `{"type":"text","text":"hello"}`
)

func contentOf(c lineapi.Content, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	defer c.Body.Close()
	body, err := io.ReadAll(c.Body)
	return []any{string(body), c.ContentType, c.Length}, err
}

var (
	requestID = map[string]string{"X-Line-Request-Id": "req-1"}
	receipt   = lineapi.Receipt{RequestID: "req-1"}
	accepted  = time.Date(2020, 12, 3, 10, 15, 30, 121e6, time.UTC)
)

// methodCases are calls by name, each with the one request that it makes and what it gives.
type methodCases map[string]methodCase

type methodCase struct {
	exchange exchange
	call     func(ctx context.Context, c *lineapi.Client) (any, error)
	want     any
}

func (cases methodCases) run(t *testing.T) {
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := tt.call(t.Context(), clientFor(t, tt.exchange))
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

// TestMethods has one request for each method: what is sent, and what becomes of the answer.
func TestMethods(t *testing.T) {
	day := time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC) // the 23rd in UTC+9

	methodCases{
		"push": {
			exchange{
				method: "POST", uri: "/v2/bot/message/push", contentType: jsonType, retryKey: key,
				body: `{"to":"` + userID + `","messages":[` + hello + `,{ "type":"new", "x":"<&>" }],` +
					`"notificationDisabled":true,"customAggregationUnits":["sale_1"]}`,
				header: requestID,
				answer: `{"sentMessages":[{"id":"461230966842064897","quoteToken":"q"},{"id":461230966842064898}]}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				tomorrow, err := lineapi.MessageOf(json.RawMessage(`{ "type":"new", "x":"<&>" }`))
				require.NoError(t, err)
				return c.Push(ctx, lineapi.PushRequest{
					To: userID, Messages: []lineapi.Message{lineapi.Text("hello"), tomorrow},
					NotificationDisabled: true, CustomAggregationUnits: []string{"sale_1"}, RetryKey: key,
				})
			},
			lineapi.Receipt{RequestID: "req-1", SentMessages: []lineapi.SentMessage{
				{ID: "461230966842064897", QuoteToken: "q"}, {ID: "461230966842064898"},
			}},
		},
		"push without options to a group": {
			exchange{
				method: "POST", uri: "/v2/bot/message/push", contentType: jsonType,
				body: `{"to":"` + groupID + `","messages":[` + hello + `]}`, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.Push(ctx, lineapi.PushRequest{To: groupID, Messages: texts("hello")})
			},
			lineapi.Receipt{},
		},
		"push replayed": {
			exchange{
				method: "POST", uri: "/v2/bot/message/push", contentType: jsonType, retryKey: key,
				body: `{"to":"` + roomID + `","messages":[` + hello + `]}`, status: 409,
				header: map[string]string{"x-line-request-id": "req-2", "x-line-accepted-request-id": "req-1"},
				answer: `{"message":"The retry key is already accepted","sentMessages":[{"id":"1"}]}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.Push(ctx, lineapi.PushRequest{To: roomID, Messages: texts("hello"), RetryKey: key})
			},
			lineapi.Receipt{
				RequestID: "req-2", AcceptedRequestID: "req-1", Replayed: true,
				SentMessages: []lineapi.SentMessage{{ID: "1"}},
			},
		},
		"multicast": {
			exchange{
				method: "POST", uri: "/v2/bot/message/multicast", contentType: jsonType, retryKey: key,
				body: `{"to":["` + userID + `","` + userID2 + `"],"messages":[` + hello + `],` +
					`"notificationDisabled":true,"customAggregationUnits":["u"]}`,
				header: requestID, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.Multicast(ctx, lineapi.MulticastRequest{
					To: []string{userID, userID2}, Messages: texts("hello"),
					NotificationDisabled: true, CustomAggregationUnits: []string{"u"}, RetryKey: key,
				})
			},
			receipt,
		},
		"reply": {
			exchange{
				method: "POST", uri: "/v2/bot/message/reply", contentType: jsonType,
				body:   `{"replyToken":"reply","messages":[` + hello + `],"notificationDisabled":true}`,
				header: requestID, answer: `{"sentMessages":[{"id":"1"}]}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.Reply(ctx, lineapi.ReplyRequest{
					ReplyToken: "reply", Messages: texts("hello"), NotificationDisabled: true,
				})
			},
			lineapi.Receipt{RequestID: "req-1", SentMessages: []lineapi.SentMessage{{ID: "1"}}},
		},
		"broadcast": {
			exchange{
				method: "POST", uri: "/v2/bot/message/broadcast", contentType: jsonType, retryKey: key,
				body: `{"messages":[` + hello + `],"notificationDisabled":true}`, header: requestID, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.Broadcast(ctx, lineapi.BroadcastRequest{
					Messages: texts("hello"), NotificationDisabled: true, RetryKey: key,
				})
			},
			receipt,
		},
		"narrowcast": {
			exchange{
				method: "POST", uri: "/v2/bot/message/narrowcast", contentType: jsonType, retryKey: key, status: 202,
				body: `{"messages":[` + hello + `],"recipient":{"type":"audience","audienceGroupId":9007199254740993},` +
					`"filter":{"demographic":{}},"limit":{ "max":100 },"notificationDisabled":true}`,
				header: requestID, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.Narrowcast(ctx, lineapi.NarrowcastRequest{
					Messages:             texts("hello"),
					Recipient:            json.RawMessage(`{"type":"audience","audienceGroupId":9007199254740993}`),
					Filter:               json.RawMessage(`{"demographic":{}}`),
					Limit:                json.RawMessage(`{ "max":100 }`),
					NotificationDisabled: true, RetryKey: key,
				})
			},
			receipt,
		},
		"narrowcast progress": {
			exchange{
				method: "GET", uri: "/v2/bot/message/progress/narrowcast?requestId=req%2F1",
				answer: `{"phase":"failed","failureCount":1,"errorCode":3,"failedDescription":"d","acceptedTime":"2020-12-03T10:15:30.121Z"}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.NarrowcastProgress(ctx, "req/1") },
			lineapi.NarrowcastProgress{
				Phase: "failed", FailureCount: 1, ErrorCode: 3, FailedDescription: "d", AcceptedTime: accepted,
			},
		},
		"validate reply":      validateCase("reply", (*lineapi.Client).ValidateReply),
		"validate push":       validateCase("push", (*lineapi.Client).ValidatePush),
		"validate multicast":  validateCase("multicast", (*lineapi.Client).ValidateMulticast),
		"validate narrowcast": validateCase("narrowcast", (*lineapi.Client).ValidateNarrowcast),
		"validate broadcast":  validateCase("broadcast", (*lineapi.Client).ValidateBroadcast),
		"quota": {
			exchange{method: "GET", uri: "/v2/bot/message/quota", answer: `{"type":"limited","value":1000}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.Quota(ctx) },
			lineapi.MessageQuota{Type: "limited", Value: 1000},
		},
		"quota consumption": {
			exchange{method: "GET", uri: "/v2/bot/message/quota/consumption", answer: `{"totalUsage":500}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.QuotaConsumption(ctx) },
			int64(500),
		},
		"sent replies": {
			exchange{method: "GET", uri: "/v2/bot/message/delivery/reply?date=20261123", answer: `{"status":"ready","success":3}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.SentReplies(ctx, day) },
			lineapi.DeliveryCount{Status: "ready", Success: 3},
		},
		"sent pushes": {
			exchange{method: "GET", uri: "/v2/bot/message/delivery/push?date=20261123", answer: `{"status":"unready"}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.SentPushes(ctx, day) },
			lineapi.DeliveryCount{Status: "unready"},
		},
		"sent multicasts": {
			exchange{method: "GET", uri: "/v2/bot/message/delivery/multicast?date=20261123", answer: `{"status":"unready"}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.SentMulticasts(ctx, day) },
			lineapi.DeliveryCount{Status: "unready"},
		},
		"sent broadcasts": {
			exchange{method: "GET", uri: "/v2/bot/message/delivery/broadcast?date=20261123", answer: `{"status":"unready"}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.SentBroadcasts(ctx, day) },
			lineapi.DeliveryCount{Status: "unready"},
		},
		"aggregation unit usage": {
			exchange{method: "GET", uri: "/v2/bot/message/aggregation/info", answer: `{"numOfCustomAggregationUnits":22}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.AggregationUnitUsage(ctx) },
			22,
		},
		"aggregation units": {
			exchange{
				method: "GET", uri: "/v2/bot/message/aggregation/list?limit=100&start=a%2Bb",
				answer: `{"customAggregationUnits":["u"],"next":"n"}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.AggregationUnits(ctx, "a+b", 0) },
			lineapi.AggregationUnits{Units: []string{"u"}, Next: "n"},
		},
		"message content": {
			exchange{
				method: "GET", host: "data", uri: "/v2/bot/message/325708/content",
				header: map[string]string{"Content-Type": "image/jpeg"}, answer: "\xff\xd8bytes",
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return contentOf(c.MessageContent(ctx, "325708"))
			},
			[]any{"\xff\xd8bytes", "image/jpeg", int64(7)},
		},
		"message content preview": {
			exchange{
				method: "GET", host: "data", uri: "/v2/bot/message/325708/content/preview",
				header: map[string]string{"Content-Type": "image/png"}, answer: "png",
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return contentOf(c.MessageContentPreview(ctx, "325708"))
			},
			[]any{"png", "image/png", int64(3)},
		},
		"message content status": {
			exchange{
				method: "GET", host: "data", uri: "/v2/bot/message/325708/content/transcoding", answer: `{"status":"processing"}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.MessageContentStatus(ctx, "325708")
			},
			"processing",
		},
		"profile": {
			exchange{
				method: "GET", uri: "/v2/bot/profile/" + userID,
				answer: `{"displayName":"LINE Botto","userId":"` + userID + `","language":"en","pictureUrl":"https://p","statusMessage":"Hi","new":1}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.Profile(ctx, userID) },
			lineapi.Profile{
				DisplayName: "LINE Botto", UserID: userID, Language: "en", PictureURL: "https://p", StatusMessage: "Hi",
			},
		},
		"group member profile": {
			exchange{
				method: "GET", uri: "/v2/bot/group/" + groupID + "/member/" + userID, answer: `{"displayName":"n"}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.GroupMemberProfile(ctx, groupID, userID)
			},
			lineapi.Profile{DisplayName: "n"},
		},
		"room member profile": {
			exchange{method: "GET", uri: "/v2/bot/room/" + roomID + "/member/" + userID, answer: `{"displayName":"n"}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.RoomMemberProfile(ctx, roomID, userID)
			},
			lineapi.Profile{DisplayName: "n"},
		},
		"bot info": {
			exchange{
				method: "GET", uri: "/v2/bot/info",
				answer: `{"userId":"` + userID + `","basicId":"@b","premiumId":"@p","displayName":"n","pictureUrl":"https://p","chatMode":"chat","markAsReadMode":"manual"}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.BotInfo(ctx) },
			lineapi.BotInfo{
				UserID: userID, BasicID: "@b", PremiumID: "@p", DisplayName: "n", PictureURL: "https://p",
				ChatMode: "chat", MarkAsReadMode: "manual",
			},
		},
		"group members page": {
			exchange{
				method: "GET", uri: "/v2/bot/group/" + groupID + "/members/ids?start=a%2Bb%26",
				answer: `{"memberIds":["` + userID + `"],"next":"n"}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.GroupMembersPage(ctx, groupID, "a+b&")
			},
			lineapi.Page{UserIDs: []string{userID}, Next: "n"},
		},
		"room members page": {
			exchange{
				method: "GET", uri: "/v2/bot/room/" + roomID + "/members/ids", answer: `{"memberIds":["` + userID + `"]}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.RoomMembersPage(ctx, roomID, "") },
			lineapi.Page{UserIDs: []string{userID}},
		},
		"followers page": {
			exchange{
				method: "GET", uri: "/v2/bot/followers/ids?limit=7&start=s", answer: `{"userIds":["` + userID + `"],"next":"n"}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.FollowersPage(ctx, "s", 7) },
			lineapi.Page{UserIDs: []string{userID}, Next: "n"},
		},
		"leave group": {
			exchange{method: "POST", uri: "/v2/bot/group/" + groupID + "/leave", header: requestID, answer: `{}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.LeaveGroup(ctx, groupID) },
			receipt,
		},
		"leave room": {
			exchange{method: "POST", uri: "/v2/bot/room/" + roomID + "/leave", header: requestID, answer: `{}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.LeaveRoom(ctx, roomID) },
			receipt,
		},
		"group summary": {
			exchange{
				method: "GET", uri: "/v2/bot/group/" + groupID + "/summary",
				answer: `{"groupId":"` + groupID + `","groupName":"g","pictureUrl":"https://p"}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.GroupSummary(ctx, groupID) },
			lineapi.GroupSummary{GroupID: groupID, GroupName: "g", PictureURL: "https://p"},
		},
		"group member count": {
			exchange{method: "GET", uri: "/v2/bot/group/" + groupID + "/members/count", answer: `{"count":3}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.GroupMemberCount(ctx, groupID) },
			3,
		},
		"room member count": {
			exchange{method: "GET", uri: "/v2/bot/room/" + roomID + "/members/count", answer: `{"count":4}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.RoomMemberCount(ctx, roomID) },
			4,
		},
		"show loading": {
			exchange{
				method: "POST", uri: "/v2/bot/chat/loading/start", contentType: jsonType, status: 202, header: requestID,
				body: `{"chatId":"` + userID + `","loadingSeconds":15}`, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				return c.ShowLoading(ctx, userID, 15*time.Second)
			},
			receipt,
		},
		"show loading for LINE's default": {
			exchange{
				method: "POST", uri: "/v2/bot/chat/loading/start", contentType: jsonType, status: 202,
				body: `{"chatId":"` + userID + `"}`, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.ShowLoading(ctx, userID, 0) },
			lineapi.Receipt{},
		},
		"mark as read": {
			exchange{
				method: "POST", uri: "/v2/bot/chat/markAsRead", contentType: jsonType, header: requestID,
				body: `{"markAsReadToken":"read"}`, answer: `{}`,
			},
			func(ctx context.Context, c *lineapi.Client) (any, error) { return c.MarkAsRead(ctx, "read") },
			receipt,
		},
		"issue link token": {
			exchange{method: "POST", uri: "/v2/bot/user/" + userID + "/linkToken", header: requestID, answer: `{"linkToken":"l"}`},
			func(ctx context.Context, c *lineapi.Client) (any, error) {
				linkToken, r, err := c.IssueLinkToken(ctx, userID)
				return []any{linkToken, r}, err
			},
			[]any{"l", receipt},
		},
	}.run(t)
}

func validateCase(kind string, validate func(*lineapi.Client, context.Context, []lineapi.Message) error) methodCase {
	return methodCase{
		exchange{
			method: "POST", uri: "/v2/bot/message/validate/" + kind, contentType: jsonType,
			body: `{"messages":[` + hello + `]}`, answer: `{}`,
		},
		func(ctx context.Context, c *lineapi.Client) (any, error) {
			return nil, validate(c, ctx, texts("hello"))
		},
		nil,
	}
}
