package limit

import "time"

// redisClock estimates Redis's clock from answers that carry it. It isn't safe for concurrent use. The zero value knows
// nothing yet.
type redisClock struct {
	known bool
	// ahead is what Redis's clock is ahead of the local monotonic one, in µs; it is right to half of trip.
	start time.Time
	ahead int64
	trip  time.Duration
}

// learn takes one sample: Redis said redis (Unix µs) at some time between sent and received. The one with the shortest trip
// is believed, until another contradicts it: then a clock was set, or has drifted.
func (c *redisClock) learn(sent, received time.Time, redis int64) {
	if c.start.IsZero() {
		c.start = sent
	}
	low, high := redis-received.Sub(c.start).Microseconds(), redis-sent.Sub(c.start).Microseconds()
	trip := received.Sub(sent)
	unsure := c.trip.Microseconds()/2 + 2 // and what whole microseconds cut off
	if c.known && trip >= c.trip && low-unsure <= c.ahead && c.ahead <= high+unsure {
		return
	}
	c.known, c.ahead, c.trip = true, low+(high-low)/2, trip
}

// local is the local time at which Redis's clock shows redis.
func (c *redisClock) local(redis int64) time.Time {
	return c.start.Add(time.Duration(redis-c.ahead) * time.Microsecond)
}

// at is what Redis's clock shows at the local time; 0 if unknown.
func (c *redisClock) at(local time.Time) int64 {
	if !c.known {
		return 0
	}
	return local.Sub(c.start).Microseconds() + c.ahead
}
