package worker_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
)

// The worker that tells a campaign's end to its webhook is killed with -9, over its first try or after it was refused.
// Another one tells it.
func TestWebhookOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	for name, refuses := range map[string]bool{"killed while it tries": false, "killed after a refusal": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			rdb := server.Client(t)
			s := newStage(t, rdb, linesim.Config{})
			var doomed atomic.Pointer[exec.Cmd]
			var survives atomic.Bool
			tried, told := make(chan struct{}, 100), make(chan campaign.Summary, 100)
			hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if survives.Load() {
					var sum campaign.Summary
					assert.NoError(t, json.NewDecoder(r.Body).Decode(&sum))
					told <- sum
					return
				}
				if !refuses {
					_ = doomed.Load().Process.Kill()
				}
				w.WriteHeader(http.StatusBadGateway)
				tried <- struct{}{}
			}))
			t.Cleanup(hook.Close)
			cmd, _ := s.launch(t, server.Addr, atRandom)
			doomed.Store(cmd)
			s.seal(t, "c", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello"), Webhook: hook.URL}, 500, users(10))
			<-tried
			if refuses {
				// asynq has it for later before the worker dies.
				require.Eventually(t, func() bool {
					return rdb.ZCard(t.Context(), "asynq:{lineq-bulk-default}:retry").Val() == 1
				}, time.Minute, time.Millisecond)
				require.NoError(t, cmd.Process.Kill())
			}
			_ = cmd.Wait()
			survives.Store(true)

			s.work(t)
			sum := <-told
			assert.Equal(t, "c", sum.ID)
			assert.Equal(t, campaign.StateFinished, sum.State)
			assert.EqualValues(t, 10, sum.Sent)
			require.Eventually(t, func() bool {
				n, err := rdb.Keys(t.Context(), "asynq:{lineq-bulk-default}:t:*").Result()
				return err == nil && len(n) == 0
			}, time.Minute, 5*time.Millisecond, "then it is done with")
			s.everyoneOnce(t, users(10))
		})
	}
}

// Where a campaign is kept for less than the day for which its webhook is tried, its end is told to the log at least.
func TestWebhookOfACampaignThatIsKeptNoMore(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(hook.Close)
	s.work(t)
	s.seal(t, "c", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello"), Webhook: hook.URL}, 500, users(10))
	require.Eventually(t, func() bool {
		return s.logs.FilterMessage("a campaign's webhook fails, and is tried again").Len() > 0
	}, time.Minute, time.Millisecond)
	require.NoError(t, s.rdb.Del(t.Context(), "lineq:{c:c}:message").Err())
	given := func() int { return s.logs.FilterMessage("a campaign's webhook is given up").Len() }
	require.Eventually(t, func() bool { return given() > 0 }, time.Minute, time.Millisecond)
	assert.Equal(t, 1, given())
}
