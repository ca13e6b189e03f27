// Package limit keeps what a channel asks of LINE within LINE's limits, for all processes on one Redis together.
package limit

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
)

// Limits are the rates that are kept. The zero value keeps those that LINE publishes
// (https://developers.line.biz/en/reference/messaging-api/#rate-limits).
type Limits struct {
	// Off keeps none.
	Off bool
	// Rates replaces LINE's limits by operation, for example "pushMessage".
	Rates map[string]endpoint.Limit
	// Channels are exceptions by the channel's name.
	Channels map[string]Channel
}

// Channel is what holds for one channel.
type Channel struct {
	// Share is the part of every limit that is lineq's, above 0 and up to 1, for when other systems send with the same
	// channel. Zero: the whole.
	Share float64
	// Rates replaces Limits.Rates by operation.
	Rates map[string]endpoint.Limit
}

// Check finds what is no limit: an operation that LINE doesn't have, a rate of nothing or less, a share out of range. The
// error names the place.
func (l Limits) Check() error {
	if err := checkRates("rates", l.Rates); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(l.Channels)) {
		c := l.Channels[name]
		if err := tasks.CheckChannel(name); err != nil {
			return fmt.Errorf("channels: %w", err)
		}
		if !(c.Share >= 0 && c.Share <= 1) {
			return fmt.Errorf("channels.%s.share: %v is not above 0 and up to 1", name, c.Share)
		}
		if err := checkRates("channels."+name+".rates", c.Rates); err != nil {
			return err
		}
	}
	return nil
}

func checkRates(place string, rates map[string]endpoint.Limit) error {
	for _, operation := range slices.Sorted(maps.Keys(rates)) {
		if !slices.ContainsFunc(endpoint.All, func(e endpoint.Endpoint) bool { return e.Operation == operation }) {
			return fmt.Errorf("%s.%s: LINE has no such operation", place, operation)
		}
		if r := rates[operation]; r.Requests <= 0 || r.Per <= 0 {
			return fmt.Errorf("%s.%s: a limit must be above zero", place, operation)
		}
	}
	return nil
}

// Interval is the time between two requests of a channel at the limit of an endpoint. Zero: there is no limit.
func (l Limits) Interval(channel string, e endpoint.Endpoint) time.Duration {
	if l.Off {
		return 0
	}
	c := l.Channels[channel]
	rate := e.Limit
	if r, ok := l.Rates[e.Operation]; ok {
		rate = r
	}
	if r, ok := c.Rates[e.Operation]; ok {
		rate = r
	}
	if rate.Requests <= 0 {
		return 0
	}
	share := c.Share
	if share == 0 {
		share = 1
	}
	return time.Duration(math.Ceil(float64(rate.Per) / (float64(rate.Requests) * share)))
}
