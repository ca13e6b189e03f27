package chaos_test

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// recovery measures how long the tasks of killed workers lie: from the kill to the moment at which another worker has
// opened their next attempt, or has decided them as unknown. Those that lay while Redis was away, or cut off from some
// worker, are counted apart.
//
// Nobody writes down which worker has a task. So all tasks are looked at that are active after the kill with an attempt
// under way. A worker that lives ends its attempt by itself, and then the task isn't counted; only where the attempt was
// never ended, and the next one is there, its worker was dead, or frozen for longer than a call may take.
type recovery struct {
	run     *run
	q       *producer.Client
	records *record.Store
	all     sync.WaitGroup

	mu   sync.Mutex
	lain map[lost]lain
}

// lost is an attempt that was under way in a dead worker.
type lost struct {
	ref     record.Ref
	attempt int
}

// lain is how long it was until the next one. Of several kills, the first counts.
type lain struct {
	time      time.Duration
	disturbed bool // meanwhile Redis was away, for some worker at least
}

// The precision of the measurement is a twentieth of what is measured, and lookPause at best.
const lookPause = 200 * time.Millisecond

// watch follows what is active now. It returns at once.
func (v *recovery) watch(ctx context.Context, killed time.Time) {
	v.all.Go(func() {
		attempts := map[record.Ref]int{}
		for found := false; !found; {
			found = true
			for r, err := range v.q.Tasks(ctx, producer.Filter{State: tasks.StateActive}) {
				if err != nil {
					found = false
					break
				}
				attempts[record.Ref{Channel: r.Channel, ID: r.ID}] = r.Attempts
			}
			if !found && !pause(ctx, lookPause) {
				return
			}
		}
		for first := true; len(attempts) > 0; first = false {
			for ref, before := range maps.Clone(attempts) {
				now, err := v.records.Read(ctx, ref)
				if err != nil {
					break // Redis is away
				}
				switch {
				case first && !now.Live, first && now.Result.Attempts != before:
					delete(attempts, ref)
				case now.Result.Attempts > before, now.Result.Outcome == tasks.OutcomeUnknown:
					v.count(lost{ref, before}, killed)
					delete(attempts, ref)
				case !now.Live:
					delete(attempts, ref)
				}
			}
			if !pause(ctx, max(lookPause, time.Since(killed)/20)) {
				return
			}
		}
	})
}

func (v *recovery) count(l lost, killed time.Time) {
	d := time.Since(killed)
	v.run.note("%s is recovered %s after the kill of %s", l.ref, d.Round(lookPause), killed.Format("15:04:05.000"))
	v.mu.Lock()
	defer v.mu.Unlock()
	if d > v.lain[l].time {
		v.lain[l] = lain{d, v.run.redisWasAway(killed)}
	}
}

// longest is how many attempts were lost while Redis was there, or while it was away for a time, and how long it was at
// most until the next one.
func (v *recovery) longest(disturbed bool) (n int, most time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, l := range v.lain {
		if l.disturbed == disturbed {
			n++
			most = max(most, l.time)
		}
	}
	return n, most.Round(lookPause)
}
