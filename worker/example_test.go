package worker_test

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/worker"
)

// A worker inside a program of your own; the command "lineq worker" is the same with flags.
func Example() {
	logger, err := zap.NewProduction()
	if err != nil {
		log.Fatal(err)
	}
	client, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken(os.Getenv("LINE_CHANNEL_ACCESS_TOKEN"))})
	if err != nil {
		log.Fatal(err)
	}
	w, err := worker.New(worker.Config{
		Redis: redis.NewUniversalClient(worker.RedisOptions(&redis.UniversalOptions{
			Addrs: []string{"127.0.0.1:6379"},
		})),
		Channels: map[string]*lineapi.Client{"default": client},
		Log:      logger,
	})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := w.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
