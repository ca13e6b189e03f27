package gateway

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
)

const (
	// maxWeight is how many bytes of requests may be on their way into Redis: 4,096 small ones, or 128 of LINE's largest.
	maxWeight = 256 << 20
	// minWeight is that of a small request, with all that a goroutine and a connection need.
	minWeight = 64 << 10
	// maxLong is how many multicasts to many stream in at once; each takes up to 33 MB.
	maxLong = 4
	// fullRedis is the share of maxmemory above which nothing more is taken: workers need the rest to go on.
	fullRedis = 0.9
	// memoryEvery is how often Redis is asked for its memory.
	memoryEvery = 2 * time.Second
)

// pressure turns requests away before memory, here or in Redis, is full.
type pressure struct {
	weight atomic.Int64
	long   atomic.Int64
	full   atomic.Bool // Redis is
}

func newPressure() *pressure { return &pressure{} }

// weightOf is what a request may take of memory.
func weightOf(r *http.Request) int64 {
	if r.ContentLength < 0 {
		return lineapi.MaxRequestBytes
	}
	return min(max(r.ContentLength, minWeight), lineapi.MaxRequestBytes)
}

func (p *pressure) enter(weight int64) bool {
	if p.full.Load() {
		return false
	}
	if p.weight.Add(weight) > maxWeight {
		p.weight.Add(-weight)
		return false
	}
	return true
}

func (p *pressure) leave(weight int64) { p.weight.Add(-weight) }

func (p *pressure) enterLong() bool {
	if p.full.Load() {
		return false
	}
	if p.long.Add(1) > maxLong {
		p.long.Add(-1)
		return false
	}
	return true
}

func (p *pressure) leaveLong() { p.long.Add(-1) }

// refusal is the answer to who is turned away: LINE's own to too many requests, or that the queue is full.
func (p *pressure) refusal() answer {
	if p.full.Load() {
		a := unavailable()
		a.retryAfter = 10 * time.Second
		return a
	}
	a := refuse(http.StatusTooManyRequests, textRate)
	a.retryAfter = time.Second
	return a
}

// watch looks at Redis's memory until ctx ends. Where there is no maxmemory, there is nothing to see.
func (p *pressure) watch(ctx context.Context, rdb redis.UniversalClient) {
	tick := time.NewTicker(memoryEvery)
	defer tick.Stop()
	for {
		if full, err := Full(ctx, rdb); err == nil {
			p.full.Store(full)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Full tells whether Redis has so little memory left that it should be given nothing more to send: workers need the rest.
func Full(ctx context.Context, rdb redis.UniversalClient) (bool, error) {
	info, err := rdb.Info(ctx, "memory").Result()
	used, limit := memoryOf(info)
	return limit > 0 && float64(used) > fullRedis*float64(limit), err
}

// memoryOf reads Redis's INFO memory.
func memoryOf(info string) (used, limit int64) {
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		n, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "used_memory":
			used = n
		case "maxmemory":
			limit = n
		}
	}
	return used, limit
}
