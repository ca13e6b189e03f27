package worker

import (
	"context"
	"slices"
	"sync"
)

// convoy carries what many goroutines send together: while one load is on its way the next is collected, and what comes
// alone goes at once.
type convoy[T any] struct {
	// carry brings a load to where it goes and the answers back into its parts, however long that takes.
	carry func([]T)
	most  int // in one load

	mu      sync.Mutex
	waiting []*load[T]
	under   bool // a goroutine carries
}

// load is what goes together.
type load[T any] struct {
	parts []T
	left  []int         // places of those that nobody waits for any more
	back  chan struct{} // closed when the answers are there
}

// send returns when the answer is in the part. It fails when ctx ends before that: then the part is the convoy's, and
// stays behind if its load hasn't gone yet.
func (c *convoy[T]) send(ctx context.Context, part T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	if n := len(c.waiting); n == 0 || len(c.waiting[n-1].parts) == c.most {
		c.waiting = append(c.waiting, &load[T]{back: make(chan struct{})})
	}
	mine := c.waiting[len(c.waiting)-1]
	place := len(mine.parts)
	mine.parts = append(mine.parts, part)
	if !c.under {
		c.under = true
		go c.carryAll()
	}
	c.mu.Unlock()

	select {
	case <-mine.back:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		if slices.Contains(c.waiting, mine) {
			mine.left = append(mine.left, place)
		}
		return ctx.Err()
	}
}

// carryAll carries load after load until nothing waits.
func (c *convoy[T]) carryAll() {
	for {
		c.mu.Lock()
		if len(c.waiting) == 0 {
			c.under = false
			c.mu.Unlock()
			return
		}
		next := c.waiting[0]
		c.waiting = c.waiting[1:]
		c.mu.Unlock()

		parts := next.parts
		slices.Sort(next.left)
		for _, place := range slices.Backward(next.left) {
			parts = slices.Delete(parts, place, place+1)
		}
		if len(parts) > 0 {
			c.carry(parts)
		}
		close(next.back)
	}
}
