package lineapi

import (
	"context"
	"encoding/json"
	"io"
	"strconv"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Ready is what a sender of many requests makes once for all of them: the options of a push or a multicast, in their place
// behind the messages. The zero value has LINE's defaults.
//
//	body := options.AppendPush(nil, to)                 // {"to":"U…","messages":
//	body = append(body, `[{"type":"text","text":"hi"}]`...)
//	body = options.AppendEnd(body)                      // }
//	receipt, err := client.PushReady(ctx, body, retryKey)
type Ready struct{ tail string }

// ReadyOptions makes the options ready.
func ReadyOptions(notificationDisabled bool, customAggregationUnits []string) (Ready, error) {
	var p problems
	p.units(customAggregationUnits)
	if err := p.err(); err != nil {
		return Ready{}, err
	}
	var o object
	o.options(notificationDisabled, customAggregationUnits)
	if o.Len() == 0 {
		return Ready{}, nil
	}
	return Ready{"," + string(o.Bytes()[1:])}, nil
}

// AppendPush begins the body of a push, up to the JSON array of its messages. The id must be one that [CheckChatID]
// accepts.
func (r Ready) AppendPush(b []byte, to string) []byte {
	return append(strconv.AppendQuote(append(b, `{"to":`...), to), `,"messages":`...)
}

// AppendMulticast begins the body of a multicast. The ids must be those that [CheckUserIDs] accepts.
func (r Ready) AppendMulticast(b []byte, to []string) []byte {
	b = append(b, `{"to":[`...)
	for i, id := range to {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, id)
	}
	return append(b, `],"messages":`...)
}

// AppendEnd ends a body behind the messages.
func (r Ready) AppendEnd(b []byte) []byte { return append(append(b, r.tail...), '}') }

// PushReady is [Client.Push] for a body that is ready, of which the caller knows by [CheckMessages] that LINE takes it:
// nothing is looked at. The receipt has no SentMessages, and ctx must have a deadline: the call has none of its own. The
// body is the client's until the call returns, and some moments longer.
func (c *Client) PushReady(ctx context.Context, body []byte, retryKey string) (Receipt, error) {
	return c.sendReady(ctx, endpoint.PushMessage, body, retryKey)
}

// MulticastReady is to [Client.Multicast] what PushReady is to Push.
func (c *Client) MulticastReady(ctx context.Context, body []byte, retryKey string) (Receipt, error) {
	return c.sendReady(ctx, endpoint.Multicast, body, retryKey)
}

func (c *Client) sendReady(ctx context.Context, e endpoint.Endpoint, body []byte, retryKey string) (Receipt, error) {
	if len(body) > MaxRequestBytes {
		var p problems
		p.add("", tooLarge(len(body)))
		return Receipt{}, inOperation(e.Operation, p.err())
	}
	resp, err := c.open(ctx, call{endpoint: e, contentType: jsonType, body: body, retryKey: retryKey, ready: true})
	if err != nil {
		return Receipt{}, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that its connection can be used again
	return receiptOf(answer{status: resp.StatusCode, header: resp.Header}), nil
}

// MessagesOf reads messages from a JSON array of them. What isn't one holds none.
func MessagesOf(array []byte) (all []Message) {
	_ = json.Unmarshal(array, &all)
	return all
}

// messagesIn reads the messages of a ready body again, for what an error must not repeat.
func messagesIn(body []byte) []Message {
	var request struct {
		Messages []Message `json:"messages"`
	}
	_ = json.Unmarshal(body, &request)
	return request.Messages
}
