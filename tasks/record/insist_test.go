package record_test

import (
	"context"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

// muffle lets so many scripts be run whose answers get lost, as go-redis reports it of a connection that hangs.
type muffle struct {
	lose  atomic.Int32
	after func() // when one was lost
}

func (m *muffle) DialHook(next redis.DialHook) redis.DialHook { return next }
func (m *muffle) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (m *muffle) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if cmd.Name() == "evalsha" && err == nil && m.lose.Add(-1) >= 0 {
			if m.after != nil {
				m.after()
			}
			return os.ErrDeadlineExceeded
		}
		return err
	}
}

// muffled is a store whose first answers get lost.
func muffled(t *testing.T, answers int32, after func(redis.UniversalClient)) (*record.Store, redis.UniversalClient) {
	m, direct := redistest.Mini(t)
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	a := record.Attempt{Ref: record.Ref{Channel: "default", ID: "warm-up"}, Timeout: timeout}
	b, err := record.New(direct, record.Retention{}).Begin(t.Context(), a) // from now on Redis knows both scripts
	require.NoError(t, err)
	_, err = record.New(direct, record.Retention{}).End(t.Context(), b, a.Ref, accepted)
	require.NoError(t, err)
	h := &muffle{}
	h.lose.Store(answers)
	if after != nil {
		h.after = func() { after(direct) }
	}
	rdb.AddHook(h)
	return record.New(rdb, record.Retention{}), direct
}

func TestAnAnswerOfRedisThatIsLost(t *testing.T) {
	t.Parallel()
	reply := record.Attempt{
		Ref: record.Ref{Channel: "default", ID: "reply-1"}, Kind: tasks.KindReply, Queue: "lineq-urgent", Timeout: timeout,
	}
	const key = "lineq:{default:t:reply-1}"
	t.Run("begin's: the attempt is ours, from now on", func(t *testing.T) {
		store, direct := muffled(t, 2, func(rdb redis.UniversalClient) {
			require.NoError(t, rdb.HSet(t.Context(), key, "u", 1).Err()) // it took so long that others take it for dead
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun, err := store.Begin(ctx, reply)
		require.NoError(t, err)
		assert.Equal(t, record.Go, begun.Verdict)
		assert.Equal(t, 1, begun.Attempts)
		assert.False(t, begun.Open)

		other, err := record.New(direct, record.Retention{}).Begin(ctx, reply)
		require.NoError(t, err)
		assert.Equal(t, record.Busy, other.Verdict)
		assert.InDelta(t, untilDead, other.Wait, float64(5*time.Second))
	})
	t.Run("end's: it is closed once", func(t *testing.T) {
		store, direct := muffled(t, 2, nil)
		begun, err := record.New(direct, record.Retention{}).Begin(t.Context(), reply)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		d, err := store.End(ctx, begun, reply.Ref, accepted)
		require.NoError(t, err)
		assert.Equal(t, tasks.OutcomeSent, d.Outcome)
		assert.Equal(t, "sent", direct.HGet(t.Context(), key, "s").Val())
	})
	t.Run("its error is returned when the context ends", func(t *testing.T) {
		store, _ := muffled(t, 1000, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := store.Begin(ctx, reply)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	})
	t.Run("Redis's own errors are not repeated", func(t *testing.T) {
		store, direct := muffled(t, 0, nil)
		require.NoError(t, direct.Set(t.Context(), key, "no hash", 0).Err())
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := store.Begin(ctx, reply)
		require.ErrorContains(t, err, "WRONGTYPE")
	})
}
