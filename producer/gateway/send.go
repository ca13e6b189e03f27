package gateway

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
)

// queued are the operations that become tasks. All others are passed through.
var queued = map[string]*maker{
	endpoint.ReplyMessage.Operation: {true, (*call).reply},
	endpoint.PushMessage.Operation:  {true, (*call).push},
	endpoint.Multicast.Operation:    {true, (*call).multicast},
	endpoint.Broadcast.Operation:    {true, (*call).broadcast},
	endpoint.Narrowcast.Operation:   {true, (*call).narrowcast},

	endpoint.LinkRichMenuIdToUser.Operation:      {false, (*call).linkRichMenu},
	endpoint.UnlinkRichMenuIdFromUser.Operation:  {false, (*call).unlinkRichMenu},
	endpoint.LinkRichMenuIdToUsers.Operation:     {true, (*call).bulkLink},
	endpoint.UnlinkRichMenuIdFromUsers.Operation: {true, (*call).bulkUnlink},
	endpoint.SetDefaultRichMenu.Operation:        {false, (*call).setDefaultRichMenu},
	endpoint.CancelDefaultRichMenu.Operation:     {false, (*call).clearDefaultRichMenu},

	endpoint.LeaveGroup.Operation:                {false, (*call).leaveGroup},
	endpoint.LeaveRoom.Operation:                 {false, (*call).leaveRoom},
	endpoint.ShowLoadingAnimation.Operation:      {true, (*call).showLoading},
	endpoint.MarkMessagesAsReadByToken.Operation: {true, (*call).markAsRead},
}

// sending is the body of a request that sends.
type sending struct {
	messages   []lineapi.Message
	silent     bool
	units      []string
	to         field
	replyToken string
	recipient  json.RawMessage
	filter     json.RawMessage
	limit      json.RawMessage
}

// readSending reads a body that may have these properties beside messages and notificationDisabled. What the task's own
// check finds isn't looked for here.
func (c *call) readSending(properties ...string) (sending, answer, bool) {
	all, refusal, ok := fields(c.body)
	if !ok {
		return sending{}, refusal, false
	}
	var s sending
	messages := field{name: "messages"}
	for _, f := range all {
		ok := true
		switch {
		case f.name == "messages":
			messages = f
		case f.name == "notificationDisabled":
			ok = f.into(&s.silent)
		case !slices.Contains(properties, f.name):
			ok = false
		case f.name == "to":
			s.to = f
		case f.name == "replyToken":
			ok = f.into(&s.replyToken)
		case f.name == "customAggregationUnits":
			ok = f.into(&s.units)
		case f.null():
		case f.value[0] != '{':
			ok = false
		case f.name == "recipient":
			s.recipient = f.value
		case f.name == "filter":
			s.filter = f.value
		case f.name == "limit":
			s.limit = f.value
		}
		if !ok {
			return s, f.invalid(c.body), false
		}
	}
	s.messages, refusal, ok = readMessages(messages, c.body)
	return s, refusal, ok
}

func readMessages(f field, body []byte) ([]lineapi.Message, answer, bool) {
	switch {
	case f.null():
		return nil, refuseBody([]detail{{textEmpty, f.name}}), false
	case !f.array():
		return nil, f.invalid(body), false
	}
	list := elements(f.value)
	if len(list) < 1 || len(list) > lineapi.MaxMessages {
		return nil, refuseBody([]detail{{"Size must be between 1 and 5", f.name}}), false
	}
	messages := make([]lineapi.Message, len(list))
	for i, raw := range list {
		place := f.name + "[" + strconv.Itoa(i) + "]"
		switch {
		case raw[0] != '{':
			return nil, refuseProperty("'"+place+"'", "-", "-"), false
		case messages[i].UnmarshalJSON(raw) != nil:
			return nil, refuseBody([]detail{{textType, place + ".type"}}), false
		}
	}
	return messages, answer{}, true
}

const textType = "Must be one of the following values: " +
	"[text, textV2, sticker, image, video, audio, location, imagemap, template, flex, coupon]"

func (c *call) reply() (tasks.Task, answer, bool) {
	s, refusal, ok := c.readSending("replyToken")
	return tasks.Reply{ReplyToken: s.replyToken, Messages: s.messages, NotificationDisabled: s.silent}, refusal, ok
}

func (c *call) push() (tasks.Task, answer, bool) {
	s, refusal, ok := c.readSending("to", "customAggregationUnits")
	if !ok {
		return nil, refusal, false
	}
	t := tasks.Push{Messages: s.messages, NotificationDisabled: s.silent, CustomAggregationUnits: s.units}
	if s.to.null() || !s.to.into(&t.To) || lineapi.CheckChatID(t.To) != nil {
		return nil, refuseProperty("'to'", "-", "-"), false
	}
	return t, answer{}, true
}

func (c *call) multicast() (tasks.Task, answer, bool) {
	if c.isLong() {
		return c.manyOf()
	}
	s, refusal, ok := c.readSending("to", "customAggregationUnits")
	if !ok {
		return nil, refusal, false
	}
	t := tasks.Multicast{Messages: s.messages, NotificationDisabled: s.silent, CustomAggregationUnits: s.units}
	if t.To, refusal, ok = readUserIDs(s.to, "'to'", "to[%]"); !ok {
		return nil, refusal, false
	}
	if len(t.To) > lineapi.MaxMulticastRecipients {
		return c.manyOf()
	}
	return t, answer{}, true
}

// readUserIDs reads a list of user ids, whose number the task's check looks at. culprit is how LINE names one of them,
// with % for its place.
func readUserIDs(f field, name, culprit string) ([]string, answer, bool) {
	if f.null() || !f.array() {
		return nil, refuseProperty(name, "-", "-"), false
	}
	ids := elements(f.value)
	all := make([]string, len(ids))
	for i, raw := range ids {
		if raw[0] == '"' {
			all[i] = string(raw[1 : len(raw)-1]) // one with an escape in it is no id
		}
		if lineapi.CheckUserID(all[i]) != nil {
			return nil, refuseProperty(strings.Replace(culprit, "%", strconv.Itoa(i), 1), "-", "-"), false
		}
	}
	return all, answer{}, true
}

func (c *call) broadcast() (tasks.Task, answer, bool) {
	s, refusal, ok := c.readSending()
	return tasks.Broadcast{Messages: s.messages, NotificationDisabled: s.silent}, refusal, ok
}

func (c *call) narrowcast() (tasks.Task, answer, bool) {
	s, refusal, ok := c.readSending("recipient", "filter", "limit")
	if !ok {
		return nil, refusal, false
	}
	var limits struct {
		Max           *int64 `json:"max"`
		UpTo          bool   `json:"upToRemainingQuota"`
		ForbidPartial bool   `json:"forbidPartialDelivery"`
	}
	switch err := json.Unmarshal(s.limit, &limits); {
	case s.limit == nil:
	case err != nil:
		return nil, refuseProperty("'limit'", "-", "-"), false
	case limits.Max != nil && *limits.Max < 1:
		return nil, refuseBody([]detail{{"Must be between 1 and 2147483647", "limit.max"}}), false
	case limits.ForbidPartial && !limits.UpTo:
		return nil, refuse(400, "The option forbidPartialDelivery must be used with upToRemainingQuota."), false
	}
	if s.recipient, refusal, ok = c.redelivery(s.recipient); !ok {
		return nil, refusal, false
	}
	return tasks.Narrowcast{
		Messages: s.messages, Recipient: s.recipient, Filter: s.filter, Limit: s.limit, NotificationDisabled: s.silent,
	}, answer{}, true
}
