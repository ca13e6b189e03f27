package campaign

import (
	"context"
	"fmt"
	"strings"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// Failure is a recipient whom a campaign didn't reach, or of whom that isn't known.
type Failure struct {
	// Number is its place among the campaign's recipients, from 1, in the order in which they are sent to.
	Number int64
	Row
}

// Failures reads failures in the order of their numbers, at most limit of them, from a number on; reason chooses among
// them, the empty one takes all. It looks at about span recipients and says with which number to go on; zero: there is
// nobody behind them. It fails as Recipients does.
func (s *Store) Failures(ctx context.Context, id string, reason lineapi.Reason, from int64, limit, span int) (
	found []Failure, next int64, err error,
) {
	r, err := s.reader(ctx, id)
	if err != nil {
		return nil, 0, fmt.Errorf("failures of campaign %s: %w", id, err)
	}
	found, next, err = r.failures(ctx, reason, max(from, 1), limit, span)
	if err != nil {
		return nil, 0, fmt.Errorf("failures of campaign %s: %w", id, err)
	}
	return found, next, nil
}

func (r *reader) failures(ctx context.Context, reason lineapi.Reason, from int64, limit, span int) ([]Failure, int64, error) {
	odd, err := r.store.rdb.HGetAll(ctx, r.keys.odd).Result()
	if err != nil {
		return nil, 0, err
	}
	sizes := map[int]int{}
	for n, how := range odd {
		size, _, _ := strings.Cut(how, " ")
		sizes[number(n)] = number(size)
	}
	chunk, before := 0, int64(0) // the chunk that holds from, and how many are before it
	size := func(n int) int64 {
		if s, ok := sizes[n]; ok {
			return int64(s)
		}
		return int64(r.size)
	}
	for chunk < r.chunks && before+size(chunk) < from {
		before += size(chunk)
		chunk++
	}
	var found []Failure
	for seen := 0; chunk < r.chunks; chunk += chunksAtOnce {
		if seen >= span {
			return found, before + 1, nil
		}
		packed, err := r.read(ctx, chunk, min(chunksAtOnce, r.chunks-chunk))
		if err != nil {
			return nil, 0, err
		}
		for _, c := range packed {
			n := before
			before += size(c.number)
			if c.spotless() {
				seen += int(size(c.number)) / 4 // it costs less
				continue
			}
			seen += int(size(c.number))
			rows, err := r.rows(c)
			if err != nil {
				return nil, 0, err
			}
			for _, row := range rows {
				n++
				if n < from || row.Outcome != tasks.OutcomeFailed && row.Outcome != tasks.OutcomeUnknown ||
					reason != "" && row.Reason != reason {
					continue
				}
				if len(found) == limit {
					return found, n, nil
				}
				found = append(found, Failure{n, row})
			}
		}
	}
	return found, 0, nil
}

// spotless tells whether none of a chunk's recipients has failed, from the records of its units alone.
func (p packedChunk) spotless() bool {
	for _, record := range p.units {
		if lines := strings.SplitN(record, "\n", 4); len(lines) < 4 || strings.ContainsAny(lines[2], "fu") {
			return false
		}
	}
	return true
}
