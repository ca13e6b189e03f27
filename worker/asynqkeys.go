package worker

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// This file is all that worker relies on in the way asynq 0.26 keeps its tasks in Redis, beyond asynq's own functions.
// asynqkeys_test.go, which looks with asynq's own Server and Inspector, fails when a new asynq changes it.
//
//	asynq:queues             set of all queues
//	asynq:{<queue>}:pending  list of IDs: the tasks that wait for a worker
//	…:active                 list of IDs: the tasks that a server has fetched
//	…:lease                  sorted set of the active IDs, by the Unix time until which the server has them
//	…:scheduled, …:retry     sorted sets of IDs, by the Unix time at which they are due
//	…:paused                 exists while the queue is paused
//	…:t:<id>                 hash of a task; asynq finds an ID taken while it exists
//
// A fetched task is in active and in lease. asynq lets go of it by a script that takes it from both, or answers
// "NOT FOUND".
//
// The scripts of ahead.go do for several tasks what asynq's dequeue and requeue do for one, with the fields state and
// pending_since of a task's hash; TestFetchIsAsynqs fails when these change. The script of acks.go does for several what
// asynq's done does for one, with the counts under processed; TestDoneIsAsynqs fails when that changes.

const asynqQueues = "asynq:queues"

// lease is asynq's: how long a task belongs to the server that has fetched it, without a heartbeat.
const lease = 30 * time.Second

// asynqKey is one of a queue's keys. All of them share a hash tag.
func asynqKey(queue, name string) string { return "asynq:{" + queue + "}:" + name }

// isDequeue recognises the script that fetches a task. Its first argument is the end of the lease as Unix seconds.
func isDequeue(keys []string) bool {
	return len(keys) == 4 && strings.HasSuffix(keys[0], ":pending") && strings.HasSuffix(keys[1], ":paused")
}

// isForward recognises the script that moves due tasks to pending. It answers how many it moved.
func isForward(keys []string) bool {
	return len(keys) == 2 && strings.HasSuffix(keys[1], ":pending") &&
		(strings.HasSuffix(keys[0], ":scheduled") || strings.HasSuffix(keys[0], ":retry"))
}

// isAcknowledge recognises the scripts by which asynq lets go of a task: done, completed and put back begin with the keys
// active and lease, retry and archive have the task's before them. Their first argument is the ID.
func isAcknowledge(keys []string) bool {
	for i := 0; i < 2 && i+2 < len(keys); i++ {
		if strings.HasSuffix(keys[i], ":active") && strings.HasSuffix(keys[i+1], ":lease") {
			return true
		}
	}
	return false
}

// isTakenAway recognises the answer to an acknowledgement that asynq has the task no more.
func isTakenAway(err error) bool { return err != nil && strings.Contains(err.Error(), "NOT FOUND") }

// hasWork tells whether a queue has tasks to fetch, now or soon, or some that are under way. A paused one hasn't.
func hasWork(ctx context.Context, rdb redis.UniversalClient, queue string, now time.Time) (bool, error) {
	var lists []*redis.IntCmd
	var due []*redis.ZSliceCmd
	var paused *redis.IntCmd
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		paused = p.Exists(ctx, asynqKey(queue, "paused"))
		for _, name := range []string{"pending", "active"} {
			lists = append(lists, p.LLen(ctx, asynqKey(queue, name)))
		}
		for _, name := range []string{"scheduled", "retry"} {
			due = append(due, p.ZRangeWithScores(ctx, asynqKey(queue, name), 0, 0))
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	if paused.Val() > 0 {
		return false, nil
	}
	for _, l := range lists {
		if l.Val() > 0 {
			return true, nil
		}
	}
	for _, d := range due {
		if first := d.Val(); len(first) > 0 && int64(first[0].Score) <= now.Add(soon).Unix() {
			return true, nil
		}
	}
	return false, nil
}

// activeTasks lists the tasks of these queues that some server has fetched.
func activeTasks(ctx context.Context, rdb redis.UniversalClient, queues []string) ([]claim, error) {
	lists := make([]*redis.StringSliceCmd, len(queues))
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, q := range queues {
			lists[i] = p.LRange(ctx, asynqKey(q, "active"), 0, -1)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var active []claim
	for i, q := range queues {
		for _, id := range lists[i].Val() {
			active = append(active, claim{q, id})
		}
	}
	return active, nil
}

// retireScript takes a task away from the server that has fetched it, as asynq's done does, but counts it nowhere.
//
// KEYS 1 active  2 lease  3 the task's hash
// ARGV 1 ID
// Returns 1 if the task was active
var retireScript = redis.NewScript(`
if redis.call('LREM', KEYS[1], 0, ARGV[1]) == 0 then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('DEL', KEYS[3])
return 1
`)

// retire takes an active task out of its queue. Whether it was active still doesn't matter to who has made a copy.
func retire(ctx context.Context, rdb redis.UniversalClient, t claim) error {
	keys := []string{asynqKey(t.queue, "active"), asynqKey(t.queue, "lease"), asynqKey(t.queue, "t:"+t.id)}
	return retireScript.Run(ctx, rdb, keys, t.id).Err()
}
