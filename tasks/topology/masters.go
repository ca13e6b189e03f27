package topology

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"weak"

	"github.com/redis/go-redis/v9"
)

// FollowMasters lets a client of a Redis Cluster, and others of the same, look for its masters as soon as it can't reach
// one. By itself go-redis looks once a minute: for so long after a failover it would go on asking the dead one. Clients
// that are none of a Cluster are left alone, and a second time nothing is added.
func FollowMasters(first redis.UniversalClient, others ...redis.UniversalClient) {
	c, ok := first.(*redis.ClusterClient)
	if !ok {
		return
	}
	this := weak.Make(c)
	if _, again := following.LoadOrStore(this, true); again {
		return
	}
	runtime.AddCleanup(c, func(gone weak.Pointer[redis.ClusterClient]) { following.Delete(gone) }, this)
	f := follower{c}
	for _, o := range others {
		if o, ok := o.(*redis.ClusterClient); ok {
			f = append(f, o)
		}
	}
	c.AddHook(f)
	c.OnNewNode(func(node *redis.Client) { node.AddHook(f) })
}

// following are the clients that have the hook, which go-redis can't be asked for.
var following sync.Map

// EachMaster calls f for every node that takes writes, at the same time, and returns their first error.
func EachMaster(ctx context.Context, rdb redis.UniversalClient, f func(context.Context, redis.UniversalClient) error) error {
	c, ok := rdb.(*redis.ClusterClient)
	if !ok {
		return f(ctx, rdb)
	}
	return c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return f(ctx, node) })
}

// follower is a hook on a client of a Cluster, and on those of its nodes that the client meets later: to these errors come
// before it tries again.
type follower []*redis.ClusterClient

func (f follower) look(ctx context.Context, err error) {
	var answer redis.Error
	if err == nil || errors.As(err, &answer) || ctx.Err() != nil {
		return
	}
	for _, c := range f {
		c.ReloadState(ctx) // in the background, and not more than some times a second
	}
}

func (f follower) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f follower) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		f.look(ctx, err)
		return err
	}
}

func (f follower) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		f.look(ctx, err)
		return err
	}
}
