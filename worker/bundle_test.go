package worker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
)

// gatekeeper holds everything back that goes to Redis until its gate opens, and notes how many commands went together.
type gatekeeper struct {
	gate     chan struct{}
	mu       sync.Mutex
	together []int
}

func (g *gatekeeper) DialHook(next redis.DialHook) redis.DialHook { return next }

func (g *gatekeeper) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		<-g.gate
		return next(ctx, cmd)
	}
}

func (g *gatekeeper) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		<-g.gate
		if name := cmds[0].Name(); name == "evalsha" || name == "xadd" { // go-redis greets Redis in pipelines, too
			g.mu.Lock()
			g.together = append(g.together, len(cmds))
			g.mu.Unlock()
		}
		return next(ctx, cmds)
	}
}

func TestBundling(t *testing.T) {
	const echo = `if ARGV[1] == 'bad' then return redis.error_reply('BAD thing') end return ARGV[1]`
	// setUp returns a client whose first command waits at the gate, so that all others are collected.
	setUp := func(t *testing.T) (b *bundling, plain redis.UniversalClient, g *gatekeeper, sha string) {
		m, plain := redistest.Mini(t)
		sha, err := plain.ScriptLoad(t.Context(), echo).Result()
		require.NoError(t, err)
		rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
		t.Cleanup(func() { _ = rdb.Close() })
		g = &gatekeeper{gate: make(chan struct{})}
		rdb.AddHook(g)
		b = inBundles(rdb).(*bundling)
		go b.EvalSha(context.Background(), sha, []string{"k"}, "first")
		require.Eventually(t, func() bool {
			b.convoy.mu.Lock()
			defer b.convoy.mu.Unlock()
			return b.convoy.under && len(b.convoy.waiting) == 0
		}, time.Minute, time.Millisecond)
		return b, plain, g, sha
	}
	collected := func(t *testing.T, b *bundling, n int) {
		require.Eventually(t, func() bool {
			b.convoy.mu.Lock()
			defer b.convoy.mu.Unlock()
			sum := 0
			for _, w := range b.convoy.waiting {
				sum += len(w.parts)
			}
			return sum == n
		}, time.Minute, time.Millisecond)
	}

	t.Run("each command has its own answer", func(t *testing.T) {
		b, plain, g, sha := setUp(t)
		const n = maxBundle + 20
		answers := make([]*redis.Cmd, n)
		var all sync.WaitGroup
		for i := range n {
			text := fmt.Sprint(i)
			if i%10 == 0 {
				text = "bad"
			}
			all.Go(func() { answers[i] = b.EvalSha(t.Context(), sha, []string{"k"}, text) })
		}
		var line *redis.StringCmd
		all.Go(func() {
			line = b.XAdd(t.Context(), &redis.XAddArgs{Stream: "log", MaxLen: 10, Approx: true, Values: []any{"a", "1"}})
		})
		collected(t, b, n+1)
		close(g.gate)
		all.Wait()
		for i, a := range answers {
			if i%10 == 0 {
				require.ErrorContains(t, a.Err(), "BAD thing")
				continue
			}
			require.NoError(t, a.Err())
			require.Equal(t, fmt.Sprint(i), a.Val())
		}
		require.NoError(t, line.Err())
		assert.EqualValues(t, 1, plain.XLen(t.Context(), "log").Val())
		assert.Equal(t, []int{maxBundle, 21}, g.together)
		require.Eventually(t, func() bool {
			b.convoy.mu.Lock()
			defer b.convoy.mu.Unlock()
			return !b.convoy.under
		}, time.Minute, time.Millisecond, "nothing waits, but somebody still sends")
	})
	t.Run("what nobody waits for any more isn't sent", func(t *testing.T) {
		b, plain, g, _ := setUp(t)
		ctx, cancel := context.WithCancel(t.Context())
		ended, kept := make(chan error, 1), make(chan error, 1)
		write := func(ctx context.Context, stream string) error {
			return b.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: []any{"a", "1"}}).Err()
		}
		go func() { ended <- write(ctx, "left") }()
		go func() { kept <- write(t.Context(), "kept") }()
		collected(t, b, 2)
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.ErrorIs(t, write(ctx, "late"), context.Canceled)
		close(g.gate)
		require.NoError(t, <-kept)
		assert.Zero(t, plain.Exists(t.Context(), "left", "late").Val())
		assert.EqualValues(t, 1, plain.Exists(t.Context(), "kept").Val())
	})
	t.Run("nobody waits longer than his context", func(t *testing.T) {
		b, _, g, sha := setUp(t)
		defer close(g.gate)
		b.convoy.mu.Lock()
		b.convoy.under = false // somebody else carries, and then is held up at the gate
		b.convoy.mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- b.EvalSha(ctx, sha, []string{"k"}, "x").Err() }()
		collected(t, b, 0)
		cancel()
		assert.ErrorIs(t, <-ended, context.Canceled)
	})
	t.Run("a refusal that passes is repeated", func(t *testing.T) {
		b, plain, g, sha := setUp(t)
		once, err := plain.ScriptLoad(t.Context(), `
			if redis.call('INCR', KEYS[1]) == 1 then return redis.error_reply('READONLY for now') end
			return 'done'`).Result()
		require.NoError(t, err)
		answers := make([]*redis.Cmd, 2)
		var all sync.WaitGroup
		all.Go(func() { answers[0] = b.EvalSha(t.Context(), sha, []string{"k"}, "x") })
		collected(t, b, 1)
		all.Go(func() { answers[1] = b.EvalSha(t.Context(), once, []string{"count"}) })
		collected(t, b, 2)
		close(g.gate)
		all.Wait()
		require.NoError(t, answers[1].Err())
		assert.Equal(t, "done", answers[1].Val())
		assert.Equal(t, []int{2}, g.together)
	})
	t.Run("a Cluster's commands go alone", func(t *testing.T) {
		c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
		defer c.Close()
		assert.Same(t, c, inBundles(c))
	})
}
