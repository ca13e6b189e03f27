package main

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// taskCommand is lineq task.
type taskCommand struct {
	Show       taskShow       `cmd:"" help:"Show what is known of a task."`
	List       taskList       `cmd:"" help:"List the tasks that wait or are being sent."`
	Cancel     taskCancel     `cmd:"" help:"Take a task back."`
	Run        taskRun        `cmd:"" help:"Send a waiting task now, or a failed one again."`
	Reschedule taskReschedule `cmd:"" help:"Send a waiting task at another time."`
}

func (taskCommand) Help() string {
	return `Examples:

    lineq task show order-4711 --json
    lineq task list --state waiting
    lineq task reschedule order-4711 --in 2h`
}

// taskFlags name one task.
type taskFlags struct {
	TaskID  string `arg:"" name:"id" help:"The task's ID."`
	Channel string `default:"${channel}" help:"The task's channel."`
	JSON    bool   `name:"json" help:"Print JSON."`
	redisFlag
}

// open connects, after the names are checked.
func (f taskFlags) open(ctx context.Context) (*producer.Client, redis.UniversalClient, error) {
	if err := tasks.CheckChannel(f.Channel); err != nil {
		return nil, nil, misuse(err)
	}
	if err := tasks.CheckID(f.TaskID); err != nil {
		return nil, nil, misuse(err)
	}
	rdb, err := openRedis(ctx, f.Redis, asGiven)
	if err != nil {
		return nil, nil, err
	}
	q, err := producer.New(producer.Config{Redis: rdb, Channel: f.Channel})
	return q, rdb, err
}

// show prints what is known of the task.
func (f taskFlags) show(ctx context.Context, a *app, q *producer.Client) error {
	r, err := q.Result(ctx, f.TaskID)
	switch {
	case err != nil:
		return err
	case f.JSON:
		return a.printJSON(r)
	}
	return a.printResult(r)
}

type taskShow struct{ taskFlags }

func (taskShow) Help() string {
	return `Examples:

    lineq task show order-4711
    lineq task show order-4711 --channel shop --json | jq -r .outcome

State is queued, scheduled, active, waiting (for its next attempt) or done; outcome is empty until then, and sent, failed,
unknown or cancelled in the end. earlier_attempts, where there are any, is what became of the attempts before the last
answer: of the last eight.`
}

func (c taskShow) Run(ctx context.Context, a *app) error {
	q, rdb, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	return c.show(ctx, a, q)
}

type taskList struct {
	Channel string `help:"Only this channel's."`
	State   string `enum:",queued,scheduled,active,waiting" default:"" help:"Only queued, scheduled, active or waiting ones."`
	Lines   int    `default:"100" help:"At most so many."`
	JSON    bool   `name:"json" help:"Print a JSON array."`
	redisFlag
}

func (c taskList) Run(ctx context.Context, a *app) error {
	if c.Lines < 1 {
		return misusef("--lines must be above zero")
	}
	if c.Channel != "" {
		if err := tasks.CheckChannel(c.Channel); err != nil {
			return misuse(err)
		}
	}
	rdb, err := openRedis(ctx, c.Redis, asGiven)
	if err != nil {
		return err
	}
	defer rdb.Close()
	q, err := producer.New(producer.Config{Redis: rdb})
	if err != nil {
		return err
	}
	found := []tasks.Result{}
	for r, err := range q.Tasks(ctx, producer.Filter{Channel: c.Channel, State: tasks.State(c.State)}) {
		if err != nil {
			return err
		}
		if len(found) == c.Lines {
			a.note("there are more: --lines says how many are shown")
			break
		}
		found = append(found, r)
	}
	if c.JSON {
		return a.printJSON(found)
	}
	return a.printResults(found)
}

func (taskList) Help() string {
	return `Examples:

    lineq task list
    lineq task list --channel shop --state scheduled --json | jq -r '.[].id'

What was decided is in no queue any more: lineq log shows that.`
}

type taskCancel struct{ taskFlags }

func (taskCancel) Help() string {
	return `Examples:

    lineq task cancel order-4711

It fails for a task that was sent, and for one of which nobody can know: LINE may have it.`
}

func (c taskCancel) Run(ctx context.Context, a *app) error {
	q, rdb, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	outcome, err := q.Cancel(ctx, c.TaskID)
	if err != nil {
		return err
	}
	if err := c.show(ctx, a, q); err != nil {
		return err
	}
	if outcome != tasks.OutcomeCancelled {
		return fmt.Errorf("task %s was not cancelled: it is %s", c.TaskID, outcome)
	}
	return nil
}

type taskRun struct{ taskFlags }

func (taskRun) Help() string {
	return `Examples:

    lineq task run order-4711

What LINE has accepted isn't sent again. A task whose outcome is unknown keeps its retry key while LINE remembers it, so
that nobody gets it twice; when that is over, or where LINE takes no key, a warning says so.`
}

func (c taskRun) Run(ctx context.Context, a *app) error {
	q, rdb, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	ticket, err := q.Run(ctx, c.TaskID)
	if err != nil {
		return err
	}
	if ticket.Risky {
		fmt.Fprintf(a.stderr, "warning: LINE may have done %s before, and may do it a second time now\n", c.TaskID)
	}
	return a.printTicket(c.JSON, ticket)
}

type taskReschedule struct {
	taskFlags
	At clockTime     `xor:"time" placeholder:"TIME" help:"Not before this time: 2006-01-02T15:04:05Z or '2006-01-02 15:04'."`
	In time.Duration `xor:"time" placeholder:"DURATION" help:"Not before this much time has passed, as 90s or 2h."`
}

func (taskReschedule) Help() string {
	return `Examples:

    lineq task reschedule order-4711 --in 2h
    lineq task reschedule order-4711 --at '2026-12-24 08:00'`
}

func (c taskReschedule) Run(ctx context.Context, a *app) error {
	if c.At.IsZero() && c.In <= 0 {
		return misusef("when? give --at or --in")
	}
	q, rdb, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	t := c.At.Time
	if t.IsZero() {
		t = time.Now().Add(c.In)
	}
	if err := q.Reschedule(ctx, c.TaskID, t); err != nil {
		return err
	}
	return c.show(ctx, a, q)
}
