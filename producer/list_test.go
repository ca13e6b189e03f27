package producer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

const listed = "U0123456789abcdef0123456789abcdef"

// list collects an iteration.
func list(t *testing.T, q *producer.Client, f producer.Filter) map[string]tasks.Result {
	t.Helper()
	all := map[string]tasks.Result{}
	for r, err := range q.Tasks(t.Context(), f) {
		require.NoError(t, err)
		require.NotContains(t, all, r.Channel+":"+r.ID)
		all[r.Channel+":"+r.ID] = r
	}
	return all
}

func TestTasks(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q, err := producer.New(producer.Config{Redis: rdb})
		require.NoError(t, err)
		assert.Empty(t, list(t, q, producer.Filter{}))

		push := tasks.Push{To: listed, Messages: []lineapi.Message{lineapi.Text("hello")}}
		enqueue := func(task tasks.Task, id string, opts ...producer.Option) {
			_, err := q.Enqueue(t.Context(), task, append(opts, producer.ID(id))...)
			require.NoError(t, err)
		}
		enqueue(push, "queued")
		enqueue(push, "later", producer.After(time.Hour))
		enqueue(push, "of-shop", producer.Channel("shop"))
		enqueue(tasks.Profile{UserID: listed}, "shared")
		enqueue(tasks.Profile{UserID: listed}, "shared-of-shop", producer.Channel("shop"))
		enqueue(push, "decided")
		records := record.New(rdb, record.Retention{})
		_, _, err = records.Cancel(t.Context(), record.Ref{Channel: "default", ID: "decided"}, tasks.KindPush, "lineq-push-default")
		require.NoError(t, err)
		foreign := asynq.NewClientFromRedisClient(rdb)
		for i, queue := range []string{"lineq-control", "lineq-push-default", "theirs"} {
			_, err := foreign.Enqueue(asynq.NewTask("x", nil), asynq.Queue(queue), asynq.TaskID(fmt.Sprint(i)))
			require.NoError(t, err)
		}

		for name, test := range map[string]struct {
			filter producer.Filter
			want   []string
		}{
			"all":                {producer.Filter{}, []string{"default:queued", "default:later", "shop:of-shop", "default:shared", "shop:shared-of-shop"}},
			"channel":            {producer.Filter{Channel: "shop"}, []string{"shop:of-shop", "shop:shared-of-shop"}},
			"state":              {producer.Filter{State: tasks.StateScheduled}, []string{"default:later"}},
			"channel and state":  {producer.Filter{Channel: "shop", State: tasks.StateQueued}, []string{"shop:of-shop", "shop:shared-of-shop"}},
			"nobody's":           {producer.Filter{Channel: "nobody"}, nil},
			"none in this state": {producer.Filter{State: tasks.StateActive}, nil},
		} {
			t.Run(name, func(t *testing.T) {
				all := list(t, q, test.filter)
				assert.Len(t, all, len(test.want))
				for _, w := range test.want {
					assert.Contains(t, all, w)
				}
			})
		}
		t.Run("what is known", func(t *testing.T) {
			r := list(t, q, producer.Filter{})["default:later"]
			require.NotNil(t, r.DueAt)
			assert.WithinDuration(t, time.Now().Add(time.Hour), *r.DueAt, time.Minute)
			r.DueAt = nil
			assert.Equal(t, tasks.Result{ID: "later", Channel: "default", Kind: "push", State: tasks.StateScheduled}, r)
		})
		t.Run("stopped halfway", func(t *testing.T) {
			n := 0
			for range q.Tasks(t.Context(), producer.Filter{}) {
				n++
				break
			}
			assert.Equal(t, 1, n)
		})
	})
}

func TestTasksBeyondOnePage(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q, err := producer.New(producer.Config{Redis: rdb})
	require.NoError(t, err)
	items := make([]producer.Item, 250)
	for i := range items {
		items[i].Task = tasks.Profile{UserID: listed}
	}
	_, err = q.EnqueueAll(t.Context(), items)
	require.NoError(t, err)
	assert.Len(t, list(t, q, producer.Filter{}), 250)
}

// TestTasksWhileSent sees a task that a worker has, and one that waits for its next attempt.
func TestTasksWhileSent(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q, err := producer.New(producer.Config{Redis: rdb})
	require.NoError(t, err)
	for _, id := range []string{"active", "waiting"} {
		_, err := q.Enqueue(t.Context(), tasks.Profile{UserID: listed}, producer.ID(id))
		require.NoError(t, err)
	}
	begun, failed, end := make(chan struct{}), make(chan struct{}), make(chan struct{})
	server := asynq.NewServerFromRedisClient(rdb, asynq.Config{
		Concurrency: 2, Queues: map[string]int{"lineq-control": 1}, LogLevel: asynq.FatalLevel,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Hour },
		ErrorHandler:   asynq.ErrorHandlerFunc(func(context.Context, *asynq.Task, error) { close(failed) }),
	})
	require.NoError(t, server.Start(asynq.HandlerFunc(func(ctx context.Context, _ *asynq.Task) error {
		if id, _ := asynq.GetTaskID(ctx); id == "default:active" {
			close(begun)
			<-end
			return nil
		}
		return fmt.Errorf("not now")
	})))
	defer server.Shutdown()
	defer close(end)
	<-begun
	<-failed
	// asynq tells of the failure before it puts the task among those that wait.
	for {
		r, err := q.Result(t.Context(), "waiting")
		require.NoError(t, err)
		if r.State == tasks.StateWaiting {
			break
		}
	}
	all := list(t, q, producer.Filter{})
	assert.Equal(t, tasks.StateWaiting, all["default:waiting"].State)
	assert.Equal(t, tasks.StateActive, all["default:active"].State)
	assert.Len(t, list(t, q, producer.Filter{State: tasks.StateWaiting}), 1)
	assert.Len(t, list(t, q, producer.Filter{State: tasks.StateActive}), 1)
}

func TestTasksWithoutRedis(t *testing.T) {
	m, rdb := redistest.Mini(t)
	q, err := producer.New(producer.Config{Redis: rdb})
	require.NoError(t, err)
	m.Close()
	n := 0
	for _, err := range q.Tasks(t.Context(), producer.Filter{}) {
		n++
		assert.ErrorContains(t, err, "list tasks")
	}
	assert.Equal(t, 1, n)
}
