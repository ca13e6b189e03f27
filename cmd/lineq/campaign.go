package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

// campaignCommand is lineq campaign.
type campaignCommand struct {
	Send     campaignSend     `cmd:"" help:"Send messages to everybody in a file."`
	List     campaignList     `cmd:"" help:"List the campaigns."`
	Show     campaignShow     `cmd:"" help:"Show how far a campaign has come, or what became of a recipient."`
	Watch    campaignWatch    `cmd:"" help:"Follow a campaign until it ends."`
	Pause    campaignPause    `cmd:"" help:"Let a campaign wait."`
	Resume   campaignResume   `cmd:"" help:"Let a paused campaign go on."`
	Cancel   campaignCancel   `cmd:"" help:"End a campaign for good."`
	Failures campaignFailures `cmd:"" help:"Show whom a campaign didn't reach, and why."`
	Export   campaignExport   `cmd:"" help:"Print what became of every recipient."`
	Retry    campaignRetry    `cmd:"" help:"Send to those once more who were not reached."`
}

func (campaignCommand) Help() string {
	return `Examples:

    lineq campaign send --audience followers.csv --message offer.json --id spring-sale --dry-run
    lineq campaign send --audience followers.csv --message offer.json --id spring-sale --watch
    lineq campaign pause spring-sale
    lineq campaign export spring-sale > outcome.csv

A campaign is ready until its preflight and its time, then sending, perhaps paused, and in the end finished,
finished_with_failures or cancelled. At every moment sent, failed, unknown and pending add up to its recipients.`
}

// campaignJSON is the part of a command's help about its JSON.
const campaignJSON = `With --json: {"id","channel","state","reason","note","mode","recipients","sent","failed","unknown","pending","rejected",
"duplicates","chunks","requests","replayed","failures_by","forecast","created_at","started_at","finished_at"}. Reason says
why it is paused or cancelled, note the same in words; failures_by counts failed and unknown by reason.`

// campaignFlags name one campaign.
type campaignFlags struct {
	CampaignID string `arg:"" name:"id" help:"The campaign's ID."`
	redisFlag
}

// open connects, after the ID is checked.
func (f campaignFlags) open(ctx context.Context) (*producer.Client, redis.UniversalClient, error) {
	if err := tasks.CheckID(f.CampaignID); err != nil {
		return nil, nil, misuse(err)
	}
	return f.redisFlag.producer(ctx, campaign.Retention{})
}

func (f redisFlag) producer(ctx context.Context, r campaign.Retention) (*producer.Client, redis.UniversalClient, error) {
	rdb, err := openRedis(ctx, f.Redis, asGiven)
	if err != nil {
		return nil, nil, err
	}
	q, err := producer.New(producer.Config{Redis: rdb, Campaigns: r})
	return q, rdb, err
}

type campaignList struct {
	Channel string `help:"Only this channel's."`
	State   string `enum:",ready,sending,paused,finished,finished_with_failures,cancelled" default:"" help:"Only ready, sending, paused, finished, finished_with_failures or cancelled ones."`
	Lines   int    `default:"100" help:"At most so many, the newest ones."`
	JSON    bool   `name:"json" help:"Print a JSON array."`
	redisFlag
}

func (campaignList) Help() string {
	return `Examples:

    lineq campaign list
    lineq campaign list --state paused --json | jq -r '.[].id'

With --json: an array of what lineq campaign show prints. Campaigns are listed for 90 days.`
}

func (c campaignList) Run(ctx context.Context, a *app) error {
	if c.Lines < 1 {
		return misusef("--lines must be above zero")
	}
	if c.Channel != "" {
		if err := tasks.CheckChannel(c.Channel); err != nil {
			return misuse(err)
		}
	}
	q, rdb, err := c.producer(ctx, campaign.Retention{})
	if err != nil {
		return err
	}
	defer rdb.Close()
	all, err := q.Campaigns(ctx)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(sum campaign.Summary) bool {
		return c.Channel != "" && sum.Channel != c.Channel || c.State != "" && sum.State != campaign.State(c.State)
	})
	if len(all) > c.Lines {
		a.note("there are more: --lines says how many are shown")
		all = all[:c.Lines]
	}
	if c.JSON {
		return a.printJSON(append([]campaign.Summary{}, all...))
	}
	lines := [][]string{{
		"ID", "CHANNEL", "STATE", "REASON", "RECIPIENTS", "SENT", "FAILED", "UNKNOWN", "PENDING", "CREATED", "FINISHED",
	}}
	for _, s := range all {
		lines = append(lines, []string{
			s.ID, s.Channel, string(s.State), string(s.Reason), count(s.Recipients), count(s.Sent), count(s.Failed),
			count(s.Unknown), count(s.Pending), second(s.CreatedAt), second(s.FinishedAt),
		})
	}
	return a.printTable(lines)
}

type campaignShow struct {
	campaignFlags
	Recipient []string `placeholder:"ID" help:"Show what became of this recipient; may be repeated."`
	JSON      bool     `name:"json" help:"Print JSON."`
}

func (campaignShow) Help() string {
	return `Examples:

    lineq campaign show spring-sale
    lineq campaign show spring-sale --json | jq .pending
    lineq campaign show spring-sale --recipient U…

` + campaignJSON + ` With --recipient it is
` + rowJSON + `, and an array of them for several.`
}

func (c campaignShow) Run(ctx context.Context, a *app) error {
	for _, to := range c.Recipient {
		if err := lineapi.CheckChatID(to); err != nil {
			return misuse(err)
		}
	}
	q, rdb, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	sum, err := q.CampaignSummary(ctx, c.CampaignID)
	if err != nil {
		return err
	}
	if len(c.Recipient) == 0 {
		return a.printSummary(c.JSON, sum)
	}
	rows := []rowState{}
	for _, to := range c.Recipient {
		r, err := q.CampaignRecipient(ctx, c.CampaignID, to)
		if errors.Is(err, campaign.ErrRecipientNotFound) {
			return &noRecipientError{c.CampaignID, err}
		}
		if err != nil {
			return err
		}
		rows = append(rows, rowOf(r))
	}
	switch {
	case c.JSON && len(rows) == 1:
		return a.printJSON(rows[0])
	case c.JSON:
		return a.printJSON(rows)
	}
	return a.printRecipients(rows)
}

// noRecipientError is of a recipient that a campaign doesn't have.
type noRecipientError struct {
	id  string
	err error
}

func (e *noRecipientError) Error() string {
	return "campaign " + e.id + " has no such recipient"
}

func (e *noRecipientError) Unwrap() error { return e.err }

type campaignPause struct {
	campaignFlags
	Note string `help:"Why."`
	JSON bool   `name:"json" help:"Print JSON."`
}

func (campaignPause) Help() string {
	return `Examples:

    lineq campaign pause spring-sale --note 'wrong price in the text'

What LINE was handed already is waited for; nothing else goes out until lineq campaign resume. lineq channel hold lets all
of a channel wait.

` + campaignJSON
}

func (c campaignPause) Run(ctx context.Context, a *app) error {
	return c.control(ctx, a, c.JSON, func(q *producer.Client) (campaign.Summary, error) {
		return q.PauseCampaign(ctx, c.CampaignID, strings.TrimSpace(c.Note))
	})
}

type campaignResume struct {
	campaignFlags
	MaxFailures *share `placeholder:"PERCENT" help:"Pause when more fail from now on, as 10%; else what it was sent with."`
	JSON        bool   `name:"json" help:"Print JSON."`
}

func (campaignResume) Help() string {
	return `Examples:

    lineq campaign resume spring-sale
    lineq campaign resume spring-sale --max-failures 10%

Whom it was sent to before isn't sent to again. The share of failures is counted anew.

` + campaignJSON
}

func (c campaignResume) Run(ctx context.Context, a *app) error {
	return c.control(ctx, a, c.JSON, func(q *producer.Client) (campaign.Summary, error) {
		return q.ResumeCampaign(ctx, c.CampaignID, (*float64)(c.MaxFailures))
	})
}

type campaignCancel struct {
	campaignFlags
	JSON bool `name:"json" help:"Print JSON."`
}

func (campaignCancel) Help() string {
	return `Examples:

    lineq campaign cancel spring-sale

It can't be taken back: lineq campaign pause can. Who is pending then is never sent to; whose answer is awaited becomes
unknown, as LINE may have the message.

` + campaignJSON
}

func (c campaignCancel) Run(ctx context.Context, a *app) error {
	return c.control(ctx, a, c.JSON, func(q *producer.Client) (campaign.Summary, error) {
		return q.CancelCampaign(ctx, c.CampaignID)
	})
}

// control changes a campaign and prints how it stands then.
func (f campaignFlags) control(
	ctx context.Context, a *app, asJSON bool, change func(*producer.Client) (campaign.Summary, error),
) error {
	q, rdb, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	sum, err := change(q)
	if err != nil {
		return err
	}
	return a.printSummary(asJSON, sum)
}
