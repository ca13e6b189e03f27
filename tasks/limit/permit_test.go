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

// asked tells how often Redis is asked when a request with this context is about to go.
type asked func(context.Context) int64

func TestBefore(t *testing.T) {
	test := func(name string, body func(t *testing.T, turn limit.Turn, before asked)) {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, w *world) {
				l := w.process(limit.Limits{})
				hook := l.Before(channel)
				turn := take(t, l, push(limit.Bulk, 0))
				body(t, turn, func(ctx context.Context) int64 {
					commands := w.commands.Load()
					wait, err := hook(ctx, endpoint.PushMessage)
					require.NoError(t, err)
					require.Zero(t, wait)
					return w.commands.Load() - commands
				})
			})
		})
	}
	const used, taken = int64(0), int64(1)
	test("a permit in the context is used", func(t *testing.T, turn limit.Turn, before asked) {
		time.Sleep(20 * time.Millisecond)
		assert.Equal(t, used, before(limit.With(t.Context(), endpoint.PushMessage, limit.Bulk, turn)))
	})
	test("once", func(t *testing.T, turn limit.Turn, before asked) {
		ctx := limit.With(t.Context(), endpoint.PushMessage, limit.Bulk, turn)
		assert.Equal(t, used, before(ctx))
		assert.Equal(t, taken, before(ctx))
	})
	test("not for another endpoint", func(t *testing.T, turn limit.Turn, before asked) {
		ctx := limit.With(t.Context(), endpoint.Multicast, limit.Bulk, turn)
		assert.Equal(t, taken, before(ctx))
	})
	test("not when it is old", func(t *testing.T, turn limit.Turn, before asked) {
		time.Sleep(40 * time.Millisecond)
		assert.Equal(t, taken, before(limit.With(t.Context(), endpoint.PushMessage, limit.Bulk, turn)))
	})
	test("without one, another is taken", func(t *testing.T, turn limit.Turn, before asked) {
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
