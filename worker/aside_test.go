package worker_test

import (
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestAWrongTokenOfOneWorkerStopsNoOther(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{})
		s.work(t, s.with(t, tasks.DefaultChannel, "forgotten"))
		first := s.push(t, user(0))
		s.holds(t, tasks.DefaultChannel, lineapi.Auth)
		s.work(t)
		require.Equal(t, tasks.OutcomeSent, s.wait(t, first).Outcome)

		refused := func() int64 { return s.line.Stats().Requests["pushMessage"][http.StatusUnauthorized] }
		aside := func() int {
			return s.logs.FilterMessageSnippet("another worker's works").Len()
		}
		for i := 1; aside() == 0; i++ { // until the wrong one has got another
			require.Equal(t, tasks.OutcomeSent, s.wait(t, s.push(t, user(i))).Outcome)
		}
		s.holds(t, tasks.DefaultChannel, "")
		before := refused()
		var tickets []producer.Ticket
		for i := range 200 {
			tickets = append(tickets, s.push(t, user(10_000+i)))
			if i%10 == 0 {
				tickets = append(tickets, s.push(t, user(20_000+i), producer.Urgent()))
			}
		}
		for _, ticket := range tickets {
			require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
		}
		assert.Equal(t, before, refused(), "the wrong one leaves the channel to the other")
		assert.Equal(t, []string{
			"channel held until somebody acts",
			"LINE refuses this worker's token, but another worker's works: this one leaves the channel to others",
		}, s.errorLines())
	})
}

// A worker steps aside from a channel at which LINE hangs. Until the last of its sends there has ended it goes on taking up
// other channels.
func TestSteppingAsideDelaysNoOtherChannel(t *testing.T) {
	t.Parallel()
	_, rdb := redistest.Mini(t)
	s := newStage(t, rdb, linesim.Config{Channels: []linesim.Channel{
		linesim.DefaultChannel, {ID: "2", Secret: "s", Token: "token-of-shop"},
	}})
	release := make(chan struct{})
	var hanging, pushes atomic.Int64
	s.inFront(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") != "Bearer forgotten" || r.Method != http.MethodPost {
			return false
		}
		if pushes.Add(1) > 5 {
			return false // refused at once
		}
		hanging.Add(1)
		defer hanging.Add(-1)
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return false
	})
	defer close(release)
	require.NoError(t, channel.TokenWorks(t.Context(), rdb, tasks.DefaultChannel, "another"))
	s.work(t, s.with(t, tasks.DefaultChannel, "forgotten"), s.with(t, "shop", "token-of-shop"))
	for i := range 5 {
		s.push(t, user(i))
	}
	require.Eventually(t, func() bool { return hanging.Load() == 5 }, time.Minute, time.Millisecond)
	s.push(t, user(6)) // whose refusal makes the worker step aside
	require.Eventually(t, func() bool {
		return s.logs.FilterMessage("Starting graceful shutdown").Len() > 0
	}, time.Minute, time.Millisecond, "it leaves the queue to the other")

	ticket := s.push(t, user(100), producer.Channel("shop"))
	assert.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	assert.Positive(t, hanging.Load(), "and that has waited for none of them")
}
