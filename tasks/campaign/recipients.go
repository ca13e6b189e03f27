package campaign

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign/chunk"
)

// Row is one recipient and what became of it.
type Row struct {
	To       string
	Template string
	Vars     map[string]string
	// Outcome is empty while it is pending, and cancelled where the campaign was cancelled before it was sent to.
	Outcome   tasks.Outcome
	Reason    lineapi.Reason
	Error     string // LINE's explanation, or ours
	Replayed  bool
	RequestID string
	At        time.Time // when it was decided, whole seconds; zero: it isn't
}

// chunksAtOnce is how many chunks are read in one round trip.
const chunksAtOnce = 16

// Recipients reads all recipients, chunk by chunk in the order in which they are sent to. It ends after an error; of a
// campaign whose recipients have expired that is ErrExpired.
func (s *Store) Recipients(ctx context.Context, id string) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		r, err := s.reader(ctx, id)
		for n := 0; err == nil && n < r.chunks; n += chunksAtOnce {
			var packed []packedChunk
			if packed, err = r.read(ctx, n, min(chunksAtOnce, r.chunks-n)); err != nil {
				break
			}
			for _, c := range packed {
				var rows []Row
				if rows, err = r.rows(c); err != nil {
					break
				}
				for _, row := range rows {
					if !yield(row, nil) {
						return
					}
				}
			}
		}
		if err != nil {
			yield(Row{}, fmt.Errorf("recipients of campaign %s: %w", id, err))
		}
	}
}

// Find reads one recipient, or fails with ErrNotFound. It looks through the chunks.
func (s *Store) Find(ctx context.Context, id, to string) (Row, error) {
	row, err := s.find(ctx, id, to)
	if err != nil {
		return Row{}, fmt.Errorf("campaign %s: %w", id, err)
	}
	return row, nil
}

func (s *Store) find(ctx context.Context, id, to string) (Row, error) {
	prefix, raw, ok := chunk.ParseID(to)
	if !ok {
		return Row{}, lineapi.CheckChatID(to)
	}
	r, err := s.reader(ctx, id)
	if err != nil {
		return Row{}, err
	}
	for n := 0; n < r.chunks; n += chunksAtOnce {
		packed, err := r.read(ctx, n, min(chunksAtOnce, r.chunks-n))
		if err != nil {
			return Row{}, err
		}
		for _, c := range packed {
			place := chunk.Find(c.bytes, prefix, raw)
			if place < 0 {
				continue
			}
			rows, err := r.rows(c)
			if err != nil {
				return Row{}, err
			}
			return rows[place], nil
		}
	}
	return Row{}, ErrRecipientNotFound
}

// ErrRecipientNotFound is for an id that a campaign isn't for.
var ErrRecipientNotFound = errors.New("it has no such recipient")

// ErrExpired is for a campaign of which only the counts are kept.
var ErrExpired = errors.New("its recipients are kept no more")

// reader reads a campaign's chunks with what became of them.
type reader struct {
	store     *Store
	keys      keys
	plan      Plan
	cancelled bool
	chunks    int
	size      int
	block     int
	errors    map[int]string
}

func (s *Store) reader(ctx context.Context, id string) (*reader, error) {
	if err := tasks.CheckID(id); err != nil {
		return nil, err
	}
	r := &reader{store: s, keys: keysOf(id), errors: map[int]string{}}
	v, err := s.rdb.HMGet(ctx, r.keys.state, "state", "chunks", "size", "block").Result()
	if err != nil {
		return nil, err
	}
	f := func(i int) string { text, _ := v[i].(string); return text }
	if f(0) == "" || f(0) == string(StateDraft) {
		return nil, ErrNotFound
	}
	r.cancelled, r.chunks, r.size, r.block = f(0) == string(StateCancelled), number(f(1)), number(f(2)), number(f(3))
	if r.plan, err = s.Plan(ctx, id); errors.Is(err, ErrNotFound) {
		return nil, ErrExpired
	} else if err != nil {
		return nil, err
	}
	texts, err := s.rdb.HGetAll(ctx, r.keys.errors).Result()
	for text, n := range texts {
		r.errors[number(n)] = text
	}
	return r, err
}

// packedChunk is a chunk as Redis has it, with the records of its units by their places.
type packedChunk struct {
	number int
	bytes  []byte
	units  map[int]string
}

// read reads some chunks with their units, in one round trip.
func (r *reader) read(ctx context.Context, first, n int) ([]packedChunk, error) {
	places := []int{0}
	if r.block > 0 {
		for place := r.block; place < r.size; place += r.block {
			places = append(places, place)
		}
	}
	var numbers, names []string
	for c := first; c < first+n; c++ {
		numbers = append(numbers, strconv.Itoa(c))
		for _, place := range places {
			names = append(names, strconv.Itoa(c)+"."+strconv.Itoa(place))
		}
	}
	var chunks, units *redis.SliceCmd
	_, err := r.store.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		chunks, units = p.HMGet(ctx, r.keys.chunks, numbers...), p.HMGet(ctx, r.keys.units, names...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	packed := make([]packedChunk, n)
	for i := range packed {
		b, ok := chunks.Val()[i].(string)
		if !ok {
			return nil, ErrExpired
		}
		packed[i] = packedChunk{first + i, []byte(b), map[int]string{}}
		for k, place := range places {
			if unit, ok := units.Val()[i*len(places)+k].(string); ok {
				packed[i].units[place] = unit
			}
		}
	}
	return packed, nil
}

// rows are a chunk's recipients with what became of them.
func (r *reader) rows(p packedChunk) ([]Row, error) {
	c, err := chunk.Parse(p.bytes)
	if err != nil {
		return nil, fmt.Errorf("chunk %d: %w", p.number, err)
	}
	rows := make([]Row, c.Len())
	for i := range rows {
		row := &rows[i]
		row.To = c.To(i)
		if c.Template < len(r.plan.Templates) {
			row.Template = r.plan.Templates[c.Template].Name
		}
		if c.Columns > 0 && c.Columns == len(r.plan.Columns) {
			row.Vars = map[string]string{}
			for k, value := range c.Row(i) {
				if value != "" {
					row.Vars[r.plan.Columns[k]] = value
				}
			}
		}
		if r.cancelled {
			row.Outcome = tasks.OutcomeCancelled
		}
	}
	for place, record := range p.units {
		if err := r.tell(rows, place, record); err != nil {
			return nil, fmt.Errorf("chunk %d: %w", p.number, err)
		}
	}
	return rows, nil
}

// tell writes what a unit's record says into the rows.
func (r *reader) tell(rows []Row, place int, record string) error {
	lines := strings.SplitN(record, "\n", 4)
	if len(lines) < 4 {
		return errors.New("a unit's record can't be read")
	}
	pushes, parts, err := readParts(lines[1], lines[2], lines[3])
	if err != nil {
		return err
	}
	if place+len(parts) > len(rows) && pushes {
		return errForeign
	}
	all := make([]int, len(rows))
	for i := range all {
		all[i] = i
	}
	for i, part := range parts {
		whose := []int{place + i}
		if !pushes {
			if whose, err = Apply(part.Path, all); err != nil {
				return err
			}
		}
		for _, n := range whose {
			part.tell(&rows[n], r.errors)
		}
	}
	return nil
}

var errForeign = errors.New("a unit doesn't fit its chunk")

var outcomes = map[Status]tasks.Outcome{
	Sent: tasks.OutcomeSent, Replayed: tasks.OutcomeSent, Failed: tasks.OutcomeFailed, Unknown: tasks.OutcomeUnknown,
}

func (p Part) tell(row *Row, texts map[int]string) {
	if !p.Status.Decided() {
		return
	}
	row.Outcome, row.Replayed, row.RequestID, row.At = outcomes[p.Status], p.Status == Replayed, p.RequestID, p.At
	if row.Outcome != tasks.OutcomeSent {
		row.Reason, row.Error = p.Reason, texts[p.Error]
		if row.Error == "" && row.Outcome == tasks.OutcomeUnknown {
			row.Error = "no answer came while a repeat was safe"
		}
	}
}
