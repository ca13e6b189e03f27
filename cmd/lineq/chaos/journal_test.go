package chaos_test

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/record"
)

// journal follows the delivery logs and knows what is decided. A log keeps about 100,000 lines, so it has to be read
// while it is written.
type journal struct {
	run     *run
	records *record.Store

	all int // ordinary and refused sends

	mu         sync.Mutex
	left       int           // of them, those of which no line has come
	last       time.Time     // when a line came last
	standstill time.Duration // the longest time between two lines, while most is still to be decided
}

// followPause is how long the journal waits when it has read all there is.
const followPause = 100 * time.Millisecond

// follow reads one channel's log until ctx ends.
func (j *journal) follow(ctx context.Context, channel string) {
	cursor := ""
	for ctx.Err() == nil {
		lines, err := j.records.LogAfter(ctx, channel, cursor, 1000)
		for _, l := range lines {
			cursor = l.Cursor
			j.enter(l)
		}
		if err != nil || len(lines) == 0 {
			pause(ctx, followPause)
		}
	}
}

func (j *journal) enter(l record.Line) {
	if m := j.run.plan.mailed[l.ID]; m != nil && l.Kind == campaign.KindCampaign && l.Channel == m.channel.name {
		j.end(m, l)
		return
	}
	s := j.run.plan.byID[l.ID]
	if s == nil || s.channel.name != l.Channel {
		j.run.violate("the delivery log of %s has %s, which nobody enqueued", l.Channel, l.ID)
		return
	}
	if strings.Contains(l.Error, j.run.plan.mark) || strings.Contains(l.Error, j.run.plan.userMark) {
		j.run.violate("the delivery log tells of %s who it is for or what it says", l.ID)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	now := time.Now()
	if !j.last.IsZero() && float64(j.left) > (1-lastEvent)*float64(j.all) {
		j.standstill = max(j.standstill, now.Sub(j.last))
	}
	j.last = now
	if s.logged.lines == 0 {
		close(s.decided)
		if s.role != operated {
			j.left--
		}
	}
	s.logged.lines++
	s.logged.outcome, s.logged.reason = l.Outcome, l.Reason
}

// end notes the end of a campaign.
func (j *journal) end(m *mailing, l record.Line) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if m.logged.lines == 0 {
		close(m.decided)
	}
	m.logged.lines++
	m.logged.outcome, m.logged.reason = l.Outcome, l.Reason
}

// undecided is the number of sends that have no outcome yet, operated ones apart.
func (j *journal) undecided() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.left
}

// decided is the part of the sends that have an outcome.
func (j *journal) decided() float64 { return 1 - float64(j.undecided())/float64(j.all) }
