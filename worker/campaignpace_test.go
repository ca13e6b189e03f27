package worker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// A campaign's own rate is below LINE's limits, and what it sends is spread over the time.
func TestRateOfACampaign(t *testing.T) {
	t.Parallel()
	for _, mode := range []campaign.Mode{campaign.Push, campaign.Multicast} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			s := onMini(t)
			s.work(t)
			s.seal(t, "c", campaign.Plan{Mode: mode, Templates: text("hello"), Rate: 200}, 20, users(400))
			sum := s.ended(t, "c")
			assert.EqualValues(t, 400, sum.Sent)
			var last time.Time
			for r := range s.line.Ledger().Requests() {
				if r.At.After(last) {
					last = r.At
				}
			}
			// The last unit begins no sooner than all others have had their time.
			assert.Greater(t, last.Sub(*sum.StartedAt), (400-campaign.Block)*time.Second/200)
		})
	}
}

func TestWindowOfACampaign(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	s.work(t)
	now := time.Now().UTC()
	minute := now.Hour()*60 + now.Minute()
	window := func(from, to int) campaign.Window {
		return campaign.Window{From: (minute + from + 1440) % 1440, To: (minute + to + 1440) % 1440, Zone: "UTC"}
	}
	s.seal(t, "closed", campaign.Plan{Mode: campaign.Push, Templates: text("hello"), Window: window(120, 180)}, 500, users(100))
	s.seal(t, "open", campaign.Plan{Mode: campaign.Push, Templates: text("hello"), Window: window(-60, 60)}, 500, users(50))
	assert.EqualValues(t, 50, s.ended(t, "open").Sent)
	var rest float64
	require.Eventually(t, func() bool {
		_, err := fmt.Sscan(s.rdb.HGet(t.Context(), "lineq:{c:closed}:state", "rest").Val(), &rest)
		return err == nil
	}, time.Minute, 5*time.Millisecond, "its lanes wait for the window")
	assert.Greater(t, time.UnixMilli(int64(rest)).Sub(now), 118*time.Minute)
	sum, err := s.campaigns.Summary(t.Context(), "closed")
	require.NoError(t, err)
	assert.Equal(t, campaign.StateSending, sum.State)
	assert.EqualValues(t, 100, sum.Pending)
	_, err = s.campaigns.Cancel(t.Context(), "closed", campaign.Operator, "")
	require.NoError(t, err)
}

func TestTwoCampaignsShareALimit(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	s.work(t, func(c *worker.Config) {
		c.Limits = limit.Limits{Rates: map[string]endpoint.Limit{"pushMessage": {Requests: 500, Per: time.Second}}}
	})
	ids := []string{"one", "two"}
	for i, id := range ids {
		to := users(6000)[i*3000 : (i+1)*3000]
		s.seal(t, id, campaign.Plan{Mode: campaign.Push, Templates: text("hello")}, 500, to)
	}
	for _, id := range ids {
		s.inState(t, id, campaign.StateSending)
	}
	before := s.sent(t, ids)
	var now []int64
	require.Eventually(t, func() bool {
		now = s.sent(t, ids)
		return now[0]+now[1]-before[0]-before[1] >= 2000
	}, time.Minute, 5*time.Millisecond)
	for i, id := range ids {
		assert.Greater(t, now[i]-before[i], int64(600), "%s has been left behind: %v, then %v", id, before, now)
	}
}

func (s *stage) sent(t *testing.T, ids []string) (all []int64) {
	t.Helper()
	for _, id := range ids {
		sum, err := s.campaigns.Summary(t.Context(), id)
		require.NoError(t, err)
		all = append(all, sum.Sent)
	}
	return all
}

// Ten channels send a campaign each. One is at a crawl, one has a token that LINE refuses; the others are done.
func TestCampaignsOfManyChannels(t *testing.T) {
	t.Parallel()
	_, rdb := redistest.Mini(t)
	cfg := linesim.Config{}
	var names []string
	for i := range 10 {
		names = append(names, fmt.Sprint("shop-", i))
		cfg.Channels = append(cfg.Channels, linesim.Channel{ID: fmt.Sprint(1000 + i), Secret: "s", Token: fmt.Sprint("token-", i)})
	}
	s := newStage(t, rdb, cfg)
	s.work(t, func(c *worker.Config) {
		c.Channels = map[string]*lineapi.Client{}
		for i, name := range names {
			token := fmt.Sprint("token-", i)
			if i == 1 {
				token = "an-old-one"
			}
			client, err := lineapi.New(lineapi.Config{
				Token: lineapi.StaticToken(token), Origin: s.server.URL, DataOrigin: s.server.URL,
			})
			require.NoError(t, err)
			c.Channels[name] = client
		}
		c.Limits.Channels = map[string]limit.Channel{
			names[0]: {Rates: map[string]endpoint.Limit{"pushMessage": {Requests: 1, Per: time.Second}}},
		}
	})
	for i, name := range names {
		to := users(3000)[i*300 : (i+1)*300]
		report, err := s.q.Campaign(t.Context(), producer.Campaign{ID: name, Messages: []lineapi.Message{lineapi.Text("hi {{n}}")},
			To: func(yield func(producer.Recipient, error) bool) {
				for _, id := range to {
					if !yield(producer.Recipient{To: id, Vars: map[string]string{"n": id[30:]}}, nil) {
						return
					}
				}
			}}, producer.Channel(name))
		require.NoError(t, err)
		require.EqualValues(t, 300, report.Recipients)
	}
	for i, name := range names {
		if i < 2 {
			continue
		}
		assert.EqualValues(t, 300, s.ended(t, name).Sent, name)
	}
	for _, name := range names[:2] {
		sum, err := s.campaigns.Summary(t.Context(), name)
		require.NoError(t, err)
		assert.Positive(t, sum.Pending, name)
		assert.Zero(t, sum.Failed+sum.Unknown, name)
	}
}

// What a message says, also what LINE quotes of it, is nowhere but in Redis's values and at LINE.
func TestACampaignTellsNothing(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	s.refuse(t, func(body string) (status int, answer string) {
		if strings.Contains(body, secretText+" 03") {
			return 400, `{"message":"The property, 'to', in ` + secretText + ` 03 is invalid"}`
		}
		return 0, ""
	})
	s.work(t)
	to := users(50)
	values := make([]string, len(to))
	for i := range values {
		values[i] = fmt.Sprintf("%s %02d", secretText, i)
	}
	s.seal(t, "c", campaign.Plan{Mode: campaign.Push, Templates: text("{{what}}"), Columns: []string{"what"}}, 500, to, values)
	sum := s.ended(t, "c")
	assert.EqualValues(t, 1, sum.Failed)
	for row, err := range s.campaigns.Recipients(t.Context(), "c") {
		require.NoError(t, err)
		assert.NotContains(t, row.Error, secretText)
	}
	require.Eventually(t, func() bool { return s.logs.FilterMessage("campaign ended").Len() > 0 }, time.Minute, time.Millisecond)
	for _, e := range s.logs.All() {
		line := fmt.Sprint(e.Message, e.ContextMap())
		assert.NotContains(t, line, secretText)
		assert.NotContains(t, line, linesim.DefaultChannel.Token)
		assert.NotContains(t, line, user(3))
	}
	keys, err := s.rdb.Keys(t.Context(), "*").Result()
	require.NoError(t, err)
	for _, key := range keys {
		assert.NotContains(t, key, secretText)
		assert.NotContains(t, key, user(3))
	}
	lines, err := s.records.LogTail(t.Context(), "default", 10)
	require.NoError(t, err)
	assert.NotContains(t, fmt.Sprint(lines), secretText)
}

// One channel sends a campaign of pushes and one of multicasts: they share the queue and its slots, and each gets on at its
// own limit, whichever came first.
func TestPushesAndMulticastsOfOneChannel(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][]campaign.Mode{
		"pushes first": {campaign.Push, campaign.Multicast}, "multicasts first": {campaign.Multicast, campaign.Push},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, redistest.Start(t).Client(t), linesim.Config{Latency: 20 * time.Millisecond})
			s.work(t, func(c *worker.Config) {
				c.Limits = limit.Limits{Rates: map[string]endpoint.Limit{
					"pushMessage": {Requests: 200, Per: time.Second}, "multicast": {Requests: 20, Per: time.Second},
				}}
			})
			size := map[campaign.Mode]int{campaign.Push: 500, campaign.Multicast: 10}
			to := map[campaign.Mode][]string{campaign.Push: users(4000)[:2000], campaign.Multicast: users(4000)[2000:]}
			for _, mode := range order {
				s.seal(t, string(mode), campaign.Plan{Mode: mode, Templates: text("hello")}, size[mode], to[mode])
			}
			// Both have as much to do as their limits let them do in ten seconds. When the first of them is through, the other
			// one must be far, too.
			var sums [2]campaign.Summary
			require.Eventually(t, func() bool {
				for i, mode := range order {
					var err error
					sums[i], err = s.campaigns.Summary(t.Context(), string(mode))
					require.NoError(t, err)
					require.Equal(t, sums[i].Recipients, sums[i].Sent+sums[i].Failed+sums[i].Unknown+sums[i].Pending)
				}
				return sums[0].State.Ended() || sums[1].State.Ended()
			}, time.Minute, 5*time.Millisecond)
			for i, mode := range order {
				assert.Greater(t, sums[i].Sent, int64(1000), "%s has been left behind", mode)
			}
			for _, mode := range order {
				assert.EqualValues(t, 2000, s.ended(t, string(mode)).Sent)
				s.everyoneOnce(t, to[mode])
			}
		})
	}
}
