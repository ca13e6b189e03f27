package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/schedule"
)

func TestScheduleCommands(t *testing.T) {
	c, rdb := withMini(t)
	require.NoError(t, channel.Register(t.Context(), rdb, "default"))
	message := file(t, "m.json", texts(1))
	monday := []string{
		"schedule", "add", "broadcast", "--id", "monday", "--cron", "0 9 * * MON", "--tz", "Asia/Tokyo", "--message", message,
	}
	out := c.ok(monday...)
	assert.Contains(t, out, "id         monday\n")
	assert.Contains(t, out, "missed     run-once within 1h\n")
	assert.Contains(t, out, "state      active\n")
	assert.Regexp(t, `next +\d{4}-\d\d-\d\d 09:00 Mon\nthen +\S+ 09:00 Mon\nthen +\S+ 09:00 Mon\n`, out)
	assert.Equal(t, out, c.ok(monday...), "again")

	c.ok("schedule", "add", "campaign", "--id", "weekly", "--cron", "0 18 * * FRI", "--tz", "Asia/Tokyo", "--message", message,
		"--audience-command", "members\n--all", "--window", "09:00-21:00", "--rate", "10/s", "--missed-within", "90m")
	menu := cli{t, c.env}.pipe(`{"richMenuId":"`+noMenu+`"}`, "schedule", "add", "task", "--id", "evening", "--cron", "@daily",
		"--tz", "Asia/Tokyo", "--kind", "richmenu.set-default", "--task", "-", "--missed", "skip", "--json")
	require.Zero(t, menu.code, menu.stderr)
	assert.Equal(t, tasks.KindSetDefaultRichMenu, document[schedule.Summary](t, menu.stdout).Kind)
	c.ok("schedule", "add", "push", "--id", "often", "--cron", "@every 90s", "--to", user, "--message", message, "--urgent",
		"--expire", "1h")
	c.ok("schedule", "add", "multicast", "--id", "staff", "--cron", "*/15 * * * * *", "--tz", "Europe/Berlin", "--to", user,
		"--to", other, "--message", message)
	c.ok("schedule", "add", "narrowcast", "--id", "tokyo", "--cron", "@monthly", "--tz", "Asia/Tokyo", "--limit",
		file(t, "limit.json", `{"max":100}`), "--message", message)

	out = c.ok("schedule", "list")
	assert.Contains(t, out, "ID       CHANNEL  KIND                  CRON            TZ             STATE   NEXT ")
	assert.Regexp(t, `(?m)^monday +default +broadcast +0 9 \* \* MON +Asia/Tokyo +active +\S+ 09:00, \S+ 09:00, \S+ 09:00$`, out)
	assert.Regexp(t, `(?m)^often +default +push +@every 90s +UTC +active`, out)
	all := document[[]schedule.Summary](t, c.ok("schedule", "list", "--json"))
	require.Len(t, all, 6)
	assert.Equal(t, "[]\n", c.ok("schedule", "list", "--json", "--channel", "bank"))

	out = c.ok("schedule", "show", "weekly")
	assert.Contains(t, out, "command    members --all\n")
	assert.Contains(t, out, "missed     run-once within 1h30m\n")

	t.Run("pause, run and resume", func(t *testing.T) {
		c := cli{t, c.env}
		assert.Contains(t, c.ok("schedule", "pause", "monday"), "paused")
		assert.NotContains(t, c.ok("schedule", "show", "monday"), "next")
		o := c.run(monday...)
		assert.Contains(t, o.stderr, "note: the schedule monday was there before, and is paused")
		sum := document[schedule.Summary](t, c.ok("schedule", "run", "monday", "--json"))
		assert.True(t, sum.Paused)
		assert.Equal(t, schedule.RunAsked, sum.Last.State)
		assert.Contains(t, c.ok("schedule", "show", "monday"), "last id     "+sum.Last.ID)
		assert.Regexp(t, `monday .*paused +\S+ \S+ +asked\n`, c.ok("schedule", "list"))
		assert.Contains(t, c.ok("schedule", "resume", "monday"), "active")
	})
	t.Run("remove", func(t *testing.T) {
		c := cli{t, c.env}
		assert.Equal(t, "id     monday\nstate  removed\n", c.ok("schedule", "remove", "monday"))
		assert.Equal(t, map[string]any{"id": "often", "removed": true},
			document[map[string]any](t, c.ok("schedule", "remove", "often", "--json")))
		assert.Len(t, document[[]schedule.Summary](t, c.ok("schedule", "list", "--json")), 4)
	})
}

func TestScheduleMisuse(t *testing.T) {
	c, rdb := withMini(t)
	require.NoError(t, channel.Register(t.Context(), rdb, "default"))
	message, named := file(t, "m.json", texts(1)), file(t, "named.json", `{"type":"text","text":"Hello {{name}}"}`)
	add := func(what string, more ...string) []string {
		return append([]string{"schedule", "add", what, "--id", "a", "--cron", "0 9 * * *", "--tz", "Asia/Tokyo"}, more...)
	}
	without := func(args []string, flag string) []string {
		for i, a := range args {
			if a == flag {
				return append(append([]string{}, args[:i]...), args[i+2:]...)
			}
		}
		panic(flag)
	}
	with := func(args []string, flag, value string) []string { return append(without(args, flag), flag, value) }
	broadcast := slices.Clip(add("broadcast", "--message", message))
	sends := slices.Clip(add("campaign", "--message", message, "--audience", "/srv/members.csv"))
	c.ok(with(broadcast, "--id", "taken")...)

	for name, test := range map[string]struct {
		stdin string
		args  []string
		code  int
		says  string
		hint  string
	}{
		"no cron":        {args: without(broadcast, "--cron"), code: 2, says: "--cron", hint: "lineq schedule add broadcast --help"},
		"no id":          {args: without(broadcast, "--id"), code: 2, says: "--id", hint: "--help"},
		"no zone":        {args: without(broadcast, "--tz"), code: 2, says: "time zone: none is given", hint: "--tz Asia/Tokyo"},
		"unknown zone":   {args: with(broadcast, "--tz", "Tokyo"), code: 2, says: `none is called "Tokyo"`, hint: "Asia/Tokyo"},
		"four fields":    {args: with(broadcast, "--cron", "9 * * MON"), code: 2, says: "found 4", hint: "0 9 * * MON"},
		"30 February":    {args: with(broadcast, "--cron", "0 9 30 2 *"), code: 2, says: "no such day", hint: "day of month"},
		"a zone in cron": {args: with(broadcast, "--cron", "TZ=UTC 0 9 * * *"), code: 2, says: "a setting of its own", hint: "minute"},
		"half a second":  {args: with(broadcast, "--cron", "@every 500ms"), code: 2, says: "@every 90s", hint: "minute"},
		"wrong id":       {args: with(broadcast, "--id", "a b"), code: 2, says: "use 1 to 100 letters", hint: "--help"},
		"wrong channel":  {args: append(broadcast, "--channel", "a b"), code: 2, says: "channel name", hint: "--help"},
		"unknown channel": {
			args: append(broadcast, "--channel", "shop"),
			code: 2, says: `no worker serves the channel "shop"`, hint: "known are default",
		},
		"unknown rule": {args: append(broadcast, "--missed", "twice"), code: 2, says: "run-once", hint: "--help"},
		"too long":     {args: append(broadcast, "--missed-within", "24h"), code: 2, says: "within 20h", hint: "--help"},
		"skip within": {
			args: append(broadcast, "--missed", "skip", "--missed-within", "1h"),
			code: 2, says: "no time to run within", hint: "--help",
		},
		"expires before": {args: append(broadcast, "--expire=-1s"), code: 2, says: "--expire", hint: "--help"},
		"no message":     {args: add("broadcast"), code: 2, says: "--text or --message", hint: "--text hello"},
		"six messages":   {args: add("push", "--to", user, "--message", file(t, "six.json", texts(6))), code: 2, says: "between 1 and 5", hint: "1 to 5"},
		"wrong user":     {args: add("push", "--to", "me", "--text", "a"), code: 2, says: "U, C or R", hint: "webhook"},
		"taken id": {
			args: with(add("push", "--to", user, "--text", "a"), "--id", "taken"),
			code: 2, says: "another schedule has this id", hint: "lineq schedule remove",
		},
		"nobody":        {args: add("campaign", "--message", message), code: 2, says: "--audience or --audience-command", hint: "--help"},
		"two audiences": {args: append(sends, "--audience-command", "x"), code: 2, says: "together", hint: "--help"},
		"relative path": {args: with(sends, "--audience", "members.csv"), code: 2, says: "must be absolute", hint: "--help"},
		"two unnamed":   {args: append(sends, "--message", named), code: 2, says: "a name", hint: "--help"},
		"no such file": {
			args: add("campaign", "--audience", "/a", "--message", "nowhere.json"),
			code: 2, says: "nowhere.json: no such file", hint: "relative",
		},
		"window":      {args: append(sends, "--window", "9-21"), code: 2, says: "09:00-21:00", hint: "--help"},
		"wrong share": {args: append(sends, "--max-failures", "500%"), code: 2, says: "up to 100%", hint: "mean the same"},
		"unknown kind": {
			stdin: "{}", args: add("task", "--kind", "hologram", "--task", "-"),
			code: 2, says: `no kind of task "hologram"`, hint: "richmenu.publish",
		},
		"a reply": {
			stdin: `{"replyToken":"` + secretReply + `","messages":` + texts(1) + `}`,
			args:  add("task", "--kind", "reply", "--task", "-"),
			code:  2, says: "a reply can't be scheduled", hint: "--help",
		},
		"no object": {stdin: `"` + secretText + `"`, args: add("task", "--kind", "push", "--task", "-"), code: 2, says: "stdin: it holds no JSON object", hint: "--help"},
		"another shape": {
			stdin: `{"to":["` + secretText + `"]}`, args: add("task", "--kind", "push", "--task", "-"),
			code: 2, says: "stdin: decode push", hint: "--help",
		},
		"show nothing":   {args: []string{"schedule", "show", "nothing"}, code: 1, says: "no such schedule", hint: "lineq schedule list"},
		"remove nothing": {args: []string{"schedule", "remove", "nothing"}, code: 1, says: "no such schedule", hint: "lineq schedule list"},
		"show a b":       {args: []string{"schedule", "show", "a b"}, code: 2, says: "use 1 to 100 letters", hint: "--help"},
	} {
		t.Run(name, func(t *testing.T) {
			o := cli{t, c.env}.pipe(test.stdin, test.args...)
			assert.Equal(t, test.code, o.code, o.stderr)
			assert.Empty(t, o.stdout)
			first, hint, _ := strings.Cut(o.stderr, "\n")
			if strings.HasPrefix(first, "note: ") {
				first, hint, _ = strings.Cut(hint, "\n")
			}
			assert.True(t, strings.HasPrefix(first, "lineq: "), o.stderr)
			assert.Contains(t, first, test.says)
			assert.Contains(t, hint, test.hint)
			assert.True(t, strings.HasPrefix(hint, "  hint: "), o.stderr)
		})
	}
	assert.Len(t, document[[]schedule.Summary](t, c.ok("schedule", "list", "--json")), 1)
}

// TestScheduledCampaigns lets the worker of lineq worker read audiences.
func TestScheduledCampaigns(t *testing.T) {
	sim, l := withLocal(t)
	sim.env["LINE_CHANNEL_ACCESS_TOKEN"] = "simulated-token"
	message := file(t, "m.json", `{"type":"text","text":"Hello {{name}}"}`)
	people := file(t, "people.csv", "to,name\n"+user+",a\n"+other+",b\n")
	t.Setenv("LINE_CHANNEL_SECRET", secretSecret)
	w := sim.start("worker", "--line-origin", l.lineURL, "--schedule-commands")
	w.await("worker started")
	run := func(t *testing.T, id string, audience ...string) (cli, string) {
		c := cli{t, sim.env}
		c.ok(append([]string{"schedule", "add", "campaign", "--id", id, "--cron", "0 0 29 2 *", "--tz", "Asia/Tokyo",
			"--message", message}, audience...)...)
		return c, document[schedule.Summary](t, c.ok("schedule", "run", id, "--json")).Last.ID
	}
	until := func(t *testing.T, c cli, id string, state schedule.RunState, outcome string) schedule.Summary {
		var sum schedule.Summary
		require.Eventually(t, func() bool {
			sum = document[schedule.Summary](t, c.ok("schedule", "show", id, "--json"))
			return sum.Last.State == state && sum.Last.Outcome == outcome
		}, 30*time.Second, 20*time.Millisecond)
		return sum
	}
	t.Run("a file", func(t *testing.T) {
		c, id := run(t, "file", "--audience", people)
		sum := until(t, c, "file", schedule.RunEnqueued, string(campaign.StateFinished))
		assert.Equal(t, id, sum.Last.ID)
		assert.Equal(t, 1, l.sim.Ledger().Count(user))
		assert.Contains(t, c.ok("schedule", "show", "file"), "outcome     finished\n")
	})
	t.Run("a command", func(t *testing.T) {
		c, id := run(t, "command", "--audience-command", "cat "+people)
		until(t, c, "command", schedule.RunEnqueued, string(campaign.StateFinished))
		assert.EqualValues(t, 2, document[campaign.Summary](t, c.ok("campaign", "show", id, "--json")).Sent)
	})
	for name, test := range map[string]struct{ command, says string }{
		"a command that fails":            {"exit 3", "the audience's command ended with exit status 3"},
		"a command that fails at its end": {"cat " + people + "; exit 4", "ended with exit status 4"},
		"a command that prints anything":  {"echo hello; sleep 0.1", "the audience's command: "},
		"a command that doesn't end":      {"yes hello", "the audience's command: "},
	} {
		t.Run(name, func(t *testing.T) {
			id := strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), "'", "")
			c, campaignID := run(t, id, "--audience-command", test.command)
			assert.Contains(t, until(t, c, id, schedule.RunFailing, "").Last.Error, test.says)
			assert.Equal(t, 1, c.run("campaign", "show", campaignID).code, "nothing is left of it")
			c.ok("schedule", "remove", id)
		})
	}
	t.Run("no such file", func(t *testing.T) {
		c, _ := run(t, "nowhere", "--audience", "/nowhere.csv")
		assert.Contains(t, until(t, c, "nowhere", schedule.RunFailing, "").Last.Error, "/nowhere.csv: no such file")
		c.ok("schedule", "remove", "nowhere")
	})
	t.Run("a command has no secrets of lineq's", func(t *testing.T) {
		out := file(t, "environment", "")
		c, _ := run(t, "secrets", "--audience-command", "env > "+out+"; cat "+people)
		until(t, c, "secrets", schedule.RunEnqueued, string(campaign.StateFinished))
		environment, err := os.ReadFile(out)
		require.NoError(t, err)
		assert.Contains(t, string(environment), "PATH=")
		assertNoSecrets(t, string(environment))
	})
	require.NoError(t, w.stop())
}

func TestWithoutSecrets(t *testing.T) {
	a := &app{config: &configFile{channels: map[string]channelConfig{"shop": {TokenEnv: "SHOP_TOKEN"}, "news": {SecretEnv: "NEWS_SECRET"}}}}
	assert.Equal(t, []string{"PATH=/bin", "PGPASSWORD=a"}, a.withoutSecrets([]string{
		"PATH=/bin", "SHOP_TOKEN=a", "NEWS_SECRET=a", "LINE_CHANNEL_ACCESS_TOKEN=a", "LINE_CHANNEL_SECRET=a", "REDIS_URL=a",
		"LINEQ_REDIS=a", "OTEL_EXPORTER_OTLP_HEADERS=api-key=a", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=api-key=a", "PGPASSWORD=a",
	}))
}
