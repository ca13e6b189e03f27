package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// measureLateness schedules 100,000 pushes for one moment and looks how long after it each arrives, as fast as the machine
// sends.
func measureLateness(ctx context.Context, b *bench) error {
	const n = 100_000
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	line := startLine()
	defer line.Close()
	line.watching.Store(true)
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
	due := time.Now().Add(30 * time.Second)
	task := func(i int) tasks.Task { return push(user(i)) }
	if err := feed(ctx, q, n, task, producer.At(due)); err != nil {
		return err
	}
	if time.Now().After(due.Add(-time.Second)) {
		return fmt.Errorf("scheduling %d tasks took longer than 30 s", n)
	}
	took, err := line.arrived(ctx, n)
	if _, stopErr := p.stop(); err == nil {
		err = stopErr
	}
	if err != nil {
		return err
	}
	var late []time.Duration
	line.mu.Lock()
	for _, at := range line.at {
		late = append(late, at.Sub(due))
	}
	line.mu.Unlock()
	b.percentiles("g", "lateness of 100,000 pushes due at once", late,
		fmt.Sprintf("the first after %d ms, then %.0f/s", slices.Min(late).Milliseconds(), (n-1)/took.Seconds()))
	return nil
}
