package main

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

const demoCampaignID = "demo"

// sendCampaign sends to so many recipients who have got nothing yet, and waits until that has ended.
func (d *demo) sendCampaign(ctx context.Context, a *app, recipients int) error {
	q, err := producer.New(producer.Config{Redis: d.rdb})
	if err != nil {
		return err
	}
	_, err = q.Campaign(ctx, producer.Campaign{
		ID: demoCampaignID, To: d.audience(recipients),
		Messages: []lineapi.Message{lineapi.Text("The campaign of the demo, for {{name}}.")},
	})
	if err != nil {
		return err
	}
	view := a.newCampaignView()
	defer view.end()
	left, news := int64(recipients), time.Now()
	d.campaign, err = a.await(ctx, q, demoCampaignID, func(sum campaign.Summary, err error) (bool, error) {
		now := time.Now()
		view.show(now, sum)
		if sum.Pending < left {
			left, news = sum.Pending, now
		}
		if err == nil && now.Sub(news) > demoPatience {
			err = fmt.Errorf("%d of %d recipients of the campaign are pending: no news for %s", left, recipients, demoPatience)
		}
		return sum.State.Ended(), err
	})
	if err != nil {
		return err
	}
	d.outcomes = map[string]tasks.Outcome{}
	for row, err := range q.CampaignRecipients(ctx, demoCampaignID) {
		if err != nil {
			return err
		}
		d.outcomes[row.To] = row.Outcome
	}
	return nil
}

// audience are the next n users, each with a name.
func (d *demo) audience(n int) iter.Seq2[producer.Recipient, error] {
	return func(yield func(producer.Recipient, error) bool) {
		for range n {
			to := demoUser(d.users)
			d.users++
			if !yield(producer.Recipient{To: to, Vars: map[string]string{"name": "user " + to[len(to)-8:]}}, nil) {
				return
			}
		}
	}
}
