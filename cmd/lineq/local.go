package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/dashboard"
	"github.com/lineq/lineq/producer/gateway"
	"github.com/lineq/lineq/producer/gateway/manage"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/worker"
)

// local is what demo and dev run in this process: a simulated LINE, a worker that sends to it for the channel default,
// and a Redis where none is named.
type local struct {
	redisURL string // empty: one of its own
	addr     string // of the simulated LINE
	sim      *linesim.Simulator
	log      *zap.Logger // the worker's; nil: silent
	// adapt changes the worker's configuration; nil: nothing.
	adapt func(redis.UniversalClient, *worker.Config) error

	gatewayAddr string // empty: there is none
	metrics     *prometheus.Registry
	showContent bool // in its dashboard

	rdb        redis.UniversalClient
	lineURL    string
	gatewayURL string
}

// localGrace is how long sends to the simulated LINE may take to finish at the end.
const localGrace = 2 * time.Second

// run starts the parts, calls use, and stops them when it returns: the worker first, as it needs the other two. The
// context of use ends early when a part fails.
func (l *local) run(ctx context.Context, use func(ctx context.Context) error) error {
	if l.redisURL == "" {
		stop, err := l.startRedis()
		if err != nil {
			return err
		}
		defer stop()
	}
	var err error
	if l.rdb, err = openRedis(ctx, l.redisURL, worker.RedisOptions); err != nil {
		return err
	}
	var worked error
	defer func() {
		if worked == nil { // else the worker may have left some work behind on it
			l.rdb.Close()
		}
	}()

	listener, err := listen("--addr", l.addr)
	if err != nil {
		return err
	}
	l.lineURL = "http://" + listener.Addr().String()
	line := serveSimulator(listener, l.sim)
	defer line.stop()

	token := lineapi.StaticToken(linesim.DefaultChannel.Token)
	client, err := lineapi.New(lineapi.Config{Token: token, Origin: l.lineURL, DataOrigin: l.lineURL})
	if err != nil {
		return err
	}
	l.metrics = newRegistry()
	serveGateway, err := l.gateway(token, client)
	if err != nil {
		return err
	}
	cfg := worker.Config{
		Redis: l.rdb, Channels: map[string]*lineapi.Client{tasks.DefaultChannel: client}, Log: l.log, Grace: localGrace,
		Metrics: l.metrics,
	}
	if l.adapt != nil {
		if err := l.adapt(l.rdb, &cfg); err != nil {
			return err
		}
	}
	w, err := worker.New(cfg)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() {
		err := w.Run(ctx)
		if err != nil {
			cancel(err)
		}
		ended <- err
	}()
	go func() {
		select {
		case err := <-line.failed:
			cancel(err)
		case <-ctx.Done():
		}
	}()
	served := make(chan error, 1)
	go func() {
		err := serveGateway(ctx)
		if err != nil {
			cancel(err)
		}
		served <- err
	}()
	err = use(ctx)
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause // why use had to end
	}
	cancel(nil)
	err = cmp.Or(err, <-served)
	if worked = <-ended; err == nil {
		err = worked
	}
	return err
}

// localKey is the API key of a gateway that anybody on this machine may use.
const localKey = "lineq-dev"

// gateway prepares one for the channel default, which has the simulator's control handler beside it.
func (l *local) gateway(token lineapi.TokenSource, client *lineapi.Client) (
	serve func(context.Context) error, err error,
) {
	if l.gatewayAddr == "" {
		return func(context.Context) error { return nil }, nil
	}
	q, err := producer.New(producer.Config{Redis: l.rdb, Gather: true})
	if err != nil {
		return nil, err
	}
	limiter, err := limit.New(limit.Config{Redis: l.rdb})
	if err != nil {
		return nil, err
	}
	clients := map[string]*lineapi.Client{tasks.DefaultChannel: client.Paced(limiter.Before(tasks.DefaultChannel))}
	keys := []manage.Key{{
		Name: "dev", SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(localKey))),
		Scopes: []manage.Scope{manage.Send, manage.Read, manage.Operate},
	}}
	management, err := manage.New(manage.Config{Redis: l.rdb, Producer: q, Clients: clients, Keys: keys, Log: l.log})
	if err != nil {
		return nil, err
	}
	pages, err := dashboard.New(dashboard.Config{
		Redis: l.rdb, Producer: q, Clients: clients, Keys: keys, Workers: livingWorkers(l.rdb),
		ShowContent: l.showContent, Log: l.log,
	})
	if err != nil {
		return nil, err
	}
	g, err := gateway.New(gateway.Config{
		Redis: l.rdb, Producer: q, Limiter: limiter, Origin: l.lineURL, DataOrigin: l.lineURL, Log: l.log,
		Metrics: l.metrics,
		Channels: map[string]gateway.Channel{
			tasks.DefaultChannel: {CallerTokens: []string{linesim.DefaultChannel.Token}, Token: token},
		},
		Beside: map[string]http.Handler{
			controlPath: http.StripPrefix(controlPath, l.sim.ControlHandler()),
			"/lineq":    newSite(management, pages), "/": http.HandlerFunc(toDashboard),
			"/metrics": metricsHandler(l.metrics),
		},
	})
	if err != nil {
		return nil, err
	}
	listener, err := listen("--addr", l.gatewayAddr)
	if err != nil {
		return nil, err
	}
	l.gatewayURL = "http://" + listener.Addr().String()
	return func(ctx context.Context) error { return g.Serve(ctx, listener, localGrace) }, nil
}

// startRedis runs a Redis within this process. Its keys expire by a clock that somebody has to move on.
func (l *local) startRedis() (stop func(), err error) {
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		return nil, fmt.Errorf("embedded Redis: %w", err)
	}
	l.redisURL = "redis://" + m.Addr()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				m.FastForward(time.Second)
			}
		}
	}()
	return func() {
		cancel()
		<-ended
		m.Close()
	}, nil
}
