package limit

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed now.lua
var nowLua string

//go:embed take.lua
var takeLua string

//go:embed limited.lua
var limitedLua string

//go:embed breaker.lua
var breakerLua string

var (
	takeScript    = redis.NewScript(nowLua + takeLua)
	limitedScript = redis.NewScript(nowLua + limitedLua)
	breakerScript = redis.NewScript(nowLua + breakerLua)
)

// line is one endpoint of one channel in Redis, where the slots of all processes stand in line.
type line struct {
	rdb       redis.UniversalClient
	channel   string
	operation string
	interval  time.Duration // of the limit that is configured here; 0: none
}

func (l *line) state() string   { return "lineq:{" + l.channel + "}:rate:" + l.operation }
func (l *line) permits() string { return l.state() + ":permits" }

// wish is what take is asked for.
type wish struct {
	slots    int
	early    time.Duration
	patience time.Duration
	soonest  time.Duration // from when on a slot is of use, since the answer takes long; 0: at once
	shape    shape
	redisNow int64 // Unix µs as the caller's clock has them; 0: unknown
	id       string
}

type outcome int

const (
	granted outcome = iota
	tooFar
	broken
)

// grant is take's answer.
type grant struct {
	outcome  outcome
	redisNow int64         // Unix µs
	first    time.Duration // from redisNow to the first slot, or to when one could be had
	slots    int
	spacing  time.Duration
	interval time.Duration // that is kept; longer than ours where another process has a lower limit
	kept     bool          // under the id
	probe    bool
}

func micros(d time.Duration) string { return fmt.Sprintf("%.3f", float64(d)/1e3) }

func (l *line) take(ctx context.Context, w wish) (grant, error) {
	v, err := takeScript.Run(ctx, l.rdb, []string{l.state(), l.permits()},
		micros(l.interval), micros(shapeOf(l.interval).step), w.slots, micros(w.early), micros(w.patience),
		micros(w.shape.behind), micros(w.shape.late), micros(leadLimit), w.redisNow, w.id, micros(w.soonest)).Int64Slice()
	if err != nil {
		return grant{}, fmt.Errorf("a permit for %s: %w", l.operation, err)
	}
	return grant{
		outcome: outcome(v[0]), redisNow: v[1], first: time.Duration(v[2]), slots: int(v[3]),
		spacing: time.Duration(v[4]), interval: time.Duration(v[5]), kept: v[6] == 1, probe: v[7] == 1,
	}, nil
}

// claim uses a kept permit up. False: somebody else did, or it has expired.
func (l *line) claim(ctx context.Context, id string) (bool, error) {
	n, err := l.rdb.ZRem(ctx, l.permits(), id).Result()
	if err != nil {
		return false, fmt.Errorf("a permit for %s: %w", l.operation, err)
	}
	return n == 1, nil
}

func (l *line) limited(ctx context.Context) error {
	if err := limitedScript.Run(ctx, l.rdb, []string{l.state()}, micros(l.interval)).Err(); err != nil && err != redis.Nil {
		return fmt.Errorf("slow %s down: %w", l.operation, err)
	}
	return nil
}

// breaker tells everybody what this process found: "open", "close" or "failed".
func (l *line) breaker(ctx context.Context, what string) error {
	err := breakerScript.Run(ctx, l.rdb, []string{l.state()}, what, micros(breakerRest), micros(breakerRestLimit),
		restartShare).Err()
	if err != nil && err != redis.Nil {
		return fmt.Errorf("breaker of %s: %w", l.operation, err)
	}
	return nil
}
