package worker_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

func TestAMessageReachesLINEOnce(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{})
		s.work(t)
		ticket := s.push(t, user(1), producer.ID("order-1"))
		r := s.wait(t, ticket)
		assert.Equal(t, tasks.OutcomeSent, r.Outcome)
		assert.Equal(t, 1, r.Attempts)
		assert.Empty(t, r.Reason)
		assert.False(t, r.Replayed)

		got := s.line.Ledger().Received(user(1))
		require.Len(t, got, 1)
		assert.Equal(t, got[0].RequestID, r.RequestID)
		assert.Equal(t, tasks.RetryKey("default", endpoint.PushMessage, "order-1", "", 0), got[0].RetryKey)

		s.nothingIsLeft(t, ticket)
		lines, err := s.records.LogTail(t.Context(), "default", 10)
		require.NoError(t, err)
		require.Len(t, lines, 1)
		assert.Equal(t, "order-1", lines[0].ID)
		assert.Equal(t, tasks.OutcomeSent, lines[0].Outcome)
		assert.Equal(t, r.RequestID, lines[0].RequestID)
	})
}

func TestManyMessagesReachLINEOnceEach(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{Seed: 7})
		require.NoError(t, s.line.SetFaults([]linesim.Fault{
			{Kind: linesim.FaultRefuse, Share: 0.05}, {Kind: linesim.FaultAccept500, Share: 0.05},
			{Kind: linesim.FaultAcceptCut, Share: 0.05}, {Kind: linesim.FaultEdgeHTML, Share: 0.05},
		}))
		s.work(t)
		items := make([]producer.Item, 400)
		for i := range items {
			items[i].Task = tasks.Push{To: user(i), Messages: []lineapi.Message{lineapi.Text(fmt.Sprint("hello ", i))}}
		}
		tickets, err := s.q.EnqueueAll(t.Context(), items)
		require.NoError(t, err)
		replayed := 0
		for i, ticket := range tickets {
			r := s.wait(t, ticket)
			require.Equal(t, tasks.OutcomeSent, r.Outcome, "%+v", r)
			got := s.line.Ledger().Received(user(i))
			require.Len(t, got, 1)
			require.Equal(t, got[0].RequestID, r.RequestID)
			if r.Replayed {
				replayed++
			}
		}
		assert.Positive(t, replayed, "no lost answer was repeated: the faults did nothing")
	})
}

func TestEveryKindIsPerformed(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	ctx := t.Context()
	c := s.client(t)
	members := []string{user(1), user(2), user(3)}
	require.NoError(t, s.line.AddChat(linesim.Chat{ID: group, Members: members}))
	require.NoError(t, s.line.AddChat(linesim.Chat{ID: room, Members: members}))
	token, err := s.line.NewReplyToken(linesim.DefaultChannel.ID, user(1))
	require.NoError(t, err)
	menu, image := richMenu(t, "kinds"), png(t)
	newMenu := func() string {
		id, _, err := c.CreateRichMenu(ctx, menu)
		require.NoError(t, err)
		_, err = c.UploadRichMenuImage(ctx, id, "image/png", strings.NewReader(string(image)), int64(len(image)))
		require.NoError(t, err)
		return id
	}
	menuID, deleted := newMenu(), newMenu()
	hi := []lineapi.Message{lineapi.Text("hi")}
	memberData := fmt.Sprintf(`{"memberIds":["%s","%s","%s"]}`, user(1), user(2), user(3))

	samples := []struct {
		task tasks.Task
		data string // a part of the result's data
	}{
		{tasks.Reply{ReplyToken: token, Messages: hi}, ""},
		{tasks.Push{To: user(1), Messages: hi}, ""},
		{tasks.Multicast{To: members, Messages: hi}, ""},
		{tasks.Broadcast{Messages: hi}, ""},
		{tasks.Narrowcast{Messages: hi}, ""},
		{tasks.LinkRichMenu{UserID: user(1), RichMenuID: menuID}, ""},
		{tasks.UnlinkRichMenu{UserID: user(1)}, ""},
		{tasks.BulkLinkRichMenu{UserIDs: members, RichMenuID: menuID}, ""},
		{tasks.BulkUnlinkRichMenu{UserIDs: members}, ""},
		{tasks.BatchRichMenu{Operations: []lineapi.RichMenuOperation{{Type: "unlinkAll"}}}, ""},
		{tasks.PublishRichMenu{Menu: menu, Image: image, ImageType: "image/png", Alias: "main", Default: true}, "richmenu-"},
		{tasks.DeleteRichMenu{RichMenuID: deleted}, ""},
		{tasks.SetDefaultRichMenu{RichMenuID: menuID}, ""},
		{tasks.ClearDefaultRichMenu{}, ""},
		{tasks.ShowLoading{UserID: user(1), Seconds: 10}, ""},
		{tasks.MarkAsRead{MarkAsReadToken: "some-token"}, ""},
		{tasks.Profile{UserID: user(1)}, `"userId":"` + user(1)},
		{tasks.GroupMemberProfile{GroupID: group, UserID: user(2)}, `"userId":"` + user(2)},
		{tasks.RoomMemberProfile{RoomID: room, UserID: user(3)}, `"userId":"` + user(3)},
		{tasks.GroupMembers{GroupID: group}, memberData},
		{tasks.RoomMembers{RoomID: room}, memberData},
		{tasks.LinkToken{UserID: user(1)}, `"linkToken":`},
		{tasks.LeaveGroup{GroupID: group}, ""},
		{tasks.LeaveRoom{RoomID: room}, ""},
	}
	registry := prometheus.NewRegistry()
	s.work(t, func(cfg *worker.Config) { cfg.Metrics = registry })
	tried := map[tasks.Kind]bool{}
	for _, sample := range samples {
		t.Run(string(sample.task.Kind()), func(t *testing.T) {
			tried[sample.task.Kind()] = true
			ticket, err := s.q.Enqueue(ctx, sample.task)
			require.NoError(t, err)
			r := s.wait(t, ticket)
			require.Equal(t, tasks.OutcomeSent, r.Outcome, "%+v", r)
			assert.Contains(t, string(r.Data), sample.data)
			assert.Equal(t, sample.data == "", r.Data == nil, "data of a task that looks nothing up: %s", r.Data)
		})
	}
	for _, k := range tasks.Kinds() {
		assert.True(t, tried[k], "no sample of %s", k)
	}
	noStrangersInLabels(t, registry)
}

func TestRefusedForGood(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	require.NoError(t, s.line.AddUser(linesim.User{ID: user(9), State: linesim.Unknown}))
	s.work(t)
	ticket := s.push(t, user(9))
	r := s.wait(t, ticket)
	assert.Equal(t, tasks.OutcomeFailed, r.Outcome)
	assert.Equal(t, lineapi.Invalid, r.Reason)
	assert.Equal(t, "Failed to send messages", r.Error)
	assert.Equal(t, 1, r.Attempts)
	assert.NotEmpty(t, r.RequestID)

	// The user adds the account, and an operator runs the task again.
	require.NoError(t, s.line.AddUser(linesim.User{ID: user(9)}))
	again, err := s.q.Run(t.Context(), ticket.ID)
	require.NoError(t, err)
	r = s.wait(t, again)
	assert.Equal(t, tasks.OutcomeSent, r.Outcome)
	assert.Equal(t, 2, r.Attempts)
	assert.Len(t, s.line.Ledger().Received(user(9)), 1)
}

func TestALostAnswer(t *testing.T) {
	t.Parallel()
	t.Run("with a retry key it is repeated and found accepted", func(t *testing.T) {
		for _, kind := range []linesim.FaultKind{linesim.FaultAccept500, linesim.FaultAcceptCut} {
			s := onMini(t)
			require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: kind, Count: 1}}))
			s.work(t)
			r := s.wait(t, s.push(t, user(1)))
			assert.Equal(t, tasks.OutcomeSent, r.Outcome)
			assert.True(t, r.Replayed)
			assert.Equal(t, 2, r.Attempts)
			got := s.line.Ledger().Received(user(1))
			require.Len(t, got, 1)
			assert.Equal(t, got[0].RequestID, r.RequestID, "the id of the accepted attempt")
		}
	})
	t.Run("a reply is not repeated", func(t *testing.T) {
		s := onMini(t)
		require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultAccept500, Operation: "replyMessage", Count: 1}}))
		token, err := s.line.NewReplyToken(linesim.DefaultChannel.ID, user(1))
		require.NoError(t, err)
		s.work(t)
		ticket, err := s.q.Reply(t.Context(), token, lineapi.Text("hi"))
		require.NoError(t, err)
		r := s.wait(t, ticket)
		assert.Equal(t, tasks.OutcomeUnknown, r.Outcome)
		assert.Equal(t, lineapi.Server, r.Reason)
		assert.Equal(t, 1, r.Attempts)
		assert.Len(t, s.line.Ledger().Received(user(1)), 1)
	})
	t.Run("a group that was left already is left", func(t *testing.T) {
		s := onMini(t)
		require.NoError(t, s.line.AddChat(linesim.Chat{ID: group}))
		require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultAccept500, Operation: "leaveGroup", Count: 1}}))
		s.work(t)
		ticket, err := s.q.Enqueue(t.Context(), tasks.LeaveGroup{GroupID: group})
		require.NoError(t, err)
		r := s.wait(t, ticket)
		assert.Equal(t, tasks.OutcomeSent, r.Outcome)
		assert.Equal(t, 2, r.Attempts)
	})
	t.Run("a refusal after it proves nothing", func(t *testing.T) {
		s := onMini(t)
		require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultAcceptCut, Count: 1}}))
		s.work(t)
		ticket := s.push(t, user(1))
		s.waitFor(t, ticket, tasks.StateWaiting)
		require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultRefuse, Status: 400, Count: 1}}))
		r := s.wait(t, ticket)
		assert.Equal(t, tasks.OutcomeUnknown, r.Outcome)
		assert.Equal(t, lineapi.Invalid, r.Reason)
		assert.Equal(t, 2, r.Attempts)
	})
}

func TestWaitsAreNoFailures(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]linesim.Fault{
		"429":              {Kind: linesim.FaultRefuse, Status: 429, Count: 3},
		"refused with 503": {Kind: linesim.FaultRefuse, Status: 503, Count: 2},
		"HTML of the edge": {Kind: linesim.FaultEdgeHTML, Count: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := onMini(t)
			require.NoError(t, s.line.SetFaults([]linesim.Fault{fault}))
			s.work(t)
			r := s.wait(t, s.push(t, user(1)))
			assert.Equal(t, tasks.OutcomeSent, r.Outcome)
			assert.Equal(t, fault.Count+1, r.Attempts)
			assert.Len(t, s.line.Ledger().Received(user(1)), 1)
		})
	}
}

func TestATokenThatRenewsItself(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultRefuse, Status: 401, Count: 1}}))
	token, err := lineapi.NewStatelessToken(lineapi.StatelessConfig{
		ChannelID: linesim.DefaultChannel.ID, ChannelSecret: linesim.DefaultChannel.Secret, Origin: s.server.URL,
	})
	require.NoError(t, err)
	c, err := lineapi.New(lineapi.Config{Token: token, Origin: s.server.URL, DataOrigin: s.server.URL})
	require.NoError(t, err)
	s.work(t, func(cfg *worker.Config) { cfg.Channels[tasks.DefaultChannel] = c })
	r := s.wait(t, s.push(t, user(1)))
	assert.Equal(t, tasks.OutcomeSent, r.Outcome)
	assert.Equal(t, 2, r.Attempts)
	assert.Zero(t, s.logs.FilterLevelExact(zapcore.ErrorLevel).Len(), "nobody has to act")
}

func TestTheDeadlinePasses(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	ticket := s.push(t, user(1), producer.Deadline(time.Now().Add(300*time.Millisecond)))
	<-time.After(320 * time.Millisecond) // the deadline is real time's: Redis's clock decides
	s.work(t)
	r := s.wait(t, ticket)
	assert.Equal(t, tasks.OutcomeFailed, r.Outcome)
	assert.Equal(t, lineapi.Expired, r.Reason)
	assert.Zero(t, r.Attempts)
	assert.Zero(t, s.line.Ledger().Count(user(1)))
}

func TestAScheduledPushIsNeverEarly(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	s.work(t)
	at := time.Now().Add(1200 * time.Millisecond)
	r := s.wait(t, s.push(t, user(1), producer.At(at)))
	require.Equal(t, tasks.OutcomeSent, r.Outcome)
	assert.False(t, s.line.Ledger().Received(user(1))[0].At.Before(at))
}

func TestUrgentPushesHaveAQueueOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	s.work(t)
	ticket := s.push(t, user(1), producer.Urgent())
	assert.Equal(t, "lineq-urgent", ticket.Queue)
	assert.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
}

func TestManyChannels(t *testing.T) {
	t.Parallel()
	_, rdb := redistest.Mini(t)
	channels := []linesim.Channel{linesim.DefaultChannel}
	for i := range 5 {
		channels = append(channels, linesim.Channel{ID: fmt.Sprint("200000000", i), Token: fmt.Sprint("token-", i)})
	}
	s := newStage(t, rdb, linesim.Config{Channels: channels})
	s.work(t, func(cfg *worker.Config) {
		for i := range 5 {
			c, err := lineapi.New(lineapi.Config{
				Token: lineapi.StaticToken(fmt.Sprint("token-", i)), Origin: s.server.URL, DataOrigin: s.server.URL,
			})
			require.NoError(t, err)
			cfg.Channels[fmt.Sprint("shop-", i)] = c
		}
	})
	for i := range 5 {
		ticket := s.push(t, user(i), producer.Channel(fmt.Sprint("shop-", i)), producer.ID("the-same-id"))
		assert.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
		got := s.line.Ledger().Received(user(i))
		require.Len(t, got, 1)
		assert.Equal(t, fmt.Sprint("200000000", i), got[0].Channel)
	}
}

func TestNothingSecretIsLoggedOrNamed(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	require.NoError(t, s.line.AddUser(linesim.User{ID: user(9), State: linesim.Unknown}))
	require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultAccept500, Count: 1}}))
	registry := prometheus.NewRegistry()
	s.work(t, s.with(t, "shop", "revoked-token-of-shop"), func(cfg *worker.Config) { cfg.Metrics = registry })
	s.wait(t, s.push(t, user(1)))
	s.wait(t, s.push(t, user(9)))
	s.push(t, user(7), producer.Channel("shop"))
	hold := s.holds(t, "shop", lineapi.Auth)
	require.Eventually(t, func() bool { return testutil.CollectAndCount(registry, "lineq_channel_held") == 1 },
		time.Minute, 5*time.Millisecond)
	const replyToken = "reply-token-nobody-may-log"
	ticket, err := s.q.Reply(t.Context(), replyToken, lineapi.Text(secretText))
	require.NoError(t, err)
	r := s.wait(t, ticket)
	assert.Equal(t, "Invalid reply token", r.Error)
	s.nothingIsLeft(t, ticket)

	secrets := []string{
		secretText, replyToken, linesim.DefaultChannel.Token, "revoked-token-of-shop", user(1), user(7), user(9),
	}
	outcomes := 0
	for _, e := range s.logs.All() {
		if e.ContextMap()["outcome"] != nil {
			outcomes++
		}
		for _, secret := range secrets {
			assert.NotContains(t, fmt.Sprint(e.Message, e.ContextMap()), secret)
		}
	}
	assert.Equal(t, 3, outcomes, "one line per outcome")
	for _, key := range s.rdb.Keys(t.Context(), "*").Val() {
		for _, secret := range secrets {
			assert.NotContains(t, key, secret)
		}
	}
	lines, err := s.records.LogTail(t.Context(), "default", 10)
	require.NoError(t, err)
	text, err := json.Marshal(lines)
	require.NoError(t, err)
	metrics, err := registry.Gather()
	require.NoError(t, err)
	require.NotEmpty(t, metrics)
	for _, secret := range secrets {
		assert.NotContains(t, string(text), secret)
		assert.NotContains(t, fmt.Sprint(hold), secret, "a hold")
		assert.NotContains(t, fmt.Sprint(metrics), secret, "metrics")
	}
}

func TestAClockThatIsOffIsTold(t *testing.T) {
	t.Parallel()
	for offset, want := range map[time.Duration]int{0: 0, 10 * time.Minute: 1, -10 * time.Minute: 1} {
		m, rdb := redistest.Mini(t)
		m.SetTime(time.Now().Add(offset))
		s := newStage(t, rdb, linesim.Config{})
		s.work(t)
		require.Eventually(t, func() bool { return s.logs.FilterMessage("worker started").Len() == 1 },
			time.Minute, time.Millisecond)
		assert.Equal(t, want, s.logs.FilterMessageSnippet("clock").Len(), offset)
	}
}

func TestRecordsAreKeptAsLongAsConfigured(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	require.NoError(t, s.line.AddUser(linesim.User{ID: user(9), State: linesim.Unknown}))
	s.work(t, func(c *worker.Config) {
		c.Retention.Sent, c.Retention.Failed = 30*time.Hour, 300*time.Hour
	})
	for to, want := range map[string]time.Duration{user(1): 30 * time.Hour, user(9): 300 * time.Hour} {
		ticket := s.push(t, to)
		s.wait(t, ticket)
		left := s.rdb.PTTL(t.Context(), "lineq:{default:t:"+ticket.ID+"}").Val()
		assert.InDelta(t, want.Hours(), left.Hours(), 0.1)
	}
}
