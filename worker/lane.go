package worker

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/limit"
)

// A lane is how a worker works on a campaign: it claims units, sends what is in them with many requests at once, and yields
// after a while, so that what waits behind it in its queue comes to its turn. Its next run is in the queue before this one
// ends. Of many workers each has some of the lanes.

const (
	// laneTime is how long one run goes on claiming.
	laneTime = 10 * time.Second
	// laneNap is how long a run waits itself until there is something to claim; for more it leaves its slot. laneRest is when
	// it comes again at the latest: what others have under way may come back sooner than they have said.
	laneNap  = 2 * time.Second
	laneRest = 5 * time.Second
	// pushHands and multicastHands are how many requests of one lane are under way or wait for their permits.
	pushHands      = 64
	multicastHands = 16
	// maxHands bounds them where LINE takes long.
	maxHands = 256
	// rateBlock is how far ahead of a campaign's own rate a unit of pushes may reach.
	rateBlock = 5 * time.Second
)

var errForeignUnit = errors.New("a unit doesn't fit its chunk")

// laneRun is one run of a lane.
type laneRun struct {
	w      *Worker
	plan   *prepared
	client *lineapi.Client
	lane   campaign.Lane
	ctx    context.Context // ends when the worker stops

	hands    sync.WaitGroup
	closings sync.WaitGroup
	asked    atomic.Pointer[asking]
	live     atomic.Int32  // passes that aren't closed
	closed   chan struct{} // gets a value when one is
	once     sync.Once     // stopFor
}

// lane runs a lane once.
func (w *Worker) lane(ctx context.Context, j campaign.Job, client *lineapi.Client) error {
	l := &laneRun{
		w: w, client: client, closed: make(chan struct{}, 1),
		lane: campaign.Lane{ID: j.ID, Epoch: j.Epoch, Lane: j.Lane, Run: j.Run, Worker: w.id},
	}
	again := func(err error) error { return &postponed{delay: redisDelay, reason: err.Error()} }
	var err error
	l.plan, err = w.prepare(ctx, j.Channel, j.ID)
	switch {
	case errors.Is(err, campaign.ErrNotFound):
		return nil // it ended long ago
	case err != nil:
		return again(err)
	}
	if wait := l.held(); wait > 0 {
		return &postponed{delay: wait, reason: "the channel is held"}
	}
	_, ours, err := w.campaigns.BeginLane(ctx, l.lane)
	if err != nil {
		return again(err)
	}
	if !ours {
		return nil
	}
	var stop context.CancelFunc
	l.ctx, stop = context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(w.waits, stop)()

	wait, over, err := l.work()
	l.hands.Wait()
	l.closings.Wait()
	switch {
	case w.waits.Err() != nil:
		return &postponed{reason: "the worker stops"}
	case err != nil:
		return again(err)
	case over:
		return nil
	}
	if held := l.held(); held > 0 {
		return &postponed{delay: held, reason: "the channel is held"}
	}
	if wait > 0 {
		if err := w.campaigns.Rest(ctx, j.ID, wait); err != nil {
			return again(err)
		}
	}
	j.Run++
	if err := w.enqueue(ctx, campaign.KindLane, j, wait); err != nil {
		return again(err)
	}
	return nil
}

// held is when to look again, where the channel is held for what the campaign sends, or has another token than this run.
func (l *laneRun) held() time.Duration {
	if l.w.client(l.plan.channel) != l.client {
		return asideDelay
	}
	for _, p := range []tasks.Policy{l.plan.push, l.plan.multicast} {
		if _, held := l.w.holds.of(l.plan.channel, p); held {
			return time.Second
		}
	}
	if l.w.aside.stands(l.plan.channel) {
		return asideDelay
	}
	return 0
}

// work claims units and hands their requests out until the run's time is over. wait is when the lane has something to do
// again; over: never, in this epoch.
func (l *laneRun) work() (wait time.Duration, over bool, err error) {
	end := time.Now().Add(laneTime)
	items := make(chan item, pushHands)
	defer close(items)
	hands := 0
	for time.Now().Before(end) && l.ctx.Err() == nil && l.held() == 0 {
		now := time.Now()
		opens, closes := l.hours(now)
		if opens.After(now) {
			return opens.Sub(now), false, nil
		}
		for n := l.handsNeeded(); hands < n; hands++ {
			l.hands.Go(func() {
				for it := range items {
					it.pass.send(it)
				}
			})
		}
		c, err := l.w.campaigns.Claim(l.ctx, l.lane, l.wish())
		switch {
		case err != nil && l.ctx.Err() != nil:
			return 0, false, nil // what was claimed dies by its lease, or with this run's next owner
		case err != nil:
			return 0, false, err
		case c.Over:
			if c.State.Ended() {
				notify(l.w.bells.campaigns)
			}
			return 0, true, nil
		case len(c.Units) == 0:
			if c.Wait > laneNap && l.live.Load() == 0 {
				return min(c.Wait, laneRest), false, nil
			}
			if !l.nap(min(c.Wait, laneNap)) {
				return 0, false, nil
			}
			continue
		}
		for _, u := range c.Units {
			l.begin(u, now, closes, items)
		}
	}
	return 0, false, nil
}

// nap waits until there may be something to claim: for so long, or until a pass of this lane has closed.
func (l *laneRun) nap(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.closed:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// begin hands the requests of a claimed unit out.
func (l *laneRun) begin(u campaign.Unit, claimed, closes time.Time, items chan<- item) {
	p := &pass{lane: l, unit: u, until: claimed.Add(passTime), due: claimed.Add(u.Wait), parts: slices.Clone(u.Parts)}
	if !closes.IsZero() && closes.Before(p.until) {
		p.until = closes
	}
	p.ctx, p.end = context.WithDeadline(l.w.sends, p.until.Add(campaignCallTimeout))
	p.ctx, p.span = l.beginUnit(p.ctx, u.Pushes)
	l.live.Add(1)
	all := p.items()
	var err error
	if p.chunk, err = l.plan.chunk(l.ctx, l.w.campaigns, u.Chunk); err != nil {
		if l.ctx.Err() == nil {
			l.w.health.warn("a campaign's recipients can't be read", err)
		}
		p.later(redisDelay)
		p.left.Store(1)
		p.done()
		return
	}
	for _, it := range all {
		items <- it // a hand is free soon: each call has its time
	}
}

// handsNeeded is how many requests must be under way to use LINE's limit, at the time that LINE takes.
func (l *laneRun) handsNeeded() int {
	least, policy := pushHands, l.plan.push
	if l.plan.plan.Mode == campaign.Multicast {
		least, policy = multicastHands, l.plan.multicast
	}
	interval := l.w.limiter.Interval(l.plan.channel, policy.Endpoint)
	if interval <= 0 {
		return least
	}
	inFlight := float64(l.plan.usual()) / float64(interval)
	return min(max(least, int(math.Ceil(inFlight*3/2/lanes))), maxHands)
}

func (l *laneRun) wish() campaign.Wish {
	wish := campaign.Wish{Units: 1, Most: campaign.Block, Lease: passLease}
	if l.plan.plan.Mode == campaign.Multicast {
		wish.Units = 4
	}
	if rate := l.plan.plan.Rate; rate > 0 {
		wish.Units, wish.Most = 1, max(1, min(campaign.Block, int(rate*rateBlock.Seconds())))
	}
	return wish
}

// hours are when the campaign's window opens, which is now where it is open, and when it closes; zero: never.
func (l *laneRun) hours(now time.Time) (opens, closes time.Time) {
	window := l.plan.plan.Window
	if window.IsZero() {
		return now, time.Time{}
	}
	opens = window.Next(now)
	return opens, window.Closes(opens)
}

// goTime is for how long what mayGo has found is believed: a fast lane asks many thousand times a second.
const goTime = 2 * time.Millisecond

// mayGo tells whether a request may be made now that LINE doesn't have, or may have.
func (l *laneRun) mayGo(s campaign.Status, until time.Time) bool {
	now := time.Now()
	if now.After(until) || l.ctx.Err() != nil {
		return false
	}
	if asked := l.asked.Load(); asked == nil || now.Sub(asked.at) > goTime {
		stopped, openOnly := l.w.known.stopped(l.plan.id, l.lane.Epoch)
		l.asked.Store(&asking{at: now, all: !stopped && l.held() == 0, open: (!stopped || openOnly) && l.held() == 0})
	}
	asked := l.asked.Load()
	return asked.all || asked.open && s == campaign.Open
}

// asking is what mayGo has found.
type asking struct {
	at        time.Time
	all, open bool
}

// permit waits for a turn within LINE's limits, as long as the pass may begin calls. The context that it returns carries it
// to the call.
func (l *laneRun) permit(p tasks.Policy, of *pass) (context.Context, bool) {
	if l.w.limiter.Off() {
		return of.ctx, true // the client's own question is enough
	}
	start := time.Now()
	turn, err := l.w.limiter.Take(l.ctx, limit.Request{
		Channel: l.plan.channel, Endpoint: p.Endpoint, Priority: limit.Bulk,
		Patience: max(0, min(patience(tasks.LineBulk), of.until.Sub(start))),
	})
	if err != nil || turn.Wait > 0 {
		of.later(turn.Wait)
		return nil, false
	}
	waited := time.Since(start)
	of.waits.Add(int64(waited))
	l.w.metrics.waited(l.plan.channel, p.Endpoint, waited)
	return limit.With(of.ctx, p.Endpoint, limit.Bulk, turn), true
}

// blamesAll tells whether a refusal of a message is one for everybody. Where messages differ and LINE has taken some, it is
// this recipient's values that LINE doesn't take.
func (l *laneRun) blamesAll(template int) bool {
	if !l.plan.personal[template] {
		return true
	}
	sum, err := l.w.campaigns.Summary(l.ctx, l.plan.id)
	return err == nil && sum.Sent == 0
}

// stopFor pauses the campaign because LINE refuses its message.
func (l *laneRun) stopFor(v verdict) {
	l.once.Do(func() {
		l.w.known.hear(l.plan.id, campaign.Look{State: campaign.StatePaused, Epoch: l.lane.Epoch})
		if _, err := l.w.campaigns.Pause(l.ctx, l.plan.id, lineapi.Invalid, v.Error); err != nil {
			l.w.health.warn("a campaign whose message LINE refuses can't be paused", err)
			return
		}
		l.w.log.Error("campaign paused: LINE refuses its message", zap.String("channel", l.plan.channel),
			zap.String("campaign", l.plan.id), zap.String("error", v.Error))
	})
}

// sleep waits, and tells whether it waited to the end.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
