package limit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
)

func answered(t *testing.T, l *limit.Limiter, e endpoint.Endpoint, a limit.Answer, times int) {
	t.Helper()
	for range times {
		require.NoError(t, l.Answered(t.Context(), channel, e, a))
	}
}

// perSecond is how many requests of bulk get through in a second.
func perSecond(t *testing.T, l *limit.Limiter) (n int) {
	for start := time.Now(); time.Since(start) < time.Second; n++ {
		take(t, l, push(limit.Bulk, time.Minute))
	}
	return n
}

func TestA429SlowsEverybodyDown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l, other := w.process(rate(100, time.Second)), w.process(rate(100, time.Second))
		take(t, l, push(limit.Bulk, 0))
		answered(t, l, endpoint.PushMessage, limit.Limited, 1)
		answered(t, other, endpoint.PushMessage, limit.Limited, 1) // of the same burst
		start := time.Now()
		take(t, other, push(limit.Urgent, time.Second))
		assert.GreaterOrEqual(t, time.Since(start), 50*time.Millisecond, "a pause, for the urgent too")

		for range 9 {
			time.Sleep(201 * time.Millisecond)
			answered(t, l, endpoint.PushMessage, limit.Limited, 1)
		}
		time.Sleep(50 * time.Millisecond)
		slow := perSecond(t, other)
		assert.InDelta(t, 45, slow, 9, "nine tenths, ten times, less what recovered meanwhile")
		time.Sleep(5 * time.Second)
		better := perSecond(t, l)
		assert.InDelta(t, slow+30, better, 9, "a twentieth per second")
		time.Sleep(20 * time.Second)
		assert.InDelta(t, 100, perSecond(t, l), 4, "recovered")
	})
}

func TestABurstOf429sIsOne(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(rate(100, time.Second))
		take(t, l, push(limit.Bulk, 0))
		for range 20 {
			answered(t, w.process(rate(100, time.Second)), endpoint.PushMessage, limit.Limited, 2)
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(50 * time.Millisecond)
		assert.InDelta(t, 92, perSecond(t, l), 5, "a tenth slower, and a pause")
	})
}

func TestA429NeverStopsAnEndpoint(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(limit.Limits{})
		for range 100 {
			answered(t, l, endpoint.PushMessage, limit.Limited, 1)
			time.Sleep(201 * time.Millisecond)
		}
		n := perSecond(t, l)
		assert.Greater(t, n, 25, "a 64th of 2,000, and more")
	})
}

func TestA429OfAnHourlyEndpointMovesKeptPermits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l, other := w.process(limit.Limits{}), w.process(limit.Limits{})
		take(t, l, broadcast("a"))
		b, c := refused(t, l, broadcast("b")), refused(t, l, broadcast("c"))
		answered(t, l, endpoint.Broadcast, limit.Limited, 1)
		assert.InDelta(t, b.Wait.Seconds()+60, refused(t, other, broadcast("b")).Wait.Seconds(), 0.1)
		assert.InDelta(t, c.Wait.Seconds()+60, refused(t, other, broadcast("c")).Wait.Seconds(), 0.1)
	})
}

func TestSuccessCostsNothing(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(limit.Limits{})
		answered(t, l, endpoint.PushMessage, limit.Served, 1000)
		answered(t, l, endpoint.PushMessage, limit.Failing, 19)
		assert.Zero(t, w.commands.Load())
	})
}

func TestBreaker(t *testing.T) {
	for name, limits := range map[string]limit.Limits{"per second": rate(100, time.Second), "per hour": rate(3600, time.Hour)} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				l, other := w.process(limits), w.process(limits)
				r := push(limit.Urgent, time.Second)
				answered(t, l, endpoint.PushMessage, limit.Failing, 20)
				open := time.Now()
				for _, l := range []*limit.Limiter{l, other} {
					turn := refused(t, l, r)
					assert.True(t, turn.Broken)
					assert.InDelta(t, 5, turn.Wait.Seconds(), 0.01)
					assert.False(t, turn.Reserved)
				}
				assert.Zero(t, time.Since(open), "told at once")

				time.Sleep(4500 * time.Millisecond)
				take(t, other, r) // the probe, which it waited for
				assert.InDelta(t, 5, time.Since(open).Seconds(), 0.01)
				turn := refused(t, l, r)
				assert.True(t, turn.Broken, "one probe")
				assert.InDelta(t, 5, turn.Wait.Seconds(), 0.01)

				answered(t, other, endpoint.PushMessage, limit.Failing, 3) // the probe, and what was still under way
				time.Sleep(time.Second)
				assert.InDelta(t, 9, refused(t, l, r).Wait.Seconds(), 0.01, "twice as long, as l knows after a second")
				for want := 20.0; want <= 160; want *= 2 {
					time.Sleep(refused(t, l, r).Wait)
					take(t, l, r)
					answered(t, l, endpoint.PushMessage, limit.Failing, 1)
					time.Sleep(time.Second)
					assert.InDelta(t, min(want, 60), 1+refused(t, l, r).Wait.Seconds(), 0.01)
				}

				time.Sleep(refused(t, l, r).Wait)
				take(t, l, r)
				answered(t, l, endpoint.PushMessage, limit.Served, 1)
				time.Sleep(8 * time.Second)
				take(t, l, r)
				take(t, other, push(limit.Urgent, 10*time.Second))
			})
		})
	}
}

// A machine that is so busy that every permit gets old would else never find out that LINE works again.
func TestAProbeMayBeLate(t *testing.T) {
	t.Run("on its way from Redis", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			l := w.process(rate(2000, time.Second))
			answered(t, l, endpoint.PushMessage, limit.Failing, 20)
			time.Sleep(5 * time.Second)
			w.trip.Store(int64(200 * time.Millisecond))
			take(t, l, push(limit.Urgent, 100*time.Millisecond))
		})
	})
	t.Run("on its way to LINE", func(t *testing.T) {
		inBubble(t, func(t *testing.T, w *world) {
			l := w.process(rate(2000, time.Second))
			answered(t, l, endpoint.PushMessage, limit.Failing, 20)
			time.Sleep(5 * time.Second)
			turn := take(t, l, push(limit.Urgent, 100*time.Millisecond))
			time.Sleep(time.Second)
			ctx := limit.With(t.Context(), endpoint.PushMessage, limit.Urgent, turn)
			wait, err := l.Before(channel)(ctx, endpoint.PushMessage)
			require.NoError(t, err)
			assert.Zero(t, wait)
			wait, err = l.Before(channel)(ctx, endpoint.PushMessage)
			require.NoError(t, err)
			assert.InDelta(t, 4, wait.Seconds(), 0.01, "once")
		})
	})
}

func TestBreakerBesideAQuestionUnderWay(t *testing.T) {
	// Redis answers a question before it hears of the change; the answer comes after it.
	for name, limits := range map[string]limit.Limits{"leased": rate(100, time.Second), "one at a time": rate(1, time.Second)} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				var told []bool
				l := w.processWith(limit.Config{Limits: limits, Breaker: func(_ string, _ endpoint.Endpoint, open bool) {
					told = append(told, open)
				}})
				take(t, l, push(limit.Bulk, time.Second))
				time.Sleep(5 * time.Second)
				w.trip.Store(int64(200 * time.Millisecond))
				turns := make(chan limit.Turn)
				ask := func() {
					turn, err := l.Take(t.Context(), push(limit.Bulk, time.Second))
					assert.NoError(t, err)
					turns <- turn
				}

				go ask()
				time.Sleep(50 * time.Millisecond)
				answered(t, l, endpoint.PushMessage, limit.Failing, 20)
				assert.True(t, (<-turns).Broken)
				answered(t, l, endpoint.PushMessage, limit.Failing, 20) // those that were under way
				assert.Equal(t, []bool{true}, told)

				time.Sleep(5 * time.Second)
				w.trip.Store(0)
				take(t, l, push(limit.Bulk, time.Second)) // the probe
				time.Sleep(time.Second)
				w.trip.Store(int64(200 * time.Millisecond))
				go ask()
				time.Sleep(50 * time.Millisecond)
				answered(t, l, endpoint.PushMessage, limit.Served, 1)
				time.Sleep(10 * time.Second)
				go ask()
				<-turns
				<-turns
				answered(t, l, endpoint.PushMessage, limit.Served, 20)
				assert.Equal(t, []bool{true, false}, told)
			})
		})
	}
}

func TestABreakerThatClosesStartsSlowly(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l, other := w.process(rate(100, time.Second)), w.process(rate(100, time.Second))
		answered(t, l, endpoint.PushMessage, limit.Failing, 20)
		time.Sleep(5 * time.Second)
		take(t, l, push(limit.Bulk, 0))
		answered(t, l, endpoint.PushMessage, limit.Served, 1)
		assert.InDelta(t, 15, perSecond(t, other), 5, "an eighth, and a little")
		time.Sleep(20 * time.Second)
		assert.InDelta(t, 100, perSecond(t, other), 4)
	})
}

func TestBreakerNeedsFailures(t *testing.T) {
	for name, test := range map[string]struct {
		answers func(t *testing.T, l *limit.Limiter)
		open    bool
	}{
		"half of them": {open: true, answers: func(t *testing.T, l *limit.Limiter) {
			answered(t, l, endpoint.PushMessage, limit.Served, 10)
			answered(t, l, endpoint.PushMessage, limit.Failing, 10)
		}},
		"less than half": {answers: func(t *testing.T, l *limit.Limiter) {
			answered(t, l, endpoint.PushMessage, limit.Served, 11)
			answered(t, l, endpoint.PushMessage, limit.Failing, 10)
		}},
		"429s are no failures": {answers: func(t *testing.T, l *limit.Limiter) {
			answered(t, l, endpoint.PushMessage, limit.Limited, 30)
			answered(t, l, endpoint.PushMessage, limit.Failing, 19)
			time.Sleep(time.Second)
		}},
		"spread over nine seconds": {open: true, answers: func(t *testing.T, l *limit.Limiter) {
			for range 10 {
				answered(t, l, endpoint.PushMessage, limit.Failing, 2)
				time.Sleep(900 * time.Millisecond)
			}
		}},
		"spread over more than ten": {answers: func(t *testing.T, l *limit.Limiter) {
			for range 20 {
				answered(t, l, endpoint.PushMessage, limit.Failing, 1)
				time.Sleep(600 * time.Millisecond)
			}
		}},
		"one broken connection in full traffic": {answers: func(t *testing.T, l *limit.Limiter) {
			for range 10 {
				answered(t, l, endpoint.PushMessage, limit.Served, 200)
				time.Sleep(100 * time.Millisecond)
			}
			answered(t, l, endpoint.PushMessage, limit.Failing, 200)
		}},
		"two seconds of failures after a success": {open: true, answers: func(t *testing.T, l *limit.Limiter) {
			answered(t, l, endpoint.PushMessage, limit.Served, 1000)
			for range 4 {
				time.Sleep(500 * time.Millisecond)
				answered(t, l, endpoint.PushMessage, limit.Failing, 100)
			}
		}},
		"of another endpoint": {answers: func(t *testing.T, l *limit.Limiter) {
			answered(t, l, endpoint.Multicast, limit.Failing, 100)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				l := w.process(limit.Limits{})
				test.answers(t, l)
				turn, err := w.process(limit.Limits{}).Take(t.Context(), push(limit.Bulk, 0))
				require.NoError(t, err)
				assert.Equal(t, test.open, turn.Broken)
			})
		})
	}
}

func TestBreakerWithoutLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(limit.Limits{Off: true})
		answered(t, l, endpoint.PushMessage, limit.Failing, 20)
		r := push(limit.Bulk, 0)
		assert.True(t, refused(t, l, r).Broken)
		time.Sleep(5 * time.Second)
		take(t, l, r)
		assert.True(t, refused(t, l, r).Broken)
		answered(t, l, endpoint.PushMessage, limit.Served, 1)
		for range 100 {
			take(t, l, r)
		}
	})
}

func TestAnsweredWhileRedisIsAway(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(limit.Limits{})
		w.away.Store(true)
		assert.ErrorContains(t, l.Answered(t.Context(), channel, endpoint.PushMessage, limit.Limited), "slow pushMessage down: ")
		answered(t, l, endpoint.PushMessage, limit.Failing, 18)
		assert.ErrorContains(t, l.Answered(t.Context(), channel, endpoint.PushMessage, limit.Failing), "breaker of pushMessage: ")
	})
}
