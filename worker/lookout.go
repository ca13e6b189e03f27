package worker

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/lineq/lineq/tasks/topology"
)

// lookout is a client of the same Redis that gives up at once: for looking whether it is there, and for subscriptions
// that are made anew as soon as it is back. The worker's own client tries for more than a minute, and pauses for longer
// and longer between its tries.
type lookout struct {
	redis.UniversalClient
	own bool
}

// newLookout derives one from the worker's client. Of a client of a kind that isn't known it is that client itself.
func newLookout(rdb redis.UniversalClient) lookout {
	const patience = lookPatience
	switch c := rdb.(type) {
	case *redis.Client:
		// A failover client is one, too: its options carry the dialer that asks the sentinels.
		o := *c.Options()
		o.MaxRetries, o.DialerRetries, o.DialerRetryTimeout, o.ContextTimeoutEnabled = -1, 1, time.Millisecond, true
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = patience, patience, patience, patience
		o.PoolSize, o.MinIdleConns, o.MaxIdleConns, o.MaxActiveConns, o.PipelinePoolSize = 2, 0, 0, 0, -1
		o.Limiter, o.ClientSideCache, o.ClientSideCacheConfig, o.PushNotificationProcessor = nil, nil, nil, nil
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		return lookout{redis.NewClient(&o), true}
	case *redis.ClusterClient:
		o := *c.Options()
		o.MaxRetries, o.DialerRetries, o.DialerRetryTimeout, o.ContextTimeoutEnabled = -1, 1, time.Millisecond, true
		o.MaxRedirects = 3 // go-redis's own
		o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = patience, patience, patience, patience
		o.PoolSize, o.MinIdleConns, o.MaxIdleConns, o.MaxActiveConns, o.PipelinePoolSize = 2, 0, 0, 0, -1
		l := redis.NewClusterClient(&o)
		topology.FollowMasters(l, c)
		return lookout{l, true}
	}
	return lookout{rdb, false}
}

func (l lookout) close() {
	if l.own {
		_ = l.Close()
	}
}

// enduring is the client of an asynq Server, made to live through an absence of Redis.
type enduring struct {
	*attentive
	lookout lookout
}

// endurePause is how long EvalSha waits between two tries; the client's own have come before.
const endurePause = 500 * time.Millisecond

// EvalSha insists where asynq gives a deadline, which is where it puts a task back or takes it out of its queue: go-redis
// gives up at once when a new connection hangs, and the task would stay with nobody until its lease has long been over.
func (s enduring) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	for {
		cmd := s.attentive.EvalSha(ctx, sha, keys, args...)
		if _, bounded := ctx.Deadline(); !bounded || cmd.Err() == nil || !tellsOfAbsence(cmd.Err().Error()) {
			return cmd
		}
		select {
		case <-ctx.Done():
			return cmd
		case <-time.After(endurePause):
		}
	}
}

// Subscribe leaves it to the lookout: a subscription that the worker's own client tries to make again would hold up
// asynq's shutdown.
func (s enduring) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	return s.lookout.Subscribe(ctx, channels...)
}
