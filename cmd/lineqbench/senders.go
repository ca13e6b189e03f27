package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/hibiken/asynq"
	"github.com/line/line-bot-sdk-go/v8/linebot/messaging_api"
	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/worker"
)

// concurrency is how many requests each of the three has under way at most; it is lineq's default for pushes.
const concurrency = 200

// runLineq is a worker as `lineq worker` runs it.
func (c child) runLineq(ctx context.Context) error {
	debug.SetGCPercent(worker.GCPercent)
	rdb := redis.NewUniversalClient(worker.RedisOptions(&redis.UniversalOptions{Addrs: []string{c.Redis}}))
	defer rdb.Close()
	client, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken(c.Token), Origin: c.LINE, DataOrigin: c.LINE})
	if err != nil {
		return err
	}
	w, err := worker.New(worker.Config{
		Redis: rdb, Channels: map[string]*lineapi.Client{tasks.DefaultChannel: client}, Limits: limit.Limits{Off: !c.Limited},
	})
	if err != nil {
		return err
	}
	return w.Run(ctx)
}

// plainQueue is where the tasks of asynq alone are.
const plainQueue = "plain"

// runAsynq is what a user would write: LINE's official SDK in the handler, nothing recorded, no limit kept, no retry key.
func (c child) runAsynq(ctx context.Context) error {
	bot, err := messaging_api.NewMessagingApiAPI(c.Token, messaging_api.WithEndpoint(c.LINE),
		messaging_api.WithHTTPClient(&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * concurrency}}))
	if err != nil {
		return err
	}
	mux := asynq.NewServeMux()
	mux.HandleFunc("push", func(_ context.Context, t *asynq.Task) error {
		var r messaging_api.PushMessageRequest
		if err := json.Unmarshal(t.Payload(), &r); err != nil {
			return err
		}
		_, err := bot.PushMessage(&r, "")
		return err
	})
	mux.HandleFunc("multicast", func(_ context.Context, t *asynq.Task) error {
		var r messaging_api.MulticastRequest
		if err := json.Unmarshal(t.Payload(), &r); err != nil {
			return err
		}
		_, err := bot.Multicast(&r, "")
		return err
	})
	server := asynq.NewServer(asynq.RedisClientOpt{Addr: c.Redis}, asynq.Config{
		Concurrency: concurrency, LogLevel: asynq.ErrorLevel, Queues: map[string]int{plainQueue: 1},
	})
	if err := server.Start(mux); err != nil {
		return err
	}
	<-ctx.Done()
	server.Shutdown()
	return nil
}

// runBare posts pushes as fast as net/http can, from no queue at all: the limit that the machine sets.
func (c child) runBare(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * c.Hands}}
	var next atomic.Int64
	var all sync.WaitGroup
	failures := make(chan error, c.Hands)
	for range c.Hands {
		all.Go(func() {
			for i := int(next.Add(1)); i <= c.N && ctx.Err() == nil; i = int(next.Add(1)) {
				if err := c.post(context.WithoutCancel(ctx), client, user(i)); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	all.Wait()
	select {
	case err := <-failures:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (c child) post(ctx context.Context, client *http.Client, to string) error {
	body := fmt.Appendf(nil, `{"to":%q,"messages":[{"type":"text","text":%q}]}`, to, "hi "+to)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.LINE+"/v2/bot/message/push", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
