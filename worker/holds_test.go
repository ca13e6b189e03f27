package worker_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// with changes the stage's token, or adds a channel with its own.
func (s *stage) with(t *testing.T, name, token string) func(*worker.Config) {
	t.Helper()
	c, err := lineapi.New(lineapi.Config{
		Token: lineapi.StaticToken(token), Origin: s.server.URL, DataOrigin: s.server.URL,
	})
	require.NoError(t, err)
	return func(cfg *worker.Config) { cfg.Channels[name] = c }
}

// holds waits until a channel is held for just this reason, or for none.
func (s *stage) holds(t *testing.T, name string, want lineapi.Reason) (h channel.Hold) {
	t.Helper()
	require.Eventually(t, func() bool {
		all, err := channel.Holds(t.Context(), s.rdb, name)
		if err != nil || want == "" {
			return err == nil && len(all[name]) == 0
		}
		if len(all[name]) != 1 {
			return false
		}
		h = all[name][0]
		return h.Reason == want
	}, time.Minute, 5*time.Millisecond)
	return h
}

func (s *stage) errorLines() []string {
	var all []string
	for _, e := range s.logs.FilterLevelExact(zapcore.ErrorLevel).All() {
		all = append(all, e.Message)
	}
	return all
}

// oneAlarm waits for the one line of all tasks that are held.
func (s *stage) oneAlarm(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.errorLines()) > 0 }, time.Minute, 5*time.Millisecond)
	assert.Equal(t, []string{"channel held until somebody acts"}, s.errorLines())
}

func TestARefusedTokenHoldsItsChannelAlone(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{Channels: []linesim.Channel{
			linesim.DefaultChannel, {ID: "2", Secret: "s", Token: "token-of-shop"},
		}})
		registry := prometheus.NewRegistry()
		stop := s.work(t, s.with(t, tasks.DefaultChannel, "revoked"), s.with(t, "shop", "token-of-shop"), func(c *worker.Config) {
			c.Metrics = registry
		})
		var waiting []producer.Ticket
		for i := range 50 {
			waiting = append(waiting, s.push(t, user(i)))
		}
		waiting = append(waiting, s.push(t, user(50), producer.Urgent()))
		h := s.holds(t, tasks.DefaultChannel, lineapi.Auth)
		assert.NotZero(t, h.Since)
		assert.Zero(t, h.Until)
		assert.Contains(t, h.Note, "Authentication failed")

		other := s.push(t, user(99), producer.Channel("shop"))
		assert.Equal(t, tasks.OutcomeSent, s.wait(t, other).Outcome, "another channel goes on")
		s.waitFor(t, waiting[50], tasks.StateWaiting)
		s.oneAlarm(t)
		require.Eventually(t, func() bool {
			return testutil.CollectAndCount(registry, "lineq_channel_held") == 1
		}, time.Minute, 5*time.Millisecond)

		// An operator who resumes without a new token changes nothing.
		_, err := channel.Lift(t.Context(), rdb, tasks.DefaultChannel, lineapi.Auth)
		require.NoError(t, err)
		s.holds(t, tasks.DefaultChannel, lineapi.Auth)

		// A worker whose token works lifts the hold.
		stop()
		s.work(t)
		for i, ticket := range waiting {
			require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
			require.Equal(t, 1, s.line.Ledger().Count(user(i)))
		}
	})
}

func TestAWorkerTellsThatAChannelIsHeld(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	hold := channel.Hold{Reason: channel.Operator, By: "kim@office", Note: "wrong price"}
	_, err := channel.Put(t.Context(), s.rdb, tasks.DefaultChannel, hold)
	require.NoError(t, err)
	// told waits for the nth line about it, and for no more than n.
	told := func(n int) map[string]any {
		t.Helper()
		lines := func() []observer.LoggedEntry { return s.logs.FilterMessage("channel is held").All() }
		require.Eventually(t, func() bool { return len(lines()) >= n }, time.Minute, 5*time.Millisecond)
		require.Len(t, lines(), n)
		return lines()[n-1].ContextMap()
	}
	stop := s.work(t)
	line := told(1)
	assert.Equal(t, tasks.DefaultChannel, line["channel"])
	assert.Equal(t, string(channel.Operator), line["reason"])
	assert.Equal(t, hold.By, line["by"])
	assert.Equal(t, hold.Note, line["note"])

	_, err = channel.Lift(t.Context(), s.rdb, tasks.DefaultChannel, channel.Operator)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.logs.FilterMessage("channel goes on").Len() == 1 },
		time.Minute, 5*time.Millisecond)
	_, err = channel.Put(t.Context(), s.rdb, tasks.DefaultChannel, hold)
	require.NoError(t, err)
	told(2)
	stop()
	told(2)
}

func TestATokenThatRenewsItselfIsRenewed(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	source, err := lineapi.NewStatelessToken(lineapi.StatelessConfig{
		ChannelID: linesim.DefaultChannel.ID, ChannelSecret: linesim.DefaultChannel.Secret, Origin: s.server.URL,
	})
	require.NoError(t, err)
	c, err := lineapi.New(lineapi.Config{Token: source, Origin: s.server.URL, DataOrigin: s.server.URL})
	require.NoError(t, err)
	s.work(t, func(cfg *worker.Config) { cfg.Channels[tasks.DefaultChannel] = c })
	require.Equal(t, tasks.OutcomeSent, s.wait(t, s.push(t, user(1))).Outcome)

	require.NoError(t, s.line.SetFaults([]linesim.Fault{
		{Kind: linesim.FaultRefuse, Status: http.StatusUnauthorized, Count: 1},
	}))
	require.Equal(t, tasks.OutcomeSent, s.wait(t, s.push(t, user(2))).Outcome)
	assert.Empty(t, s.errorLines())
	assert.Equal(t, int64(2), s.line.Stats().Requests["issueStatelessChannelToken"][http.StatusOK])
}

func TestASpentQuotaHoldsWhatCosts(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		limited := linesim.DefaultChannel
		limited.Quota.Limit = 3
		s := newStage(t, rdb, linesim.Config{Channels: []linesim.Channel{limited}})
		s.work(t)
		var tickets []producer.Ticket
		for i := range 6 {
			tickets = append(tickets, s.push(t, user(i)))
		}
		multicast, err := s.q.Multicast(t.Context(), []string{user(20), user(21)}, lineapi.Text("hi"))
		require.NoError(t, err)
		h := s.holds(t, tasks.DefaultChannel, lineapi.Quota)
		assert.Zero(t, h.Until)
		assert.Contains(t, h.Note, "left of this month's quota")
		s.oneAlarm(t)

		token, err := s.line.NewReplyToken(limited.ID, user(7))
		require.NoError(t, err)
		reply, err := s.q.Reply(t.Context(), token, lineapi.Text("hi"))
		require.NoError(t, err)
		assert.Equal(t, tasks.OutcomeSent, s.wait(t, reply).Outcome, "replies cost nothing")

		require.NoError(t, s.line.SetQuota(limited.ID, linesim.Quota{Limit: 100, Used: 3}))
		lifted, err := channel.Lift(t.Context(), rdb, tasks.DefaultChannel, lineapi.Quota)
		require.NoError(t, err)
		require.True(t, lifted)
		for i, ticket := range tickets {
			require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
			require.Equal(t, 1, s.line.Ledger().Count(user(i)))
		}
		assert.Equal(t, tasks.OutcomeSent, s.wait(t, multicast).Outcome)
	})
}

func TestTheNextCheckFindsRoom(t *testing.T) {
	t.Parallel()
	limited := linesim.DefaultChannel
	limited.Quota.Limit = 1
	_, rdb := redistest.Mini(t)
	s := newStage(t, rdb, linesim.Config{Channels: []linesim.Channel{limited}})
	stop := s.work(t)
	first, second := s.push(t, user(1)), s.push(t, user(2))
	s.holds(t, tasks.DefaultChannel, lineapi.Quota)
	stop()
	require.NoError(t, s.line.SetQuota(limited.ID, linesim.Quota{Limit: 2, Used: 1}))
	s.work(t)
	assert.Equal(t, tasks.OutcomeSent, s.wait(t, first).Outcome)
	assert.Equal(t, tasks.OutcomeSent, s.wait(t, second).Outcome)
	s.holds(t, tasks.DefaultChannel, "")
}

// inFront answers requests itself, or leaves them to the simulated LINE by returning false.
func (s *stage) inFront(t *testing.T, answer func(w http.ResponseWriter, r *http.Request) bool) {
	t.Helper()
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answer(w, r) {
			s.line.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.server.Close)
}

func tooMany(w http.ResponseWriter, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusTooManyRequests)
	_, _ = w.Write([]byte(`{"message":"` + message + `"}`))
}

func TestAQuotaThatIsSetAsideIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	s.inFront(t, func(w http.ResponseWriter, r *http.Request) bool {
		refuse := strings.HasSuffix(r.URL.Path, "/message/push")
		if refuse {
			tooMany(w, "You have reached your monthly limit.")
		}
		return refuse
	})
	s.work(t)
	s.push(t, user(1))
	h := s.holds(t, tasks.DefaultChannel, lineapi.Quota)
	assert.WithinDuration(t, time.Now().Add(3*time.Minute), h.Until, 30*time.Second)
	assert.Contains(t, h.Note, "set aside")
	assert.Empty(t, s.errorLines(), "nobody has to act")
}

func TestTooManyForOneRecipient(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	var pushes atomic.Int64
	s.inFront(t, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/message/push") || pushes.Add(1) > 1 {
			return false
		}
		tooMany(w, "Too many messages to this user.")
		return true
	})
	s.work(t)
	one := s.push(t, user(100))
	s.waitFor(t, one, tasks.StateWaiting)
	again := s.push(t, user(100))
	s.waitFor(t, again, tasks.StateWaiting)
	for _, ticket := range s.pushMany(t, 20) {
		assert.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome, "others go on")
	}
	assert.Equal(t, int64(21), pushes.Load(), "the second task for the same recipient didn't try")
	s.holds(t, tasks.DefaultChannel, "")

	for ticket, attempts := range map[producer.Ticket]int{one: 2, again: 1} {
		r := s.wait(t, ticket)
		assert.Equal(t, tasks.OutcomeSent, r.Outcome, "%+v", r)
		assert.Equal(t, attempts, r.Attempts)
	}
	assert.Equal(t, 2, s.line.Ledger().Count(user(100)), "each of the two once")
	assert.Equal(t, int64(23), pushes.Load())
}

func TestWhatWaitsInSharedQueuesIsWoken(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{})
		_, err := channel.Put(t.Context(), rdb, tasks.DefaultChannel, channel.Hold{Reason: channel.Operator, Note: "a move"})
		require.NoError(t, err)
		s.work(t)
		var tickets []producer.Ticket
		for i := range 30 {
			tickets = append(tickets, s.push(t, user(i), producer.Urgent()))
		}
		own := s.push(t, user(30))
		for _, ticket := range tickets {
			s.waitFor(t, ticket, tasks.StateWaiting)
		}
		info := s.inQueue(t, "default:"+tickets[0].ID, asynq.TaskStateRetry)
		assert.Equal(t, "the channel is held: operator", info.LastErr)
		assert.Zero(t, info.Retried, "a wait is no failed attempt")
		assert.Zero(t, s.line.Ledger().Totals().Recipients)

		_, err = channel.Lift(t.Context(), rdb, tasks.DefaultChannel, channel.Operator)
		require.NoError(t, err)
		for _, ticket := range append(tickets, own) {
			r := s.wait(t, ticket)
			require.Equal(t, tasks.OutcomeSent, r.Outcome)
			require.Equal(t, 1, r.Attempts)
		}
		require.Eventually(t, func() bool {
			names, err := channel.Attention(t.Context(), rdb)
			return err == nil && len(names) == 0
		}, time.Minute, 5*time.Millisecond)
	})
}

func TestAnOperatorsOwnPauseIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	ticket := s.push(t, user(1))
	inspector := asynq.NewInspectorFromRedisClient(s.rdb)
	require.NoError(t, inspector.PauseQueue(ticket.Queue))
	_, err := channel.Put(t.Context(), s.rdb, tasks.DefaultChannel, channel.Hold{Reason: channel.Operator})
	require.NoError(t, err)
	s.work(t)
	require.Eventually(t, func() bool {
		n, err := s.rdb.Exists(t.Context(), "asynq:{lineq-bulk-default}:paused").Result()
		return err == nil && n == 1
	}, time.Minute, 5*time.Millisecond)
	_, err = channel.Lift(t.Context(), s.rdb, tasks.DefaultChannel, channel.Operator)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		names, err := channel.Attention(t.Context(), s.rdb)
		return err == nil && len(names) == 0
	}, time.Minute, 5*time.Millisecond)
	info, err := inspector.GetQueueInfo(ticket.Queue)
	require.NoError(t, err)
	assert.True(t, info.Paused)
	require.NoError(t, inspector.UnpauseQueue(ticket.Queue))
	assert.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
}

const pushPaused = "asynq:{lineq-push-default}:paused"

func TestAPauseThatCameTooLateIsUndone(t *testing.T) {
	t.Parallel()
	t.Run("by the worker itself", func(t *testing.T) {
		t.Parallel()
		s := onMini(t)
		s.work(t)
		_, err := channel.Put(t.Context(), s.rdb, tasks.DefaultChannel, channel.Hold{Reason: channel.Operator})
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			return s.rdb.Exists(t.Context(), pushPaused).Val() == 1
		}, time.Minute, 5*time.Millisecond)
		ticket := s.push(t, user(1))
		// As if another worker had woken everything before this one paused.
		require.NoError(t, s.rdb.Del(t.Context(), "lineq:{default}:state").Err())
		require.NoError(t, s.rdb.SRem(t.Context(), "lineq:held", tasks.DefaultChannel).Err())
		assert.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	})
	t.Run("by the next one that starts", func(t *testing.T) {
		t.Parallel()
		s := onMini(t)
		require.NoError(t, s.rdb.Set(t.Context(), pushPaused, "lineq", 0).Err())
		ticket := s.push(t, user(1))
		s.work(t)
		assert.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	})
}

func TestASpentQuotaIsAskedForAlthoughOthersHaveJustAsked(t *testing.T) {
	t.Parallel()
	limited := linesim.DefaultChannel
	limited.Quota.Limit = 1
	_, rdb := redistest.Mini(t)
	s := newStage(t, rdb, linesim.Config{Channels: []linesim.Channel{limited}})
	asked, err := channel.Claim(t.Context(), rdb, tasks.DefaultChannel, "ask quota", time.Hour) // after a 429 of the rate
	require.NoError(t, err)
	require.True(t, asked)
	s.work(t)
	s.push(t, user(1))
	s.push(t, user(2))
	s.holds(t, tasks.DefaultChannel, lineapi.Quota)
}
