package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/template"
)

type campaignSend struct {
	Audience string   `required:"" placeholder:"FILE" help:"CSV with a header that names the column to, or NDJSON; - is stdin."`
	Message  []string `required:"" sep:"none" placeholder:"[NAME=]FILE" help:"JSON of a LINE message object or of an array of up to 5, with {{column}} in any text; with NAMEs the column template chooses."`

	ID       string        `name:"id" help:"ID of your own: the same command again adds nothing."`
	Channel  string        `default:"${channel}" help:"Channel that sends."`
	At       clockTime     `xor:"time" placeholder:"TIME" help:"Not before this time: 2006-01-02T15:04:05Z or '2006-01-02 15:04'."`
	In       time.Duration `xor:"time" placeholder:"DURATION" help:"Not before this much time has passed, as 90s or 2h."`
	Rate     recipientRate `placeholder:"N/s" help:"Recipients a second, as 100/s or 3000/min; else as fast as LINE allows."`
	Window   string        `placeholder:"HOURS" help:"Only within these hours of the day, as 09:00-21:00."`
	TZ       string        `name:"tz" placeholder:"ZONE" help:"Time zone of --window, as Asia/Tokyo."`
	Unit     []string      `placeholder:"NAME" help:"LINE's custom aggregation unit, for its statistics."`
	Webhook  string        `placeholder:"URL" help:"POST the result there when it has ended."`
	Rejected string        `placeholder:"FILE" help:"Write the rows that can't be used there, as CSV of line and reason."`

	MaxFailures          share `placeholder:"PERCENT" help:"Pause when more fail, as 5%."`
	Partial              bool  `help:"Send as far as the month's quota reaches; else nothing is sent when it isn't enough."`
	Strict               bool  `help:"Send nothing when a row can't be used; else such rows are left out."`
	NotificationDisabled bool  `help:"Nobody's phone makes a sound."`

	Retain time.Duration `default:"168h" help:"How long recipients and what became of them are kept after its end; counts are for 90 days."`

	DryRun  bool          `xor:"then" help:"Send nothing: let a worker check messages and quota, and print a forecast."`
	Test    []string      `xor:"then" placeholder:"ID" help:"Send to these users or groups only, with the values of the first row; may be repeated."`
	Watch   bool          `xor:"then" help:"Go on as lineq campaign watch."`
	Timeout time.Duration `default:"1m" help:"How long to wait for the worker of --dry-run."`
	JSON    bool          `name:"json" help:"Print JSON."`
	redisFlag
}

func (campaignSend) Help() string {
	return `Examples:

    lineq campaign send --audience followers.csv --message offer.json --id spring-sale --dry-run
    lineq campaign send --audience followers.csv --message offer.json --test U…
    lineq campaign send --audience followers.csv --message offer.json --id spring-sale --watch
    lineq campaign send --audience followers.csv --message ja=ja.json --message en=en.json --window 09:00-21:00 --tz Asia/Tokyo
    psql -c "copy (select line_id as to, name from users) to stdout csv header" | lineq campaign send --audience - --message m.json

The audience is read once, as a stream: CSV with a header, or one JSON object a line, perhaps gzipped. Its column to has
the IDs of users, groups or rooms; whoever stands there twice gets the message once. In any text of a message {{name}} is
the row's value of the column name, and {{name|you}} is you where it is empty. {{{{ stands for a literal {{.

Where nothing differs from one user to the next, they are reached by multicast, 500 at once; else by a push each. With
--id the command can be repeated: what is sent isn't sent again, and what broke off begins anew.

With --json: {"id","channel","state","recipients","rejected","duplicates","chunks","mode","duplicate"}; with --watch or
--dry-run what lineq campaign show prints; with --test an array of tickets. Exit code 0 when all is well; of --dry-run when
LINE takes the messages and the quota is enough.`
}

func (c campaignSend) Run(ctx context.Context, a *app) error {
	wanted, err := c.campaign(a)
	if err != nil {
		return err
	}
	source := fileName(c.Audience)
	from, size, closeFile, err := a.openAudience(c.Audience)
	if err != nil {
		return err
	}
	defer closeFile()
	q, rdb, err := c.producer(ctx, campaign.Retention{Recipients: c.Retain})
	if err != nil {
		return err
	}
	defer rdb.Close()
	if err := c.tell(ctx, a, rdb, wanted); err != nil {
		return err
	}
	wanted.To = readAudience(source, from)
	if a.getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(producer.GCPercent))
	}
	if len(c.Test) > 0 {
		tickets, err := q.TestCampaign(ctx, wanted, c.Test, producer.Channel(c.Channel))
		if err != nil {
			return c.failed(ctx, err)
		}
		return a.printTickets(c.JSON, tickets)
	}
	view := a.newIntakeView(time.Now(), &from.n, size)
	rejected, err := a.newRejects(source, c.Rejected, view)
	if err != nil {
		return err
	}
	wanted.Rejected = rejected.add
	wanted.Progress = func(t campaign.Totals) { view.show(time.Now(), t) }
	report, err := q.Campaign(ctx, wanted, producer.Channel(c.Channel))
	view.end()
	if closeErr := rejected.end(); err == nil {
		err = closeErr
	}
	switch {
	case err != nil:
		return c.failed(ctx, err)
	case report.Recipients == 0:
		return a.printReport(c.JSON, report)
	case c.DryRun:
		return c.forecast(ctx, a, q, report.ID)
	case c.Watch:
		return a.watch(ctx, q, report.ID, c.JSON)
	}
	return a.printReport(c.JSON, report)
}

// campaign is what the flags say, after they are checked.
func (c campaignSend) campaign(a *app) (producer.Campaign, error) {
	none := producer.Campaign{}
	if err := tasks.CheckChannel(c.Channel); err != nil {
		return none, misuse(err)
	}
	if c.Retain < time.Hour {
		return none, misusef("--retain must be 1h at least")
	}
	for _, to := range c.Test {
		if err := lineapi.CheckChatID(to); err != nil {
			return none, misuse(fmt.Errorf("--test: %w", err))
		}
	}
	switch hook, err := url.Parse(c.Webhook); {
	case c.ID != "" && tasks.CheckID(c.ID) != nil:
		return none, misuse(tasks.CheckID(c.ID))
	case c.In < 0:
		return none, misusef("--in can't be negative")
	case c.Timeout <= 0:
		return none, misusef("--timeout must be above zero")
	case (c.Window == "") != (c.TZ == ""):
		return none, misusef("--window and --tz belong together, as --window 09:00-21:00 --tz Asia/Tokyo")
	case c.Webhook != "" && (err != nil || hook.Host == "" || hook.Scheme != "https" && hook.Scheme != "http"):
		return none, misusef("--webhook must be a URL that starts with https:// or http://")
	}
	templates, err := c.templates(a)
	if err != nil {
		return none, err
	}
	wanted := producer.Campaign{
		ID: c.ID, NotificationDisabled: c.NotificationDisabled, CustomAggregationUnits: c.Unit, At: c.At.Time,
		Rate: float64(c.Rate), MaxFailures: float64(c.MaxFailures), Partial: c.Partial, DryRun: c.DryRun, Webhook: c.Webhook,
		Strict: c.Strict,
	}
	if c.In > 0 {
		wanted.At = time.Now().Add(c.In)
	}
	if c.Window != "" {
		if wanted.Window, err = campaign.ParseWindow(c.Window, c.TZ); err != nil {
			return none, misuse(fmt.Errorf("--window: %w", err))
		}
	}
	if len(templates) == 1 && templates[0].Name == "" {
		wanted.Messages = templates[0].Messages
	} else {
		wanted.Templates = templates
	}
	return wanted, nil
}

// templateName is what stands before the = of --message. What it doesn't match is the path of a file.
var templateName = regexp.MustCompile(`^[\pL\pN._-]{1,64}$`)

// templates reads the files of --message.
func (c campaignSend) templates(a *app) ([]campaign.Template, error) {
	var all []campaign.Template
	stdin := c.Audience == "-"
	for _, given := range c.Message {
		name, path, named := strings.Cut(given, "=")
		if !named || !templateName.MatchString(name) {
			name, path = "", given
		}
		switch {
		case name == "" && len(c.Message) > 1:
			return nil, misusef("--message %s: give each of several a name, as --message ja=ja.json", path)
		case path == "-" && stdin:
			return nil, misusef("only one file can be stdin")
		}
		stdin = stdin || path == "-"
		for _, t := range all {
			if t.Name == name {
				return nil, misusef("--message: there are two for the name %s", name)
			}
		}
		data, err := a.read(path, lineapi.MaxRequestBytes)
		if err != nil {
			return nil, err
		}
		messages, err := parseTemplate(data)
		if err != nil {
			return nil, misuse(fmt.Errorf("%s: %w", fileName(path), err))
		}
		all = append(all, campaign.Template{Name: name, Messages: messages})
	}
	return all, nil
}

// parseTemplate reads messages, and checks them as far as that is possible without the values of a recipient.
func parseTemplate(data []byte) ([]lineapi.Message, error) {
	messages, err := lineapi.ParseMessages(data)
	if err != nil {
		return nil, err
	}
	parsed, err := template.Parse(messages)
	if err == nil && len(parsed.Placeholders()) == 0 {
		err = lineapi.CheckMessages(messages)
	}
	return messages, err
}

// tell says what may keep the campaign waiting; it refuses a channel that nobody serves.
func (c campaignSend) tell(ctx context.Context, a *app, rdb redis.UniversalClient, wanted producer.Campaign) error {
	if err := a.checkServed(ctx, rdb, c.Channel, "campaign"); err != nil {
		return err
	}
	if err := a.tellHold(ctx, rdb, c.Channel, tasks.KindMulticast, "campaign"); err != nil {
		return err
	}
	start := time.Now()
	if !c.At.IsZero() && c.At.Before(start) {
		a.note("%s has passed: it is sent now", c.At.Format(time.RFC3339))
	}
	if wanted.At.After(start) {
		start = wanted.At
	}
	if w := wanted.Window; !c.DryRun && !w.Open(start) {
		a.note("it begins when the window %s opens: %s", w, w.Next(start).Format(time.RFC3339))
	}
	return nil
}

// failed says what an intake's error means to whoever gave the files.
func (c campaignSend) failed(ctx context.Context, err error) error {
	var wrong *template.Error
	var bad *campaign.RowError
	var unreadable *audienceError
	var stopped *producer.CampaignError
	switch {
	case ctx.Err() != nil:
		return marked{errors.New("interrupted: nothing of the campaign is sent"), errInterrupted}
	case errors.As(err, &unreadable):
		return misuse(unreadable)
	case errors.As(err, &bad):
		return misuse(&badRowError{fileName(c.Audience), bad})
	case errors.As(err, &wrong):
		if errors.As(err, &stopped) {
			err = stopped.Err // how far it came doesn't matter
		}
		return misuse(fmt.Errorf("%s: %w", fileName(c.Audience), err))
	}
	return err
}

// forecast waits for the preflight of a dry run, and prints what it found.
func (c campaignSend) forecast(ctx context.Context, a *app, q *producer.Client, id string) error {
	until := time.Now().Add(c.Timeout)
	sum, err := a.await(ctx, q, id, func(sum campaign.Summary, err error) (bool, error) {
		if err == nil && sum.State == campaign.StateReady && time.Now().After(until) {
			err = &uncheckedError{id, c.Timeout}
		}
		return sum.State.Ended() || sum.State == campaign.StatePaused, err
	})
	if err != nil {
		return err
	}
	if err := a.printSummary(c.JSON, sum); err != nil {
		return err
	}
	return campaignEnd(sum)
}

// uncheckedError is of a dry run that no worker has looked at.
type uncheckedError struct {
	id    string
	after time.Duration
}

func (e *uncheckedError) Error() string {
	return fmt.Sprintf("campaign %s: no worker has checked it within %s", e.id, roughly(e.after))
}

// badRowError is of the row for which an audience was refused.
type badRowError struct {
	source string
	row    *campaign.RowError
}

func (e *badRowError) Error() string {
	return fmt.Sprintf("%s:%d: %s", e.source, e.row.Line, e.row.Reason)
}
