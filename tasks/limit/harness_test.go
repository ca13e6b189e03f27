package limit_test

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
)

const channel = "shop"

// world is a Redis in virtual time, in a bubble of synctest. Its clock may differ from that of the processes.
type world struct {
	t        *testing.T
	redis    *miniredis.Miniredis
	ahead    atomic.Int64 // of Redis's clock, ns
	commands atomic.Int64 // that were asked
	trip     atomic.Int64 // to Redis and back, ns
	away     atomic.Bool  // Redis answers nothing but errors
}

// inBubble runs a test against a Redis in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, redis: miniredis.NewMiniRedis()}
		defer w.redis.Close()
		w.redis.ClockTTL(true)
		test(t, w)
		// Leases that are under way end first, and so do timers.
		time.Sleep(time.Minute)
	})
}

// process is one process's connection to Redis and its limiter.
func (w *world) process(limits limit.Limits) *limit.Limiter {
	return w.processWith(limit.Config{Limits: limits})
}

func (w *world) processWith(cfg limit.Config) *limit.Limiter {
	rdb := redis.NewClient(&redis.Options{
		Addr:       "127.0.0.1:0", // nobody looks it up
		Dialer:     func(context.Context, string, string) (net.Conn, error) { return w.redis.Dial() },
		MaxRetries: -1,
		// They are set up under a lock, for which the bubble's time would wait.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	w.t.Cleanup(func() { rdb.Close() })
	rdb.AddHook(hook{w})
	cfg.Redis = rdb
	l, err := limit.New(cfg)
	require.NoError(w.t, err)
	return l
}

// hook keeps Redis's clock and the way to it.
type hook struct{ w *world }

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		switch cmd.Name() {
		case "evalsha", "eval", "zrem":
		default: // of the connection's own
			return next(ctx, cmd)
		}
		if h.w.away.Load() {
			cmd.SetErr(net.ErrClosed)
			return net.ErrClosed
		}
		h.w.commands.Add(1)
		half := time.Duration(h.w.trip.Load() / 2)
		time.Sleep(half)
		h.w.redis.SetTime(time.Now().Add(time.Duration(h.w.ahead.Load())))
		err := next(ctx, cmd)
		time.Sleep(half)
		return err
	}
}

// bucket is a token bucket as LINE may have one: a tenth of a second's tokens, at least one.
type bucket struct {
	limit endpoint.Limit

	mu      sync.Mutex
	full    time.Time // when it is, or was, full
	taken   int
	refused int
}

func (b *bucket) take(now time.Time) bool {
	token := float64(b.limit.Per) / float64(b.limit.Requests)
	b.mu.Lock()
	defer b.mu.Unlock()
	owed := max(0, float64(b.full.Sub(now)))
	if owed+token > max(float64(100*time.Millisecond), token)+1 {
		b.refused++
		return false
	}
	b.full = now.Add(time.Duration(owed + token))
	b.taken++
	return true
}

// use is the part of the limit that was used in this time.
func (b *bucket) use(span time.Duration) float64 {
	return float64(b.taken) * float64(b.limit.Per) / float64(b.limit.Requests) / float64(span)
}

// rate are limits in which pushes have this one.
func rate(requests int, per time.Duration) limit.Limits {
	return limit.Limits{Rates: map[string]endpoint.Limit{"pushMessage": {Requests: requests, Per: per}}}
}

func push(p limit.Priority, patience time.Duration) limit.Request {
	return limit.Request{Channel: channel, Endpoint: endpoint.PushMessage, Priority: p, Patience: patience}
}

// take takes what must go now.
func take(t testing.TB, l *limit.Limiter, r limit.Request) limit.Turn {
	t.Helper()
	turn, err := l.Take(t.Context(), r)
	require.NoError(t, err)
	require.Zero(t, turn.Wait)
	return turn
}

// refused takes what must wait.
func refused(t testing.TB, l *limit.Limiter, r limit.Request) limit.Turn {
	t.Helper()
	turn, err := l.Take(t.Context(), r)
	require.NoError(t, err)
	require.Positive(t, turn.Wait)
	return turn
}
