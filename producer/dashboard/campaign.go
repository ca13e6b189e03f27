package dashboard

import (
	"cmp"
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

func (d *Dashboard) campaignSection() section {
	const one = "campaigns/{id}"
	return section{
		nav: []entry{{"campaigns", "Campaigns"}},
		pages: []page{
			{path: "campaigns", nav: "campaigns", template: "campaigns", live: []string{"list"}, load: d.loadCampaigns},
			{
				path: one, nav: "campaigns", template: "campaign", load: d.loadCampaign,
				live: []string{"controls", "standing", "pace", "forecast", "failures", "story"},
			},
			{path: one + "/failures", nav: "campaigns", template: "campaignfailures", load: d.loadFailures},
			{path: one + "/pause", nav: "campaigns", template: "confirm", load: d.askPauseCampaign, needs: manage.Operate},
			{path: one + "/resume", nav: "campaigns", template: "confirm", load: d.askResumeCampaign, needs: manage.Operate},
			{path: one + "/cancel", nav: "campaigns", template: "confirm", load: d.askCancelCampaign, needs: manage.Operate},
			{path: one + "/retry", nav: "campaigns", template: "confirm", load: d.askRetryCampaign(false), needs: manage.Send},
			{path: one + "/retry-unknown", nav: "campaigns", template: "confirm", load: d.askRetryCampaign(true), needs: manage.Send},
		},
		actions: []action{
			{one + "/pause", manage.Operate, d.pauseCampaign},
			{one + "/resume", manage.Operate, d.resumeCampaign},
			{one + "/cancel", manage.Operate, d.cancelCampaign},
			{one + "/retry", manage.Send, d.retryCampaign(false)},
			{one + "/retry-unknown", manage.Send, d.retryCampaign(true)},
		},
		says: map[string]string{
			"campaign-paused":           "The campaign is paused. What LINE was handed already arrives; nothing else goes out.",
			"campaign-paused-before":    "The campaign was paused already; its first reason stays.",
			"campaign-resumed":          "The campaign goes on.",
			"campaign-not-paused":       "The campaign isn't paused: nothing was changed.",
			"campaign-cancelled":        "The campaign is cancelled. Whoever was pending is never sent to.",
			"campaign-cancelled-before": "The campaign was cancelled already: nothing was changed.",
			"campaign-ended":            "The campaign has ended: nothing was changed.",
			"campaign-not-ended":        "The campaign hasn't ended yet: what has failed can be sent again when it has.",
			"campaign-nobody":           "There is nobody to whom it could be sent again.",
			"campaign-retried":          "This campaign was made of those whom the other one hasn't reached.",
			"campaign-retried-before":   "This campaign was made before, of the same recipients: nobody is sent to twice.",
			"campaign-retry-goes-on":    "Its recipients are being read. The new campaign is in the list as soon as it can be sent.",
		},
	}
}

// perPage is how many campaigns are listed.
const perPage = 50

// campaignsView is the list of campaigns.
type campaignsView struct {
	Channel   string
	State     campaign.State
	Channels  []string
	States    []campaign.State
	Campaigns []campaignRow
	Found     int
	// Newer and Older are the queries of the pages beside this one; empty: there is none.
	Newer, Older template.URL
	First, Last  int
}

// campaignRow is one of them.
type campaignRow struct {
	campaign.Summary
	Rate float64 // recipients a second, of late where it is sending, else from its start to its end
}

// Took is the time from its start to its end.
func (r campaignRow) Took() string {
	if r.StartedAt == nil || r.FinishedAt == nil {
		return "–"
	}
	return lasting(r.FinishedAt.Sub(*r.StartedAt))
}

var campaignStates = []campaign.State{
	campaign.StateReady, campaign.StateSending, campaign.StatePaused, campaign.StateFinished,
	campaign.StateFinishedWithFailures, campaign.StateCancelled,
}

func (d *Dashboard) loadCampaigns(ctx context.Context, v *visit) (any, error) {
	q := v.URL.Query()
	view := campaignsView{Channel: q.Get("channel"), State: campaign.State(q.Get("state")), States: campaignStates}
	if view.Channel != "" {
		if err := tasks.CheckChannel(view.Channel); err != nil {
			return nil, bad(err.Error())
		}
	}
	if view.State != "" && !slices.Contains(view.States, view.State) {
		return nil, bad("There is no such state.")
	}
	from, err := strconv.Atoi(cmp.Or(q.Get("from"), "0"))
	if err != nil || from < 0 {
		return nil, bad("from is a number.")
	}
	all, err := d.allCampaigns.get(ctx)
	if err != nil {
		return nil, err
	}
	var found []campaign.Summary
	for _, sum := range all {
		view.Channels = append(view.Channels, sum.Channel)
		if (view.Channel == "" || sum.Channel == view.Channel) && (view.State == "" || sum.State == view.State) {
			found = append(found, sum)
		}
	}
	slices.Sort(view.Channels)
	view.Channels = slices.Compact(view.Channels)
	from = min(from, len(found))
	to := min(from+perPage, len(found))
	view.Found, view.First, view.Last = len(found), from+1, to
	at := func(from int) template.URL {
		return template.URL(url.Values{"channel": {view.Channel}, "state": {string(view.State)}, "from": {strconv.Itoa(from)}}.Encode())
	}
	if from > 0 {
		view.Newer = at(max(0, from-perPage))
	}
	if to < len(found) {
		view.Older = at(to)
	}
	for _, sum := range found[from:to] {
		row := campaignRow{Summary: sum, Rate: average(sum, time.Now())}
		if sum.State == campaign.StateSending {
			if p, err := d.cfg.Producer.CampaignPace(ctx, sum.ID); err == nil {
				row.Rate = p.Recent()
			}
		}
		view.Campaigns = append(view.Campaigns, row)
	}
	return view, nil
}

// average is how many recipients were decided a second, from a campaign's start on.
func average(s campaign.Summary, now time.Time) float64 {
	if s.StartedAt == nil {
		return 0
	}
	end := now
	if s.FinishedAt != nil {
		end = *s.FinishedAt
	}
	return float64(s.Recipients-s.Pending) / max(end.Sub(*s.StartedAt), time.Second).Seconds()
}

// campaignOf is the campaign of the path.
func (d *Dashboard) campaignOf(ctx context.Context, v *visit) (campaign.Summary, error) {
	id := v.PathValue("id")
	if err := tasks.CheckID(id); err != nil {
		return campaign.Summary{}, bad(err.Error())
	}
	sum, err := d.cfg.Producer.CampaignSummary(ctx, id)
	if errors.Is(err, campaign.ErrNotFound) {
		return sum, problem{http.StatusNotFound, "There is no such campaign: the id was never used, or its time is over. " +
			"A campaign's counts are kept for 90 days after its end."}
	}
	return sum, err
}

// campaignView is what the page of a campaign shows.
type campaignView struct {
	campaign.Summary
	Plan      *campaign.Plan // nil: it is kept no more
	Templates []templateView
	Plot      plot
	Rate      float64 // recipients a second, of late
	// Left is how long the rest takes at that rate, or by the forecast where nothing goes out yet; zero: that isn't known.
	Left    time.Duration
	Reasons []reasonView
	Steps   []step
	MayPause, MayResume, MayCancel,
	MayRetry, MayRetryUnknown bool
}

// templateView is one of a campaign's messages.
type templateView struct {
	Name     string
	Messages []messageView
}

// reasonView is a reason for which recipients weren't reached.
type reasonView struct {
	Reason   lineapi.Reason
	Count    int64
	Examples []campaign.Failure
}

// Done is how many are decided.
func (c campaignView) Done() int64 { return c.Recipients - c.Pending }

// Part is where a share of the recipients ends on a bar that is 1,000 long.
func (c campaignView) Part(n int64) float64 {
	return 1000 * float64(n) / float64(max(c.Recipients, 1))
}

func (d *Dashboard) loadCampaign(ctx context.Context, v *visit) (any, error) {
	sum, err := d.campaignOf(ctx, v)
	if err != nil {
		return nil, err
	}
	p, err := d.cfg.Producer.CampaignPace(ctx, sum.ID)
	if err != nil && !errors.Is(err, campaign.ErrNotFound) {
		return nil, err
	}
	view := campaignView{Summary: sum, Plot: plotOf(p, sum), Rate: p.Recent()}
	plan, err := d.campaigns.Plan(ctx, sum.ID)
	switch {
	case err == nil:
		view.Plan = &plan
		for _, t := range plan.Templates {
			view.Templates = append(view.Templates, templateView{t.Name, messageViews(t.Messages, d.cfg.ShowContent)})
		}
	case !errors.Is(err, campaign.ErrNotFound):
		return nil, err
	}
	switch {
	case sum.State == campaign.StateSending && view.Rate > 0:
		view.Left = time.Duration(float64(sum.Pending) / view.Rate * float64(time.Second))
	case sum.Forecast != nil && !sum.State.Ended() && sum.StartedAt == nil:
		view.Left = time.Duration(sum.Forecast.Seconds * float64(time.Second))
	}
	examples := d.examples.of(ctx, d.campaigns, sum)
	for reason, n := range sum.FailuresBy {
		view.Reasons = append(view.Reasons, reasonView{reason, n, examples[reason]})
	}
	slices.SortFunc(view.Reasons, func(x, y reasonView) int {
		return cmp.Or(cmp.Compare(y.Count, x.Count), cmp.Compare(x.Reason, y.Reason))
	})
	view.tell()
	operates, sends := v.May(manage.Operate), v.May(manage.Send)
	going := !sum.State.Ended() && sum.State != campaign.StateDraft
	view.MayPause = operates && going && sum.State != campaign.StatePaused
	view.MayResume = operates && sum.State == campaign.StatePaused
	view.MayCancel = operates && going
	view.MayRetry = sends && sum.State.Ended() && view.Plan != nil && sum.Failed > 0
	view.MayRetryUnknown = sends && sum.State.Ended() && view.Plan != nil && sum.Unknown > 0
	return view, nil
}

// tell makes the story of a campaign.
func (c *campaignView) tell() {
	add := func(s step) { c.Steps = append(c.Steps, s) }
	made := step{Title: "Made", At: c.CreatedAt, Text: plural(c.Recipients, "recipient") + " in " + plural(c.Chunks, "chunk") + "."}
	if c.Rejected+c.Duplicates > 0 {
		made.Text += " Left out: " + plural(c.Rejected, "row") + " that can’t be used, " + plural(c.Duplicates, "duplicate") + "."
	}
	add(made)
	if f := c.Forecast; f != nil {
		check := step{Sort: "good", Title: "Preflight: LINE takes the messages", At: &f.At, Text: "The quota of the month has no limit."}
		if f.QuotaLeft >= 0 {
			check.Text = "It costs at most " + count(f.QuotaCost) + " of the month’s quota, of which " + count(f.QuotaLeft) + " were left."
		}
		if c.StartedAt == nil && c.State == campaign.StatePaused {
			check.Sort, check.Title = "bad", "Preflight: it doesn’t start"
		}
		add(check)
	} else if c.State == campaign.StateReady {
		add(step{Title: "Preflight", Text: "A worker asks LINE whether it takes the messages, and what is left of the quota."})
	}
	if c.StartedAt != nil {
		add(step{Sort: "good", Title: "Started", At: c.StartedAt})
	}
	why := string(c.Reason)
	if c.Note != "" {
		why += ": " + c.Note
	}
	switch c.State {
	case campaign.StateReady:
		if c.Plan != nil && !c.Plan.At.IsZero() {
			add(step{Title: "Starts", At: &c.Plan.At})
		}
	case campaign.StatePaused:
		add(step{Sort: "warn", Title: "Paused", Text: why})
	case campaign.StateFinished:
		add(step{Sort: "good", Title: "Finished: everybody was sent to", At: c.FinishedAt})
	case campaign.StateFinishedWithFailures:
		add(step{Sort: "bad", Title: "Finished with failures", At: c.FinishedAt, Text: count(c.Failed) + " failed, of " +
			count(c.Unknown) + " it isn’t known."})
	case campaign.StateCancelled:
		end := step{Sort: "warn", Title: "Cancelled", At: c.FinishedAt, Text: plural(c.Pending, "recipient") + " stay unsent."}
		if c.Reason == campaign.DryRun {
			end = step{Title: "Ended: it was made to be checked only", At: c.FinishedAt}
		}
		add(end)
	}
}
