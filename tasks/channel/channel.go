// Package channel keeps in Redis which channels there are.
package channel

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// registry is a sorted set: the names, by when a worker last said that it serves them, in Unix seconds of Redis's clock.
const registry = "lineq:channels"

const (
	// Refresh is how often a worker repeats which channels it serves.
	Refresh = time.Hour
	// memory is how long a channel is remembered that no worker serves any more.
	memory = 7 * 24 * time.Hour
)

// Register says that a worker serves these channels. Repeat it every Refresh.
func Register(ctx context.Context, rdb redis.UniversalClient, names ...string) error {
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return fmt.Errorf("register channels: %w", err)
	}
	_, err = rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, n := range names {
			p.ZAdd(ctx, registry, redis.Z{Score: float64(now.Unix()), Member: n})
		}
		p.ZRemRangeByScore(ctx, registry, "-inf", forgotten(now))
		return nil
	})
	if err != nil {
		return fmt.Errorf("register channels: %w", err)
	}
	return nil
}

// Known lists the channels that some worker serves, or has served within a week, sorted. It is empty where no worker has
// ever run.
func Known(ctx context.Context, rdb redis.UniversalClient) ([]string, error) {
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	names, err := rdb.ZRangeByScore(ctx, registry, &redis.ZRangeBy{Min: "(" + forgotten(now), Max: "+inf"}).Result()
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// forgotten is the highest score that isn't remembered any more.
func forgotten(now time.Time) string { return strconv.FormatInt(now.Add(-memory).Unix(), 10) }
