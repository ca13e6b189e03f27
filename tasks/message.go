package tasks

import (
	"encoding/json"

	"github.com/lineq/lineq/lineapi"
)

// Reply answers an event with its reply token, which works once and for about a minute. A reply without a deadline gets
// one of [ReplyLifetime]. What can't be known of a reply stays unknown: LINE has no retry key for it.
type Reply struct {
	ReplyToken           string            `json:"replyToken"`
	Messages             []lineapi.Message `json:"messages"`
	NotificationDisabled bool              `json:"notificationDisabled,omitempty"`
}

// Push sends to one user, group or room.
type Push struct {
	To                     string            `json:"to"`
	Messages               []lineapi.Message `json:"messages"`
	NotificationDisabled   bool              `json:"notificationDisabled,omitempty"`
	CustomAggregationUnits []string          `json:"customAggregationUnits,omitempty"`
}

// Multicast sends the same to 1 to 500 users. LINE gives no result per recipient; on any error nobody receives it.
type Multicast struct {
	To                     []string          `json:"to"`
	Messages               []lineapi.Message `json:"messages"`
	NotificationDisabled   bool              `json:"notificationDisabled,omitempty"`
	CustomAggregationUnits []string          `json:"customAggregationUnits,omitempty"`
}

// Broadcast sends to every friend of the channel. LINE allows 60 an hour.
type Broadcast struct {
	Messages             []lineapi.Message `json:"messages"`
	NotificationDisabled bool              `json:"notificationDisabled,omitempty"`
}

// Narrowcast sends to an audience or a filtered part of the friends. LINE allows 60 an hour and works asynchronously: a
// sent task means that LINE took the order; its progress is asked for with the request id.
type Narrowcast struct {
	Messages             []lineapi.Message `json:"messages"`
	Recipient            json.RawMessage   `json:"recipient,omitempty"`
	Filter               json.RawMessage   `json:"filter,omitempty"`
	Limit                json.RawMessage   `json:"limit,omitempty"`
	NotificationDisabled bool              `json:"notificationDisabled,omitempty"`
}

func (Reply) Kind() Kind      { return KindReply }
func (Push) Kind() Kind       { return KindPush }
func (Multicast) Kind() Kind  { return KindMulticast }
func (Broadcast) Kind() Kind  { return KindBroadcast }
func (Narrowcast) Kind() Kind { return KindNarrowcast }

func (t Reply) Check() error      { return t.Request().Check() }
func (t Push) Check() error       { return t.Request("").Check() }
func (t Multicast) Check() error  { return t.Request("").Check() }
func (t Broadcast) Check() error  { return t.Request("").Check() }
func (t Narrowcast) Check() error { return t.Request("").Check() }

// Request is the call that the task stands for.
func (t Reply) Request() lineapi.ReplyRequest {
	return lineapi.ReplyRequest{
		ReplyToken: t.ReplyToken, Messages: t.Messages, NotificationDisabled: t.NotificationDisabled,
	}
}

// Request is the call that the task stands for, under the given retry key.
func (t Push) Request(retryKey string) lineapi.PushRequest {
	return lineapi.PushRequest{
		To: t.To, Messages: t.Messages, NotificationDisabled: t.NotificationDisabled,
		CustomAggregationUnits: t.CustomAggregationUnits, RetryKey: retryKey,
	}
}

// Request is the call that the task stands for, under the given retry key.
func (t Multicast) Request(retryKey string) lineapi.MulticastRequest {
	return lineapi.MulticastRequest{
		To: t.To, Messages: t.Messages, NotificationDisabled: t.NotificationDisabled,
		CustomAggregationUnits: t.CustomAggregationUnits, RetryKey: retryKey,
	}
}

// Request is the call that the task stands for, under the given retry key.
func (t Broadcast) Request(retryKey string) lineapi.BroadcastRequest {
	return lineapi.BroadcastRequest{
		Messages: t.Messages, NotificationDisabled: t.NotificationDisabled, RetryKey: retryKey,
	}
}

// Request is the call that the task stands for, under the given retry key.
func (t Narrowcast) Request(retryKey string) lineapi.NarrowcastRequest {
	return lineapi.NarrowcastRequest{
		Messages: t.Messages, Recipient: t.Recipient, Filter: t.Filter, Limit: t.Limit,
		NotificationDisabled: t.NotificationDisabled, RetryKey: retryKey,
	}
}

// MessagesOf are the messages that a task sends; nil: it sends none.
func MessagesOf(t Task) []lineapi.Message {
	switch t := t.(type) {
	case Reply:
		return t.Messages
	case Push:
		return t.Messages
	case Multicast:
		return t.Messages
	case Broadcast:
		return t.Messages
	case Narrowcast:
		return t.Messages
	}
	return nil
}
