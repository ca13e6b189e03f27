package limit

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// permit is one that was taken ahead of the call that uses it.
type permit struct {
	operation string
	priority  Priority
	at        time.Time
	probe     bool
	used      atomic.Bool
}

type permitKey struct{}

// With puts a permit that Take gave into the context of the call that it is for. The first request of that endpoint uses
// it; any further one, of another page or another endpoint, takes its own at the same priority.
func With(ctx context.Context, e endpoint.Endpoint, p Priority, t Turn) context.Context {
	return context.WithValue(ctx, permitKey{}, &permit{operation: e.Operation, priority: p, at: t.At, probe: t.probe})
}

const (
	// patienceBefore is how long a request waits whose attempt is open already: coming back costs more than that.
	patienceBefore = 2 * time.Second
	// urgentPatienceBefore is shorter, as the urgent of all channels share their workers.
	urgentPatienceBefore = 250 * time.Millisecond
)

// Before is asked directly before each request to LINE. It uses the permit in the context, if there is one for this
// endpoint that is unused and isn't too old; else it takes one, and waits for it up to two seconds, or a quarter of one
// where the context's priority is urgent. Without a permit in the context the priority is Ordinary; a permit that got too
// old is replaced ahead of all others, since its request has waited already. A wait above zero means that the request must
// not be made; nothing was taken.
func (l *Limiter) Before(channel string) func(ctx context.Context, e endpoint.Endpoint) (time.Duration, error) {
	return func(ctx context.Context, e endpoint.Endpoint) (time.Duration, error) {
		g := l.gate(channel, e)
		r := Request{Channel: channel, Endpoint: e, Priority: Ordinary, Patience: patienceBefore}
		if p, _ := ctx.Value(permitKey{}).(*permit); p != nil {
			r.Priority = p.priority
			if p.priority == Urgent {
				r.Patience = urgentPatienceBefore
			}
			if p.operation == e.Operation && p.used.CompareAndSwap(false, true) {
				if g.fresh(p.at, p.probe) {
					return 0, nil
				}
				r.Priority = Urgent
			}
		}
		turn, err := g.take(ctx, r)
		return turn.Wait, err
	}
}
