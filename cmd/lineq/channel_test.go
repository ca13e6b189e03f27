package main

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks/channel"
)

func hold(t *testing.T, rdb redis.UniversalClient, name string, h channel.Hold) {
	t.Helper()
	_, err := channel.Put(t.Context(), rdb, name, h)
	require.NoError(t, err)
}

// reasons are those for which a channel is held.
func reasons(t *testing.T, rdb redis.UniversalClient, name string) (all []lineapi.Reason) {
	t.Helper()
	holds, err := channel.Holds(t.Context(), rdb, name)
	require.NoError(t, err)
	for _, h := range holds[name] {
		all = append(all, h.Reason)
	}
	return all
}

func TestChannelList(t *testing.T) {
	c, rdb := withMini(t)
	list := func() []channelState { return document[[]channelState](t, c.ok("channel", "list", "--json")) }

	o := c.run("channel", "list", "--json")
	assert.Equal(t, "[]\n", o.stdout)
	assert.Contains(t, o.stderr, "note: no worker has run")

	start := time.Now().Truncate(time.Second)
	require.NoError(t, channel.Register(t.Context(), rdb, "shop", "bank"))
	for _, more := range [][]string{nil, {"--in", "1h"}} {
		c.ok(append([]string{"send", "push", "--channel", "shop", "--to", user, "--text", secretText}, more...)...)
	}
	c.ok("send", "multicast", "--channel", "shop", "--to", user, "--text", secretText)
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Millisecond)
	hold(t, rdb, "shop", channel.Hold{Reason: lineapi.Auth, Note: "Authentication failed", By: "worker-1"})
	hold(t, rdb, "shop", channel.Hold{Reason: lineapi.Quota, Until: until})
	hold(t, rdb, "away", channel.Hold{Reason: channel.Operator})

	t.Run("JSON", func(t *testing.T) {
		all := list()
		require.Len(t, all, 3)
		assert.Equal(t, "away", all[0].Channel)
		assert.Equal(t, "held", all[0].State)
		assert.Nil(t, all[0].LastSeenAt, "no worker has ever served it")
		assert.Equal(t, channelState{
			Channel: "bank", State: "running", Holds: []holdState{}, LastSeenAt: all[1].LastSeenAt,
		}, all[1])
		assert.False(t, all[1].LastSeenAt.Before(start))
		assert.Equal(t, channelState{
			Channel: "shop", State: "held", Waiting: 3, LastSeenAt: all[2].LastSeenAt, Holds: []holdState{
				{Reason: "auth", Since: all[2].Holds[0].Since, Note: "Authentication failed", By: "worker-1"},
				{Reason: "quota", Since: all[2].Holds[1].Since, Until: &until},
			},
		}, all[2])
		assert.False(t, all[2].Holds[0].Since.Before(start))
		assert.Contains(t, c.ok("channel", "list", "--json"),
			`{"channel":"bank","state":"running","holds":[],"waiting":0,"last_seen_at":"`)
	})
	t.Run("for people", func(t *testing.T) {
		var fields [][]string
		for line := range strings.Lines(c.ok("channel", "list")) {
			fields = append(fields, strings.Fields(line))
		}
		require.Len(t, fields, 5)
		assert.Equal(t, "CHANNEL STATE WAITING LAST SEEN REASON SINCE UNTIL NOTE", strings.Join(fields[0], " "))
		assert.Equal(t, []string{"away", "held", "0", "operator"}, fields[1][:4])
		assert.Equal(t, []string{"bank", "running", "0"}, fields[2][:3])
		assert.Equal(t, []string{"shop", "held", "3"}, fields[3][:3])
		assert.Equal(t, "lifted Authentication failed", strings.Join(fields[3][len(fields[3])-3:], " "))
		assert.Equal(t, []string{"shop", "held", "quota"}, fields[4][:3])
	})
}

func TestChannelHoldAndResume(t *testing.T) {
	c, rdb := withMini(t)
	c.env["USER"] = "mei"
	require.NoError(t, channel.Register(t.Context(), rdb, "shop", "bank"))
	one := func(args ...string) channelState {
		t.Helper()
		all := document[[]channelState](t, c.ok(append([]string{"channel"}, append(args, "--json")...)...))
		require.Len(t, all, 1)
		return all[0]
	}

	s := one("hold", "shop", "--note", "wrong price")
	assert.Equal(t, "held", s.State)
	require.Len(t, s.Holds, 1)
	assert.Equal(t, channel.Operator, s.Holds[0].Reason)
	assert.Equal(t, "wrong price", s.Holds[0].Note)
	assert.Nil(t, s.Holds[0].Until)
	assert.True(t, strings.HasPrefix(s.Holds[0].By, "mei"), s.Holds[0].By)
	since := s.Holds[0].Since

	t.Run("a second time", func(t *testing.T) {
		s := one("hold", "shop", "--for", "2h")
		assert.Equal(t, since, s.Holds[0].Since)
		require.NotNil(t, s.Holds[0].Until)
		assert.InDelta(t, 2*time.Hour, time.Until(*s.Holds[0].Until), float64(time.Minute))
	})
	t.Run("one reason", func(t *testing.T) {
		hold(t, rdb, "shop", channel.Hold{Reason: lineapi.Quota})
		hold(t, rdb, "shop", channel.Hold{Reason: lineapi.Auth})
		s := one("resume", "shop", "--reason", "quota")
		assert.Equal(t, "held", s.State)
		assert.ElementsMatch(t, []lineapi.Reason{lineapi.Auth, channel.Operator}, reasons(t, rdb, "shop"))
		o := c.run("channel", "resume", "shop", "--reason", "quota")
		assert.Zero(t, o.code)
		assert.Contains(t, o.stderr, "note: the channel shop was not held for the reason quota")
	})
	t.Run("every reason", func(t *testing.T) {
		s := one("resume", "shop")
		assert.Equal(t, "running", s.State)
		assert.Empty(t, s.Holds)
		attention, err := channel.Attention(t.Context(), rdb)
		require.NoError(t, err)
		assert.Equal(t, []string{"shop"}, attention, "until a worker has woken its tasks")
	})
	t.Run("what isn't held", func(t *testing.T) {
		o := c.run("channel", "resume", "bank")
		assert.Zero(t, o.code)
		assert.Contains(t, o.stderr, "note: the channel bank was not held\n")
		assert.Contains(t, o.stdout, "bank     running")
	})
	t.Run("a channel that no worker serves any more", func(t *testing.T) {
		hold(t, rdb, "gone", channel.Hold{Reason: lineapi.Auth})
		assert.Equal(t, "running", one("resume", "gone").State)
	})
	for _, args := range [][]string{{"hold", "shpo"}, {"resume", "shpo"}} {
		t.Run("misspelt, "+args[0], func(t *testing.T) {
			o := c.run(append([]string{"channel"}, args...)...)
			assert.Equal(t, 2, o.code)
			assert.Contains(t, o.stderr, `lineq: no worker serves the channel "shpo"`)
			assert.Contains(t, o.stderr, "hint: known are bank, shop")
			assert.Empty(t, reasons(t, rdb, "shpo"))
		})
	}
	for name, test := range map[string]struct {
		args []string
		says string
	}{
		"name":   {[]string{"hold", "a{b}"}, "channel name"},
		"time":   {[]string{"hold", "shop", "--for=-1h"}, "--for must be above zero"},
		"reason": {[]string{"resume", "shop", "--reason", "rate_limited"}, "--reason must be one of"},
		"nobody": {[]string{"hold"}, `expected "<name>"`},
	} {
		t.Run("misuse: "+name, func(t *testing.T) {
			o := c.run(append([]string{"channel"}, test.args...)...)
			assert.Equal(t, 2, o.code)
			assert.Contains(t, o.stderr, test.says)
			assert.Contains(t, o.stderr, "  hint: see lineq channel")
		})
	}
	t.Run("before any worker has run", func(t *testing.T) {
		c, rdb := withMini(t)
		c.ok("channel", "hold", "new")
		assert.Equal(t, []lineapi.Reason{channel.Operator}, reasons(t, rdb, "new"))
		c.ok("channel", "resume", "new")
	})
}

// withLine gives a cli a simulated LINE with three channels: shop has a token and a quota of 10, bank has neither limit
// nor trouble, news has a token that LINE refuses.
func withLine(t *testing.T) (cli, redis.UniversalClient, *linesim.Simulator) {
	c, rdb := withMini(t)
	sim, err := linesim.New(linesim.Config{Channels: []linesim.Channel{
		{ID: "1", Token: secretToken, Name: "Shop\x1b[31m", Quota: linesim.Quota{Limit: 10, Used: 4}},
		{ID: "2", Secret: secretSecret, Name: "銀行"},
	}})
	require.NoError(t, err)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	c.env["SHOP"], c.env["NEWS"], c.env["BANK"] = secretToken, secretToken+"-of-yesterday", secretSecret
	c.env["LINEQ_CONFIG"] = file(t, "lineq.yaml", fmt.Sprintf(`
line-origin: %s
channels:
  shop: {token_env: SHOP}
  bank: {channel_id: "2", secret_env: BANK}
  news: {token_env: NEWS}
`, server.URL))
	return c, rdb, sim
}

func TestChannelCheck(t *testing.T) {
	c, rdb, sim := withLine(t)
	number := func(n int64) *int64 { return &n }
	for _, reason := range channel.Reasons {
		for _, name := range []string{"shop", "news"} {
			hold(t, rdb, name, channel.Hold{Reason: reason})
		}
	}

	o := c.run("channel", "check", "--json")
	assert.Equal(t, 1, o.code)
	assert.Contains(t, o.stderr, "lineq: LINE refuses the token of news\n  hint: give this command and the worker a new one")
	all := document[[]checked](t, o.stdout)
	require.Len(t, all, 3)
	t.Run("a token that works", func(t *testing.T) {
		bank := all[0]
		assert.Equal(t, checked{
			Channel: "bank", Token: "ok", BotName: "銀行", BasicID: bank.BasicID, Quota: &quotaState{},
			Lifted: []lineapi.Reason{}, Holds: []holdState{},
		}, bank)
		assert.NotEmpty(t, bank.BasicID)
	})
	t.Run("a token that LINE refuses", func(t *testing.T) {
		news := all[1]
		assert.Equal(t, checked{
			Channel: "news", Token: "refused", Error: news.Error, Lifted: []lineapi.Reason{}, Holds: news.Holds,
		}, news)
		assert.Contains(t, news.Error, "401")
		assert.Len(t, reasons(t, rdb, "news"), 3)
	})
	t.Run("holds that are over", func(t *testing.T) {
		shop := all[2]
		assert.Equal(t, &quotaState{Limit: number(10), Used: 4, Left: number(6)}, shop.Quota)
		assert.Equal(t, []lineapi.Reason{lineapi.Auth, lineapi.Quota}, shop.Lifted)
		require.Len(t, shop.Holds, 1)
		assert.Equal(t, []lineapi.Reason{channel.Operator}, reasons(t, rdb, "shop"))
		assert.Contains(t, o.stderr, "note: the channel shop is no longer held for the reason auth\n")
		assert.Contains(t, o.stderr, "note: the channel shop is no longer held for the reason quota\n")
	})
	t.Run("a quota that is spent", func(t *testing.T) {
		require.NoError(t, sim.SetQuota("1", linesim.Quota{Limit: 10, Used: 12}))
		hold(t, rdb, "shop", channel.Hold{Reason: lineapi.Auth})
		hold(t, rdb, "shop", channel.Hold{Reason: lineapi.Quota})
		o := c.run("channel", "check", "shop", "--json")
		assert.Zero(t, o.code, o.stderr)
		all := document[[]checked](t, o.stdout)
		require.Len(t, all, 1)
		assert.Equal(t, &quotaState{Limit: number(10), Used: 12, Left: number(0)}, all[0].Quota)
		assert.Equal(t, []lineapi.Reason{lineapi.Auth}, all[0].Lifted)
		assert.ElementsMatch(t, []lineapi.Reason{lineapi.Quota, channel.Operator}, reasons(t, rdb, "shop"))
		assert.NotContains(t, o.stderr, "reason quota")
	})
	t.Run("for people", func(t *testing.T) {
		o := c.run("channel", "check", "shop", "bank", "news")
		assert.Equal(t, 1, o.code)
		lines := strings.Split(o.stdout, "\n")
		require.Len(t, lines, 5)
		assert.Equal(t, "CHANNEL TOKEN BOT LIMIT USED LEFT HELD ERROR", strings.Join(strings.Fields(lines[0]), " "))
		assert.Regexp(t, `^bank +ok +銀行 @\S+ +none +0 +unlimited$`, lines[1])
		assert.Regexp(t, `^news +refused +auth,operator,quota +getBotInfo: 401`, sortHeld(lines[2]))
		assert.Regexp(t, `^shop +ok +Shop \[31m @\S+ +10 +12 +0 +operator,quota$`, lines[3])
	})
	t.Run("LINE is away", func(t *testing.T) {
		hold(t, rdb, "shop", channel.Hold{Reason: lineapi.Auth})
		o := c.run("channel", "check", "shop", "--json", "--line-origin", "http://127.0.0.1:1")
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, "lineq: LINE could not be asked about shop\n")
		all := document[[]checked](t, o.stdout)
		require.Len(t, all, 1)
		assert.Equal(t, "unknown", all[0].Token)
		assert.Contains(t, all[0].Error, "connection refused")
		assert.Nil(t, all[0].Quota)
		assert.Contains(t, reasons(t, rdb, "shop"), lineapi.Auth)
	})
	t.Run("no token here", func(t *testing.T) {
		o := c.run("channel", "check", "shop", "nowhere")
		assert.Equal(t, 2, o.code)
		assert.Contains(t, o.stderr, `there is no token here for the channel "nowhere"`)
		assert.Contains(t, o.stderr, "hint: there is one for bank, news, shop")
	})
	t.Run("no secrets in Redis", func(t *testing.T) {
		c.ok("channel", "resume", "news")
		keys, err := rdb.Keys(t.Context(), "*").Result()
		require.NoError(t, err)
		for _, key := range keys {
			assertNoSecrets(t, key)
			if value, err := rdb.HGetAll(t.Context(), key).Result(); err == nil {
				assertNoSecrets(t, fmt.Sprint(value))
			}
		}
	})
}

// sortHeld puts reasons that began at the same moment in order.
func sortHeld(line string) string {
	return strings.NewReplacer("auth,quota,operator", "auth,operator,quota").Replace(line)
}

func TestQuota(t *testing.T) {
	c, _, sim := withLine(t)
	delete(c.env, "LINEQ_REDIS")

	o := c.run("quota", "--json")
	assert.Equal(t, 1, o.code)
	assert.Equal(t, `[{"channel":"bank","limit":null,"used":0,"left":null},`+
		`{"channel":"shop","limit":10,"used":4,"left":6}]`+"\n", o.stdout)
	assert.Contains(t, o.stderr, "lineq: quota of the channel news: getMessageQuota: 401")
	assert.Contains(t, o.stderr, "\n  hint: give this command and the worker a new one")

	require.NoError(t, sim.SetQuota("1", linesim.Quota{Limit: 10, Used: 11}))
	assert.Equal(t, `[{"channel":"shop","limit":10,"used":11,"left":0}]`+"\n", c.ok("quota", "--channel", "shop", "--json"))
	assert.Equal(t, "CHANNEL  LIMIT  USED  LEFT\nshop     10     11    0\n", c.ok("quota", "--channel", "shop"))
	assert.Equal(t, "CHANNEL  LIMIT  USED  LEFT\nbank     none   0     unlimited\n", c.ok("quota", "--channel", "bank"))

	o = c.run("quota", "--channel", "news")
	assert.Equal(t, 1, o.code)
	assert.Empty(t, o.stdout)
	o = c.run("quota", "--channel", "nowhere")
	assert.Equal(t, 2, o.code)
}

func TestSendOnAHeldChannel(t *testing.T) {
	for name, test := range map[string]struct {
		reason lineapi.Reason
		args   []string
		told   bool
	}{
		"push, no quota":    {lineapi.Quota, []string{"send", "push", "--to", user}, true},
		"reply, no quota":   {lineapi.Quota, []string{"send", "reply", "--to", secretReply}, false},
		"reply, token":      {lineapi.Auth, []string{"send", "reply", "--to", secretReply}, true},
		"push, an operator": {channel.Operator, []string{"send", "push", "--to", user}, true},
		"push, not held":    {"", []string{"send", "push", "--to", user}, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, rdb := withMini(t)
			require.NoError(t, channel.Register(t.Context(), rdb, "default"))
			want := ""
			if test.reason != "" {
				hold(t, rdb, "default", channel.Hold{Reason: test.reason})
			}
			if test.told {
				want = "note: the channel default is held (" + string(test.reason) +
					"): the task waits until that is over; see lineq channel list\n"
			}
			o := c.run(append(test.args, "--text", secretText)...)
			assert.Zero(t, o.code)
			assert.Equal(t, want, o.stderr)
		})
	}
}
