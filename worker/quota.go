package worker

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/channel"
)

const (
	// quotaWatchEvery is how often one of all workers asks LINE how much of a channel's quota is left, for those who watch
	// it. Preflights and holds ask besides.
	quotaWatchEvery = 10 * time.Minute
	// quotaWatchTick is how often a worker looks whether it is time, and quotaWatchFirst when it first does.
	quotaWatchTick  = time.Minute
	quotaWatchFirst = 10 * time.Second
)

// quotaLeft asks LINE how much of the month's quota is left, and keeps it for all to see.
func (w *Worker) quotaLeft(ctx context.Context, name string, c *lineapi.Client) (left int64, limited bool, err error) {
	quota, err := c.Quota(ctx)
	if err != nil {
		return 0, false, err
	}
	q := channel.Quota{Limit: -1}
	if quota.Type == "limited" {
		q.Limit = quota.Value
		if q.Used, err = c.QuotaConsumption(ctx); err != nil {
			return 0, true, err
		}
	}
	if err := channel.KeepQuota(ctx, w.cfg.Redis, name, q); err != nil {
		w.log.Debug("the quota can't be kept", zap.String("channel", name), zap.Error(err))
	}
	return q.Limit - q.Used, q.Limit >= 0, nil
}

// watchQuotas asks LINE for the quotas of this worker's channels until ctx ends.
func (w *Worker) watchQuotas(ctx context.Context) {
	tick := time.NewTimer(quotaWatchFirst)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, name := range w.channels.Load().names {
			client := w.client(name)
			if client == nil {
				continue // it left meanwhile
			}
			first, err := channel.Claim(ctx, w.lookout.UniversalClient, name, "watch quota", quotaWatchEvery)
			if err != nil || !first {
				continue
			}
			asking, cancel := context.WithTimeout(ctx, checkTimeout)
			if _, _, err := w.quotaLeft(asking, name, client); err != nil && ctx.Err() == nil {
				w.log.Debug("LINE can't be asked for the quota", zap.String("channel", name), zap.Error(err))
			}
			cancel()
		}
		tick.Reset(quotaWatchTick)
	}
}
