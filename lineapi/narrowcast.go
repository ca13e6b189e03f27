package lineapi

import (
	"context"
	"net/url"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// NarrowcastProgress is how far a narrowcast is. Succeeded with a FailureCount above zero is normal
// (https://developers.line.biz/en/reference/messaging-api/#get-narrowcast-progress-status).
type NarrowcastProgress struct {
	Phase             string    `json:"phase"` // "waiting", "sending", "succeeded" or "failed"
	SuccessCount      int64     `json:"successCount"`
	FailureCount      int64     `json:"failureCount"`
	TargetCount       int64     `json:"targetCount"`
	FailedDescription string    `json:"failedDescription,omitempty"`
	ErrorCode         int       `json:"errorCode,omitempty"` // 3: a request was repeated that had been accepted already
	AcceptedTime      time.Time `json:"acceptedTime"`
	CompletedTime     time.Time `json:"completedTime,omitzero"`
}

// NarrowcastProgress asks for the progress of a narrowcast by the RequestID of its receipt, for 14 days.
func (c *Client) NarrowcastProgress(ctx context.Context, requestID string) (NarrowcastProgress, error) {
	var p problems
	p.requestID(requestID)
	return checkedRead[NarrowcastProgress](ctx, c, p,
		call{endpoint: endpoint.GetNarrowcastProgress, query: url.Values{"requestId": {requestID}}})
}
