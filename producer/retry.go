package producer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"strconv"
	"time"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

// Retry says how a campaign is sent again to those whom it failed to reach. Where a field is zero, it is as it was the
// first time.
type Retry struct {
	// ID is that of the new campaign. Empty: the old one's with -retry-1 behind it, or the number after its own.
	ID string
	// Unknown sends to those, too, of whom it isn't known whether they have the message: some get it twice.
	Unknown bool

	At          time.Time // not before; zero: at once
	Rate        float64
	Window      campaign.Window
	MaxFailures float64
	Progress    func(campaign.Totals) // as Campaign.Progress
}

// ErrNobodyFailed is returned where there is nobody to whom a campaign could be sent again.
var ErrNobodyFailed = errors.New("it failed for nobody")

// RetryCampaign makes a new campaign of a message and of those recipients for whom it failed, with the values they had.
// It fails with campaign.ErrState while the old campaign hasn't ended, with campaign.ErrExpired when its recipients are
// kept no more, and with ErrNobodyFailed. A second call without an ID of its own is answered with what the first has
// made, so that nobody is sent to twice; who fails once more is in the retry of the retry.
func (c *Client) RetryCampaign(ctx context.Context, id string, r Retry) (Report, error) {
	sum, err := c.CampaignSummary(ctx, id)
	if err != nil {
		return Report{}, err
	}
	count := sum.Failed
	if r.Unknown {
		count += sum.Unknown
	}
	if r.ID == "" {
		r.ID = retryID(id)
	}
	switch {
	case !sum.State.Ended():
		err = fmt.Errorf("%w: it is %s", campaign.ErrState, sum.State)
	case count == 0:
		err = ErrNobodyFailed
	case r.ID == id:
		err = errors.New("a retry needs an id of its own")
	}
	var p campaign.Plan
	if err == nil {
		err = within(ctx, func() (err error) { p, err = c.campaigns.Plan(ctx, id); return err })
	}
	if errors.Is(err, campaign.ErrNotFound) {
		err = campaign.ErrExpired
	}
	if err != nil {
		return Report{}, fmt.Errorf("retry campaign %s: %w", id, err)
	}
	cp := Campaign{
		ID: r.ID, To: c.failed(ctx, id, r.Unknown), Templates: p.Templates, NotificationDisabled: p.NotificationDisabled,
		CustomAggregationUnits: p.CustomAggregationUnits, At: r.At, Rate: cmp.Or(r.Rate, p.Rate), Window: p.Window,
		MaxFailures: cmp.Or(r.MaxFailures, p.MaxFailures), Partial: p.Partial, Webhook: p.Webhook, Progress: r.Progress,
	}
	if !r.Window.IsZero() {
		cp.Window = r.Window
	}
	return c.Campaign(ctx, cp, Channel(sum.Channel))
}

var retried = regexp.MustCompile(`^(.+-retry-)([0-9]{1,9})$`)

func retryID(id string) string {
	if m := retried.FindStringSubmatch(id); m != nil {
		n, _ := strconv.Atoi(m[2])
		return m[1] + strconv.Itoa(n+1)
	}
	return id + "-retry-1"
}

// failed are those to whom a campaign can be sent again.
func (c *Client) failed(ctx context.Context, id string, unknown bool) iter.Seq2[Recipient, error] {
	return func(yield func(Recipient, error) bool) {
		for row, err := range c.campaigns.Recipients(ctx, id) {
			if err == nil && row.Outcome != tasks.OutcomeFailed && !(unknown && row.Outcome == tasks.OutcomeUnknown) {
				continue
			}
			if !yield(Recipient{To: row.To, Vars: row.Vars, Template: row.Template}, err) {
				return
			}
		}
	}
}
