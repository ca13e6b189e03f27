package limit_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
)

func TestBefore(t *testing.T) {
	test := func(name string, body func(t *testing.T, w *world, l *limit.Limiter, turn limit.Turn, before func(context.Context) time.Duration)) {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				l := w.process(limit.Limits{})
				hook := l.Before(channel)
				turn := take(t, l, push(limit.Bulk, 0))
				body(t, w, l, turn, func(ctx context.Context) time.Duration {
					commands := w.commands.Load()
					wait, err := hook(ctx, endpoint.PushMessage)
					require.NoError(t, err)
					require.Zero(t, wait)
					return time.Duration(w.commands.Load() - commands)
				})
			})
		})
	}
	const used, taken = time.Duration(0), time.Duration(1)
	test("a permit in the context is used", func(t *testing.T, w *world, l *limit.Limiter, turn limit.Turn, before func(context.Context) time.Duration) {
		time.Sleep(20 * time.Millisecond)
		assert.Equal(t, used, before(limit.With(t.Context(), endpoint.PushMessage, limit.Bulk, turn)))
	})
	test("once", func(t *testing.T, w *world, l *limit.Limiter, turn limit.Turn, before func(context.Context) time.Duration) {
		ctx := limit.With(t.Context(), endpoint.PushMessage, limit.Bulk, turn)
		assert.Equal(t, used, before(ctx))
		assert.Equal(t, taken, before(ctx))
	})
	test("not for another endpoint", func(t *testing.T, w *world, l *limit.Limiter, turn limit.Turn, before func(context.Context) time.Duration) {
		ctx := limit.With(t.Context(), endpoint.Multicast, limit.Bulk, turn)
		assert.Equal(t, taken, before(ctx))
	})
	test("not when it is old", func(t *testing.T, w *world, l *limit.Limiter, turn limit.Turn, before func(context.Context) time.Duration) {
		time.Sleep(40 * time.Millisecond)
		assert.Equal(t, taken, before(limit.With(t.Context(), endpoint.PushMessage, limit.Bulk, turn)))
	})
	test("without one, another is taken", func(t *testing.T, w *world, l *limit.Limiter, turn limit.Turn, before func(context.Context) time.Duration) {
		assert.Equal(t, taken, before(t.Context()))
	})
}

func TestBeforeWaits(t *testing.T) {
	inBubble(t, func(t *testing.T, w *world) {
		l := w.process(rate(1, time.Second))
		before := l.Before(channel)
		turn := take(t, l, push(limit.Urgent, 0))
		urgent := limit.With(t.Context(), endpoint.PushMessage, limit.Urgent, turn)
		wait, err := before(urgent, endpoint.PushMessage)
		require.NoError(t, err)
		require.Zero(t, wait)

		start := time.Now()
		wait, err = before(urgent, endpoint.PushMessage)
		require.NoError(t, err)
		assert.InDelta(t, 1, wait.Seconds(), 0.05, "an urgent one is not held up for a second")
		assert.Zero(t, time.Since(start))

		wait, err = before(t.Context(), endpoint.PushMessage)
		require.NoError(t, err)
		assert.Zero(t, wait, "another one is")
		assert.InDelta(t, 1, time.Since(start).Seconds(), 0.05)

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = before(ctx, endpoint.PushMessage)
		assert.ErrorIs(t, err, context.Canceled)
	})
}
