package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// A caller takes the X-Line-Request-Id of a narrowcast or a broadcast for LINE's, and asks LINE for its progress or its
// statistics by it. These requests get LINE's own id, from the task's record.

// task looks for the task that a request id may be. Of none there is no result, and no error.
func (c *call) task(ctx context.Context, requestID string) (tasks.Result, bool, error) {
	if tasks.CheckID(requestID) != nil {
		return tasks.Result{}, false, nil
	}
	r, err := c.q.Result(ctx, requestID, producer.Channel(c.channel.name))
	if errors.Is(err, producer.ErrNotFound) {
		return tasks.Result{}, false, nil
	}
	return r, err == nil, err
}

// queryFor is the query with LINE's own request ids. Where LINE doesn't know the request yet, or never will, the answer is
// one that LINE could give.
func (c *call) queryFor(ctx context.Context) (query string, a answer, ok bool) {
	query = c.r.URL.RawQuery
	values, err := url.ParseQuery(query)
	id := values.Get("requestId")
	if err != nil || id == "" || c.channel == nil || c.r.Method != http.MethodGet {
		return query, answer{}, true
	}
	t, found, err := c.task(ctx, id)
	switch {
	case err != nil:
		return "", c.away(err), false
	case !found:
		return query, answer{}, true
	case t.Outcome == tasks.OutcomeSent:
		values.Set("requestId", t.RequestID)
		return values.Encode(), answer{}, true
	case c.target.Operation != endpoint.GetNarrowcastProgress.Operation:
		return query, answer{}, true
	}
	return "", progressOf(t), false
}

// progressOf is the progress of a narrowcast that LINE doesn't have.
func progressOf(t tasks.Result) answer {
	type progress struct {
		Phase       string     `json:"phase"`
		Description string     `json:"failedDescription,omitempty"`
		ErrorCode   int        `json:"errorCode,omitempty"`
		Accepted    time.Time  `json:"acceptedTime"`
		Completed   *time.Time `json:"completedTime,omitempty"`
	}
	p := progress{Phase: "waiting", Accepted: time.Now().UTC().Truncate(time.Millisecond)}
	if t.FirstAttemptAt != nil {
		p.Accepted = *t.FirstAttemptAt
	}
	if t.Outcome != "" {
		const internal = 1 // LINE's "an internal error occurred", the least specific of its codes
		p.Phase, p.Description, p.ErrorCode, p.Completed = "failed", t.Error, internal, t.FinishedAt
	}
	return jsonAnswer(http.StatusOK, p)
}

// redelivery replaces the request id of a narrowcast to those whom an earlier one has reached.
func (c *call) redelivery(recipient json.RawMessage) (json.RawMessage, answer, bool) {
	var r struct {
		Type      string `json:"type"`
		RequestID string `json:"requestId"`
	}
	if json.Unmarshal(recipient, &r) != nil || r.Type != "redelivery" {
		return recipient, answer{}, true // an operator may hold one deeper down; LINE judges it
	}
	t, found, err := c.task(c.r.Context(), r.RequestID)
	switch {
	case err != nil:
		return nil, c.away(err), false
	case !found:
		return recipient, answer{}, true
	case t.Outcome != tasks.OutcomeSent:
		return nil, refuse(http.StatusBadRequest, "Invalid request id: "+r.RequestID), false
	}
	r.RequestID = t.RequestID
	b, err := json.Marshal(r)
	return b, answer{}, err == nil
}

// away is the answer where Redis gives none.
func (c *call) away(err error) answer {
	c.log.Warn("Redis doesn't answer", zap.String("operation", c.target.Operation), zap.Error(err))
	return unavailable()
}
