package chaos_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"
)

// event is one misfortune.
type event string

const (
	killWorker   event = "kill -9 of a worker"
	killAll      event = "kill -9 of all workers"
	freezeWorker event = "SIGSTOP of a worker"
	rollWorkers  event = "SIGTERM of one worker after the other"
	cutWorker    event = "a worker's connections to Redis cut"
	killRedis    event = "kill -9 of Redis"
	restartRedis event = "SIGTERM of Redis"
	freezeRedis  event = "SIGSTOP of Redis"
	cutAll       event = "all connections to Redis cut"
)

const (
	// A worker that is frozen for longer than a call may take, 10 s and a margin of 2 s, loses its attempts to others.
	frozenAtLeast = 3 * time.Second
	frozenAtMost  = 15 * time.Second
	awayAtMost    = 5 * time.Second
)

// deck is how often each event happens, on two tracks that run at the same time, so that workers die while Redis is away.
// Within a track one event follows the other in an order drawn by the seed.
type deck struct{ workers, redis map[event]int }

// draw shuffles a track.
func draw(of map[event]int, random *rand.Rand) (all []event) {
	for _, e := range []event{
		killWorker, killAll, freezeWorker, rollWorkers, cutWorker, killRedis, restartRedis, freezeRedis, cutAll,
	} {
		for range of[e] {
			all = append(all, e)
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// misfortune runs both tracks to their ends.
func (r *run) misfortune(ctx context.Context, workers, redis *rand.Rand) {
	var tracks sync.WaitGroup
	tracks.Go(func() { r.track(ctx, r.form.deck.workers, workers, r.workerEvent) })
	tracks.Go(func() { r.track(ctx, r.form.deck.redis, redis, r.redisEvent) })
	tracks.Wait()
}

// lastEvent is the part of the sends that is decided when the last event comes, so that all events meet full queues,
// however fast the machine is.
const lastEvent = 0.85

// track does one event after the other, at moments that are drawn as parts of the sends decided by then.
func (r *run) track(
	ctx context.Context, of map[event]int, random *rand.Rand, do func(context.Context, event, *rand.Rand) error,
) {
	events := draw(of, random)
	moments := make([]float64, len(events))
	for i := range moments {
		moments[i] = lastEvent * random.Float64()
	}
	slices.Sort(moments)
	for i, e := range events {
		for r.journal.decided() < moments[i] {
			if !pause(ctx, followPause) {
				return
			}
		}
		r.note("%s", e)
		if err := do(ctx, e, random); err != nil && ctx.Err() == nil {
			r.violate("%s: %s", e, err)
			return
		}
		r.note("%s: over", e)
	}
}

func between(random *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(random.Int64N(int64(most-least)))
}

func (r *run) workerEvent(ctx context.Context, e event, random *rand.Rand) error {
	first := random.IntN(len(r.workers))
	d := between(random, frozenAtLeast, frozenAtMost)
	outage := between(random, 0, awayAtMost)
	switch e {
	case killAll, rollWorkers:
		var failed error
		var killed sync.WaitGroup
		for _, w := range r.workers {
			if e == rollWorkers {
				w.busy.Lock()
				failed = w.restart(ctx)
				w.busy.Unlock()
			} else if w.busy.TryLock() { // a frozen one stays as it is
				killed.Go(func() {
					defer w.busy.Unlock()
					if err := w.kill(ctx); err != nil && ctx.Err() == nil {
						r.violate("%s: %s", e, err)
					}
				})
			}
			if failed != nil {
				return failed
			}
		}
		killed.Wait()
		return nil
	}
	w := r.workers[first]
	for i := 1; !w.busy.TryLock(); i++ { // another event has it
		w = r.workers[(first+i)%len(r.workers)]
		if w == r.workers[first] && !pause(ctx, followPause) {
			return ctx.Err()
		}
	}
	if e == freezeWorker {
		r.background.Go(func() { // the others have their events meanwhile
			defer w.busy.Unlock()
			w.freeze(ctx, d)
		})
		return nil
	}
	defer w.busy.Unlock()
	if e == cutWorker {
		w.cut(ctx, outage)
		return nil
	}
	return w.kill(ctx)
}

func (r *run) redisEvent(ctx context.Context, e event, random *rand.Rand) error {
	d := between(random, 0, awayAtMost)
	defer r.redisAway()()
	switch e {
	case cutAll:
		r.counts.cuts.Add(int64(len(r.proxies)))
		for _, p := range r.proxies {
			p.cut()
		}
		pause(ctx, d)
		for _, p := range r.proxies {
			p.restore()
		}
		return nil
	case freezeRedis:
		r.counts.redisFreezes.Add(1)
		r.redis.process.signal(syscall.SIGSTOP)
		pause(ctx, d+time.Second)
		r.redis.process.signal(syscall.SIGCONT)
		return nil
	case killRedis:
		r.redis.process.kill()
	default:
		r.redis.process.signal(syscall.SIGTERM)
		<-r.redis.process.done
	}
	r.counts.redisRestarts.Add(1)
	pause(ctx, d)
	return r.redis.start(context.WithoutCancel(ctx)) // the judge needs it, too
}
