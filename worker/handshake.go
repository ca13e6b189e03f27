package worker

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"
)

// handshake lets what go-redis says first on a new connection fail at once where that connection is gone, so that the
// command behind it takes another one. By itself go-redis repeats it as often as any command, on the same dead
// connection: with the retries of RedisOptions for about a minute, while other commands wait for a place in the pool. A
// proxy or a load balancer that takes connections while Redis is away would stop a worker for so long after a moment's
// outage.
type handshake struct{}

// greetings are the commands of go-redis's initConn.
var greetings = []string{"hello", "auth", "select", "client", "readonly"}

func greets(cmd redis.Cmder) bool { return slices.Contains(greetings, cmd.Name()) }

// once is a command that go-redis doesn't repeat.
type once struct{ redis.Cmder }

func (once) NoRetry() bool { return true }

func (handshake) DialHook(next redis.DialHook) redis.DialHook { return next }

func (handshake) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if greets(cmd) {
			cmd = once{cmd}
		}
		return next(ctx, cmd)
	}
}

func (handshake) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if len(cmds) > 0 && greets(cmds[0]) {
			cmds = append([]redis.Cmder{once{cmds[0]}}, cmds[1:]...) // one is enough for the whole pipeline
		}
		return next(ctx, cmds)
	}
}
