package lineapi

import (
	"context"
	"encoding/json"
	"io"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Ready is what a sender of many requests makes once for all of them: the options of a push or a multicast, in their place
// behind the messages. The zero value has LINE's defaults.
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

// body writes a request around a JSON array of messages. to is JSON already.
func (r Ready) body(to, messages []byte) []byte {
	const open, middle = `{"to":`, `,"messages":`
	b := make([]byte, 0, len(open)+len(to)+len(middle)+len(messages)+len(r.tail)+1)
	b = append(append(b, open...), to...)
	b = append(append(b, middle...), messages...)
	return append(append(b, r.tail...), '}')
}

// PushReady is [Client.Push] for messages that are a JSON array already, of which the caller knows by [CheckMessages] that
// LINE takes them: nothing is looked at. The id must be one that [CheckChatID] accepts. The receipt has no SentMessages, and
// ctx must have a deadline: the call has none of its own.
func (c *Client) PushReady(ctx context.Context, to string, messages []byte, r Ready, retryKey string) (Receipt, error) {
	quoted := make([]byte, 0, 40)
	quoted = append(append(append(quoted, '"'), to...), '"')
	return c.sendReady(ctx, endpoint.PushMessage, r.body(quoted, messages), messages, retryKey)
}

// MulticastReady is to [Client.Multicast] what PushReady is to Push. to is the JSON array of the user ids.
func (c *Client) MulticastReady(ctx context.Context, to, messages []byte, r Ready, retryKey string) (Receipt, error) {
	return c.sendReady(ctx, endpoint.Multicast, r.body(to, messages), messages, retryKey)
}

// sendReady makes the call as [Client.send] does, but for the time that it may take: that is up to ctx. What its answer
// tells of single messages isn't read.
func (c *Client) sendReady(
	ctx context.Context, e endpoint.Endpoint, body, messages []byte, retryKey string,
) (Receipt, error) {
	if len(body) > MaxRequestBytes {
		var p problems
		p.add("", tooLarge(len(body)))
		return Receipt{}, inOperation(e.Operation, p.err())
	}
	resp, err := c.open(ctx, call{endpoint: e, contentType: jsonType, body: body, retryKey: retryKey, ready: messages})
	if err != nil {
		return Receipt{}, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // so that its connection can be used again
	return receiptOf(answer{status: resp.StatusCode, header: resp.Header}), nil
}

// MessagesOf reads messages back from the JSON array in which a Ready call takes them. What isn't one holds none.
func MessagesOf(ready []byte) (all []Message) {
	if len(ready) > 0 {
		_ = json.Unmarshal(ready, &all)
	}
	return all
}
