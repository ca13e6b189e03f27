package limit_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
)

// plan is a few seconds of some processes that all want one endpoint.
type plan struct {
	limit   endpoint.Limit
	takers  [][]taker // by process
	trip    time.Duration
	network time.Duration // that a request may take longer than another
	stalls  []stall
	jumps   []jump
	seed    uint64
}

type taker struct {
	priority limit.Priority
	rest     time.Duration // between its requests, at most
}

// stall is a time in which a process's takers do nothing with the permits that they have.
type stall struct {
	process  int
	from, to time.Duration
}

// jump sets Redis's clock.
type jump struct{ at, by time.Duration }

// planSpan is enough for a bucket to be drained and refilled.
const planSpan = 600 * time.Millisecond

func drawPlan(t *rapid.T) plan {
	p := plan{
		limit: rapid.SampledFrom([]endpoint.Limit{
			{Requests: 2000, Per: time.Second}, {Requests: 370, Per: time.Second}, {Requests: 200, Per: time.Second},
			{Requests: 100, Per: time.Second}, {Requests: 1000, Per: time.Minute}, {Requests: 10, Per: time.Second},
		}).Draw(t, "limit"),
		trip: rapid.SampledFrom([]time.Duration{0, 300 * time.Microsecond, 3 * time.Millisecond}).Draw(t, "trip"),
		seed: rapid.Uint64().Draw(t, "seed"),
	}
	p.network = rapid.SampledFrom([]time.Duration{0, 2 * time.Millisecond, 8 * time.Millisecond}).Draw(t, "network")
	for range rapid.IntRange(1, 4).Draw(t, "processes") {
		var takers []taker
		for range rapid.IntRange(1, 20).Draw(t, "takers") {
			takers = append(takers, taker{
				priority: rapid.SampledFrom([]limit.Priority{limit.Bulk, limit.Bulk, limit.Ordinary, limit.Urgent}).Draw(t, "priority"),
				rest:     rapid.SampledFrom([]time.Duration{0, 0, 5 * time.Millisecond, 300 * time.Millisecond}).Draw(t, "rest"),
			})
		}
		p.takers = append(p.takers, takers)
	}
	for range rapid.IntRange(0, 5).Draw(t, "stalls") {
		from := time.Duration(rapid.Int64Range(0, int64(planSpan)).Draw(t, "from"))
		p.stalls = append(p.stalls, stall{
			process: rapid.IntRange(0, len(p.takers)-1).Draw(t, "process"), from: from,
			to: from + time.Duration(rapid.Int64Range(0, int64(80*time.Millisecond)).Draw(t, "length")),
		})
	}
	return p
}

// TestWhatArrivesFitsTheBucket is the promise: whoever asks, with stalls and delays on the way, LINE refuses nobody.
func TestWhatArrivesFitsTheBucket(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawPlan(rt)
		b, _ := p.run(t)
		if b.refused > 0 {
			rt.Fatalf("LINE refused %d of %d", b.refused, b.taken+b.refused)
		}
	})
}

// run lets the processes take and the bucket judge; served counts the requests of each process.
func (p plan) run(t *testing.T) (*bucket, []int64) {
	b := &bucket{limit: p.limit}
	served := make([]atomic.Int64, len(p.takers))
	inBubble(t, func(t *testing.T, w *world) {
		w.trip.Store(int64(p.trip))
		ctx, cancel := context.WithTimeout(t.Context(), planSpan)
		defer cancel()
		start := time.Now()
		var all sync.WaitGroup
		for _, j := range p.jumps {
			time.AfterFunc(j.at, func() { w.ahead.Add(int64(j.by)) })
		}
		for i, takers := range p.takers {
			l := w.process(limit.Limits{Rates: map[string]endpoint.Limit{"pushMessage": p.limit}})
			before := l.Before(channel)
			stalled := func() {
				for _, s := range p.stalls {
					if now := time.Since(start); s.process == i && s.from <= now && now < s.to {
						time.Sleep(s.to - now)
					}
				}
			}
			for k, who := range takers {
				random := rand.New(rand.NewPCG(p.seed, uint64(i*1000+k)))
				upTo := func(d time.Duration) time.Duration { return time.Duration(random.Float64() * float64(d)) }
				all.Go(func() {
					for ctx.Err() == nil {
						time.Sleep(upTo(who.rest))
						turn, err := l.Take(ctx, push(who.priority, time.Hour))
						if err != nil || turn.Wait > 0 {
							assert.Error(t, ctx.Err(), "%v %v", turn, err)
							return
						}
						time.Sleep(upTo(2 * time.Millisecond)) // the attempt is opened
						stalled()
						wait, err := before(limit.With(ctx, endpoint.PushMessage, who.priority, turn), endpoint.PushMessage)
						if err != nil || wait > 0 {
							continue
						}
						time.Sleep(upTo(p.network))
						b.take(time.Now())
						served[i].Add(1)
					}
				})
			}
		}
		all.Wait()
	})
	counts := make([]int64, len(served))
	for i := range served {
		counts[i] = served[i].Load()
	}
	return b, counts
}

func TestProcessesShareTheLimit(t *testing.T) {
	bulk := make([]taker, 30)
	p := plan{limit: endpoint.PushMessage.Limit, trip: time.Millisecond, takers: [][]taker{bulk, bulk, bulk, bulk}}
	b, served := p.run(t)
	assert.Zero(t, b.refused)
	assert.Greater(t, b.use(planSpan), 0.985)
	for _, n := range served {
		assert.InEpsilon(t, b.taken/4, n, 0.2, "a process's share of %d", b.taken)
	}
}

func TestRedisClockIsSet(t *testing.T) {
	for name, by := range map[string]time.Duration{
		"back by an hour": -time.Hour, "ahead by an hour": time.Hour, "back by 300 ms": -300 * time.Millisecond,
		"ahead by 300 ms": 300 * time.Millisecond, "back by a little": -20 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			bulk := make([]taker, 30)
			p := plan{limit: endpoint.PushMessage.Limit, trip: time.Millisecond, takers: [][]taker{bulk, bulk},
				jumps: []jump{{planSpan / 3, by}, {planSpan * 2 / 3, by}}}
			b, _ := p.run(t)
			assert.Zero(t, b.refused, "a burst")
			require.Greater(t, b.use(planSpan), 0.9, "a stop")
		})
	}
}
