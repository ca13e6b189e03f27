package worker

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
)

// asynq fetches one task per round trip to Redis, so its rate falls with the distance. This file lets it fetch several.

// fetchScript does for up to so many tasks what asynq's dequeue does for one.
//
// KEYS, ARGV 1 and 2 as asynq's dequeue: pending, paused, active, lease; end of the lease, prefix of the tasks' keys
// ARGV[3] how many
// Returns id, message, id, message …
var fetchScript = redis.NewScript(`
local out = {}
if redis.call('EXISTS', KEYS[2]) == 1 then return out end
while #out == 0 do
  local ids = redis.call('LRANGE', KEYS[1], -tonumber(ARGV[3]), -1)
  if #ids == 0 then break end
  redis.call('LTRIM', KEYS[1], 0, -1 - #ids)
  local active, leases = {}, {}
  for i = #ids, 1, -1 do
    local key = ARGV[2] .. ids[i]
    local message = redis.call('HGET', key, 'msg')
    -- asynq would leave the id of a task that was deleted while it waited among the active ones for ever.
    if message then
      redis.call('HSET', key, 'state', 'active')
      redis.call('HDEL', key, 'pending_since')
      active[#active + 1] = ids[i]
      leases[#leases + 1] = ARGV[1]
      leases[#leases + 1] = ids[i]
      out[#out + 1] = ids[i]
      out[#out + 1] = message
    end
  end
  if #active > 0 then
    redis.call('LPUSH', KEYS[3], unpack(active))
    redis.call('ZADD', KEYS[4], unpack(leases))
  end
end
return out
`)

// giveBackScript puts fetched tasks back where they were, the oldest in front.
//
// KEYS as above
// ARGV 1 prefix of the tasks' keys  2 Unix time, ns  3… ids, the oldest first
var giveBackScript = redis.NewScript(`
for i = #ARGV, 3, -1 do
  if redis.call('LREM', KEYS[3], 1, ARGV[i]) == 1 then
    redis.call('ZREM', KEYS[4], ARGV[i])
    redis.call('RPUSH', KEYS[1], ARGV[i])
    redis.call('HSET', ARGV[1] .. ARGV[i], 'state', 'pending', 'pending_since', ARGV[2])
  end
end
return 'ok'
`)

const (
	// maxAhead is how many tasks are fetched together at most.
	maxAhead = 16
	// aheadTime is how long a fetched task waits for a slot before it goes back to its queue. It bounds how much later
	// than asynq's own dequeue a pause takes hold.
	aheadTime = 100 * time.Millisecond
)

// ahead is what one asynq Server has fetched beyond the task that it asked for. As many are fetched as were soon taken:
// one more each time, half when some had to go back.
type ahead struct {
	rdb   redis.UniversalClient
	queue string
	most  int
	// claims has every task that was fetched.
	claims *claims

	mu      sync.Mutex
	count   int // of the next fetch
	tasks   []fetched
	keys    []string // as asynq gave them
	prefix  any
	takenBy time.Time // when what is left goes back
	timer   *time.Timer
	over    bool
}

// fetched is a task that is ours in Redis and not yet asynq's in this process.
type fetched struct{ id, message string }

// newAhead fetches for a Server of so many slots: not so many that the last of them would have to wait long.
func newAhead(rdb redis.UniversalClient, queue string, slots int, claims *claims) *ahead {
	return &ahead{rdb: rdb, queue: queue, claims: claims, most: max(1, min(maxAhead, slots/4)), count: 1}
}

// next answers asynq's dequeue: with a task that has been fetched already, or the first of those that now are.
func (a *ahead) next(ctx context.Context, keys []string, args []any) *redis.Cmd {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.tasks) > 0 && time.Now().After(a.takenBy) {
		a.giveBack(ctx)
	}
	if len(a.tasks) == 0 {
		if a.over {
			return redis.NewCmdResult(nil, redis.Nil)
		}
		if err := a.fetch(ctx, keys, args); err != nil {
			return redis.NewCmdResult(nil, err)
		}
	}
	if len(a.tasks) == 0 {
		return redis.NewCmdResult(nil, redis.Nil)
	}
	t := a.tasks[0]
	a.tasks = a.tasks[1:]
	if len(a.tasks) == 0 && a.timer != nil {
		a.timer.Stop()
	}
	return redis.NewCmdResult(t.message, nil)
}

func (a *ahead) fetch(ctx context.Context, keys []string, args []any) error {
	got, err := fetchScript.Run(ctx, a.rdb, keys, args[0], args[1], a.count).StringSlice()
	if err != nil {
		return err
	}
	a.tasks = make([]fetched, 0, len(got)/2)
	for i := 0; i+1 < len(got); i += 2 {
		a.claims.add(a.queue, got[i])
		a.tasks = append(a.tasks, fetched{got[i], got[i+1]})
	}
	if len(a.tasks) == a.count {
		a.count = min(a.count+1, a.most)
	}
	if len(a.tasks) < 2 {
		return nil
	}
	a.keys, a.prefix, a.takenBy = keys, args[1], time.Now().Add(aheadTime)
	if a.timer == nil {
		a.timer = time.AfterFunc(aheadTime, a.tooLong)
	} else {
		a.timer.Reset(aheadTime)
	}
	return nil
}

// tooLong is for what no slot became free for.
func (a *ahead) tooLong() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !time.Now().Before(a.takenBy) {
		a.giveBack(context.Background())
	}
}

// close gives back what is left; nothing is fetched any more.
func (a *ahead) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	if a.timer != nil {
		a.timer.Stop()
	}
	a.giveBack(context.Background())
}

// giveBack returns what is left to the queue, and rings for whoever has a slot. Where Redis doesn't hear it, the leases
// end, as after a crash.
func (a *ahead) giveBack(ctx context.Context) {
	if len(a.tasks) == 0 {
		return
	}
	args := []any{a.prefix, time.Now().UnixNano()}
	for _, t := range a.tasks {
		args = append(args, t.id)
	}
	a.tasks, a.count = nil, max(1, a.count/2)
	if giveBackScript.Run(ctx, a.rdb, a.keys, args...).Err() == nil {
		for _, id := range args[2:] {
			a.claims.remove(a.queue, id.(string))
		}
		a.rdb.Publish(ctx, tasks.Bell, a.queue)
	}
}
