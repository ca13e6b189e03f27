package producer

import (
	"maps"
	"slices"

	"github.com/lineq/lineq/tasks/campaign"
)

// columnRows is how many rows are read before a column that none of them has counts as one that isn't there. In a CSV the
// first row has all; an object may leave one out.
const columnRows = 1000

// columns watches whether an audience has those that the placeholders need. While some haven't been found, nobody is told
// of the rows that were rejected: it may be the campaign that can't be sent.
type columns struct {
	plan    *plan
	known   bool // all have been found
	missing map[string]bool
	found   map[string]bool
	rows    int
	held    []campaign.RowError
}

func newColumns(p *plan) *columns {
	return &columns{plan: p, known: len(p.required) == 0, missing: maps.Clone(p.required), found: map[string]bool{}}
}

// look looks at one more row, and returns what was held once all columns are known.
func (c *columns) look(vars map[string]string) (held []campaign.RowError, err error) {
	c.rows++
	for name := range vars {
		delete(c.missing, name)
		if len(c.found) < columnRows {
			c.found[name] = true
		}
	}
	if len(c.missing) == 0 || c.rows == columnRows {
		return c.settle()
	}
	return nil, nil
}

// settle says that no more columns will be found. Where nobody had any, none is missed.
func (c *columns) settle() (held []campaign.RowError, err error) {
	if c.known {
		return nil, nil
	}
	if c.rows > 0 && len(c.missing) > 0 {
		return nil, c.plan.bindTo(slices.Sorted(maps.Keys(c.found)))
	}
	c.known = true
	return c.held, nil
}
