package producer_test

import (
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/tasks/schedule"
)

func scheduledPush() producer.Schedule {
	return producer.Schedule{
		ID: "monday", Cron: "0 9 * * MON", Zone: "Asia/Tokyo",
		Task: tasks.Push{To: "U0123456789abcdef0123456789abcdef", Messages: []lineapi.Message{lineapi.Text("hello")}},
	}
}

func scheduledCampaign() producer.Schedule {
	return producer.Schedule{
		ID: "weekly", Cron: "0 18 * * FRI", Zone: "Asia/Tokyo", Audience: "/srv/members.csv",
		Campaign: &producer.Campaign{Messages: []lineapi.Message{lineapi.Text("Hello {{name}}")}, Rate: 10, Strict: true},
	}
}

func TestSchedule(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q, err := producer.New(producer.Config{Redis: rdb})
	require.NoError(t, err)
	ctx := t.Context()
	sum, err := q.Schedule(ctx, scheduledPush(), producer.Channel("shop"))
	require.NoError(t, err)
	assert.Equal(t, "shop", sum.Channel)
	assert.Equal(t, tasks.KindPush, sum.Kind)
	require.Len(t, sum.Next, 3)
	assert.Equal(t, 7*24*time.Hour, sum.Next[2].Sub(sum.Next[1]))
	again, err := q.Schedule(ctx, scheduledPush(), producer.Channel("shop"))
	require.NoError(t, err)
	assert.Equal(t, sum, again)
	_, err = q.Schedule(ctx, scheduledPush())
	assert.ErrorIs(t, err, schedule.ErrIDReused, "another channel")

	_, err = q.Schedule(ctx, scheduledCampaign())
	require.NoError(t, err)
	all, err := q.Schedules(ctx)
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, "weekly", all[0].ID)
	assert.Equal(t, "/srv/members.csv", all[0].Audience)

	sum, err = q.PauseSchedule(ctx, "monday")
	require.NoError(t, err)
	assert.True(t, sum.Paused)
	assert.Empty(t, sum.Next)
	sum, err = q.RunSchedule(ctx, "monday")
	require.NoError(t, err)
	assert.Equal(t, schedule.RunAsked, sum.Last.State)
	sum, err = q.ResumeSchedule(ctx, "monday")
	require.NoError(t, err)
	assert.False(t, sum.Paused)
	require.NoError(t, q.RemoveSchedule(ctx, "monday"))
	_, err = q.ScheduleSummary(ctx, "monday")
	assert.ErrorIs(t, err, schedule.ErrNotFound)
}

func TestScheduleRefused(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q, err := producer.New(producer.Config{Redis: rdb})
	require.NoError(t, err)
	for says, change := range map[string]func(*producer.Schedule){
		"use 1 to 100 letters": func(s *producer.Schedule) { s.ID = "a b" },
		"cron":                 func(s *producer.Schedule) { s.Cron = "never" },
		"only a campaign has":  func(s *producer.Schedule) { s.Audience = "/srv/a.csv" },
		"has either a task":    func(s *producer.Schedule) { s.Task = nil },
		"no time and no dry run": func(s *producer.Schedule) {
			*s = scheduledCampaign()
			s.Campaign.At = time.Now()
		},
		"no ID, no recipients": func(s *producer.Schedule) {
			*s = scheduledCampaign()
			s.Campaign.ID = "a"
		},
		"there is no message": func(s *producer.Schedule) {
			*s = scheduledCampaign()
			s.Campaign.Messages = nil
		},
		"must be absolute": func(s *producer.Schedule) {
			*s = scheduledCampaign()
			s.Audience = "members.csv"
		},
	} {
		t.Run(says, func(t *testing.T) {
			s := scheduledPush()
			change(&s)
			_, err := q.Schedule(t.Context(), s)
			assert.ErrorContains(t, err, says)
			assert.Error(t, s.Check())
		})
	}
	assert.NoError(t, scheduledPush().Check())
	assert.Zero(t, rdb.DBSize(t.Context()).Val())
}

// TestScheduledCampaign takes in what a tick stands for, as a worker's hook does.
func TestScheduledCampaign(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q, err := producer.New(producer.Config{Redis: rdb})
	require.NoError(t, err)
	_, err = q.Schedule(t.Context(), scheduledCampaign(), producer.Channel("shop"))
	require.NoError(t, err)
	_, err = q.RunSchedule(t.Context(), "weekly")
	require.NoError(t, err)
	store := schedule.New(rdb)
	c, err := store.Claim(t.Context(), "weekly", nil)
	require.NoError(t, err)
	require.NotNil(t, c.Tick)

	to := func(err error) iter.Seq2[producer.Recipient, error] {
		return func(yield func(producer.Recipient, error) bool) {
			if err == nil || yield(producer.Recipient{}, err) {
				yield(producer.Recipient{
					To: "U0123456789abcdef0123456789abcdef", Vars: map[string]string{"name": "you"},
				}, nil)
			}
		}
	}
	broken := errors.New("the database is away")
	_, err = q.ScheduledCampaign(t.Context(), *c.Tick, to(broken))
	assert.ErrorIs(t, err, broken)
	report, err := q.ScheduledCampaign(t.Context(), *c.Tick, to(nil))
	require.NoError(t, err)
	assert.Equal(t, c.Tick.ID(), report.ID)
	assert.Equal(t, "shop", report.Channel)
	assert.EqualValues(t, 1, report.Recipients)
	assert.Equal(t, campaign.Push, report.Mode)
	report, err = q.ScheduledCampaign(t.Context(), *c.Tick, to(broken))
	require.NoError(t, err)
	assert.True(t, report.Duplicate)

	require.NoError(t, store.Done(t.Context(), *c.Tick))
	sum, err := q.ScheduleSummary(t.Context(), "weekly")
	require.NoError(t, err)
	assert.Equal(t, schedule.RunEnqueued, sum.Last.State)
	assert.Equal(t, string(campaign.StateReady), sum.Last.Outcome)

	_, err = q.ScheduledCampaign(t.Context(), schedule.Tick{}, to(nil))
	assert.ErrorContains(t, err, "has no campaign")
}
