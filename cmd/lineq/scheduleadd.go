package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/schedule"
)

// scheduleAdd is lineq schedule add.
type scheduleAdd struct {
	Push       scheduleAddPush       `cmd:"" help:"Send to a user, a group or a room."`
	Multicast  scheduleAddMulticast  `cmd:"" help:"Send the same to up to 500 users at once."`
	Broadcast  scheduleAddBroadcast  `cmd:"" help:"Send to every friend of the account."`
	Narrowcast scheduleAddNarrowcast `cmd:"" help:"Send to an audience of LINE's or a part of the friends."`
	Campaign   scheduleAddCampaign   `cmd:"" help:"Send to everybody whom a file or a command names at that time."`
	Task       scheduleAddTask       `cmd:"" help:"Enqueue a task of any kind, from its JSON."`
}

func (scheduleAdd) Help() string {
	return `Examples:

    lineq schedule add broadcast --id monday --cron '0 9 * * MON' --tz Asia/Tokyo --message monday.json

` + cronHelp
}

// cronHelp is the part of a command's help about when its ticks are.
const cronHelp = `--cron has the five fields of cron: minute, hour, day of month, month, day of week; a sixth before them is seconds. @hourly,
@daily, @weekly, @monthly and @yearly are known as well, and @every 90m goes by the time that passes.

Times are those of a clock in --tz. A time that a change to summer time leaves out runs at the first moment after it, and one
that a change to winter time brings twice runs the first time only.

A tick that no worker takes before the next one is due, for 5 seconds at least and a minute at most, is missed. With --missed
run-once the latest that was missed runs late, within --missed-within of its time, and none before it; with skip none does.
What a tick enqueues has the ID <schedule>@<time>, as monday@20261123T000000Z.

The same command again changes nothing; to change a schedule, remove it first.`

// addFlags are those of every command that makes a schedule.
type addFlags struct {
	ID           string        `name:"id" required:"" help:"The schedule's ID: up to 100 letters, digits and . _ : @ + = -"`
	Cron         string        `required:"" placeholder:"FIELDS" help:"When: '0 9 * * MON', @daily or '@every 90m'."`
	TZ           string        `name:"tz" placeholder:"ZONE" help:"Time zone of --cron, as Asia/Tokyo."`
	Channel      string        `default:"${channel}" help:"Channel that it is done for."`
	Missed       string        `enum:"run-once,skip" default:"run-once" help:"What becomes of ticks that no worker took in time: run-once or skip."`
	MissedWithin time.Duration `placeholder:"DURATION" help:"How long after its time a missed tick may run, up to 20h; else 1h."`
	JSON         bool          `name:"json" help:"Print JSON."`
	redisFlag
}

// addTaskFlags are those of every command that makes a schedule of a task.
type addTaskFlags struct {
	Urgent bool          `help:"Send ahead of everything that isn't urgent."`
	Expire time.Duration `placeholder:"DURATION" help:"Give up what could not be sent so long after its tick."`
	addFlags
}

func (f addFlags) schedule() producer.Schedule {
	missed := schedule.RunOnce
	if f.Missed == "skip" {
		missed = schedule.Skip
	}
	return producer.Schedule{ID: f.ID, Cron: f.Cron, Zone: f.TZ, Missed: missed, Within: f.MissedWithin}
}

func (f addTaskFlags) addTask(ctx context.Context, a *app, t tasks.Task) error {
	if f.Expire < 0 {
		return misusef("--expire can't be negative")
	}
	s := f.schedule()
	s.Task, s.Urgent, s.Expire = t, f.Urgent, f.Expire
	if err := cmp.Or(tasks.CheckChannel(f.Channel), s.Check()); err != nil {
		return misuse(err)
	}
	return f.add(ctx, a, s, t.Kind())
}

// add is the way of every command that makes a schedule: connect, tell what may keep it waiting, make it, print.
func (f addFlags) add(ctx context.Context, a *app, s producer.Schedule, k tasks.Kind) error {
	q, rdb, err := f.producer(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	if err := a.checkServed(ctx, rdb, f.Channel, "schedule"); err != nil {
		return err
	}
	if err := a.tellHold(ctx, rdb, f.Channel, k, "schedule"); err != nil {
		return err
	}
	sum, err := q.Schedule(ctx, s, producer.Channel(f.Channel))
	if err != nil {
		return err
	}
	if sum.Paused {
		a.note("the schedule %s was there before, and is paused: lineq schedule resume %[1]s lets it go on", sum.ID)
	}
	return a.printSchedule(f.JSON, sum)
}

type scheduleAddPush struct {
	To string `required:"" placeholder:"ID" help:"User, group or room ID."`
	messageFlags
	addTaskFlags
}

func (scheduleAddPush) Help() string {
	return `Examples:

    lineq schedule add push --id report --cron '30 8 * * MON-FRI' --tz Asia/Tokyo --to C… --text 'Good morning'

` + cronHelp
}

func (c scheduleAddPush) Run(ctx context.Context, a *app) error {
	messages, err := c.messages(a)
	if err != nil {
		return err
	}
	return c.addTask(ctx, a, tasks.Push{To: c.To, Messages: messages})
}

type scheduleAddMulticast struct {
	To []string `required:"" placeholder:"ID" help:"User ID; may be repeated up to 500 times."`
	messageFlags
	addTaskFlags
}

func (scheduleAddMulticast) Help() string {
	return `Examples:

    lineq schedule add multicast --id staff --cron '0 9 1 * *' --tz Asia/Tokyo --to U… --to U… --message month.json

` + cronHelp
}

func (c scheduleAddMulticast) Run(ctx context.Context, a *app) error {
	messages, err := c.messages(a)
	if err != nil {
		return err
	}
	return c.addTask(ctx, a, tasks.Multicast{To: c.To, Messages: messages})
}

type scheduleAddBroadcast struct {
	messageFlags
	addTaskFlags
}

func (scheduleAddBroadcast) Help() string {
	return `Examples:

    lineq schedule add broadcast --id monday --cron '0 9 * * MON' --tz Asia/Tokyo --message monday.json --missed skip

` + cronHelp
}

func (c scheduleAddBroadcast) Run(ctx context.Context, a *app) error {
	messages, err := c.messages(a)
	if err != nil {
		return err
	}
	return c.addTask(ctx, a, tasks.Broadcast{Messages: messages})
}

type scheduleAddNarrowcast struct {
	narrowcastFlags
	messageFlags
	addTaskFlags
}

func (scheduleAddNarrowcast) Help() string {
	return `Examples:

    lineq schedule add narrowcast --id tokyo --cron '0 18 * * FRI' --tz Asia/Tokyo --filter tokyo.json --message offer.json

` + cronHelp
}

func (c scheduleAddNarrowcast) Run(ctx context.Context, a *app) error {
	t, err := c.narrowcast(a, c.messageFlags)
	if err != nil {
		return err
	}
	return c.addTask(ctx, a, t)
}

type scheduleAddTask struct {
	Kind string `required:"" help:"Its kind, as richmenu.set-default; see the README for all of them."`
	Task string `required:"" placeholder:"FILE" help:"JSON object with the task's fields; - reads stdin."`
	addTaskFlags
}

func (scheduleAddTask) Help() string {
	return `Examples:

    echo '{"richMenuId":"richmenu-…"}' |
      lineq schedule add task --id evening --cron '0 18 * * *' --tz Asia/Tokyo --kind richmenu.set-default --task -

The fields are those of the kind's type in package tasks.

` + cronHelp
}

func (c scheduleAddTask) Run(ctx context.Context, a *app) error {
	data, err := a.read(c.Task, lineapi.MaxRequestBytes)
	if err != nil {
		return err
	}
	data = bytes.TrimSpace(data)
	if len(data) == 0 || data[0] != '{' {
		return misusef("%s: it holds no JSON object", fileName(c.Task))
	}
	t, err := tasks.DecodeTask(tasks.Kind(c.Kind), data)
	switch {
	case errors.Is(err, tasks.ErrUnknownKind):
		return misuse(&unknownKindError{c.Kind})
	case err != nil:
		return misuse(fmt.Errorf("%s: %w", fileName(c.Task), err))
	}
	return c.addTask(ctx, a, t)
}

// unknownKindError names a kind of task that there isn't.
type unknownKindError struct{ kind string }

func (e *unknownKindError) Error() string {
	return fmt.Sprintf("there is no kind of task %.40q", e.kind)
}

func (e *unknownKindError) hint() string {
	var all []string
	for _, k := range tasks.Kinds() {
		all = append(all, string(k))
	}
	return "kinds are " + strings.Join(all, ", ")
}

type scheduleAddCampaign struct {
	Audience        string   `xor:"audience" placeholder:"PATH" help:"Absolute path of a CSV or NDJSON file on the worker's machine."`
	AudienceCommand string   `xor:"audience" placeholder:"COMMAND" help:"Command line that prints it there; workers need --schedule-commands."`
	Message         []string `required:"" sep:"none" placeholder:"[NAME=]FILE" help:"JSON of a LINE message object or of an array of up to 5, with {{column}} in any text; with NAMEs the column template chooses."`

	Rate    recipientRate `placeholder:"N/s" help:"Recipients a second, as 100/s or 3000/min; else as fast as LINE allows."`
	Window  string        `placeholder:"HOURS" help:"Only within these hours of the day, as 09:00-21:00, in the zone of --tz."`
	Unit    []string      `placeholder:"NAME" help:"LINE's custom aggregation unit, for its statistics."`
	Webhook string        `placeholder:"URL" help:"POST the result of each campaign there when it has ended."`

	MaxFailures          share `placeholder:"PERCENT" help:"Pause when more fail, as 5%."`
	Partial              bool  `help:"Send as far as the month's quota reaches; else nothing is sent when it isn't enough."`
	Strict               bool  `help:"Send nothing when a row can't be used; else such rows are left out."`
	NotificationDisabled bool  `help:"Nobody's phone makes a sound."`
	addFlags
}

func (scheduleAddCampaign) Help() string {
	return `Examples:

    lineq schedule add campaign --id weekly --cron '0 18 * * FRI' --tz Asia/Tokyo --audience /srv/members.csv --message offer.json
    lineq schedule add campaign --id birthdays --cron '0 9 * * *' --tz Asia/Tokyo --message birthday.json \
      --audience-command 'psql -c "copy (select line_id as to, name from birthdays_today) to stdout csv header"'

The messages are kept as they are now; the audience is read at each tick, by the worker that takes it. A command must end
with 0, else nobody is sent to, and what it writes to stderr goes to the worker's. A file that isn't there and a command that
fails are tried again, by any worker, within --missed-within (with --missed skip for a minute).

` + cronHelp
}

func (c scheduleAddCampaign) Run(ctx context.Context, a *app) error {
	if c.Audience == "" && c.AudienceCommand == "" {
		return misusef("to whom? give --audience or --audience-command")
	}
	send := campaignSend{
		Message: c.Message, Channel: c.Channel, Rate: c.Rate, Window: c.Window, Unit: c.Unit, Webhook: c.Webhook,
		MaxFailures: c.MaxFailures, Partial: c.Partial, Strict: c.Strict, NotificationDisabled: c.NotificationDisabled,
		Timeout: time.Minute,
	}
	if c.Window != "" {
		if c.TZ == "" {
			return misusef("--window needs --tz, as --tz Asia/Tokyo")
		}
		send.TZ = c.TZ
	}
	wanted, err := send.campaign(a)
	if err != nil {
		return err
	}
	s := c.schedule()
	s.Campaign, s.Audience, s.Command = &wanted, c.Audience, c.AudienceCommand
	if err := s.Check(); err != nil {
		return misuse(err)
	}
	return c.add(ctx, a, s, tasks.KindMulticast)
}
