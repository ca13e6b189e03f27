package worker

import (
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisOptions sets, on options for a worker's Redis client, what a worker needs to live through Redis's absence. asynq
// acknowledges with a context that has ended when the first try failed, so a task would run twice after 20 seconds
// without Redis; with the client's own retries it doesn't. On a Cluster these are the redirects, each of which asks who the
// master is: retries alone would go on asking one that is dead, while its replica has long been the master.
func RedisOptions(o *redis.UniversalOptions) *redis.UniversalOptions {
	o.MaxRetries = 40
	if o.IsClusterMode || len(o.Addrs) > 1 && o.MasterName == "" {
		o.MaxRetries, o.MaxRedirects = -1, 40
	}
	o.MinRetryBackoff = 200 * time.Millisecond
	o.MaxRetryBackoff = 2 * time.Second
	o.DialerRetries = 1
	return o
}
