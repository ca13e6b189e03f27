package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// gather lets calls from many goroutines share round trips: while one load is on its way the next is collected, and what
// comes alone goes at once.
type gather struct {
	put func(load []*parcel)

	mu      sync.Mutex
	waiting []*parcel
	under   bool // a load is on its way
}

// parcel is one task on its way, and what became of it.
type parcel struct {
	entry  entry
	ticket Ticket
	err    error
	there  chan struct{} // closed when the answer is there
}

// send returns when the answer is in the parcel. It fails when ctx ends before that: with errNotStarted where the parcel
// stays behind, else it may arrive all the same.
func (g *gather) send(ctx context.Context, p *parcel) error {
	g.mu.Lock()
	g.waiting = append(g.waiting, p)
	if !g.under {
		g.under = true
		go g.carry()
	}
	g.mu.Unlock()
	select {
	case <-p.there:
		return nil
	case <-ctx.Done():
		g.mu.Lock()
		defer g.mu.Unlock()
		if i := slices.Index(g.waiting, p); i >= 0 {
			g.waiting = slices.Delete(slices.Clone(g.waiting), i, i+1) // a load may be a part of the old one
			return fmt.Errorf("%w: %w", errNotStarted, ctx.Err())
		}
		return ctx.Err()
	}
}

// carry brings load after load until nothing waits.
func (g *gather) carry() {
	for {
		g.mu.Lock()
		load := g.waiting
		if len(load) > batchSize {
			load = load[:batchSize:batchSize]
		}
		g.waiting = g.waiting[len(load):]
		if len(load) == 0 {
			g.under = false
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		g.put(load)
		for _, p := range load {
			close(p.there)
		}
	}
}

// together enqueues one task in the company of those of other calls.
func (c *Client) together(ctx context.Context, item Item) (Ticket, error) {
	e, err := c.entry(ctx, item)
	ticket := ticketFor(e)
	if err != nil {
		return ticket, err
	}
	if err := ctx.Err(); err != nil {
		return ticket, &EnqueueError{ID: ticket.ID, Err: err}
	}
	if e.durable.replicas > 0 { // it waits for replicas, and the others needn't
		tickets, errs := []Ticket{ticket}, []error{nil}
		c.put(ctx, []entry{e}, tickets, errs)
		return tickets[0], errs[0]
	}
	p := &parcel{entry: e, ticket: ticket, there: make(chan struct{})}
	if err := c.gather.send(ctx, p); err != nil {
		return ticket, &EnqueueError{ID: ticket.ID, MayBeStored: !errors.Is(err, errNotStarted), Err: err}
	}
	return p.ticket, p.err
}

// putLoad has no context of a caller's: the client's own timeouts end it.
func (c *Client) putLoad(load []*parcel) {
	entries, tickets, errs := make([]entry, len(load)), make([]Ticket, len(load)), make([]error, len(load))
	for i, p := range load {
		entries[i], tickets[i] = p.entry, p.ticket
	}
	c.put(context.Background(), entries, tickets, errs)
	for i, p := range load {
		p.ticket, p.err = tickets[i], errs[i]
	}
}
