package producer_test

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/redistest"
)

// TestQueues looks at what asynq itself has paused and enqueued: it fails when asynq keeps its queues in another way.
func TestQueues(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, ctx := newClient(t, rdb), t.Context()
		all, err := q.Queues(ctx)
		require.NoError(t, err)
		assert.Empty(t, all)

		begin := time.Now()
		for _, opts := range [][]producer.Option{nil, nil, {producer.Urgent()}, {producer.Channel("shop"), producer.After(time.Hour)}} {
			_, err := enqueue(t, q, hello("", opts...))
			require.NoError(t, err)
		}
		_, err = asynq.NewClientFromRedisClient(rdb).Enqueue(asynq.NewTask("a", nil), asynq.Queue("not-lineqs"))
		require.NoError(t, err)
		require.NoError(t, asynq.NewInspectorFromRedisClient(rdb).PauseQueue("lineq-urgent"))
		require.NoError(t, rdb.Set(ctx, "asynq:{lineq-push-shop}:paused", channel.Pause, 0).Err())

		all, err = q.Queues(ctx)
		require.NoError(t, err)
		require.Len(t, all, 3)
		push, shop, urgent := all[0], all[1], all[2]
		assert.WithinRange(t, push.Oldest, begin, time.Now())
		assert.WithinRange(t, urgent.Oldest, begin, time.Now())
		push.Oldest, urgent.Oldest = time.Time{}, time.Time{}
		assert.Equal(t, producer.Queue{Name: "lineq-push-default", Pending: 2}, push)
		assert.Equal(t, producer.Queue{Name: "lineq-push-shop", Scheduled: 1, Paused: true, Held: true}, shop)
		assert.Equal(t, producer.Queue{Name: "lineq-urgent", Pending: 1, Paused: true}, urgent)
	})
}
