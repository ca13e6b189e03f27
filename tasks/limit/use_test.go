package limit_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/redistest"
)

func newLimiter(t testing.TB, rdb redis.UniversalClient) *limit.Limiter {
	t.Helper()
	l, err := limit.New(limit.Config{Redis: rdb})
	require.NoError(t, err)
	return l
}

// TestAFarRedis lets answers take longer than a slot is kept for its taker, as they do on a busy machine, too.
func TestAFarRedis(t *testing.T) {
	for _, e := range []endpoint.Endpoint{endpoint.PushMessage, endpoint.Multicast} {
		for _, trip := range []time.Duration{50, 100, 200, 400} {
			for _, p := range []limit.Priority{limit.Bulk, limit.Ordinary, limit.Urgent} {
				t.Run(fmt.Sprintf("%s %dms %d", e.Operation, trip, p), func(t *testing.T) {
					inBubble(t, func(t *testing.T, w *world) {
						l := w.process(limit.Limits{})
						w.trip.Store(int64(trip * time.Millisecond))
						r := limit.Request{Channel: channel, Endpoint: e, Priority: p, Patience: 100 * time.Millisecond}
						served := 0
						for range 10 {
							turn, err := l.Take(t.Context(), r)
							require.NoError(t, err)
							if turn.Wait == 0 {
								served++
							}
							time.Sleep(time.Second)
						}
						assert.GreaterOrEqual(t, served, 9, "at the first it isn't known yet how far Redis is")
					})
				})
			}
		}
	}
}

// TestUse lets several processes' limiters take all that they can get on a real Redis in real time, and LINE's bucket judge
// it. On a machine that is busy otherwise a few may come too close together; TestWhatArrivesFitsTheBucket is exact.
func TestUse(t *testing.T) {
	for _, e := range []endpoint.Endpoint{endpoint.PushMessage, endpoint.Multicast} {
		for _, limiters := range []int{1, 2, 4} {
			t.Run(fmt.Sprintf("%s with %d limiters", e.Operation, limiters), func(t *testing.T) {
				server := redistest.Start(t, "--appendonly", "no")
				b := &bucket{limit: e.Limit}
				const span = 2 * time.Second
				ctx, cancel := context.WithTimeout(t.Context(), span)
				defer cancel()
				var all sync.WaitGroup
				var failed atomic.Int64
				for range limiters {
					l := newLimiter(t, server.Client(t))
					before := l.Before("c")
					for range 64 {
						all.Go(func() {
							for ctx.Err() == nil {
								r := limit.Request{Channel: "c", Endpoint: e, Patience: 10 * time.Second}
								turn, err := l.Take(ctx, r)
								if err == nil && turn.Wait == 0 {
									var wait time.Duration
									wait, err = before(limit.With(ctx, e, limit.Bulk, turn), e)
									if err == nil && wait == 0 {
										b.take(time.Now())
									}
								}
								if err != nil && ctx.Err() == nil {
									failed.Add(1)
								}
							}
						})
					}
				}
				all.Wait()
				use := float64(b.taken) / (span.Seconds() * float64(e.Limit.Requests))
				t.Logf("%d requests, %d refused, %.1f %% used", b.taken, b.refused, 100*use)
				assert.Zero(t, failed.Load())
				assert.LessOrEqual(t, b.refused, b.taken/200, "429s")
				assert.Greater(t, use, 0.5)
			})
		}
	}
}
