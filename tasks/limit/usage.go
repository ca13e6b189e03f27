package limit

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Use is how one endpoint of a channel is used, by all processes on one Redis together.
type Use struct {
	Channel  string
	Endpoint endpoint.Endpoint
	// PerSecond is how many requests were granted of late: over ten seconds, at the start of which the ten before count too.
	PerSecond float64
	// Interval is the time between two requests at the limit that is kept. Zero: there is none.
	Interval time.Duration
	// Share is the part of the limit that is used for now: below 1 after a 429 or a breaker.
	Share float64
	// Broken tells that the endpoint fails for everybody. Probe is the time until the next request that tries it.
	Broken bool
	Probe  time.Duration
	// Ahead is how far ahead the line is taken: about how long a bulk request that asks now has to wait.
	Ahead time.Duration
}

// Usage reads the use of these endpoints, in one round trip, without those that were never used or not for an hour. It is in
// the order of the channels, and of the endpoints within one.
func Usage(ctx context.Context, rdb redis.UniversalClient, channels []string, endpoints []endpoint.Endpoint) ([]Use, error) {
	if len(channels) == 0 || len(endpoints) == 0 {
		return nil, nil
	}
	var clock *redis.TimeCmd
	var states []*redis.SliceCmd
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		clock = p.Time(ctx)
		for _, name := range channels {
			for _, e := range endpoints {
				l := line{channel: name, operation: e.Operation}
				states = append(states, p.HMGet(ctx, l.state(), "base", "interval", "share", "slowed", "probe", "tat",
					"window", "taken", "before"))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the use of limits: %w", err)
	}
	var all []Use
	for i, state := range states {
		if v := state.Val(); v[0] != nil {
			u := useOf(v, float64(clock.Val().UnixMicro()))
			u.Channel, u.Endpoint = channels[i/len(endpoints)], endpoints[i%len(endpoints)]
			all = append(all, u)
		}
	}
	return all, nil
}

// useOf reads a state as now.lua and take.lua do, at Redis's time in µs.
func useOf(fields []any, now float64) Use {
	value := func(i int) (float64, bool) {
		text, ok := fields[i].(string)
		n, err := strconv.ParseFloat(text, 64)
		return n, ok && err == nil
	}
	base, _ := value(0)
	interval, _ := value(1)
	t := now - base
	u := Use{Interval: time.Duration(interval * 1e3), Share: 1}
	if share, slowed := value(2); slowed {
		since, _ := value(3)
		u.Share = min(1, share+0.05*(t-since)/max(1e6, interval))
	}
	if probe, broken := value(4); broken {
		u.Broken, u.Probe = true, max(0, time.Duration((probe-t)*1e3))
	}
	if tat, known := value(5); known {
		u.Ahead = max(0, time.Duration((tat-t)*1e3))
	}
	if window, known := value(6); known {
		const ten = 1e7
		taken, _ := value(7)
		before, _ := value(8)
		switch passed := t/ten - window; { // in windows, since this one began
		case passed < 1:
			u.PerSecond = (taken + before*(1-max(0, passed))) / 10
		case passed < 2:
			u.PerSecond = taken * (2 - passed) / 10
		}
	}
	return u
}
