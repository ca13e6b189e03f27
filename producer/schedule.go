package producer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/schedule"
)

// Schedule is something that is sent again and again.
type Schedule struct {
	// ID names it, 1 to 100 letters, digits and . _ : @ + = -
	ID string
	// Cron is five fields as in cron(5), six that begin with seconds, @daily and its like, or @every 90m. See
	// schedule.Calendar for what the change of the clock does.
	Cron string
	// Zone is the IANA name of the time zone, such as Asia/Tokyo. @every needs none.
	Zone string
	// Missed is what happens to ticks that no worker took in time. Empty: schedule.RunOnce.
	Missed schedule.Missed
	// Within is for how long after its time a missed tick may run. Zero: schedule.DefaultWithin.
	Within time.Duration

	// Task is what each tick enqueues.
	Task tasks.Task
	// Urgent sends it ahead of everything that isn't, and Expire gives up on it when it could not be sent so long after its
	// tick; zero: never.
	Urgent bool
	Expire time.Duration

	// Campaign is what each tick sends instead. Its ID, To, At, DryRun, Rejected and Progress stay empty.
	Campaign *Campaign
	// Audience is the absolute path of the campaign's recipients on the machine of the worker, or Command a command line for
	// its shell that prints them. Workers refuse commands unless they were started to run them.
	Audience string
	Command  string
}

// Schedule makes a schedule. A task or a campaign that LINE would refuse is refused here. The same again is no error, and
// leaves it as it is, paused or not; anything else under an ID that exists is schedule.ErrIDReused.
func (c *Client) Schedule(ctx context.Context, s Schedule, opts ...ChannelOption) (schedule.Summary, error) {
	if err := schedule.CheckID(s.ID); err != nil {
		return schedule.Summary{}, err
	}
	ref, err := c.ref(s.ID, opts)
	if err != nil {
		return schedule.Summary{}, err
	}
	spec, err := s.spec(ref.Channel)
	if err != nil {
		return schedule.Summary{}, fmt.Errorf("schedule %s: %w", s.ID, err)
	}
	if err := within(ctx, func() error { return c.schedules.Put(ctx, spec) }); err != nil {
		return schedule.Summary{}, err
	}
	return c.ScheduleSummary(ctx, s.ID)
}

// Check says what [Client.Schedule] would refuse, without asking Redis.
func (s Schedule) Check() error {
	_, err := s.spec(tasks.DefaultChannel)
	return err
}

func (s Schedule) spec(channel string) (schedule.Spec, error) {
	spec := schedule.Spec{
		ID: s.ID, Channel: channel, Cron: s.Cron, Zone: s.Zone, Missed: s.Missed, Within: s.Within, Task: s.Task,
		Urgent: s.Urgent, Expire: s.Expire,
	}
	switch {
	case s.Campaign != nil:
		var err error
		if spec.Campaign, err = s.campaign(); err != nil {
			return schedule.Spec{}, err
		}
	case s.Audience != "" || s.Command != "":
		return schedule.Spec{}, errors.New("only a campaign has an audience")
	}
	return spec, spec.Check()
}

// campaign is the campaign of every tick, after all but its recipients is checked.
func (s Schedule) campaign() (*schedule.Campaign, error) {
	cp := s.Campaign
	if cp.ID != "" || cp.To != nil || !cp.At.IsZero() || cp.DryRun {
		return nil, errors.New("the campaign of a schedule has no ID, no recipients, no time and no dry run of its own")
	}
	p, err := cp.plan()
	if err != nil {
		return nil, err
	}
	return &schedule.Campaign{
		Templates: p.Templates, NotificationDisabled: cp.NotificationDisabled,
		CustomAggregationUnits: cp.CustomAggregationUnits, Rate: cp.Rate, Window: cp.Window, MaxFailures: cp.MaxFailures,
		Partial: cp.Partial, Strict: cp.Strict, Webhook: cp.Webhook, Audience: s.Audience, Command: s.Command,
	}, nil
}

// ScheduledCampaign takes in the campaign of a schedule's tick, for worker.Config.ScheduledCampaign: to is who is in its
// audience at this time. A repeat adds nothing.
func (c *Client) ScheduledCampaign(ctx context.Context, t schedule.Tick, to iter.Seq2[Recipient, error]) (Report, error) {
	s := t.Spec.Campaign
	if s == nil {
		return Report{}, errors.New("the schedule has no campaign")
	}
	return c.Campaign(ctx, Campaign{
		ID: t.ID(), To: to, Templates: s.Templates, NotificationDisabled: s.NotificationDisabled,
		CustomAggregationUnits: s.CustomAggregationUnits, Rate: s.Rate, Window: s.Window, MaxFailures: s.MaxFailures,
		Partial: s.Partial, Strict: s.Strict, Webhook: s.Webhook,
	}, Channel(t.Spec.Channel))
}

// ScheduleSummary says how a schedule stands, and what became of its last run; or it fails with schedule.ErrNotFound. An ID
// belongs to one schedule, whatever its channel.
func (c *Client) ScheduleSummary(ctx context.Context, id string) (schedule.Summary, error) {
	return c.summarizeSchedule(ctx, func() (schedule.Summary, error) { return c.schedules.Read(ctx, id) })
}

// Schedules lists all schedules, of all channels.
func (c *Client) Schedules(ctx context.Context) ([]schedule.Summary, error) {
	var all []schedule.Summary
	if err := within(ctx, func() (err error) { all, err = c.schedules.List(ctx); return err }); err != nil {
		return nil, err
	}
	for i := range all {
		if err := c.follow(ctx, &all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// PauseSchedule takes a schedule's ticks away until ResumeSchedule. What it has enqueued goes on.
func (c *Client) PauseSchedule(ctx context.Context, id string) (schedule.Summary, error) {
	return c.summarizeSchedule(ctx, func() (schedule.Summary, error) { return c.schedules.Pause(ctx, id) })
}

// ResumeSchedule lets a paused schedule go on with its next tick; those that fell into the pause don't run.
func (c *Client) ResumeSchedule(ctx context.Context, id string) (schedule.Summary, error) {
	return c.summarizeSchedule(ctx, func() (schedule.Summary, error) { return c.schedules.Resume(ctx, id) })
}

// RunSchedule has a worker do once now what a tick does, also while the schedule is paused. Summary.Last tells the ID of the
// task or the campaign. It can be called again, but has no second run as long as no worker has begun the first.
func (c *Client) RunSchedule(ctx context.Context, id string) (schedule.Summary, error) {
	return c.summarizeSchedule(ctx, func() (schedule.Summary, error) { return c.schedules.Ask(ctx, id) })
}

// RemoveSchedule ends a schedule for good. What it has enqueued goes on.
func (c *Client) RemoveSchedule(ctx context.Context, id string) error {
	return within(ctx, func() error { return c.schedules.Remove(ctx, id) })
}

func (c *Client) summarizeSchedule(
	ctx context.Context, f func() (schedule.Summary, error),
) (schedule.Summary, error) {
	var sum schedule.Summary
	if err := within(ctx, func() (err error) { sum, err = f(); return err }); err != nil {
		return schedule.Summary{}, err
	}
	return sum, c.follow(ctx, &sum)
}

// follow looks up what became of what the last run has enqueued; nothing where that isn't kept any more.
func (c *Client) follow(ctx context.Context, sum *schedule.Summary) error {
	last := sum.Last
	if last == nil || last.State != schedule.RunEnqueued {
		return nil
	}
	if sum.Kind == campaign.KindCampaign {
		cp, err := c.CampaignSummary(ctx, last.ID)
		if errors.Is(err, campaign.ErrNotFound) {
			return nil
		}
		last.Outcome, last.Reason = string(cp.State), cp.Reason
		return err
	}
	r, err := c.Result(ctx, last.ID, Channel(sum.Channel))
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	last.Outcome, last.Reason = string(r.Outcome), r.Reason
	if r.Outcome == "" {
		last.Outcome = string(r.State)
	}
	return err
}
