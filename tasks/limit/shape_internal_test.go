package limit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// TestShapeFitsTheBucket is the arithmetic of all that may come together: requests that go early, and such that were taken
// up late and are used late. So much time's requests and one must be in the bucket, and leave a tenth for the network.
func TestShapeFitsTheBucket(t *testing.T) {
	check := func(t require.TestingT, interval time.Duration) {
		s := shapeOf(interval)
		require.LessOrEqual(t, float64(interval)/float64(s.step), use+1e-5, "the bucket refills")
		room := max(0, burst-interval) + s.step - interval
		require.LessOrEqual(t, s.early+s.behind+s.late, room*9/10)
		require.Positive(t, s.handed())
		require.LessOrEqual(t, s.handed(), s.late, "what is handed out is still fresh")
		require.GreaterOrEqual(t, s.head(Urgent), s.head(Ordinary))
		require.Zero(t, s.head(Bulk), "bulk leaves the burst alone")
		require.GreaterOrEqual(t, s.block, 1)
		require.True(t, s.block == 1 || time.Duration(s.block)*s.step <= handful)
	}
	for _, e := range endpoint.All {
		if e.Limit.Requests > 0 {
			t.Run(e.Operation, func(t *testing.T) { check(t, (Limits{}).Interval("c", e)) })
		}
	}
	t.Run("any", rapid.MakeCheck(func(t *rapid.T) {
		check(t, time.Duration(rapid.Int64Range(100_000, int64(24*time.Hour)).Draw(t, "interval")))
	}))
	t.Run("pushes", func(t *testing.T) {
		assert.Equal(t, 9, shapeOf(time.Second/2000).block)
		assert.Equal(t, 1, shapeOf(time.Second/200).block)
		assert.Greater(t, shapeOf(time.Second/2000).early, 15*time.Millisecond)
	})
}

func TestRedisClock(t *testing.T) {
	start := time.Now()
	at := func(d time.Duration) time.Time { return start.Add(d) }
	const ms = time.Millisecond
	const redis = int64(1_700_000_000_000_000) // what Redis's clock shows at start
	var c redisClock
	assert.Zero(t, c.at(start), "unknown")

	c.learn(at(0), at(10*ms), redis+9_000) // the way there took longer than the way back
	assert.Equal(t, at(ms), c.local(redis+5_000), "wrong by less than half of the trip")
	c.learn(at(100*ms), at(102*ms), redis+101_000)
	assert.Equal(t, at(5*ms), c.local(redis+5_000), "a shorter trip is believed")
	c.learn(at(200*ms), at(230*ms), redis+201_000)
	assert.Equal(t, at(5*ms), c.local(redis+5_000), "a longer one isn't")
	assert.Equal(t, redis+300_000, c.at(at(300*ms)))

	c.learn(at(300*ms), at(330*ms), redis-3_600_000_000)
	assert.Equal(t, at(315*ms), c.local(redis-3_600_000_000), "unless it contradicts: a clock was set")
	c.learn(at(400*ms), at(410*ms), redis-3_599_910_000)
	assert.Equal(t, at(405*ms), c.local(redis-3_599_910_000))
}

func TestRedisClockFindsTheTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Now()
		ahead := rapid.Int64Range(-1e12, 1e12).Draw(t, "ahead") + start.UnixMicro()
		var c redisClock
		now, best := start, time.Hour
		for range rapid.IntRange(1, 20).Draw(t, "samples") {
			now = now.Add(time.Duration(rapid.Int64Range(0, 1e10).Draw(t, "pause")))
			there, back := time.Duration(rapid.Int64Range(0, 1e8).Draw(t, "there")), time.Duration(rapid.Int64Range(0, 1e8).Draw(t, "back"))
			sent, there2 := now, now.Add(there)
			now = there2.Add(back)
			c.learn(sent, now, ahead+there2.Sub(start).Microseconds())
			best = min(best, there+back)
		}
		off := c.local(ahead).Sub(start)
		require.LessOrEqual(t, off.Abs(), best/2+3*time.Microsecond)
	})
}
