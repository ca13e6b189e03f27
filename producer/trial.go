package producer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/chunk"
)

// TestCampaign sends each of a campaign's messages to some recipients of the caller's, as urgent pushes, and nothing to
// anybody else. Placeholders get the values of the first row of the audience that can be used; no more than that is read
// of it, and where none is needed it may be nil. The tickets are template by template. Errors are those of EnqueueAll.
func (c *Client) TestCampaign(ctx context.Context, cp Campaign, to []string, opts ...ChannelOption) ([]Ticket, error) {
	if len(to) == 0 {
		return nil, errors.New("test campaign: there is nobody to send it to")
	}
	p, err := cp.plan()
	if err != nil {
		return nil, fmt.Errorf("test campaign: %w", err)
	}
	samples, err := p.samples(ctx, &cp)
	if err != nil {
		return nil, fmt.Errorf("test campaign: %w", err)
	}
	options := []Option{Urgent()}
	for _, o := range opts {
		options = append(options, o)
	}
	var items []Item
	for _, messages := range samples {
		for _, id := range to {
			push := tasks.Push{To: id, Messages: messages, NotificationDisabled: cp.NotificationDisabled}
			items = append(items, Item{push, options})
		}
	}
	return c.EnqueueAll(ctx, items)
}

// samples fills each template with the values of the first recipient who can get it.
func (p *plan) samples(ctx context.Context, cp *Campaign) ([][]lineapi.Message, error) {
	samples, problems := make([][]lineapi.Message, len(p.templates)), make([]error, len(p.templates))
	left := 0
	for i, t := range p.templates {
		problems[i] = errors.New("no recipient is for it")
		if len(t.Placeholders()) > 0 {
			left++
		} else {
			samples[i], problems[i] = p.render(i, nil)
		}
	}
	if left > 0 && cp.To != nil {
		for r, err := range cp.To {
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			if _, ok := errors.AsType[*campaign.RowError](err); ok {
				continue
			} else if err != nil {
				return nil, err
			}
			which, problem := p.templateOf(r.Template)
			if _, _, ok := chunk.ParseID(r.To); !ok || problem != "" || samples[which] != nil {
				continue
			}
			if samples[which], err = p.render(which, r.Vars); err != nil {
				problems[which] = err
			} else if left--; left == 0 {
				break
			}
		}
	}
	for i := range samples {
		if samples[i] != nil {
			continue
		}
		var err error
		if samples[i], err = p.render(i, nil); err != nil { // its defaults may do
			return nil, p.named(i, problems[i])
		}
	}
	return samples, nil
}

func (p *plan) render(which int, vars map[string]string) (messages []lineapi.Message, err error) {
	values := make([]string, len(p.Columns))
	if _, problem := p.fill(values, which, vars); problem != "" {
		return nil, fmt.Errorf("the first recipient that it is for %s", problem)
	}
	return messages, json.Unmarshal(p.bound[which].Append(nil, values), &messages)
}
