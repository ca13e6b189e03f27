package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
)

// enqueueFlags are those of every command that enqueues.
type enqueueFlags struct {
	redisFlag
	Channel string        `default:"${channel}" help:"Channel that it is done for."`
	ID      string        `name:"id" help:"ID of your own: the same command again does nothing."`
	At      clockTime     `xor:"time" placeholder:"TIME" help:"Not before this time: 2006-01-02T15:04:05Z or '2006-01-02 15:04'."`
	In      time.Duration `xor:"time" placeholder:"DURATION" help:"Not before this much time has passed, as 90s or 2h."`
	Wait    bool          `help:"Wait for the outcome, and fail unless it is sent."`
	Timeout time.Duration `default:"1m" help:"How long to wait, from when it is due."`
	JSON    bool          `name:"json" help:"Print JSON."`

	Durable        int           `placeholder:"N" help:"Succeed only when N replicas of Redis have it, too."`
	DurableTimeout time.Duration `default:"2s" help:"How long the replicas may take."`
}

// check refuses what needs no Redis to be seen.
func (f enqueueFlags) check(n int) error {
	if err := tasks.CheckChannel(f.Channel); err != nil {
		return misuse(err)
	}
	switch {
	case f.ID != "" && n > 1:
		return misusef("--id belongs to one task, and these are %d", n)
	case f.ID != "" && tasks.CheckID(f.ID) != nil:
		return misuse(tasks.CheckID(f.ID))
	case f.In < 0:
		return misusef("--in can't be negative")
	case f.Timeout <= 0:
		return misusef("--timeout must be above zero")
	case f.Durable < 0:
		return misusef("--durable can't be negative")
	case f.DurableTimeout <= 0:
		return misusef("--durable-timeout must be above zero")
	}
	return nil
}

// options are the flags as producer takes them.
func (f enqueueFlags) options() []producer.Option {
	var all []producer.Option
	if f.ID != "" {
		all = append(all, producer.ID(f.ID))
	}
	if due := f.due(); !due.IsZero() {
		all = append(all, producer.At(due))
	}
	if f.Durable > 0 {
		all = append(all, producer.Durable(f.Durable, f.DurableTimeout))
	}
	return all
}

// due is when the task may go; zero: now.
func (f enqueueFlags) due() time.Time {
	if f.In > 0 {
		return time.Now().Add(f.In)
	}
	return f.At.Time
}

// enqueue is the way of every command that enqueues: check, connect, enqueue, wait, print.
func (f enqueueFlags) enqueue(ctx context.Context, a *app, options []producer.Option, all ...tasks.Task) error {
	if err := f.check(len(all)); err != nil {
		return err
	}
	for _, t := range all {
		if err := t.Check(); err != nil {
			return misuse(err)
		}
	}
	rdb, err := openRedis(ctx, f.Redis, asGiven)
	if err != nil {
		return err
	}
	defer rdb.Close()
	if err := a.checkServed(ctx, rdb, f.Channel, "task"); err != nil {
		return err
	}
	if err := a.tellHold(ctx, rdb, f.Channel, all[0].Kind(), "task"); err != nil {
		return err
	}
	q, err := producer.New(producer.Config{Redis: rdb, Channel: f.Channel})
	if err != nil {
		return err
	}
	if !f.At.IsZero() && f.At.Before(time.Now()) {
		a.note("%s has passed: it is sent now", f.At.Format(time.RFC3339))
	}
	options = append(options, f.options()...)
	due := f.due()
	if len(all) == 1 {
		ticket, err := q.Enqueue(ctx, all[0], options...)
		if err != nil {
			return err
		}
		return f.report(ctx, a, q, due, ticket)
	}
	items := make([]producer.Item, len(all))
	for i, t := range all {
		items[i] = producer.Item{Task: t, Options: options}
	}
	tickets, err := q.EnqueueAll(ctx, items)
	var bulk *producer.BulkError
	if errors.As(err, &bulk) {
		// What was enqueued is reported before the rest fails.
		failed := map[int]bool{}
		for _, e := range bulk.Failed {
			failed[e.Index] = true
		}
		var stored []producer.Ticket
		for i, t := range tickets {
			if !failed[i] {
				stored = append(stored, t)
			}
		}
		return errors.Join(a.printTickets(f.JSON, stored), err)
	}
	return f.report(ctx, a, q, due, tickets...)
}

// report prints the tickets, or with --wait what became of them.
func (f enqueueFlags) report(
	ctx context.Context, a *app, q *producer.Client, due time.Time, tickets ...producer.Ticket,
) error {
	if !f.Wait {
		if len(tickets) == 1 {
			return a.printTicket(f.JSON, tickets[0])
		}
		return a.printTickets(f.JSON, tickets)
	}
	end := time.Now()
	if due.After(end) {
		end = due
	}
	ctx, cancel := context.WithDeadline(ctx, end.Add(f.Timeout))
	defer cancel()
	results := make([]tasks.Result, len(tickets))
	var failures []error
	for i, t := range tickets {
		var err error
		results[i], err = q.Wait(ctx, t.ID)
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			results[i].ID = t.ID
			failures = append(failures, &undecidedError{results[i]})
		case errors.Is(err, context.Canceled):
			failures = append(failures, errInterrupted)
		case err != nil:
			return err
		case results[i].Outcome != tasks.OutcomeSent:
			failures = append(failures, notSent(results[i]))
		}
	}
	var err error
	switch {
	case len(results) == 1 && f.JSON:
		err = a.printJSON(results[0])
	case len(results) == 1:
		err = a.printResult(results[0])
	case f.JSON:
		err = a.printJSON(results)
	default:
		err = a.printResults(results)
	}
	if err != nil || len(failures) == 0 {
		return err
	}
	if len(tickets) == 1 {
		return failures[0]
	}
	return fmt.Errorf("%d of %d tasks were not sent, the first: %w", len(failures), len(tickets), failures[0])
}

// notSent says why a decided task didn't reach LINE, or may not have.
func notSent(r tasks.Result) error {
	text := fmt.Sprintf("task %s: %s", r.ID, r.Outcome)
	if r.Reason != "" && string(r.Reason) != string(r.Outcome) {
		text += " (" + string(r.Reason) + ")"
	}
	if r.Error != "" {
		text += ": " + r.Error
	}
	return errors.New(text)
}

// checkServed refuses a channel that no worker serves, as a misspelt one would wait for ever. Where no worker has run yet
// nobody can know. what is what waits for one.
func (a *app) checkServed(ctx context.Context, rdb redis.UniversalClient, name, what string) error {
	known, err := channel.Known(ctx, rdb)
	switch {
	case err != nil:
		return err
	case len(known) == 0:
		a.note("no worker has run on this Redis yet; the %s waits for one that has the channel %q", what, name)
	case !slices.Contains(known, name):
		return misuse(&unknownChannelError{name, known})
	}
	return nil
}

// tellHold tells of the hold that a task of this kind, or what is made of such tasks, waits for.
func (a *app) tellHold(ctx context.Context, rdb redis.UniversalClient, name string, k tasks.Kind, what string) error {
	p, err := tasks.PolicyOf(k)
	if err != nil {
		return err
	}
	holds, err := channel.Holds(ctx, rdb, name)
	if err != nil {
		return err
	}
	for _, h := range holds[name] {
		if h.Covers(p) {
			a.note("the channel %s is held (%s): the %s waits until that is over; see lineq channel list", name, h.Reason, what)
			return nil
		}
	}
	return nil
}

func (a *app) printTicket(asJSON bool, t producer.Ticket) error {
	if asJSON {
		return a.printJSON(t)
	}
	state := string(t.State)
	if t.Duplicate {
		state += " (it was enqueued before)"
	}
	return a.printRows([]row{
		{"id", t.ID}, {"kind", string(t.Kind)}, {"channel", t.Channel}, {"queue", t.Queue}, {"state", state},
	})
}

func (a *app) printTickets(asJSON bool, all []producer.Ticket) error {
	if asJSON {
		return a.printJSON(all)
	}
	lines := [][]string{{"ID", "KIND", "CHANNEL", "QUEUE", "STATE"}}
	for _, t := range all {
		lines = append(lines, []string{t.ID, string(t.Kind), t.Channel, t.Queue, string(t.State)})
	}
	return a.printTable(lines)
}
