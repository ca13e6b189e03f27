package worker

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/chunk"
	"github.com/lineq/lineq/tasks/campaign/template"
)

// prepared is a campaign made ready to be sent, once for all lanes of a worker. It is safe for concurrent use.
type prepared struct {
	id        string
	version   string // of what has the id
	channel   string
	plan      campaign.Plan
	templates []*template.Bound
	personal  []bool // of each, whether its messages differ from one recipient to the next
	options   lineapi.Ready
	push      tasks.Policy
	multicast tasks.Policy
	bodySize  atomic.Int64 // of the largest request so far

	mu      sync.Mutex
	chunks  map[int]*readChunk
	numbers []int          // of the chunks, in the order in which they came
	errors  map[string]int // the numbers of errors' texts
	latency time.Duration  // of LINE's answers, smoothed
}

// chunksKept is how many chunks a worker keeps of a campaign: its lanes work on neighbouring units of few of them.
const chunksKept = 64

// prepare makes a campaign ready, unless it is.
func (w *Worker) prepare(ctx context.Context, channel, id string) (*prepared, error) {
	version, err := w.campaigns.Version(ctx, id)
	if err != nil {
		return nil, err
	}
	w.known.mu.Lock()
	p := w.known.prepared[id]
	w.known.mu.Unlock()
	if p != nil && p.version == version {
		return p, nil
	}
	plan, err := w.campaigns.Plan(ctx, id)
	if err != nil {
		return nil, err
	}
	p = &prepared{id: id, version: version, channel: channel, plan: plan, chunks: map[int]*readChunk{}, errors: map[string]int{}}
	if p.options, err = lineapi.ReadyOptions(plan.NotificationDisabled, plan.CustomAggregationUnits); err != nil {
		return nil, err
	}
	for _, t := range plan.Templates {
		parsed, err := template.Parse(t.Messages)
		if err != nil {
			return nil, err
		}
		bound, err := parsed.Bind(plan.Columns)
		if err != nil {
			return nil, err
		}
		p.templates = append(p.templates, bound)
		p.personal = append(p.personal, len(parsed.Placeholders()) > 0)
	}
	if p.push, err = tasks.PolicyOf(tasks.KindPush); err != nil {
		return nil, err
	}
	if p.multicast, err = tasks.PolicyOf(tasks.KindMulticast); err != nil {
		return nil, err
	}
	w.known.mu.Lock()
	defer w.known.mu.Unlock()
	if w.known.prepared == nil {
		w.known.prepared = map[string]*prepared{}
	}
	if there := w.known.prepared[id]; there != nil && there.version == version {
		return there, nil
	}
	w.known.prepared[id] = p
	return p, nil
}

// readChunk is a chunk that is read once for all lanes which want it at the same time.
type readChunk struct {
	once sync.Once
	chunk.Chunk
	err error
}

// chunk reads one of the campaign's chunks.
func (p *prepared) chunk(ctx context.Context, store *campaign.Store, n int) (*chunk.Chunk, error) {
	p.mu.Lock()
	c := p.chunks[n]
	if c == nil {
		c = &readChunk{}
		p.chunks[n] = c
		if p.numbers = append(p.numbers, n); len(p.numbers) > chunksKept {
			delete(p.chunks, p.numbers[0])
			p.numbers = p.numbers[1:]
		}
	}
	p.mu.Unlock()
	c.once.Do(func() { c.Chunk, c.err = p.readChunk(ctx, store, n) })
	if c.err == nil {
		return &c.Chunk, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.chunks[n] == c {
		p.chunks[n] = &readChunk{} // who comes next tries again
	}
	return nil, c.err
}

func (p *prepared) readChunk(ctx context.Context, store *campaign.Store, n int) (chunk.Chunk, error) {
	packed, err := store.Chunk(ctx, p.id, n)
	if err != nil {
		return chunk.Chunk{}, err
	}
	c, err := chunk.Parse(packed)
	switch {
	case err != nil:
		return chunk.Chunk{}, fmt.Errorf("campaign %s, chunk %d: %w", p.id, n, err)
	case c.Template >= len(p.templates) || c.Columns != 0 && c.Columns != len(p.plan.Columns):
		return chunk.Chunk{}, fmt.Errorf("campaign %s, chunk %d: it isn't of this plan", p.id, n)
	}
	return c, nil
}

// appendMessages renders what one recipient gets, or all of a multicast.
func (p *prepared) appendMessages(b []byte, c *chunk.Chunk, i int) []byte {
	var values []string
	if c.Columns > 0 {
		values = c.Row(i)
	}
	return p.templates[c.Template].Append(b, values)
}

// errorNumber is the number under which the campaign keeps the text of an error; 0: it keeps no more.
func (p *prepared) errorNumber(ctx context.Context, store *campaign.Store, text string) int {
	p.mu.Lock()
	n, known := p.errors[text]
	p.mu.Unlock()
	if known {
		return n
	}
	numbers, err := store.Intern(ctx, p.id, text)
	if err != nil {
		return 0 // the outcome counts, its explanation is lost
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors[text] = numbers[0]
	return numbers[0]
}

// took smooths the time that LINE takes.
func (p *prepared) took(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency += (d - p.latency) / 32
}

func (p *prepared) usual() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.latency
}

// policy is the rules of a unit's requests.
func (p *prepared) policy(pushes bool) tasks.Policy {
	if pushes {
		return p.push
	}
	return p.multicast
}

// retryKey is the key of one request: the same for every attempt at it.
func (p *prepared) retryKey(e endpoint.Endpoint, u *campaign.Unit, part int) string {
	return tasks.RetryKey(p.channel, e, p.id, u.RequestName(part), u.Generation)
}
