package producer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestWaiting(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q := newClient(t, rdb)
		message := []lineapi.Message{lineapi.Text("hello")}
		enqueue := func(task tasks.Task, opts ...producer.Option) {
			_, err := q.Enqueue(t.Context(), task, opts...)
			require.NoError(t, err)
		}
		enqueue(tasks.Push{To: alice, Messages: message})
		enqueue(tasks.Push{To: alice, Messages: message}, producer.After(time.Hour))
		enqueue(tasks.Multicast{To: []string{alice}, Messages: message})
		enqueue(tasks.Push{To: alice, Messages: message}, producer.Channel("shop"))
		enqueue(tasks.Profile{UserID: alice}, producer.Channel("shop"))

		waiting := func() map[string]int64 {
			n, err := q.Waiting(t.Context(), "default", "shop", "bank")
			require.NoError(t, err)
			return n
		}
		assert.Equal(t, map[string]int64{"default": 3, "shop": 1, "bank": 0}, waiting())
		none, err := q.Waiting(t.Context())
		require.NoError(t, err)
		assert.Empty(t, none)

		// One attempt fails, and waits for the next.
		failed := make(chan struct{})
		server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
			Queues: map[string]int{"lineq-push-shop": 1}, LogLevel: asynq.FatalLevel,
			RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Hour },
		})
		require.NoError(t, server.Start(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
			close(failed)
			return errors.New("failed")
		})))
		<-failed
		server.Shutdown()
		info, err := asynq.NewInspectorFromRedisClient(rdb).GetQueueInfo("lineq-push-shop")
		require.NoError(t, err)
		require.Equal(t, 1, info.Retry)
		assert.EqualValues(t, 1, waiting()["shop"])
	})
}
