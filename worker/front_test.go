package worker

import (
	"context"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks/redistest"
)

// TestToFront pins from which end of its list asynq fetches.
func TestToFront(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		client := asynq.NewClientFromRedisClient(rdb)
		for _, id := range []string{"1", "2", "3"} {
			_, err := client.Enqueue(asynq.NewTask("push", nil), asynq.Queue("q"), asynq.TaskID(id))
			require.NoError(t, err)
		}
		require.NoError(t, toFront(t.Context(), rdb, claim{"q", "3"}))
		require.NoError(t, toFront(t.Context(), rdb, claim{"q", "4"}), "one that doesn't wait")

		order := make(chan string, 3)
		server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
			Concurrency: 1, Queues: map[string]int{"q": 1}, TaskCheckInterval: time.Millisecond, LogLevel: asynq.FatalLevel,
		})
		require.NoError(t, server.Start(asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
			id, _ := asynq.GetTaskID(ctx)
			order <- id
			return nil
		})))
		defer server.Shutdown()
		assert.Equal(t, []string{"3", "1", "2"}, []string{<-order, <-order, <-order})
	})
}
