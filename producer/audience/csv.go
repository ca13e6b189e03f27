package audience

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lineq/lineq/tasks/campaign"
)

func readCSV(in io.Reader, yield func(campaign.Recipient, error) bool) error {
	limit := &limiter{in: in}
	r := csv.NewReader(bufio.NewReaderSize(limit, bufferSize))
	r.ReuseRecord, r.FieldsPerRecord = true, -1
	names, err := r.Read()
	if err != nil {
		return headerError(err)
	}
	h, err := newHeader(names)
	if err != nil {
		return fmt.Errorf("audience: the header %w", err)
	}
	for line := 1; ; {
		limit.begin(r.InputOffset())
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var row campaign.Recipient
		if err == nil {
			line, _ = r.FieldPos(0)
			row, err = h.row(record, line)
		} else if broken, ok := errors.AsType[*csv.ParseError](err); ok {
			line = broken.StartLine
			err = &campaign.RowError{Line: line, Reason: quotes(broken)}
		} else {
			return fmt.Errorf("audience: after line %d: %w", line, err)
		}
		if !yield(row, err) {
			return errStopped
		}
	}
}

// headerError is an error that ends a reading: it wraps no *campaign.RowError.
func headerError(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("audience: it is empty, and a CSV begins with a header")
	}
	if broken, ok := errors.AsType[*csv.ParseError](err); ok {
		return fmt.Errorf("audience: the header, in line %d, %s; JSON needs one object on each line",
			broken.StartLine, quotes(broken))
	}
	return fmt.Errorf("audience: %w", err)
}

func quotes(broken *csv.ParseError) string {
	reason := "has a quote in a value that isn't quoted"
	if errors.Is(broken.Err, csv.ErrQuote) {
		reason = "has a quote that isn't closed, or isn't doubled within a quoted value"
	}
	if broken.Line > broken.StartLine {
		reason += fmt.Sprintf("; all up to line %d counts as this row", broken.Line)
	}
	return reason
}

// header is what the columns of a CSV are.
type header struct {
	columns      int
	to, template int // -1: there is none
	vars         []variable
	values       map[string]string // of the row that was read last
}

type variable struct {
	name   string
	column int
}

func newHeader(record []string) (*header, error) {
	if len(record) > MaxColumns {
		return nil, fmt.Errorf("has %d columns, and %d is the most", len(record), MaxColumns)
	}
	h := &header{columns: len(record), to: -1, template: -1}
	names := make([]string, len(record))
	for i, name := range record {
		name = strings.Clone(strings.TrimSpace(name))
		names[i] = name
		switch {
		case !utf8.ValidString(name):
			return nil, fmt.Errorf("isn't UTF-8 in column %d", i+1)
		case name == "":
			continue // spreadsheets write them
		case slices.Contains(names[:i], name):
			return nil, fmt.Errorf("has two columns %q", name)
		case name == to:
			h.to = i
		case name == template:
			h.template = i
		default:
			h.vars = append(h.vars, variable{name, i})
		}
	}
	if h.to < 0 {
		return nil, noTo(names)
	}
	if len(h.vars) > 0 {
		h.values = make(map[string]string, len(h.vars))
	}
	return h, nil
}

// noTo says what there is instead of the column that must be there. What was meant as a value may stand in the header's
// place, so it names few.
func noTo(names []string) error {
	hint := ""
	for _, name := range names {
		switch {
		case strings.EqualFold(name, to):
			hint = fmt.Sprintf("; %q is another name", name)
		case len(names) == 1 && strings.ContainsAny(name, ";\t|"):
			hint = "; commas separate columns"
		}
	}
	found := make([]string, 0, 10)
	for _, name := range names[:min(len(names), cap(found))] {
		if r := []rune(name); len(r) > 40 {
			name = string(r[:40]) + "…"
		}
		found = append(found, fmt.Sprintf("%q", name))
	}
	return fmt.Errorf("names no column %q, but %s%s", to, strings.Join(found, ", "), hint)
}

func (h *header) row(record []string, line int) (campaign.Recipient, error) {
	wrong := func(format string, args ...any) (campaign.Recipient, error) {
		return campaign.Recipient{}, &campaign.RowError{Line: line, Reason: fmt.Sprintf(format, args...)}
	}
	if len(record) != h.columns {
		return wrong("has %d values, and the header %d columns", len(record), h.columns)
	}
	for i, value := range record {
		if !utf8.ValidString(value) {
			return wrong("isn't UTF-8 in column %d", i+1)
		}
	}
	row := campaign.Recipient{To: record[h.to], Vars: h.values, Line: line}
	if h.template >= 0 {
		row.Template = record[h.template]
	}
	for _, v := range h.vars {
		h.values[v.name] = record[v.column]
	}
	return row, nil
}

// limiter ends what it reads where one row goes on for too long: a csv.Reader would hold all of it.
type limiter struct {
	in         io.Reader
	read, from int64
}

// begin says where a row begins.
func (l *limiter) begin(offset int64) { l.from = offset }

func (l *limiter) Read(b []byte) (int, error) {
	if l.read-l.from > MaxRow {
		return 0, fmt.Errorf("a row has more than %d bytes; is there a quote in it that isn't closed?", MaxRow)
	}
	n, err := l.in.Read(b)
	l.read += int64(n)
	return n, err
}
