// Package channel keeps in Redis which channels there are, and which of them are held.
//
// A held channel's tasks wait until [Lift], or until the hold ends by itself. Producers and operators read it with [Known],
// [LastSeen] and [Holds]; workers find by [Attention] which channels to look at, and hear of changes on [tasks.Bell].
package channel

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// registry is a sorted set: the names, by when a worker last said that it serves them, in Unix seconds of Redis's clock.
const registry = "lineq:channels"

const (
	// Refresh is how often a worker repeats which channels it serves.
	Refresh = time.Minute
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
	seen, err := LastSeen(ctx, rdb)
	return slices.Sorted(maps.Keys(seen)), err
}

// LastSeen tells of the channels that Known lists when a worker last said that it serves them. A worker that runs says so
// every Refresh.
func LastSeen(ctx context.Context, rdb redis.UniversalClient) (map[string]time.Time, error) {
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	known, err := rdb.ZRangeByScoreWithScores(ctx, registry, &redis.ZRangeBy{Min: "(" + forgotten(now), Max: "+inf"}).Result()
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	seen := map[string]time.Time{}
	for _, z := range known {
		seen[z.Member.(string)] = time.Unix(int64(z.Score), 0).UTC()
	}
	return seen, nil
}

// forgotten is the highest score that isn't remembered any more.
func forgotten(now time.Time) string { return strconv.FormatInt(now.Add(-memory).Unix(), 10) }
