package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/limit"
)

// react does what an answer asks of more than its own task: of the endpoint, for all workers, or of the channel.
func (w *Worker) react(ctx context.Context, j *job, a answer, reason lineapi.Reason) {
	if a.err == nil {
		w.served(ctx, j.Channel, a.endpoint)
		return
	}
	var e *lineapi.Error
	if !errors.As(a.err, &e) {
		e = &lineapi.Error{}
	}
	heard := limit.Served
	switch {
	case reason == lineapi.Auth:
		w.refusedToken(ctx, j, a, e)
	case reason == lineapi.Quota:
		w.askForQuota(ctx, j, e, true)
	case reason == lineapi.RateLimited && e.Unsent:
		return // the limiter itself said so
	case reason == lineapi.RateLimited:
		if j.policy.CostsQuota {
			w.askForQuota(ctx, j, e, false)
		}
		if !e.EndpointLimited() && w.recipients.refuse(j, time.Now()) {
			break
		}
		heard = limit.Limited
	case reason == lineapi.Server, reason == lineapi.Network:
		heard = limit.Failing
	}
	if e.Unsent && heard == limit.Served {
		return // LINE wasn't asked
	}
	if err := w.limiter.Answered(ctx, j.Channel, a.endpoint, heard); err != nil {
		w.log.Debug("the limiter can't be told", zap.String("channel", j.Channel), zap.Error(err))
	}
}

// served tells that LINE has taken a request.
func (w *Worker) served(ctx context.Context, name string, e endpoint.Endpoint) {
	w.tokens.works(name)
	if err := w.limiter.Answered(ctx, name, e, limit.Served); err != nil {
		w.log.Debug("the limiter can't be told", zap.String("channel", name), zap.Error(err))
	}
}

// renewalTime is how long a channel whose token renews itself may be refused before it is held: requests that were under
// way with the old token come back in that time.
const renewalTime = 10 * time.Second

// refusedToken holds the channel, unless another token may do: the next one of a source that renews it, or that of another
// worker.
func (w *Worker) refusedToken(ctx context.Context, j *job, a answer, e *lineapi.Error) {
	if w.client(j.Channel) != j.client {
		return // it was that of before
	}
	if a.renewable && !e.Unsent && w.tokens.refusedFor(j.Channel, time.Now()) < renewalTime {
		return
	}
	if w.standAside(ctx, j.Channel) {
		return
	}
	w.putOnHold(ctx, j.Channel, channel.Hold{Reason: lineapi.Auth, Note: explain(a.err)})
}

// refusals remembers since when a channel's token has been refused, without a success in between. The zero value is ready.
type refusals struct {
	mu    sync.Mutex
	since map[string]time.Time
	any   atomic.Bool // there are some
}

func (r *refusals) works(name string) {
	if !r.any.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.since, name)
}

func (r *refusals) refusedFor(name string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.since == nil {
		r.since = map[string]time.Time{}
	}
	if _, known := r.since[name]; !known {
		r.since[name] = now
	}
	r.any.Store(true)
	return now.Sub(r.since[name])
}

const (
	// quotaAskEvery bounds how often LINE is asked for a channel's quota because of refusals.
	quotaAskEvery = 20 * time.Second
	// spentAskEvery does where a refusal says that it is spent: until it is known, all others run into the same.
	spentAskEvery = time.Second
	// reservedTime is how long a channel waits that is refused for its quota although there is some left: LINE sets quota
	// aside while it prepares a narrowcast
	// (https://developers.line.biz/en/reference/messaging-api/#send-narrowcast-message-cautions).
	reservedTime = 3 * time.Minute
)

// askForQuota asks LINE whether the month's quota is spent, since the text of a 429 is only a hint, and holds what costs
// quota if it is. claimed tells that the text says so.
func (w *Worker) askForQuota(ctx context.Context, j *job, e *lineapi.Error, claimed bool) {
	what, every := "ask quota", quotaAskEvery
	if claimed {
		what, every = "ask spent quota", spentAskEvery
	}
	first, err := channel.Claim(ctx, w.cfg.Redis, j.Channel, what, every)
	if err != nil || !first {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	left, limited, err := w.quotaLeft(ctx, j.Channel, j.client)
	switch {
	case err == nil && limited && left < cost(j.Task):
		w.putOnHold(ctx, j.Channel, channel.Hold{
			Reason: lineapi.Quota, Note: fmt.Sprintf("%d left of this month's quota, and a message needs %d", max(left, 0), cost(j.Task)),
		})
	case claimed && err != nil:
		w.putOnHold(ctx, j.Channel, channel.Hold{
			Reason: lineapi.Quota, Until: time.Now().Add(reservedTime), Note: "LINE says it is spent, and can't be asked how much is left",
		})
	case claimed:
		w.putOnHold(ctx, j.Channel, channel.Hold{
			Reason: lineapi.Quota, Until: time.Now().Add(reservedTime),
			Note: "LINE says it is spent, but there is some left: it may be set aside for a narrowcast",
		})
	}
}

// cost is how much quota a task needs at least.
func cost(t tasks.Task) int64 {
	if m, ok := t.(tasks.Multicast); ok {
		return int64(len(m.To))
	}
	return 1
}

const (
	// recipientDelay is how long a recipient is left alone for whom LINE takes no more.
	recipientDelay = 30 * time.Second
	// crowd is how many recipients within recipientDelay make a refusal the endpoint's own: LINE doesn't document the text
	// of a 429 that means one recipient.
	crowd = 3
)

// recipients are those for whom LINE takes no more just now, by channel and id
// (https://developers.line.biz/en/reference/messaging-api/#send-push-message-error-response). Each worker finds out by
// itself. The zero value is ready.
type recipients struct {
	mu    sync.Mutex
	until map[string]map[string]time.Time
}

// wait is how long the task's recipient is left alone.
func (r *recipients) wait(j *job, now time.Time) time.Duration {
	p, ok := j.Task.(tasks.Push)
	if !ok {
		return 0
	}
	return r.waitFor(j.Channel, p.To, now)
}

// waitFor is how long a recipient is left alone.
func (r *recipients) waitFor(channel, to string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, r.until[channel][to].Sub(now))
}

// refuse notes a refusal, and tells whether it was the recipient's own.
func (r *recipients) refuse(j *job, now time.Time) bool {
	p, ok := j.Task.(tasks.Push)
	if !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	its := r.until[j.Channel]
	for to, until := range its {
		if !until.After(now) {
			delete(its, to)
		}
	}
	if r.until == nil {
		r.until = map[string]map[string]time.Time{}
	}
	if its == nil {
		its = map[string]time.Time{}
		r.until[j.Channel] = its
	}
	if its[p.To].IsZero() && len(its) >= crowd {
		return false
	}
	its[p.To] = now.Add(recipientDelay)
	return len(its) < crowd
}
