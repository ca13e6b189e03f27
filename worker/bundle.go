package worker

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// A send costs Redis some commands, and each alone is a system call to write and one to read, on both sides: more than
// the scripts themselves cost. So the commands of all runs of a worker travel together.

// maxBundle bounds how long Redis is kept from others, and how much one broken connection repeats.
const maxBundle = 256

// bundling is a Redis client whose scripts and stream entries go in bundles. Each has its own answer and its own error.
// go-redis repeats a bundle as it repeats a command: with the options that the client has, when the connection broke
// before all answers were there. So a script may run twice, as it may alone.
type bundling struct {
	redis.UniversalClient
	convoy convoy[redis.Cmder]
}

// inBundles makes the client of one Redis bundle. On a Cluster each command goes alone: a node that is down must not hold
// up the commands to others.
func inBundles(rdb redis.UniversalClient) redis.UniversalClient {
	if _, ok := rdb.(*redis.Client); !ok {
		return rdb
	}
	b := &bundling{UniversalClient: rdb}
	b.convoy.most = maxBundle
	b.convoy.carry = b.exec
	return b
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

// send returns when cmd has its answer, or fails when ctx has ended.
func (b *bundling) send(ctx context.Context, cmd redis.Cmder) error {
	if err := b.convoy.send(ctx, cmd); err != nil {
		return err
	}
	if err := cmd.Err(); err != nil && isForLater(err) {
		_ = b.Process(ctx, cmd) // cmd has the error
	}
	return nil
}

func (b *bundling) exec(cmds []redis.Cmder) {
	// Those who wait have contexts of their own. Each command has its own error; what these return is the first.
	ctx := context.Background()
	if len(cmds) == 1 {
		_ = b.Process(ctx, cmds[0])
		return
	}
	_, _ = b.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, c := range cmds {
			_ = p.Process(ctx, c)
		}
		return nil
	})
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
