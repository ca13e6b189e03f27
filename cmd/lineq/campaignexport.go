package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

type campaignFailures struct {
	campaignFlags
	Limit int  `default:"100" help:"At most so many; 0 is all."`
	JSON  bool `name:"json" help:"Print a JSON array."`
}

func (campaignFailures) Help() string {
	return `Examples:

    lineq campaign failures spring-sale
    lineq campaign failures spring-sale --limit 0 --json | jq -r '.[] | select(.reason == "invalid").to'

It lists who failed, and of whom nobody can know whether LINE has the message: unknown.

With --json: [` + rowJSON + `]; error is LINE's explanation.`
}

func (c campaignFailures) Run(ctx context.Context, a *app) error {
	if c.Limit < 0 {
		return misusef("--limit can't be negative")
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
	there := int(sum.Failed + sum.Unknown)
	if c.Limit > 0 && there > c.Limit {
		a.note("there are %s: --limit says how many are shown", count(int64(there)))
		there = c.Limit
	}
	found := []rowState{}
	if there > 0 { // else nobody needs to look through the recipients
		for r, err := range q.CampaignRecipients(ctx, c.CampaignID) {
			if err != nil {
				return err
			}
			if r.Outcome == tasks.OutcomeFailed || r.Outcome == tasks.OutcomeUnknown {
				found = append(found, rowOf(r))
			}
			if len(found) == there {
				break
			}
		}
	}
	if c.JSON {
		return a.printJSON(found)
	}
	return a.printRecipients(found)
}

type campaignExport struct {
	campaignFlags
	Format string `enum:"csv,ndjson" default:"csv" help:"csv, with a header, or ndjson: one JSON object a line."`
}

func (campaignExport) Help() string {
	return `Examples:

    lineq campaign export spring-sale > outcome.csv
    lineq campaign export spring-sale --format ndjson | jq -r 'select(.outcome == "unknown").to'

It prints every recipient with to, outcome, reason, request_id, at, error and replayed. Outcome is sent, failed, unknown,
pending, or cancelled for who was pending when the campaign was cancelled. Recipients are kept for 7 days after the end.`
}

func (c campaignExport) Run(ctx context.Context, a *app) error {
	q, rdb, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	if _, err := q.CampaignSummary(ctx, c.CampaignID); err != nil {
		return err
	}
	out := bufio.NewWriterSize(a.stdout, 64<<10)
	table := csv.NewWriter(out)
	objects := json.NewEncoder(out)
	objects.SetEscapeHTML(false)
	if c.Format == "csv" {
		if err := table.Write([]string{"to", "outcome", "reason", "request_id", "at", "error", "replayed"}); err != nil {
			return err
		}
	}
	for r, err := range q.CampaignRecipients(ctx, c.CampaignID) {
		if err == nil {
			if c.Format == "csv" {
				err = table.Write(exported(rowOf(r)))
			} else {
				err = objects.Encode(rowOf(r))
			}
		}
		if err != nil {
			table.Flush()
			return errors.Join(err, out.Flush())
		}
	}
	table.Flush()
	return errors.Join(table.Error(), out.Flush())
}

// exported is a recipient as a line of CSV.
func exported(r rowState) []string {
	at := ""
	if r.At != nil {
		at = r.At.Format(time.RFC3339)
	}
	return []string{r.To, r.Outcome, string(r.Reason), r.RequestID, at, oneLine(r.Error), strconv.FormatBool(r.Replayed)}
}

type campaignRetry struct {
	campaignFlags
	NewID   string `name:"id" help:"ID of the new campaign; else the old one's with -retry-1 behind it."`
	Unknown bool   `help:"Also to those of whom nobody can know whether LINE has the message: they may get it twice."`
	Watch   bool   `help:"Go on as lineq campaign watch."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (campaignRetry) Help() string {
	return `Examples:

    lineq campaign retry spring-sale
    lineq campaign retry spring-sale --id spring-sale-2 --watch

It makes a new campaign of those who failed, with the same messages. Whom LINE refused once, it mostly refuses again: see
lineq campaign failures for why. It can be used when the campaign has ended, and the same command again adds nothing.

With --json it is what lineq campaign send prints.`
}

func (c campaignRetry) Run(ctx context.Context, a *app) error {
	if c.NewID != "" && tasks.CheckID(c.NewID) != nil {
		return misuse(tasks.CheckID(c.NewID))
	}
	q, rdb, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	sum, err := q.CampaignSummary(ctx, c.CampaignID)
	switch {
	case err != nil:
		return err
	case sum.State.Ended() && sum.Failed == 0 && (sum.Unknown == 0 || !c.Unknown):
		return &nothingToRetryError{sum}
	case !sum.State.Ended(): // which RetryCampaign refuses
	case c.Unknown && sum.Unknown > 0:
		fmt.Fprintf(a.stderr, "warning: LINE may have sent it to %s recipients before, and may send it to them a second time now\n",
			count(sum.Unknown))
	case sum.Unknown > 0:
		a.note("%s recipients whose outcome is unknown are left out: LINE may have sent it to them; --unknown takes them in",
			count(sum.Unknown))
	}
	report, err := q.RetryCampaign(ctx, c.CampaignID, producer.Retry{ID: c.NewID, Unknown: c.Unknown})
	switch {
	case err != nil:
		return err
	case c.Watch:
		return a.watch(ctx, q, report.ID, c.JSON)
	}
	return a.printReport(c.JSON, report)
}

// nothingToRetryError is of a campaign in which nobody has failed.
type nothingToRetryError struct{ sum campaign.Summary }

func (e *nothingToRetryError) Error() string {
	return fmt.Sprintf("campaign %s: nobody has failed, %s are unknown, %s pending",
		e.sum.ID, count(e.sum.Unknown), count(e.sum.Pending))
}

func (e *nothingToRetryError) hint() string {
	switch {
	case e.sum.Unknown > 0:
		return "LINE may have sent it to those who are unknown; --unknown takes them in all the same"
	case e.sum.Pending > 0:
		return "lineq campaign show " + e.sum.ID + " tells why there are some pending"
	}
	return "everybody was sent to"
}
