// Package producer is what app code imports: it hands messages to lineq and goes on.
//
//	q, err := producer.New(producer.Config{Redis: rdb})
//	ticket, err := q.Push(ctx, userID, lineapi.Text("Your order has shipped."))
//	result, err := q.Wait(ctx, ticket.ID)
//
// The typed calls cover the usual kinds; [Client.Enqueue] takes every task of package tasks, with options; and
// [Client.EnqueueAll] takes many in few round trips. What was enqueued is looked up with [Client.Result], taken back with
// [Client.Cancel], moved with [Client.Reschedule] and started again with [Client.Run].
//
// [Client.Campaign] sends one message to many, whom it reads from a stream. Package audience makes that from a file.
// [Client.Schedule] does either again and again.
//
// A task is identified by its channel and its ID. With an ID of your own (option [ID]) every call can be repeated: the
// second is answered with a ticket that says Duplicate, whatever happened to the first. When Redis doesn't answer, the
// error is an [*EnqueueError], which says whether the task may have been stored all the same.
//
// The package sends nothing itself and needs no access token: that is the worker's.
package producer

import (
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/schedule"
	"github.com/lineq/lineq/tasks/topology"
	"github.com/lineq/lineq/tasks/tracing"
)

// Config is what a Client needs.
type Config struct {
	// Redis is the one that the workers use. It stays the caller's: the Client never closes it. New adds a hook to that of
	// a Redis Cluster, so that it finds the new master after a failover.
	Redis redis.UniversalClient
	// Channel is meant where no option names one. Empty: tasks.DefaultChannel.
	Channel string
	// Retention is how long the records are kept of tasks that this client cancels; give it the workers' value.
	Retention record.Retention
	// Campaigns is how long a campaign of this client's is kept after its end.
	Campaigns campaign.Retention
	// KeepCompleted tells asynq to keep finished tasks for its dashboard, at about 1 KB of Redis each. Zero: not at all;
	// lineq's own records don't need it.
	KeepCompleted time.Duration
	// Gather lets calls of Enqueue that come at the same time share round trips to Redis, as a server wants it: each takes
	// up to two trips instead of one, and many of them take hardly more than one.
	Gather bool
	// TracerProvider makes a span of each call that enqueues, or takes a campaign in; see package tasks/tracing for what it
	// carries. Nil: none is made, but a span that the caller's context has is carried to the worker all the same.
	TracerProvider trace.TracerProvider
}

// Client enqueues and looks up. It is safe for concurrent use; one is enough for a process.
type Client struct {
	rdb       redis.UniversalClient
	inspector *asynq.Inspector
	records   *record.Store
	campaigns *campaign.Store
	schedules *schedule.Store
	channel   string
	keep      time.Duration
	gather    *gather      // nil: every call goes for itself
	tracer    trace.Tracer // nil: nothing is traced
}

// New returns a client. It doesn't talk to Redis yet.
func New(cfg Config) (*Client, error) {
	if cfg.Redis == nil {
		return nil, errors.New("producer: Config.Redis is missing")
	}
	if cfg.Channel == "" {
		cfg.Channel = tasks.DefaultChannel
	}
	if err := tasks.CheckChannel(cfg.Channel); err != nil {
		return nil, fmt.Errorf("producer: Config.Channel: %w", err)
	}
	topology.FollowMasters(cfg.Redis)
	c := &Client{
		rdb:       cfg.Redis,
		inspector: asynq.NewInspectorFromRedisClient(cfg.Redis),
		records:   record.New(cfg.Redis, cfg.Retention),
		campaigns: campaign.New(cfg.Redis, cfg.Campaigns),
		schedules: schedule.New(cfg.Redis),
		channel:   cfg.Channel,
		keep:      cfg.KeepCompleted,
		tracer:    tracing.Tracer(cfg.TracerProvider),
	}
	if cfg.Gather {
		c.gather = &gather{put: c.putLoad}
	}
	return c, nil
}
