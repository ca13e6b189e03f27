package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/chunk"
	"github.com/lineq/lineq/tasks/record"
)

const (
	// passTime is how long after its claim a pass may begin another call. What is left then is pending and comes again.
	passTime = 15 * time.Second
	// passLease is when a pass counts as dead: its last call has ended by then, and the way to Redis takes time, too.
	passLease = passTime + campaignCallTimeout + 5*time.Second
	// campaignCallTimeout is that of the calls of a campaign, which are pushes and multicasts.
	campaignCallTimeout = 10 * time.Second
)

// pass is one unit under way. Each of its items is sent by one goroutine, which writes to its own part alone.
type pass struct {
	lane  *laneRun
	unit  campaign.Unit
	chunk *chunk.Chunk
	until time.Time // for beginning calls
	due   time.Time // of its first item, where the campaign has a rate of its own
	// calls under way end with ctx: campaignCallTimeout after the last may have begun, or with the worker's grace time.
	ctx  context.Context
	end  context.CancelFunc
	span trace.Span // nil: nothing is traced

	parts []campaign.Part
	left  atomic.Int32 // items that aren't done
	calls atomic.Int32
	again atomic.Int64 // the longest that a pending part wants to wait
	waits atomic.Int64 // for turns within LINE's limits, together

	mu     sync.Mutex
	splits map[int][]campaign.Part // of parts of a multicast, by their index
}

// item is one request of a pass.
type item struct {
	pass *pass
	part int
	due  time.Time // zero: at once
}

// items are the requests that the pass may make: what LINE may have is repeated, and of what it doesn't have as much is
// tried as was claimed.
func (p *pass) items() (all []item) {
	first := p.unit.First
	for i, part := range p.unit.Parts {
		switch part.Status {
		case campaign.Open:
		case campaign.Pending:
			if first == 0 {
				continue
			}
			first--
		default:
			continue
		}
		all = append(all, item{pass: p, part: i})
	}
	p.left.Store(int32(len(all)))
	if rate := p.lane.plan.plan.Rate; rate > 0 && p.unit.Pushes {
		for i := range all {
			all[i].due = p.due.Add(time.Duration(float64(i) * float64(time.Second) / rate))
		}
	} else if rate > 0 && len(all) > 0 {
		all[0].due = p.due
	}
	return all
}

// done is called once for each item. The last one closes the pass.
func (p *pass) done() {
	if p.left.Add(-1) == 0 {
		p.lane.closings.Go(p.close)
	}
}

// later lets a pending part come again no sooner than after d.
func (p *pass) later(d time.Duration) {
	for {
		was := p.again.Load()
		if int64(d) <= was || p.again.CompareAndSwap(was, int64(d)) {
			return
		}
	}
}

// close writes down what became of the pass. Where Redis doesn't hear it, the pass dies by its lease, and everybody in it is
// sent to again under the same retry key.
func (p *pass) close() {
	w := p.lane.w
	p.end()
	defer p.endUnit()
	defer func() {
		p.lane.live.Add(-1)
		notify(p.lane.closed)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), bookkeeping)
	defer cancel()
	c := campaign.Closing{Parts: p.parts, Calls: int(p.calls.Load()), Again: time.Duration(p.again.Load()), Waited: time.Duration(p.waits.Load())}
	if len(p.splits) > 0 {
		c.Split, c.Parts = true, nil
		for i, part := range p.parts {
			if pieces := p.splits[i]; pieces != nil {
				c.Parts = append(c.Parts, pieces...)
			} else {
				c.Parts = append(c.Parts, part)
			}
		}
	}
	for {
		state, ours, err := w.campaigns.Close(ctx, p.lane.plan.id, p.unit, c)
		if err == nil {
			if ours {
				w.metrics.closed(p.lane.plan.channel, p.unit.Parts, p.parts, p.splits)
			}
			if state.Ended() {
				notify(w.bells.campaigns)
			}
			return
		}
		if ctx.Err() != nil || !tellsOfAbsence(err.Error()) {
			w.health.warn("can't record what became of a campaign's requests: they are repeated under their retry keys", err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(endurePause):
		}
	}
}

// send makes one request of the campaign, or leaves it for later.
func (p *pass) send(it item) {
	t := p.try(it)
	p.done()
	if t == nil {
		return
	}
	if t.err == nil {
		p.lane.w.served(p.lane.ctx, p.lane.plan.channel, t.endpoint)
		return
	}
	// This may take a while, as LINE may be asked for its quota: the pass doesn't wait for it.
	j := &job{
		Envelope: tasks.Envelope{Channel: p.lane.plan.channel, Task: t.task()}, policy: t.policy, client: p.lane.client,
	}
	p.lane.w.react(p.lane.ctx, j, t.answer, t.reason)
}

// tried is a request that was made.
type tried struct {
	request
	answer
	reason lineapi.Reason
}

// try makes a request and writes down what became of it, or returns nil where it is left for later.
func (p *pass) try(it item) *tried {
	l := p.lane
	status := p.unit.Parts[it.part].Status
	if wait := time.Until(it.due); !it.due.IsZero() && wait > 0 && !sleep(l.ctx, wait) {
		return nil
	}
	if !l.mayGo(status, p.until) {
		return nil
	}
	r, err := p.request(it.part)
	if err != nil {
		l.w.log.Error("a campaign's request can't be made", zap.String("campaign", l.plan.id), zap.Int("chunk", p.unit.Chunk),
			zap.Error(err))
		p.fail(it.part, err.Error())
		return nil
	}
	if wait := l.w.recipients.waitFor(l.plan.channel, r.to, time.Now()); wait > 0 {
		p.later(wait)
		return nil
	}
	ctx, ok := l.permit(r.policy, p)
	if !ok || !l.mayGo(status, p.until) {
		return nil
	}
	p.calls.Add(1)
	start := time.Now()
	a := p.call(ctx, r)
	a.took = time.Since(start)
	if a.err == nil {
		l.plan.took(a.took)
	}
	v := decide(a, record.Begun{Attempts: p.unit.Passes}, l.w.random())
	l.w.metrics.answered(l.plan.channel, a, v)
	p.judge(it.part, status, a, v)
	return &tried{r, a, v.Reason}
}

// request is one call to LINE.
type request struct {
	policy tasks.Policy
	key    string
	body   []byte
	to     string   // of a push
	all    []string // of a multicast
}

func (p *pass) request(part int) (request, error) {
	plan := p.lane.plan
	r := request{policy: plan.policy(p.unit.Pushes)}
	r.key = plan.retryKey(r.policy.Endpoint, &p.unit, part)
	if p.unit.Pushes {
		place := p.unit.Place + part
		if place >= p.chunk.Len() {
			return r, errForeignUnit
		}
		r.to = p.chunk.To(place)
		r.body = plan.options.AppendPush(make([]byte, 0, plan.bodySize.Load()), r.to)
		r.body = plan.appendMessages(r.body, p.chunk, place)
	} else {
		var err error
		if r.all, err = p.recipients(part); err != nil {
			return r, err
		}
		r.body = plan.options.AppendMulticast(make([]byte, 0, plan.bodySize.Load()), r.all)
		r.body = plan.appendMessages(r.body, p.chunk, 0)
	}
	r.body = plan.options.AppendEnd(r.body)
	if size := int64(len(r.body)); size > plan.bodySize.Load() {
		plan.bodySize.Store(size)
	}
	return r, nil
}

// task is what the request would be as a task of its own, for what an answer means to its channel and its recipient.
func (r request) task() tasks.Task {
	if r.to != "" {
		return tasks.Push{To: r.to}
	}
	return tasks.Multicast{To: r.all}
}

// call calls LINE.
func (p *pass) call(ctx context.Context, r request) answer {
	l := p.lane
	a := answer{endpoint: r.policy.Endpoint, renewable: l.client.CanRenewToken()}
	if r.to != "" {
		a.receipt, a.err = l.client.PushReady(ctx, r.body, r.key)
	} else {
		a.receipt, a.err = l.client.MulticastReady(ctx, r.body, r.key)
	}
	return a
}

// recipients are those of one part of a multicast.
func (p *pass) recipients(part int) ([]string, error) {
	all := make([]string, p.chunk.Len())
	for i := range all {
		all[i] = p.chunk.To(i)
	}
	to, err := campaign.Apply(p.unit.Parts[part].Path, all)
	if err == nil && len(to) != p.unit.Parts[part].Recipients {
		err = errForeignUnit
	}
	return to, err
}

// judge writes down what an answer means for a part.
func (p *pass) judge(i int, before campaign.Status, a answer, v verdict) {
	part := &p.parts[i]
	part.RequestID = v.RequestID
	switch {
	case v.Evidence == record.Accepted:
		part.Status = campaign.Sent
		if v.Replayed {
			part.Status = campaign.Replayed
		}
		part.At = time.Now()
		return
	case v.Evidence == record.Lost && v.Final:
		p.decide(i, campaign.Unknown, v)
	case v.Evidence == record.Lost:
		part.Status = campaign.Open
		p.later(v.delay)
	case !v.Final: // certainly not there; what LINE may have of an earlier attempt stays so
		p.later(v.delay)
	case before == campaign.Open:
		p.decide(i, campaign.Unknown, v) // it proves nothing about the attempt before
	default:
		p.refused(i, a, v)
	}
}

// refused is for a part that LINE certainly doesn't have and never takes as it is.
func (p *pass) refused(i int, a answer, v verdict) {
	part := p.unit.Parts[i]
	who, index := blamed(a.err)
	if who == blamesMessage && p.lane.blamesAll(p.chunk.Template) {
		p.lane.stopFor(v) // and nobody has failed for it
		return
	}
	if p.unit.Pushes || part.Recipients == 1 || who == blamesMessage {
		p.decide(i, campaign.Failed, v)
		return
	}
	// Nobody of a multicast that was refused has received it. The split is written down before any piece goes.
	var pieces []campaign.Part
	if index >= 0 && index < part.Recipients {
		one, rest := part.Path.Drop(index, part.Recipients)
		p.settle(&one, campaign.Failed, v)
		pieces = []campaign.Part{one, rest}
	} else {
		left, right := part.Path.Halves(part.Recipients)
		pieces = []campaign.Part{left, right}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.splits == nil {
		p.splits = map[int][]campaign.Part{}
	}
	p.splits[i] = pieces
}

// decide gives a part its outcome.
func (p *pass) decide(i int, s campaign.Status, v verdict) { p.settle(&p.parts[i], s, v) }

func (p *pass) settle(part *campaign.Part, s campaign.Status, v verdict) {
	part.Status, part.Reason, part.RequestID, part.At = s, v.Reason, v.RequestID, time.Now()
	if v.Error != "" {
		part.Error = p.lane.plan.errorNumber(p.lane.ctx, p.lane.w.campaigns, v.Error)
	}
}

// fail is for what can't be sent by anybody.
func (p *pass) fail(i int, text string) {
	status := campaign.Failed
	if p.unit.Parts[i].Status == campaign.Open {
		status = campaign.Unknown
	}
	p.decide(i, status, verdict{Answer: record.Answer{Reason: lineapi.Unknown, Error: text}})
}
