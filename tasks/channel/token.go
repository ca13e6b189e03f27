package channel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// tokenMemory is for how long it is known whose token LINE has taken.
const tokenMemory = 10 * time.Minute

func tokenKey(channel string) string { return "lineq:{" + channel + "}:token" }

// TokenWorks says that LINE takes this worker's token for a channel, when another's may have been refused. It is
// remembered for ten minutes; the last one to say so replaces others.
func TokenWorks(ctx context.Context, rdb redis.UniversalClient, channel, worker string) error {
	if err := rdb.Set(ctx, tokenKey(channel), worker, tokenMemory).Err(); err != nil {
		return fmt.Errorf("say that the token of %s works: %w", channel, err)
	}
	return nil
}

// WorkingToken tells which worker has said by [TokenWorks] that its token works; "": none.
func WorkingToken(ctx context.Context, rdb redis.UniversalClient, channel string) (worker string, err error) {
	worker, err = rdb.Get(ctx, tokenKey(channel)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read whose token of %s works: %w", channel, err)
	}
	return worker, nil
}
