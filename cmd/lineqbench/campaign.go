package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
)

// campaignHands is how many requests a campaign has under way at most, on one worker.
const campaignHands = 512

// campaignLatency is what LINE takes while its limits are used by campaigns.
const campaignLatency = 100 * time.Millisecond

// measureCampaignLimits has a campaign of each kind sent at the same time, at the limits that LINE publishes, by 1, 2 and 4
// workers.
func measureCampaignLimits(ctx context.Context, b *bench) error {
	feed := func(ctx context.Context, q *producer.Client, seconds int) error {
		if err := feedCampaign(ctx, q, "push", endpoint.PushMessage.Limit.Requests*seconds, 0); err != nil {
			return err
		}
		return feedCampaign(ctx, q, "multicast", endpoint.Multicast.Limit.Requests*seconds, lineapi.MaxMulticastRecipients)
	}
	for _, workers := range []int{1, 2, 4} {
		err := b.useOfLimits(ctx, limitsRun{
			part: "m", what: fmt.Sprintf("campaigns, %d workers", workers), workers: workers, seconds: max(5, b.seconds/2),
			latency: campaignLatency, feed: feed,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// measureCampaignRates has a campaign send as many pushes as the others, without limits.
func measureCampaignRates(ctx context.Context, b *bench) error {
	return b.race(ctx, []*contender{
		{letter: "l0", what: "bare net/http loop, pushes, as many at once", as: "bare", n: 5 * b.n, hands: campaignHands},
		{letter: "l1", what: "asynq with LINE's SDK, pushes, nothing recorded", as: "asynq", n: b.n, against: []string{"l0"}},
		{
			letter: "l", what: "lineq, a campaign's pushes, personalised, recorded", as: "lineq", n: 5 * b.n, campaign: true,
			against: []string{"l0", "l1"},
		},
	})
}

// feedCampaign has a campaign taken in of so many requests: personalised pushes, or multicasts to so many each.
func feedCampaign(ctx context.Context, q *producer.Client, id string, requests, recipients int) error {
	cp := producer.Campaign{ID: id, Messages: []lineapi.Message{lineapi.Text("hi {{name}}")}}
	n := requests
	if recipients > 0 {
		cp.Messages = []lineapi.Message{lineapi.Text("hi")}
		n *= recipients
	}
	cp.To = func(yield func(campaign.Recipient, error) bool) {
		vars := map[string]string{}
		for i := 1; i <= n; i++ {
			to := user(i)
			vars["name"] = to
			if !yield(campaign.Recipient{To: to, Vars: vars}, nil) {
				return
			}
		}
	}
	r, err := q.Campaign(ctx, cp)
	if err == nil && r.Recipients != int64(n) {
		err = fmt.Errorf("%d of %d recipients were taken in", r.Recipients, n)
	}
	return err
}
