package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// patience is how long one round may take.
const patience = 2 * time.Minute

// contender is one way to send, measured in turns with others.
type contender struct {
	letter, what string
	as           string // kind of child
	n            int
	recipients   int           // of a multicast; 0: pushes
	campaign     bool          // the requests are a campaign's
	hands        int           // of a bare loop; 0: concurrency
	redisDelay   time.Duration // each way
	against      []string      // what its rate is put in relation to

	perSecond, workerCPU, redisCPU []float64 // of each round; processor time in µs per request
}

func measurePushRates(ctx context.Context, b *bench) error {
	all := []*contender{
		{letter: "a", what: "bare net/http loop, pushes", as: "bare", n: b.n},
		{letter: "b", what: "asynq with LINE's SDK, pushes, nothing recorded", as: "asynq", n: b.n, against: []string{"a"}},
		{letter: "c", what: "lineq, pushes, recorded", as: "lineq", n: b.n, against: []string{"b", "a"}},
	}
	return b.race(ctx, slices.DeleteFunc(all, func(c *contender) bool { return !b.wants(c.letter) }))
}

func measureMulticastRates(ctx context.Context, b *bench) error {
	const recipients = 500
	n := max(50, b.n/10)
	return b.race(ctx, []*contender{
		{letter: "d1", what: "asynq with LINE's SDK, multicasts to 500", as: "asynq", n: n, recipients: recipients},
		{
			letter: "d", what: "lineq, multicasts to 500, recorded", as: "lineq", n: n, recipients: recipients,
			against: []string{"d1"},
		},
	})
}

// measureFarRates gives asynq a tenth of the tasks: it fetches one per round trip.
func measureFarRates(ctx context.Context, b *bench) error {
	return b.race(ctx, []*contender{
		{letter: "h1", what: "asynq with LINE's SDK, pushes, 2 ms to Redis", as: "asynq", n: b.n / 10, redisDelay: time.Millisecond},
		{
			letter: "h", what: "lineq, pushes, recorded, 2 ms to Redis", as: "lineq", n: b.n, redisDelay: time.Millisecond,
			against: []string{"h1"},
		},
	})
}

// race measures the contenders in turns, so that what else the machine does meets all of them, and adds their rows.
func (b *bench) race(ctx context.Context, all []*contender) error {
	for round := range b.rounds {
		for _, c := range all {
			if err := c.round(ctx); err != nil {
				return fmt.Errorf("%s: %w", c.what, err)
			}
			b.say("   %d/%d %s: %.0f/s", round+1, b.rounds, c.what, c.perSecond[round])
		}
	}
	medians := map[string]float64{}
	for _, c := range all {
		r := row{
			Part: c.letter, What: c.what, Value: median(c.perSecond), Unit: "requests/s",
			Least: slices.Min(c.perSecond), Most: slices.Max(c.perSecond),
			Notes: []string{fmt.Sprintf("processor: worker %.0f µs", median(c.workerCPU))},
		}
		if c.as != "bare" {
			r.Notes[0] += fmt.Sprintf(", Redis %.0f µs", median(c.redisCPU))
		}
		for _, other := range c.against {
			if m, measured := medians[other]; measured {
				r.Ratios = append(r.Ratios, ratio{other, r.Value / m})
			}
		}
		medians[c.letter] = r.Value
		b.rows = append(b.rows, r)
	}
	return nil
}

// round fills a queue, starts a worker, and measures from the first request at LINE to the last.
func (c *contender) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	line := startLine()
	defer line.Close()
	server, err := startRedis()
	if err != nil {
		return err
	}
	defer server.stop()
	switch c.as {
	case "lineq":
		q, err := producer.New(producer.Config{Redis: server})
		if err != nil {
			return err
		}
		if c.campaign {
			if err := feedCampaign(ctx, q, "bench", c.n, c.recipients); err != nil {
				return err
			}
			break
		}
		task := func(i int) tasks.Task { return push(user(i)) }
		if c.recipients > 0 {
			task = func(i int) tasks.Task { return multicastTo(i, c.recipients) }
		}
		if err := feed(ctx, q, c.n, task); err != nil {
			return err
		}
	case "asynq":
		if err := feedPlain(ctx, server.addr, c.n, c.recipients); err != nil {
			return err
		}
	}
	addr := server.addr
	if c.redisDelay > 0 {
		way, err := startProxy(addr, c.redisDelay)
		if err != nil {
			return err
		}
		defer way.stop()
		addr = way.Addr().String()
	}
	spent, err := server.processorTime(ctx)
	if err != nil {
		return err
	}
	p, err := child{As: c.as, Redis: addr, LINE: line.URL, Token: "t", N: c.n, Hands: cmp.Or(c.hands, concurrency)}.start()
	if err != nil {
		return err
	}
	took, err := line.arrived(ctx, c.n)
	cpu, stopErr := p.stop()
	if err != nil {
		return err
	}
	if stopErr != nil {
		return stopErr
	}
	spentNow, err := server.processorTime(ctx)
	if err != nil {
		return err
	}
	if sent := line.count.Load(); sent != int64(c.n) {
		return fmt.Errorf("%d requests for %d tasks", sent, c.n)
	}
	c.perSecond = append(c.perSecond, float64(c.n-1)/took.Seconds())
	c.workerCPU = append(c.workerCPU, float64(cpu.Microseconds())/float64(c.n))
	c.redisCPU = append(c.redisCPU, float64((spentNow-spent).Microseconds())/float64(c.n))
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
