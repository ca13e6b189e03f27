package producer

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/chunk"
)

// GCPercent is for debug.SetGCPercent in a program that does little else than take in campaigns. The ids in memory don't
// cost a garbage collection anything, and a rare one would leave as much beside them as they are.
const GCPercent = 25

// progressEvery is how often Campaign.Progress is told.
const progressEvery = 200 * time.Millisecond

// intake reads an audience: it checks every row, drops who was there before, and gathers the others in chunks, which a
// freezer takes to Redis meanwhile.
type intake struct {
	plan    *plan
	cp      *Campaign
	size    int // recipients of a full chunk
	seen    map[byte]*seen
	open    map[group]*growing
	freeze  *freezer
	values  []string // of the row at hand
	columns *columns

	totals campaign.Totals
	chunks int // how many have their number
	odd    []campaign.Odd
}

// group is what the recipients of a chunk have in common.
type group struct {
	prefix   byte // what their ids begin with
	template int
}

func newIntake(p *plan, cp *Campaign) *intake {
	return &intake{
		plan: p, cp: cp, size: p.size(), seen: map[byte]*seen{}, open: map[group]*growing{},
		values: make([]string, len(p.Columns)), columns: newColumns(p),
	}
}

// run reads all recipients, and returns when they are in Redis or when nothing more is written.
func (in *intake) run(ctx context.Context, d *campaign.Draft) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	in.freeze = newFreezer(ctx, fail, d)
	err := in.read(ctx)
	if err == nil {
		in.flush()
	}
	in.freeze.end()
	if err == nil {
		err = context.Cause(ctx) // of a write that failed, too
	}
	if err == nil {
		in.progress()
	}
	return err
}

func (in *intake) read(ctx context.Context) error {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for r, err := range in.cp.To {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		select {
		case <-tick.C:
			in.progress()
		default:
		}
		var wrong *campaign.RowError
		switch {
		case err == nil:
			err = in.take(r)
		case errors.As(err, &wrong):
			err = in.reject(*wrong)
		}
		if err != nil {
			return err
		}
	}
	held, err := in.columns.settle()
	in.tell(held)
	return err
}

// take finds the place of one recipient.
func (in *intake) take(r Recipient) error {
	if !in.columns.known {
		held, err := in.columns.look(r.Vars)
		in.tell(held)
		if err != nil {
			return err
		}
	}
	prefix, id, ok := chunk.ParseID(r.To)
	if !ok {
		return in.reject(campaign.RowError{Line: r.Line, Reason: reasonOf(lineapi.CheckChatID(r.To))})
	}
	which, problem := in.plan.templateOf(r.Template)
	text := 0
	if problem == "" && len(in.values) > 0 {
		text, problem = in.plan.fill(in.values, which, r.Vars)
	}
	if problem != "" {
		return in.reject(campaign.RowError{Line: r.Line, Reason: problem})
	}
	if !in.isNew(prefix, id) {
		in.totals.Duplicates++
		return nil
	}
	in.totals.Recipients++
	in.put(group{prefix, which}, id, text)
	return nil
}

func (in *intake) isNew(prefix byte, id chunk.ID) bool {
	known := in.seen[prefix]
	if known == nil {
		known = newSeen()
		in.seen[prefix] = known
	}
	return known.add(id)
}

// put adds a recipient to the open chunk of its group. Its values are those at hand, which are text bytes.
func (in *intake) put(g group, id chunk.ID, text int) {
	c := in.open[g]
	if c != nil && c.text+text > chunk.MaxText {
		in.close(c)
		c = nil
	}
	if c == nil {
		c = in.freeze.chunk(g, len(in.values))
		in.open[g] = c
	}
	c.IDs = append(c.IDs, id[:]...)
	c.Values = append(c.Values, in.values...)
	c.text += text
	if c.Len() == in.size {
		in.close(c)
		delete(in.open, g)
	}
}

// close gives a chunk its number and has it written.
func (in *intake) close(c *growing) {
	mode := in.plan.Mode
	if c.Prefix != 'U' {
		mode = campaign.Push
	}
	if c.Len() < in.size || mode != in.plan.Mode {
		in.odd = append(in.odd, campaign.Odd{Chunk: in.chunks, Size: c.Len(), Mode: mode})
	}
	in.chunks++
	in.freeze.put(c)
}

// flush closes the chunks that aren't full, always in the same order.
func (in *intake) flush() {
	groups := slices.SortedFunc(maps.Keys(in.open), func(a, b group) int {
		return cmp.Or(cmp.Compare(a.template, b.template), cmp.Compare(a.prefix, b.prefix))
	})
	for _, g := range groups {
		in.close(in.open[g])
	}
	in.freeze.flush()
}

// reject counts a row that can't be used, or refuses the campaign for it.
func (in *intake) reject(wrong campaign.RowError) error {
	in.totals.Rejected++
	switch {
	case in.cp.Strict:
		return &wrong
	case !in.columns.known:
		in.columns.held = append(in.columns.held, wrong)
	default:
		in.tell([]campaign.RowError{wrong})
	}
	return nil
}

func (in *intake) tell(rejected []campaign.RowError) {
	if in.cp.Rejected == nil {
		return
	}
	for _, wrong := range rejected {
		in.cp.Rejected(wrong)
	}
}

func (in *intake) progress() {
	if in.cp.Progress != nil {
		in.cp.Progress(in.totals)
	}
}
