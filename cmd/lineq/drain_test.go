package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
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

// TestSIGTERMInTheMiddle stops a worker among a thousand sends, as a rolling upgrade does, and lets another do the rest.
func TestSIGTERMInTheMiddle(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	binary := filepath.Join(t.TempDir(), "lineq")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	sim, err := linesim.New(linesim.Config{Latency: 100 * time.Millisecond, Limits: linesim.Limits{Off: true}})
	require.NoError(t, err)
	line := httptest.NewServer(sim)
	defer line.Close()
	start := func() *process {
		w := launch(t, binary, []string{
			"PATH=" + os.Getenv("PATH"), "REDIS_URL=" + redis.URL(),
			"LINE_CHANNEL_ACCESS_TOKEN=" + linesim.DefaultChannel.Token,
		}, "worker", "--line-origin", line.URL, "--concurrency", "50")
		w.await("worker started")
		return w
	}

	q, err := producer.New(producer.Config{Redis: redis.Client(t)})
	require.NoError(t, err)
	items := make([]producer.Item, 1000)
	for i := range items {
		items[i].Task = tasks.Push{To: demoUser(i), Messages: []lineapi.Message{lineapi.Text(fmt.Sprint(secretText, i))}}
	}
	first := start()
	tickets, err := q.EnqueueAll(t.Context(), items)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return sim.Ledger().Totals().Requests >= 300 }, time.Minute, time.Millisecond)
	first.signal(syscall.SIGTERM)
	assert.Equal(t, 0, first.wait().ExitStatus())
	assert.Contains(t, first.all.String(), "worker stopped")
	finished := 0
	for i, ticket := range tickets {
		r, err := q.Result(t.Context(), ticket.ID)
		require.NoError(t, err)
		if r.State == tasks.StateDone {
			finished++
			require.Equal(t, tasks.OutcomeSent, r.Outcome)
			continue
		}
		require.Contains(t, []tasks.State{tasks.StateQueued, tasks.StateWaiting}, r.State, "nothing is left under way")
		require.Zero(t, sim.Ledger().Count(demoUser(i)), "it was sent, but not recorded")
	}
	assert.Greater(t, finished, 250)
	assert.Less(t, finished, 1000, "it fetched on after the signal")

	second := start()
	for i, ticket := range tickets {
		r, err := q.Wait(t.Context(), ticket.ID)
		require.NoError(t, err)
		require.Equal(t, tasks.OutcomeSent, r.Outcome)
		require.Equal(t, 1, r.Attempts)
		require.Equal(t, 1, sim.Ledger().Count(demoUser(i)))
	}
	assert.Empty(t, sim.Ledger().Duplicates())
	second.signal(syscall.SIGTERM)
	assert.Equal(t, 0, second.wait().ExitStatus())
	for _, w := range []*process{first, second} {
		assert.NotContains(t, w.all.String(), "redis is")
		assert.NotContains(t, w.all.String(), "WARN")
		assert.NotContains(t, w.all.String(), "ERROR")
	}
}
