package lineapi

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Limits of the send requests (https://developers.line.biz/en/reference/messaging-api/#send-multicast-message and
// #status-codes there).
const (
	MaxMulticastRecipients = 500
	MaxRequestBytes        = 2 << 20 // LINE says 2 MB; a larger request is answered with 413
)

// PushRequest sends to one user, group or room.
type PushRequest struct {
	To                     string // user, group or room id
	Messages               []Message
	NotificationDisabled   bool
	CustomAggregationUnits []string // at most one, for statistics; needs an approved account
	RetryKey               string   // UUID, sent as X-Line-Retry-Key; empty sends none, and a repeat sends again
}

// MulticastRequest sends to 1 to 500 users; groups and rooms are refused. On an error nobody receives anything.
type MulticastRequest struct {
	To                     []string // user ids
	Messages               []Message
	NotificationDisabled   bool
	CustomAggregationUnits []string
	RetryKey               string
}

// ReplyRequest answers a webhook event. Its token works once, for about a minute, and there is no retry key
// (https://developers.line.biz/en/reference/messaging-api/#send-reply-message-reply-token).
type ReplyRequest struct {
	ReplyToken           string
	Messages             []Message
	NotificationDisabled bool
}

// BroadcastRequest sends to every friend of the account.
type BroadcastRequest struct {
	Messages             []Message
	NotificationDisabled bool
	RetryKey             string
}

// NarrowcastRequest sends to those friends whom LINE finds by recipient and filter. The three objects go to LINE as they
// are (https://developers.line.biz/en/reference/messaging-api/#send-narrowcast-message); nil leaves one out.
type NarrowcastRequest struct {
	Messages             []Message
	Recipient            json.RawMessage
	Filter               json.RawMessage
	Limit                json.RawMessage
	NotificationDisabled bool
	RetryKey             string
}

// Check tells whether LINE would refuse the request for its form. It is what [Client.Push] does before it sends.
func (r PushRequest) Check() error { _, err := r.body(); return err }

// Check is what [Client.Multicast] does before it sends.
func (r MulticastRequest) Check() error { _, err := r.body(); return err }

// Check is what [Client.Reply] does before it sends.
func (r ReplyRequest) Check() error { _, err := r.body(); return err }

// Check is what [Client.Broadcast] does before it sends.
func (r BroadcastRequest) Check() error { _, err := r.body(); return err }

// Check is what [Client.Narrowcast] does before it sends.
func (r NarrowcastRequest) Check() error { _, err := r.body(); return err }

func (r PushRequest) body() ([]byte, error) {
	var p problems
	p.add("to", anyChatIDProblem(r.To))
	p.messages(r.Messages)
	p.units(r.CustomAggregationUnits)
	p.retryKey(r.RetryKey)
	var b object
	b.value("to", r.To)
	b.messages(r.Messages)
	b.options(r.NotificationDisabled, r.CustomAggregationUnits)
	return b.checked(p)
}

func (r MulticastRequest) body() ([]byte, error) {
	var p problems
	p.userIDs("to", r.To)
	p.messages(r.Messages)
	p.units(r.CustomAggregationUnits)
	p.retryKey(r.RetryKey)
	var b object
	b.ids("to", r.To)
	b.messages(r.Messages)
	b.options(r.NotificationDisabled, r.CustomAggregationUnits)
	return b.checked(p)
}

func (r ReplyRequest) body() ([]byte, error) {
	var p problems
	if r.ReplyToken == "" {
		p.add("replyToken", "May not be empty")
	}
	p.messages(r.Messages)
	var b object
	b.value("replyToken", r.ReplyToken)
	b.messages(r.Messages)
	b.options(r.NotificationDisabled, nil)
	return b.checked(p)
}

func (r BroadcastRequest) body() ([]byte, error) {
	var p problems
	p.messages(r.Messages)
	p.retryKey(r.RetryKey)
	var b object
	b.messages(r.Messages)
	b.options(r.NotificationDisabled, nil)
	return b.checked(p)
}

func (r NarrowcastRequest) body() ([]byte, error) {
	var p problems
	p.messages(r.Messages)
	p.retryKey(r.RetryKey)
	var b object
	b.messages(r.Messages)
	for _, part := range []struct {
		name string
		raw  json.RawMessage
	}{{"recipient", r.Recipient}, {"filter", r.Filter}, {"limit", r.Limit}} {
		if len(part.raw) == 0 {
			continue
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(part.raw, &fields) != nil || fields == nil {
			p.add(part.name, "is not a JSON object")
		}
		b.raw(part.name, part.raw)
	}
	b.options(r.NotificationDisabled, nil)
	return b.checked(p)
}

// Push sends to one user, group or room. A repeat with the same retry key within 24 hours is a success with
// Receipt.Replayed, and with the SentMessages of the first.
func (c *Client) Push(ctx context.Context, r PushRequest) (Receipt, error) {
	body, err := r.body()
	return c.send(ctx, endpoint.PushMessage, body, err, r.RetryKey, r.Messages)
}

// Multicast sends to many users. A repeat with the same retry key within 24 hours is a success with Receipt.Replayed.
func (c *Client) Multicast(ctx context.Context, r MulticastRequest) (Receipt, error) {
	body, err := r.body()
	return c.send(ctx, endpoint.Multicast, body, err, r.RetryKey, r.Messages)
}

// Reply answers a webhook event. After a lost answer nobody can know whether it was sent: a second try that ends with
// LINE's "Invalid reply token" may mean that the first one went through.
func (c *Client) Reply(ctx context.Context, r ReplyRequest) (Receipt, error) {
	body, err := r.body()
	return c.send(ctx, endpoint.ReplyMessage, body, err, "", r.Messages, r.ReplyToken)
}

// Broadcast sends to every friend. A repeat with the same retry key within 24 hours is a success with Receipt.Replayed.
func (c *Client) Broadcast(ctx context.Context, r BroadcastRequest) (Receipt, error) {
	body, err := r.body()
	return c.send(ctx, endpoint.Broadcast, body, err, r.RetryKey, r.Messages)
}

// Narrowcast starts a send that LINE carries out later: [Client.NarrowcastProgress] takes the receipt's RequestID, or its
// AcceptedRequestID after a replay.
func (c *Client) Narrowcast(ctx context.Context, r NarrowcastRequest) (Receipt, error) {
	body, err := r.body()
	return c.send(ctx, endpoint.Narrowcast, body, err, r.RetryKey, r.Messages)
}

// send makes one of the send calls. The error that its body came with goes first.
func (c *Client) send(
	ctx context.Context, e endpoint.Endpoint, body []byte, err error, retryKey string, messages []Message, secrets ...string,
) (Receipt, error) {
	if err != nil {
		return Receipt{}, inOperation(e.Operation, err)
	}
	receipt, _, err := c.write(ctx, call{
		endpoint: e, contentType: jsonType, body: body, retryKey: retryKey, secrets: secrets, messages: messages,
	})
	return receipt, err
}

// userIDs checks a list of 1 to 500 user ids.
func (p *problems) userIDs(property string, ids []string) {
	if len(ids) < 1 || len(ids) > MaxMulticastRecipients {
		p.add(property, fmt.Sprintf("Size must be between 1 and %d", MaxMulticastRecipients))
	}
	for i, id := range ids {
		if problem := chatIDProblem("user id", 'U', id); problem != "" {
			p.add(fmt.Sprintf("%s[%d]", property, i), problem)
		}
	}
}

// units checks the aggregation units: at most one, of 1 to 30 characters
// (https://developers.line.biz/en/docs/messaging-api/unit-based-statistics-aggregation/).
func (p *problems) units(units []string) {
	const property = "customAggregationUnits"
	if len(units) > 1 {
		p.add(property, "Size must be between 0 and 1")
	}
	for i, unit := range units {
		if len(unit) < 1 || len(unit) > 30 || !isWord(unit) {
			p.add(fmt.Sprintf("%s[%d]", property, i), "must be 1 to 30 of a-z, A-Z, 0-9 and _")
		}
	}
}

func (p *problems) retryKey(key string) {
	if key != "" {
		p.add(headerRetryKey, retryKeyProblem(key))
	}
}

func isWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}
