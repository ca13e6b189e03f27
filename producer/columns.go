package producer

import (
	"maps"
	"slices"

	"github.com/lineq/lineq/tasks/campaign"
)

// columnRows is how many rows are read before a column that none of them has counts as one that isn't there. In a CSV
// the first row has all; an object may leave one out. No more rejected rows than that are held meanwhile.
const columnRows = 1000

// columns watches whether an audience has those that the placeholders need. While it isn't known, nobody is told of the
// rows that were rejected: it may be the campaign that can't be sent.
type columns struct {
	plan  *plan
	known bool
	found map[string]bool // of all rows
	used  map[int]bool    // templates
	rows  int
	held  []campaign.RowError
}

func newColumns(p *plan) *columns {
	return &columns{plan: p, known: len(p.required) == 0, found: map[string]bool{}, used: map[int]bool{}}
}

// look looks at one more row, for this template, and returns what was held once all is known.
func (c *columns) look(which int, vars map[string]string) (held []campaign.RowError, err error) {
	c.rows++
	c.used[which] = true
	missing := len(c.plan.required)
	for name := range vars {
		c.found[name] = true
		if c.plan.required[name] {
			missing--
		}
	}
	if missing == 0 || c.rows == columnRows {
		return c.settle()
	}
	return nil, nil
}

// hold keeps a row that was rejected, and returns what was held where that is too much.
func (c *columns) hold(wrong campaign.RowError) (held []campaign.RowError) {
	c.held = append(c.held, wrong)
	if len(c.held) == columnRows {
		held, c.held = c.held, nil
	}
	return held
}

// settle says that no more columns will be found. It fails where a template that was used lacks one.
func (c *columns) settle() (held []campaign.RowError, err error) {
	if c.known {
		return nil, nil
	}
	found := slices.Sorted(maps.Keys(c.found))
	for which := range c.plan.templates {
		if c.used[which] {
			if _, err := c.plan.templates[which].Bind(found); err != nil {
				return nil, c.plan.named(which, err)
			}
		}
	}
	c.known = true
	return c.held, nil
}
