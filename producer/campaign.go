package producer

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/tracing"
)

// Recipient is one of those that a campaign is sent to.
type Recipient = campaign.Recipient

// Campaign is a message to many, and who they are.
type Campaign struct {
	// ID makes the call repeatable, as that of a task does. Empty: a random one.
	ID string
	// To is read once and never collected; package audience makes one from a file. A *campaign.RowError that it yields is
	// one recipient that can't be used, every other error ends the intake. It is called, as all functions here are, by the
	// goroutine that calls [Client.Campaign], which can't end before it does.
	To iter.Seq2[Recipient, error]

	// Messages is what everybody gets, with {{placeholders}} for the recipient's Vars; see package template.
	Messages []lineapi.Message
	// Templates are several instead, of which Recipient.Template names one.
	Templates              []campaign.Template
	NotificationDisabled   bool
	CustomAggregationUnits []string

	At     time.Time       // not before; zero: at once
	Rate   float64         // recipients a second; zero: as fast as LINE's limits allow
	Window campaign.Window // the hours of the day within which it sends; zero: all
	// MaxFailures is the share of failed and unknown, 0 to 1, above which it pauses; zero: it never does.
	MaxFailures float64
	// Partial sends as far as the month's quota reaches and pauses then; without it, such a campaign doesn't start.
	Partial bool
	// DryRun takes the recipients in and has a worker ask LINE, and sends nothing.
	DryRun bool
	// Webhook is a URL that is told of the campaign's end.
	Webhook string

	// Strict refuses the campaign at the first row that can't be used. Without it, such rows are counted.
	Strict bool
	// Rejected is told of each row that can't be used. It may be nil.
	Rejected func(campaign.RowError)
	// Progress is told how far the intake is, some times a second and at its end. It may be nil.
	Progress func(campaign.Totals)
}

// Report is what an intake has done.
type Report struct {
	ID         string         `json:"id"`
	Channel    string         `json:"channel"`
	State      campaign.State `json:"state"`
	Recipients int64          `json:"recipients"`
	Rejected   int64          `json:"rejected"`   // rows that can't be used
	Duplicates int64          `json:"duplicates"` // rows that were dropped since their recipient stood there before
	Chunks     int64          `json:"chunks"`
	Mode       campaign.Mode  `json:"mode"`
	// Duplicate tells that the campaign was there before; the figures are its own, and nobody was read from To.
	Duplicate bool `json:"duplicate"`
}

// CampaignError says how far an intake came that has failed. Its ID can be used again: nothing is sent; or the report
// then says Duplicate, where only the answer to the last step was lost.
type CampaignError struct {
	Report Report
	Err    error
}

func (e *CampaignError) Error() string {
	return fmt.Sprintf("campaign %s: after %d recipients: %v", e.Report.ID, e.Report.Recipients, e.Err)
}

func (e *CampaignError) Unwrap() error { return e.Err }

// ErrNobody is for an audience of which no row can be used. One without any row is a campaign to nobody.
var ErrNobody = errors.New("none of the rows can be used")

// giveUp is how long an intake that has failed tries to remove its draft. One that stays disappears after a day.
const giveUp = 5 * time.Second

// Campaign freezes the recipients and the message in Redis, and then has it sent, in one step: until that nothing is. A
// campaign that can't be sent as it stands is refused before To is read, but for a placeholder that needs a column which
// the first 1,000 rows don't have. Rows that can't be used are left out, and every recipient is in it once.
//
// The same ID with the same message again is no error: the report says Duplicate, whoever the recipients are. With
// another message it is campaign.ErrIDReused, and while somebody else is taking it in campaign.ErrIntake. When To or
// Redis fails, the context ends, or a row can't be used with Strict, the error is a *CampaignError, and nothing is left
// of it.
func (c *Client) Campaign(ctx context.Context, cp Campaign, opts ...ChannelOption) (r Report, err error) {
	ctx, span := c.span(ctx, "take in campaign")
	defer func() { takenIn(span, r, err) }()
	ref, err := c.ref(cmp.Or(cp.ID, rand.Text()), opts)
	if err != nil {
		return Report{}, err
	}
	p, err := cp.plan()
	if err != nil {
		return Report{}, fmt.Errorf("campaign %s: %w", ref.ID, err)
	}
	if cp.To == nil {
		return Report{}, fmt.Errorf("campaign %s: Campaign.To is missing", ref.ID)
	}
	p.Plan.Trace = tracing.Headers(ctx)
	report := Report{ID: ref.ID, Channel: ref.Channel, State: campaign.StateDraft, Mode: p.Mode}
	var draft *campaign.Draft
	err = within(ctx, func() (err error) {
		draft, err = c.campaigns.Draft(ctx, ref.Channel, ref.ID, p.Plan)
		return err
	})
	var exists *campaign.ExistsError
	switch {
	case errors.As(err, &exists):
		report.fill(exists.Summary)
		report.Duplicate = true
		return report, nil
	case err != nil:
		return Report{}, err
	}
	in := newIntake(p, &cp)
	err = in.run(ctx, draft)
	report.Recipients, report.Rejected, report.Duplicates = in.totals.Recipients, in.totals.Rejected, in.totals.Duplicates
	report.Chunks = int64(in.chunks)
	if err == nil && report.Recipients == 0 && report.Rejected > 0 {
		err = ErrNobody
	}
	if err == nil {
		var sum campaign.Summary
		err = within(ctx, func() (err error) {
			sum, err = draft.Seal(ctx, p.size(), in.chunks, in.odd, in.totals)
			return err
		})
		if err == nil {
			report.fill(sum)
			return report, nil
		}
	}
	// Where only the answer to the sealing was lost, it stands: then this leaves it alone.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUp)
	defer cancel()
	if gone := within(after, func() error { return draft.Abandon(after) }); gone != nil {
		err = fmt.Errorf("%w (its draft can't be removed: %w)", err, gone)
	}
	return report, &CampaignError{report, err}
}

func (r *Report) fill(sum campaign.Summary) {
	r.Channel, r.State, r.Mode, r.Chunks = sum.Channel, sum.State, sum.Mode, sum.Chunks
	r.Recipients, r.Rejected, r.Duplicates = sum.Recipients, sum.Rejected, sum.Duplicates
}

// CampaignSummary says where a campaign stands, or fails with campaign.ErrNotFound. An ID belongs to one campaign,
// whatever its channel.
func (c *Client) CampaignSummary(ctx context.Context, id string) (campaign.Summary, error) {
	return summarize(ctx, func() (campaign.Summary, error) { return c.campaigns.Summary(ctx, id) })
}

// CampaignPace says how many of a campaign's recipients were decided when, or fails with campaign.ErrNotFound.
func (c *Client) CampaignPace(ctx context.Context, id string) (campaign.Pace, error) {
	var p campaign.Pace
	if err := within(ctx, func() (err error) { p, err = c.campaigns.Pace(ctx, id); return err }); err != nil {
		return campaign.Pace{}, err
	}
	return p, nil
}

// Campaigns lists all campaigns that are kept, of all channels, the newest first.
func (c *Client) Campaigns(ctx context.Context) (all []campaign.Summary, err error) {
	var read []campaign.Summary
	if err := within(ctx, func() (err error) { read, err = c.campaigns.List(ctx); return err }); err != nil {
		return nil, err
	}
	return read, nil
}

// PauseCampaign stops a campaign until ResumeCampaign; the note says why, for those who look at it. What LINE was handed
// already arrives. It fails with campaign.ErrState when the campaign has ended.
func (c *Client) PauseCampaign(ctx context.Context, id, note string) (campaign.Summary, error) {
	return summarize(ctx, func() (campaign.Summary, error) {
		return c.campaigns.Pause(ctx, id, campaign.Operator, note)
	})
}

// ResumeCampaign lets a paused campaign go on. maxFailures replaces Campaign.MaxFailures; nil keeps it. The share of
// failures counts from here anew. It fails with campaign.ErrState when the campaign has ended.
func (c *Client) ResumeCampaign(ctx context.Context, id string, maxFailures *float64) (campaign.Summary, error) {
	if maxFailures != nil && !isShare(*maxFailures) {
		return campaign.Summary{}, errMaxFailures
	}
	return summarize(ctx, func() (campaign.Summary, error) { return c.campaigns.Resume(ctx, id, maxFailures) })
}

// CancelCampaign ends a campaign for good: who wasn't sent to stays unsent. It fails with campaign.ErrState when the
// campaign had finished.
func (c *Client) CancelCampaign(ctx context.Context, id string) (campaign.Summary, error) {
	return summarize(ctx, func() (campaign.Summary, error) {
		return c.campaigns.Cancel(ctx, id, campaign.Operator, "")
	})
}

// summarize calls f and gives up on it when ctx ends.
func summarize(ctx context.Context, f func() (campaign.Summary, error)) (campaign.Summary, error) {
	var sum campaign.Summary
	if err := within(ctx, func() (err error) { sum, err = f(); return err }); err != nil {
		return campaign.Summary{}, err
	}
	return sum, nil
}

// CampaignRecipients reads what became of each recipient, in the order in which they are sent to. It ends after an
// error.
func (c *Client) CampaignRecipients(ctx context.Context, id string) iter.Seq2[campaign.Row, error] {
	return c.campaigns.Recipients(ctx, id)
}

// CampaignRecipient says what became of one recipient, or fails with campaign.ErrNotFound.
func (c *Client) CampaignRecipient(ctx context.Context, id, to string) (campaign.Row, error) {
	if err := cmp.Or(tasks.CheckID(id), lineapi.CheckChatID(to)); err != nil {
		return campaign.Row{}, err
	}
	var row campaign.Row
	if err := within(ctx, func() (err error) { row, err = c.campaigns.Find(ctx, id, to); return err }); err != nil {
		return campaign.Row{}, err
	}
	return row, nil
}
