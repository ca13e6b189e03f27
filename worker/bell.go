package worker

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/schedule"
)

// asynq asks an empty queue again after a pause, so an urgent message on an idle queue would wait for half of that. A
// bell does better: the answer "empty" is held back until somebody rings for that queue, for at most maxSilence, and the
// question is asked once more.

// maxSilence is how long an empty queue isn't looked at when no bell rings. It bounds what a lost ring costs.
const maxSilence = time.Second

// bells hands each ring on to the servers that wait at that queue.
type bells struct {
	mu      sync.Mutex
	waiting map[string][]chan struct{}
	// ours tells whether this worker sends what is in a queue.
	ours func(queue string) bool
	// unheard gets the rings for queues of ours at which nobody waits.
	unheard chan struct{}
	// holds gets a value when a channel's holds have changed.
	holds chan struct{}
	// campaigns gets a value when a campaign has changed.
	campaigns chan struct{}
	// schedules gets a value when a schedule has changed.
	schedules chan struct{}
}

func newBells(ours func(queue string) bool) *bells {
	return &bells{waiting: map[string][]chan struct{}{}, ours: ours, unheard: make(chan struct{}, 1),
		holds: make(chan struct{}, 1), campaigns: make(chan struct{}, 1), schedules: make(chan struct{}, 1)}
}

// hear returns a channel that gets a value after every ring for the queue; several rings may make one value.
func (b *bells) hear(queue string) <-chan struct{} {
	c := make(chan struct{}, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waiting[queue] = append(b.waiting[queue], c)
	return c
}

// forget ends all hearing of a queue.
func (b *bells) forget(queue string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.waiting, queue)
}

func (b *bells) ring(queue string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.waiting[queue]
	if len(all) == 0 && b.ours(queue) {
		all = []chan struct{}{b.unheard}
	}
	for _, c := range all {
		notify(c)
	}
}

// notify leaves a value, unless there is one.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// listen passes the rings of other processes on, until ctx ends. go-redis connects again by itself.
func (b *bells) listen(ctx context.Context, rdb redis.UniversalClient) {
	sub := rdb.Subscribe(ctx, tasks.Bell)
	defer sub.Close()
	rings := sub.Channel()
	for {
		select {
		case <-ctx.Done():
			return
		case m, ok := <-rings:
			if !ok {
				return
			}
			if _, ok := channel.Changed(m.Payload); ok {
				notify(b.holds)
				continue
			}
			if _, _, ok := campaign.Changed(m.Payload); ok {
				notify(b.campaigns)
				continue
			}
			if schedule.Changed(m.Payload) {
				notify(b.schedules)
				continue
			}
			b.ring(m.Payload)
		}
	}
}

// attentive is the Redis client of one asynq Server that works one queue. asynqkeys.go tells what it knows of asynq's
// scripts.
type attentive struct {
	redis.UniversalClient
	bells *bells
	queue string
	bell  <-chan struct{}
	ahead *ahead
	acks  *acks
	// claims are told when asynq lets go of a task.
	claims *claims
	// closing ends all waiting and fetching: asynq can't shut a server down that waits.
	closing <-chan struct{}
}

func (a *attentive) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if isDequeue(keys) {
		return a.dequeue(ctx, keys, args)
	}
	if isDone(keys) {
		return a.claims.acknowledged(a.queue, a.acks.done(ctx, keys, args), args)
	}
	cmd := a.UniversalClient.EvalSha(ctx, sha, keys, args...)
	switch {
	case isAcknowledge(keys):
		return a.claims.acknowledged(a.queue, cmd, args)
	case isForward(keys):
		if n, err := cmd.Int(); err == nil && n > 0 {
			a.bells.ring(a.queue)
		}
	}
	return cmd
}

func (a *attentive) dequeue(ctx context.Context, keys []string, args []any) *redis.Cmd {
	cmd := a.ahead.next(ctx, keys, args)
	if cmd.Err() != redis.Nil {
		return cmd
	}
	silence := time.NewTimer(maxSilence)
	defer silence.Stop()
	select {
	case <-a.bell:
	case <-silence.C:
	case <-a.closing:
		return cmd
	}
	return a.ahead.next(ctx, keys, append([]any{time.Now().Add(lease).Unix()}, args[1:]...))
}
