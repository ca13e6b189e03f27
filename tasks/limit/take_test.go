package limit_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestNew(t *testing.T) {
	_, err := limit.New(limit.Config{})
	assert.EqualError(t, err, "limit: Config.Redis is missing")
	_, rdb := redistest.Mini(t)
	_, err = limit.New(limit.Config{Redis: rdb, Limits: rate(0, time.Second)})
	assert.EqualError(t, err, "limit: Config.Limits: rates.pushMessage: a limit must be above zero")
}

func TestPatience(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(rate(10, time.Second))
		take(t, l, push(limit.Bulk, 0)) // with no patience at all, when it is free

		start := time.Now()
		turn := refused(t, l, push(limit.Bulk, 50*time.Millisecond))
		assert.Zero(t, time.Since(start), "a turn that is too far off is told at once")
		assert.InDelta(t, 120*time.Millisecond, turn.Wait, float64(3*time.Millisecond), "one interval, and what a bucket of one needs")
		assert.Equal(t, limit.Turn{Wait: turn.Wait}, turn)

		time.Sleep(turn.Wait)
		take(t, l, push(limit.Bulk, 0)) // nothing was taken by the refusal

		start = time.Now()
		turn = take(t, l, push(limit.Bulk, time.Second))
		assert.InDelta(t, 120*time.Millisecond, time.Since(start), float64(3*time.Millisecond))
		assert.InDelta(t, 0, time.Since(turn.At), float64(3*time.Millisecond), "At is when it was due")
	})
}

func TestOthersAreToldWhenTheirTurnIs(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(rate(10, time.Second))
		var all sync.WaitGroup
		waits := make([]time.Duration, 8)
		for i := range waits {
			all.Go(func() {
				turn, err := l.Take(t.Context(), push(limit.Bulk, 250*time.Millisecond))
				assert.NoError(t, err)
				waits[i] = turn.Wait
			})
			synctest.Wait()
		}
		all.Wait()
		assert.Equal(t, []time.Duration{0, 0, 0}, waits[:3], "first come, first served")
		for i, wait := range waits[3:] {
			assert.InDelta(t, time.Duration(i)*120*time.Millisecond+110*time.Millisecond, wait, float64(30*time.Millisecond), i)
		}
	})
}

func TestUrgentGoesFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(rate(20, time.Second))
		take(t, l, push(limit.Bulk, 0))
		var mu sync.Mutex
		var order []string
		var all sync.WaitGroup
		for _, name := range []string{"bulk 1", "bulk 2", "ordinary 1", "ordinary 2", "urgent 1", "urgent 2"} {
			p := map[byte]limit.Priority{'b': limit.Bulk, 'o': limit.Ordinary, 'u': limit.Urgent}[name[0]]
			all.Go(func() {
				take(t, l, push(p, time.Minute))
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
			})
			synctest.Wait()
		}
		all.Wait()
		assert.Equal(t, []string{"urgent 1", "urgent 2", "ordinary 1", "ordinary 2", "bulk 1", "bulk 2"}, order)
	})
}

// TestUrgentPassesBulk has four processes that take all they can, and one urgent request now and then.
func TestUrgentPassesBulk(t *testing.T) {
	for _, e := range []endpoint.Endpoint{endpoint.PushMessage, endpoint.Multicast} {
		t.Run(e.Operation, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				w.trip.Store(int64(time.Millisecond))
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				var all sync.WaitGroup
				var limiters []*limit.Limiter
				for range 4 {
					l := w.process(limit.Limits{})
					limiters = append(limiters, l)
					for range 100 {
						all.Go(func() {
							for ctx.Err() == nil {
								_, _ = l.Take(ctx, limit.Request{Channel: channel, Endpoint: e, Patience: time.Hour})
							}
						})
					}
				}
				slowest := map[limit.Priority]time.Duration{}
				for i := range 20 {
					p := limit.Priority(1 + i%2)
					time.Sleep(50 * time.Millisecond)
					start := time.Now()
					take(t, limiters[i%4], limit.Request{Channel: channel, Endpoint: e, Priority: p, Patience: time.Second})
					slowest[p] = max(slowest[p], time.Since(start))
				}
				all.Wait()
				assert.Less(t, slowest[limit.Urgent], 20*time.Millisecond)
				assert.Less(t, slowest[limit.Ordinary], 50*time.Millisecond)
			})
		})
	}
}

func TestNobodyWaitsForOthers(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(limit.Limits{Rates: map[string]endpoint.Limit{
			"pushMessage": {Requests: 2, Per: time.Second}, "multicast": {Requests: 2, Per: time.Second},
		}})
		take(t, l, push(limit.Bulk, 0))
		refused(t, l, push(limit.Bulk, 0))
		take(t, l, limit.Request{Channel: "other", Endpoint: endpoint.PushMessage})
		take(t, l, limit.Request{Channel: channel, Endpoint: endpoint.Multicast})
	})
}

func TestWhoLeavesTakesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(rate(20, time.Second))
		take(t, l, push(limit.Bulk, 0))
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				_, err := l.Take(ctx, push(limit.Bulk, time.Hour))
				assert.ErrorIs(t, err, context.Canceled)
			})
		}
		synctest.Wait()
		cancel()
		all.Wait()
		start := time.Now()
		take(t, l, push(limit.Bulk, time.Hour))
		assert.Less(t, time.Since(start), 160*time.Millisecond, "at most the one slot in hand was theirs")

		_, err := l.Take(ctx, push(limit.Bulk, time.Hour))
		assert.ErrorIs(t, err, context.Canceled)
	})
}

func TestAnIdleProcessAsksNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(limit.Limits{})
		take(t, l, push(limit.Ordinary, 0))
		require.NoError(t, l.Answered(t.Context(), channel, endpoint.PushMessage, limit.Served))
		before := w.commands.Load()
		time.Sleep(time.Hour)
		assert.Equal(t, before, w.commands.Load())

		time.Sleep(time.Hour)
		w.redis.SetTime(time.Now())
		assert.Empty(t, w.redis.Keys(), "an hour of silence, and Redis has forgotten")
	})
}

func TestBulkLeasesInBlocks(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(limit.Limits{})
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				for range 40 {
					take(t, l, push(limit.Bulk, time.Hour))
				}
			})
		}
		all.Wait()
		assert.Less(t, w.commands.Load(), int64(2000/5), "Redis is asked for about ten at once")
	})
}

func TestNoLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		for name, r := range map[string]limit.Request{
			"LINE states none": {Channel: channel, Endpoint: endpoint.AddLIFFApp},
			"off":              {Channel: channel, Endpoint: endpoint.Broadcast, ID: "a"},
		} {
			l := w.process(limit.Limits{Off: name == "off"})
			for range 1000 {
				assert.Equal(t, limit.Turn{At: time.Now()}, take(t, l, r))
			}
		}
		assert.Zero(t, w.commands.Load())
	})
}

func TestRedisAway(t *testing.T) {
	for name, limits := range map[string]limit.Limits{"per second": rate(100, time.Second), "per hour": rate(100, time.Hour)} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				l := w.process(limits)
				w.away.Store(true)
				_, err := l.Take(t.Context(), push(limit.Bulk, time.Second))
				require.Error(t, err)
				assert.Contains(t, err.Error(), "a permit for pushMessage: ")
				assert.NotContains(t, err.Error(), "EVAL")
				w.away.Store(false)
				take(t, l, push(limit.Bulk, time.Second))
			})
		})
	}
}

func TestAShareOfTheLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(limit.Limits{Channels: map[string]limit.Channel{channel: {Share: 0.25}}})
		start := time.Now()
		for range 100 {
			take(t, l, push(limit.Bulk, time.Second))
		}
		assert.InDelta(t, 100.0/500, time.Since(start).Seconds(), 0.05)
	})
}

func TestTheLowerLimitHolds(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		var told []string
		conflict := func(c string, e endpoint.Endpoint, ours, kept time.Duration) {
			told = append(told, fmt.Sprint(c, " ", e.Operation, " ", ours, " ", kept))
		}
		fast := w.processWith(limit.Config{Limits: rate(100, time.Second), Conflict: conflict})
		slow := w.processWith(limit.Config{Limits: rate(20, time.Second), Conflict: conflict})
		span := func(l *limit.Limiter) time.Duration {
			start := time.Now()
			for range 20 {
				take(t, l, push(limit.Bulk, time.Second))
			}
			return time.Since(start)
		}
		assert.InDelta(t, 0.2, span(fast).Seconds(), 0.05, "alone")
		assert.InDelta(t, 1, span(slow).Seconds(), 0.1, "its own")
		assert.InDelta(t, 1, span(fast).Seconds(), 0.1, "the lower one")
		assert.InDelta(t, 1, span(fast).Seconds(), 0.1, "again")
		assert.Equal(t, []string{"shop pushMessage 10ms 50ms"}, told, "once, and to the faster")
		time.Sleep(59 * time.Second)
		take(t, slow, push(limit.Bulk, time.Second))
		time.Sleep(50 * time.Second)
		assert.InDelta(t, 1, span(fast).Seconds(), 0.1, "still in use")
		time.Sleep(61 * time.Second)
		assert.InDelta(t, 0.2, span(fast).Seconds(), 0.07, "unused for a minute")
	})
}

func TestKeysAreOfOneSlot(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(rate(1, time.Hour))
		take(t, l, push(limit.Bulk, 0))
		r := push(limit.Bulk, 0)
		r.ID = "a"
		refused(t, l, r)
		assert.ElementsMatch(t, []string{"lineq:{shop}:rate:pushMessage", "lineq:{shop}:rate:pushMessage:permits"}, w.redis.Keys())
	})
}
