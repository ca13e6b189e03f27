package dashboard_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/dashboard"
	"github.com/lineq/lineq/tasks/channel"
)

// trips counts round trips.
type trips struct{ n *atomic.Int64 }

func (trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { h.n.Add(1); return next(ctx, cmd) }
}

func (h trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { h.n.Add(1); return next(ctx, cmds) }
}

// TestManyChannels: what a page costs Redis doesn't grow with the channels, nor with those who look.
func TestManyChannels(t *testing.T) {
	s := newStage(t, func(c *dashboard.Config) { c.Clients = nil })
	for i := range 100 {
		name := fmt.Sprintf("channel-%03d", i)
		require.NoError(t, channel.Register(t.Context(), s.rdb, name))
		s.push(t, "order", producer.Channel(name))
	}
	_, err := channel.Put(t.Context(), s.rdb, "channel-077", channel.Hold{Reason: channel.Operator, Note: "complaints"})
	require.NoError(t, err)
	b := s.as(t, "reader")
	var n atomic.Int64
	s.rdb.AddHook(trips{&n})

	body := b.see("")
	cost := n.Load()
	assert.LessOrEqual(t, cost, int64(20))
	assert.Contains(t, body, `<a href="./channels">88 more</a>`)
	assert.Contains(t, body, "channel-077", "what needs somebody comes first")
	assert.Contains(t, b.see("channels"), "channel-099")
	for range 10 {
		b.see("")
	}
	// All of it was seen within a second or two; each look costs its session.
	assert.LessOrEqual(t, n.Load(), 3*cost+11)

	n.Store(0)
	body = b.see("log")
	assert.LessOrEqual(t, n.Load(), cost+3, "one page of a hundred logs is one round trip")
	assert.Contains(t, body, "Nothing was found")
}

// TestTooManyViewers: pages that are open are bounded; without its stream a page is as it was loaded.
func TestTooManyViewers(t *testing.T) {
	s := newStage(t)
	b := s.as(t, "reader")
	for range 200 {
		_, end := b.stream("")
		defer end()
	}
	r := b.request(http.MethodGet, "", "")
	r.Header.Set("Accept", "text/event-stream")
	assert.Equal(t, http.StatusServiceUnavailable, b.do(r).status)
	b.see("")
}
