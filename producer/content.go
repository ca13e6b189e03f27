package producer

import (
	"context"
	"fmt"

	"github.com/lineq/lineq/tasks"
)

// Content reads what a task is to send, while it is in its queue, or while its payload is kept for Run: of a sent task it
// isn't. It fails with ErrNotFound where nothing of the task is known, and with record.ErrNotFound where its content isn't.
func (c *Client) Content(ctx context.Context, id string, opts ...ChannelOption) (tasks.Envelope, error) {
	ref, err := c.ref(id, opts)
	if err != nil {
		return tasks.Envelope{}, err
	}
	var e tasks.Envelope
	if err := within(ctx, func() error {
		f, err := c.find(ctx, ref)
		if err != nil {
			return err
		}
		kind, payload := f.record.Result.Kind, []byte(nil)
		if f.task != nil {
			kind, payload = tasks.Kind(f.task.Type), f.task.Payload
		} else if payload, err = c.records.Payload(ctx, ref); err != nil {
			return err
		}
		e, err = tasks.Decode(kind, payload)
		return err
	}); err != nil {
		return tasks.Envelope{}, fmt.Errorf("content of %s: %w", id, err)
	}
	return e, nil
}
