package lineapi

import (
	"context"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Paced returns a copy of the client that asks permit directly before each request that goes to LINE: each page of a list,
// each request of a call of several, when its token is at hand. permit may block; a wait above zero or an error of it keeps
// the request from being sent. The call then fails with [RateLimited] and the wait in RetryAfter, or with [Network]; both
// are Unsent. permit's error must not hold a secret. The copy shares token source and HTTP client; requests that the token
// source makes aren't asked for.
func (c *Client) Paced(permit func(ctx context.Context, e endpoint.Endpoint) (time.Duration, error)) *Client {
	paced := *c
	paced.permit = permit
	return &paced
}

func (c *Client) mayGo(ctx context.Context, e endpoint.Endpoint) error {
	if c.permit == nil {
		return nil
	}
	wait, err := c.permit(ctx, e)
	switch {
	case err != nil:
		return &Error{Operation: e.Operation, Reason: Network, Unsent: true, Message: "no permit to send", Err: err}
	case wait > 0:
		return &Error{Operation: e.Operation, Reason: RateLimited, Unsent: true, RetryAfter: wait,
			Message: "it is not this request's turn within LINE's rate limit"}
	}
	return nil
}
