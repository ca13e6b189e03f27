package producer

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/hibiken/asynq"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// Filter says which tasks are meant; the zero value means all.
type Filter struct {
	Channel string      // empty: every channel
	State   tasks.State // empty: every state but done
}

// listPage is how many tasks are read from Redis at once.
const listPage = 100

// Tasks iterates over the tasks that are in the queues: the active ones of a queue first, then those that are queued,
// waiting and scheduled. It reads page by page while the workers go on, so a task that moves meanwhile may be missing or
// come twice. What is decided is in no queue any more: see record.Store.LogTail for that. Nor are those here by which a
// campaign is worked on: see Campaigns. An error ends the iteration.
func (c *Client) Tasks(ctx context.Context, f Filter) iter.Seq2[tasks.Result, error] {
	return func(yield func(tasks.Result, error) bool) {
		queues, err := c.Queues(ctx)
		if err != nil {
			yield(tasks.Result{}, fmt.Errorf("list tasks: %w", err))
			return
		}
		for _, q := range queues {
			_, name, _ := tasks.ParseQueue(q.Name)
			if f.Channel != "" && name != "" && name != f.Channel {
				continue
			}
			for _, l := range c.lists(q) {
				if l.tasks == 0 || f.State != "" && f.State != l.state {
					continue
				}
				if !c.eachIn(ctx, q.Name, l, f.Channel, yield) {
					return
				}
			}
		}
	}
}

// list is one of asynq's lists of a queue, as a state of ours.
type list struct {
	state tasks.State
	tasks int64 // how many it had a moment ago
	page  func(queue string, opts ...asynq.ListOption) ([]*asynq.TaskInfo, error)
}

func (c *Client) lists(q Queue) []list {
	return []list{
		{tasks.StateActive, q.Active, c.inspector.ListActiveTasks},
		{tasks.StateQueued, q.Pending, c.inspector.ListPendingTasks},
		{tasks.StateWaiting, q.Retry, c.inspector.ListRetryTasks},
		{tasks.StateWaiting, q.Archived, c.inspector.ListArchivedTasks},
		{tasks.StateScheduled, q.Scheduled, c.inspector.ListScheduledTasks},
	}
}

// eachIn yields the tasks of one list, and reports whether the iteration goes on.
func (c *Client) eachIn(
	ctx context.Context, queue string, l list, channel string, yield func(tasks.Result, error) bool,
) bool {
	for n := 1; ; n++ {
		var page []*asynq.TaskInfo
		err := within(ctx, func() (err error) {
			page, err = l.page(queue, asynq.PageSize(listPage), asynq.Page(n))
			return err
		})
		if errors.Is(err, asynq.ErrQueueNotFound) {
			return true
		}
		if err != nil {
			yield(tasks.Result{}, fmt.Errorf("list tasks of %s: %w", queue, err))
			return false
		}
		for _, t := range page {
			ref, err := record.ParseRef(t.ID)
			if err != nil || tasks.CheckID(ref.ID) != nil || channel != "" && ref.Channel != channel {
				continue // somebody else's, a campaign's own, or another channel's on a shared queue
			}
			found := found{task: t}
			err = within(ctx, func() (err error) { found.record, err = c.records.Read(ctx, ref); return err })
			switch {
			case err == nil:
				found.recorded = true
			case !errors.Is(err, record.ErrNotFound):
				yield(tasks.Result{}, fmt.Errorf("list tasks of %s: %w", queue, err))
				return false
			}
			if r := found.result(); r.State != tasks.StateDone && !yield(r, nil) {
				return false
			}
		}
		if len(page) < listPage {
			return true
		}
	}
}
