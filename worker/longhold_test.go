package worker_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
)

const day = 24 * time.Hour

// heldFor moves what the record of a task remembers so far to the past.
func (s *stage) heldFor(t *testing.T, ticket producer.Ticket, d time.Duration) {
	t.Helper()
	key := "lineq:{" + ticket.Channel + ":t:" + ticket.ID + "}"
	for _, name := range []string{"f", "b"} {
		require.Positive(t, s.rdb.HIncrBy(t.Context(), key, name, -d.Milliseconds()).Val(), "no time in %s", name)
	}
}

// pushes counts the requests that came to LINE, accepted or not.
func (s *stage) pushes() (n int64) {
	for _, requests := range s.line.Stats().Requests[endpoint.PushMessage.Operation] {
		n += requests
	}
	return n
}

// TestAHoldOfEightDaysAfterALostAnswer: LINE may have the push, and has forgotten its key.
func TestAHoldOfEightDaysAfterALostAnswer(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{})
		// However often it is tried before the worker stops, no answer is heard.
		require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultRefuse, Status: http.StatusInternalServerError}}))
		stop := s.work(t)
		ticket := s.push(t, user(1), producer.ID("order-1"))
		s.waitFor(t, ticket, tasks.StateWaiting)
		stop()
		_, err := channel.Put(t.Context(), rdb, tasks.DefaultChannel, channel.Hold{Reason: channel.Operator})
		require.NoError(t, err)
		s.heldFor(t, ticket, 8*day)
		require.NoError(t, s.line.SetFaults(nil))
		before := s.pushes()
		require.Positive(t, before)

		s.work(t)
		_, err = channel.Lift(t.Context(), rdb, tasks.DefaultChannel, channel.Operator)
		require.NoError(t, err)
		r := s.wait(t, ticket)
		assert.Equal(t, tasks.OutcomeUnknown, r.Outcome)
		assert.Equal(t, lineapi.Unknown, r.Reason)
		assert.Equal(t, "no answer came while a repeat was safe", r.Error)
		s.nothingIsLeft(t, ticket)
		assert.Equal(t, before, s.pushes(), "without a call")
		assert.Zero(t, s.line.Ledger().Count(user(1)))

		again, err := s.q.Run(t.Context(), ticket.ID)
		require.NoError(t, err)
		assert.True(t, again.Risky, "who runs it again is told what that means")
		assert.Equal(t, tasks.OutcomeSent, s.wait(t, again).Outcome)
		got := s.line.Ledger().Received(user(1))
		require.Len(t, got, 1)
		assert.Equal(t, tasks.RetryKey("default", endpoint.PushMessage, "order-1", "", 1), got[0].RetryKey)
	})
}

// TestAQuotaHoldIntoNextMonth: LINE has certainly refused the push, and has forgotten its key.
func TestAQuotaHoldIntoNextMonth(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string][]producer.Option{
		"a key of ours":         nil,
		"a key of the caller's": {producer.RetryKey("123e4567-e89b-42d3-a456-426614174000")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
				spent := linesim.DefaultChannel
				spent.Quota = linesim.Quota{Limit: 1, Used: 1}
				s := newStage(t, rdb, linesim.Config{Channels: []linesim.Channel{spent}})
				stop := s.work(t)
				ticket := s.push(t, user(1), append(opts, producer.ID("invoice-1"))...)
				s.holds(t, tasks.DefaultChannel, lineapi.Quota)
				s.waitFor(t, ticket, tasks.StateWaiting)
				stop()
				s.heldFor(t, ticket, 20*day)
				require.NoError(t, s.line.SetQuota(spent.ID, linesim.Quota{Limit: 100}))

				s.work(t)
				r := s.wait(t, ticket)
				require.Equal(t, tasks.OutcomeSent, r.Outcome, "%+v", r)
				assert.False(t, r.Replayed)
				got := s.line.Ledger().Received(user(1))
				require.Len(t, got, 1)
				assert.Equal(t, tasks.RetryKey("default", endpoint.PushMessage, "invoice-1", "", 1), got[0].RetryKey)
				s.holds(t, tasks.DefaultChannel, "")
			})
		})
	}
}
