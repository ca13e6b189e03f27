package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// options are what the headers of a request say.
type options struct {
	id       string // the task's
	own      bool   // another request may have the same id
	retryKey string
	at       time.Time
	urgent   bool
}

// options reads X-Line-Retry-Key, as LINE does, and lineq's own headers.
func (c *call) options() (options, answer, bool) {
	h := c.r.Header
	o := options{retryKey: h.Get("X-Line-Retry-Key"), id: h.Get("X-Lineq-Id")}
	switch keyed := c.target.Class == endpoint.RetryKey; {
	case o.retryKey != "" && !keyed:
		return o, refuse(http.StatusBadRequest, textNoRetryKey), false
	case o.retryKey != "" && lineapi.CheckRetryKey(o.retryKey) != nil:
		return o, refuseParameter("X-Line-Retry-Key"), false
	case o.retryKey != "" && o.id != "":
		return o, refuse(http.StatusBadRequest, "X-Line-Retry-Key and X-Lineq-Id exclude each other"), false
	case o.retryKey != "":
		o.id, o.own = taskIDOf(c.channel.name, c.target.Endpoint, o.retryKey), true
	case o.id != "":
		o.own = true
		if tasks.CheckID(o.id) != nil {
			return o, refuseParameter("X-Lineq-Id"), false
		}
	default:
		o.id = newRequestID()
	}
	var ok bool
	if o.at, ok = moment(h.Get("X-Lineq-At")); !ok {
		return o, refuseParameter("X-Lineq-At"), false
	}
	if o.urgent, ok = truth(h.Get("X-Lineq-Urgent")); !ok {
		return o, refuseParameter("X-Lineq-Urgent"), false
	}
	return o, answer{}, true
}

// reused refuses what another request has the key or the ID of.
func (o options) reused() answer {
	if o.retryKey != "" {
		return refuse(http.StatusBadRequest, textReused)
	}
	return refuse(http.StatusBadRequest, textIDReused)
}

// taskIDOf makes the ID of a task of a caller's retry key: the same for the same channel, endpoint and key.
func taskIDOf(channel string, e endpoint.Endpoint, retryKey string) string {
	return tasks.RetryKey(channel, e, strings.ToLower(retryKey), "gateway", 0)
}

// moment reads a time as RFC 3339 has it, or as seconds since 1970.
func moment(text string) (time.Time, bool) {
	if text == "" {
		return time.Time{}, true
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0), n > 0 && n < 1<<40
	}
	t, err := time.Parse(time.RFC3339, text)
	return t, err == nil
}

func truth(text string) (value, ok bool) {
	switch text {
	case "", "0", "false":
		return false, true
	case "1", "true":
		return true, true
	}
	return false, false
}

// storeTime is how long Redis may take for a task.
const storeTime = 5 * time.Second

// enqueue stores a task, and answers as LINE does where it takes a request. A caller that doesn't wait changes nothing.
func (c *call) enqueue(t tasks.Task, o options) answer {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), storeTime)
	defer cancel()
	if o.own && c.target.Operation == endpoint.Multicast.Operation {
		// The same key or ID may stand for a campaign.
		if refusal, ok := c.noCampaign(ctx, o); !ok {
			return refusal
		}
	}
	opts := []producer.Option{producer.Channel(c.channel.name), producer.At(o.at)}
	if o.own {
		opts = append(opts, producer.ID(o.id))
	} else {
		opts = append(opts, producer.UniqueID(o.id))
	}
	if o.retryKey != "" {
		opts = append(opts, producer.RetryKey(o.retryKey))
	}
	if o.urgent {
		opts = append(opts, producer.Urgent())
	}
	ticket, err := c.q.Enqueue(ctx, t, opts...)
	if err != nil {
		return c.refused(err, o)
	}
	a := answer{status: c.target.OK, body: []byte("{}"), requestID: ticket.ID}
	sent := appendSentMessages(nil, t, ticket.ID)
	switch {
	case ticket.Duplicate && o.retryKey != "":
		a.status, a.requestID, a.acceptedID = http.StatusConflict, "", ticket.ID
		a.body = []byte(`{"message":"` + textAccepted + `"`)
		if sent != nil && c.target.Operation == endpoint.PushMessage.Operation {
			a.body = append(append(a.body, ','), sent...)
		}
		a.body = append(a.body, '}')
	case sent != nil:
		a.body = append(append([]byte{'{'}, sent...), '}')
	}
	return a
}

// appendSentMessages appends the property that LINE's answers to replies and pushes have. There are no quote tokens in it:
// LINE makes them when it sends.
func appendSentMessages(b []byte, t tasks.Task, taskID string) []byte {
	n := 0
	switch t := t.(type) {
	case tasks.Push:
		n = len(t.Messages)
	case tasks.Reply:
		n = len(t.Messages)
	default:
		return nil
	}
	b = append(b, `"sentMessages":[`...)
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, `{"id":"`...), messageID(taskID, i)...), `"}`...)
	}
	return append(b, ']')
}

// refused tells a caller why nothing was enqueued.
func (c *call) refused(err error, o options) answer {
	var wrong *lineapi.Error
	var failed *producer.EnqueueError
	switch {
	case errors.As(err, &failed):
		c.log.Warn("nothing can be enqueued", zap.String("channel", c.channel.name), zap.Error(failed.Err))
		return unavailable()
	case errors.Is(err, producer.ErrIDReused):
		return o.reused()
	case errors.As(err, &wrong):
		return refuseTask(wrong)
	}
	// What is left are times that don't fit together and sizes.
	return refuse(http.StatusBadRequest, plain(err.Error()))
}
