package worker_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
)

// soonOver brings the end of a hold near: what it says of itself is kept.
func (s *stage) soonOver(t *testing.T, name string, h channel.Hold) {
	t.Helper()
	h.Until = time.Now().Add(200 * time.Millisecond)
	fresh, err := channel.Put(t.Context(), s.rdb, name, h)
	require.NoError(t, err)
	require.False(t, fresh)
}

// A narrowcast that LINE prepares has all of the quota set aside. What is refused meanwhile goes by itself afterwards.
func TestQuotaSetAsideForANarrowcast(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		const reach = 60
		limited := linesim.DefaultChannel
		limited.Quota.Limit = reach
		now := time.Now() // LINE's clock stands still, and the narrowcast with it
		s := newStage(t, rdb, linesim.Config{Channels: []linesim.Channel{limited}, Clock: func() time.Time { return now }})
		for i := range reach {
			require.NoError(t, s.line.AddUser(linesim.User{ID: user(1000 + i)}))
		}
		_, err := s.client(t).Narrowcast(t.Context(), lineapi.NarrowcastRequest{Messages: []lineapi.Message{lineapi.Text("hi")}})
		require.NoError(t, err)

		s.work(t)
		ticket := s.push(t, user(1))
		h := s.holds(t, tasks.DefaultChannel, lineapi.Quota)
		assert.WithinDuration(t, time.Now().Add(3*time.Minute), h.Until, 30*time.Second, "minutes, not until somebody acts")
		assert.Contains(t, h.Note, "set aside")
		assert.Empty(t, s.errorLines())
		loading, err := s.q.Enqueue(t.Context(), tasks.ShowLoading{UserID: user(1), Seconds: 5})
		require.NoError(t, err)
		assert.Equal(t, tasks.OutcomeSent, s.wait(t, loading).Outcome, "what is free goes on")

		s.line.SetClockOffset(time.Minute)
		require.NoError(t, s.line.SetQuota(limited.ID, linesim.Quota{Limit: 100})) // of which the narrowcast takes its part
		require.Zero(t, s.line.Ledger().Count(user(1)))
		s.soonOver(t, tasks.DefaultChannel, h)
		r := s.wait(t, ticket)
		assert.Equal(t, tasks.OutcomeSent, r.Outcome)
		assert.Equal(t, 1, s.line.Ledger().Count(user(1)))
		s.holds(t, tasks.DefaultChannel, "")
		assert.Empty(t, s.errorLines())
	})
}

// What costs no quota goes on while it is spent, in whatever queue it is.
func TestWhatIsFreeGoesOnWithoutQuota(t *testing.T) {
	t.Parallel()
	spent := linesim.DefaultChannel
	spent.Quota = linesim.Quota{Limit: 1, Used: 1}
	_, rdb := redistest.Mini(t)
	s := newStage(t, rdb, linesim.Config{Channels: []linesim.Channel{spent}})
	c, image := s.client(t), png(t)
	menu, _, err := c.CreateRichMenu(t.Context(), richMenu(t, "free"))
	require.NoError(t, err)
	_, err = c.UploadRichMenuImage(t.Context(), menu, "image/png", bytes.NewReader(image), int64(len(image)))
	require.NoError(t, err)
	s.work(t)
	paid := s.push(t, user(1))
	urgent := s.push(t, user(2), producer.Urgent())
	s.holds(t, tasks.DefaultChannel, lineapi.Quota)

	token, err := s.line.NewReplyToken(spent.ID, user(7))
	require.NoError(t, err)
	for _, task := range []tasks.Task{
		tasks.Reply{ReplyToken: token, Messages: []lineapi.Message{lineapi.Text("hi")}},
		tasks.ShowLoading{UserID: user(7), Seconds: 5},
		tasks.MarkAsRead{MarkAsReadToken: "some-token"},
		tasks.LinkRichMenu{UserID: user(7), RichMenuID: menu},
		tasks.BulkLinkRichMenu{UserIDs: []string{user(8), user(9)}, RichMenuID: menu},
		tasks.UnlinkRichMenu{UserID: user(7)},
		tasks.SetDefaultRichMenu{RichMenuID: menu},
		tasks.ClearDefaultRichMenu{},
		tasks.Profile{UserID: user(7)},
		tasks.LeaveGroup{GroupID: group},
	} {
		ticket, err := s.q.Enqueue(t.Context(), task)
		require.NoError(t, err, task.Kind())
		r := s.wait(t, ticket)
		assert.Equal(t, tasks.OutcomeSent, r.Outcome, "%s: %+v", task.Kind(), r)
	}
	s.holds(t, tasks.DefaultChannel, lineapi.Quota)
	for i, ticket := range []producer.Ticket{paid, urgent} {
		r, err := s.q.Result(t.Context(), ticket.ID)
		require.NoError(t, err)
		assert.Empty(t, r.Outcome)
		assert.Zero(t, s.line.Ledger().Count(user(i+1)))
	}
}

// A worker that goes on running finds by itself that there is quota again, as on the first of the month.
func TestTheNextCheckLiftsAHold(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		limited := linesim.DefaultChannel
		limited.Quota.Limit = 1
		s := newStage(t, rdb, linesim.Config{Channels: []linesim.Channel{limited}})
		s.work(t)
		waiting := []producer.Ticket{s.push(t, user(1)), s.push(t, user(2)), s.push(t, user(3), producer.Urgent())}
		s.holds(t, tasks.DefaultChannel, lineapi.Quota)
		const check = "lineq:{default}:claim:check quota"
		require.Eventually(t, func() bool { return rdb.Exists(t.Context(), check).Val() == 1 }, time.Minute, time.Millisecond,
			"one of all workers has asked, and nobody asks again for a while")
		assert.Positive(t, rdb.PTTL(t.Context(), check).Val())

		require.NoError(t, s.line.SetQuota(limited.ID, linesim.Quota{Limit: 100, Used: 1}))
		require.NoError(t, rdb.Del(t.Context(), check).Err(), "the while is over")
		for i, ticket := range waiting {
			require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
			require.Equal(t, 1, s.line.Ledger().Count(user(i+1)))
		}
		s.holds(t, tasks.DefaultChannel, "")
		assert.Equal(t, 1, s.logs.FilterMessage("hold lifted: LINE takes it again").Len())
	})
}
