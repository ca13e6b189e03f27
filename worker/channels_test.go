package worker_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// withToken is a client for the stage's LINE.
func (s *stage) withToken(t *testing.T, token string) *lineapi.Client {
	t.Helper()
	cfg := worker.Config{Channels: map[string]*lineapi.Client{}}
	s.with(t, "one", token)(&cfg)
	return cfg.Channels["one"]
}

// shops are the simulated LINE's channels and clients for them, by name.
func shops(n int) (all []linesim.Channel, tokens map[string]string) {
	all, tokens = []linesim.Channel{linesim.DefaultChannel}, map[string]string{}
	for i := range n {
		c := linesim.Channel{ID: fmt.Sprint(2000000000 + i), Token: fmt.Sprint("token-", i)}
		all = append(all, c)
		tokens[fmt.Sprint("shop-", i)] = c.Token
	}
	return all, tokens
}

func (s *stage) clients(t *testing.T, tokens map[string]string) map[string]*lineapi.Client {
	t.Helper()
	all := map[string]*lineapi.Client{}
	for name, token := range tokens {
		all[name] = s.withToken(t, token)
	}
	return all
}

func only(all map[string]*lineapi.Client, names ...string) map[string]*lineapi.Client {
	some := map[string]*lineapi.Client{}
	for _, name := range names {
		some[name] = all[name]
	}
	return some
}

func TestChannelsJoinAndLeave(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		known, tokens := shops(3)
		s := newStage(t, rdb, linesim.Config{Channels: known})
		all := s.clients(t, tokens)
		w, _ := s.worker(t, func(c *worker.Config) { c.Channels = only(all, "shop-0", "shop-1") })
		on := func(name string, n int, opts ...producer.Option) producer.Ticket {
			return s.push(t, user(n), append(opts, producer.Channel(name))...)
		}
		require.Equal(t, tasks.OutcomeSent, s.wait(t, on("shop-0", 1)).Outcome)

		waiting, urgent := on("shop-2", 2), on("shop-2", 3, producer.Urgent())
		s.waitFor(t, urgent, tasks.StateWaiting)
		require.NoError(t, w.SetChannels(only(all, "shop-1", "shop-2"), limit.Limits{}))
		require.Equal(t, tasks.OutcomeSent, s.wait(t, waiting).Outcome, "it has joined")

		require.Eventually(t, func() bool {
			left := on("shop-0", 4)
			r, err := s.q.Result(t.Context(), left.ID, producer.Channel("shop-0"))
			return err == nil && r.State == tasks.StateQueued && s.line.Ledger().Count(user(4)) == 0
		}, time.Minute, 5*time.Millisecond)
		require.Equal(t, tasks.OutcomeSent, s.wait(t, on("shop-1", 5)).Outcome, "the others go on")
		left := on("shop-0", 6)
		require.Equal(t, tasks.OutcomeSent, s.wait(t, on("shop-2", 7)).Outcome)
		require.Zero(t, s.line.Ledger().Count(user(6)), "what has left isn't sent for")

		require.NoError(t, w.SetChannels(all, limit.Limits{}))
		require.Equal(t, tasks.OutcomeSent, s.wait(t, left).Outcome, "it is back")
		require.Equal(t, tasks.OutcomeSent, s.wait(t, urgent).Outcome, "what was put off for want of a worker comes again")
		known2, err := channel.Known(t.Context(), s.rdb)
		require.NoError(t, err)
		assert.ElementsMatch(t, []string{"shop-0", "shop-1", "shop-2"}, known2)
	})
}

func TestSetChannelsRefuses(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	w, _ := s.worker(t)
	good := s.client(t)
	for want, try := range map[string]func() error{
		"there are no channels": func() error { return w.SetChannels(nil, limit.Limits{}) },
		"has no client":         func() error { return w.SetChannels(map[string]*lineapi.Client{"shop": nil}, limit.Limits{}) },
		"channel name":          func() error { return w.SetChannels(map[string]*lineapi.Client{"a b": good}, limit.Limits{}) },
		"LINE has no such operation": func() error {
			return w.SetChannels(map[string]*lineapi.Client{"shop": good},
				limit.Limits{Channels: map[string]limit.Channel{"shop": {Rates: map[string]endpoint.Limit{"pushy": {Requests: 1, Per: time.Second}}}}})
		},
	} {
		require.ErrorContains(t, try(), want)
	}
	require.Equal(t, tasks.OutcomeSent, s.wait(t, s.push(t, user(1))).Outcome, "nothing has changed")
}

func TestANewTokenLiftsTheHold(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{})
		w, _ := s.worker(t, s.with(t, tasks.DefaultChannel, "revoked"))
		ticket := s.push(t, user(1))
		s.holds(t, tasks.DefaultChannel, lineapi.Auth)
		// No worker asks LINE about the hold on its own account for a while.
		_, err := channel.Claim(t.Context(), s.rdb, tasks.DefaultChannel, "check auth", time.Hour)
		require.NoError(t, err)
		require.NoError(t, w.SetChannels(map[string]*lineapi.Client{tasks.DefaultChannel: s.client(t)}, limit.Limits{}))
		require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
		s.holds(t, tasks.DefaultChannel, "")
	})
}

// revoke ends a long-lived token.
func (s *stage) revoke(t *testing.T, token string) {
	t.Helper()
	resp, err := http.PostForm(s.server.URL+"/v2/oauth/revoke", url.Values{"access_token": {token}})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.NoError(t, resp.Body.Close())
}

// A campaign and pushes go on with the next token, and the last one's end holds nobody.
func TestTheTokenOfARunningCampaignChanges(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{Latency: 20 * time.Millisecond})
		w, _ := s.worker(t)
		to := users(6000)
		s.seal(t, "c", campaign.Plan{Mode: campaign.Push, Templates: text("hello")}, 500, to)
		require.Eventually(t, func() bool { return s.line.Ledger().Totals().Requests > 500 }, time.Minute, time.Millisecond)
		source, err := lineapi.NewStatelessToken(lineapi.StatelessConfig{
			ChannelID: linesim.DefaultChannel.ID, ChannelSecret: linesim.DefaultChannel.Secret, Origin: s.server.URL,
		})
		require.NoError(t, err)
		next, err := lineapi.New(lineapi.Config{Token: source, Origin: s.server.URL, DataOrigin: s.server.URL})
		require.NoError(t, err)
		tickets := s.pushMany(t, 200)
		require.NoError(t, w.SetChannels(map[string]*lineapi.Client{tasks.DefaultChannel: next}, limit.Limits{}))
		s.revoke(t, linesim.DefaultChannel.Token)
		sum := s.ended(t, "c")
		assert.EqualValues(t, len(to), sum.Sent, "%+v", sum)
		for _, ticket := range tickets {
			require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
		}
		for i, id := range to {
			want := 1
			if i < len(tickets) {
				want = 2 // a push, too
			}
			require.Equal(t, want, s.line.Ledger().Count(id), id)
		}
		assert.Empty(t, s.errorLines(), "nobody was held")
	})
}

// commands counts what Redis was asked by all of its clients.
func commands(t *testing.T, rdb redis.UniversalClient) (n int64) {
	t.Helper()
	info, err := rdb.Info(t.Context(), "stats").Result()
	require.NoError(t, err)
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, "total_commands_processed:"); ok {
			_, err := fmt.Sscan(value, &n)
			require.NoError(t, err)
		}
	}
	return n
}

func TestAHundredChannels(t *testing.T) {
	t.Parallel()
	rdb := redistest.Start(t).Client(t)
	known, tokens := shops(100)
	s := newStage(t, rdb, linesim.Config{Channels: known})
	all := s.clients(t, tokens)
	before := runtime.NumGoroutine()
	w, _ := s.worker(t, func(c *worker.Config) { c.Channels = all })
	require.Eventually(t, func() bool { return s.logs.FilterMessage("worker started").Len() == 1 }, time.Minute, time.Millisecond)
	idle := runtime.NumGoroutine() - before
	start, asked := time.Now(), commands(t, rdb)
	require.Eventually(t, func() bool { return time.Since(start) > 3*time.Second }, time.Minute, 50*time.Millisecond)
	t.Logf("a hundred idle channels: %d goroutines, %.0f commands of Redis's a second", idle,
		float64(commands(t, rdb)-asked)/time.Since(start).Seconds())
	assert.Less(t, idle, 400, "a channel without work has no servers of its own")

	round := func(names map[string]string, n int) {
		t.Helper()
		var tickets []producer.Ticket
		for name := range names {
			tickets = append(tickets, s.push(t, user(n), producer.Channel(name)))
		}
		for _, ticket := range tickets {
			require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome, ticket.Channel)
		}
		require.Equal(t, len(names), s.line.Ledger().Count(user(n)), "once on each channel")
	}
	_, err := channel.Put(t.Context(), rdb, "shop-7", channel.Hold{Reason: channel.Operator})
	require.NoError(t, err)
	s.holds(t, "shop-7", channel.Operator)
	held := s.push(t, user(0), producer.Channel("shop-7"))
	others := maps.Clone(tokens)
	delete(others, "shop-7")
	round(others, 1)

	half := map[string]string{}
	for i := range 50 {
		half[fmt.Sprint("shop-", i)] = tokens[fmt.Sprint("shop-", i)]
	}
	names := make([]string, 0, len(half))
	for name := range half {
		names = append(names, name)
	}
	require.NoError(t, w.SetChannels(only(all, names...), limit.Limits{}))
	delete(half, "shop-7")
	round(half, 2)
	require.NoError(t, w.SetChannels(all, limit.Limits{}))
	round(others, 3)
	r, err := s.q.Result(t.Context(), held.ID, producer.Channel("shop-7"))
	require.NoError(t, err)
	require.Equal(t, tasks.StateQueued, r.State)
	_, err = channel.Lift(t.Context(), rdb, "shop-7", channel.Operator)
	require.NoError(t, err)
	require.Equal(t, tasks.OutcomeSent, s.wait(t, held).Outcome)
}
