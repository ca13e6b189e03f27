package main

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/worker"
)

// devCommand is lineq dev.
type devCommand struct {
	Addr     string `default:"127.0.0.1:8788" help:"Address of the gateway, port 0 for a free one."`
	LineAddr string `default:"127.0.0.1:0" help:"Address of the simulated LINE, port 0 for a free one."`
	Redis    string `placeholder:"URL" help:"Use this Redis instead of one within this process."`
	simulatorFlags
	schedulesFlag
	dashboardFlags
	logFlags
}

func (devCommand) Help() string {
	return `Examples:

    lineq dev
    lineq dev --redis redis://127.0.0.1:6379 --fault refuse=0.1

It runs until it is interrupted. Without a Redis of yours, by --redis or REDIS_URL, nothing survives its end.`
}

func (c devCommand) Run(ctx context.Context, a *app) error {
	sim, err := c.simulator()
	if err != nil {
		return err
	}
	l := &local{
		redisURL: c.Redis, addr: c.LineAddr, gatewayAddr: c.Addr, showContent: c.ShowContent, sim: sim,
		log: c.logger(a.stderr),
	}
	l.adapt = func(rdb redis.UniversalClient, cfg *worker.Config) error { return c.takeIn(a, rdb, cfg) }
	return l.run(ctx, func(ctx context.Context) error {
		kept := "within this process: nothing survives its end"
		shown := l.redisURL
		if c.Redis != "" {
			kept = "yours: what is in it stays"
			shown = redisName(c.Redis)
		}
		fmt.Fprintf(a.stderr, `Redis           %s (%s)
dashboard       %s/lineq/ (log in with the key %s)
gateway         %s (LINE's API, for an SDK with the token %s)
management API  %s/lineq/v1/openapi.yaml (key %s)
simulated LINE  %s (sends reach nobody)
control         %s/_sim/ledger
metrics         %s/metrics
worker          channel default

Try, in another terminal:
`, shown, kept, l.gatewayURL, localKey, l.gatewayURL, linesim.DefaultChannel.Token, l.gatewayURL, localKey, l.lineURL, l.gatewayURL, l.gatewayURL)
		if c.Redis == "" {
			fmt.Fprintf(a.stderr, "  export REDIS_URL=%s\n", l.redisURL)
		} else {
			fmt.Fprint(a.stderr, "  export REDIS_URL=…  # the one you gave\n")
		}
		fmt.Fprintf(a.stderr, `  lineq send push --to %s --text hello --wait
  lineq log
  curl %s/_sim/ledger/recipients/%s

`, exampleUser, l.gatewayURL, exampleUser)
		<-ctx.Done()
		return nil
	})
}

// exampleUser has the form of a user ID; for the simulated LINE every such user is a friend.
const exampleUser = "U0123456789abcdef0123456789abcdef"
