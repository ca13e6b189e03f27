package worker

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/lineq/lineq/tasks/topology"
)

// health knows whether Redis answers, and says it once when that changes. What else is said about Redis meanwhile, by
// asynq a thousand times, is for Debug. It is safe for concurrent use.
type health struct {
	log *zap.Logger

	mu   sync.Mutex
	away time.Time // since when; zero: Redis answers
	back time.Time // when it last came back
}

const (
	lookEvery = time.Second
	// lookPatience is for one look; a Redis that hangs is away after two of them.
	lookPatience = 2 * time.Second
	// settling is how long after Redis's return there may still be lines of what its absence broke: asynq's own contexts
	// end with the 30 seconds' lease, and go-redis's longest pause between two tries is two seconds.
	settling = 10 * time.Second
)

// watch looks every second until ctx ends. rdb must give up soon; see newLookout.
func (h *health) watch(ctx context.Context, rdb redis.UniversalClient) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		err := look(ctx, rdb)
		if err != nil {
			err = look(ctx, rdb) // the first may have failed because this process was frozen
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			h.missed(err.Error())
		default:
			h.answered()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func look(ctx context.Context, rdb redis.UniversalClient) error {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	return topology.EachMaster(ctx, rdb, ping)
}

func (h *health) missed(why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.away.IsZero() {
		h.away = time.Now()
		h.log.Warn("redis is away: sends wait until it is back", zap.String("error", why))
	}
}

func (h *health) answered() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.away.IsZero() {
		h.back = time.Now()
		h.log.Info("redis is back", zap.Duration("away_for", h.back.Sub(h.away).Round(time.Millisecond)))
		h.away = time.Time{}
	}
}

func (h *health) isAway() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.away.IsZero()
}

// covers tells whether a line about Redis need not be said aloud, because its absence has been told of. A line that tells
// of an absence before the next look does makes it known.
func (h *health) covers(line string) bool {
	if strings.Contains(line, "panic") {
		return false
	}
	told := h.lately()
	if !told && tellsOfAbsence(line) {
		h.missed(line)
		return true
	}
	return told
}

// lately tells whether Redis is away, or was a moment ago.
func (h *health) lately() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.away.IsZero() || time.Since(h.back) < settling
}

// warn writes a line about something that Redis was needed for.
func (h *health) warn(line string, err error) {
	level := zap.WarnLevel
	if h.covers(err.Error()) {
		level = zap.DebugLevel
	}
	h.log.Log(level, line, zap.Error(err))
}

// absences are what errors say when Redis can't be reached, is starting, or is not the master any more. They are told by
// their text, since asynq passes nothing else on.
var absences = []string{
	"connection refused", "connection reset", "broken pipe", "i/o timeout", "no such host", "network is unreachable",
	"no route to host", "use of closed network connection", "connection pool timeout", "sentinels specified",
	"context deadline exceeded", ": EOF", "LOADING ", "MASTERDOWN ", "READONLY ", "CLUSTERDOWN ",
}

func tellsOfAbsence(line string) bool {
	for _, a := range absences {
		if strings.Contains(line, a) {
			return true
		}
	}
	return line == "EOF"
}
