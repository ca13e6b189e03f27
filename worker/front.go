package worker

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// frontScript moves a waiting task to the front of its line: to the end of pending from which asynq fetches, and to which
// asynq itself puts a fetched task back when a server stops. The task was enqueued just now, so it is found at once.
//
// KEYS 1 pending
// ARGV 1 ID
// Returns 1 if the task waited
var frontScript = redis.NewScript(`
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[1])
return 1
`)

// toFront lets a task go next that has had its turn: behind a long line, what a dead worker had would wait once more for as
// long as everything that was enqueued meanwhile.
func toFront(ctx context.Context, rdb redis.UniversalClient, t claim) error {
	return frontScript.Run(ctx, rdb, []string{asynqKey(t.queue, "pending")}, t.id).Err()
}
