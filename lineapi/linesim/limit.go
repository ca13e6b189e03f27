package linesim

import (
	"fmt"
	"sync"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Limits says which rates the simulator enforces, per channel and endpoint. The zero value means LINE's published ones.
type Limits struct {
	Off bool

	// Burst is a bucket's capacity, as the time in which its rate fills it: 100 ms of 2,000 per second are 200 tokens. 0
	// means 100 ms, and every bucket holds at least one token. LINE doesn't publish its capacities.
	Burst time.Duration

	// Rates replaces LINE's limits by operation; a Limit of 0 requests lifts one.
	Rates map[string]endpoint.Limit
}

func (l Limits) check() error {
	if l.Burst < 0 {
		return fmt.Errorf("linesim: Limits.Burst is negative")
	}
	for operation, rate := range l.Rates {
		if !known(operation) {
			return fmt.Errorf("linesim: Limits.Rates names the unknown operation %q", operation)
		}
		if rate.Requests < 0 || rate.Requests > 0 && rate.Per <= 0 {
			return fmt.Errorf("linesim: Limits.Rates of %s is not a rate", operation)
		}
	}
	return nil
}

func known(operation string) bool {
	for _, e := range endpoint.All {
		if e.Operation == operation {
			return true
		}
	}
	return false
}

func (l *Limits) of(e endpoint.Endpoint) endpoint.Limit {
	if l.Off {
		return endpoint.Limit{}
	}
	if rate, replaced := l.Rates[e.Operation]; replaced {
		return rate
	}
	return e.Limit
}

func (l *Limits) burst() time.Duration {
	if l.Burst == 0 {
		return 100 * time.Millisecond
	}
	return l.Burst
}

// bucket is a token bucket, kept as the time at which it was, or will be, full.
type bucket struct {
	mu   sync.Mutex
	full time.Time
}

// take reports whether there was a token. The zero bucket is full.
func (b *bucket) take(now time.Time, limit endpoint.Limit, burst time.Duration) bool {
	token := float64(limit.Per) / float64(limit.Requests) // nanoseconds
	capacity := max(float64(burst), token)
	b.mu.Lock()
	defer b.mu.Unlock()
	owed := max(0, float64(b.full.Sub(now)))
	// The nanosecond forgives what rounding costs, so that a bucket refilled to one token has it.
	if owed+token > capacity+1 {
		return false
	}
	b.full = now.Add(time.Duration(owed + token))
	return true
}
