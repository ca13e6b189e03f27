package dashboard

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/tasks/campaign"
)

func TestPlot(t *testing.T) {
	start := time.Date(2027, 1, 15, 8, 0, 0, 0, time.UTC)
	at := func(d time.Duration) *time.Time { at := start.Add(d); return &at }
	long := make([]int64, 240)
	for i := range long {
		long[i] = int64(i)
	}
	for name, o := range map[string]struct {
		pace       campaign.Pace
		sum        campaign.Summary
		steps      int
		peak, most float64
		rows       int
	}{
		"nobody": {},
		"one second": {
			campaign.Pace{Start: start, Bucket: time.Second, Decided: []int64{50}, Now: start.Add(time.Minute)},
			campaign.Summary{StartedAt: at(0), FinishedAt: at(500 * time.Millisecond)}, 1, 100, 100, 1,
		},
		"still sending, and nothing goes out any more": {
			campaign.Pace{Start: start, Bucket: time.Second, Decided: []int64{30, 30}, Now: start.Add(6 * time.Second)},
			campaign.Summary{StartedAt: at(0), State: campaign.StateSending}, 6, 30, 40, 6,
		},
		"a moment makes no peak": {
			campaign.Pace{Start: start, Bucket: time.Second, Decided: []int64{30, 30}, Now: start.Add(time.Minute)},
			campaign.Summary{StartedAt: at(0), FinishedAt: at(1001 * time.Millisecond)}, 2, 60, 100, 2,
		},
		"long": {
			campaign.Pace{Start: start, Bucket: time.Hour, Decided: long, Now: start.Add(1000 * time.Hour)},
			campaign.Summary{StartedAt: at(0), FinishedAt: at(240 * time.Hour)}, 240, 239.0 / 3600, 0.1, 24,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := plotOf(o.pace, o.sum)
			assert.Equal(t, o.steps == 0, p.Empty())
			assert.Equal(t, o.steps, strings.Count(p.Line, "H"))
			assert.InDelta(t, o.peak, p.Peak, 0.001)
			assert.InDelta(t, o.most, p.Most, 0.001)
			assert.Len(t, p.Rows, o.rows)
			var want, shown int64
			for _, n := range o.pace.Decided {
				want += n
			}
			for _, row := range p.Rows {
				shown += row.Decided
			}
			assert.Equal(t, want, shown)
		})
	}
}
