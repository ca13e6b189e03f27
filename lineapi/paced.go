package lineapi

import (
	"context"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Permit is asked directly before a request goes to LINE: for every page of a list, and for every request of several. A
// wait above zero, or an error, means that the request must not be made now.
type Permit func(ctx context.Context, e endpoint.Endpoint) (wait time.Duration, err error)

// Paced returns a client that asks for a permit before each request, with the same token source and connections. A request
// whose turn comes later fails as [RateLimited], Unsent, with RetryAfter set; one for which no permit could be asked
// fails as [Network], Unsent. Requests for tokens are not paced.
func (c *Client) Paced(p Permit) *Client {
	paced := *c
	paced.permit = p
	return &paced
}

// mayGo asks for the permit of one request.
func (c *Client) mayGo(ctx context.Context, e endpoint.Endpoint) error {
	if c.permit == nil {
		return nil
	}
	wait, err := c.permit(ctx, e)
	switch {
	case err != nil:
		return &Error{Operation: e.Operation, Reason: Network, Unsent: true, Message: "no permit to send", Err: err}
	case wait > 0:
		return &Error{
			Operation: e.Operation, Reason: RateLimited, Unsent: true, RetryAfter: wait,
			Message: "not sent: its turn within LINE's limits comes later",
		}
	}
	return nil
}
