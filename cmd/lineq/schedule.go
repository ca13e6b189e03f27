package main

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/schedule"
)

// scheduleCommand is lineq schedule.
type scheduleCommand struct {
	Add    scheduleAdd    `cmd:"" help:"Send something again and again."`
	List   scheduleList   `cmd:"" help:"List the schedules, with their next runs and the last one."`
	Show   scheduleShow   `cmd:"" help:"Show a schedule, and what became of its last run."`
	Pause  schedulePause  `cmd:"" help:"Let a schedule rest."`
	Resume scheduleResume `cmd:"" help:"Let a paused schedule go on."`
	Run    scheduleRun    `cmd:"" help:"Run a schedule once, now."`
	Remove scheduleRemove `cmd:"" help:"End a schedule for good."`
}

func (scheduleCommand) Help() string {
	return `Examples:

    lineq schedule add broadcast --id monday --cron '0 9 * * MON' --tz Asia/Tokyo --message monday.json
    lineq schedule add campaign --id weekly --cron '0 18 * * FRI' --tz Asia/Tokyo --audience /srv/members.csv --message offer.json
    lineq schedule list
    lineq schedule run weekly

Workers run the schedules of their channels, each tick once, however many they are.`
}

// scheduleJSON is the part of a command's help about its JSON.
const scheduleJSON = `With --json: {"id","channel","kind","cron","tz","missed","missed_within","audience","audience_command","paused","next","last",
"created_at"}. Last is {"tick","state","id","error","tries","outcome","reason"}: its state is asked, started, failing (and tried
again), enqueued, failed or missed; id, outcome and reason are those of the task or the campaign.`

// scheduleFlags name one schedule.
type scheduleFlags struct {
	ScheduleID string `arg:"" name:"id" help:"The schedule's ID."`
	JSON       bool   `name:"json" help:"Print JSON."`
	redisFlag
}

// open connects, after the ID is checked.
func (f scheduleFlags) open(ctx context.Context) (*producer.Client, redis.UniversalClient, error) {
	if err := schedule.CheckID(f.ScheduleID); err != nil {
		return nil, nil, misuse(err)
	}
	return f.producer(ctx)
}

// control does something to a schedule and prints how it stands then.
func (f scheduleFlags) control(
	ctx context.Context, a *app, change func(context.Context, *producer.Client) (schedule.Summary, error),
) error {
	q, rdb, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	sum, err := change(ctx, q)
	if err != nil {
		return err
	}
	return a.printSchedule(f.JSON, sum)
}

type scheduleList struct {
	Channel string `help:"Only this channel's."`
	JSON    bool   `name:"json" help:"Print a JSON array."`
	redisFlag
}

func (scheduleList) Help() string {
	return `Examples:

    lineq schedule list
    lineq schedule list --json | jq -r '.[] | select(.last.state == "failed") | .id'

Times are those of the schedule's own zone. With --json: an array of what lineq schedule show prints.`
}

func (c scheduleList) Run(ctx context.Context, a *app) error {
	if c.Channel != "" {
		if err := tasks.CheckChannel(c.Channel); err != nil {
			return misuse(err)
		}
	}
	q, rdb, err := c.producer(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	all, err := q.Schedules(ctx)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(s schedule.Summary) bool { return c.Channel != "" && s.Channel != c.Channel })
	if c.JSON {
		return a.printJSON(append([]schedule.Summary{}, all...))
	}
	return a.printSchedules(all)
}

type scheduleShow struct{ scheduleFlags }

func (scheduleShow) Help() string {
	return `Examples:

    lineq schedule show monday
    lineq schedule show monday --json | jq -r .last.outcome

` + scheduleJSON
}

func (c scheduleShow) Run(ctx context.Context, a *app) error {
	return c.control(ctx, a, func(ctx context.Context, q *producer.Client) (schedule.Summary, error) {
		return q.ScheduleSummary(ctx, c.ScheduleID)
	})
}

type schedulePause struct{ scheduleFlags }

func (schedulePause) Help() string {
	return `Examples:

    lineq schedule pause monday

It stays paused until lineq schedule resume, whatever ends and begins meanwhile. What it has enqueued goes on: lineq task
cancel and lineq campaign pause stop that.

` + scheduleJSON
}

func (c schedulePause) Run(ctx context.Context, a *app) error {
	return c.control(ctx, a, func(ctx context.Context, q *producer.Client) (schedule.Summary, error) {
		return q.PauseSchedule(ctx, c.ScheduleID)
	})
}

type scheduleResume struct{ scheduleFlags }

func (scheduleResume) Help() string {
	return `Examples:

    lineq schedule resume monday

It goes on with the next tick. Those that fell into the pause don't run, whatever --missed says.

` + scheduleJSON
}

func (c scheduleResume) Run(ctx context.Context, a *app) error {
	return c.control(ctx, a, func(ctx context.Context, q *producer.Client) (schedule.Summary, error) {
		return q.ResumeSchedule(ctx, c.ScheduleID)
	})
}

type scheduleRun struct{ scheduleFlags }

func (scheduleRun) Help() string {
	return `Examples:

    lineq schedule run monday
    lineq task show "$(lineq schedule run monday --json | jq -r .last.id)"

A worker does within a second what a tick would do; the ticks themselves stay as they are. A paused schedule runs, too, and
stays paused.

` + scheduleJSON
}

func (c scheduleRun) Run(ctx context.Context, a *app) error {
	return c.control(ctx, a, func(ctx context.Context, q *producer.Client) (schedule.Summary, error) {
		return q.RunSchedule(ctx, c.ScheduleID)
	})
}

type scheduleRemove struct{ scheduleFlags }

func (scheduleRemove) Help() string {
	return `Examples:

    lineq schedule remove monday

What it has enqueued goes on. With --json: {"id","removed"}.`
}

func (c scheduleRemove) Run(ctx context.Context, a *app) error {
	q, rdb, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	if err := q.RemoveSchedule(ctx, c.ScheduleID); err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(struct {
			ID      string `json:"id"`
			Removed bool   `json:"removed"`
		}{c.ScheduleID, true})
	}
	return a.printRows([]row{{"id", c.ScheduleID}, {"state", "removed"}})
}
