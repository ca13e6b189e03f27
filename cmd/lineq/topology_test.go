package main

import (
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
)

// aclRules are what the README says that lineq's user needs.
const aclRules = "~lineq:* ~asynq:* &lineq:* &asynq:* +@all -@admin -@dangerous +info +cluster"

// TestTopologies starts Redis in each of the ways in which it is run, and does the main job by its URL alone.
func TestTopologies(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) string{
		"standalone with an ACL user": func(t *testing.T) string {
			user := append([]string{"--user", "lineq", "on", ">" + secretRedis}, strings.Fields(aclRules)...)
			s := redistest.Start(t, append(user, "--user", "default", "off")...)
			return "redis://lineq:" + secretRedis + "@" + s.Addr + "/2"
		},
		"unix socket": func(t *testing.T) string {
			socket := filepath.Join(t.TempDir(), "s")
			redistest.Start(t, "--unixsocket", socket, "--requirepass", secretRedis)
			return "unix://:" + secretRedis + "@" + socket + "?db=1"
		},
		"TLS": func(t *testing.T) string {
			c := redistest.NewCertificates(t)
			s := redistest.StartTLS(t, c, "--tls-auth-clients", "no")
			return "rediss://" + s.Addr + "?ca=" + c.CA
		},
		"TLS with certificates of the clients": func(t *testing.T) string {
			return redistest.StartTLS(t, redistest.NewCertificates(t)).URL()
		},
		"Sentinel": func(t *testing.T) string { return redistest.StartSentinels(t).URL() },
		"Cluster":  func(t *testing.T) string { return redistest.StartCluster(t).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mainJob(t, start(t))
		})
	}
}

// mainJob sends every way of sending through a worker, holds, and looks up.
func mainJob(t *testing.T, url string) {
	sim, err := linesim.New(linesim.Config{})
	require.NoError(t, err)
	line := httptest.NewServer(sim)
	t.Cleanup(line.Close)
	c := cli{t, map[string]string{
		"REDIS_URL": url, "LINE_CHANNEL_ACCESS_TOKEN": linesim.DefaultChannel.Token, "LINEQ_LINE_ORIGIN": line.URL,
	}}
	w := c.start("worker", "--log-level", "warn")
	once := func(n int) {
		t.Helper()
		require.Empty(t, sim.Ledger().Duplicates())
		for i := range n {
			require.Equal(t, 1, sim.Ledger().Count(demoUser(i)), i)
		}
		sim.Ledger().Reset()
	}

	push := func(to, id string, more ...string) []string {
		return append([]string{"send", "push", "--to", to, "--text", secretText, "--id", id, "--json"}, more...)
	}
	for i := range 20 {
		c.ok(push(demoUser(i), fmt.Sprint("push-", i))...)
	}
	assert.True(t, document[producer.Ticket](t, c.ok(push(demoUser(3), "push-3")...)).Duplicate)
	for i := range 20 {
		r := document[tasks.Result](t, c.ok(push(demoUser(i), fmt.Sprint("push-", i), "--wait")...))
		require.Equal(t, tasks.OutcomeSent, r.Outcome)
	}
	once(20)
	c.ok("send", "multicast", "--to", demoUser(0), "--to", demoUser(1), "--text", secretText, "--urgent", "--wait")
	once(2)

	for mode, message := range map[campaign.Mode]string{campaign.Multicast: texts(1), campaign.Push: greeting} {
		o := c.run(sends(t, audienceOf(1200), message, "--id", string(mode), "--watch", "--json")...)
		require.Zero(t, o.code, o.stderr)
		sum := document[campaign.Summary](t, o.stdout)
		assert.Equal(t, campaign.StateFinished, sum.State)
		assert.Equal(t, mode, sum.Mode)
		assert.EqualValues(t, 1200, sum.Sent)
		once(1200)
		row := document[rowState](t, c.ok("campaign", "show", string(mode), "--recipient", demoUser(8), "--json"))
		assert.Equal(t, "sent", row.Outcome)
	}
	assert.Len(t, document[[]campaign.Summary](t, c.ok("campaign", "list", "--json")), 2)

	c.ok("channel", "hold", tasks.DefaultChannel, "--note", "wrong price")
	c.ok(push(demoUser(0), "held")...)
	c.ok(push(demoUser(1), "later", "--in", "1h")...)
	c.ok(push(demoUser(2), "never")...)
	c.ok("task", "cancel", "never")
	states := document[[]channelState](t, c.ok("channel", "list", "--json"))
	require.Len(t, states, 1)
	assert.Equal(t, "held", states[0].State)
	assert.Len(t, document[[]tasks.Result](t, c.ok("task", "list", "--json")), 2)
	c.ok("task", "reschedule", "later", "--at", time.Now().Add(-time.Minute).Format(time.RFC3339))
	assert.Zero(t, sim.Ledger().Totals().Requests)
	c.ok("channel", "resume", tasks.DefaultChannel)
	c.ok(push(demoUser(0), "held", "--wait")...)
	c.ok(push(demoUser(1), "later", "--wait")...)
	once(2)
	assert.Equal(t, tasks.OutcomeCancelled, document[tasks.Result](t, c.ok("task", "show", "never", "--json")).Outcome)
	assert.Contains(t, c.ok("log"), "push-19")
	_, code := examined(t, c)
	assert.Zero(t, code)
	require.NoError(t, w.stop())
	assert.NotContains(t, w.output(), "WARN")
	assert.NotContains(t, w.output(), "ERROR")
}
