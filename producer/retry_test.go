package producer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
)

// send does what a worker does: it sends to everybody, with an outcome for each that how says.
func send(t *testing.T, rdb redis.UniversalClient, id string, how func(chunk, place int) campaign.Status) {
	t.Helper()
	ctx, store := t.Context(), campaign.New(rdb, campaign.Retention{})
	require.NoError(t, store.Start(ctx, id, campaign.Forecast{}, nil))
	look, err := store.Look(ctx, id, true)
	require.NoError(t, err)
	lane := campaign.Lane{ID: id, Epoch: look.Epoch, Run: 1, Worker: "w"}
	_, ok, err := store.BeginLane(ctx, lane)
	require.NoError(t, err)
	require.True(t, ok)
	for {
		claimed, err := store.Claim(ctx, lane, campaign.Wish{Units: 10, Most: campaign.Block, Lease: time.Minute})
		require.NoError(t, err)
		if len(claimed.Units) == 0 {
			return
		}
		for _, u := range claimed.Units {
			for i := range u.Parts {
				u.Parts[i].Status, u.Parts[i].Reason = how(u.Chunk, u.Place+i), lineapi.Invalid
			}
			_, _, err := store.Close(ctx, id, u, campaign.Closing{Parts: u.Parts, Calls: len(u.Parts)})
			require.NoError(t, err)
		}
	}
}

func TestACampaignIsSentAgain(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		cp := producer.Campaign{
			ID: "sale", MaxFailures: 1, Webhook: "https://example.com/done",
			Templates: []campaign.Template{{Name: "A", Messages: says("Dear {{name}}")}, {Name: "B", Messages: says("Hi")}},
			To: func(yield func(producer.Recipient, error) bool) {
				for i := range 600 {
					r := producer.Recipient{To: fmt.Sprintf("U%032x", i), Template: "B"}
					if i%2 == 0 {
						r.Template, r.Vars = "A", map[string]string{"name": fmt.Sprint("n", i)}
					}
					yield(r, nil)
				}
			},
		}
		_, err := q.Campaign(ctx, cp, producer.Channel("shop"))
		require.NoError(t, err)
		_, err = q.RetryCampaign(ctx, "sale", producer.Retry{})
		require.ErrorIs(t, err, campaign.ErrState)
		_, err = q.RetryCampaign(ctx, "none", producer.Retry{})
		require.ErrorIs(t, err, campaign.ErrNotFound)

		send(t, rdb, "sale", func(_, place int) campaign.Status {
			switch place % 10 {
			case 3:
				return campaign.Failed
			case 5:
				return campaign.Unknown
			}
			return campaign.Sent
		})
		sum, err := q.CampaignSummary(ctx, "sale")
		require.NoError(t, err)
		require.Equal(t, campaign.StateFinishedWithFailures, sum.State)
		require.Equal(t, [2]int64{60, 60}, [2]int64{sum.Failed, sum.Unknown})

		_, err = q.RetryCampaign(ctx, "sale", producer.Retry{ID: "sale"})
		require.ErrorContains(t, err, "an id of its own")
		report, err := q.RetryCampaign(ctx, "sale", producer.Retry{})
		require.NoError(t, err)
		assert.Equal(t, producer.Report{
			ID: "sale-retry-1", Channel: "shop", State: campaign.StateReady, Recipients: 60, Chunks: 2, Mode: campaign.Push,
		}, report)
		assert.Equal(t, whose(t, q, "sale", tasks.OutcomeFailed), whose(t, q, "sale-retry-1", ""))

		both, err := q.RetryCampaign(ctx, "sale", producer.Retry{ID: "both", Unknown: true, Rate: 7})
		require.NoError(t, err)
		assert.EqualValues(t, 120, both.Recipients)
		store := campaign.New(rdb, campaign.Retention{})
		old, err := store.Plan(ctx, "sale")
		require.NoError(t, err)
		plan, err := store.Plan(ctx, "both")
		require.NoError(t, err)
		old.Rate = 7
		assert.Equal(t, old, plan)

		report.Duplicate = true
		again, err := q.RetryCampaign(ctx, "sale", producer.Retry{})
		require.NoError(t, err)
		assert.Equal(t, report, again, "nobody is sent to twice")
		send(t, rdb, "sale-retry-1", func(chunk, place int) campaign.Status {
			if chunk == 0 && place == 0 {
				return campaign.Failed
			}
			return campaign.Sent
		})
		report, err = q.RetryCampaign(ctx, "sale-retry-1", producer.Retry{})
		require.NoError(t, err)
		assert.Equal(t, "sale-retry-2", report.ID)
		assert.EqualValues(t, 1, report.Recipients)
		send(t, rdb, "sale-retry-2", func(int, int) campaign.Status { return campaign.Sent })
		_, err = q.RetryCampaign(ctx, "sale-retry-2", producer.Retry{Unknown: true})
		require.ErrorIs(t, err, producer.ErrNobodyFailed)

		require.NoError(t, rdb.Del(ctx, "lineq:{c:sale}:message").Err())
		_, err = q.RetryCampaign(ctx, "sale", producer.Retry{ID: "late"})
		require.ErrorIs(t, err, campaign.ErrExpired)
	})
}

// whose are the recipients with an outcome, with their values.
func whose(t *testing.T, q *producer.Client, id string, o tasks.Outcome) map[string]string {
	t.Helper()
	found := map[string]string{}
	for row, err := range q.CampaignRecipients(t.Context(), id) {
		require.NoError(t, err)
		if row.Outcome == o {
			found[row.To] = row.Template + row.Vars["name"]
		}
	}
	return found
}

func TestCampaignsAreControlled(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		for _, id := range []string{"a", "b"} {
			_, err := q.Campaign(ctx, producer.Campaign{ID: id, To: audienceOf(to(alice), to(bob)), Messages: says("Hi")})
			require.NoError(t, err)
		}
		sum, err := q.PauseCampaign(ctx, "a", "the shop is closed")
		require.NoError(t, err)
		assert.Equal(t, campaign.StatePaused, sum.State)
		assert.Equal(t, campaign.Operator, sum.Reason)
		assert.Equal(t, "the shop is closed", sum.Note)
		share := 2.0
		_, err = q.ResumeCampaign(ctx, "a", &share)
		require.ErrorContains(t, err, "the share of failures")
		share = 0.5
		sum, err = q.ResumeCampaign(ctx, "a", &share)
		require.NoError(t, err)
		assert.Empty(t, sum.Reason)
		sum, err = q.CancelCampaign(ctx, "a")
		require.NoError(t, err)
		assert.Equal(t, campaign.StateCancelled, sum.State)
		assert.EqualValues(t, 2, sum.Pending)
		_, err = q.ResumeCampaign(ctx, "a", nil)
		require.ErrorIs(t, err, campaign.ErrState)

		all, err := q.Campaigns(ctx)
		require.NoError(t, err)
		assert.Len(t, all, 2)
		r, err := q.CampaignRecipient(ctx, "a", bob)
		require.NoError(t, err)
		assert.Equal(t, campaign.Row{To: bob, Outcome: tasks.OutcomeCancelled}, r)
		_, err = q.CampaignRecipient(ctx, "a", "U1")
		require.ErrorContains(t, err, "id is 2 characters long")
		_, err = q.CampaignRecipient(ctx, "a b", bob)
		require.ErrorContains(t, err, "id ")

		ended, cancel := context.WithCancel(ctx)
		cancel()
		for name, call := range map[string]func() error{
			"summary":   func() error { _, err := q.CampaignSummary(ended, "b"); return err },
			"list":      func() error { _, err := q.Campaigns(ended); return err },
			"pause":     func() error { _, err := q.PauseCampaign(ended, "b", ""); return err },
			"resume":    func() error { _, err := q.ResumeCampaign(ended, "b", nil); return err },
			"cancel":    func() error { _, err := q.CancelCampaign(ended, "b"); return err },
			"recipient": func() error { _, err := q.CampaignRecipient(ended, "b", bob); return err },
			"retry":     func() error { _, err := q.RetryCampaign(ended, "b", producer.Retry{}); return err },
			"intake": func() error {
				_, err := q.Campaign(ended, producer.Campaign{To: users(1), Messages: says("Hi")})
				return err
			},
		} {
			require.ErrorIs(t, call(), context.Canceled, name)
		}
		sum, err = q.CampaignSummary(ctx, "b")
		require.NoError(t, err)
		assert.Equal(t, campaign.StateReady, sum.State)
	})
}
