package schedule_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/tasks/schedule"
)

// keeper uses a store and fails the test on any error.
type keeper struct {
	t     testing.TB
	store *schedule.Store
	clock *miniredis.Miniredis
	now   time.Time
}

// at9 is the moment at which daily has a tick.
var at9 = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// onMini has the schedule, and a clock that stands an hour before its tick.
func onMini(t testing.TB, s schedule.Spec) *keeper {
	m, rdb := redistest.Mini(t)
	k := &keeper{t: t, store: schedule.New(rdb), clock: m}
	k.set(at9.Add(-time.Hour))
	require.NoError(t, k.store.Put(t.Context(), s))
	return k
}

func (k *keeper) set(t time.Time) {
	k.now = t
	k.clock.SetTime(t)
}

func (k *keeper) read(id string) schedule.Summary {
	k.t.Helper()
	sum, err := k.store.Read(k.t.Context(), id)
	require.NoError(k.t, err)
	return sum
}

func (k *keeper) claim(id string) schedule.Claimed {
	k.t.Helper()
	c, err := k.store.Claim(k.t.Context(), id, nil)
	require.NoError(k.t, err)
	return c
}

// runs claims and does all ticks that are due, and returns their times and the latest that was passed over.
func (k *keeper) runs(id string) (all []time.Time, passed time.Time) {
	k.t.Helper()
	for {
		c := k.claim(id)
		if !c.Passed.IsZero() {
			passed = c.Passed
		}
		if c.Tick == nil && c.Passed.IsZero() {
			return all, passed
		}
		if c.Tick != nil {
			all = append(all, c.Tick.At)
			require.NoError(k.t, k.store.Done(k.t.Context(), *c.Tick))
		}
	}
}

func everything(string) bool { return true }

func TestPut(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := schedule.New(rdb)
		ctx := t.Context()
		require.NoError(t, s.Put(ctx, weekly()))
		require.NoError(t, s.Put(ctx, daily()))
		all, err := s.List(ctx)
		require.NoError(t, err)
		require.Len(t, all, 2)
		d, w := all[0], all[1]
		assert.Equal(t, "daily", d.ID)
		assert.Equal(t, tasks.KindPush, d.Kind)
		assert.Equal(t, schedule.RunOnce, d.Missed)
		assert.Equal(t, "1h0m0s", d.Within)
		assert.Nil(t, d.Last)
		require.Len(t, d.Next, 3)
		assert.Equal(t, 24*time.Hour, d.Next[1].Sub(d.Next[0]))
		assert.Equal(t, "weekly", w.ID)
		assert.Equal(t, campaign.KindCampaign, w.Kind)
		assert.Equal(t, "members --all", w.Command)
		one, err := s.Read(ctx, "daily")
		require.NoError(t, err)
		assert.Equal(t, d, one)

		t.Run("again", func(t *testing.T) {
			_, err := s.Pause(ctx, "daily")
			require.NoError(t, err)
			require.NoError(t, s.Put(ctx, daily()))
			one, err := s.Read(ctx, "daily")
			require.NoError(t, err)
			assert.True(t, one.Paused, "it stays paused")
			assert.Empty(t, one.Next)
		})
		t.Run("another under its id", func(t *testing.T) {
			other := daily()
			other.Channel = "bank"
			assert.ErrorIs(t, s.Put(ctx, other), schedule.ErrIDReused)
			all, err := s.List(ctx)
			require.NoError(t, err)
			assert.Len(t, all, 2)
		})
		t.Run("remove", func(t *testing.T) {
			require.NoError(t, s.Remove(ctx, "daily"))
			assert.ErrorIs(t, s.Remove(ctx, "daily"), schedule.ErrNotFound)
			_, err := s.Read(ctx, "daily")
			assert.ErrorIs(t, err, schedule.ErrNotFound)
			_, err = s.Claim(ctx, "daily", nil)
			assert.ErrorIs(t, err, schedule.ErrNotFound)
			_, err = s.Ask(ctx, "daily")
			assert.ErrorIs(t, err, schedule.ErrNotFound)
			all, err := s.List(ctx)
			require.NoError(t, err)
			assert.Len(t, all, 1)
		})
		t.Run("of a newer version", func(t *testing.T) {
			require.NoError(t, rdb.HSet(ctx, "lineq:{s:weekly}", "spec", `{"v":99}`).Err())
			all, err := s.List(ctx)
			require.NoError(t, err)
			assert.Equal(t, []schedule.Summary{{ID: "weekly", Channel: "shop", Next: []time.Time{}}}, all)
			_, err = s.Claim(ctx, "weekly", nil)
			assert.ErrorIs(t, err, tasks.ErrNewerVersion)
		})
	})
}

// TestClaimedOnce lets many workers at the same ticks.
func TestClaimedOnce(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := schedule.New(rdb)
		require.NoError(t, s.Put(t.Context(), daily()))
		for round := range 10 {
			past := time.Now().Truncate(time.Second).Add(-time.Duration(round) * time.Second)
			require.NoError(t, rdb.HSet(t.Context(), "lineq:{s:daily}", "next", past.UnixMilli()).Err())
			_, err := s.Ask(t.Context(), "daily")
			require.NoError(t, err)
			var ticks atomic.Int32
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					c, err := s.Claim(t.Context(), "daily", nil)
					assert.NoError(t, err)
					if c.Tick != nil {
						ticks.Add(1)
					}
				})
			}
			all.Wait()
			assert.EqualValues(t, 1, ticks.Load(), "the other waits until it is done")
			require.NoError(t, rdb.HDel(t.Context(), "lineq:{s:daily}", "due").Err())
		}
	})
}

func TestTickGoesOn(t *testing.T) {
	k := onMini(t, daily())
	due := func() int {
		refs, _, err := k.store.Due(t.Context(), everything, time.Second)
		require.NoError(t, err)
		return len(refs)
	}
	assert.Zero(t, due())
	assert.Equal(t, schedule.Claimed{}, k.claim("daily"))
	k.set(at9.Add(-300 * time.Millisecond))
	_, wait, err := k.store.Due(t.Context(), everything, time.Second)
	require.NoError(t, err)
	assert.Equal(t, 300*time.Millisecond, wait)
	refs, _, err := k.store.Due(t.Context(), func(channel string) bool { return channel == "bank" }, time.Second)
	require.NoError(t, err)
	assert.Empty(t, refs)

	k.set(at9.Add(200 * time.Millisecond))
	assert.Equal(t, 1, due())
	c := k.claim("daily")
	require.NotNil(t, c.Tick)
	assert.Equal(t, at9, c.Tick.At)
	assert.Equal(t, "daily@20261123T000000Z", c.Tick.ID())
	assert.Zero(t, c.Passed)
	assert.Zero(t, due(), "it has its worker")
	sum := k.read("daily")
	assert.Equal(t, &schedule.Run{Tick: at9, State: schedule.RunStarted, ID: "daily@20261123T000000Z"}, sum.Last)
	assert.Equal(t, at9.Add(24*time.Hour), sum.Next[0], "the schedule has moved on")

	t.Run("kept", func(t *testing.T) {
		k.set(k.now.Add(schedule.Lease - time.Millisecond))
		require.NoError(t, k.store.Keep(t.Context(), *c.Tick))
		k.set(k.now.Add(schedule.Lease - time.Millisecond))
		assert.Nil(t, k.claim("daily").Tick)
	})
	t.Run("its worker dies", func(t *testing.T) {
		k.set(k.now.Add(time.Millisecond))
		assert.Equal(t, 1, due())
		again := k.claim("daily")
		require.NotNil(t, again.Tick)
		assert.Equal(t, c.Tick.ID(), again.Tick.ID())
		assert.Equal(t, 1, again.Tick.Tries)
	})
	t.Run("it fails", func(t *testing.T) {
		require.NoError(t, k.store.Fail(t.Context(), *c.Tick, "no such file"))
		last := k.read("daily").Last
		assert.Equal(t, schedule.RunFailing, last.State)
		assert.Equal(t, "no such file", last.Error)
		assert.Nil(t, k.claim("daily").Tick)
		k.set(k.now.Add(2 * time.Second))
		left, err := k.store.Claim(t.Context(), "daily", func(schedule.Tick) time.Duration { return time.Second })
		require.NoError(t, err)
		assert.Nil(t, left.Tick, "left to others")
		assert.NotNil(t, k.claim("daily").Tick)
	})
	t.Run("it is given back", func(t *testing.T) {
		require.NoError(t, k.store.Release(t.Context(), *c.Tick))
		assert.NotNil(t, k.claim("daily").Tick)
	})
	t.Run("it is done", func(t *testing.T) {
		require.NoError(t, k.store.Done(t.Context(), *c.Tick))
		require.NoError(t, k.store.Done(t.Context(), *c.Tick))
		assert.Equal(t, &schedule.Run{Tick: at9, State: schedule.RunEnqueued, ID: "daily@20261123T000000Z"}, k.read("daily").Last)
		require.NoError(t, k.store.Fail(t.Context(), *c.Tick, "too late"))
		assert.Equal(t, schedule.RunEnqueued, k.read("daily").Last.State)
	})
}

func TestPauseAndResume(t *testing.T) {
	k := onMini(t, daily())
	ctx := t.Context()
	sum, err := k.store.Pause(ctx, "daily")
	require.NoError(t, err)
	assert.True(t, sum.Paused)
	k.set(at9.Add(49 * time.Hour))
	assert.Equal(t, schedule.Claimed{}, k.claim("daily"))
	refs, wait, err := k.store.Due(ctx, everything, time.Second)
	require.NoError(t, err)
	assert.Empty(t, refs)
	assert.Equal(t, time.Second, wait)

	t.Run("asked for", func(t *testing.T) {
		sum, err := k.store.Ask(ctx, "daily")
		require.NoError(t, err)
		assert.True(t, sum.Paused)
		assert.Equal(t, schedule.RunAsked, sum.Last.State)
		k.set(k.now.Add(1500 * time.Millisecond))
		again, err := k.store.Ask(ctx, "daily")
		require.NoError(t, err)
		assert.Equal(t, sum.Last.ID, again.Last.ID, "the first one stands")
		c := k.claim("daily")
		require.NotNil(t, c.Tick)
		assert.True(t, c.Tick.Asked)
		assert.Equal(t, sum.Last.ID, c.Tick.ID())
		k.set(k.now.Add(schedule.Lease))
		assert.NotNil(t, k.claim("daily").Tick, "it is taken over, also while the schedule is paused")
		require.NoError(t, k.store.Done(ctx, *c.Tick))
		assert.True(t, k.read("daily").Paused)
	})
	sum, err = k.store.Resume(ctx, "daily")
	require.NoError(t, err)
	assert.Equal(t, at9.Add(72*time.Hour), sum.Next[0])
	assert.Equal(t, schedule.Claimed{}, k.claim("daily"), "the pause's ticks aren't missed ones")

	t.Run("paused while a tick is under way", func(t *testing.T) {
		k.set(at9.Add(72 * time.Hour))
		c := k.claim("daily")
		require.NotNil(t, c.Tick)
		_, err := k.store.Pause(ctx, "daily")
		require.NoError(t, err)
		k.set(k.now.Add(schedule.Lease))
		assert.Nil(t, k.claim("daily").Tick)
		_, err = k.store.Resume(ctx, "daily")
		require.NoError(t, err)
		assert.NotNil(t, k.claim("daily").Tick)
	})
}

func TestMissed(t *testing.T) {
	day := 24 * time.Hour
	skip, long := daily(), daily()
	skip.Missed, long.Within = schedule.Skip, 3*time.Hour
	minutely := daily()
	minutely.Cron = "* * * * *"
	every := daily()
	every.Cron, every.Zone = "@every 1s", ""
	for name, test := range map[string]struct {
		spec   schedule.Spec
		now    time.Time
		runs   []time.Time
		passed time.Time
	}{
		"a minute late":                   {daily(), at9.Add(time.Minute), []time.Time{at9}, time.Time{}},
		"skip, a minute late":             {skip, at9.Add(time.Minute), []time.Time{at9}, time.Time{}},
		"an hour late":                    {daily(), at9.Add(time.Hour), []time.Time{at9}, time.Time{}},
		"skip, an hour late":              {skip, at9.Add(time.Hour), nil, at9},
		"more than an hour":               {daily(), at9.Add(time.Hour + time.Millisecond), nil, at9},
		"more than an hour, of three":     {long, at9.Add(3 * time.Hour), []time.Time{at9}, time.Time{}},
		"three days":                      {daily(), at9.Add(2*day + time.Hour), []time.Time{at9.Add(2 * day)}, at9.Add(day)},
		"three days, and all are too old": {daily(), at9.Add(2*day + 2*time.Hour), nil, at9.Add(2 * day)},
		"skip, three days":                {skip, at9.Add(2*day + 2*time.Minute), nil, at9.Add(2 * day)},
		"skip, three days, on time":       {skip, at9.Add(2*day + time.Second), []time.Time{at9.Add(2 * day)}, at9.Add(day)},
		"every minute, an hour away": {
			minutely, at9.Add(30 * time.Second), []time.Time{at9}, at9.Add(-time.Minute),
		},
		"every second, all on time": {
			every, at9.Add(-time.Hour + 3*time.Second),
			[]time.Time{at9.Add(-time.Hour + time.Second), at9.Add(-time.Hour + 2*time.Second), at9.Add(-time.Hour + 3*time.Second)},
			time.Time{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := onMini(t, test.spec)
			k.set(test.now)
			runs, passed := k.runs("daily")
			assert.Equal(t, test.runs, runs)
			assert.Equal(t, test.passed, passed)
			sum := k.read("daily")
			assert.True(t, sum.Next[0].After(test.now))
			if test.runs == nil {
				assert.Equal(t, schedule.RunMissed, sum.Last.State)
				assert.Equal(t, test.passed, sum.Last.Tick)
			}
		})
	}
	t.Run("every second, a day away", func(t *testing.T) {
		k := onMini(t, every)
		k.set(at9.Add(day))
		runs, passed := k.runs("daily")
		assert.Len(t, runs, 6, "those of the last five seconds")
		assert.Equal(t, at9.Add(day-6*time.Second), passed)
	})
}

// TestGivenUp lets a tick fail for too long.
func TestGivenUp(t *testing.T) {
	skip := daily()
	skip.Missed = schedule.Skip
	for name, test := range map[string]struct {
		spec    schedule.Spec
		atLeast time.Duration
	}{
		"run once": {daily(), time.Hour}, "skip": {skip, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			k := onMini(t, test.spec)
			k.set(at9)
			tries := 0
			c := k.claim("daily")
			for ; c.Tick != nil; c = k.claim("daily") {
				require.Equal(t, tries, c.Tick.Tries)
				tries++
				require.NoError(t, k.store.Fail(t.Context(), *c.Tick, "no such file"))
				for last := k.read("daily").Last; last.State == schedule.RunFailing; k.set(k.now.Add(time.Second)) {
					if refs, _, _ := k.store.Due(t.Context(), everything, time.Second); len(refs) > 0 {
						break
					}
				}
			}
			assert.Equal(t, at9, c.Passed)
			assert.Equal(t, "no such file", c.Why)
			assert.GreaterOrEqual(t, k.now.Sub(at9), test.atLeast)
			assert.Less(t, k.now.Sub(at9), test.atLeast+6*time.Minute)
			assert.Greater(t, tries, 4)
			last := k.read("daily").Last
			assert.Equal(t, schedule.RunFailed, last.State)
			assert.Equal(t, "no such file", last.Error)
			assert.Equal(t, "daily@20261123T000000Z", last.ID)
		})
	}
	t.Run("the next one is due", func(t *testing.T) {
		minutely := daily()
		minutely.Cron = "* * * * *"
		k := onMini(t, minutely)
		k.set(at9.Add(-time.Minute))
		k.runs("daily")
		k.set(at9)
		c := k.claim("daily")
		require.NoError(t, k.store.Fail(t.Context(), *c.Tick, "no such file"))
		k.set(at9.Add(time.Minute))
		assert.Equal(t, schedule.Claimed{Passed: at9, Why: "no such file"}, k.claim("daily"))
		assert.Equal(t, at9.Add(time.Minute), k.claim("daily").Tick.At)
	})
	t.Run("every worker dies", func(t *testing.T) {
		k := onMini(t, daily())
		k.set(at9)
		k.claim("daily")
		k.set(at9.Add(2 * time.Hour))
		assert.Contains(t, k.claim("daily").Why, "has died")
		assert.Equal(t, schedule.RunFailed, k.read("daily").Last.State)
	})
}

func TestWorkersHear(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := schedule.New(rdb)
		bell := rdb.Subscribe(t.Context(), tasks.Bell)
		defer bell.Close()
		_, err := bell.Receive(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Put(t.Context(), daily()))
		m, err := bell.ReceiveMessage(t.Context())
		require.NoError(t, err)
		assert.True(t, schedule.Changed(m.Payload))
		_, _, queue := tasks.ParseQueue(m.Payload)
		assert.False(t, queue)
		assert.False(t, schedule.Changed(tasks.LinePush.Queue("schedule")))
	})
}

func TestErrors(t *testing.T) {
	m, rdb := redistest.Mini(t)
	s := schedule.New(rdb)
	require.NoError(t, s.Put(t.Context(), daily()))
	m.SetError("LOADING")
	for says, err := range map[string]error{
		"schedule daily: LOADING":        s.Put(t.Context(), daily()),
		"remove schedule daily: LOADING": s.Remove(t.Context(), "daily"),
	} {
		assert.ErrorContains(t, err, says)
	}
	_, err := s.List(t.Context())
	assert.ErrorContains(t, err, "list schedules: LOADING")
	_, err = s.Pause(t.Context(), "daily")
	assert.ErrorContains(t, err, "pause schedule daily: LOADING")
	_, err = s.Claim(t.Context(), "daily", nil)
	assert.ErrorContains(t, err, "schedule daily: LOADING")
	_, err = s.Read(t.Context(), "a b")
	assert.ErrorContains(t, err, "use 1 to 100 letters")
}
