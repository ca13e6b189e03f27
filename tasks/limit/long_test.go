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
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
)

// broadcast is of the 60 requests per hour.
func broadcast(id string) limit.Request {
	return limit.Request{Channel: channel, Endpoint: endpoint.Broadcast, ID: id, Patience: 2 * time.Second}
}

func TestAPermitIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l, other := w.process(limit.Limits{}), w.process(limit.Limits{})
		take(t, l, broadcast("a"))

		b := refused(t, l, broadcast("b"))
		assert.True(t, b.Reserved)
		assert.InDelta(t, 60, b.Wait.Seconds(), 0.5)
		c := refused(t, other, broadcast("c"))
		assert.InDelta(t, 120, c.Wait.Seconds(), 1.2)

		again := refused(t, other, broadcast("b"))
		assert.Equal(t, b, again, "a repeat finds it, in any process")

		time.Sleep(b.Wait - 1500*time.Millisecond)
		start := time.Now()
		turn := take(t, other, broadcast("b"))
		assert.InDelta(t, 1.5, time.Since(start).Seconds(), 0.001, "and blocks when it is near")
		assert.InDelta(t, 0, time.Since(turn.At).Seconds(), 0.001)

		d := refused(t, l, broadcast("b"))
		assert.InDelta(t, 120, d.Wait.Seconds(), 1.2, "it was used up")

		time.Sleep(c.Wait - b.Wait + time.Second)
		e := refused(t, l, broadcast("c"))
		assert.InDelta(t, 120, e.Wait.Seconds(), 2, "who is late goes to the end of the line")
	})
}

func TestWithoutIDNothingIsKept(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(limit.Limits{})
		take(t, l, broadcast(""))
		for range 3 {
			turn := refused(t, l, broadcast(""))
			assert.False(t, turn.Reserved)
			assert.InDelta(t, 60, turn.Wait.Seconds(), 0.5, "the first in line, each time")
		}
		time.Sleep(59 * time.Second)
		take(t, l, broadcast("")) // within its patience
	})
}

func TestAKeptPermitOutlivesItsProcess(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(limit.Limits{})
		take(t, l, broadcast("a"))
		b := refused(t, l, broadcast("b"))
		time.Sleep(b.Wait - time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			_, err := l.Take(ctx, broadcast("b"))
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		cancel() // the worker stops while it waits
		all.Wait()
		take(t, w.process(limit.Limits{}), broadcast("b"))
	})
}

func TestTwoRunsOfOneTaskUseOnePermit(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l, other := w.process(limit.Limits{}), w.process(limit.Limits{})
		take(t, l, broadcast("a"))
		b := refused(t, l, broadcast("b"))
		time.Sleep(b.Wait - time.Second)
		var turns [2]limit.Turn
		var all sync.WaitGroup
		for i, l := range []*limit.Limiter{l, other} {
			all.Go(func() {
				var err error
				turns[i], err = l.Take(t.Context(), broadcast("b"))
				assert.NoError(t, err)
			})
		}
		all.Wait()
		assert.NotEqual(t, turns[0].Wait == 0, turns[1].Wait == 0, "one goes, the other gets the next: %v", turns)
	})
}

func TestPermitsKeepTheirPlaceWhenRedisClockIsSetBack(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(limit.Limits{})
		take(t, l, broadcast("a"))
		b := refused(t, l, broadcast("b"))
		w.ahead.Store(-int64(24 * time.Hour))
		again := refused(t, l, broadcast("b"))
		assert.InDelta(t, b.Wait.Seconds(), again.Wait.Seconds(), 0.001)
	})
}

func TestRedisClockAheadGivesNoBurst(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(limit.Limits{})
		take(t, l, broadcast("a"))
		w.ahead.Store(int64(time.Hour / 2))
		turn := refused(t, l, broadcast("b"))
		assert.InDelta(t, 60, turn.Wait.Seconds(), 1)
	})
}

// TestEveryTaskGetsItsTurn has tasks come as a worker's schedule brings them: up to 1.5 s after the time that was asked
// for. LINE's bucket holds one request.
func TestEveryTaskGetsItsTurn(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		e := rapid.SampledFrom([]endpoint.Endpoint{
			endpoint.Broadcast, endpoint.CreateRichMenu, endpoint.RichMenuBatch, endpoint.CreateAudienceGroup,
		}).Draw(rt, "endpoint")
		tasks := rapid.IntRange(1, 20).Draw(rt, "tasks")
		late := rapid.SliceOfN(rapid.Int64Range(0, int64(1500*time.Millisecond)), tasks, tasks).Draw(rt, "late")
		b := bucket{limit: e.Limit}
		var takes int
		var span time.Duration
		inBubble(t, func(t *testing.T, w *world) {
			start := time.Now()
			limiters := []*limit.Limiter{w.process(limit.Limits{}), w.process(limit.Limits{})}
			var all sync.WaitGroup
			var mu sync.Mutex
			for i := range tasks {
				all.Go(func() {
					for n := 0; ; n++ {
						turn, err := limiters[(i+n)%2].Take(t.Context(), limit.Request{
							Channel: channel, Endpoint: e, ID: fmt.Sprint("task-", i), Patience: 2 * time.Second,
						})
						mu.Lock()
						takes++
						mu.Unlock()
						if !assert.NoError(t, err) {
							return
						}
						if turn.Wait == 0 {
							b.take(time.Now())
							return
						}
						time.Sleep(turn.Wait - 2*time.Second + time.Duration(late[i]))
					}
				})
			}
			all.Wait()
			span = time.Since(start)
		})
		require.Zero(rt, b.refused, "429s")
		require.LessOrEqual(rt, takes, 2*tasks, "nobody polls")
		interval := e.Limit.Per / time.Duration(e.Limit.Requests)
		require.Less(rt, span, time.Duration(float64(interval)*float64(tasks)*1.03), "no permit was lost")
	})
}
