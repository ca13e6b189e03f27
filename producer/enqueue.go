package producer

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/hibiken/asynq"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/tracing"
)

// Ticket is what enqueueing returns.
type Ticket struct {
	ID      string      `json:"id"`
	Kind    tasks.Kind  `json:"kind"`
	Channel string      `json:"channel"`
	Queue   string      `json:"queue"`
	State   tasks.State `json:"state"`
	// Duplicate tells that the same task had been enqueued under this ID before; it isn't sent a second time.
	Duplicate bool `json:"duplicate"`
	// Risky tells of a task that was started with Run that LINE may deliver it a second time.
	Risky bool `json:"risky,omitempty"`
}

// Push sends messages to a user, a group or a room.
func (c *Client) Push(ctx context.Context, to string, msgs ...lineapi.Message) (Ticket, error) {
	return c.Enqueue(ctx, tasks.Push{To: to, Messages: msgs})
}

// Multicast sends the same messages to 1 to 500 users.
func (c *Client) Multicast(ctx context.Context, to []string, msgs ...lineapi.Message) (Ticket, error) {
	return c.Enqueue(ctx, tasks.Multicast{To: to, Messages: msgs})
}

// Broadcast sends messages to every friend of the channel.
func (c *Client) Broadcast(ctx context.Context, msgs ...lineapi.Message) (Ticket, error) {
	return c.Enqueue(ctx, tasks.Broadcast{Messages: msgs})
}

// Reply answers an event. The token lives for about a minute, so the task does, too.
func (c *Client) Reply(ctx context.Context, replyToken string, msgs ...lineapi.Message) (Ticket, error) {
	return c.Enqueue(ctx, tasks.Reply{ReplyToken: replyToken, Messages: msgs})
}

// LinkRichMenu shows a rich menu to one user.
func (c *Client) LinkRichMenu(ctx context.Context, userID, richMenuID string) (Ticket, error) {
	return c.Enqueue(ctx, tasks.LinkRichMenu{UserID: userID, RichMenuID: richMenuID})
}

// UnlinkRichMenu takes away the rich menu that one user was shown.
func (c *Client) UnlinkRichMenu(ctx context.Context, userID string) (Ticket, error) {
	return c.Enqueue(ctx, tasks.UnlinkRichMenu{UserID: userID})
}

// Enqueue puts a task into its queue. A task that LINE would refuse is refused here, with a *lineapi.Error that names the
// JSON path. The same ID with the same content again is no error: the ticket says Duplicate; with other content it is
// ErrIDReused. When Redis doesn't answer, the error is an *EnqueueError and the ticket still carries the ID.
func (c *Client) Enqueue(ctx context.Context, t tasks.Task, opts ...Option) (ticket Ticket, err error) {
	ctx, span := c.taskSpan(ctx, t)
	defer func() { enqueued(span, ticket, err) }()
	if c.gather != nil {
		return c.together(ctx, Item{t, opts})
	}
	tickets, errs := c.enqueue(ctx, []Item{{t, opts}})
	return tickets[0], errs[0]
}

// Item is one task of an EnqueueAll, with its own options.
type Item struct {
	Task    tasks.Task
	Options []Option
}

// batchSize is how many tasks go to Redis in one round trip: enough to hide the way, few enough not to keep others
// waiting at Redis.
const batchSize = 500

// EnqueueAll puts many tasks into their queues, in one round trip per few hundred (two with IDs of the caller's own). The
// tickets are in the order of the items. When some fail, the error is a *BulkError that says which; the others are
// enqueued, and repeating the call with the same IDs adds only what is missing.
func (c *Client) EnqueueAll(ctx context.Context, items []Item) (tickets []Ticket, err error) {
	ctx, span := c.span(ctx, "enqueue")
	defer func() { enqueuedAll(span, tickets, err) }()
	tickets = make([]Ticket, 0, len(items))
	var failed []ItemError
	for start := 0; start < len(items); start += batchSize {
		some, errs := c.enqueue(ctx, items[start:min(start+batchSize, len(items))])
		for i, err := range errs {
			if err != nil {
				failed = append(failed, ItemError{start + i, err})
			}
		}
		tickets = append(tickets, some...)
	}
	if failed != nil {
		return tickets, &BulkError{Failed: failed, Of: len(items)}
	}
	return tickets, nil
}

// entry is an item on its way into Redis.
type entry struct {
	ref     record.Ref
	kind    tasks.Kind
	queue   string
	payload []byte
	hash    record.Hash // where the ID is the caller's
	at      time.Time
	own     bool              // the ID is the caller's
	durable durability        // zero: not asked for
	headers map[string]string // of asynq's task
}

func (c *Client) enqueue(ctx context.Context, items []Item) ([]Ticket, []error) {
	tickets, errs := make([]Ticket, len(items)), make([]error, len(items))
	entries := make([]entry, len(items))
	for i, item := range items {
		entries[i], errs[i] = c.entry(ctx, item)
		tickets[i] = ticketFor(entries[i])
	}
	c.put(ctx, entries, tickets, errs)
	return tickets, errs
}

func ticketFor(e entry) Ticket {
	t := Ticket{ID: e.ref.ID, Kind: e.kind, Channel: e.ref.Channel, Queue: e.queue, State: tasks.StateQueued}
	if !e.at.IsZero() {
		t.State = tasks.StateScheduled
	}
	return t
}

// put brings to Redis what has no error yet.
func (c *Client) put(ctx context.Context, entries []entry, tickets []Ticket, errs []error) {
	var reserve, store []int
	for i, e := range entries {
		switch {
		case errs[i] != nil:
		case e.own:
			reserve = append(reserve, i)
		default:
			store = append(store, i)
		}
	}
	store = append(store, c.reserve(ctx, entries, reserve, tickets, errs)...)
	c.store(ctx, entries, store, tickets, errs)
}

// entry checks an item and encodes it.
func (c *Client) entry(ctx context.Context, item Item) (entry, error) {
	if item.Task == nil {
		return entry{}, errors.New("enqueue: no task")
	}
	s := settings{channel: c.channel}
	for _, o := range item.Options {
		o.apply(&s)
	}
	e := entry{ref: record.Ref{Channel: s.channel, ID: s.id}, kind: item.Task.Kind(), own: s.id != "" && !s.unique, headers: tracing.Headers(ctx)}
	if s.durable != nil {
		e.durable = *s.durable
	}
	if s.id == "" {
		e.ref.ID = rand.Text()
	}
	policy, err := tasks.PolicyOf(e.kind)
	if err != nil {
		return e, err
	}
	if err := cmp.Or(tasks.CheckChannel(e.ref.Channel), tasks.CheckID(e.ref.ID)); err != nil {
		return e, err
	}
	if s.durable != nil {
		if err := s.durable.check(c.rdb); err != nil {
			return e, err
		}
	}
	if s.retryKey != "" {
		if policy.Endpoint.Class != endpoint.RetryKey {
			return e, fmt.Errorf("LINE takes no retry key for a %s", e.kind)
		}
		if err := lineapi.CheckRetryKey(s.retryKey); err != nil {
			return e, err
		}
	}
	if err := item.Task.Check(); err != nil {
		return e, err
	}
	now := time.Now()
	if s.at.After(now) {
		e.at = s.at
	}
	if s.deadline.IsZero() && policy.Lifetime > 0 {
		s.deadline = later(now, e.at).Add(policy.Lifetime)
	}
	if !s.deadline.IsZero() && !later(now, e.at).Before(s.deadline) {
		return e, fmt.Errorf("the deadline %s is not after the time of sending", s.deadline.Format(time.RFC3339))
	}
	line := policy.Line
	if s.urgent {
		line = tasks.LineUrgent
	}
	e.queue = line.Queue(e.ref.Channel)

	envelope := tasks.Envelope{
		Channel: e.ref.Channel, ID: e.ref.ID, RetryKey: s.retryKey, EnqueuedAt: now.UTC(), DueAt: e.at.UTC(),
		Deadline: s.deadline.UTC(), Task: item.Task,
	}
	if e.payload, err = envelope.Encode(); err == nil && e.own {
		e.hash, err = envelope.Hash()
	}
	return e, err
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// reserve writes the callers' own IDs down and returns those whose tasks still have to be stored: new ones, and ones that
// may have got no further the last time.
func (c *Client) reserve(ctx context.Context, entries []entry, which []int, tickets []Ticket, errs []error) []int {
	if len(which) == 0 {
		return nil
	}
	reservations := make([]record.Reservation, len(which))
	for k, i := range which {
		e := entries[i]
		reservations[k] = record.Reservation{Ref: e.ref, Kind: e.kind, Queue: e.queue, Hash: e.hash}
	}
	var reserved []record.Reserved
	var handed []bool
	err := within(ctx, func() (err error) {
		reserved = c.records.Reserve(ctx, reservations)
		handed, err = c.handedOn(ctx, reservations, reserved)
		return err
	})
	var open []int
	for k, i := range which {
		switch {
		case err != nil:
			// The reservation may stand; the task itself can't have been stored.
			errs[i] = &EnqueueError{ID: tickets[i].ID, Err: err}
		case reserved[k].Err != nil:
			errs[i] = &EnqueueError{ID: tickets[i].ID, Err: reserved[k].Err}
		case !reserved[k].Same:
			errs[i] = fmt.Errorf("%s: %w", entries[i].ref.ID, ErrIDReused)
		case reserved[k].Outcome != "":
			tickets[i].Queue, tickets[i].State, tickets[i].Duplicate = reserved[k].Queue, tasks.StateDone, true
		case handed[k]:
			tickets[i].Queue, tickets[i].Duplicate = reserved[k].Queue, true
		default:
			entries[i].queue, tickets[i].Queue = reserved[k].Queue, reserved[k].Queue
			open = append(open, i)
		}
	}
	return open
}

// store puts the tasks into their queues, and rings for the workers.
func (c *Client) store(ctx context.Context, entries []entry, which []int, tickets []Ticket, errs []error) {
	if len(which) == 0 {
		return
	}
	todo := make([]entry, len(which))
	for k, i := range which {
		todo[k] = entries[i]
	}
	var stored []error
	err := within(ctx, func() error {
		stored = c.pipeline(ctx, todo)
		return nil
	})
	for k, i := range which {
		switch {
		case err != nil:
			errs[i] = &EnqueueError{ID: tickets[i].ID, MayBeStored: !errors.Is(err, errNotStarted), Err: err}
		case errors.Is(stored[k], asynq.ErrTaskIDConflict):
			// A random ID conflicts only with itself: Redis had stored it before the connection broke, and the client's
			// own repeat found it there.
			tickets[i].Duplicate = entries[i].own
		case stored[k] != nil:
			errs[i] = &EnqueueError{ID: tickets[i].ID, MayBeStored: mayBeStored(stored[k]), Err: stored[k]}
		}
	}
}

// asynqOptions are how every task of ours is enqueued: asynq must never give up on one by itself, since it is the record
// that decides.
func (c *Client) asynqOptions(e entry) []asynq.Option {
	opts := []asynq.Option{
		asynq.TaskID(e.ref.String()), asynq.Queue(e.queue), asynq.MaxRetry(math.MaxInt32),
		asynq.Timeout(longestRun), asynq.Retention(c.keep),
	}
	if !e.at.IsZero() {
		opts = append(opts, asynq.ProcessAt(wholeSecond(e.at)))
	}
	return opts
}

// longestRun is far above the longest run of any task: a run is ended by the timeouts of its calls, never by asynq.
const longestRun = 30 * time.Minute
