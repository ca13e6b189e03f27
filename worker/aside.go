package worker

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
)

// A worker may have a token that LINE refuses while others on the same Redis have one that works: one that was forgotten
// when the token was changed. It then stands aside and leaves the channel's tasks to the others; to hold the channel for
// it would stop them all.

const (
	// asideCheckEvery is how often a worker that stands aside looks whether it still must.
	asideCheckEvery = 30 * time.Second
	// asideDelay is when a task comes again that it has fetched all the same. Another worker may take it then.
	asideDelay = time.Second
)

// aside are the channels that this worker leaves to others, by when to look again. The zero value is ready.
type aside struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (a *aside) stands(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, ok := a.until[name]
	return ok
}

func (a *aside) step(name string, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.until == nil {
		a.until = map[string]time.Time{}
	}
	a.until[name] = now.Add(asideCheckEvery)
}

func (a *aside) back(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.until, name)
}

// due lists the channels to look at now, and puts the next look off.
func (a *aside) due(now time.Time) (names []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, at := range a.until {
		if !at.After(now) {
			names = append(names, name)
			a.until[name] = now.Add(asideCheckEvery)
		}
	}
	return names
}

// standAside leaves a channel whose token LINE refuses here to a worker whose token works, if there is one.
func (w *Worker) standAside(ctx context.Context, name string) bool {
	if w.aside.stands(name) {
		return true
	}
	other, err := channel.WorkingToken(ctx, w.cfg.Redis, name)
	if err != nil || other == "" || other == w.id {
		return false
	}
	w.aside.step(name, time.Now())
	if w.alarms.due("aside "+name, time.Now()) {
		w.log.Error("LINE refuses this worker's token, but another worker's works: this one leaves the channel to others",
			zap.String("channel", name), zap.String("worker", w.id), zap.String("other", other))
	}
	return true
}

// lookWhetherAside ends the standing aside where this worker's token works by now, and where no other's is known to work
// any more: the next refusal then holds the channel.
func (w *Worker) lookWhetherAside(ctx context.Context) {
	for _, name := range w.aside.due(time.Now()) {
		client := w.client(name)
		if client == nil {
			w.aside.back(name)
			continue
		}
		w.checks.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			works := w.tokenWorks(ctx, client)
			other, err := channel.WorkingToken(ctx, w.cfg.Redis, name)
			switch {
			case works:
				w.log.Info("LINE takes this worker's token again", zap.String("channel", name))
			case err != nil || other != "":
				return
			}
			w.aside.back(name)
			w.tokens.works(name)
		})
	}
}

// serves tells whether this worker sends what is in a channel's own queue.
func (w *Worker) serves(queue string) bool {
	_, name, ok := tasks.ParseQueue(queue)
	return ok && w.has(name) && !w.aside.stands(name)
}
