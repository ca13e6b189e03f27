package chaos_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// app is an app that enqueues, and repeats what wasn't enqueued as the producer's errors tell it to.
type app struct {
	run *run
	q   *producer.Client
}

// repeatPause is how long the app waits before it asks again after an error.
const repeatPause = 200 * time.Millisecond

func (s *send) item(opts ...producer.Option) producer.Item {
	opts = append(opts, producer.ID(s.id), producer.Channel(s.channel.name))
	return producer.Item{Task: s.task(), Options: opts}
}

// send enqueues the whole plan, spread over the form's window, and returns when all is enqueued and operated.
func (a *app) send(ctx context.Context) {
	var all sync.WaitGroup
	for _, c := range a.run.channels {
		all.Go(func() { a.feed(ctx, a.run.plan.bulk[c]) })
		single := a.run.plan.single[c]
		all.Go(func() {
			began := time.Now()
			var mine sync.WaitGroup
			defer mine.Wait()
			for i, s := range single {
				due := began.Add(a.run.form.window * time.Duration(i) / time.Duration(len(single)))
				if !pause(ctx, time.Until(due)) {
					return
				}
				mine.Go(func() { a.one(ctx, s) })
			}
		})
	}
	all.Wait()
}

// feed enqueues many at the pace at which they are due.
func (a *app) feed(ctx context.Context, sends []*send) {
	const batch, breath = 500, 100 * time.Millisecond
	began := time.Now()
	for done, batches := 0, 1; done < len(sends); batches++ {
		due := int(float64(len(sends)) * min(1, float64(time.Since(began))/float64(a.run.form.window)))
		items := make([]producer.Item, 0, batch)
		for _, s := range sends[done:max(done, min(due, done+batch))] {
			items = append(items, s.item())
		}
		done += len(items)
		a.enqueue(ctx, items)
		if batches%10 == 0 {
			a.enqueue(ctx, items) // an app that doesn't remember having done it
		}
		if len(items) < batch && !pause(ctx, breath) {
			return
		}
	}
}

// enqueue repeats until all items are enqueued.
func (a *app) enqueue(ctx context.Context, items []producer.Item) {
	for len(items) > 0 && ctx.Err() == nil {
		_, err := a.q.EnqueueAll(ctx, items)
		if err == nil {
			return
		}
		var bulk *producer.BulkError
		if !errors.As(err, &bulk) {
			a.run.violate("enqueueing failed as a whole: %s", err)
			return
		}
		var again []producer.Item
		for _, f := range bulk.Failed {
			var e *producer.EnqueueError
			if !errors.As(f.Err, &e) {
				a.run.violate("enqueueing was refused: %s", f.Err)
				continue
			}
			again = append(again, items[f.Index])
		}
		items = again
		a.run.counts.repeats.Add(int64(len(again)))
		pause(ctx, repeatPause)
	}
}

// one enqueues a send that isn't in bulk.
func (a *app) one(ctx context.Context, s *send) {
	switch {
	case s.kind == tasks.KindReply:
		var err error
		if s.token, err = a.run.line.replyToken(ctx, *s.channel, s.to[0]); err != nil {
			a.run.violate("no reply token: %s", err)
			return
		}
	case s.before != nil:
		select {
		case <-s.before.decided:
		case <-ctx.Done():
			return
		}
	case s.role == operated:
		a.operate(ctx, s)
		return
	}
	a.enqueue(ctx, []producer.Item{s.item()})
}

// operate enqueues a task and does with it what its script says. What the producer refuses, because the task is being
// sent or has been, is an answer like any other; everything else is asked again until there is one.
func (a *app) operate(ctx context.Context, s *send) {
	var opts []producer.Option
	if s.script.after > 0 {
		opts = append(opts, producer.After(s.script.after))
	}
	a.enqueue(ctx, []producer.Item{s.item(opts...)})
	channel := producer.Channel(s.channel.name)
	step := func(wanted bool, do func() error) {
		if !wanted || !pause(ctx, s.script.pause) {
			return
		}
		a.run.counts.operations.Add(1)
		for ctx.Err() == nil {
			err := do()
			switch {
			case err == nil, errors.Is(err, producer.ErrBusy), errors.Is(err, producer.ErrDecided),
				errors.Is(err, record.ErrSent):
				return
			case errors.Is(err, producer.ErrNotFound):
				a.run.violate("%s was enqueued, and is said not to exist", s.id)
				return
			}
			pause(ctx, repeatPause)
		}
	}
	step(s.script.reschedule, func() error { return a.q.Reschedule(ctx, s.id, time.Now().Add(time.Second), channel) })
	step(s.script.cancel, func() error { _, err := a.q.Cancel(ctx, s.id, channel); return err })
	step(s.script.run, func() error { _, err := a.q.Run(ctx, s.id, channel); return err })
}
