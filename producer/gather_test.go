package producer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
)

const someUser = "U0123456789abcdef0123456789abcdef"

func gathering(t *testing.T, rdb redis.UniversalClient) *producer.Client {
	t.Helper()
	q, err := producer.New(producer.Config{Redis: rdb, Gather: true})
	require.NoError(t, err)
	return q
}

// Every call has its own answer, whatever the others of its load bring.
func TestGather(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		q := gathering(t, rdb)
		var all sync.WaitGroup
		for n := range 300 {
			all.Go(func() {
				push := tasks.Push{To: someUser, Messages: []lineapi.Message{lineapi.Text("Hi")}}
				switch n % 3 {
				case 0:
					id := fmt.Sprintf("unique-%d", n)
					ticket, err := q.Enqueue(t.Context(), push, producer.UniqueID(id))
					assert.NoError(t, err)
					assert.Equal(t, id, ticket.ID)
					assert.False(t, ticket.Duplicate)
				case 1:
					_, err := q.Enqueue(t.Context(), push, producer.ID("shared"))
					assert.NoError(t, err)
				default:
					_, err := q.Enqueue(t.Context(), tasks.Push{To: "nobody"})
					assert.ErrorContains(t, err, "Size must be between 1 and 5")
				}
			})
		}
		all.Wait()
		n := 0
		for _, err := range q.Tasks(t.Context(), producer.Filter{}) {
			require.NoError(t, err)
			n++
		}
		assert.Equal(t, 101, n)
	})
}

// What waits for a replica holds up nobody else.
func TestGatherDoesNotWaitForTheDurable(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	q := gathering(t, rdb)
	push := tasks.Push{To: someUser, Messages: []lineapi.Message{lineapi.Text("Hi")}}
	ctx, cancel := context.WithCancel(t.Context())
	waits := make(chan error, 1)
	go func() {
		_, err := q.Enqueue(ctx, push, producer.ID("durable"), producer.Durable(1, 50*time.Second)) // there is no replica
		waits <- err
	}()
	require.Eventually(t, func() bool {
		_, err := q.Result(t.Context(), "durable")
		return err == nil
	}, time.Minute, time.Millisecond)
	_, err := q.Enqueue(t.Context(), push, producer.ID("plain"))
	require.NoError(t, err)
	select {
	case err := <-waits:
		require.Fail(t, "the durable one was first", err)
	default:
	}
	cancel()
	require.Error(t, <-waits)
}

// Who gives up before their load has left leaves nothing behind.
func TestGatherGivesUp(t *testing.T) {
	server := redistest.Start(t)
	rdb := server.Client(t)
	q := gathering(t, rdb)
	push := tasks.Push{To: someUser, Messages: []lineapi.Message{lineapi.Text("Hi")}}
	_, err := q.Enqueue(t.Context(), push, producer.ID("before"))
	require.NoError(t, err)
	server.Freeze()
	first := make(chan error, 1)
	go func() {
		_, err := q.Enqueue(context.WithoutCancel(t.Context()), push, producer.ID("under way"))
		first <- err
	}()
	behind := ""
	for n := 0; ; n++ { // until one comes while the first is under way
		behind = fmt.Sprintf("behind-%d", n)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		_, err = q.Enqueue(ctx, push, producer.ID(behind))
		cancel()
		var failed *producer.EnqueueError
		require.ErrorAs(t, err, &failed)
		if !failed.MayBeStored {
			break
		}
	}
	server.Thaw()
	<-first
	_, err = q.Result(t.Context(), behind)
	assert.ErrorIs(t, err, producer.ErrNotFound)
}
