package campaign_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

func total(p campaign.Pace) (n int64) {
	for _, c := range p.Decided {
		n += c
	}
	return n
}

// pushing is a campaign of pushes that is being sent, and its lane.
func pushing(ctx context.Context, t require.TestingT, store *campaign.Store, chunk []byte, recipients int) campaign.Lane {
	plan := saying("hi")
	plan.Mode = campaign.Push
	d, err := store.Draft(ctx, tasks.DefaultChannel, "c", plan)
	require.NoError(t, err)
	require.NoError(t, d.Append(ctx, 0, chunk))
	_, err = d.Seal(ctx, recipients, 1, nil, campaign.Totals{Recipients: int64(recipients)})
	require.NoError(t, err)
	require.NoError(t, store.Start(ctx, "c", campaign.Forecast{}, nil))
	l := campaign.Lane{ID: "c", Epoch: 1, Run: 1, Worker: "w"}
	_, _, err = store.BeginLane(ctx, l)
	require.NoError(t, err)
	return l
}

// A pace holds everybody who is decided once, however long that takes, and in the bucket of its time.
func TestPace(t *testing.T) {
	m, store := mini(t)
	const recipients = 400
	chunk := packed(t, recipients)
	rapid.Check(t, func(t *rapid.T) {
		m.FlushAll()
		now := time.Unix(1_800_000_000+rapid.Int64Range(0, 1000).Draw(t, "start"), 0).UTC()
		m.SetTime(now)
		l := pushing(t.Context(), t, store, chunk, recipients)
		begun, err := store.Pace(t.Context(), "c")
		require.NoError(t, err)
		assert.Empty(t, begun.Decided)
		assert.Zero(t, begun.Recent())

		// Steps of one length hit every doubling exactly.
		steps := rapid.SampledFrom([][]time.Duration{
			{time.Second}, {3 * time.Second}, {0, 300 * time.Millisecond, time.Second, time.Minute, 7 * time.Hour},
		}).Draw(t, "pace")
		decided := map[time.Time]int64{} // by when
		var late []campaign.Unit         // passes whose time is over, and who are heard of after it
		for range rapid.SampledFrom([]int{5, 60, 300}).Draw(t, "steps") {
			gap := rapid.SampledFrom(steps).Draw(t, "gap")
			now = now.Add(gap)
			m.SetTime(now)
			before, err := store.Summary(t.Context(), "c")
			require.NoError(t, err)
			if len(late) > 0 && rapid.Bool().Draw(t, "late") {
				u := late[0]
				late = late[1:]
				for i := range u.Parts {
					u.Parts[i].Status = campaign.Sent
				}
				_, _, err := store.Close(t.Context(), "c", u, campaign.Closing{Parts: u.Parts, Calls: 1})
				require.NoError(t, err)
			} else {
				c, err := store.Claim(t.Context(), l, campaign.Wish{
					Units: 1, Most: rapid.SampledFrom([]int{1, 3, campaign.Block}).Draw(t, "most"), Lease: 30 * time.Second,
				})
				require.NoError(t, err)
				for _, u := range c.Units {
					if rapid.IntRange(0, 4).Draw(t, "dies") == 0 {
						late = append(late, u)
						continue
					}
					for i := range u.Parts {
						u.Parts[i].Status = campaign.Status(rapid.SampledFrom([]byte("sssrfuop")).Draw(t, "status"))
					}
					_, _, err := store.Close(t.Context(), "c", u, campaign.Closing{Parts: u.Parts, Calls: 1})
					require.NoError(t, err)
				}
			}
			after, err := store.Summary(t.Context(), "c")
			require.NoError(t, err)
			if n := before.Pending - after.Pending; n > 0 {
				decided[now] += n
			}
			p, err := store.Pace(t.Context(), "c")
			require.NoError(t, err)
			require.Equal(t, after.Recipients-after.Pending, total(p))
			require.LessOrEqual(t, len(p.Decided), 240)
			for i, n := range p.Decided {
				var want int64
				begin := p.Start.Add(time.Duration(i) * p.Bucket)
				for at, n := range decided {
					if !at.Before(begin) && at.Before(begin.Add(p.Bucket)) {
						want += n
					}
				}
				require.Equal(t, want, n, "bucket %d from %s", i, begin)
			}
		}
	})
}

// One a second for longer than there are buckets: where a bucket and the one before it become one, both are in it. Numbers
// of first buckets that are odd and even lead there in two ways.
func TestPaceDoubles(t *testing.T) {
	m, store := mini(t)
	const recipients = 260
	chunk := packed(t, recipients)
	for begin := range int64(4) {
		m.FlushAll()
		start := time.Unix(1_800_000_000+begin, 0).UTC()
		m.SetTime(start)
		l := pushing(t.Context(), t, store, chunk, recipients)
		for i := range recipients {
			m.SetTime(start.Add(time.Duration(i) * time.Second))
			c, err := store.Claim(t.Context(), l, campaign.Wish{Units: 1, Most: 1, Lease: time.Minute})
			require.NoError(t, err)
			require.Len(t, c.Units, 1)
			u := c.Units[0]
			for k := range u.Parts {
				if u.Parts[k].Status == campaign.Pending {
					u.Parts[k].Status = campaign.Sent
					break
				}
			}
			_, _, err = store.Close(t.Context(), "c", u, campaign.Closing{Parts: u.Parts, Calls: 1})
			require.NoError(t, err)
			p, err := store.Pace(t.Context(), "c")
			require.NoError(t, err)
			require.EqualValues(t, i+1, total(p))
			last := start.Add(time.Duration(i) * time.Second)
			require.False(t, last.Before(p.End().Add(-p.Bucket)), "after %d: the last bucket is to come", i)
			require.True(t, last.Before(p.End()), "after %d: the last bucket is over", i)
		}
	}
}

// What was decided of late tells how long the rest takes.
func TestRecentPace(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_800_000_000, 0)
	for name, o := range map[string]struct {
		pace campaign.Pace
		want float64
	}{
		"nobody yet":     {campaign.Pace{Now: start}, 0},
		"just begun":     {campaign.Pace{Start: start, Bucket: time.Second, Decided: []int64{50}, Now: start.Add(500 * time.Millisecond)}, 50},
		"steady":         {campaign.Pace{Start: start, Bucket: time.Second, Decided: []int64{9, 9, 9, 9}, Now: start.Add(4 * time.Second)}, 9},
		"stands still":   {campaign.Pace{Start: start, Bucket: time.Second, Decided: []int64{900}, Now: start.Add(time.Minute)}, 0},
		"wide buckets":   {campaign.Pace{Start: start, Bucket: time.Minute, Decided: []int64{1, 60, 60}, Now: start.Add(3 * time.Minute)}, 1},
		"old ones apart": {campaign.Pace{Start: start, Bucket: 8 * time.Second, Decided: []int64{9000, 80, 80}, Now: start.Add(24 * time.Second)}, 10},
	} {
		t.Run(name, func(t *testing.T) { assert.InDelta(t, o.want, o.pace.Recent(), 0.001) })
	}
}

// Failures are read from a number on, whatever chunks they stand in.
func TestFailures(t *testing.T) {
	t.Parallel()
	_, store := mini(t)
	plan := saying("hi")
	plan.Mode = campaign.Push
	d, err := store.Draft(t.Context(), tasks.DefaultChannel, "c", plan)
	require.NoError(t, err)
	for n, size := range []int{100, 30, 100} {
		require.NoError(t, d.Append(t.Context(), n, packed(t, size)))
	}
	_, err = d.Seal(t.Context(), 100, 3, []campaign.Odd{{Chunk: 1, Size: 30, Mode: campaign.Push}}, campaign.Totals{Recipients: 230})
	require.NoError(t, err)
	require.NoError(t, store.Start(t.Context(), "c", campaign.Forecast{}, nil))
	l := campaign.Lane{ID: "c", Epoch: 1, Run: 1, Worker: "w"}
	_, _, err = store.BeginLane(t.Context(), l)
	require.NoError(t, err)
	number := 0
	for number < 230 {
		c, err := store.Claim(t.Context(), l, campaign.Wish{Units: 1, Most: campaign.Block, Lease: time.Minute})
		require.NoError(t, err)
		for _, u := range c.Units {
			for i := range u.Parts {
				number++
				u.Parts[i].Status = campaign.Sent
				switch number {
				case 7, 101, 130, 131, 230:
					u.Parts[i].Status, u.Parts[i].Reason = campaign.Failed, lineapi.Invalid
				case 102:
					u.Parts[i].Status, u.Parts[i].Reason = campaign.Unknown, lineapi.Unknown
				}
			}
			_, _, err := store.Close(t.Context(), "c", u, campaign.Closing{Parts: u.Parts, Calls: 1})
			require.NoError(t, err)
		}
	}
	for name, o := range map[string]struct {
		reason lineapi.Reason
		from   int64
		limit  int
		want   []int64
		next   int64
	}{
		"all":           {"", 0, 10, []int64{7, 101, 102, 130, 131, 230}, 0},
		"two":           {"", 1, 2, []int64{7, 101}, 102},
		"two more":      {"", 102, 2, []int64{102, 130}, 131},
		"the last":      {"", 132, 2, []int64{230}, 0},
		"of one reason": {lineapi.Unknown, 1, 10, []int64{102}, 0},
		"behind":        {"", 231, 10, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			found, next, err := store.Failures(t.Context(), "c", o.reason, o.from, o.limit, 1000)
			require.NoError(t, err)
			var numbers []int64
			for _, f := range found {
				numbers = append(numbers, f.Number)
			}
			assert.Equal(t, o.want, numbers)
			assert.Equal(t, o.next, next)
		})
	}
	_, _, err = store.Failures(t.Context(), "nothing", "", 1, 1, 1)
	require.ErrorIs(t, err, campaign.ErrNotFound)
}
