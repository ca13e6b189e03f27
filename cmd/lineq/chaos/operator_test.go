package chaos_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
)

const (
	// intakeBreath is how long the app's database takes between two breaths.
	intakeBreath = 50 * time.Millisecond
	// campaignPause is how often the operator of a campaign looks at it: a short one must not be over before that.
	campaignPause = 50 * time.Millisecond
)

// mail takes in the campaigns, operates them, and returns when all have ended.
func (a *app) mail(ctx context.Context) {
	var all sync.WaitGroup
	for i, m := range a.run.plan.mailings {
		random := a.run.random(1000 + uint64(i))
		all.Go(func() {
			if pause(ctx, m.begins) && a.takeIn(ctx, m) {
				a.operateCampaign(ctx, m, random)
			}
		})
	}
	all.Wait()
}

// takeIn repeats a campaign under its ID until it is there, and reports whether it is. What is given up is not.
func (a *app) takeIn(ctx context.Context, m *mailing) bool {
	breaks := m.breaks
	for ; ctx.Err() == nil; pause(ctx, repeatPause) {
		to := m.audience(func() { pause(ctx, intakeBreath) }, breaks)
		report, err := a.q.Campaign(ctx, m.campaign(to), producer.Channel(m.channel.name))
		failed := new(producer.CampaignError)
		switch {
		case err == nil:
			got := campaign.Totals{Recipients: report.Recipients, Rejected: report.Rejected, Duplicates: report.Duplicates}
			if breaks >= 0 || got != m.totals || report.State == campaign.StateDraft || report.Mode != m.mode {
				a.run.violate("the intake of %s, to break at row %d, says %+v, and had to count %+v", m.id, breaks, report,
					m.totals)
			}
			return true
		case errors.Is(err, campaign.ErrIDReused), errors.Is(err, errCursor) && !errors.As(err, &failed):
			a.run.violate("the intake of %s: %s", m.id, err)
			return false
		case errors.Is(err, campaign.ErrIntake):
			continue // an intake of ours that couldn't clean up counts as alive for half a minute
		case errors.Is(err, errCursor):
			if m.givenUp {
				return false
			}
			breaks = -1
		}
		a.run.counts.intakes.Add(1)
		a.run.note("the intake of %s has to be repeated: %s", m.id, err)
	}
	return false
}

// operateCampaign does with a campaign what its steps say, and looks at it until it has ended.
func (a *app) operateCampaign(ctx context.Context, m *mailing, random *rand.Rand) {
	for _, s := range m.steps {
		if !a.reaches(ctx, m, s.part) {
			break
		}
		a.run.note("%s of %s at %.2f", s.order, m.id, s.part)
		switch s.order {
		case strike:
			if err := a.run.workerEvent(ctx, killWorker, random); err != nil && ctx.Err() == nil {
				a.run.violate("%s: %s", killWorker, err)
			}
		case cancel:
			m.cancelled = a.order(ctx, m, func() (campaign.Summary, error) { return a.q.CancelCampaign(ctx, m.id) })
			if m.cancelled {
				a.run.counts.cancels.Add(1)
			}
		case stop:
			if !a.order(ctx, m, func() (campaign.Summary, error) { return a.q.PauseCampaign(ctx, m.id, "lunch") }) {
				continue
			}
			a.run.counts.pauses.Add(1)
			for end := time.Now().Add(s.pause); time.Now().Before(end) && pause(ctx, campaignPause); {
				a.look(ctx, m)
			}
			if a.order(ctx, m, func() (campaign.Summary, error) { return a.q.ResumeCampaign(ctx, m.id, nil) }) {
				a.run.counts.resumes.Add(1)
			}
		}
	}
	a.reaches(ctx, m, 2) // never: to its end
}

// reaches looks at a campaign until a part of its recipients is decided. It reports false when the campaign has ended.
func (a *app) reaches(ctx context.Context, m *mailing, part float64) bool {
	for ; ctx.Err() == nil; pause(ctx, campaignPause) {
		sum, ok := a.look(ctx, m)
		switch {
		case !ok:
		case sum.State.Ended():
			return false
		case float64(sum.Recipients-sum.Pending) >= part*float64(sum.Recipients):
			return true
		}
	}
	return false
}

// order repeats an order until it has an answer, and reports whether it was done: a campaign that has ended refuses it.
func (a *app) order(ctx context.Context, m *mailing, do func() (campaign.Summary, error)) bool {
	for ; ctx.Err() == nil; pause(ctx, repeatPause) {
		sum, err := do()
		switch {
		case err == nil:
			a.see(m, sum)
			return true
		case errors.Is(err, campaign.ErrState):
			return false
		case errors.Is(err, campaign.ErrNotFound):
			a.run.violate("%s was taken in, and is said not to exist", m.id)
			return false
		}
	}
	return false
}

// look looks at a campaign. Where Redis is away it sees nothing.
func (a *app) look(ctx context.Context, m *mailing) (campaign.Summary, bool) {
	sum, err := a.q.CampaignSummary(ctx, m.id)
	if err != nil {
		if errors.Is(err, campaign.ErrNotFound) {
			a.run.violate("%s was taken in, and is said not to exist", m.id)
		}
		return sum, false
	}
	a.see(m, sum)
	return sum, true
}

// see holds what is true of a campaign at every moment against what it was before.
func (a *app) see(m *mailing, now campaign.Summary) {
	before := m.last
	m.last = now
	a.run.counts.looks.Add(1)
	var by int64
	for _, n := range now.FailuresBy {
		by += n
	}
	wrong := ""
	switch {
	case now.Recipients != m.totals.Recipients || now.Sent+now.Failed+now.Unknown+now.Pending != now.Recipients:
		wrong = "its counts don't add up"
	case min(now.Sent, now.Failed, now.Unknown, now.Pending) < 0 || by != now.Failed+now.Unknown:
		wrong = "its counts can't be"
	case now.Sent < before.Sent || now.Failed < before.Failed:
		wrong = "what was sent or failed isn't any more"
	case before.State != "" && now.Pending > before.Pending:
		wrong = "what was decided isn't any more"
	case before.State.Ended() && !now.State.Ended():
		wrong = "it had ended"
	case now.State == campaign.StatePaused && now.Reason != campaign.Operator:
		wrong = "nobody has paused it"
	default:
		return
	}
	a.run.violate("%s: %s: %+v, and before %+v", m.id, wrong, now, before)
}
