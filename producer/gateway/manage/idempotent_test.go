package manage_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/channel"
)

func TestIdempotencyKey(t *testing.T) {
	s := newStage(t)
	const order, audience = `{"messages":[{"type":"text","text":"Hi"}]}`, "to\n" + user + "\n"
	first := s.create(t, order, audience, "Idempotency-Key", "a")
	require.Equal(t, http.StatusCreated, first.status, first.body)
	again := s.create(t, order, audience, "Idempotency-Key", "a")
	assert.Equal(t, http.StatusOK, again.status)
	all, err := s.q.Campaigns(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)

	pause := "/campaigns/" + all[0].ID + "/pause"
	paused := s.ask(t, "operator", "POST", pause, `{"note":"x"}`, "Idempotency-Key", "b")
	repeated := s.ask(t, "operator", "POST", pause, `{"note":"x"}`, "Idempotency-Key", "b")
	assert.Equal(t, paused.body, repeated.body)
	assert.Equal(t, "true", repeated.header.Get("Idempotency-Replayed"))
	assert.Equal(t, 422, s.ask(t, "operator", "POST", pause, `{"note":"y"}`, "Idempotency-Key", "b").status)
	assert.Equal(t, 400, s.ask(t, "operator", "POST", pause, "{}", "Idempotency-Key", strings.Repeat("x", 201)).status)
	missing := s.ask(t, "operator", "POST", "/campaigns/none/pause", "{}", "Idempotency-Key", "c")
	assert.Equal(t, 404, missing.status)
	assert.Equal(t, missing.body, s.ask(t, "operator", "POST", "/campaigns/none/pause", "{}", "Idempotency-Key", "c").body)
	assert.Empty(t, s.ask(t, "all", "POST", pause, `{"note":"x"}`, "Idempotency-Key", "b").header.Get("Idempotency-Replayed"),
		"each caller has keys of its own")
}

const replayed = "Idempotency-Replayed"

// barrier stops the first command of each script until it is opened.
type barrier struct {
	armed  chan struct{} // gets a value for the script to stop at
	enters chan struct{}
	opens  chan struct{}
}

func (*barrier) DialHook(next redis.DialHook) redis.DialHook { return next }

func (*barrier) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (b *barrier) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			select {
			case <-b.armed:
				b.enters <- struct{}{}
				<-b.opens
			default:
			}
		}
		return next(ctx, cmd)
	}
}

// Two requests with one key come at the same time: while the first is at work, the second is told so, and changes nothing.
func TestIdempotencyKeyAtTheSameTime(t *testing.T) {
	s := newStage(t)
	b := &barrier{armed: make(chan struct{}, 1), enters: make(chan struct{}), opens: make(chan struct{})}
	s.rdb.AddHook(b)
	hold := func(note string) response {
		return s.ask(t, "operator", "POST", "/channels/default/hold", `{"note":"`+note+`"}`, "Idempotency-Key", "a")
	}
	b.armed <- struct{}{}
	first := make(chan response, 1)
	go func() { first <- hold("stop") }()
	<-b.enters
	second := hold("stop")
	assert.Equal(t, http.StatusConflict, second.status, second.body)
	assert.Contains(t, second.body, "under way")
	assert.Equal(t, http.StatusUnprocessableEntity, hold("another body").status)
	holds, err := channel.Holds(t.Context(), s.rdb, "default")
	require.NoError(t, err)
	assert.Empty(t, holds, "neither has done anything")

	b.opens <- struct{}{}
	done := <-first
	require.Equal(t, http.StatusOK, done.status, done.body)
	assert.Empty(t, done.header.Get(replayed))
	_, err = channel.Lift(t.Context(), s.rdb, "default", channel.Operator)
	require.NoError(t, err)
	third := hold("stop")
	assert.Equal(t, done.body, third.body)
	assert.Equal(t, "true", third.header.Get(replayed))
	holds, err = channel.Holds(t.Context(), s.rdb, "default")
	require.NoError(t, err)
	assert.Empty(t, holds, "a repeat holds nothing again")
}

// Of fifty at once one is carried out, whatever order they come in.
func TestIdempotencyKeyOfMany(t *testing.T) {
	s := newStage(t)
	var all sync.WaitGroup
	answers := make([]response, 50)
	for i := range answers {
		all.Go(func() {
			answers[i] = s.ask(t, "operator", "POST", "/channels/default/hold", `{}`, "Idempotency-Key", "a")
		})
	}
	all.Wait()
	carriedOut := 0
	for _, a := range answers {
		switch {
		case a.status == http.StatusOK && a.header.Get(replayed) == "":
			carriedOut++
		case a.status == http.StatusOK:
		default:
			assert.Equal(t, http.StatusConflict, a.status, a.body)
		}
	}
	assert.Equal(t, 1, carriedOut)
}

func TestIdempotencyKeyExpires(t *testing.T) {
	s := newStage(t)
	hold := func() response {
		return s.ask(t, "operator", "POST", "/channels/default/hold", `{}`, "Idempotency-Key", "a")
	}
	require.Empty(t, hold().header.Get(replayed))
	s.mini.FastForward(24*time.Hour - time.Second)
	assert.Equal(t, "true", hold().header.Get(replayed))
	s.mini.FastForward(2 * time.Second)
	assert.Empty(t, hold().header.Get(replayed), "after a day it is a new request")

	// A process that died with a request under way keeps its caller from nothing for long.
	keys, err := s.rdb.Keys(t.Context(), "lineq:{idempotent:*").Result()
	require.NoError(t, err)
	require.Len(t, keys, 1)
	kept, err := s.rdb.Get(t.Context(), keys[0]).Result()
	require.NoError(t, err)
	underWay := strings.Replace(kept, `"status":200`, `"status":0`, 1)
	require.NotEqual(t, kept, underWay)
	require.NoError(t, s.rdb.Set(t.Context(), keys[0], underWay, time.Minute).Err())
	assert.Equal(t, http.StatusConflict, hold().status)
	s.mini.FastForward(time.Minute)
	assert.Equal(t, http.StatusOK, hold().status)

	// Neither the key nor what the caller sent stands in a name.
	assert.NotContains(t, keys[0], "operator")
}

// What fails for the sake of Redis isn't kept: the caller's next try is carried out.
func TestIdempotencyKeyOfAFailure(t *testing.T) {
	s := newStage(t)
	s.mini.SetError("LOADING Redis is loading the dataset in memory")
	hold := func() response {
		return s.ask(t, "operator", "POST", "/channels/default/hold", `{}`, "Idempotency-Key", "a")
	}
	assert.Equal(t, http.StatusServiceUnavailable, hold().status)
	s.mini.SetError("")
	done := hold()
	assert.Equal(t, http.StatusOK, done.status)
	assert.Empty(t, done.header.Get(replayed))
}
