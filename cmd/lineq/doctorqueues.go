package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/worker"
)

// longWait is how long a task may wait beside living workers before it is worth a look: a campaign at LINE's limits, or
// too few workers.
const longWait = time.Minute

// lookAtQueues looks at workers, queues, and channels as Redis knows them.
func (d *doctor) lookAtQueues(ctx context.Context, rdb redis.UniversalClient) {
	q, err := producer.New(producer.Config{Redis: rdb})
	if err != nil {
		d.cannot("queues", "", err)
		return
	}
	queues, err := q.Queues(ctx)
	if err != nil {
		d.cannot("queues", "", err)
		return
	}
	now := time.Now()
	var oldest producer.Queue
	var waiting int64
	for _, q := range queues {
		waiting += q.Pending
		if q.Paused && !q.Held {
			d.say(warning, "queue", q.Name, "unpause it where it was paused: in asynq's dashboard, or by asynq queue unpause",
				"somebody has paused it; %s there", tasksWait(q.Pending))
		}
		if !q.Paused && !q.Oldest.IsZero() && (oldest.Name == "" || q.Oldest.Before(oldest.Oldest)) {
			oldest = q
		}
	}
	d.lookAtWorkers(ctx, rdb, waiting)
	switch {
	case waiting == 0:
		d.say(fine, "oldest task", "", "", "no task waits")
	case oldest.Name == "":
		d.say(fine, "oldest task", "", "", "%s, in paused queues", tasksWait(waiting))
	case now.Sub(oldest.Oldest) > longWait:
		d.say(warning, "oldest task", oldest.Name, "lineq campaign list and the metrics tell whether LINE's limits are why; "+
			"else run more workers", "has waited for %s; %d wait there", now.Sub(oldest.Oldest).Round(time.Second), oldest.Pending)
	default:
		d.say(fine, "oldest task", oldest.Name, "", "has waited for %s; %d wait there",
			max(0, now.Sub(oldest.Oldest)).Round(time.Millisecond), oldest.Pending)
	}
	d.lookAtChannels(ctx, rdb, now)
}

func (d *doctor) lookAtWorkers(ctx context.Context, rdb redis.UniversalClient, waiting int64) {
	workers, err := worker.Living(ctx, rdb)
	if err != nil {
		d.cannot("workers", "", err)
		return
	}
	const advice = "start lineq worker"
	switch {
	case len(workers) == 0 && waiting > 0:
		d.say(problem, "workers", "", advice, "none runs, and %s", tasksWait(waiting))
		return
	case len(workers) == 0:
		d.say(warning, "workers", "", advice, "none runs: what is enqueued waits")
		return
	}
	versions := map[string]bool{}
	var names []string
	for _, w := range workers {
		v := w.Version
		if v == "" {
			v = "of an unknown version"
		}
		versions[v] = true
		names = append(names, fmt.Sprintf("%s:%s (%s)", w.Host, w.PID, v))
	}
	slices.Sort(names)
	text := fmt.Sprintf("%d: %s", len(workers), printable(strings.Join(names, ", ")))
	if len(versions) > 1 {
		d.say(warning, "workers", "", "finish the upgrade", "%s", text)
		return
	}
	d.say(fine, "workers", "", "", "%s", text)
}

// unseen is how long after a worker last served a channel nobody does: workers say so every channel.Refresh.
const unseen = 3 * channel.Refresh

func (d *doctor) lookAtChannels(ctx context.Context, rdb redis.UniversalClient, now time.Time) {
	seen, err := channel.LastSeen(ctx, rdb)
	if err != nil {
		d.cannot("channels", "", err)
		return
	}
	held, err := channel.Attention(ctx, rdb)
	if err != nil {
		d.cannot("channels", "", err)
		return
	}
	names := slices.AppendSeq(held, maps.Keys(seen))
	slices.Sort(names)
	states, err := channelStates(ctx, rdb, slices.Compact(names))
	if err != nil {
		d.cannot("channels", "", err)
		return
	}
	if len(states) == 0 {
		d.say(warning, "channel", "", "start lineq worker", "no worker has run on this Redis yet")
	}
	for _, s := range states {
		served := s.LastSeenAt != nil && now.Sub(*s.LastSeenAt) < unseen
		switch {
		case len(s.Holds) > 0:
			d.held(s)
		case !served && s.Waiting > 0:
			d.say(problem, "channel", s.Channel, "start a worker that has its token", "no worker serves it, and %s",
				tasksWait(s.Waiting))
		case !served:
			d.say(warning, "channel", s.Channel, "start a worker that has its token, unless it has been given up",
				"no worker serves it")
		default:
			d.say(fine, "channel", s.Channel, "", "served by a worker; %s", tasksWait(s.Waiting))
		}
	}
}

// held says of each reason why a channel is held, and what ends it.
func (d *doctor) held(s channelState) {
	for _, h := range s.Holds {
		v, advice := warning, "lineq channel resume "+s.Channel+" lets it go on"
		switch h.Reason {
		case lineapi.Auth:
			v, advice = problem, tokenHint
		case lineapi.Quota:
			advice = "raise the quota at LINE; it goes on by itself when there is room, or after lineq channel resume " + s.Channel
		}
		text := fmt.Sprintf("held for %s since %s; %s", h.Reason, second(&h.Since), tasksWait(s.Waiting))
		if h.Note != "" {
			text += fmt.Sprintf(" (%s)", printable(h.Note))
		}
		d.say(v, "channel", s.Channel, advice, "%s", text)
	}
}

func tasksWait(n int64) string {
	switch n {
	case 0:
		return "no task waits"
	case 1:
		return "1 task waits"
	}
	return fmt.Sprintf("%d tasks wait", n)
}
