package worker_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// inState waits until a campaign stands where it is expected.
func (s *stage) inState(t testing.TB, id string, want campaign.State) (sum campaign.Summary) {
	t.Helper()
	if !assert.Eventually(t, func() bool {
		var err error
		sum, err = s.campaigns.Summary(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, sum.Recipients, sum.Sent+sum.Failed+sum.Unknown+sum.Pending)
		return sum.State == want
	}, time.Minute, 5*time.Millisecond) {
		t.Fatalf("%+v", sum)
	}
	return sum
}

// quiet waits until nothing of a campaign is under way.
func (s *stage) quiet(t testing.TB, id string) {
	t.Helper()
	require.Eventually(t, func() bool {
		return s.rdb.ZCard(t.Context(), "lineq:{c:"+id+"}:open").Val() == 0
	}, time.Minute, 5*time.Millisecond)
}

// lastRequest is when LINE took the last one.
func (s *stage) lastRequest() (last time.Time) {
	for r := range s.line.Ledger().Requests() {
		last = r.At
	}
	return last
}

func TestCampaignIsPausedResumedAndCancelled(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		for _, mode := range []campaign.Mode{campaign.Push, campaign.Multicast} {
			t.Run(string(mode), func(t *testing.T) {
				s := newStage(t, rdb, linesim.Config{Latency: 100 * time.Millisecond})
				s.work(t)
				id := "p-" + string(mode)
				to := users(6000)
				size := 500
				if mode == campaign.Multicast {
					size = 5
				}
				s.seal(t, id, campaign.Plan{Mode: mode, Templates: text("hello")}, size, to)
				for range 3 {
					before := s.line.Ledger().Totals().Requests
					require.Eventually(t, func() bool { return s.line.Ledger().Totals().Requests > before+100 }, time.Minute, time.Millisecond)
					asked := time.Now()
					_, err := s.campaigns.Pause(t.Context(), id, campaign.Operator, "lunch")
					require.NoError(t, err)
					s.quiet(t, id)
					t.Logf("the last request came %s after the pause was asked for", s.lastRequest().Sub(asked))
					sum := s.inState(t, id, campaign.StatePaused)
					require.Equal(t, campaign.Operator, sum.Reason)
					require.EqualValues(t, s.line.Ledger().Totals().Recipients, sum.Sent, "what was handed over is counted")
					if sum.Pending == 0 {
						break
					}
					sum, err = s.campaigns.Resume(t.Context(), id, nil)
					require.NoError(t, err)
					require.Equal(t, campaign.StateSending, sum.State)
				}
				asked := time.Now()
				_, err := s.campaigns.Cancel(t.Context(), id, campaign.Operator, "")
				require.NoError(t, err)
				s.quiet(t, id)
				t.Logf("the last request came %s after the end was asked for", s.lastRequest().Sub(asked))
				sum := s.inState(t, id, campaign.StateCancelled)
				assert.EqualValues(t, s.line.Ledger().Totals().Recipients, sum.Sent)
				assert.Positive(t, sum.Pending)
				assert.Zero(t, sum.Unknown)
				for row, err := range s.campaigns.Recipients(t.Context(), id) {
					require.NoError(t, err)
					want := tasks.OutcomeCancelled
					if n := s.line.Ledger().Count(row.To); n > 0 {
						require.Equal(t, 1, n)
						want = tasks.OutcomeSent
					}
					require.Equal(t, want, row.Outcome)
				}
				_, err = s.campaigns.Resume(t.Context(), id, nil)
				require.ErrorIs(t, err, campaign.ErrState)
				require.Eventually(t, func() bool {
					unended, err := s.campaigns.Unended(t.Context())
					return err == nil && len(unended) == 0
				}, time.Minute, 5*time.Millisecond)
				lines, err := s.records.LogTail(t.Context(), tasks.DefaultChannel, 10)
				require.NoError(t, err)
				require.NotEmpty(t, lines)
				last := lines[len(lines)-1]
				assert.Equal(t, campaign.KindCampaign, last.Kind)
				assert.Equal(t, tasks.OutcomeCancelled, last.Outcome)
				assert.Equal(t, id, last.ID)
			})
		}
	})
}

// What LINE may have when a campaign is paused is repeated while LINE remembers the key: three days later nothing is unknown.
func TestPausedCampaignSettlesWhatLINEMayHave(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	require.NoError(t, s.line.SetFaults([]linesim.Fault{
		{Kind: linesim.FaultAcceptCut, Share: 0.5, Count: 20}, {Kind: linesim.FaultDelay, Delay: 200 * time.Millisecond, Count: 64},
	}))
	s.work(t)
	s.seal(t, "c", campaign.Plan{Mode: campaign.Push, Templates: text("hello"), Rate: 100}, 500, users(1000))
	s.accepted(t, 20)
	_, err := s.campaigns.Pause(t.Context(), "c", campaign.Operator, "")
	require.NoError(t, err)
	s.quiet(t, "c")
	sum := s.inState(t, "c", campaign.StatePaused)
	assert.Positive(t, sum.Replayed)
	assert.EqualValues(t, s.line.Ledger().Totals().Recipients, sum.Sent)
	assert.Zero(t, sum.Unknown)
	assert.Positive(t, sum.Pending)

	s.line.SetClockOffset(72 * time.Hour) // LINE has forgotten every key
	_, err = s.campaigns.Resume(t.Context(), "c", nil)
	require.NoError(t, err)
	sum = s.ended(t, "c")
	assert.EqualValues(t, 1000, sum.Sent)
	assert.Zero(t, sum.Unknown)
	for _, to := range users(1000) {
		require.Equal(t, 1, s.line.Ledger().Count(to))
	}
}

// A worker of another version may have more lanes.
func TestMoreLanesThanThisVersionHas(t *testing.T) {
	t.Parallel()
	s := newStage(t, redistest.Start(t).Client(t), linesim.Config{Latency: 20 * time.Millisecond})
	s.work(t)
	s.seal(t, "c", campaign.Plan{Mode: campaign.Push, Templates: text("hello")}, 500, users(6000))
	s.accepted(t, 200)
	look, err := s.campaigns.Look(t.Context(), "c", false)
	require.NoError(t, err)
	others := asynq.NewClientFromRedisClient(s.rdb)
	for lane := 8; lane < 20; lane++ {
		j := campaign.Job{Channel: tasks.DefaultChannel, ID: "c", Epoch: look.Epoch, Lane: lane}
		payload, err := j.Encode()
		require.NoError(t, err)
		_, err = others.Enqueue(asynq.NewTask(string(campaign.KindLane), payload), asynq.Queue(j.Queue()), asynq.TaskID(j.Name(campaign.KindLane)))
		require.NoError(t, err)
	}
	assert.EqualValues(t, 6000, s.ended(t, "c").Sent)
	for _, to := range users(6000) {
		require.Equal(t, 1, s.line.Ledger().Count(to))
	}
}

func TestPreflight(t *testing.T) {
	t.Parallel()
	plan := campaign.Plan{Mode: campaign.Multicast, Templates: text("hello")}
	t.Run("LINE refuses the message", func(t *testing.T) {
		s := onMini(t)
		s.work(t)
		bad, err := lineapi.MessageOf([]byte(`{"type":"text","text":""}`))
		require.NoError(t, err)
		s.seal(t, "c", campaign.Plan{Mode: campaign.Multicast, Templates: []campaign.Template{{Messages: []lineapi.Message{bad}}}}, 500, users(10))
		sum := s.inState(t, "c", campaign.StatePaused)
		assert.Equal(t, lineapi.Invalid, sum.Reason)
		assert.NotEmpty(t, sum.Note)
		assert.Zero(t, s.line.Ledger().Totals().Requests)
	})
	t.Run("the quota isn't enough", func(t *testing.T) {
		s := onMini(t)
		require.NoError(t, s.line.SetQuota(linesim.DefaultChannel.ID, linesim.Quota{Limit: 100, Used: 95}))
		s.work(t)
		s.seal(t, "c", plan, 500, users(10))
		sum := s.inState(t, "c", campaign.StatePaused)
		assert.Equal(t, lineapi.Quota, sum.Reason)
		assert.Equal(t, "5 left of this month's quota, and it needs 10", sum.Note)
		require.NotNil(t, sum.Forecast)
		assert.EqualValues(t, 5, sum.Forecast.QuotaLeft)
		assert.EqualValues(t, 10, sum.Forecast.QuotaCost)
		require.NoError(t, s.line.SetQuota(linesim.DefaultChannel.ID, linesim.Quota{Limit: 100, Used: 90}))
		_, err := s.campaigns.Resume(t.Context(), "c", nil)
		require.NoError(t, err)
		assert.EqualValues(t, 10, s.ended(t, "c").Sent)
	})
	t.Run("as far as the quota reaches", func(t *testing.T) {
		s := onMini(t)
		require.NoError(t, s.line.SetQuota(linesim.DefaultChannel.ID, linesim.Quota{Limit: 100, Used: 60}))
		s.work(t)
		part := campaign.Plan{Mode: campaign.Push, Templates: text("hello"), Partial: true}
		s.seal(t, "c", part, 500, users(100))
		sum := s.inState(t, "c", campaign.StatePaused)
		assert.Equal(t, lineapi.Quota, sum.Reason)
		assert.EqualValues(t, 40, sum.Sent)
		require.NoError(t, s.line.SetQuota(linesim.DefaultChannel.ID, linesim.Quota{Limit: 200, Used: 100}))
		_, err := s.campaigns.Resume(t.Context(), "c", nil)
		require.NoError(t, err)
		assert.EqualValues(t, 100, s.ended(t, "c").Sent)
		s.everyoneOnce(t, users(100))
	})
	t.Run("only to be checked", func(t *testing.T) {
		s := onMini(t)
		s.work(t)
		dry := plan
		dry.DryRun = true
		s.seal(t, "c", dry, 500, users(1001))
		sum := s.ended(t, "c")
		assert.Equal(t, campaign.DryRun, sum.Reason)
		require.NotNil(t, sum.Forecast)
		assert.EqualValues(t, 3, sum.Forecast.Requests)
		assert.EqualValues(t, -1, sum.Forecast.QuotaLeft)
		assert.Zero(t, s.line.Ledger().Totals().Requests)
		s.seal(t, "c", plan, 500, users(1001)) // now in earnest, under the same id
		sum = s.inState(t, "c", campaign.StateFinished)
		assert.EqualValues(t, 1001, sum.Sent)
		s.everyoneOnce(t, users(1001))
	})
	t.Run("later", func(t *testing.T) {
		s := onMini(t)
		s.work(t)
		later := plan
		later.At = time.Now().Add(1500 * time.Millisecond)
		s.seal(t, "c", later, 500, users(10))
		sum := s.ended(t, "c")
		require.NotNil(t, sum.StartedAt)
		assert.False(t, sum.StartedAt.Before(later.At.Truncate(time.Millisecond)))
		assert.EqualValues(t, 10, sum.Sent)
	})
}

func TestCampaignOfAHeldChannel(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	_, err := channel.Put(t.Context(), s.rdb, tasks.DefaultChannel, channel.Hold{Reason: channel.Operator})
	require.NoError(t, err)
	s.work(t)
	s.seal(t, "c", campaign.Plan{Mode: campaign.Push, Templates: text("hello")}, 500, users(100))
	hold := s.push(t, user(1000))
	s.waitFor(t, hold, tasks.StateQueued)
	_, err = channel.Lift(t.Context(), s.rdb, tasks.DefaultChannel, channel.Operator)
	require.NoError(t, err)
	assert.EqualValues(t, 100, s.ended(t, "c").Sent)
	s.everyoneOnce(t, users(100))
}

// A recipient that LINE doesn't know costs only that recipient, named or not; a message that it doesn't take stops all.
func TestRefusalsOfACampaign(t *testing.T) {
	t.Parallel()
	t.Run("an unknown recipient of a multicast", func(t *testing.T) {
		_, rdb := redistest.Mini(t)
		s := newStage(t, rdb, linesim.Config{RefuseUnknown: true})
		for _, n := range []int{3, 77, 499} {
			require.NoError(t, s.line.AddUser(linesim.User{ID: user(n), State: linesim.Unknown}))
		}
		s.work(t)
		s.seal(t, "c", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello")}, 500, users(700))
		sum := s.ended(t, "c")
		assert.Equal(t, campaign.StateFinishedWithFailures, sum.State)
		assert.EqualValues(t, 3, sum.Failed)
		assert.EqualValues(t, 697, sum.Sent)
		assert.Equal(t, map[lineapi.Reason]int64{lineapi.Invalid: 3}, sum.FailuresBy)
		row, err := s.campaigns.Find(t.Context(), "c", user(77))
		require.NoError(t, err)
		assert.Equal(t, tasks.OutcomeFailed, row.Outcome)
		assert.Contains(t, row.Error, "to[")
		assert.NotEmpty(t, row.RequestID)
		row, err = s.campaigns.Find(t.Context(), "c", user(78))
		require.NoError(t, err)
		assert.Equal(t, tasks.OutcomeSent, row.Outcome)
		for n := range 700 {
			want := 1
			if n == 3 || n == 77 || n == 499 {
				want = 0
			}
			require.Equal(t, want, s.line.Ledger().Count(user(n)))
		}
	})
	t.Run("one that LINE doesn't name", func(t *testing.T) {
		s := onMini(t)
		bad := user(33)
		s.refuse(t, func(body string) (status int, answer string) {
			if strings.Contains(body, bad) {
				return 400, `{"message":"The request body has 1 error(s)"}`
			}
			return 0, ""
		})
		s.work(t)
		s.seal(t, "c", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello")}, 500, users(100))
		sum := s.ended(t, "c")
		assert.EqualValues(t, 1, sum.Failed)
		assert.EqualValues(t, 99, sum.Sent)
		row, err := s.campaigns.Find(t.Context(), "c", bad)
		require.NoError(t, err)
		assert.Equal(t, tasks.OutcomeFailed, row.Outcome)
	})
	t.Run("the message", func(t *testing.T) {
		s := onMini(t)
		var asked atomic.Int32
		s.refuse(t, func(body string) (status int, answer string) {
			asked.Add(1)
			return 400, `{"message":"The request body has 1 error(s)","details":[{"message":"no","property":"messages[0].text"}]}`
		})
		s.work(t)
		s.seal(t, "c", campaign.Plan{Mode: campaign.Push, Templates: text("hello")}, 500, users(5000))
		sum := s.inState(t, "c", campaign.StatePaused)
		assert.Equal(t, lineapi.Invalid, sum.Reason)
		assert.Contains(t, sum.Note, "messages[0].text")
		s.quiet(t, "c")
		sum, err := s.campaigns.Summary(t.Context(), "c")
		require.NoError(t, err)
		assert.EqualValues(t, 5000, sum.Pending, "nobody has failed for it")
		assert.Less(t, asked.Load(), int32(1100), "it went on")
	})
	t.Run("too many recipients", func(t *testing.T) {
		s := onMini(t)
		for n := range 5000 {
			if n%2 == 0 {
				require.NoError(t, s.line.AddUser(linesim.User{ID: user(n), State: linesim.Unknown}))
			}
		}
		s.work(t)
		s.seal(t, "c", campaign.Plan{Mode: campaign.Push, Templates: text("hello"), MaxFailures: 0.2}, 500, users(5000))
		sum := s.inState(t, "c", campaign.StatePaused)
		assert.Equal(t, campaign.Failures, sum.Reason)
		s.quiet(t, "c")
		sum, err := s.campaigns.Summary(t.Context(), "c")
		require.NoError(t, err)
		assert.Positive(t, sum.Pending)
		all := 1.0
		_, err = s.campaigns.Resume(t.Context(), "c", &all)
		require.NoError(t, err)
		sum = s.ended(t, "c")
		assert.EqualValues(t, 2500, sum.Failed)
		assert.EqualValues(t, 2500, sum.Sent)
	})
}

// refuse stands between the worker and LINE's send calls.
func (s *stage) refuse(t *testing.T, answer func(body string) (status int, answer string)) {
	t.Helper()
	s.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v2/bot/message/push" && r.URL.Path != "/v2/bot/message/multicast" {
			s.line.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		if status, text := answer(string(body)); status != 0 {
			w.Header().Set("X-Line-Request-Id", "0c0a8f3e-0000-4000-8000-000000000001")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.line.ServeHTTP(w, r)
	})
}

func TestWebhookOfACampaign(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	var calls atomic.Int32
	told := make(chan []byte, 1)
	signature := make(chan string, 1)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		told <- body
		signature <- r.Header.Get(worker.WebhookSignature)
	}))
	t.Cleanup(hook.Close)
	s.work(t, func(c *worker.Config) { c.WebhookSecret = "hush" })
	s.seal(t, "c", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello"), Webhook: hook.URL}, 500, users(10))
	body := <-told
	var sum campaign.Summary
	require.NoError(t, json.Unmarshal(body, &sum))
	assert.Equal(t, "c", sum.ID)
	assert.Equal(t, campaign.StateFinished, sum.State)
	mac := hmac.New(sha256.New, []byte("hush"))
	mac.Write(body)
	assert.Equal(t, base64.StdEncoding.EncodeToString(mac.Sum(nil)), <-signature)
}

// A worker is killed with -9 while it sends a campaign, and another one finishes: within seconds, not when its passes have
// run out.
func TestKilledWorkerOfACampaign(t *testing.T) {
	t.Parallel()
	for _, mode := range []campaign.Mode{campaign.Push, campaign.Multicast} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := newStage(t, server.Client(t), linesim.Config{Latency: 300 * time.Millisecond})
			doomed, id := s.launch(t, server.Addr, atRandom)
			to := users(6000)
			size := 500
			if mode == campaign.Multicast {
				size = 3
			}
			s.seal(t, "c", campaign.Plan{Mode: mode, Templates: text("hello"), Rate: 400}, size, to)
			s.accepted(t, 100)
			survivor, _ := s.inProcess(t)
			s.judges(t, survivor)
			require.Eventually(t, func() bool { return len(s.claimed(t, id)) > 0 }, time.Minute, time.Millisecond)
			require.NoError(t, doomed.Process.Kill())
			killed := time.Now()
			sum := s.ended(t, "c")
			t.Logf("%s after kill -9: %+v", time.Since(killed), sum)
			assert.Equal(t, campaign.StateFinished, sum.State)
			assert.EqualValues(t, 6000, sum.Sent)
			s.everyoneOnce(t, to)
		})
	}
}
