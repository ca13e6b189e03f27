package producer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// ErrIDReused is returned when other content was enqueued under the same ID before. The task of before is unharmed.
var ErrIDReused = errors.New("this id was used for other content before; a new message needs a new id")

// ErrNotFound is returned for an ID of which neither the queues nor the records know anything (any more).
var ErrNotFound = errors.New("no such task")

// ErrDecided is returned when a task has an outcome already.
var ErrDecided = errors.New("the task is decided already")

// ErrNotQueued is returned for a task of which only the reserved ID is left: it is in no queue and its payload isn't
// kept. Enqueue it again under the same ID.
var ErrNotQueued = errors.New("the task is in no queue; enqueue it again under the same id")

// ErrBusy is returned when the task is being sent at this moment.
var ErrBusy = errors.New("the task is being sent at this moment")

// EnqueueError says that a task could not be enqueued, and whether Redis may have it all the same. To enqueue again with
// the ID of the ticket is safe in both cases.
type EnqueueError struct {
	ID          string
	MayBeStored bool
	Err         error
}

func (e *EnqueueError) Error() string {
	if e.MayBeStored {
		return fmt.Sprintf("enqueue %s: Redis may have stored it: %v", e.ID, e.Err)
	}
	return fmt.Sprintf("enqueue %s: not stored: %v", e.ID, e.Err)
}

func (e *EnqueueError) Unwrap() error { return e.Err }

// BulkError says which tasks of an EnqueueAll were not enqueued. All others were.
type BulkError struct {
	Failed []ItemError // in the order of the items
	Of     int         // how many items there were
}

// ItemError is one of them.
type ItemError struct {
	Index int
	Err   error
}

func (e *BulkError) Error() string {
	return fmt.Sprintf("%d of %d tasks were not enqueued, the first, at index %d: %v",
		len(e.Failed), e.Of, e.Failed[0].Index, e.Failed[0].Err)
}

// Unwrap gives errors.Is and errors.As the error of every item.
func (e *BulkError) Unwrap() []error {
	errs := make([]error, len(e.Failed))
	for i, f := range e.Failed {
		errs[i] = f.Err
	}
	return errs
}

// mayBeStored tells whether Redis can have run a command that failed with err. An error reply says that it didn't, and so
// does a connection that was never made; after a timeout nobody knows.
func mayBeStored(err error) bool {
	var stored storedError
	if errors.As(err, &stored) {
		return true
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return false
	}
	var dns *net.DNSError
	if errors.As(err, &dns) || errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrClosed) {
		return false
	}
	var reply redis.Error
	if errors.As(err, &reply) && !strings.HasPrefix(err.Error(), "redis: ") {
		return false
	}
	return true
}

// storedError is of a task that Redis has.
type storedError struct{ error }

func (e storedError) Unwrap() error { return e.error }

// errNotStarted is part of the error of a call whose context had ended before it began.
var errNotStarted = errors.New("not tried")

// within runs f and gives up on it when ctx ends. go-redis looks at a context's deadline only where its user switched
// that on, and asynq's Inspector takes none; f itself then ends with the client's own timeouts.
func within(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", errNotStarted, err)
	}
	if ctx.Done() == nil {
		return f()
	}
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
