package worker

import (
	"context"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
)

// A send costs Redis five commands, and each alone is a system call to write and one to read, on both sides: more than
// the scripts themselves cost. So the commands of all runs of a worker travel together: while one bundle is on its way,
// the next is collected, and a lone command goes at once.

// maxBundle bounds how long Redis is kept from others, and how much one broken connection repeats.
const maxBundle = 256

// bundling is a Redis client whose scripts and stream entries go in bundles. Each has its own answer and its own error.
// go-redis repeats a bundle as it repeats a command: with the options that the client has, when the connection broke
// before all answers were there. So a script may run twice, as it may alone.
type bundling struct {
	redis.UniversalClient
	mu      sync.Mutex
	waiting []*bundle
	sending bool
}

// bundle is commands that travel together. Those that nobody waits for any more are nil.
type bundle struct {
	cmds []redis.Cmder
	back chan struct{} // closed when the answers are there
}

// inBundles makes the client of one Redis bundle. On a Cluster each command goes alone: a node that is down must not hold
// up the commands to others.
func inBundles(rdb redis.UniversalClient) redis.UniversalClient {
	if _, ok := rdb.(*redis.Client); !ok {
		return rdb
	}
	return &bundling{UniversalClient: rdb}
}

func (b *bundling) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	cmd := b.Pipeline().EvalSha(ctx, sha, keys, args...)
	if err := b.send(ctx, cmd); err != nil {
		return redis.NewCmdResult(nil, err)
	}
	return cmd
}

func (b *bundling) XAdd(ctx context.Context, a *redis.XAddArgs) *redis.StringCmd {
	cmd := b.Pipeline().XAdd(ctx, a)
	if err := b.send(ctx, cmd); err != nil {
		return redis.NewStringResult("", err)
	}
	return cmd
}

// send returns when cmd has its answer. It fails when ctx ends before that: then cmd is still the bundle's, and is not
// executed if it hasn't gone yet.
func (b *bundling) send(ctx context.Context, cmd redis.Cmder) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	if n := len(b.waiting); n == 0 || len(b.waiting[n-1].cmds) == maxBundle {
		b.waiting = append(b.waiting, &bundle{back: make(chan struct{})})
	}
	mine := b.waiting[len(b.waiting)-1]
	place := len(mine.cmds)
	mine.cmds = append(mine.cmds, cmd)
	if !b.sending {
		b.sending = true
		go b.sendAll()
	}
	b.mu.Unlock()

	select {
	case <-mine.back:
		if err := cmd.Err(); err != nil && isForLater(err) {
			return b.Process(ctx, cmd)
		}
		return nil
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		if slices.Contains(b.waiting, mine) {
			mine.cmds[place] = nil
		}
		return ctx.Err()
	}
}

// sendAll sends bundle after bundle until nothing waits.
func (b *bundling) sendAll() {
	for {
		b.mu.Lock()
		if len(b.waiting) == 0 {
			b.sending = false
			b.mu.Unlock()
			return
		}
		next := b.waiting[0]
		b.waiting = b.waiting[1:]
		b.mu.Unlock()

		// Those who wait have contexts of their own. Each command has its own error; what these return is the first.
		ctx := context.Background()
		switch cmds := slices.DeleteFunc(next.cmds, func(c redis.Cmder) bool { return c == nil }); len(cmds) {
		case 0:
		case 1:
			_ = b.Process(ctx, cmds[0])
		default:
			_, _ = b.Pipelined(ctx, func(p redis.Pipeliner) error {
				for _, c := range cmds {
					_ = p.Process(ctx, c)
				}
				return nil
			})
		}
		close(next.back)
	}
}

// isForLater tells whether Redis refused a command for a reason that passes. go-redis repeats a command for that, but a
// bundle only when it happened to the first.
func isForLater(err error) bool {
	for _, prefix := range []string{"LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}
