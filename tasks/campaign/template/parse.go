package template

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// parser walks through the valid JSON of one message.
type parser struct {
	t          *Template
	raw        []byte
	at         int
	path       []step
	literal    []byte // what stands before the next slot
	copied     int    // how much of raw is in a slot or in literal
	ofTemplate bool   // the message is a template message
	ofTextV2   bool   // it is a textV2
}

// step leads to a member of an object, by its key as it stands in the JSON, or to an element of an array.
type step struct {
	key   []byte
	index int // -1: by key
}

func (p *parser) value() error {
	switch p.space(); p.raw[p.at] {
	case '{', '[':
		return p.elements()
	case '"':
		from := p.at + 1
		p.skipString()
		return p.text(from, p.at-1)
	}
	for p.at < len(p.raw) && strings.IndexByte(",]} \t\r\n", p.raw[p.at]) < 0 {
		p.at++
	}
	return nil
}

// elements reads an object or an array.
func (p *parser) elements() error {
	object := p.raw[p.at] == '{'
	p.at++
	here := len(p.path)
	p.path = append(p.path, step{index: -1})
	for {
		switch p.space(); p.raw[p.at] {
		case '}', ']':
			p.at++
			p.path = p.path[:here]
			return nil
		case ',':
			p.at++
			p.space()
		}
		if object {
			from := p.at + 1
			p.skipString()
			p.path[here].key = p.raw[from : p.at-1]
			p.space()
			p.at++ // the colon
			if here == 2 && unquoted(p.path[here].key) == "emojis" {
				p.t.irregular = true // each has its place in the text
			}
		} else {
			p.path[here].index++
		}
		if err := p.value(); err != nil {
			return err
		}
	}
}

func (p *parser) space() {
	for p.at < len(p.raw) && strings.IndexByte(" \t\r\n", p.raw[p.at]) >= 0 {
		p.at++
	}
}

// skipString goes from a quote to behind the one that ends the string.
func (p *parser) skipString() {
	for p.at++; p.raw[p.at] != '"'; p.at++ {
		if p.raw[p.at] == '\\' {
			p.at++
		}
	}
	p.at++
}

// text reads what stands within the quotes of a string, from one offset to another.
func (p *parser) text(from, to int) error {
	if bytes.IndexByte(p.raw[from:to], '{') < 0 && bytes.IndexByte(p.raw[from:to], '\\') < 0 {
		return nil
	}
	chars := characters(p.raw[from:to], from)
	slots := len(p.t.slots)
	whole := true // nothing but placeholders that may be empty
	opened := 0   // {{{{ without their }}}}
	for i := 0; i < len(chars)-1; {
		switch {
		case isRun(chars[i:], '{', 4), opened > 0 && isRun(chars[i:], '}', 4):
			if opened++; chars[i].r == '}' {
				opened -= 2
			}
			p.literal = append(p.literal, p.raw[p.copied:chars[i+2].at]...)
			p.copied = chars[i+4].at
			i += 4
			whole = false
		case isRun(chars[i:], '{', 2):
			n, problem := p.placeholder(chars[i:])
			if problem != "" {
				return p.wrong("the {{ at character %d %s; {{{{ stands for a literal {{", i+1, problem)
			}
			fallback := p.t.slots[len(p.t.slots)-1].fallback
			whole = whole && fallback != nil && len(fallback) == 0
			i += n
		default:
			whole = false
			i++
		}
	}
	if len(p.t.slots) == slots {
		return nil
	}
	for i, c := range chars[:len(chars)-1] {
		if c.r == loneSurrogate {
			return p.wrong(`the escape at character %d is half of a surrogate pair: write the character itself`, i+1)
		}
	}
	if unquoted(p.path[len(p.path)-1].key) == "type" || whole && p.ofTemplate {
		p.t.irregular = true
	}
	return nil
}

// placeholder reads the one that chars begins with, and returns how many of them it takes, or what is wrong.
func (p *parser) placeholder(chars []character) (n int, problem string) {
	end, pipe := 2, 0
	for !isRun(chars[end:], '}', 2) {
		switch {
		case end == len(chars)-1:
			return 0, "has no }}"
		case end > 2 && isRun(chars[end:], '{', 2):
			return 0, "has no }} before the next {{"
		case chars[end].r == '|' && pipe == 0:
			pipe = end
		}
		end++
	}
	nameEnd, fallback := end, []byte(nil)
	if pipe > 0 {
		nameEnd = pipe
		fallback = p.raw[chars[pipe+1].at:chars[end].at:chars[end].at]
	}
	name, problem := nameOf(chars[2:nameEnd])
	if problem != "" {
		return 0, problem
	}
	before := append(p.literal, p.raw[p.copied:chars[0].at]...)
	inText := p.ofTextV2 && len(p.path) == 3 && unquoted(p.path[2].key) == "text"
	p.t.slots = append(p.t.slots, slot{before, p.t.use(name, pipe > 0), fallback, inText})
	p.literal = nil
	p.copied = chars[end+2].at
	return end + 2, ""
}

// nameOf is a placeholder's name without the blanks around it, or says why it can't be one.
func nameOf(chars []character) (name, problem string) {
	var b strings.Builder
	for _, c := range chars {
		switch {
		case c.r == '{', c.r == '}', c.r == '"':
			return "", fmt.Sprintf("begins a name that holds a %c", c.r)
		case c.r == loneSurrogate, unicode.IsControl(c.r):
			return "", "begins a name that holds a control character"
		}
		b.WriteRune(c.r)
	}
	name = strings.TrimSpace(b.String())
	if name == "" {
		return "", "begins a placeholder without a name"
	}
	return name, ""
}

// wrong names the place of a string.
func (p *parser) wrong(format string, args ...any) error {
	var path strings.Builder
	for i, s := range p.path {
		switch {
		case s.index >= 0:
			fmt.Fprintf(&path, "[%d]", s.index)
		case i == 0:
			path.Write(s.key)
		default:
			path.WriteByte('.')
			path.Write(s.key)
		}
	}
	return &Error{path.String(), fmt.Sprintf(format, args...)}
}

// character is one of a JSON string, and where it begins.
type character struct {
	r  rune
	at int
}

// unquoted is what a JSON string says that has no quotes any more.
func unquoted(raw []byte) string {
	var b strings.Builder
	chars := characters(raw, 0)
	for _, c := range chars[:len(chars)-1] {
		b.WriteRune(c.r)
	}
	return b.String()
}

// loneSurrogate stands for \ud800 to \udfff where it isn't a half of a pair.
const loneSurrogate = -1

// characters reads what stands within the quotes of a JSON string that begins at an offset. One more, of no character,
// marks the end.
func characters(raw []byte, offset int) []character {
	all := make([]character, 0, len(raw)+1)
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRune(raw[i:])
		if r == '\\' {
			r, n = unescape(raw[i:])
		}
		all = append(all, character{r, offset + i})
		i += n
	}
	return append(all, character{0, offset + len(raw)})
}

// unescape reads an escape, and returns its length.
func unescape(raw []byte) (r rune, n int) {
	if raw[1] != 'u' {
		if i := strings.IndexByte("bfnrt", raw[1]); i >= 0 {
			return rune("\b\f\n\r\t"[i]), 2
		}
		return rune(raw[1]), 2
	}
	r = hex4(raw[2:])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(raw) >= 12 && raw[6] == '\\' && raw[7] == 'u' {
		if pair := utf16.DecodeRune(r, hex4(raw[8:])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return loneSurrogate, 6
}

func hex4(digits []byte) rune {
	n, _ := strconv.ParseUint(string(digits[:4]), 16, 16)
	return rune(n)
}

// isRun tells whether chars begins with n times r.
func isRun(chars []character, r rune, n int) bool {
	if len(chars) <= n { // the last one is the end
		return false
	}
	for _, c := range chars[:n] {
		if c.r != r {
			return false
		}
	}
	return true
}
