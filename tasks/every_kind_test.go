package tasks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

const (
	user      = "U4af4980629000000000000000000000a"
	user2     = "U4af4980629000000000000000000000b"
	group     = "C4af4980629000000000000000000000c"
	room      = "R4af4980629000000000000000000000d"
	richMenu  = "richmenu-88c05ef6921ae53f8b58a25f3a65faf7"
	richMenu2 = "richmenu-88c05ef6921ae53f8b58a25f3a65faf8"
	retryKey  = "123e4567-e89b-42d3-a456-426614174000"
	unit      = "spring_sale"
)

// everyTask is one task of every kind, with every field set.
var everyTask = []tasks.Task{
	tasks.Reply{ReplyToken: "nHuyWiB7yP5Zw52FIkcQobQuGDXCTA", Messages: messages, NotificationDisabled: true},
	tasks.Push{To: user, Messages: messages, NotificationDisabled: true, CustomAggregationUnits: []string{unit}},
	tasks.Multicast{
		To: []string{user, user2}, Messages: messages, NotificationDisabled: true, CustomAggregationUnits: []string{unit},
	},
	tasks.Broadcast{Messages: messages, NotificationDisabled: true},
	tasks.Narrowcast{
		Messages: messages, NotificationDisabled: true,
		Recipient: []byte(`{"type":"audience","audienceGroupId":5614991017776}`),
		Filter:    []byte(`{"demographic":{"type":"gender","oneOf":["male"]}}`),
		Limit:     []byte(`{"max":100,"upToRemainingQuota":true}`),
	},
	tasks.LinkRichMenu{UserID: user, RichMenuID: richMenu},
	tasks.UnlinkRichMenu{UserID: user},
	tasks.BulkLinkRichMenu{UserIDs: []string{user, user2}, RichMenuID: richMenu},
	tasks.BulkUnlinkRichMenu{UserIDs: []string{user, user2}},
	tasks.BatchRichMenu{Operations: []lineapi.RichMenuOperation{
		{Type: "link", From: richMenu, To: richMenu2}, {Type: "unlink", From: richMenu2},
	}},
	tasks.PublishRichMenu{
		Menu: menu, Image: []byte("\x89PNG\r\n\x1a\nand so on"), ImageType: "image/png", Alias: "home", Default: true,
	},
	tasks.DeleteRichMenu{RichMenuID: richMenu},
	tasks.SetDefaultRichMenu{RichMenuID: richMenu},
	tasks.ClearDefaultRichMenu{},
	tasks.LeaveGroup{GroupID: group},
	tasks.LeaveRoom{RoomID: room},
	tasks.ShowLoading{UserID: user, Seconds: 30},
	tasks.MarkAsRead{MarkAsReadToken: "30yhdy232"},
	tasks.Profile{UserID: user},
	tasks.GroupMemberProfile{GroupID: group, UserID: user},
	tasks.RoomMemberProfile{RoomID: room, UserID: user},
	tasks.GroupMembers{GroupID: group},
	tasks.RoomMembers{RoomID: room},
	tasks.LinkToken{UserID: user},
}

// messages are a plain one, and one of a type and with fields that nobody knows.
var messages = []lineapi.Message{
	lineapi.Text("1 < 2 & 3 > 2, お届け\U0001F4E6 \"today\"\n\u2028</b>"),
	message(`{"type":"hologram","new":{"b":1.50,"a":[1e3,null,"\u3042\/<>&"]},"text":"x"}`),
}

var menu = must(lineapi.ParseRichMenu([]byte(`{"size":{"width":2500,"height":1686},"selected":false,"name":"home",` +
	`"chatBarText":"Tap","areas":[{"bounds":{"x":0,"y":0,"width":2500,"height":1686},` +
	`"action":{"type":"uri","uri":"https://example.com/?a=1&b=<2>"}}]}`)))

func message(raw string) lineapi.Message { return must(lineapi.MessageOf([]byte(raw))) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// envelope puts a task into an envelope with every field set.
func envelope(t tasks.Task) tasks.Envelope {
	return tasks.Envelope{
		Channel: "shop.jp_1-a", ID: "order-42:shipped@2026+1=x", RetryKey: retryKey,
		EnqueuedAt: time.Date(2026, 3, 1, 9, 0, 0, 123456789, time.UTC),
		Deadline:   time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), Task: t,
	}
}

// equal compares what envelopes say.
func equal(t assert.TestingT, want, got tasks.Envelope) {
	assert.Equal(t, want.Channel, got.Channel)
	assert.Equal(t, want.ID, got.ID)
	assert.Equal(t, want.RetryKey, got.RetryKey)
	assert.True(t, want.EnqueuedAt.Equal(got.EnqueuedAt), "%s, not %s", got.EnqueuedAt, want.EnqueuedAt)
	assert.True(t, want.Deadline.Equal(got.Deadline), "%s, not %s", got.Deadline, want.Deadline)
	assert.Equal(t, want.Task, got.Task)
}

func TestEveryKindIsListed(t *testing.T) {
	var kinds []tasks.Kind
	for _, task := range everyTask {
		kinds = append(kinds, task.Kind())
		require.NoError(t, task.Check(), task.Kind())
	}
	assert.ElementsMatch(t, kinds, tasks.Kinds())
	assert.IsIncreasing(t, tasks.Kinds())
}

func TestCheckRefusesAnEmptyTask(t *testing.T) {
	for _, task := range []tasks.Task{
		tasks.Reply{}, tasks.Push{}, tasks.Multicast{}, tasks.Broadcast{}, tasks.Narrowcast{}, tasks.LinkRichMenu{},
		tasks.UnlinkRichMenu{}, tasks.BulkLinkRichMenu{}, tasks.BulkUnlinkRichMenu{}, tasks.BatchRichMenu{}, tasks.PublishRichMenu{},
		tasks.DeleteRichMenu{}, tasks.SetDefaultRichMenu{}, tasks.LeaveGroup{}, tasks.LeaveRoom{}, tasks.ShowLoading{},
		tasks.MarkAsRead{}, tasks.Profile{}, tasks.GroupMemberProfile{}, tasks.RoomMemberProfile{}, tasks.GroupMembers{},
		tasks.RoomMembers{}, tasks.LinkToken{},
	} {
		t.Run(string(task.Kind()), func(t *testing.T) {
			var refused *lineapi.Error
			require.ErrorAs(t, task.Check(), &refused)
			assert.Equal(t, lineapi.Invalid, refused.Reason)
		})
	}
}

func TestCheckLooksAtEveryPart(t *testing.T) {
	publish := tasks.PublishRichMenu{Menu: menu, Image: []byte("\x89PNG\r\n\x1a\n"), ImageType: "image/png"}
	require.NoError(t, publish.Check(), "an alias is not needed")
	for name, task := range map[string]tasks.Task{
		"the rich menu of a link":        tasks.LinkRichMenu{UserID: user, RichMenuID: user},
		"the user of a link":             tasks.LinkRichMenu{UserID: "all", RichMenuID: richMenu},
		"the rich menu of a bulk link":   tasks.BulkLinkRichMenu{UserIDs: []string{user}},
		"the users of a bulk link":       tasks.BulkLinkRichMenu{UserIDs: []string{group}, RichMenuID: richMenu},
		"the operations of a batch":      tasks.BatchRichMenu{Operations: []lineapi.RichMenuOperation{{Type: "link", From: richMenu}}},
		"the alias of a rich menu":       tasks.PublishRichMenu{Menu: menu, Image: publish.Image, ImageType: "image/png", Alias: "A b"},
		"the image of a rich menu":       tasks.PublishRichMenu{Menu: menu, Image: publish.Image, ImageType: "image/jpeg"},
		"the seconds of a loading":       tasks.ShowLoading{UserID: user, Seconds: 7},
		"the user of a group's member":   tasks.GroupMemberProfile{GroupID: group, UserID: group},
		"the group of a group's member":  tasks.GroupMemberProfile{GroupID: room, UserID: user},
		"the user of a room's member":    tasks.RoomMemberProfile{RoomID: room},
		"the room of a room's member":    tasks.RoomMemberProfile{RoomID: group, UserID: user},
		"the units of a push":            tasks.Push{To: user, Messages: messages[:1], CustomAggregationUnits: []string{"no!"}},
		"the messages of a broadcast":    tasks.Broadcast{Messages: make([]lineapi.Message, 6)},
		"the recipients of a multicast":  tasks.Multicast{To: []string{group}, Messages: messages[:1]},
		"the reply token":                tasks.Reply{Messages: messages[:1]},
		"the recipient of a narrowcast":  tasks.Narrowcast{Messages: messages[:1], Recipient: []byte(`[]`)},
		"the filter of a narrowcast":     tasks.Narrowcast{Messages: messages[:1], Filter: []byte(`1`)},
		"the user whose loading it is":   tasks.ShowLoading{UserID: group},
		"the user who is given a token":  tasks.LinkToken{UserID: group},
		"the rich menu that is deleted":  tasks.DeleteRichMenu{RichMenuID: "../alias"},
		"the rich menu that is default":  tasks.SetDefaultRichMenu{RichMenuID: "all"},
		"the user whose menu is removed": tasks.UnlinkRichMenu{UserID: "all"},
	} {
		t.Run(name, func(t *testing.T) { assert.Error(t, task.Check()) })
	}
}

// What a caller sets must reach LINE: a field that Request forgets is lost without a sound.
func TestRequestCarriesEveryField(t *testing.T) {
	for _, task := range everyTask {
		switch task := task.(type) {
		case tasks.Reply:
			assert.Equal(t, lineapi.ReplyRequest{
				ReplyToken: task.ReplyToken, Messages: messages, NotificationDisabled: true,
			}, task.Request())
		case tasks.Push:
			assert.Equal(t, lineapi.PushRequest{
				To: user, Messages: messages, NotificationDisabled: true, CustomAggregationUnits: []string{unit},
				RetryKey: retryKey,
			}, task.Request(retryKey))
		case tasks.Multicast:
			assert.Equal(t, lineapi.MulticastRequest{
				To: []string{user, user2}, Messages: messages, NotificationDisabled: true,
				CustomAggregationUnits: []string{unit}, RetryKey: retryKey,
			}, task.Request(retryKey))
		case tasks.Broadcast:
			assert.Equal(t, lineapi.BroadcastRequest{
				Messages: messages, NotificationDisabled: true, RetryKey: retryKey,
			}, task.Request(retryKey))
		case tasks.BatchRichMenu:
			assert.Equal(t, lineapi.RichMenuBatchRequest{
				Operations: task.Operations, ResumeRequestKey: retryKey,
			}, task.Request(retryKey))
		case tasks.Narrowcast:
			assert.Equal(t, lineapi.NarrowcastRequest{
				Messages: messages, Recipient: task.Recipient, Filter: task.Filter, Limit: task.Limit,
				NotificationDisabled: true, RetryKey: retryKey,
			}, task.Request(retryKey))
		}
	}
}
