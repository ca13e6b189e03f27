package audience

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/lineq/lineq/tasks/campaign"
)

func readNDJSON(in *bufio.Reader, yield func(campaign.Recipient, error) bool) error {
	lines := lineReader{in: in}
	vars := map[string]string{}
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		row := campaign.Recipient{Line: lines.line}
		switch {
		case errors.Is(err, errTooLong):
			err = &campaign.RowError{Line: row.Line, Reason: err.Error()}
		case err != nil:
			return fmt.Errorf("audience: line %d: %w", row.Line, err)
		case len(line) == 0:
			continue
		default:
			if reason := decode(line, &row, vars); reason != "" {
				row, err = campaign.Recipient{Line: row.Line}, &campaign.RowError{Line: row.Line, Reason: reason}
			}
		}
		if !yield(row, err) {
			return errStopped
		}
	}
}

var errTooLong = fmt.Errorf("has more than %d bytes", MaxRow)

// lineReader reads lines, and passes over those that are too long.
type lineReader struct {
	in   *bufio.Reader
	line int    // the number of the last one
	long []byte // one that didn't fit into the reader's buffer
}

// next returns a line without white space around it, until the next call.
func (r *lineReader) next() ([]byte, error) {
	r.line++
	r.long = r.long[:0]
	tooLong := false
	for {
		part, err := r.in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			tooLong = tooLong || len(r.long)+len(part) > MaxRow
			if !tooLong {
				r.long = append(r.long, part...)
			}
			continue
		case err != nil && !errors.Is(err, io.EOF), err != nil && len(part)+len(r.long) == 0 && !tooLong:
			return nil, err
		case tooLong || len(r.long)+len(part) > MaxRow+1:
			return nil, errTooLong
		case len(r.long) > 0:
			r.long = append(r.long, part...)
			part = r.long
		}
		return bytes.TrimSpace(part), nil
	}
}

// decode reads an object into a row, or says what is wrong with it.
func decode(line []byte, row *campaign.Recipient, vars map[string]string) (reason string) {
	switch {
	case !utf8.Valid(line):
		return "isn't UTF-8"
	case !json.Valid(line) || line[0] != '{':
		return "isn't a JSON object"
	}
	clear(vars)
	row.Vars = vars
	seen := 0 // bits: the fields that aren't for placeholders
	o := object{rest: line[1:]}
	for n := 0; o.more(); n++ {
		name, ok := o.text()
		switch {
		case !ok:
			return "has a field whose name isn't UTF-8"
		case n == MaxColumns:
			return fmt.Sprintf("has more than %d fields", MaxColumns)
		}
		value, isText, problem := o.value()
		if problem != "" {
			return fmt.Sprintf("has %s in the field %q", problem, clip(name))
		}
		bit := 0
		switch name {
		case to:
			bit, row.To = 1, value
		case template:
			bit, row.Template = 2, value
		default:
			if _, twice := vars[name]; twice {
				return fmt.Sprintf("has two fields %q", clip(name))
			}
			vars[name] = value
			continue
		}
		switch {
		case seen&bit != 0:
			return fmt.Sprintf("has two fields %q", name)
		case !isText && value != "":
			return fmt.Sprintf("has something other than a string in the field %q", name)
		}
		seen |= bit
	}
	if seen&1 == 0 {
		return fmt.Sprintf("has no field %q", to)
	}
	return ""
}

// clip shortens a name that may be anything.
func clip(name string) string {
	if r := []rune(name); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return name
}

// object walks through the fields of an object that is known to be valid JSON, in the order in which they stand there,
// which encoding/json keeps to itself together with those that stand there twice.
type object struct{ rest []byte }

// more goes to the next field, or tells that there is none.
func (o *object) more() bool {
	o.rest = bytes.TrimLeft(o.rest, " \t\r\n,")
	return o.rest[0] != '}'
}

// text reads a string. It isn't ok where it escapes half a character, which JSON allows.
func (o *object) text() (text string, ok bool) {
	end := 1
	for ; o.rest[end] != '"'; end++ {
		if o.rest[end] == '\\' {
			end++
		}
	}
	quoted := o.rest[:end+1]
	o.rest = o.rest[end+1:]
	if !bytes.ContainsRune(quoted, '\\') {
		return string(quoted[1:end]), true
	}
	if err := json.Unmarshal(quoted, &text); err != nil {
		return "", false
	}
	const replacement = string(utf8.RuneError) // what json puts in the place of half a character
	meant := bytes.Count(quoted, []byte(replacement)) + bytes.Count(bytes.ToLower(quoted), []byte(`\ufffd`))
	return text, strings.Count(text, replacement) <= meant
}

// value reads what follows a field's name: a string, or a number or a truth value as it is written. null is "".
func (o *object) value() (value string, isText bool, problem string) {
	o.rest = bytes.TrimLeft(o.rest, " \t\r\n:")
	switch o.rest[0] {
	case '"':
		value, ok := o.text()
		if !ok {
			return "", false, "what isn't UTF-8"
		}
		return value, true, ""
	case '{':
		return "", false, "an object"
	case '[':
		return "", false, "an array"
	}
	end := bytes.IndexAny(o.rest, " \t\r\n,}")
	value, o.rest = string(o.rest[:end]), o.rest[end:]
	if value == "null" {
		value = ""
	}
	return value, false, ""
}
