package main

import (
	"context"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// measureMemory measures what a push takes in Redis while it waits, and what is kept of it when it is sent: its record and
// its line in the delivery log.
func measureMemory(ctx context.Context, b *bench) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
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
	before, err := server.used(ctx)
	if err != nil {
		return err
	}
	if err := feed(ctx, q, b.n, func(i int) tasks.Task { return push(user(i)) }); err != nil {
		return err
	}
	waiting, err := server.used(ctx)
	if err != nil {
		return err
	}
	p, err := child{As: "lineq", Redis: server.addr, LINE: line.URL, Token: "t"}.start()
	if err != nil {
		return err
	}
	if _, err = line.arrived(ctx, b.n); err == nil {
		err = server.idle(ctx, tasks.LinePush.Queue(tasks.DefaultChannel))
	}
	if _, stopErr := p.stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	sent, err := server.used(ctx)
	if err != nil {
		return err
	}
	n := float64(b.n)
	b.rows = append(b.rows,
		row{Part: "i", What: "Redis, a push that waits, a short text", Value: (waiting - before) / n, Unit: "bytes"},
		row{Part: "i", What: "Redis, a push that was sent: record and delivery log", Value: (sent - before) / n, Unit: "bytes"},
	)
	return nil
}
