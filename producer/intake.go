package producer

import (
	"context"
	"errors"
	"sync"
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
	size    int      // recipients of a full chunk
	values  []string // of the row at hand
	columns *columns
	crowds  [256]*crowd // by what their ids begin with
	freeze  *freezer

	totals campaign.Totals
	chunks int // how many have their number
	odd    []campaign.Odd
}

func newIntake(p *plan, cp *Campaign) *intake {
	return &intake{plan: p, cp: cp, size: p.size(), values: make([]string, len(p.Columns)), columns: newColumns(p)}
}

// run reads all recipients, and returns when they are in Redis or when nothing more is written.
func (in *intake) run(ctx context.Context, d *campaign.Draft) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	in.freeze = newFreezer(ctx, fail, d)
	var beat sync.WaitGroup
	beats, end := context.WithCancel(ctx)
	beat.Go(func() { keepAlive(beats, fail, d) })
	defer beat.Wait()
	defer end()
	err := in.read(ctx)
	in.settle()
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

// keepAlive says that the intake lives, however long the audience lets it wait.
func keepAlive(ctx context.Context, fail context.CancelCauseFunc, d *campaign.Draft) {
	tick := time.NewTicker(campaign.Beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := d.Append(ctx, 0); errors.Is(err, campaign.ErrLost) {
			fail(err)
			return
		}
	}
}

func (in *intake) read(ctx context.Context) error {
	told, rows := time.Now(), 0
	for r, err := range in.cp.To {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if rows++; rows%atOnce == 0 && time.Since(told) > progressEvery {
			in.progress()
			told = time.Now()
		}
		if err == nil {
			err = in.take(r)
		} else if wrong, ok := errors.AsType[*campaign.RowError](err); ok {
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
	prefix, id, ok := chunk.ParseID(r.To)
	if !ok {
		return in.reject(campaign.RowError{Line: r.Line, Reason: reasonOf(lineapi.CheckChatID(r.To))})
	}
	which, problem := in.plan.templateOf(r.Template)
	if problem == "" && !in.columns.known {
		held, err := in.columns.look(which, r.Vars)
		in.tell(held)
		if err != nil {
			return err
		}
	}
	text := 0
	if problem == "" && len(in.values) > 0 {
		text, problem = in.plan.fill(in.values, which, r.Vars)
	}
	if problem != "" {
		return in.reject(campaign.RowError{Line: r.Line, Reason: problem})
	}
	c := in.crowds[prefix]
	if c == nil {
		c = newCrowd(in, prefix)
		in.crowds[prefix] = c
	}
	c.add(id, which, text, in.values)
	return nil
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

// settle puts everybody who has arrived into a chunk.
func (in *intake) settle() {
	for _, c := range in.crowds {
		if c != nil {
			c.settle()
		}
	}
}

// flush closes the chunks that aren't full.
func (in *intake) flush() {
	for _, crowd := range in.crowds {
		if crowd == nil {
			continue
		}
		for _, c := range crowd.open {
			if c != nil {
				in.close(c)
			}
		}
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
		in.tell(in.columns.hold(wrong))
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
