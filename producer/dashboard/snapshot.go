package dashboard

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/limit"
)

// shared keeps what load found for a second, for all who look.
type shared[T any] struct {
	load func(context.Context) (T, error)

	mu    sync.Mutex
	at    time.Time
	found T
}

// sharedFor is a little less than what a page is rendered again after.
const sharedFor = 900 * time.Millisecond

func (s *shared[T]) get(ctx context.Context) (T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) < sharedFor {
		return s.found, nil
	}
	found, err := s.load(ctx)
	if err == nil {
		s.at, s.found = time.Now(), found
	}
	return found, err
}

// forget lets the next who looks see what has just been changed.
func (s *shared[T]) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = time.Time{}
}

// snapshot is how everything stands. It takes about ten round trips, whatever there is; nobody changes it.
type snapshot struct {
	At       time.Time
	Channels []channelState // by name
	Shared   []queueState   // the queues that all channels share
	Workers  []Worker
	Known    bool // whether Workers is
	// Campaigns are those that haven't ended, the first of them.
	Campaigns []campaign.Summary
}

// queueState is a queue with the line that it is of.
type queueState struct {
	producer.Queue
	Line tasks.Line
}

// channelState is how one channel stands.
type channelState struct {
	Name   string
	Seen   time.Time // when a worker last said that it serves it; zero: none has
	Holds  []channel.Hold
	Queues []queueState
	Uses   []limit.Use // of the endpoints that send
	Quota  quota
}

// Served tells whether a worker has it.
func (c channelState) Served(now time.Time) bool {
	return now.Sub(c.Seen) < 2*channel.Refresh+10*time.Second
}

// Waiting is how many of its tasks aren't being sent, and Active how many are.
func (c channelState) Waiting() (n int64) {
	for _, q := range c.Queues {
		n += q.Pending + q.Scheduled + q.Retry
	}
	return n
}

func (c channelState) Active() (n int64) {
	for _, q := range c.Queues {
		n += q.Active
	}
	return n
}

// Oldest is since when the first of those has waited that could be sent.
func (c channelState) Oldest() (at time.Time) {
	for _, q := range c.Queues {
		if !q.Oldest.IsZero() && (at.IsZero() || q.Oldest.Before(at)) {
			at = q.Oldest
		}
	}
	return at
}

// PerSecond is how many requests that send are made.
func (c channelState) PerSecond() (rate float64) {
	for _, u := range c.Uses {
		rate += u.PerSecond
	}
	return rate
}

// Busiest is the endpoint that uses the most of its limit; nil: none has one.
func (c channelState) Busiest() *useState {
	var most *useState
	for _, u := range c.Uses {
		if s := (useState{u}); u.Interval > 0 && (most == nil || s.Part() > most.Part()) {
			most = &s
		}
	}
	return most
}

// useState is the use of a limit, as it is shown.
type useState struct{ limit.Use }

// Limit is the requests a second that are allowed; Part is how much of it is used, from 0 to 1.
func (u useState) Limit() float64 {
	if u.Interval <= 0 {
		return 0
	}
	return float64(time.Second) / float64(u.Interval)
}

func (u useState) Part() float64 {
	if u.Interval <= 0 {
		return 0
	}
	return min(1, u.PerSecond/u.Limit())
}

// sends are the endpoints that send messages.
var sends = []endpoint.Endpoint{
	endpoint.ReplyMessage, endpoint.PushMessage, endpoint.Multicast, endpoint.Broadcast, endpoint.Narrowcast,
}

func (d *Dashboard) look(ctx context.Context) (*snapshot, error) {
	s := &snapshot{}
	seen, err := channel.LastSeen(ctx, d.cfg.Redis)
	if err != nil {
		return nil, err
	}
	names, err := channel.Attention(ctx, d.cfg.Redis)
	if err != nil {
		return nil, err
	}
	queues, err := d.cfg.Producer.Queues(ctx)
	if err != nil {
		return nil, err
	}
	byChannel := map[string][]queueState{}
	for _, q := range queues {
		line, name, _ := tasks.ParseQueue(q.Name)
		state := queueState{q, line}
		if name == "" {
			s.Shared = append(s.Shared, state)
			continue
		}
		byChannel[name] = append(byChannel[name], state)
	}
	names = slices.AppendSeq(names, maps.Keys(seen))
	names = slices.AppendSeq(names, maps.Keys(d.cfg.Clients))
	names = slices.AppendSeq(names, maps.Keys(byChannel))
	slices.Sort(names)
	names = slices.Compact(names)
	holds, err := channel.Holds(ctx, d.cfg.Redis, names...)
	if err != nil {
		return nil, err
	}
	uses, err := limit.Usage(ctx, d.cfg.Redis, names, sends)
	if err != nil {
		return nil, err
	}
	usesOf := map[string][]limit.Use{}
	for _, u := range uses {
		usesOf[u.Channel] = append(usesOf[u.Channel], u)
	}
	s.At = time.Now()
	for _, name := range names {
		for i := range byChannel[name] { // also before a worker has paused it
			byChannel[name][i].Held = byChannel[name][i].Held || len(holds[name]) > 0
		}
		s.Channels = append(s.Channels, channelState{
			Name: name, Seen: seen[name], Holds: holds[name], Queues: byChannel[name], Uses: usesOf[name],
			Quota: d.quotas.of(name),
		})
	}
	if s.Campaigns, err = d.running(ctx); err != nil {
		return nil, err
	}
	if d.cfg.Workers != nil {
		s.Known = true
		if s.Workers, err = d.cfg.Workers(ctx); err != nil {
			return nil, err
		}
		slices.SortFunc(s.Workers, func(x, y Worker) int {
			return cmp.Or(cmp.Compare(x.Host, y.Host), cmp.Compare(x.ID, y.ID))
		})
	}
	return s, nil
}

// maxRunning is how many campaigns that haven't ended the overview shows.
const maxRunning = 20

// running are campaigns that haven't ended. One whose end isn't told yet is left out.
func (d *Dashboard) running(ctx context.Context) ([]campaign.Summary, error) {
	refs, err := d.campaigns.Unended(ctx)
	if err != nil {
		return nil, err
	}
	var all []campaign.Summary
	for _, ref := range refs {
		if len(all) == maxRunning {
			break
		}
		sum, err := d.cfg.Producer.CampaignSummary(ctx, ref.ID)
		if err != nil {
			continue // it is gone since
		}
		if !sum.State.Ended() {
			all = append(all, sum)
		}
	}
	return all, nil
}
