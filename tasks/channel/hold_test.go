package channel_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
)

// keeper asks about holds and fails the test on any error.
type keeper struct {
	t   *testing.T
	rdb redis.UniversalClient
}

func (k keeper) put(name string, h channel.Hold) bool {
	k.t.Helper()
	fresh, err := channel.Put(k.t.Context(), k.rdb, name, h)
	require.NoError(k.t, err)
	return fresh
}

func (k keeper) lift(name string, reason lineapi.Reason) bool {
	k.t.Helper()
	lifted, err := channel.Lift(k.t.Context(), k.rdb, name, reason)
	require.NoError(k.t, err)
	return lifted
}

func (k keeper) holds(names ...string) map[string][]channel.Hold {
	k.t.Helper()
	all, err := channel.Holds(k.t.Context(), k.rdb, names...)
	require.NoError(k.t, err)
	return all
}

func (k keeper) attention() []string {
	k.t.Helper()
	names, err := channel.Attention(k.t.Context(), k.rdb)
	require.NoError(k.t, err)
	return names
}

func (k keeper) woken(name string) {
	k.t.Helper()
	require.NoError(k.t, channel.Woken(k.t.Context(), k.rdb, name))
}

func (k keeper) now() time.Time {
	k.t.Helper()
	now, err := k.rdb.Time(k.t.Context()).Result()
	require.NoError(k.t, err)
	return now.UTC()
}

func TestPutAndLift(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		k := keeper{t, rdb}
		assert.Empty(t, k.attention())
		assert.Empty(t, k.holds("shop"))
		assert.Empty(t, k.holds())

		before := k.now().Truncate(time.Millisecond)
		until := before.Add(time.Hour)
		require.True(t, k.put("shop", channel.Hold{
			Reason: lineapi.Quota, Until: until, Note: "You have reached your monthly limit.", By: "worker-1",
		}))
		holds := k.holds("shop", "bank")
		require.Len(t, holds, 1, "a channel without a hold is left out")
		require.Len(t, holds["shop"], 1)
		since := holds["shop"][0].Since
		assert.False(t, since.Before(before))
		assert.False(t, since.After(k.now()))
		assert.Equal(t, []channel.Hold{{
			Reason: lineapi.Quota, Since: since, Until: until, Note: "You have reached your monthly limit.", By: "worker-1",
		}}, holds["shop"])
		assert.Equal(t, []string{"shop"}, k.attention())

		t.Run("a repeat keeps its beginning", func(t *testing.T) {
			assert.False(t, k.put("shop", channel.Hold{Reason: lineapi.Quota, Note: "again", By: "worker-2"}))
			assert.Equal(t, []channel.Hold{{Reason: lineapi.Quota, Since: since, Note: "again", By: "worker-2"}},
				k.holds("shop")["shop"])
		})
		t.Run("one of each reason", func(t *testing.T) {
			assert.True(t, k.put("shop", channel.Hold{Reason: lineapi.Auth}))
			assert.True(t, k.put("shop", channel.Hold{Reason: channel.Operator}))
			assert.True(t, k.put("bank", channel.Hold{Reason: lineapi.Auth}))
			assert.Len(t, k.holds("shop")["shop"], 3)
			assert.Equal(t, lineapi.Quota, k.holds("shop")["shop"][0].Reason, "the oldest first")
			assert.Len(t, k.holds("shop", "bank")["bank"], 1)
			assert.Equal(t, []string{"bank", "shop"}, k.attention())
		})
		t.Run("lift", func(t *testing.T) {
			assert.True(t, k.lift("shop", lineapi.Quota))
			assert.False(t, k.lift("shop", lineapi.Quota), "a second time")
			assert.Len(t, k.holds("shop")["shop"], 2, "the others stay")
			assert.Len(t, k.holds("bank")["bank"], 1)
		})
		t.Run("attention until the tasks are woken", func(t *testing.T) {
			k.woken("shop")
			assert.Equal(t, []string{"bank", "shop"}, k.attention(), "it is held")
			k.lift("shop", lineapi.Auth)
			k.lift("shop", channel.Operator)
			assert.Equal(t, []string{"bank", "shop"}, k.attention(), "its tasks still wait")
			k.woken("shop")
			assert.Equal(t, []string{"bank"}, k.attention())
			k.woken("shop")
			assert.Equal(t, []string{"bank"}, k.attention())
		})
		t.Run("held again", func(t *testing.T) {
			assert.True(t, k.put("shop", channel.Hold{Reason: lineapi.Quota}))
			assert.False(t, k.holds("shop")["shop"][0].Since.Before(since))
			assert.Equal(t, []string{"bank", "shop"}, k.attention())
		})
	})
}

func TestHoldEndsByItself(t *testing.T) {
	m, rdb := redistest.Mini(t)
	k := keeper{t, rdb}
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	m.SetTime(start)
	require.True(t, k.put("shop", channel.Hold{Reason: lineapi.Quota, Until: start.Add(time.Minute)}))

	m.SetTime(start.Add(time.Minute - time.Millisecond))
	assert.Len(t, k.holds("shop"), 1)
	assert.False(t, k.put("shop", channel.Hold{Reason: lineapi.Quota, Until: start.Add(time.Minute)}))
	k.woken("shop")
	assert.Equal(t, []string{"shop"}, k.attention())

	m.SetTime(start.Add(time.Minute))
	assert.Empty(t, k.holds("shop"))
	assert.Equal(t, []string{"shop"}, k.attention(), "its tasks wait to be woken")
	assert.False(t, k.lift("shop", lineapi.Quota), "it was over")
	require.True(t, k.put("shop", channel.Hold{Reason: lineapi.Quota, Until: start.Add(2 * time.Minute)}))
	m.SetTime(start.Add(2 * time.Minute))
	require.True(t, k.put("shop", channel.Hold{Reason: lineapi.Quota, Until: start.Add(3 * time.Minute)}), "a new hold")
	assert.Equal(t, start.Add(2*time.Minute), k.holds("shop")["shop"][0].Since)
	m.SetTime(start.Add(3 * time.Minute))
	k.woken("shop")
	assert.Empty(t, k.attention())
}

func TestCovers(t *testing.T) {
	for reason, free := range map[lineapi.Reason]bool{
		lineapi.Auth: false, lineapi.Quota: true, channel.Operator: false, "of a newer version": false,
	} {
		t.Run(string(reason), func(t *testing.T) {
			for _, kind := range tasks.Kinds() {
				p, err := tasks.PolicyOf(kind)
				require.NoError(t, err)
				assert.Equal(t, p.CostsQuota || !free, channel.Hold{Reason: reason}.Covers(p), kind)
			}
		})
	}
}

// TestWorkersHear listens as a worker does.
func TestWorkersHear(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		k := keeper{t, rdb}
		bell := rdb.Subscribe(t.Context(), tasks.Bell)
		defer bell.Close()
		_, err := bell.Receive(t.Context())
		require.NoError(t, err)
		hear := func() string {
			m, err := bell.ReceiveMessage(t.Context())
			require.NoError(t, err)
			name, ok := channel.Changed(m.Payload)
			if !ok {
				return "not about a hold: " + m.Payload
			}
			return name
		}
		end := func() { require.NoError(t, rdb.Publish(t.Context(), tasks.Bell, "end").Err()) }

		k.put("shop", channel.Hold{Reason: lineapi.Auth, Note: "a"})
		assert.Equal(t, "shop", hear())
		k.put("shop", channel.Hold{Reason: lineapi.Auth, Note: "b"})
		assert.Equal(t, "shop", hear())
		k.put("shop", channel.Hold{Reason: lineapi.Auth, Note: "b"}) // as every send of a burst does
		k.put("bank", channel.Hold{Reason: lineapi.Auth})
		assert.Equal(t, "bank", hear())
		k.lift("shop", lineapi.Auth)
		assert.Equal(t, "shop", hear())
		k.lift("shop", lineapi.Auth)
		end()
		assert.Equal(t, "not about a hold: end", hear())
	})
}

func TestChanged(t *testing.T) {
	for message, want := range map[string]string{
		"hold:shop": "shop", "hold:": "", "hold:a b": "", "shop": "", "": "",
		tasks.LinePush.Queue("hold"): "", tasks.LineUrgent.Queue(""): "",
	} {
		name, ok := channel.Changed(message)
		assert.Equal(t, want, name, message)
		assert.Equal(t, want != "", ok, message)
		if ok {
			_, _, queue := tasks.ParseQueue(message)
			assert.False(t, queue, "a message about a hold is no queue's name")
		}
	}
}

func TestWhatAHoldSays(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		k := keeper{t, rdb}
		for given, want := range map[string]string{
			"one\ntwo\r\n\x00three":   "one two   three",
			"ends in the middle \xe3": "ends in the middle \uFFFD",
			strings.Repeat("あ", 100):  strings.Repeat("あ", 66), // 3 bytes each
			strings.Repeat("x", 300):  strings.Repeat("x", 200),
			" ":                       "",
		} {
			k.put("shop", channel.Hold{Reason: channel.Operator, Note: given, By: strings.Repeat("b\n", 100)})
			holds := k.holds("shop")["shop"]
			require.Len(t, holds, 1)
			assert.Equal(t, want, holds[0].Note)
			assert.Len(t, holds[0].By, 99, "100, and no blank at the end")
		}
	})
}

// TestForeignValues reads what another version may have written.
func TestForeignValues(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		k := keeper{t, rdb}
		require.NoError(t, rdb.HSet(t.Context(), "lineq:{shop}:state", map[string]any{
			"auth": "1700000000000\n0\nby\nnote\nand more", "quota": "", "curfew": "1800000000000\n9999999999999\nby\n",
		}).Err())
		assert.Equal(t, []channel.Hold{
			{Reason: lineapi.Quota},
			{Reason: lineapi.Auth, Since: time.UnixMilli(1700000000000).UTC(), By: "by", Note: "note"},
			{
				Reason: "curfew", Since: time.UnixMilli(1800000000000).UTC(), Until: time.UnixMilli(9999999999999).UTC(), By: "by",
			},
		}, k.holds("shop")["shop"])
		assert.True(t, k.put("shop", channel.Hold{Reason: lineapi.Quota}), "what nobody can read has no beginning to keep")
		assert.True(t, k.lift("shop", "curfew"))
		assert.True(t, k.lift("shop", lineapi.Quota))
		assert.False(t, k.put("shop", channel.Hold{Reason: lineapi.Auth}))
	})
}

// TestHeldAtTheSameTime lets many workers meet the same refusal.
func TestHeldAtTheSameTime(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		var fresh, lifted atomic.Int32
		together := func(f func()) {
			var all sync.WaitGroup
			for range 16 {
				all.Go(f)
			}
			all.Wait()
		}
		together(func() {
			f, err := channel.Put(t.Context(), rdb, "shop", channel.Hold{Reason: lineapi.Auth})
			assert.NoError(t, err)
			if f {
				fresh.Add(1)
			}
		})
		together(func() {
			l, err := channel.Lift(t.Context(), rdb, "shop", lineapi.Auth)
			assert.NoError(t, err)
			if l {
				lifted.Add(1)
			}
		})
		assert.EqualValues(t, 1, fresh.Load())
		assert.EqualValues(t, 1, lifted.Load())
	})
}

// beforeRemoval does something just before a channel is taken out of the set.
type beforeRemoval struct {
	redis.UniversalClient
	do func()
}

func (b *beforeRemoval) SRem(ctx context.Context, key string, members ...any) *redis.IntCmd {
	b.do()
	return b.UniversalClient.SRem(ctx, key, members...)
}

func TestHeldWhileItsTasksAreWoken(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		k := keeper{t, rdb}
		k.put("shop", channel.Hold{Reason: lineapi.Auth})
		k.lift("shop", lineapi.Auth)
		keeper{t, &beforeRemoval{rdb, func() { k.put("shop", channel.Hold{Reason: lineapi.Quota}) }}}.woken("shop")
		assert.Equal(t, []string{"shop"}, k.attention())
	})
}

func TestHoldsRefused(t *testing.T) {
	_, rdb := redistest.Mini(t)
	for name, h := range map[string]channel.Hold{
		"shop": {Reason: lineapi.Server}, "bank": {}, "a{b}": {Reason: lineapi.Auth}, "": {Reason: lineapi.Auth},
	} {
		_, err := channel.Put(t.Context(), rdb, name, h)
		assert.Error(t, err, name)
	}
	assert.Zero(t, rdb.DBSize(t.Context()).Val())
}

func TestClaim(t *testing.T) {
	m, rdb := redistest.Mini(t)
	claim := func(name, what string) bool {
		ok, err := channel.Claim(t.Context(), rdb, name, what, time.Minute)
		require.NoError(t, err)
		return ok
	}
	assert.True(t, claim("shop", "check"))
	assert.False(t, claim("shop", "check"))
	assert.True(t, claim("shop", "another"))
	assert.True(t, claim("bank", "check"))
	m.FastForward(time.Minute - time.Millisecond)
	assert.False(t, claim("shop", "check"))
	m.FastForward(time.Millisecond)
	assert.True(t, claim("shop", "check"))
}

func TestErrorsOfHolds(t *testing.T) {
	m, rdb := redistest.Mini(t)
	m.SetError("LOADING")
	for name, do := range map[string]func() error{
		"hold shop": func() error {
			_, err := channel.Put(t.Context(), rdb, "shop", channel.Hold{Reason: lineapi.Auth})
			return err
		},
		"lift the hold of shop": func() error {
			_, err := channel.Lift(t.Context(), rdb, "shop", lineapi.Auth)
			return err
		},
		"read holds":         func() error { _, err := channel.Holds(t.Context(), rdb, "shop"); return err },
		"list held channels": func() error { _, err := channel.Attention(t.Context(), rdb); return err },
		"shop has been woken": func() error {
			return channel.Woken(t.Context(), rdb, "shop")
		},
		"claim check of shop": func() error {
			_, err := channel.Claim(t.Context(), rdb, "shop", "check", time.Minute)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { assert.ErrorContains(t, do(), name+": ") })
	}
}
