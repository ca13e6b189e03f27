package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks/channel"
)

// Of a channel whose token LINE refuses an operator sees it in the list, and lets it go on: by a resume once LINE takes the
// token again, or by a worker with a new one.
func TestARefusedTokenByTheCommandLine(t *testing.T) {
	for name, over := range map[string]func(t *testing.T, c cli, sim *linesim.Simulator, old *running){
		"LINE takes it again, and a resume": func(t *testing.T, c cli, sim *linesim.Simulator, _ *running) {
			require.NoError(t, sim.AddChannel(linesim.Channel{ID: "2", Token: secretToken + "-of-yesterday"}))
			o := c.run("channel", "resume", "default", "--json")
			require.Zero(t, o.code, o.stderr)
			all := document[[]channelState](t, o.stdout)
			require.Len(t, all, 1)
			assert.Equal(t, "running", all[0].State)
		},
		"a worker with a token that works": func(t *testing.T, c cli, _ *linesim.Simulator, old *running) {
			require.NoError(t, old.stop())
			c.env["LINE_CHANNEL_ACCESS_TOKEN"] = secretToken
			work := c.start("worker")
			work.await("hold lifted: LINE takes it again")
			t.Cleanup(func() { assert.NoError(t, work.stop()) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			sim, err := linesim.New(linesim.Config{Channels: []linesim.Channel{{ID: "1", Token: secretToken}}})
			require.NoError(t, err)
			server := httptest.NewServer(sim)
			t.Cleanup(server.Close)
			c, _ := withMini(t)
			c.env["LINEQ_LINE_ORIGIN"] = server.URL
			c.env["LINE_CHANNEL_ACCESS_TOKEN"] = secretToken + "-of-yesterday"
			old := c.start("worker")
			old.await("worker started")
			states := func() channelState {
				t.Helper()
				all := document[[]channelState](t, c.ok("channel", "list", "--json"))
				require.Len(t, all, 1)
				return all[0]
			}
			require.Equal(t, "running", states().State)

			const sends = 20
			for i := range sends {
				c.ok("send", "push", "--to", fmt.Sprintf("U%032x", i), "--text", secretText, "--id", fmt.Sprint("order-", i))
			}
			old.await("channel held until somebody acts")
			held := states()
			assert.Equal(t, "held", held.State)
			require.Eventually(t, func() bool { return states().Waiting == sends }, time.Minute, 20*time.Millisecond)
			require.Len(t, held.Holds, 1)
			assert.Equal(t, lineapi.Auth, held.Holds[0].Reason)
			assert.Contains(t, held.Holds[0].Note, "Authentication failed")
			assert.WithinDuration(t, time.Now(), held.Holds[0].Since, time.Minute)
			assert.Contains(t, c.ok("channel", "list"), "auth")
			o := c.run("send", "push", "--to", user, "--text", secretText, "--id", "order-late")
			assert.Contains(t, o.stderr, "note: the channel default is held (auth)")

			// Without another token a resume changes nothing: the next refusal holds the channel again.
			c.ok("channel", "resume", "default", "--reason", string(lineapi.Auth))
			old.await("channel held until somebody acts")
			assert.Equal(t, "held", states().State)
			assert.Zero(t, sim.Ledger().Totals().Requests)
			assert.Positive(t, sim.Stats().Requests["pushMessage"][http.StatusUnauthorized])

			over(t, c, sim, old)
			for i := range sends {
				id := fmt.Sprint("order-", i)
				require.Eventually(t, func() bool {
					return document[struct{ Outcome string }](t, c.ok("task", "show", id, "--json")).Outcome == "sent"
				}, time.Minute, 20*time.Millisecond, id)
				require.Equal(t, 1, sim.Ledger().Count(fmt.Sprintf("U%032x", i)))
			}
			require.Eventually(t, func() bool { return sim.Ledger().Count(user) == 1 }, time.Minute, 20*time.Millisecond)
			assert.Equal(t, "running", states().State)
			assert.NotContains(t, c.ok("channel", "list"), string(channel.Operator))
		})
	}
}
