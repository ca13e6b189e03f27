package worker_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/chunk"
	"github.com/lineq/lineq/tasks/redistest"
)

// text is a plan's one template.
func text(words string) []campaign.Template {
	return []campaign.Template{{Messages: []lineapi.Message{lineapi.Text(words)}}}
}

// users are n ids.
func users(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = user(i)
	}
	return ids
}

// seal writes a campaign as an intake does, in chunks of the given size. values are those of the columns, by recipient.
func (s *stage) seal(t testing.TB, id string, plan campaign.Plan, size int, to []string, values ...[]string) {
	t.Helper()
	d, err := s.campaigns.Draft(t.Context(), tasks.DefaultChannel, id, plan)
	require.NoError(t, err)
	var odd []campaign.Odd
	n := 0
	byPrefix := map[byte][]int{}
	for i, id := range to {
		byPrefix[id[0]] = append(byPrefix[id[0]], i)
	}
	for _, prefix := range []byte("UCR") {
		for some := range slices.Chunk(byPrefix[prefix], size) {
			c := chunk.Chunk{Prefix: prefix, Columns: len(plan.Columns)}
			for _, i := range some {
				_, raw, ok := chunk.ParseID(to[i])
				require.True(t, ok)
				c.IDs = append(c.IDs, raw[:]...)
				for _, column := range values {
					c.Values = append(c.Values, column[i])
				}
			}
			b, err := c.Append(nil)
			require.NoError(t, err)
			require.NoError(t, d.Append(t.Context(), n, b))
			mode := plan.Mode
			if prefix != 'U' {
				mode = campaign.Push
			}
			if len(some) < size || mode != plan.Mode {
				odd = append(odd, campaign.Odd{Chunk: n, Size: len(some), Mode: mode})
			}
			n++
		}
	}
	_, err = d.Seal(t.Context(), size, n, odd, campaign.Totals{Recipients: int64(len(to))})
	require.NoError(t, err)
}

// ended waits until a campaign has ended.
func (s *stage) ended(t testing.TB, id string) (sum campaign.Summary) {
	t.Helper()
	if !assert.Eventually(t, func() bool {
		var err error
		sum, err = s.campaigns.Summary(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, sum.Recipients, sum.Sent+sum.Failed+sum.Unknown+sum.Pending)
		return sum.State.Ended()
	}, time.Minute, 5*time.Millisecond) {
		t.Fatalf("%+v", sum)
	}
	return sum
}

// everyoneOnce holds the ledger against the recipients.
func (s *stage) everyoneOnce(t testing.TB, to []string) {
	t.Helper()
	for _, id := range to {
		require.Equal(t, 1, s.line.Ledger().Count(id), id)
	}
}

func TestCampaigns(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{})
		s.work(t)
		t.Run("multicast", func(t *testing.T) {
			to := users(1234)
			s.seal(t, "m", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello")}, 500, to)
			sum := s.ended(t, "m")
			assert.Equal(t, campaign.StateFinished, sum.State)
			assert.EqualValues(t, 1234, sum.Sent)
			assert.EqualValues(t, 3, sum.Requests)
			s.everyoneOnce(t, to)
		})
		s.line.Ledger().Reset()
		t.Run("push", func(t *testing.T) {
			to := append(users(700), group, room)
			names := make([]string, len(to))
			for i := range names {
				names[i] = fmt.Sprint("name ", i)
			}
			s.seal(t, "p", campaign.Plan{
				Mode: campaign.Push, Templates: text("hello {{name}}"), Columns: []string{"name"},
			}, 500, to, names)
			sum := s.ended(t, "p")
			assert.Equal(t, campaign.StateFinished, sum.State)
			assert.EqualValues(t, 702, sum.Sent)
			assert.EqualValues(t, 702, sum.Requests)
			s.everyoneOnce(t, users(700))
			d := s.line.Ledger().Received(user(77))
			require.Len(t, d, 1)
			assert.Contains(t, string(d[0].Messages[0]), "hello name 77")
		})
		t.Run("with faults", func(t *testing.T) {
			s.line.Ledger().Reset()
			var faults []linesim.Fault
			for _, k := range []linesim.FaultKind{linesim.FaultRefuse, linesim.FaultAccept500, linesim.FaultAcceptCut, linesim.FaultCut} {
				faults = append(faults, linesim.Fault{Kind: k, Share: 0.05})
			}
			require.NoError(t, s.line.SetFaults(faults))
			to := users(2000)
			s.seal(t, "fp", campaign.Plan{Mode: campaign.Push, Templates: text("hello")}, 500, to)
			sum := s.ended(t, "fp")
			assert.EqualValues(t, 2000, sum.Sent, "%+v", sum)
			s.everyoneOnce(t, to)
			s.line.Ledger().Reset()
			s.seal(t, "fm", campaign.Plan{Mode: campaign.Multicast, Templates: text("hello")}, 20, to)
			sum = s.ended(t, "fm")
			assert.EqualValues(t, 2000, sum.Sent, "%+v", sum)
			s.everyoneOnce(t, to)
			require.NoError(t, s.line.SetFaults(nil))
		})
	})
}
