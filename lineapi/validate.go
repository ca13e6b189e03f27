package lineapi

import (
	"context"
	"fmt"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// The validate calls let LINE check the messages of a send call, without sending. Recipients and tokens aren't looked at
// (https://developers.line.biz/en/reference/messaging-api/#validate-message-objects-of-push-message). Only what can't be
// put into a request at all is refused before: LINE's own verdict is wanted.

// ValidateReply lets LINE check messages for a reply.
func (c *Client) ValidateReply(ctx context.Context, messages []Message) error {
	return c.validate(ctx, endpoint.ValidateReply, messages)
}

// ValidatePush lets LINE check messages for a push.
func (c *Client) ValidatePush(ctx context.Context, messages []Message) error {
	return c.validate(ctx, endpoint.ValidatePush, messages)
}

// ValidateMulticast lets LINE check messages for a multicast.
func (c *Client) ValidateMulticast(ctx context.Context, messages []Message) error {
	return c.validate(ctx, endpoint.ValidateMulticast, messages)
}

// ValidateNarrowcast lets LINE check messages for a narrowcast.
func (c *Client) ValidateNarrowcast(ctx context.Context, messages []Message) error {
	return c.validate(ctx, endpoint.ValidateNarrowcast, messages)
}

// ValidateBroadcast lets LINE check messages for a broadcast.
func (c *Client) ValidateBroadcast(ctx context.Context, messages []Message) error {
	return c.validate(ctx, endpoint.ValidateBroadcast, messages)
}

func (c *Client) validate(ctx context.Context, e endpoint.Endpoint, messages []Message) error {
	var p problems
	for i, m := range messages {
		p.add(fmt.Sprintf("messages[%d]", i), shapeProblem(m.raw))
	}
	var b object
	b.messages(messages)
	body, err := b.checked(p)
	_, err = c.send(ctx, e, body, err, "", messages)
	return err
}
