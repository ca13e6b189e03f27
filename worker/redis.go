package worker

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisOptions sets, on options for a worker's Redis client, what a worker needs to live through Redis's absence. asynq
// acknowledges with a context that has ended when the first try failed, so a task would run twice after 20 seconds
// without Redis; with the client's own retries it doesn't.
func RedisOptions(o *redis.UniversalOptions) *redis.UniversalOptions {
	o.MaxRetries = 40
	o.MinRetryBackoff = 200 * time.Millisecond
	o.MaxRetryBackoff = 2 * time.Second
	o.DialerRetries = 1
	return o
}
