package dashboard

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/channel"
)

func (d *Dashboard) overviewSection() section {
	return section{
		nav: []entry{{"", "Overview"}},
		pages: []page{{
			path: "{$}", template: "overview", live: []string{"alarms", "figures", "campaigns", "channels", "lines", "workers"},
			load: d.loadOverview,
		}},
	}
}

// maxBusy is how many channels the overview shows: those that need somebody, and then the busiest.
const maxBusy = 12

// overview is what the overview shows.
type overview struct {
	*snapshot
	Holds   []heldChannel
	Busy    []channelState
	More    int   // channels that aren't among them
	Pending int64 // what could be sent now
	Held    int64 // what could if its channel weren't held, or its queue paused
	Active  int64
	Later   int64 // scheduled, and between two attempts
	Oldest  time.Time
	Rate    float64 // requests a second, of all channels
	Broken  []useState
	Low     []channelState // on quota
	Unfed   bool           // nobody works, and something waits
	Others  int            // alarms that aren't among Holds, Broken and Low
}

// heldChannel is one of the holds of a channel.
type heldChannel struct {
	Channel string
	channel.Hold
}

func (d *Dashboard) loadOverview(ctx context.Context, _ *visit) (any, error) {
	s, err := d.now.get(ctx)
	if err != nil {
		return nil, err
	}
	o := overview{snapshot: s}
	for _, q := range s.Shared {
		o.add(q, false)
	}
	for _, c := range s.Channels {
		for _, q := range c.Queues {
			o.add(q, len(c.Holds) > 0)
		}
		o.Rate += c.PerSecond()
		for _, h := range c.Holds {
			o.Holds = append(o.Holds, heldChannel{c.Name, h})
		}
		for _, u := range c.Uses {
			if u.Broken {
				o.Broken = append(o.Broken, useState{u})
			}
		}
		if c.Quota.Low() {
			o.Low = append(o.Low, c)
		}
	}
	o.Holds, o.Others = first(o.Holds, o.Others)
	o.Broken, o.Others = first(o.Broken, o.Others)
	o.Low, o.Others = first(o.Low, o.Others)
	o.Unfed = s.Known && len(s.Workers) == 0 && o.Pending+o.Later+o.Held > 0
	o.Busy = slices.Clone(s.Channels)
	slices.SortStableFunc(o.Busy, func(x, y channelState) int {
		return cmp.Or(cmp.Compare(len(y.Holds), len(x.Holds)), cmp.Compare(y.PerSecond(), x.PerSecond()),
			cmp.Compare(y.Waiting(), x.Waiting()))
	})
	if len(o.Busy) > maxBusy {
		o.More = len(o.Busy) - maxBusy
		o.Busy = o.Busy[:maxBusy]
	}
	return o, nil
}

// maxAlarms is how many of one sort the overview shows.
const maxAlarms = 8

// first are those that are shown; the rest is counted.
func first[T any](all []T, others int) ([]T, int) {
	if len(all) <= maxAlarms {
		return all, others
	}
	return all[:maxAlarms], others + len(all) - maxAlarms
}

func (o *overview) add(q queueState, held bool) {
	o.Active, o.Later = o.Active+q.Active, o.Later+q.Scheduled+q.Retry
	if q.Paused || held {
		o.Held += q.Pending
		return
	}
	o.Pending += q.Pending
	if !q.Oldest.IsZero() && (o.Oldest.IsZero() || q.Oldest.Before(o.Oldest)) {
		o.Oldest = q.Oldest
	}
}

// progress is how far a campaign has come, from 0 to 1.
func progress(s campaign.Summary) float64 {
	if s.Recipients == 0 {
		return 0
	}
	return float64(s.Sent+s.Failed+s.Unknown) / float64(s.Recipients)
}
