package producer_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestTheSameCampaignAgain(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q := newClient(t, rdb)
		cp := producer.Campaign{ID: "c", To: users(1234), Messages: says("Hi")}
		first, err := q.Campaign(t.Context(), cp)
		require.NoError(t, err)
		cp.To = func(func(producer.Recipient, error) bool) { t.Error("To was read") }
		cp.Rate = 5
		again, err := q.Campaign(t.Context(), cp)
		require.NoError(t, err)
		first.Duplicate = true
		assert.Equal(t, first, again)

		_, err = q.Campaign(t.Context(), cp, producer.Channel("shop"))
		require.ErrorIs(t, err, campaign.ErrIDReused)
		cp.Messages = says("Ho")
		_, err = q.Campaign(t.Context(), cp)
		require.ErrorIs(t, err, campaign.ErrIDReused)
	})
}

func TestTwoIntakesOfOneCampaign(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q := newClient(t, rdb)
	cp := producer.Campaign{ID: "c", Messages: says("Hi")}
	cp.To = func(yield func(producer.Recipient, error) bool) {
		second := cp
		second.To = users(1)
		_, err := q.Campaign(t.Context(), second)
		require.ErrorIs(t, err, campaign.ErrIntake)
		users(2)(yield)
	}
	report, err := q.Campaign(t.Context(), cp)
	require.NoError(t, err)
	assert.EqualValues(t, 2, report.Recipients)
}

func TestAnIntakeThatFailsLeavesNothing(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q := newClient(t, rdb)
		broken := errors.New("the cursor is broken")
		ctx, cancel := context.WithCancelCause(t.Context())
		takeOver := func() error { return rdb.HSet(t.Context(), "lineq:{c:c}:state", "token", "x").Err() }
		after := func(n int, then func() error) iter.Seq2[producer.Recipient, error] {
			return func(yield func(producer.Recipient, error) bool) {
				users(n)(yield)
				if err := then(); err != nil {
					yield(producer.Recipient{}, err)
				}
			}
		}
		for name, c := range map[string]struct {
			to iter.Seq2[producer.Recipient, error]
			is error
		}{
			"an error":           {after(40_000, func() error { return broken }), broken},
			"an error at once":   {after(0, func() error { return broken }), broken},
			"the context's end":  {after(40_000, func() error { cancel(broken); return nil }), broken},
			"another's takeover": {after(40_000, takeOver), campaign.ErrLost},
		} {
			t.Run(name, func(t *testing.T) {
				own := t.Context()
				if name == "the context's end" {
					own = ctx
				}
				_, err := q.Campaign(own, producer.Campaign{ID: "c", To: c.to, Messages: says("Hi")})
				var failed *producer.CampaignError
				require.ErrorAs(t, err, &failed)
				require.ErrorIs(t, err, c.is)
				assert.Equal(t, "c", failed.Report.ID)
				if name == "another's takeover" {
					require.NoError(t, rdb.Del(t.Context(), "lineq:{c:c}:state", "lineq:{c:c}:chunks", "lineq:{c:c}:message").Err())
				}
				nothingLeft(t, rdb, "c")
			})
		}
		report, err := q.Campaign(t.Context(), producer.Campaign{ID: "c", To: users(3), Messages: says("another one")})
		require.NoError(t, err, "the id can be used again")
		assert.False(t, report.Duplicate)
	})
}

func TestRedisFailsInAnIntake(t *testing.T) {
	server := redistest.Start(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1})
	t.Cleanup(func() { _ = rdb.Close() })
	report, err := newClient(t, rdb).Campaign(t.Context(), producer.Campaign{
		ID: "c", Messages: says("Hi"), To: func(yield func(producer.Recipient, error) bool) {
			server.Kill()
			users(1_000_000)(yield)
		},
	})
	var failed *producer.CampaignError
	require.ErrorAs(t, err, &failed)
	assert.Less(t, report.Recipients, int64(1_000_000), "it goes on although nothing can be written")
	assert.ErrorContains(t, err, "its draft can't be removed")
}

func TestValuesOfARowAreItsOwn(t *testing.T) {
	_, rdb := redistest.Mini(t)
	vars := map[string]string{} // one map for all, as package audience has it
	_, err := newClient(t, rdb).Campaign(t.Context(), producer.Campaign{
		ID: "c", Messages: says("{{name}}"), To: func(yield func(producer.Recipient, error) bool) {
			for r, err := range users(1500) {
				vars["name"] = r.To
				r.Vars = vars
				if !yield(r, err) {
					return
				}
			}
		},
	})
	require.NoError(t, err)
	chunks, _ := frozen(t, rdb, "c")
	for _, c := range chunks {
		for i := range c.Len() {
			require.Equal(t, c.To(i), c.Row(i)[0])
		}
	}
}

func TestLongValuesMakeSmallChunks(t *testing.T) {
	_, rdb := redistest.Mini(t)
	long := strings.Repeat("x", 4000)
	report, err := newClient(t, rdb).Campaign(t.Context(), producer.Campaign{
		ID: "c", Messages: says("{{name}}"), To: func(yield func(producer.Recipient, error) bool) {
			for r, err := range users(1000) {
				r.Vars = map[string]string{"name": long}
				if !yield(r, err) {
					return
				}
			}
		},
	})
	require.NoError(t, err)
	chunks, odd := frozen(t, rdb, "c")
	assert.Equal(t, []int{262, 262, 262, 214}, []int{chunks[0].Len(), chunks[1].Len(), chunks[2].Len(), chunks[3].Len()})
	assert.Len(t, slices.Collect(maps.Keys(odd)), 4)
	assert.EqualValues(t, 4, report.Chunks)
}

func TestAnAudienceOfNobody(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q := newClient(t, rdb)
	cp := producer.Campaign{ID: "c", Messages: says("Hi"), To: func(yield func(producer.Recipient, error) bool) {
		yield(producer.Recipient{To: "all", Line: 2}, nil)
	}}
	_, err := q.Campaign(t.Context(), cp)
	require.ErrorIs(t, err, producer.ErrNobody)
	_, err = q.CampaignSummary(t.Context(), "c")
	require.ErrorIs(t, err, campaign.ErrNotFound, "its id can be used when the file is mended")

	cp.To = users(0)
	report, err := q.Campaign(t.Context(), cp)
	require.NoError(t, err)
	assert.Equal(t, campaign.StateFinished, report.State)
}
