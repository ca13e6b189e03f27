package dashboard

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
)

// toCampaign is the location of a campaign's page, which begins with what says has under the code.
func toCampaign(id, code string) string { return done("campaigns/"+id, code) }

// campaignFacts name what a question about a campaign is about.
func campaignFacts(sum campaign.Summary) []fact {
	return []fact{
		{"Campaign", sum.ID}, {"Channel", sum.Channel}, {"State", string(sum.State)},
		{"Recipients", count(sum.Recipients)}, {"Sent", count(sum.Sent)}, {"Pending", count(sum.Pending)},
	}
}

// quotaCost is what it costs at most to send to so many.
func (d *Dashboard) quotaCost(name string, recipients int64) []fact {
	facts := []fact{{"Quota cost", "at most " + count(recipients)}}
	switch q := d.quotas.of(name); {
	case !q.Asked || q.At.IsZero():
	case q.Unlimited:
		facts = append(facts, fact{"Quota left", "no limit"})
	default:
		facts = append(facts, fact{"Quota left", count(q.Left())})
	}
	return facts
}

func (d *Dashboard) askPauseCampaign(ctx context.Context, v *visit) (any, error) {
	sum, err := d.campaignOf(ctx, v)
	switch {
	case err != nil:
		return nil, err
	case sum.State == campaign.StatePaused:
		return nil, errElsewhere{toCampaign(sum.ID, "campaign-paused-before")}
	case sum.State.Ended():
		return nil, errElsewhere{toCampaign(sum.ID, "campaign-ended")}
	}
	return confirm{
		Title: "Pause " + sum.ID,
		Text: []string{"Nothing more goes out until somebody resumes it. What LINE was handed already arrives. A pause of days " +
			"harms nobody."},
		Facts:  append(campaignFacts(sum), fact{"Quota cost", "none until it is resumed"}),
		Note:   &field{Name: "note", Label: "Reason", Hint: "For those who look at it later. No names, no secrets.", Most: 150},
		Button: "Pause " + sum.ID, Back: "campaigns/" + sum.ID,
	}, nil
}

func (d *Dashboard) askResumeCampaign(ctx context.Context, v *visit) (any, error) {
	sum, err := d.campaignOf(ctx, v)
	switch {
	case err != nil:
		return nil, err
	case sum.State.Ended():
		return nil, errElsewhere{toCampaign(sum.ID, "campaign-ended")}
	case sum.State != campaign.StatePaused:
		return nil, errElsewhere{toCampaign(sum.ID, "campaign-not-paused")}
	}
	ask := confirm{
		Title:  "Resume " + sum.ID,
		Text:   []string{"It goes on to " + plural(sum.Pending, "pending recipient") + "."},
		Facts:  append(append(campaignFacts(sum), fact{"Paused for", pausedFor(sum)}), d.quotaCost(sum.Channel, sum.Pending)...),
		Button: "Resume " + sum.ID, Back: "campaigns/" + sum.ID,
	}
	if sum.Reason == campaign.Failures {
		ask.Text = append(ask.Text, "Too many had failed. The share of failures counts from here anew.")
		ask.Note = &field{
			Name: "max_failures", Label: "Pause again when more percent than this fail", Hint: "Empty: as before. 0: never.", Most: 5,
		}
	}
	if sum.StartedAt == nil || sum.Reason == "quota" {
		ask.Text = append(ask.Text, "A worker asks LINE first whether it takes the messages and what is left of the quota.")
	}
	return ask, nil
}

func pausedFor(sum campaign.Summary) string {
	if sum.Note == "" {
		return string(sum.Reason)
	}
	return string(sum.Reason) + ": " + sum.Note
}

func (d *Dashboard) askCancelCampaign(ctx context.Context, v *visit) (any, error) {
	sum, err := d.campaignOf(ctx, v)
	switch {
	case err != nil:
		return nil, err
	case sum.State == campaign.StateCancelled:
		return nil, errElsewhere{toCampaign(sum.ID, "campaign-cancelled-before")}
	case sum.State.Ended():
		return nil, errElsewhere{toCampaign(sum.ID, "campaign-ended")}
	}
	return confirm{
		Title: "Cancel " + sum.ID,
		Text: []string{"This can’t be taken back. " + plural(sum.Pending, "recipient") + " who are pending are never sent to by " +
			"this campaign; what LINE may have without having said so becomes unknown. To stop it for a while, pause it."},
		Facts:  append(campaignFacts(sum), fact{"Quota cost", "none; what was sent is spent"}),
		Button: "Cancel " + sum.ID, Danger: true, Back: "campaigns/" + sum.ID,
	}, nil
}

// again is how many a retry is sent to.
func again(sum campaign.Summary, unknown bool) int64 {
	if unknown {
		return sum.Failed + sum.Unknown
	}
	return sum.Failed
}

func (d *Dashboard) askRetryCampaign(unknown bool) func(context.Context, *visit) (any, error) {
	return func(ctx context.Context, v *visit) (any, error) {
		sum, err := d.campaignOf(ctx, v)
		switch n := again(sum, unknown); {
		case err != nil:
			return nil, err
		case !sum.State.Ended():
			return nil, errElsewhere{toCampaign(sum.ID, "campaign-not-ended")}
		case n == 0:
			return nil, errElsewhere{toCampaign(sum.ID, "campaign-nobody")}
		default:
			ask := confirm{
				Title: "Send " + sum.ID + " again",
				Text: []string{"A new campaign sends the same messages to " + plural(n, "recipient") +
					" whom this one has failed to reach. What LINE refuses for its content or a wrong id, it refuses again."},
				Facts: append([]fact{
					{"Campaign", sum.ID}, {"Channel", sum.Channel}, {"Recipients", count(n)},
				}, d.quotaCost(sum.Channel, n)...),
				Button: "Send to " + plural(n, "recipient"), Back: "campaigns/" + sum.ID,
			}
			if unknown {
				ask.Danger = true
				ask.Text[0] = "A new campaign sends the same messages to " + plural(n, "recipient") + ": the failed, and those of " +
					"whom it isn’t known. LINE may have sent to these already, so some of " + count(sum.Unknown) + " get it twice."
			}
			return ask, nil
		}
	}
}

func (d *Dashboard) pauseCampaign(ctx context.Context, v *visit) (string, error) {
	sum, err := d.campaignOf(ctx, v)
	switch {
	case err != nil:
		return "", err
	case sum.State == campaign.StatePaused:
		return toCampaign(sum.ID, "campaign-paused-before"), nil
	}
	_, err = d.cfg.Producer.PauseCampaign(ctx, sum.ID, strings.TrimSpace(cut(v.PostFormValue("note"), 150)))
	return d.told(sum.ID, "campaign-paused", err)
}

// cut leaves the first n characters.
func cut(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i]
		}
	}
	return s
}

// told is where an action on a campaign leads to. One that came too late changed nothing, and its page says so.
func (d *Dashboard) told(id, code string, err error) (string, error) {
	d.now.forget()
	d.allCampaigns.forget()
	if errors.Is(err, campaign.ErrState) {
		return toCampaign(id, "campaign-ended"), nil
	}
	if err != nil {
		return "", err
	}
	return toCampaign(id, code), nil
}

func (d *Dashboard) resumeCampaign(ctx context.Context, v *visit) (string, error) {
	sum, err := d.campaignOf(ctx, v)
	if err != nil {
		return "", err
	}
	var share *float64
	if text := strings.TrimSpace(v.PostFormValue("max_failures")); text != "" {
		percent, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			return "", bad("The share of failures is a number of percent, from 0 to 100.")
		}
		percent /= 100
		share = &percent
	}
	if sum.State != campaign.StatePaused && !sum.State.Ended() {
		return toCampaign(sum.ID, "campaign-not-paused"), nil
	}
	_, err = d.cfg.Producer.ResumeCampaign(ctx, sum.ID, share)
	return d.told(sum.ID, "campaign-resumed", err)
}

func (d *Dashboard) cancelCampaign(ctx context.Context, v *visit) (string, error) {
	sum, err := d.campaignOf(ctx, v)
	switch {
	case err != nil:
		return "", err
	case sum.State == campaign.StateCancelled:
		return toCampaign(sum.ID, "campaign-cancelled-before"), nil
	}
	_, err = d.cfg.Producer.CancelCampaign(ctx, sum.ID)
	return d.told(sum.ID, "campaign-cancelled", err)
}

const (
	// retryShown is how long a browser waits for a retry's recipients to be read; behind it, that goes on.
	retryShown = 4 * time.Second
	// retryTime is how long it may take altogether.
	retryTime = 30 * time.Minute
)

// retries are those that are being made.
type retries struct {
	mu      sync.Mutex
	running map[string]bool // by the campaign that is sent again
	all     sync.WaitGroup
}

// begin tells whether nobody else is making one of this campaign.
func (r *retries) begin(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running[id] {
		return false
	}
	r.running[id] = true
	return true
}

func (r *retries) end(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.running, id)
}

func (d *Dashboard) retryCampaign(unknown bool) func(context.Context, *visit) (string, error) {
	return func(ctx context.Context, v *visit) (string, error) {
		sum, err := d.campaignOf(ctx, v)
		switch {
		case err != nil:
			return "", err
		case !sum.State.Ended():
			return toCampaign(sum.ID, "campaign-not-ended"), nil
		case again(sum, unknown) == 0:
			return toCampaign(sum.ID, "campaign-nobody"), nil
		case !d.retries.begin(sum.ID):
			return toCampaign(sum.ID, "campaign-retry-goes-on"), nil
		}
		type made struct {
			report producer.Report
			err    error
		}
		result := make(chan made, 1)
		d.retries.all.Go(func() {
			defer d.retries.end(sum.ID)
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), retryTime)
			defer cancel()
			finished := make(chan struct{})
			defer close(finished)
			go func() {
				select {
				case <-d.stopping:
					cancel()
				case <-finished:
				}
			}()
			report, err := d.cfg.Producer.RetryCampaign(ctx, sum.ID, producer.Retry{Unknown: unknown})
			if err != nil {
				d.cfg.Log.Warn("a campaign can't be sent again", zap.String("campaign", sum.ID), zap.Error(err))
			}
			d.allCampaigns.forget()
			result <- made{report, err}
		})
		wait := time.NewTimer(retryShown)
		defer wait.Stop()
		select {
		case r := <-result:
			code := "campaign-retried"
			switch {
			case errors.Is(r.err, producer.ErrNobodyFailed):
				return toCampaign(sum.ID, "campaign-nobody"), nil
			case errors.Is(r.err, campaign.ErrIntake):
				return toCampaign(sum.ID, "campaign-retry-goes-on"), nil
			case r.err != nil:
				return "", r.err
			case r.report.Duplicate:
				code = "campaign-retried-before"
			}
			return toCampaign(r.report.ID, code), nil
		case <-wait.C:
			return toCampaign(sum.ID, "campaign-retry-goes-on"), nil
		case <-ctx.Done():
			return "", context.Cause(ctx)
		}
	}
}
