package chaos_test

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// recovery measures how long the tasks of killed workers lie: from the kill to the moment at which another worker has
// opened their next attempt or has decided them, within lookPause and a twentieth of it.
//
// Nobody writes down at each moment which worker has which task. So all tasks are followed that are active after the kill
// with an attempt under way. Of a living worker the attempt ends by itself; what has its next attempt though the one before
// was never seen to end, and later than the earliest moment at which a silent worker is taken for dead, lay in a worker
// that was killed, or that was frozen at that time.
type recovery struct {
	run     *run
	rdb     redis.UniversalClient
	records *record.Store
	all     sync.WaitGroup

	mu   sync.Mutex
	lain []lain
}

// lain is how long a task lay.
type lain struct {
	time      time.Duration
	disturbed bool // meanwhile Redis was away, for some worker at least
}

const (
	lookPause = 200 * time.Millisecond
	// silence is shorter than what a worker may be silent before another takes its tasks.
	silence = 3 * time.Second
)

// watch follows what is active now. It returns at once.
func (v *recovery) watch(ctx context.Context, killed time.Time) {
	v.all.Go(func() {
		refs, err := v.active(ctx)
		for err != nil { // Redis is away
			if !pause(ctx, lookPause) {
				return
			}
			refs, err = v.active(ctx)
		}
		lying := map[record.Ref]int{} // with the attempts that they had
		for _, ref := range refs {
			if r, err := v.records.Read(ctx, ref); err == nil && r.Live {
				lying[ref] = r.Result.Attempts
			}
		}
		for len(lying) > 0 {
			for ref, attempts := range maps.Clone(lying) {
				now, err := v.records.Read(ctx, ref)
				if err != nil {
					break
				}
				over := now.Result.Attempts > attempts || now.Result.Outcome == tasks.OutcomeUnknown
				if over && time.Since(killed) > silence {
					v.count(ref, killed)
				}
				if over || !now.Live {
					delete(lying, ref)
				}
			}
			if !pause(ctx, max(lookPause, time.Since(killed)/20)) {
				return
			}
		}
	})
}

// active lists the tasks that asynq has given to workers.
func (v *recovery) active(ctx context.Context) (refs []record.Ref, err error) {
	queues, err := v.rdb.SMembers(ctx, "asynq:queues").Result()
	for _, q := range queues {
		ids, err := v.rdb.LRange(ctx, "asynq:{"+q+"}:active", 0, -1).Result()
		if err != nil {
			return nil, err
		}
		for _, id := range ids {
			if ref, _, err := record.ParseCopy(id); err == nil {
				refs = append(refs, ref)
			}
		}
	}
	return refs, err
}

func (v *recovery) count(ref record.Ref, killed time.Time) {
	d := time.Since(killed)
	v.run.note("%s has lain for %s", ref, d.Round(lookPause))
	v.mu.Lock()
	defer v.mu.Unlock()
	v.lain = append(v.lain, lain{d, v.run.redisWasAway(killed)})
}

// longest is how many tasks lay while Redis was there, or while it was away for a time, and for how long at most.
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
