package worker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/record"
)

// preflight asks LINE before a campaign starts: whether it takes the messages, and whether the month's quota is enough. It
// lets the campaign start, or pauses it with the reason. One that is to start later is asked about at once and again at its
// time.
func (w *Worker) preflight(ctx context.Context, j campaign.Job, client *lineapi.Client) error {
	sum, err := w.campaigns.Summary(ctx, j.ID)
	if errors.Is(err, campaign.ErrNotFound) {
		return nil
	}
	if err != nil {
		return &postponed{delay: redisDelay, reason: err.Error()}
	}
	if sum.State != campaign.StateReady {
		return nil
	}
	p, err := w.prepare(ctx, j.Channel, j.ID)
	if err != nil {
		return &postponed{delay: redisDelay, reason: err.Error()}
	}
	if _, held := w.holds.of(j.Channel, p.push); held || w.aside.stands(j.Channel) {
		return &postponed{delay: asideDelay, reason: "the channel is held"}
	}
	if refused, err := w.validate(ctx, p, client); err != nil {
		return w.unasked(ctx, j, p, client, err)
	} else if refused != nil {
		w.log.Error("campaign paused: LINE refuses its message", zap.String("channel", j.Channel), zap.String("campaign", j.ID),
			zap.Error(refused))
		return settled(w.campaigns.Refuse(ctx, j.ID, nil, lineapi.Invalid, explain(refused)))
	}
	f, err := w.forecast(ctx, p, sum, client)
	if err != nil {
		return w.unasked(ctx, j, p, client, err)
	}
	return settled(w.launch(ctx, p, sum, f))
}

// settled lets a preflight end whose campaign somebody has paused or cancelled meanwhile.
func settled(err error) error {
	if err == nil || errors.Is(err, campaign.ErrState) || errors.Is(err, campaign.ErrNotFound) {
		return nil
	}
	return &postponed{delay: redisDelay, reason: err.Error()}
}

// launch decides, with what LINE has said.
func (w *Worker) launch(ctx context.Context, p *prepared, sum campaign.Summary, f campaign.Forecast) error {
	var allow *int64
	if f.QuotaLeft >= 0 && f.QuotaLeft < f.QuotaCost {
		note := fmt.Sprintf("%d left of this month's quota, and it needs %d", f.QuotaLeft, f.QuotaCost)
		if !p.plan.Partial || f.QuotaLeft == 0 {
			w.log.Warn("campaign paused: the quota isn't enough", zap.String("channel", p.channel), zap.String("campaign", p.id),
				zap.Int64("left", f.QuotaLeft), zap.Int64("needed", f.QuotaCost))
			return w.campaigns.Refuse(ctx, p.id, &f, lineapi.Quota, note)
		}
		allow = &f.QuotaLeft
	}
	switch {
	case p.plan.DryRun:
		return w.campaigns.EndDryRun(ctx, p.id, f)
	case p.plan.At.After(f.At):
		return w.campaigns.Checked(ctx, p.id, f)
	}
	w.log.Info("campaign starts", zap.String("channel", p.channel), zap.String("campaign", p.id),
		zap.Int64("recipients", sum.Recipients), zap.Int64("requests", f.Requests))
	return w.campaigns.Start(ctx, p.id, f, allow)
}

// sampleChunks bounds in how many chunks a recipient of each template is looked for.
const sampleChunks = 100

// validate lets LINE check the messages, each as its first recipient gets it. refused is LINE's verdict; an error means that
// LINE didn't give one.
func (w *Worker) validate(ctx context.Context, p *prepared, client *lineapi.Client) (refused, err error) {
	seen := map[int]bool{}
	for n := 0; n < sampleChunks && len(seen) < len(p.templates); n++ {
		c, err := p.chunk(ctx, w.campaigns, n)
		if errors.Is(err, campaign.ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		if seen[c.Template] {
			continue
		}
		seen[c.Template] = true
		ask := client.ValidatePush
		if p.plan.Mode == campaign.Multicast && c.Prefix == 'U' {
			ask = client.ValidateMulticast
		}
		err = ask(ctx, lineapi.MessagesOf(p.appendMessages(nil, c, 0)))
		if lineapi.ReasonOf(err) == lineapi.Invalid {
			return err, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// forecast asks for the quota and reckons what the rest of the campaign takes.
func (w *Worker) forecast(
	ctx context.Context, p *prepared, sum campaign.Summary, client *lineapi.Client,
) (campaign.Forecast, error) {
	left, limited, err := w.quotaLeft(ctx, p.channel, client)
	if err != nil {
		return campaign.Forecast{}, err
	}
	f := campaign.Forecast{QuotaCost: sum.Pending, QuotaLeft: -1, At: time.Now().UTC()}
	if limited {
		f.QuotaLeft = max(left, 0)
	}
	f.Requests = sum.Pending
	policy := p.push
	if p.plan.Mode == campaign.Multicast {
		policy = p.multicast
		f.Requests = int64(math.Ceil(float64(sum.Pending) * float64(max(sum.Chunks, 1)) / float64(max(sum.Recipients, 1))))
	}
	f.Seconds = float64(f.Requests) * w.limiter.Interval(p.channel, policy.Endpoint).Seconds()
	if p.plan.Rate > 0 {
		f.Seconds = max(f.Seconds, float64(sum.Pending)/p.plan.Rate)
	}
	return f, nil
}

// preflightBackoff is when a preflight comes again that LINE didn't answer.
const preflightBackoff = 5 * time.Second

// unasked is for a preflight that got no answer. What it means for the channel is the same as for any request.
func (w *Worker) unasked(ctx context.Context, j campaign.Job, p *prepared, client *lineapi.Client, err error) error {
	if _, asked := errors.AsType[*lineapi.Error](err); !asked {
		return &postponed{delay: redisDelay, reason: err.Error()}
	}
	a := answer{endpoint: p.push.Endpoint, err: err, renewable: client.CanRenewToken()}
	v := decide(a, record.Begun{Attempts: 1}, w.random())
	if v.Reason == lineapi.Auth {
		w.react(ctx, &job{Envelope: tasks.Envelope{Channel: j.Channel, Task: tasks.Push{}}, policy: p.push, client: client}, a, v.Reason)
	}
	if w.alarms.due("preflight "+j.ID, time.Now()) {
		w.log.Warn("LINE can't be asked about a campaign yet", zap.String("channel", j.Channel), zap.String("campaign", j.ID),
			zap.String("reason", string(v.Reason)), zap.Error(err))
	}
	return &postponed{delay: max(v.delay, preflightBackoff), reason: string(v.Reason)}
}
