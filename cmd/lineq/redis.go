package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisFlag names the Redis that producers and workers share.
type redisFlag struct {
	Redis string `default:"redis://127.0.0.1:6379" help:"Redis by its URL: redis://, rediss://, unix://, redis-sentinel:// or redis-cluster://."`
}

// redisPatience is how long a Redis that must be there at the start may take to answer.
const redisPatience = 3 * time.Second

// openRedis connects, and fails at once where nothing answers. tune sets what the client shall do later, when Redis is
// away for a while.
func openRedis(ctx context.Context, rawURL string, tune func(*redis.UniversalOptions) *redis.UniversalOptions) (
	redis.UniversalClient, error,
) {
	o, err := parseRedis(rawURL)
	if err != nil {
		return nil, err
	}
	probe := *o
	probe.MaxRetries, probe.DialerRetries, probe.DialTimeout = -1, 1, redisPatience
	probe.ContextTimeoutEnabled = true
	ctx, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	first := redis.NewUniversalClient(&probe)
	defer first.Close()
	if err := greet(ctx, first); err != nil {
		return nil, &redisDownError{nameOf(o), err}
	}
	return redis.NewUniversalClient(tune(o)), nil
}

// What answers, but isn't what the URL says.
var (
	errIsCluster  = errors.New("this is a node of a Redis Cluster")
	errIsSentinel = errors.New("this is a sentinel")
	errNoCluster  = errors.New("this isn't a Redis Cluster")
)

// greet fails where Redis doesn't answer, or isn't what the URL says.
func greet(ctx context.Context, rdb redis.UniversalClient) error {
	err := rdb.Ping(ctx).Err()
	if _, ok := rdb.(*redis.ClusterClient); ok || err != nil {
		if err != nil && strings.Contains(err.Error(), "cluster support disabled") {
			return errNoCluster
		}
		return err
	}
	info := rdb.Info(ctx, "server")
	switch { // where INFO is forbidden, nobody knows
	case strings.Contains(info.Val(), "redis_mode:cluster"):
		return errIsCluster
	case strings.Contains(info.Val(), "redis_mode:sentinel"):
		return errIsSentinel
	}
	return nil
}

// asGiven leaves the options as they are: a command fails soon when Redis does.
func asGiven(o *redis.UniversalOptions) *redis.UniversalOptions { return o }
