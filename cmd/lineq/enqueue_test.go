package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// TestEveryCommandReachesLINE sends one of each kind through Redis and a worker to the simulated LINE.
func TestEveryCommandReachesLINE(t *testing.T) {
	c, l := withLocal(t)
	token, err := l.sim.NewReplyToken(linesim.DefaultChannel.ID, user)
	require.NoError(t, err)
	require.NoError(t, l.sim.AddUser(linesim.User{ID: user, DisplayName: "Mika"}))
	require.NoError(t, l.sim.AddChat(linesim.Chat{ID: group, Members: []string{user, other}}))
	require.NoError(t, l.sim.AddChat(linesim.Chat{ID: room, Members: []string{user}}))
	menu, err := demoMenu()
	require.NoError(t, err)
	object, err := menu.Menu.MarshalJSON()
	require.NoError(t, err)
	publish := []string{
		"richmenu", "publish", "--object", file(t, "menu.json", string(object)),
		"--image", file(t, "menu.png", string(menu.Image)), "--wait", "--json",
	}
	published := document[tasks.Result](t, c.ok(append(publish, "--alias", "main", "--default")...))
	richMenu, err := richMenuID(published)
	require.NoError(t, err)
	message := file(t, "messages.json", texts(2))
	operations := file(t, "operations.json", "\uFEFF"+`[{"type": "unlink", "from": "`+richMenu+`"}]`)

	seen := map[tasks.Kind]bool{tasks.KindPublishRichMenu: true}
	for _, test := range []struct {
		kind tasks.Kind
		args string
		data string
	}{
		{"push", "send push --to " + user + " --message " + message, ""},
		{"push", "send push --to " + group + " --text " + secretText + " --urgent --id of-my-own", ""},
		{"multicast", "send multicast --to " + user + " --to " + other + " --text " + secretText, ""},
		{"reply", "send reply --to " + token + " --text " + secretText, ""},
		{"broadcast", "send broadcast --text " + secretText, ""},
		{"narrowcast", "send narrowcast --text " + secretText + " --limit " + file(t, "limit.json", `{"max":10}`), ""},
		{"richmenu.link", "richmenu link --to " + user + " --menu " + richMenu, ""},
		{"richmenu.unlink", "richmenu unlink --to " + user, ""},
		{"richmenu.bulk-link", "richmenu bulk-link --to " + user + "," + other + " --menu " + richMenu, ""},
		{"richmenu.bulk-unlink", "richmenu bulk-unlink --to " + user + " --to " + other, ""},
		{"richmenu.batch", "richmenu batch --operations " + operations, ""},
		{"richmenu.clear-default", "richmenu clear-default", ""},
		{"richmenu.set-default", "richmenu set-default --menu " + richMenu, ""},
		{"richmenu.delete", "richmenu delete --menu " + richMenu, ""},
		{"chat.profile", "chat profile --to " + user, "Mika"},
		{"chat.group-profile", "chat group-profile --group " + group + " --to " + user, "Mika"},
		{"chat.room-profile", "chat room-profile --room " + room + " --to " + user, "Mika"},
		{"chat.group-members", "chat group-members --to " + group, other},
		{"chat.room-members", "chat room-members --to " + room, user},
		{"chat.link-token", "chat link-token --to " + user, "linkToken"},
		{"chat.loading", "chat loading --to " + user + " --seconds 30", ""},
		{"chat.mark-read", "chat mark-read --token 0123456789", ""},
		{"chat.leave-group", "chat leave-group --to " + group, ""},
		{"chat.leave-room", "chat leave-room --to " + room, ""},
	} {
		seen[test.kind] = true
		t.Run(string(test.kind), func(t *testing.T) {
			r := document[tasks.Result](t, cli{t, c.env}.ok(append(strings.Fields(test.args), "--wait", "--json")...))
			assert.Equal(t, test.kind, r.Kind)
			assert.Equal(t, "default", r.Channel)
			assert.Equal(t, tasks.StateDone, r.State)
			assert.Equal(t, tasks.OutcomeSent, r.Outcome)
			assert.Empty(t, r.Reason)
			assert.Positive(t, r.Attempts)
			assert.Contains(t, string(r.Data), test.data)
		})
	}
	for _, k := range tasks.Kinds() {
		assert.True(t, seen[k], "no command made a %s", k)
	}
	assert.Equal(t, 4, l.sim.Ledger().Count(user), "push, multicast, reply and broadcast; narrowcasts go out later")
}

func TestTicket(t *testing.T) {
	c, _ := withMini(t)
	push := []string{"send", "push", "--to", user, "--text", secretText}

	t.Run("JSON", func(t *testing.T) {
		o := c.run(append(push, "--json", "--id", "order-1")...)
		assert.Equal(t, `{"id":"order-1","kind":"push","channel":"default","queue":"lineq-push-default",`+
			`"state":"queued","duplicate":false}`+"\n", o.stdout)
		assert.Contains(t, o.stderr, "note: no worker has run on this Redis yet")
		assert.Zero(t, o.code)
	})
	t.Run("again", func(t *testing.T) {
		ticket := document[producer.Ticket](t, c.ok(append(push, "--json", "--id", "order-1")...))
		assert.True(t, ticket.Duplicate)
	})
	t.Run("for people", func(t *testing.T) {
		out := c.ok(append(push, "--id", "order-1")...)
		assert.Contains(t, out, "id       order-1\nkind     push\nchannel  default\n")
		assert.Contains(t, out, "(it was enqueued before)")
	})
	t.Run("urgent", func(t *testing.T) {
		ticket := document[producer.Ticket](t, c.ok(append(push, "--json", "--urgent")...))
		assert.Equal(t, "lineq-urgent", ticket.Queue)
		assert.NotEmpty(t, ticket.ID)
	})
	t.Run("several", func(t *testing.T) {
		all := document[[]producer.Ticket](t, c.ok(append(push, "--to", other, "--json")...))
		assert.Len(t, all, 2)
		assert.NotEqual(t, all[0].ID, all[1].ID)
		out := c.ok(append(push, "--to", other)...)
		assert.Len(t, strings.Split(strings.TrimSpace(out), "\n"), 3)
	})
	t.Run("in", func(t *testing.T) {
		ticket := document[producer.Ticket](t, c.ok(append(push, "--json", "--in", "1h")...))
		assert.Equal(t, tasks.StateScheduled, ticket.State)
	})
	t.Run("at, with a zone", func(t *testing.T) {
		at := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
		ticket := document[producer.Ticket](t, c.ok(append(push, "--json", "--at", at)...))
		assert.Equal(t, tasks.StateScheduled, ticket.State)
	})
	t.Run("at, in local time", func(t *testing.T) {
		at := time.Now().Add(time.Hour).Format("2006-01-02 15:04")
		ticket := document[producer.Ticket](t, c.ok(append(push, "--json", "--at", at)...))
		assert.Equal(t, tasks.StateScheduled, ticket.State)
	})
	t.Run("at, passed", func(t *testing.T) {
		o := c.run(append(push, "--json", "--at", "2020-01-01 08:00")...)
		assert.Contains(t, o.stderr, "has passed: it is sent now")
		assert.Equal(t, tasks.StateQueued, document[producer.Ticket](t, o.stdout).State)
	})
	t.Run("from stdin", func(t *testing.T) {
		o := c.pipe(texts(1), "send", "push", "--to", user, "--message", "-", "--json")
		assert.Zero(t, o.code, o.stderr)
	})
}

// TestWaitFails ends with 1 whenever LINE doesn't have the message in the end.
func TestWaitFails(t *testing.T) {
	c, l := withLocal(t)
	require.NoError(t, l.sim.AddUser(linesim.User{ID: other, State: linesim.Unknown}))

	t.Run("refused", func(t *testing.T) {
		o := c.run("send", "push", "--to", other, "--text", secretText, "--wait", "--json", "--id", "refused")
		assert.Equal(t, 1, o.code)
		assert.Equal(t, tasks.OutcomeFailed, document[tasks.Result](t, o.stdout).Outcome)
		assert.Contains(t, o.stderr, "lineq: task refused: failed (invalid): Failed to send messages")
	})
	t.Run("one of two", func(t *testing.T) {
		o := c.run("send", "push", "--to", user, "--to", other, "--text", secretText, "--wait", "--json")
		assert.Equal(t, 1, o.code)
		assert.Len(t, document[[]tasks.Result](t, o.stdout), 2)
		assert.Contains(t, o.stderr, "lineq: 1 of 2 tasks were not sent, the first: task ")
	})
	t.Run("reply token that nobody gave", func(t *testing.T) {
		o := c.run("send", "reply", "--to", secretReply, "--text", secretText, "--wait")
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stdout, "outcome        failed\n")
		assert.Contains(t, o.stderr, "Invalid reply token")
	})
	t.Run("not in time", func(t *testing.T) {
		c := cli{t, map[string]string{"REDIS_URL": l.redisURL}}
		require.NoError(t, l.sim.SetFaults([]linesim.Fault{{Kind: linesim.FaultRefuse}}))
		o := c.run("send", "push", "--to", user, "--text", secretText, "--id", "slow",
			"--wait", "--timeout", "1ms", "--json")
		assert.Equal(t, 1, o.code)
		assert.Contains(t, o.stderr, "lineq: task slow is not decided yet")
		assert.Contains(t, o.stderr, "hint: see lineq task show slow; lineq channel list")
		assert.Empty(t, document[tasks.Result](t, o.stdout).Outcome)
	})
}

func TestPrecedence(t *testing.T) {
	c, _ := withMini(t)
	config := file(t, "lineq.yaml", "channel: of-the-file\nurgent: true\nto:\n  - "+user+"\n  - "+other+"\n")
	send := func(env map[string]string, args ...string) []producer.Ticket {
		for k, v := range c.env {
			env[k] = v
		}
		args = append([]string{"send", "push", "--text", "a", "--json"}, args...)
		return document[[]producer.Ticket](t, cli{t, env}.ok(args...))
	}
	for name, test := range map[string]struct {
		env     map[string]string
		args    []string
		channel string
		queue   string
	}{
		"default":             {map[string]string{"LINEQ_TO": user + "," + other}, nil, "default", "lineq-push-default"},
		"file":                {map[string]string{}, []string{"--config", config}, "of-the-file", "lineq-urgent"},
		"file of environment": {map[string]string{"LINEQ_CONFIG": config}, nil, "of-the-file", "lineq-urgent"},
		"environment over file": {
			map[string]string{"LINEQ_CHANNEL": "of-env", "LINEQ_URGENT": "false"}, []string{"--config", config},
			"of-env", "lineq-push-of-env",
		},
		"flag over environment": {
			map[string]string{"LINEQ_CHANNEL": "of-env", "LINEQ_TO": user},
			[]string{"--channel", "of-flag", "--to", user, "--to", other}, "of-flag", "lineq-push-of-flag",
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := send(test.env, test.args...)
			assert.Len(t, all, 2)
			assert.Equal(t, test.channel, all[0].Channel)
			assert.Equal(t, test.queue, all[0].Queue)
		})
	}
	t.Run("LINEQ_REDIS over REDIS_URL", func(t *testing.T) {
		env := map[string]string{"REDIS_URL": "redis://127.0.0.1:1", "LINEQ_REDIS": c.env["LINEQ_REDIS"]}
		assert.Equal(t, "[]\n", fmt.Sprint(cli{t, env}.ok("task", "list", "--json", "--channel", "nobody")))
	})
}
