package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
)

type campaignWatch struct {
	campaignFlags
	JSON bool `name:"json" help:"Print JSON in the end."`
}

func (campaignWatch) Help() string {
	return `Examples:

    lineq campaign watch spring-sale
    lineq campaign watch spring-sale --json 2>/dev/null | jq .failed

It shows progress on stderr and, when the campaign ends or pauses, what lineq campaign show prints. Exit code 0 when it was
sent to everybody, 1 when some failed, or when it paused or was cancelled. To interrupt it changes nothing of the
campaign.

` + campaignJSON
}

func (c campaignWatch) Run(ctx context.Context, a *app) error {
	q, rdb, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	return a.watch(ctx, q, c.CampaignID, c.JSON)
}

const (
	// watchEvery is how often a watched campaign is looked at.
	watchEvery = 300 * time.Millisecond
	// watchPatience is for how long a Redis may be away before a watch gives up.
	watchPatience = time.Minute
	// idleAfter is when somebody who waits for a campaign to begin is told what it may be waiting for.
	idleAfter = 10 * time.Second
)

// watch follows a campaign until it ends or pauses, prints how it stands then, and returns an error unless all is sent.
func (a *app) watch(ctx context.Context, q *producer.Client, id string, asJSON bool) error {
	view := a.newCampaignView()
	begun, answered, told := time.Now(), time.Now(), false
	sum, err := a.await(ctx, q, id, func(sum campaign.Summary, err error) (bool, error) {
		now := time.Now()
		switch {
		case err != nil && (now.Sub(answered) > watchPatience || errors.Is(err, campaign.ErrNotFound)):
			return false, err
		case err != nil:
			return false, nil
		}
		answered = now
		view.show(now, sum)
		if sum.State == campaign.StateReady && now.Sub(begun) > idleAfter && !told {
			told = true
			view.note("it waits for its time, or for a worker: lineq channel list tells whether one runs")
		}
		return sum.State.Ended() || sum.State == campaign.StatePaused, nil
	})
	view.end()
	if errors.Is(err, errInterrupted) {
		a.note("the campaign goes on: lineq campaign watch %s", id)
	}
	if err != nil {
		return err
	}
	if err := a.printSummary(asJSON, sum); err != nil {
		return err
	}
	return campaignEnd(sum)
}

// await reads a campaign's summary again and again until done says so.
func (a *app) await(
	ctx context.Context, q *producer.Client, id string, done func(campaign.Summary, error) (bool, error),
) (campaign.Summary, error) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		sum, err := q.CampaignSummary(ctx, id)
		if ctx.Err() != nil {
			return sum, errInterrupted
		}
		if over, err := done(sum, err); over || err != nil {
			return sum, err
		}
		select {
		case <-ctx.Done():
			return sum, errInterrupted
		case <-tick.C:
		}
	}
}

// campaignEnd is nil where everybody was sent to.
func campaignEnd(sum campaign.Summary) error {
	if sum.State == campaign.StateFinished || sum.State == campaign.StateCancelled && sum.Reason == campaign.DryRun {
		return nil
	}
	return &unfinishedError{sum}
}

// unfinishedError is of a campaign that wasn't sent to everybody.
type unfinishedError struct{ sum campaign.Summary }

func (e *unfinishedError) Error() string {
	s := e.sum
	switch s.State {
	case campaign.StateFinishedWithFailures:
		return fmt.Sprintf("campaign %s: %s of %s recipients failed, %s are unknown",
			s.ID, count(s.Failed), count(s.Recipients), count(s.Unknown))
	case campaign.StateCancelled:
		return fmt.Sprintf("campaign %s was cancelled: %s of %s recipients were not sent to",
			s.ID, count(s.Recipients-s.Sent), count(s.Recipients))
	}
	text := fmt.Sprintf("campaign %s is %s (%s)", s.ID, s.State, s.Reason)
	if s.Note != "" {
		text += ": " + s.Note
	}
	return text
}

// hint says what to do about it.
func (e *unfinishedError) hint() string {
	id := e.sum.ID
	switch {
	case e.sum.State == campaign.StateFinishedWithFailures:
		return "lineq campaign failures " + id + " shows why; lineq campaign retry " + id + " sends to those who failed once more"
	case e.sum.State == campaign.StateCancelled:
		return "lineq campaign export " + id + " tells who was sent to and who wasn't"
	case e.sum.Reason == campaign.Failures:
		return "see lineq campaign failures " + id + "; then lineq campaign resume " + id + " --max-failures 20%, or cancel it"
	case e.sum.Reason == lineapi.Quota:
		return "lineq quota tells what is left; lineq campaign resume " + id + " when there is room, or send it with --partial"
	case e.sum.Reason == lineapi.Invalid:
		return "lineq campaign cancel " + id + ", and send what LINE takes with another --id"
	}
	return "lineq campaign resume " + id + " lets it go on, lineq campaign cancel " + id + " ends it"
}
