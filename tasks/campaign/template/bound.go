package template

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/lineq/lineq/lineapi"
)

// Bound is a template whose placeholders know their columns. It is immutable and safe for concurrent use.
type Bound struct {
	*Template
	columns []int // of each placeholder; -1: it has none
}

// Bind finds the column of each placeholder; of two with the same name it is the first. A placeholder that needs a column
// and has none is an *[Error].
func (t *Template) Bind(columns []string) (*Bound, error) {
	b := &Bound{t, make([]int, len(t.placeholders))}
	var without []string
	for i, p := range t.placeholders {
		b.columns[i] = slices.Index(columns, p.Name)
		if b.columns[i] < 0 && !p.Default {
			text := "{{" + p.Name + "}}"
			if meant := nearest(p.Name, columns); meant != "" {
				text += fmt.Sprintf(" (is %s meant?)", meant)
			}
			without = append(without, text)
		}
	}
	if len(without) > 0 {
		return nil, &Error{Problem: fmt.Sprintf("there is no column for %s: %s; {{name|default}} needs none",
			strings.Join(without, ", "), listed(columns))}
	}
	return b, nil
}

// listed are the columns as an error names them: enough of them to see what file it is.
func listed(columns []string) string {
	const most = 20
	switch {
	case len(columns) == 0:
		return "there are none"
	case len(columns) > most:
		return fmt.Sprintf("there are %s and %d more", strings.Join(columns[:most], ", "), len(columns)-most)
	}
	return "there are " + strings.Join(columns, ", ")
}

// Append appends the JSON array of the messages with these values; values[i] belongs to columns[i] of Bind, and those that
// aren't there are empty. It allocates nothing but what dst lacks, and for braces in a textV2. Where a value is missing
// that has no default, nothing stands there: see [Bound.Missing].
func (b *Bound) Append(dst []byte, values []string) []byte {
	for i := range b.slots {
		s := &b.slots[i]
		dst = append(dst, s.before...)
		if v := valueOf(values, b.columns[s.placeholder]); v != "" {
			if s.ofTextV2 && strings.ContainsAny(v, "{}") {
				v = doubled.Replace(v)
			}
			dst = appendEscaped(dst, v)
		} else {
			dst = append(dst, s.fallback...)
		}
	}
	return append(dst, b.tail...)
}

// doubled writes braces as LINE reads them in the text of a textV2:
// https://developers.line.biz/en/reference/messaging-api/#text-message-v2
var doubled = strings.NewReplacer("{", "{{", "}", "}}")

func valueOf(values []string, column int) string {
	if column < 0 || column >= len(values) {
		return ""
	}
	return values[column]
}

// Missing is the first placeholder that has neither a value nor a default everywhere, and empty where there is none.
func (b *Bound) Missing(values []string) string {
	for i, p := range b.placeholders {
		if !p.Default && valueOf(values, b.columns[i]) == "" {
			return p.Name
		}
	}
	return ""
}

// Check is lineapi.CheckMessages of the messages with these values.
func (b *Bound) Check(values []string) error { return check(b.Append(nil, values)) }

func check(body []byte) error {
	var messages []lineapi.Message
	if err := json.Unmarshal(body, &messages); err != nil {
		return err
	}
	return lineapi.CheckMessages(messages)
}

// MaxSafe is the highest result of Safe.
const MaxSafe = 4096

// Safe is a length, in bytes, up to which values need no Check: messages pass it whatever the values are, as long as none
// is longer than that and none is missing. It is zero where nobody can say: check every recipient then.
func (b *Bound) Safe() int {
	if b.irregular || check(b.fill(0)) != nil {
		return 0
	}
	return sort.Search(MaxSafe, func(n int) bool { return check(b.fill(n+1)) != nil })
}

// fill renders the messages with what checks like least: 0 is the shortest that can stand in each place, n the longest
// that a value of n bytes or a default can make. A control character is a UTF-16 unit and a grapheme for each byte, as
// much as any other can be, and has the longest escape.
func (b *Bound) fill(n int) []byte {
	var dst []byte
	for _, s := range b.slots {
		dst = append(dst, s.before...)
		switch {
		case n > 0:
			units := n
			if s.ofTextV2 {
				units = 2 * n // all of them braces
			}
			dst = append(dst, strings.Repeat(`\u0001`, max(units, len(s.fallback)))...)
		case s.fallback == nil:
			dst = append(dst, 'x')
		default:
			dst = append(dst, s.fallback...)
		}
	}
	return append(dst, b.tail...)
}

// appendEscaped appends s as it stands within a JSON string. What isn't UTF-8 becomes U+FFFD.
func appendEscaped(dst []byte, s string) []byte {
	plain := 0
	for plain < len(s) && isPlain[s[plain]] {
		plain++
	}
	if plain == len(s) && utf8.ValidString(s) {
		return append(dst, s...)
	}
	from := 0
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if !isPlain[c] {
				dst = append(dst, s[from:i]...)
				dst = appendEscape(dst, c)
				from = i + 1
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, s[from:i]...)
			dst = append(dst, "\uFFFD"...)
			from = i + 1
		}
		i += n
	}
	return append(dst, s[from:]...)
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// isPlain holds the bytes that stand in a JSON string as they are, if what they belong to is UTF-8.
var isPlain = func() (plain [256]bool) {
	for c := range plain {
		plain[c] = c >= ' ' && c != '"' && c != '\\'
	}
	return plain
}()
