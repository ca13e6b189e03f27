package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Every worker says once a second that it lives, and which tasks it has. One of them, whoever holds the lock, watches over
// the others: see deadworkers.go. All keys share a hash tag:
//
//	lineq:{workers}          sorted set: the workers' ids, by the time of their last beat in Redis's clock, Unix ms
//	lineq:{workers}:<id>     hash: claims, as JSON: the IDs in asynq by queue; host; pid; version. Kept for a minute
//	lineq:{workers}:watcher  the id of the worker that watches. Kept for watchTime
const (
	workersKey = "lineq:{workers}"
	watcherKey = workersKey + ":watcher"

	beatEvery = time.Second
	// watchTime is how long a watcher that is heard of no more keeps others from watching.
	watchTime = 3 * time.Second
	// claimsKept is how long it is known what a worker had.
	claimsKept = time.Minute
)

func claimsKey(worker string) string { return workersKey + ":" + worker }

// beatScript tells that a worker lives, and makes it the watcher if there is none.
//
// KEYS 1 workers  2 the worker's hash  3 watcher
// ARGV 1 id  2 claims  3 host  4 pid  5 how long the hash is kept, ms  6 how long the lock is, ms
//
//	7 version
//
// Returns Redis's clock as Unix ms, 1 if this worker watches
var beatScript = redis.NewScript(`
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('HSET', KEYS[2], 'claims', ARGV[2], 'host', ARGV[3], 'pid', ARGV[4], 'version', ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
local watcher = redis.call('GET', KEYS[3])
if watcher and watcher ~= ARGV[1] then return {now, '0'} end
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[6])
return {now, '1'}
`)

// leaveScript tells that a worker has nothing any more and needn't be watched.
//
// KEYS as above
// ARGV 1 id
// Returns 1
var leaveScript = redis.NewScript(`
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('DEL', KEYS[2])
if redis.call('GET', KEYS[3]) == ARGV[1] then redis.call('DEL', KEYS[3]) end
return 1
`)

func newWorkerID() string {
	var b [4]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// beatUntil beats until ctx ends, and watches over the other workers while it is this one's turn.
func (w *Worker) beatUntil(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	turns := make(chan turn, 1)
	defer close(turns)
	all.Go(func() { newWatch(w).over(ctx, turns) })

	var p pulse
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		t, err := w.beat(ctx)
		switch {
		case err != nil && ctx.Err() == nil && w.alarms.due("beat", time.Now()):
			w.health.warn("can't tell the other workers that this one lives", err)
		case err == nil:
			p.beat(t)
			t.since = p.since
			if t.watches {
				select {
				case turns <- t:
				default: // it is still at the last one
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// turn is what a beat was answered.
type turn struct {
	redis   time.Time // by Redis's clock
	here    time.Time // by this machine's, when the answer had come
	since   time.Time // when this worker's regular beats began, by this machine's clock
	watches bool      // it is this worker's turn to watch
}

// judges tells whether the worker has beaten regularly for long enough to say who is dead.
func (t turn) judges() bool { return t.here.Sub(t.since) >= steadyTime }

func (w *Worker) beat(ctx context.Context) (turn, error) {
	claims, err := json.Marshal(w.claims.snapshot())
	if err != nil {
		return turn{}, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown-host" // as asynq says, see strangers.go
	}
	answer, err := beatScript.Run(ctx, w.cfg.Redis, w.beatKeys(), w.id, claims, host, os.Getpid(),
		claimsKept.Milliseconds(), watchTime.Milliseconds(), w.cfg.Version).Int64Slice()
	if err != nil {
		return turn{}, err
	}
	return turn{redis: time.UnixMilli(answer[0]), here: time.Now(), watches: answer[1] == 1}, nil
}

func (w *Worker) beatKeys() []string { return []string{workersKey, claimsKey(w.id), watcherKey} }

// leave is the last a worker says. Where it can't, its turn is given to another as if it had died.
func (w *Worker) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), beatEvery)
	defer cancel()
	_ = leaveScript.Run(ctx, w.cfg.Redis, w.beatKeys(), w.id).Err()
}

const (
	// steadyTime is how long a worker must have beaten regularly before it judges others: longer than a client with
	// RedisOptions takes to find a Redis again that was away.
	steadyTime = 3500 * time.Millisecond
	// pauseTime is the longest pause between two regular beats.
	pauseTime = 2500 * time.Millisecond
	// jumpTime is how far the clocks of Redis and of this machine may drift apart between two of them.
	jumpTime = time.Second
)

// pulse tells since when a worker has beaten regularly. While it was away from Redis, or frozen, or when Redis's clock has
// jumped, everybody else looks dead. The zero value has just begun.
type pulse struct {
	last  turn
	since time.Time // when the regular beats began
}

func (p *pulse) beat(t turn) {
	here, there := t.here.Sub(p.last.here), t.redis.Sub(p.last.redis)
	if p.since.IsZero() || here > pauseTime || (there-here).Abs() > jumpTime {
		p.since = t.here
	}
	p.last = t
}
