package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisFlag names the Redis that producers and workers share.
type redisFlag struct {
	Redis string `default:"redis://127.0.0.1:6379" help:"Redis by its URL: redis://, rediss:// or unix://."`
}

// parseRedis reads a Redis URL. Its errors never quote the URL: it may hold a password.
func parseRedis(rawURL string) (*redis.UniversalOptions, error) {
	scheme, _, found := strings.Cut(rawURL, "://")
	if !found || scheme != "redis" && scheme != "rediss" && scheme != "unix" {
		return nil, misuse(errRedisURL)
	}
	o, err := redis.ParseURL(rawURL)
	var malformed *url.Error
	switch {
	case errors.As(err, &malformed):
		return nil, misuse(marked{errors.New("the Redis URL can't be read"), errRedisURL})
	case err != nil:
		return nil, misuse(marked{err, errRedisURL})
	}
	return &redis.UniversalOptions{
		Addrs: []string{o.Addr}, DB: o.DB, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
		Protocol: o.Protocol, ClientName: o.ClientName,
		DialTimeout: o.DialTimeout, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout,
		MaxRetries: o.MaxRetries, MinRetryBackoff: o.MinRetryBackoff, MaxRetryBackoff: o.MaxRetryBackoff,
		PoolSize: o.PoolSize, PoolFIFO: o.PoolFIFO, PoolTimeout: o.PoolTimeout, MinIdleConns: o.MinIdleConns,
		MaxIdleConns: o.MaxIdleConns, MaxActiveConns: o.MaxActiveConns, ConnMaxIdleTime: o.ConnMaxIdleTime,
		ConnMaxLifetime: o.ConnMaxLifetime,
	}, nil
}

// redisName is what may be shown of a Redis: where it is, and nothing of who may enter. It is empty for a URL that
// parseRedis refuses.
func redisName(rawURL string) string {
	o, err := parseRedis(rawURL)
	if err != nil {
		return ""
	}
	if o.DB == 0 {
		return o.Addrs[0]
	}
	return fmt.Sprintf("%s/%d", o.Addrs[0], o.DB)
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
	if err := first.Ping(ctx).Err(); err != nil {
		return nil, &redisDownError{redisName(rawURL), err}
	}
	return redis.NewUniversalClient(tune(o)), nil
}

// asGiven leaves the options as they are: a command fails soon when Redis does.
func asGiven(o *redis.UniversalOptions) *redis.UniversalOptions { return o }
