package worker

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/channel"
)

const (
	// standingKept is for how long what was read is shown again: several scrapers cost Redis no more than one.
	standingKept = time.Second
	// standingPatience is how long a scrape waits for Redis.
	standingPatience = 3 * time.Second
	// standingCampaigns is how many campaigns that haven't ended are read.
	standingCampaigns = 1000
	// unread is the state of the campaigns beyond these.
	unread = "unread"
)

// Standing shows how things stand in Redis: queues, holds, quotas, campaigns, workers. Whoever shows it shows the same, so
// take the maximum over jobs and instances, not the sum. A worker shows it beside its own counts, see Config.Metrics.
//
// It reads when it is collected, at most once a second, in about ten round trips that grow with the number of queues and
// of campaigns that haven't ended, not with what is in them. While Redis doesn't answer, what was last known stays, so that
// no alarm ends for want of news, and lineq_redis_up is 0. It is safe for concurrent use.
type Standing struct {
	rdb       redis.UniversalClient
	campaigns *campaign.Store

	mu   sync.Mutex
	read chan struct{} // closed when the look under way has ended; nil: there is none
	at   time.Time     // of what is known
	up   bool
	last []prometheus.Metric
}

// NewStanding shows what is on rdb, which stays the caller's.
func NewStanding(rdb redis.UniversalClient) *Standing {
	return &Standing{rdb: rdb, campaigns: campaign.New(rdb, campaign.Retention{})}
}

func standingDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("lineq_"+name, help, labels, nil)
}

var (
	redisUp            = standingDesc("redis_up", "1 if Redis answered this scrape; while it doesn't, the rest is what was last known.")
	workersAlive       = standingDesc("workers", "Workers that have been heard of in the last seconds.")
	queueTasks         = standingDesc("queue_tasks", "Tasks in a queue, by state.", "line", "channel", "state")
	queueOldest        = standingDesc("queue_oldest_seconds", "How long the task that has waited longest could have begun; 0: none waits.", "line", "channel")
	queuePaused        = standingDesc("queue_paused", "1 while a queue is paused: by lineq for a hold, or by an operator in asynq.", "line", "channel", "by")
	channelHeld        = standingDesc("channel_held", "1 while a channel's tasks wait for the reason.", "channel", "reason")
	channelSeen        = standingDesc("channel_seen_seconds", "How long ago a worker last said that it serves the channel; each does once a minute.", "channel")
	quotaLimit         = standingDesc("quota_limit", "The month's quota as LINE has last told it; a channel without one has no series.", "channel")
	quotaLeft          = standingDesc("quota_left", "What is left of it; LINE is asked every ten minutes.", "channel")
	campaignsUnended   = standingDesc("campaigns", "Campaigns that haven't ended, by state; reason is why one is paused.", "channel", "state", "reason")
	campaignRecipients = standingDesc("campaign_recipients", "Recipients of the campaigns that haven't ended, by state.", "channel", "state")
)

var standingDescs = []*prometheus.Desc{
	redisUp, workersAlive, queueTasks, queueOldest, queuePaused, channelHeld, channelSeen, quotaLimit, quotaLeft, campaignsUnended,
	campaignRecipients,
}

// Describe makes it a prometheus.Collector.
func (s *Standing) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range standingDescs {
		ch <- d
	}
}

// Collect makes it a prometheus.Collector.
func (s *Standing) Collect(ch chan<- prometheus.Metric) {
	up, all := s.look()
	value := 0.
	if up {
		value = 1
	}
	ch <- prometheus.MustNewConstMetric(redisUp, prometheus.GaugeValue, value)
	for _, m := range all {
		ch <- m
	}
}

// look reads, unless that was just done or is being done. It waits no longer than standingPatience, whatever the client's
// own patience is.
func (s *Standing) look() (up bool, all []prometheus.Metric) {
	s.mu.Lock()
	if time.Since(s.at) < standingKept {
		defer s.mu.Unlock()
		return s.up, s.last
	}
	read := s.read
	if read == nil {
		read = make(chan struct{})
		s.read = read
		go s.refresh(read) // it ends with standingPatience, or when the client gives up
	}
	s.mu.Unlock()
	patience := time.NewTimer(standingPatience)
	defer patience.Stop()
	select {
	case <-read:
	case <-patience.C:
		s.mu.Lock()
		defer s.mu.Unlock()
		return false, s.last
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up, s.last
}

func (s *Standing) refresh(read chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), standingPatience)
	defer cancel()
	all, err := s.standing(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.up, s.read = time.Now(), err == nil, nil
	if err == nil {
		s.last = all
	}
	close(read)
}

// gauges collects values.
type gauges []prometheus.Metric

func (g *gauges) set(d *prometheus.Desc, value float64, labels ...string) {
	*g = append(*g, prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...))
}

func (s *Standing) standing(ctx context.Context) (gauges, error) {
	var g gauges
	for _, read := range []func(context.Context, *gauges) error{s.workers, s.queues, s.channels, s.unended} {
		if err := read(ctx, &g); err != nil {
			return nil, err
		}
	}
	return g, nil
}

func (s *Standing) workers(ctx context.Context, g *gauges) error {
	// The moment is that of the node which has the beats; see Living.
	now, err := nowScript.Run(ctx, s.rdb, []string{workersKey}).Int64()
	if err != nil {
		return err
	}
	n, err := s.rdb.ZCount(ctx, workersKey, strconv.FormatInt(now-deadAfter.Milliseconds(), 10), "+inf").Result()
	g.set(workersAlive, float64(n))
	return err
}

// standingQueue is what is read of one queue.
type standingQueue struct {
	line, channel string
	counts        map[tasks.State]*redis.IntCmd
	archived      *redis.IntCmd
	paused        *redis.StringCmd
	first         *redis.StringCmd    // of the list pending
	due           [2]*redis.ZSliceCmd // the first of those that wait for a time
	since         *redis.StringCmd    // of first
}

func (s *Standing) queues(ctx context.Context, g *gauges) error {
	names, err := s.rdb.SMembers(ctx, asynqQueues).Result()
	if err != nil {
		return err
	}
	var all []*standingQueue
	var ours []string
	for _, name := range names {
		if line, of, ok := tasks.ParseQueue(name); ok {
			all, ours = append(all, &standingQueue{line: string(line), channel: of}), append(ours, name)
		}
	}
	if len(all) == 0 {
		return nil
	}
	// An answer of nothing is no error here; each command has its own.
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, q := range all {
			key := func(name string) string { return asynqKey(ours[i], name) }
			q.counts = map[tasks.State]*redis.IntCmd{
				tasks.StateQueued: p.LLen(ctx, key("pending")), tasks.StateActive: p.LLen(ctx, key("active")),
				tasks.StateScheduled: p.ZCard(ctx, key("scheduled")), tasks.StateWaiting: p.ZCard(ctx, key("retry")),
			}
			q.archived, q.paused = p.ZCard(ctx, key("archived")), p.Get(ctx, key("paused"))
			q.first = p.LIndex(ctx, key("pending"), -1)
			for i, name := range []string{"scheduled", "retry"} {
				q.due[i] = p.ZRangeWithScores(ctx, key(name), 0, 0)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, q := range all {
			q.since = p.HGet(ctx, asynqKey(ours[i], "t:"+q.first.Val()), "pending_since")
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	now := time.Now()
	for _, q := range all {
		if err := q.archived.Err(); err != nil {
			return err // the one above is the first of all, which may be that nothing is pending
		}
		if err := q.since.Err(); err != nil && !errors.Is(err, redis.Nil) {
			return err
		}
		for state, n := range q.counts {
			g.set(queueTasks, float64(n.Val()), q.line, q.channel, string(state))
		}
		g.set(queueTasks, float64(q.archived.Val()), q.line, q.channel, "archived")
		g.set(queueOldest, q.oldest(now).Seconds(), q.line, q.channel)
		switch {
		case q.paused.Err() != nil:
		case q.paused.Val() == channel.Pause:
			g.set(queuePaused, 1, q.line, q.channel, "lineq")
		default:
			g.set(queuePaused, 1, q.line, q.channel, string(channel.Operator))
		}
	}
	return nil
}

// oldest is how long a task has waited that could have begun: one that is pending, or one whose time has come and which
// nobody has made pending, since no worker runs.
func (q *standingQueue) oldest(now time.Time) (age time.Duration) {
	if ns, err := strconv.ParseInt(q.since.Val(), 10, 64); err == nil {
		age = now.Sub(time.Unix(0, ns))
	}
	for _, due := range q.due {
		if first := due.Val(); len(first) > 0 {
			age = max(age, now.Sub(time.Unix(int64(first[0].Score), 0)))
		}
	}
	return max(0, age)
}

func (s *Standing) channels(ctx context.Context, g *gauges) error {
	now, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return err
	}
	seen, err := channel.LastSeen(ctx, s.rdb)
	if err != nil {
		return err
	}
	var names []string
	for name, at := range seen {
		names = append(names, name)
		g.set(channelSeen, max(0, now.Sub(at)).Seconds(), name)
	}
	attention, err := channel.Attention(ctx, s.rdb)
	if err != nil {
		return err
	}
	held, err := channel.Holds(ctx, s.rdb, attention...)
	if err != nil {
		return err
	}
	for name, holds := range held {
		for _, h := range holds {
			reason := h.Reason
			if !slices.Contains(channel.Reasons, reason) {
				reason = lineapi.Unknown // a newer lineq's
			}
			g.set(channelHeld, 1, name, string(reason))
		}
	}
	quotas, err := channel.Quotas(ctx, s.rdb, names...)
	if err != nil {
		return err
	}
	for name, q := range quotas {
		if left, limited := q.Left(); limited {
			g.set(quotaLimit, float64(q.Limit), name)
			g.set(quotaLeft, float64(left), name)
		}
	}
	return nil
}

func (s *Standing) unended(ctx context.Context, g *gauges) error {
	all, more, err := s.campaigns.Standing(ctx, standingCampaigns)
	if err != nil {
		return err
	}
	type group struct{ channel, state, reason string }
	groups := map[group]int{}
	recipients := map[group]int64{}
	for _, c := range all {
		is := group{c.Channel, string(c.State), ""}
		if c.State == campaign.StatePaused {
			is.reason = string(c.Reason)
		}
		groups[is]++
		recipients[group{channel: c.Channel, state: string(tasks.OutcomeSent)}] += c.Sent
		recipients[group{channel: c.Channel, state: string(tasks.OutcomeFailed)}] += c.Failed
		recipients[group{channel: c.Channel, state: string(tasks.OutcomeUnknown)}] += c.Unknown
		recipients[group{channel: c.Channel, state: "pending"}] += c.Pending
	}
	if more > 0 {
		groups[group{state: unread}] = more
	}
	for is, n := range groups {
		g.set(campaignsUnended, float64(n), is.channel, is.state, is.reason)
	}
	for is, n := range recipients {
		g.set(campaignRecipients, float64(n), is.channel, is.state)
	}
	return nil
}
