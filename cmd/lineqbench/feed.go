package main

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/hibiken/asynq"
	"github.com/line/line-bot-sdk-go/v8/linebot/messaging_api"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// feedSize is how many tasks are enqueued together.
const feedSize = 1000

func push(to string) tasks.Task {
	return tasks.Push{To: to, Messages: []lineapi.Message{lineapi.Text("hi")}}
}

// multicastTo is a multicast to so many users, others for each i.
func multicastTo(i, recipients int) tasks.Task {
	m := tasks.Multicast{Messages: []lineapi.Message{lineapi.Text("hi")}}
	for k := range recipients {
		m.To = append(m.To, user(i*recipients+k))
	}
	return m
}

// feed enqueues n tasks at lineq.
func feed(ctx context.Context, q *producer.Client, n int, task func(i int) tasks.Task, opts ...producer.Option) error {
	for start := 0; start < n; start += feedSize {
		items := make([]producer.Item, min(feedSize, n-start))
		for i := range items {
			items[i] = producer.Item{Task: task(start + i), Options: opts}
		}
		if _, err := q.EnqueueAll(ctx, items); err != nil {
			return err
		}
	}
	return nil
}

// feedPlain enqueues n tasks for asynq with LINE's SDK.
func feedPlain(ctx context.Context, addr string, n, recipients int) error {
	client := asynq.NewClient(asynq.RedisClientOpt{Addr: addr})
	defer client.Close()
	return inParallel(n, func(i int) error {
		text := []messaging_api.MessageInterface{&messaging_api.TextMessage{Text: "hi"}} // the SDK writes into it
		kind, request := "push", any(&messaging_api.PushMessageRequest{To: user(i), Messages: text})
		if recipients > 0 {
			m := &messaging_api.MulticastRequest{Messages: text}
			for k := range recipients {
				m.To = append(m.To, user(i*recipients+k))
			}
			kind, request = "multicast", m
		}
		payload, err := json.Marshal(request)
		if err != nil {
			return err
		}
		_, err = client.EnqueueContext(ctx, asynq.NewTask(kind, payload), asynq.Queue(plainQueue))
		return err
	})
}

// inParallel calls do for 0 to n-1, sixteen at a time, and returns one of the errors.
func inParallel(n int, do func(i int) error) error {
	const lanes = 16
	errs := make(chan error, lanes)
	var all sync.WaitGroup
	for lane := range lanes {
		all.Go(func() {
			for i := lane; i < n; i += lanes {
				if err := do(i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}
