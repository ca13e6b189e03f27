package worker

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// Alive is what a worker that lives tells of itself.
type Alive struct {
	ID      string
	Host    string
	PID     string
	Version string // empty: not known
}

// Living lists the workers on a Redis that have been heard of in the last seconds. Those of a version that doesn't tell
// aren't in it.
func Living(ctx context.Context, rdb redis.UniversalClient) ([]Alive, error) {
	// The moment of Redis's clock is that of the node which has the beats: they were written by it.
	beats, err := rdb.ZRangeWithScores(ctx, workersKey, 0, -1).Result()
	if err != nil || len(beats) == 0 {
		return nil, err
	}
	now, err := nowScript.Run(ctx, rdb, []string{workersKey}).Int64()
	if err != nil {
		return nil, err
	}
	var all []Alive
	for _, b := range beats {
		if now-int64(b.Score) > deadAfter.Milliseconds() {
			continue
		}
		id := b.Member.(string)
		told, err := rdb.HMGet(ctx, claimsKey(id), "host", "pid", "version").Result()
		if err != nil {
			return nil, err
		}
		a := Alive{ID: id}
		a.Host, _ = told[0].(string)
		a.PID, _ = told[1].(string)
		a.Version, _ = told[2].(string)
		all = append(all, a)
	}
	return all, nil
}

// nowScript is the clock of the node that has a key, as Unix ms.
var nowScript = redis.NewScript(`local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000)`)
