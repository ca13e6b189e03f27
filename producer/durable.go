package producer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Durable makes the call succeed only when so many replicas of Redis have confirmed, within the timeout, that they have
// the task too, and the reservation of its ID. If fewer do, the error is an [*EnqueueError] that says MayBeStored, around
// an [*UnconfirmedError] with their number. The task is in its queue then and may be sent; it can only be lost if Redis
// fails over. Repeat the call with the same ID: it succeeds when the replicas have caught up.
//
// It costs a round trip from Redis to the replicas for each call (an EnqueueAll: for each 500 items; it waits for the
// most replicas and the longest timeout that any of them asks for), and a small write. Without it a task is accepted when
// Redis has it in memory. Then a host that dies may lose what its disk doesn't have, which with appendfsync everysec is
// about the last second, and a failover may lose what was not replicated yet, usually some milliseconds.
//
// It doesn't cover what the workers write. A failover may lose the newest records of attempts and outcomes. A task whose
// record is lost that way is sent again: a push, multicast, narrowcast or broadcast under the same retry key, which LINE
// answers with 409, so that it is recorded as sent (replayed) and nobody gets it twice; a reply under its reply token,
// which LINE takes only once, so that it is recorded as failed (invalid) though it arrived; as unknown where only the
// record of its end was lost. What has neither, such as a rich menu, may be done twice.
//
// Redis counts a replica as soon as it has the data in memory. Of several, Sentinel promotes the one that has the most of
// those that it reaches; only who asks for all of them doesn't depend on which that is. The client must be a *redis.Client
// (Sentinel's failover client is one) or a *redis.ClusterClient.
func Durable(replicas int, timeout time.Duration) Option {
	return optionFunc(func(s *settings) { s.durable = &durability{replicas, timeout} })
}

type durability struct {
	replicas int
	timeout  time.Duration
}

func (d durability) check(rdb redis.UniversalClient) error {
	switch rdb.(type) {
	case *redis.Client, *redis.ClusterClient:
	default:
		return fmt.Errorf("durable: a %T can't wait for replicas", rdb)
	}
	switch {
	case d.replicas < 1:
		return fmt.Errorf("durable: the number of replicas must be 1 at least, not %d", d.replicas)
	case d.timeout <= 0:
		return fmt.Errorf("durable: the timeout must be above zero, not %s", d.timeout)
	}
	return nil
}

// UnconfirmedError says that Redis has a task, but too few of its replicas have confirmed that they have it, too.
type UnconfirmedError struct {
	Confirmed, Of int
	// Err is why Redis could not say how many; nil: it has.
	Err error
}

func (e *UnconfirmedError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("whether %d replicas have it isn't known: %v", e.Of, e.Err)
	}
	return fmt.Sprintf("%d of %d replicas have confirmed it in time", e.Confirmed, e.Of)
}

func (e *UnconfirmedError) Unwrap() error { return e.Err }

// pipes are the commands of one round trip. Usually that is one pipeline. To wait for replicas, every master has one
// of its own, on one connection from the first write to the WAIT: so a failover in between can't confirm what it lost.
type pipes struct {
	rdb     redis.UniversalClient
	durable durability // the most that any task asks for; zero: nothing to wait for
	nodes   map[redis.UniversalClient]*pipe
}

type pipe struct {
	redis.Pipeliner
	key       string // one that this node has
	confirmed *redis.IntCmd
}

func newPipes(rdb redis.UniversalClient, entries []entry, which []int) *pipes {
	p := &pipes{rdb: rdb, nodes: map[redis.UniversalClient]*pipe{}}
	for _, i := range which {
		p.durable.replicas = max(p.durable.replicas, entries[i].durable.replicas)
		p.durable.timeout = max(p.durable.timeout, entries[i].durable.timeout)
	}
	return p
}

// at is the pipeline that a command on a key belongs to.
func (p *pipes) at(ctx context.Context, key string) (*pipe, error) {
	node, err := p.node(ctx, key)
	if err != nil {
		return nil, err
	}
	known := p.nodes[node]
	if known == nil {
		known = &pipe{Pipeliner: p.patient(node).Pipeline(), key: key}
		p.nodes[node] = known
	}
	return known, nil
}

func (p *pipes) node(ctx context.Context, key string) (redis.UniversalClient, error) {
	if p.durable.replicas == 0 {
		return p.rdb, nil
	}
	if c, ok := p.rdb.(*redis.ClusterClient); ok {
		return c.MasterForKey(ctx, key)
	}
	return p.rdb, nil
}

// patient is a node's client that doesn't take a WAIT for a connection that hangs: go-redis reads all answers of a
// pipeline within one read timeout.
func (p *pipes) patient(node redis.UniversalClient) redis.UniversalClient {
	c, ok := node.(*redis.Client)
	if !ok || p.durable.replicas == 0 || c.Options().ReadTimeout <= 0 {
		return node
	}
	return c.WithTimeout(c.Options().ReadTimeout + p.durable.timeout)
}

// exec sends everything. Each command has its own error; after one, a cluster may have other masters than before.
func (p *pipes) exec(ctx context.Context) {
	var all sync.WaitGroup
	for _, node := range p.nodes {
		if p.durable.replicas > 0 {
			node.wait(ctx, p.durable)
		}
		all.Go(func() {
			if _, err := node.Exec(ctx); err != nil {
				if c, ok := p.rdb.(*redis.ClusterClient); ok {
					c.ReloadState(ctx)
				}
			}
		})
	}
	all.Wait()
}

// markerLifetime is long for a pipeline and short for a key that says nothing.
const markerLifetime = time.Minute

// wait adds WAIT, which waits for the last write of its connection. Of a task that is stored already there is none, so
// one is made.
func (p *pipe) wait(ctx context.Context, d durability) {
	p.Set(ctx, "lineq:{"+hashTag(p.key)+"}:durable", "", markerLifetime)
	p.confirmed = redis.NewIntCmd(ctx, "wait", d.replicas, max(1, d.timeout.Milliseconds())) // 0 would be for ever
	_ = p.Process(ctx, p.confirmed)
}

// hashTag is the part of a key that decides where Redis Cluster keeps it.
func hashTag(key string) string {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			return tag
		}
	}
	return key
}

// confirmed tells, after exec, whether the replicas have what a task asked for.
func (p *pipes) confirmed(ctx context.Context, e entry) error {
	if e.durable.replicas == 0 {
		return nil
	}
	keys := []string{e.asynqKey(), allQueues}
	if e.own {
		keys = append(keys, e.ref.Key())
	}
	for _, key := range keys {
		node, err := p.node(ctx, key)
		unconfirmed := &UnconfirmedError{Of: e.durable.replicas, Err: err}
		if at := p.nodes[node]; err == nil && at == nil {
			unconfirmed.Err = errors.New("the cluster has moved it meanwhile")
		} else if err == nil {
			var n int64
			n, unconfirmed.Err = at.confirmed.Result()
			unconfirmed.Confirmed = int(n)
		}
		if unconfirmed.Err != nil || unconfirmed.Confirmed < unconfirmed.Of {
			return storedError{unconfirmed}
		}
	}
	return nil
}
