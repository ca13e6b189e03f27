package linesim_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

func TestRetryKey(t *testing.T) {
	const conflict = "The retry key is already accepted"
	t.Run("push repeats what it sent", func(t *testing.T) {
		l := start(t, unlimited)
		first := l.post(pushPath, push(user(1), "a"), "X-Line-Retry-Key", key1)
		require.Equal(t, 200, first.Code)
		assert.Empty(t, first.Header().Get("X-Line-Accepted-Request-Id"))
		second := l.post(pushPath, push(user(1), "a"), "X-Line-Retry-Key", strings.ToUpper(key1))
		assertRefused(t, 409, conflict, second)
		assert.Equal(t, first.id(), second.Header().Get("X-Line-Accepted-Request-Id"))
		assert.NotEqual(t, first.id(), second.id())
		assert.Equal(t, first.object["sentMessages"], second.object["sentMessages"])
		received := l.Ledger().Received(user(1))
		require.Len(t, received, 1)
		assert.Equal(t, key1, received[0].RetryKey)
		stats := l.Stats()
		assert.EqualValues(t, 1, stats.Replayed)
		assert.Zero(t, stats.RetryKeysReused)
		assert.Equal(t, map[int]int64{200: 1, 409: 1}, stats.Requests["pushMessage"])
	})
	t.Run("the others don't", func(t *testing.T) {
		for path, body := range map[string]string{
			multicastPath:  multicast("a", user(1)),
			broadcastPath:  `{"messages":` + text("a") + `}`,
			narrowcastPath: `{"messages":` + text("a") + `}`,
		} {
			l := start(t, unlimited)
			first := l.post(path, body, "X-Line-Retry-Key", key1)
			require.Less(t, first.Code, 300, path)
			second := l.post(path, body, "X-Line-Retry-Key", key1)
			assertRefused(t, 409, conflict, second)
			assert.Equal(t, first.id(), second.Header().Get("X-Line-Accepted-Request-Id"))
			assert.NotContains(t, second.object, "sentMessages")
		}
	})
	t.Run("lives 24 hours from acceptance", func(t *testing.T) {
		l := start(t, unlimited)
		send := func() int { return l.post(pushPath, push(user(1), "a"), "X-Line-Retry-Key", key1).Code }
		assert.Equal(t, 200, send())
		l.clock.advance(24*time.Hour - 1)
		assert.Equal(t, 409, send())
		l.clock.advance(1)
		assert.Equal(t, 200, send(), "the key is new again")
		assert.Len(t, l.Ledger().Duplicates(), 1)
	})
	t.Run("isn't used up by a refused request", func(t *testing.T) {
		l := start(t, linesim.Config{Channels: []linesim.Channel{{
			ID: "1", Token: "simulated-token", Quota: linesim.Quota{Limit: 1, Used: 1},
		}}})
		send := func(body string) int { return l.post(pushPath, body, "X-Line-Retry-Key", key1).Code }
		assert.Equal(t, 429, send(push(user(1), "a")), "monthly limit")
		assert.Equal(t, 400, send(push(user(1), "")))
		require.NoError(t, l.SetFaults([]linesim.Fault{{Kind: linesim.FaultRefuse, Count: 1}}))
		assert.Equal(t, 500, send(push(user(1), "a")))
		require.NoError(t, l.SetQuota("1", linesim.Quota{}))
		assert.Equal(t, 200, send(push(user(1), "a")))
		require.NoError(t, l.SetQuota("1", linesim.Quota{Limit: 1, Used: 1}))
		assert.Equal(t, 409, send(push(user(1), "a")), "a spent quota doesn't hide acceptance")
	})
	t.Run("another body is a conflict that is counted", func(t *testing.T) {
		l := start(t, unlimited)
		require.Equal(t, 200, l.post(pushPath, push(user(1), "a"), "X-Line-Retry-Key", key1).Code)
		assert.Equal(t, 409, l.post(pushPath, push(user(2), "b"), "X-Line-Retry-Key", key1).Code)
		assert.EqualValues(t, 1, l.Stats().RetryKeysReused)
		assert.Zero(t, l.Ledger().Count(user(2)))
	})
	t.Run("belongs to channel and endpoint", func(t *testing.T) {
		l := start(t, linesim.Config{Channels: []linesim.Channel{linesim.DefaultChannel, {ID: "2", Token: "other"}}})
		assert.Equal(t, 200, l.post(pushPath, push(user(1), "a"), "X-Line-Retry-Key", key1).Code)
		assert.Equal(t, 200, l.post(pushPath, push(user(1), "a"), "X-Line-Retry-Key", key1, "Authorization", "Bearer other").Code)
		assert.Equal(t, 200, l.post(multicastPath, multicast("a", user(1)), "X-Line-Retry-Key", key1).Code)
	})
	t.Run("an empty one counts as none", func(t *testing.T) {
		l := start(t, unlimited)
		for range 2 {
			assert.Equal(t, 200, l.post(pushPath, push(user(1), "a"), "X-Line-Retry-Key", "").Code)
		}
	})
	t.Run("is refused where LINE takes none", func(t *testing.T) {
		l := start(t, unlimited)
		got := l.call("GET", "/v2/bot/info", "", "X-Line-Retry-Key", key1)
		assert.Equal(t, http.StatusBadRequest, got.Code)
	})
}

// Of requests with one key in flight at the same time exactly one is accepted.
func TestConcurrentRetryKey(t *testing.T) {
	l := start(t, unlimited)
	const keys, callers = 500, 4
	for i := range keys {
		key := fmt.Sprintf("00000000-0000-4000-8000-%012x", i)
		var wg sync.WaitGroup
		var codes [callers]int
		begin := make(chan struct{})
		for j := range codes {
			wg.Go(func() {
				<-begin
				codes[j] = l.post(pushPath, push(user(i), "a"), "X-Line-Retry-Key", key).Code
			})
		}
		close(begin)
		wg.Wait()
		slices.Sort(codes[:])
		require.Equal(t, [callers]int{200, 409, 409, 409}, codes)
	}
	assert.Equal(t, linesim.Totals{Requests: keys, Deliveries: keys, Recipients: keys}, l.Ledger().Totals())
}
