package dashboard

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/lineq/lineq/lineapi"
)

const (
	// quotaEvery is how often LINE is asked for a channel's quota, at most, while somebody looks.
	quotaEvery = time.Minute
	// quotaTime is how long it may take to answer.
	quotaTime = 15 * time.Second
	// quotasAtOnce is for how many channels it is asked at the same time.
	quotasAtOnce = 4
)

// quota is what LINE said of a channel's quota of the month.
type quota struct {
	At        time.Time // when it said so; zero: it wasn't asked yet, or there is no token here
	Unlimited bool
	Limit     int64
	Used      int64
	Failed    string // why it could not be asked the last time; the figures are older then
	Asked     bool   // there is a token, so it is or was asked
}

// Left is what can still be sent, Part which part of all that is, from 0 to 1.
func (q quota) Left() int64 { return max(0, q.Limit-q.Used) }

func (q quota) Part() float64 {
	if q.Limit <= 0 {
		return 0
	}
	return float64(q.Left()) / float64(q.Limit)
}

// Low tells of less than a tenth.
func (q quota) Low() bool { return !q.At.IsZero() && !q.Unlimited && q.Part() < 0.1 }

// quotas asks LINE in the background, so that no page waits for it.
type quotas struct {
	turns chan struct{}

	mu      sync.Mutex
	clients map[string]*lineapi.Client
	known   map[string]quota
	next    map[string]time.Time
	under   sync.WaitGroup
	ctx     context.Context // ends with the dashboard
	end     context.CancelFunc
}

func newQuotas() *quotas {
	q := &quotas{
		turns: make(chan struct{}, quotasAtOnce), known: map[string]quota{}, next: map[string]time.Time{},
	}
	q.ctx, q.end = context.WithCancel(context.Background())
	return q
}

// set replaces the clients. Where a channel has another one than before, it is asked when somebody looks.
func (q *quotas) set(clients map[string]*lineapi.Client) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for name, client := range clients {
		if q.clients[name] != client {
			delete(q.next, name)
		}
	}
	q.clients = maps.Clone(clients)
}

// stop gives up asking.
func (q *quotas) stop() {
	q.mu.Lock()
	q.end()
	q.mu.Unlock()
	q.under.Wait()
}

// of is what is known of a channel's quota. It is asked for behind this where that is old.
func (q *quotas) of(name string) quota {
	q.mu.Lock()
	defer q.mu.Unlock()
	client := q.clients[name]
	if client == nil {
		return quota{}
	}
	now := time.Now()
	if q.next[name].Before(now) && q.ctx.Err() == nil {
		q.next[name] = now.Add(quotaEvery)
		q.under.Go(func() { q.ask(name, client) })
	}
	known := q.known[name]
	known.Asked = true
	return known
}

func (q *quotas) ask(name string, client *lineapi.Client) {
	select {
	case q.turns <- struct{}{}:
		defer func() { <-q.turns }()
	case <-q.ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(q.ctx, quotaTime)
	defer cancel()
	limit, err := client.Quota(ctx)
	var used int64
	if err == nil {
		used, err = client.QuotaConsumption(ctx)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	known := q.known[name]
	if err != nil {
		known.Failed = err.Error() // it holds no token
	} else {
		known = quota{At: time.Now(), Unlimited: limit.Type == "none", Limit: limit.Value, Used: used}
	}
	q.known[name] = known
}
