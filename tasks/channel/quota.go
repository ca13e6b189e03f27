package channel

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
)

// Quota is what LINE has last said of a channel's quota of this month. LINE's count is approximate
// (https://developers.line.biz/en/reference/messaging-api/#get-consumption).
type Quota struct {
	Limit int64 // -1: there is none
	Used  int64
	At    time.Time // by Redis's clock, whole seconds
}

// Left is how much is left; ok is false where there is no limit.
func (q Quota) Left() (left int64, ok bool) {
	if q.Limit < 0 {
		return 0, false
	}
	return max(0, q.Limit-q.Used), true
}

// quotaKept is how long it is remembered when nobody asks LINE any more.
const quotaKept = 2 * time.Hour

func quotaKey(channel string) string { return "lineq:{" + channel + "}:quota" }

// quotaScript keeps what LINE said.
//
// KEYS 1 quota
// ARGV 1 limit  2 used  3 how long it is kept, ms
var quotaScript = redis.NewScript(`
redis.call('HSET', KEYS[1], 'limit', ARGV[1], 'used', ARGV[2], 'at', redis.call('TIME')[1])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
`)

// KeepQuota remembers what LINE has just said, for all who want to show it. q.At is Redis's.
func KeepQuota(ctx context.Context, rdb redis.UniversalClient, channel string, q Quota) error {
	if err := tasks.CheckChannel(channel); err != nil {
		return err
	}
	err := quotaScript.Run(ctx, rdb, []string{quotaKey(channel)}, q.Limit, q.Used, quotaKept.Milliseconds()).Err()
	if err != nil {
		return fmt.Errorf("keep the quota of %s: %w", channel, err)
	}
	return nil
}

// Quotas reads what KeepQuota has kept, in one round trip. A channel of which nothing is known is left out.
func Quotas(ctx context.Context, rdb redis.UniversalClient, channels ...string) (map[string]Quota, error) {
	all := map[string]Quota{}
	if len(channels) == 0 {
		return all, nil
	}
	kept := make([]*redis.SliceCmd, len(channels))
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, name := range channels {
			kept[i] = p.HMGet(ctx, quotaKey(name), "limit", "used", "at")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read quotas: %w", err)
	}
	for i, name := range channels {
		var n [3]int64
		known := true
		for k, v := range kept[i].Val() {
			text, _ := v.(string)
			var err error
			n[k], err = strconv.ParseInt(text, 10, 64)
			known = known && err == nil
		}
		if known {
			all[name] = Quota{Limit: n[0], Used: n[1], At: time.Unix(n[2], 0).UTC()}
		}
	}
	return all, nil
}
