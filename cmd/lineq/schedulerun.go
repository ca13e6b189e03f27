package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/schedule"
	"github.com/lineq/lineq/worker"
)

// schedulesFlag says what a worker may do for schedules.
type schedulesFlag struct {
	ScheduleCommands bool `help:"Run the commands that schedules name for their audiences: whoever can write to Redis can run any here."`
}

// takeIn lets a worker take in the campaigns of schedules.
func (f schedulesFlag) takeIn(a *app, rdb redis.UniversalClient, cfg *worker.Config) error {
	q, err := producer.New(producer.Config{Redis: rdb})
	if err != nil {
		return err
	}
	cfg.ScheduleCommands = f.ScheduleCommands
	cfg.ScheduledCampaign = func(ctx context.Context, t schedule.Tick) error {
		var to iter.Seq2[producer.Recipient, error]
		if path := t.Spec.Campaign.Audience; path != "" {
			from, _, closeFile, err := a.openAudience(path)
			if err != nil {
				return err
			}
			defer closeFile()
			to = readAudience(path, from)
		} else {
			to = a.commandAudience(ctx, t.Spec.Campaign.Command)
		}
		_, err := q.ScheduledCampaign(ctx, t, to)
		return err
	}
	return nil
}

// commandWait is for what a command that was killed has left behind with its output open.
const commandWait = 2 * time.Second

// commandAudience reads the recipients that a command prints. It fails after the last one when the command does.
func (a *app) commandAudience(ctx context.Context, line string) iter.Seq2[producer.Recipient, error] {
	const source = "the audience's command"
	return func(yield func(producer.Recipient, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		c := exec.CommandContext(ctx, "sh", "-c", line)
		c.Env, c.Stderr, c.WaitDelay = a.withoutSecrets(os.Environ()), a.stderr, commandWait
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			yield(producer.Recipient{}, fmt.Errorf("%s: %w", source, err))
			return
		}
		var unreadable error
		for r, err := range readAudience(source, out) {
			var bad *campaign.RowError
			if err != nil && !errors.As(err, &bad) {
				unreadable = err
				break
			}
			if !yield(r, err) {
				stop()
				_ = c.Wait()
				return
			}
		}
		// Where the command has failed, that is why it can't be read. One that goes on is ended.
		if _, err := io.CopyN(io.Discard, out, maxRest); err == nil {
			stop()
		}
		err = c.Wait()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && (unreadable == nil || exit.ExitCode() > 0) {
			yield(producer.Recipient{}, fmt.Errorf("%s ended with %s", source, exit))
			return
		}
		if err = cmp.Or(unreadable, err); err != nil {
			yield(producer.Recipient{}, err)
		}
	}
}

// maxRest is how much is read of what a command prints after what can't be read.
const maxRest = 1 << 20

// withoutSecrets leaves out the variables that hold channels' tokens and secrets, Redis's password, and the key of where
// traces go, which is in the headers.
func (a *app) withoutSecrets(environment []string) []string {
	secret := map[string]bool{
		"LINEQ_WEBHOOK_SECRET": true, "OTEL_EXPORTER_OTLP_HEADERS": true, "OTEL_EXPORTER_OTLP_TRACES_HEADERS": true,
	}
	for _, name := range secretVariables {
		secret[name] = true
	}
	if a.config != nil {
		for _, c := range a.config.channels {
			secret[c.TokenEnv], secret[c.SecretEnv] = true, true
			secret[c.AssertionKeyEnv], secret[c.GatewayTokenEnv] = true, true
		}
	}
	var rest []string
	for _, v := range environment {
		if name, _, _ := strings.Cut(v, "="); !secret[name] {
			rest = append(rest, v)
		}
	}
	return rest
}
