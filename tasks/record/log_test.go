package record_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestLog(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		store := record.New(rdb, record.Retention{})
		before := time.Now().Add(-time.Minute)
		lines := []record.Line{
			{Channel: "default", ID: "a", Kind: tasks.KindPush, Outcome: tasks.OutcomeSent, RequestID: "r1", Attempts: 1},
			{Channel: "default", ID: "b", Kind: tasks.KindPush, Outcome: tasks.OutcomeSent, Replayed: true, RequestID: "r2", Attempts: 3},
			{
				Channel: "default", ID: "c", Kind: tasks.KindReply, Outcome: tasks.OutcomeFailed, Reason: lineapi.Invalid,
				RequestID: "r3", Attempts: 1, Error: "Invalid reply token; messages[0].text: お届け",
			},
			{Channel: "default", ID: "d", Kind: tasks.KindProfile, Outcome: tasks.OutcomeCancelled},
		}
		for _, l := range lines {
			require.NoError(t, store.Log(t.Context(), l))
		}
		require.NoError(t, store.Log(t.Context(), record.Line{Channel: "other", ID: "x"}))

		all, err := store.LogTail(t.Context(), "default", 10)
		require.NoError(t, err)
		require.Len(t, all, len(lines))
		for i, got := range all {
			assert.WithinRange(t, got.At, before, time.Now().Add(time.Minute))
			assert.Equal(t, time.UTC, got.At.Location())
			assert.NotEmpty(t, got.Cursor)
			got.Cursor, got.At = "", time.Time{}
			assert.Equal(t, lines[i], got)
		}

		last, err := store.LogTail(t.Context(), "default", 2)
		require.NoError(t, err)
		assert.Equal(t, all[2:], last, "the last ones, oldest first")

		first, err := store.LogAfter(t.Context(), "default", "", 3)
		require.NoError(t, err)
		assert.Equal(t, all[:3], first)
		rest, err := store.LogAfter(t.Context(), "default", first[2].Cursor, 3)
		require.NoError(t, err)
		assert.Equal(t, all[3:], rest, "what follows the cursor, without it")
		none, err := store.LogAfter(t.Context(), "default", rest[0].Cursor, 3)
		require.NoError(t, err)
		assert.Empty(t, none)

		_, err = store.LogAfter(t.Context(), "default", "no cursor", 3)
		assert.ErrorContains(t, err, "delivery log of default: ")
		nobody, err := store.LogTail(t.Context(), "nobody", 3)
		require.NoError(t, err)
		assert.Empty(t, nobody)
	})
}

func TestLogAfterMeetsEveryLineOnce(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		store := record.New(rdb, record.Retention{})
		for i := range 50 {
			require.NoError(t, store.Log(t.Context(), record.Line{Channel: "default", ID: fmt.Sprint(i)}))
		}
		var cursor string
		var met []string
		for {
			lines, err := store.LogAfter(t.Context(), "default", cursor, 7)
			require.NoError(t, err)
			if len(lines) == 0 {
				break
			}
			for _, l := range lines {
				met = append(met, l.ID)
			}
			cursor = lines[len(lines)-1].Cursor
		}
		require.Len(t, met, 50)
		for i, id := range met {
			assert.Equal(t, fmt.Sprint(i), id)
		}
	})
}

// captured keeps the arguments of the last command.
type captured struct{ args []any }

func (c *captured) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *captured) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (c *captured) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.args = cmd.Args()
		return next(ctx, cmd)
	}
}

func TestLogIsCapped(t *testing.T) {
	_, rdb := redistest.Mini(t)
	var last captured
	rdb.AddHook(&last)
	require.NoError(t, record.New(rdb, record.Retention{}).Log(t.Context(), record.Line{Channel: "default", ID: "a"}))
	require.GreaterOrEqual(t, len(last.args), 5)
	assert.Equal(t, []any{"xadd", "lineq:{default}:log", "maxlen", "~", int64(100_000)}, last.args[:5])
}
