package main

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
)

func build(t *testing.T) (binary string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), "lineq")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	return binary
}

func rewrite(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

// TestSIGHUPInTheMiddle changes the channels of a worker's process among hundreds of sends: one gets another token, one
// leaves and comes back, and a broken file changes nothing. LINE's ledger says that nothing was lost or sent twice.
func TestSIGHUPInTheMiddle(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	binary := build(t)
	sim, err := linesim.New(linesim.Config{
		Latency: 100 * time.Millisecond, Limits: linesim.Limits{Off: true}, Channels: []linesim.Channel{
			{ID: "1", Secret: secretSecret, Token: secretToken}, {ID: "2", Token: secretToken + "-2"},
		},
	})
	require.NoError(t, err)
	line := httptest.NewServer(sim)
	defer line.Close()

	token := file(t, "token", secretToken)
	secret := file(t, "secret", secretSecret)
	const shop = "  shop: {token_file: %s}\n"
	head := "line-origin: " + line.URL + "\nconcurrency: 20\nchannels:\n"
	news := fmt.Sprintf("  news: {token_file: %s}\n", file(t, "news", secretToken+"-2"))
	config := file(t, "lineq.yaml", head+fmt.Sprintf(shop, token)+news)
	w := launch(t, binary, []string{"PATH=" + os.Getenv("PATH"), "REDIS_URL=" + redis.URL()}, "worker", "--config", config)
	w.await("worker started")

	q, err := producer.New(producer.Config{Redis: redis.Client(t)})
	require.NoError(t, err)
	enqueue := func(channel string, from, n int) []producer.Ticket {
		items := make([]producer.Item, n)
		for i := range items {
			items[i] = producer.Item{
				Task:    tasks.Push{To: demoUser(from + i), Messages: []lineapi.Message{lineapi.Text(fmt.Sprint(secretText, i))}},
				Options: []producer.Option{producer.Channel(channel)},
			}
		}
		tickets, err := q.EnqueueAll(t.Context(), items)
		require.NoError(t, err)
		return tickets
	}
	shops, others := enqueue("shop", 0, 600), enqueue("news", 1000, 600)
	requests := func(n int64) {
		require.Eventually(t, func() bool { return int64(sim.Ledger().Totals().Requests) >= n }, time.Minute, time.Millisecond)
	}
	requests(200)

	// The channel news leaves; shop has an issued token instead of the one that stays.
	rewrite(t, config, head+fmt.Sprintf("  shop: {channel_id: \"1\", secret_file: %s}\n", secret))
	w.signal(syscall.SIGHUP)
	w.await("configuration reloaded")
	sent := func(channel string, from int, tickets []producer.Ticket) {
		for i, ticket := range tickets {
			r, err := q.Wait(t.Context(), ticket.ID, producer.Channel(channel))
			require.NoError(t, err)
			require.Equal(t, tasks.OutcomeSent, r.Outcome, "%+v", r)
			require.Equal(t, 1, r.Attempts)
			require.Equal(t, 1, sim.Ledger().Count(demoUser(from+i)))
		}
	}
	sent("shop", 0, shops)
	waiting := 0
	for _, ticket := range others {
		r, err := q.Result(t.Context(), ticket.ID, producer.Channel("news"))
		require.NoError(t, err)
		if r.State != tasks.StateDone {
			waiting++
		}
	}
	assert.Positive(t, waiting, "the channel that left was served on")

	rewrite(t, config, head+"  shop: {token: "+secretToken+"}\n  news: {token_env: NOWHERE}\n")
	w.signal(syscall.SIGHUP)
	w.await(`"at": "` + config + `:4:10"`)
	w.await("configuration not reloaded")
	rewrite(t, config, head+fmt.Sprintf(shop, token)+"  news: {token_file: /nowhere/token}\n")
	w.signal(syscall.SIGHUP)
	w.await(`"at": "` + config + `:5:10"`)
	w.await("configuration not reloaded")
	sent("shop", 2000, enqueue("shop", 2000, 10))

	// The channel comes back; the token file of shop was replaced under it, and another setting needs a restart.
	rewrite(t, config, strings.Replace(head, "20", "30", 1)+fmt.Sprintf(shop, token)+news)
	w.signal(syscall.SIGHUP)
	assert.Contains(t, w.await("needs a restart"), `"concurrency"`)
	w.await("configuration reloaded")
	sent("news", 1000, others)
	sent("shop", 3000, enqueue("shop", 3000, 10))
	assert.Empty(t, sim.Ledger().Duplicates())
	w.signal(syscall.SIGTERM)
	assert.Equal(t, 0, w.wait().ExitStatus())
	assert.NotContains(t, w.all.String(), "held")
}

// TestSIGHUPOfServe changes who may call, and for which channel.
func TestSIGHUPOfServe(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	binary := build(t)
	sim, err := linesim.New(linesim.Config{Channels: []linesim.Channel{{ID: "1", Token: secretToken}, {ID: "2", Token: secretToken + "-2"}}})
	require.NoError(t, err)
	line := httptest.NewServer(sim)
	defer line.Close()
	token := file(t, "token", secretToken)
	key := func(name, scope string) string {
		return fmt.Sprintf("  - {name: %s, sha256: %x, scopes: [%s]}\n", name, sha256.Sum256([]byte(name)), scope)
	}
	head := "line-origin: " + line.URL + "\naddr: 127.0.0.1:0\nchannels:\n  shop: {token_file: " + token + "}\n"
	config := file(t, "lineq.yaml", head+"api_keys:\n"+key("first", "read"))
	s := launch(t, binary, []string{"PATH=" + os.Getenv("PATH"), "REDIS_URL=" + redis.URL()}, "serve", "--config", config)
	url := urlIn.FindString(s.await("serving LINE's API"))
	status := func(path, bearer string) int {
		r, err := http.NewRequest(http.MethodGet, url+path, nil)
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer "+bearer)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		return answer.StatusCode
	}
	const channels, info = "/lineq/v1/channels", "/v2/bot/info"
	assert.Equal(t, []int{200, 401, 200, 401}, []int{
		status(channels, "first"), status(channels, "second"), status(info, secretToken), status(info, secretToken+"-2"),
	})

	// The keys are wrong, the token isn't: nothing of it is taken over.
	rewrite(t, token, secretToken+"-2")
	rewrite(t, config, head+"api_keys:\n"+key("second", "reed"))
	s.signal(syscall.SIGHUP)
	assert.Contains(t, s.await("the configuration has a problem"), config+":6:")
	s.await("configuration not reloaded")
	assert.Equal(t, []int{200, 401, 200, 401}, []int{
		status(channels, "first"), status(channels, "second"), status(info, secretToken), status(info, secretToken+"-2"),
	})

	rewrite(t, config, head+"api_keys:\n"+key("second", "read"))
	s.signal(syscall.SIGHUP)
	s.await("configuration reloaded")
	assert.Equal(t, []int{401, 200, 401, 200}, []int{
		status(channels, "first"), status(channels, "second"), status(info, secretToken), status(info, secretToken+"-2"),
	})
	s.signal(syscall.SIGTERM)
	assert.Equal(t, 0, s.wait().ExitStatus())
}
