package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
)

// commands is how many commands a second Redis serves, watched for ten seconds after five in which everybody comes to rest.
func (s *redisServer) commands(ctx context.Context) (rate float64, err error) {
	if err := sleep(ctx, 5*time.Second); err != nil {
		return 0, err
	}
	const watched = 10 * time.Second
	var served [2]float64
	for i := range served {
		info, err := s.InfoMap(ctx, "stats").Result()
		if err != nil {
			return 0, err
		}
		if _, err := fmt.Sscan(info["Stats"]["total_commands_processed"], &served[i]); err != nil {
			return 0, err
		}
		if i == 0 {
			if err := sleep(ctx, watched); err != nil {
				return 0, err
			}
		}
	}
	return (served[1] - served[0]) / watched.Seconds(), nil
}

// measureHeld measures what 100,000 pushes of a held channel cost Redis while they wait, beside a worker that has nothing
// to do, and how soon they go when the hold is lifted.
func measureHeld(ctx context.Context, b *bench) error {
	const n = 100_000
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	line := startLine()
	defer line.Close()
	server, err := startRedis()
	if err != nil {
		return err
	}
	defer server.stop()
	q, err := producer.New(producer.Config{Redis: server})
	if err != nil {
		return err
	}
	p, err := child{As: "lineq", Redis: server.addr, LINE: line.URL, Token: "t"}.start()
	if err != nil {
		return err
	}
	idle, err := server.commands(ctx)
	if err != nil {
		return err
	}
	if _, err := channel.Put(ctx, server, tasks.DefaultChannel, channel.Hold{Reason: channel.Operator}); err != nil {
		return err
	}
	if err := feed(ctx, q, n, func(i int) tasks.Task { return push(user(i)) }); err != nil {
		return err
	}
	held, err := server.commands(ctx)
	if err != nil {
		return err
	}
	lifted := time.Now()
	if _, err := channel.Lift(ctx, server, tasks.DefaultChannel, channel.Operator); err != nil {
		return err
	}
	took, err := line.arrived(ctx, n)
	if _, stopErr := p.stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	b.rows = append(b.rows,
		row{Part: "j", What: "Redis, one worker, nothing to send", Value: idle, Unit: "commands/s"},
		row{Part: "j", What: "Redis, the same and 100,000 pushes of a held channel", Value: held, Unit: "commands/s"},
		row{
			Part: "j", What: "from the end of the hold to the first push", Unit: "ms",
			Value: float64(time.Unix(0, line.first.Load()).Sub(lifted).Microseconds()) / 1000,
			Notes: []string{fmt.Sprintf("then %.0f/s", (n-1)/took.Seconds())},
		},
	)
	return nil
}
