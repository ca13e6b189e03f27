package producer

import (
	"strings"

	"github.com/lineq/lineq/tasks/campaign/chunk"
)

// crowd is everybody whose ids begin with the same letter: all users, groups or rooms. Some arrive before it is looked
// whether they were there before.
type crowd struct {
	in       *intake
	prefix   byte
	seen     *seen
	open     []*growing // chunks, by template
	arrived  []chunk.ID
	arrivals []arrival // the same
	values   []string  // of all of them
}

type arrival struct{ template, text int }

func newCrowd(in *intake, prefix byte) *crowd {
	return &crowd{in: in, prefix: prefix, seen: newSeen(), open: make([]*growing, len(in.plan.templates))}
}

// add takes one more, whose values are text bytes.
func (c *crowd) add(id chunk.ID, template, text int, values []string) {
	c.arrived = append(c.arrived, id)
	c.arrivals = append(c.arrivals, arrival{template, text})
	c.values = append(c.values, values...)
	if len(c.arrived) == atOnce {
		c.settle()
	}
}

// settle puts those who have arrived into chunks, or drops them.
func (c *crowd) settle() {
	var isNew [atOnce]bool
	c.seen.add(c.arrived, &isNew)
	columns := len(c.in.values)
	for i, id := range c.arrived {
		if !isNew[i] {
			c.in.totals.Duplicates++
			continue
		}
		c.in.totals.Recipients++
		c.put(id, c.arrivals[i], c.values[i*columns:(i+1)*columns])
	}
	clear(c.values)
	c.arrived, c.arrivals, c.values = c.arrived[:0], c.arrivals[:0], c.values[:0]
}

// put adds one to the open chunk of the template.
func (c *crowd) put(id chunk.ID, a arrival, values []string) {
	open := c.open[a.template]
	if open != nil && open.text+a.text > chunk.MaxText {
		c.in.close(open)
		open = nil
	}
	if open == nil {
		open = c.in.freeze.chunk(c.prefix, a.template, len(values))
		c.open[a.template] = open
	}
	open.IDs = append(open.IDs, id[:]...)
	for _, v := range values {
		open.Values = append(open.Values, strings.Clone(v)) // it may be a part of a far longer row
	}
	open.text += a.text
	if open.Len() == c.in.size {
		c.in.close(open)
		c.open[a.template] = nil
	}
}
