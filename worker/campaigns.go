package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/record"
)

// Every worker looks after the campaigns of its channels: once a second, and whenever a bell tells that one has changed.
// Who is told that a campaign needs something does it; all of it can be done twice.

const (
	// campaignsEvery is how often a worker looks at the campaigns of its channels.
	campaignsEvery = time.Second
	// lanes is how many work on a sending campaign at the same time, on all workers together.
	lanes = 8
)

// campaigns is what a worker knows of the campaigns that it works on. The zero value is ready.
type campaigns struct {
	mu       sync.Mutex
	heard    map[string]campaign.Look
	prepared map[string]*prepared
}

// hear remembers how a campaign stands.
func (c *campaigns) hear(id string, l campaign.Look) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.heard == nil {
		c.heard = map[string]campaign.Look{}
	}
	c.heard[id] = l
}

// stopped tells whether a lane of this epoch may begin nothing more, as far as was heard; openOnly that it may still
// repeat what LINE may have.
func (c *campaigns) stopped(id string, epoch int) (stopped, openOnly bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l, known := c.heard[id]
	if !known || l.Epoch < epoch || l.State == campaign.StateSending || l.State == campaign.StateReady {
		return false, false
	}
	return true, l.State == campaign.StatePaused
}

func (c *campaigns) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.heard, id)
	delete(c.prepared, id)
}

// keep forgets all campaigns but these: another worker may have told the end of the others.
func (c *campaigns) keep(refs []campaign.Ref) {
	unended := make(map[string]bool, len(refs))
	for _, r := range refs {
		unended[r.ID] = true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.heard, func(id string, _ campaign.Look) bool { return !unended[id] })
	maps.DeleteFunc(c.prepared, func(id string, _ *prepared) bool { return !unended[id] })
}

// watchCampaigns looks after the campaigns until ctx ends.
func (w *Worker) watchCampaigns(ctx context.Context) {
	tick := time.NewTicker(campaignsEvery)
	defer tick.Stop()
	for {
		if err := w.lookAtCampaigns(ctx); err != nil && ctx.Err() == nil {
			w.health.warn("can't look at the campaigns", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-w.bells.campaigns:
		}
	}
}

func (w *Worker) lookAtCampaigns(ctx context.Context) error {
	all, err := w.campaigns.Unended(ctx)
	if err != nil {
		return err
	}
	w.known.keep(all)
	var errs []error
	for _, r := range all {
		if w.cfg.Channels[r.Channel] == nil {
			continue
		}
		if err := w.lookAt(ctx, r); err != nil {
			errs = append(errs, err) // the others go on
		}
	}
	return errors.Join(errs...)
}

// lookAt does what one campaign needs. Where its queue is paused, since its channel is held or by an operator, its lanes wait
// in there, and it needs no others.
func (w *Worker) lookAt(ctx context.Context, r campaign.Ref) error {
	job := campaign.Job{Channel: r.Channel, ID: r.ID}
	paused, err := w.cfg.Redis.Exists(ctx, asynqKey(job.Queue(), "paused")).Result()
	if err != nil {
		return err
	}
	l, err := w.campaigns.Look(ctx, r.ID, paused == 0)
	if err != nil {
		return err
	}
	w.known.hear(r.ID, l)
	switch l.Need {
	case campaign.NeedsPreflight:
		job.Run = l.Preflight
		return w.enqueue(ctx, campaign.KindPreflight, job, 0)
	case campaign.NeedsLanes:
		job.Epoch = l.Epoch
		n := lanes
		if l.State != campaign.StateSending {
			n = 1
		}
		for job.Lane = range n {
			if err := w.enqueue(ctx, campaign.KindLane, job, 0); err != nil {
				return err
			}
		}
	case campaign.NeedsTelling:
		return w.tellEnd(ctx, r)
	case campaign.Gone:
		w.known.forget(r.ID)
		return w.campaigns.Forget(ctx, r)
	}
	return nil
}

// enqueue puts one of a campaign's own tasks into its queue. One that is there already is as good.
func (w *Worker) enqueue(ctx context.Context, k tasks.Kind, j campaign.Job, after time.Duration) error {
	payload, err := j.Encode()
	if err != nil {
		return err
	}
	options := []asynq.Option{
		asynq.TaskID(j.Name(k)), asynq.Queue(j.Queue()), asynq.MaxRetry(math.MaxInt32), asynq.Timeout(longestLane),
	}
	if after > 0 {
		options = append(options, asynq.ProcessIn(after))
	}
	_, err = w.asynq.EnqueueContext(ctx, asynq.NewTask(string(k), payload), options...)
	if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
		return fmt.Errorf("enqueue %s: %w", j.Name(k), err)
	}
	if after <= 0 {
		w.cfg.Redis.Publish(ctx, tasks.Bell, j.Queue())
	}
	return nil
}

// longestLane is far above the longest run of any of a campaign's tasks, which end by themselves.
const longestLane = 30 * time.Minute

// campaignTask runs one of a campaign's own tasks.
func (w *Worker) campaignTask(ctx context.Context, t *asynq.Task) error {
	id, _ := asynq.GetTaskID(ctx)
	j, err := campaign.DecodeJob(t.Payload())
	switch {
	case errors.Is(err, tasks.ErrNewerVersion):
		return &postponed{delay: foreignDelay, reason: err.Error()}
	case err != nil:
		w.log.Error("a campaign's task that nobody can read", zap.String("task_id", id), zap.Error(err))
		return fmt.Errorf("%w: %w", err, asynq.SkipRetry)
	}
	client := w.clients[j.Channel]
	if client == nil {
		return &postponed{delay: foreignDelay, reason: fmt.Sprintf("no worker here has the channel %q", j.Channel)}
	}
	switch tasks.Kind(t.Type()) {
	case campaign.KindPreflight:
		return w.preflight(ctx, j, client)
	case campaign.KindWebhook:
		return w.webhook(ctx, j)
	default:
		return w.lane(ctx, j, client)
	}
}

// isCampaignTask tells a campaign's own tasks from those of package tasks.
func isCampaignTask(k tasks.Kind) bool {
	return k == campaign.KindLane || k == campaign.KindPreflight || k == campaign.KindWebhook
}

// tellEnd writes a campaign's end into the delivery log, and lets its webhook be told. It may do so twice.
func (w *Worker) tellEnd(ctx context.Context, r campaign.Ref) error {
	version, err := w.campaigns.Version(ctx, r.ID)
	if err != nil {
		return err
	}
	sum, err := w.campaigns.Summary(ctx, r.ID)
	if err != nil || !sum.State.Ended() { // after a dry run it has been sent in earnest
		return err
	}
	line := record.Line{
		Channel: r.Channel, ID: r.ID, Kind: campaign.KindCampaign, Outcome: tasks.OutcomeSent, Attempts: int(sum.Requests),
	}
	switch {
	case sum.State == campaign.StateCancelled:
		line.Outcome, line.Reason = tasks.OutcomeCancelled, sum.Reason
	case sum.Unknown > 0:
		line.Outcome, line.Reason = tasks.OutcomeUnknown, lineapi.Unknown
	case sum.Failed > 0:
		line.Outcome, line.Reason = tasks.OutcomeFailed, campaign.Failures
	}
	line.Error = fmt.Sprintf("%d recipients: %d sent, %d failed, %d unknown, %d pending", sum.Recipients, sum.Sent, sum.Failed,
		sum.Unknown, sum.Pending)
	if err := w.records.Log(ctx, line); err != nil {
		return err
	}
	if err := w.orderWebhook(ctx, r); err != nil {
		return err
	}
	w.log.Info("campaign ended", zap.String("channel", r.Channel), zap.String("campaign", r.ID),
		zap.String("state", string(sum.State)), zap.Int64("recipients", sum.Recipients), zap.Int64("sent", sum.Sent),
		zap.Int64("failed", sum.Failed), zap.Int64("unknown", sum.Unknown), zap.Int64("pending", sum.Pending))
	w.known.forget(r.ID)
	return w.campaigns.Told(ctx, r, version)
}
