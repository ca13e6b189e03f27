package tasks

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// canonical appends JSON in the one form that Envelope.Hash is taken over: what encoding/json writes of the decoded value,
// numbers as they stand. That is no white space, members sorted by name, of two members of a name the last, and every
// string with encoding/json's escapes. It does so without decoding, since every attempt at a task needs it. src must hold
// one valid value; rest is what follows it.
func canonical(dst, src []byte) (out, rest []byte) {
	src = afterSpace(src)
	switch src[0] {
	case '{':
		return canonicalObject(dst, src)
	case '[':
		return canonicalArray(dst, src)
	case '"':
		text, rest := cutString(src)
		return canonicalString(dst, text), rest
	}
	end := 0
	for end < len(src) && !strings.ContainsRune(",]} \t\r\n", rune(src[end])) {
		end++
	}
	return append(dst, src[:end]...), src[end:]
}

func canonicalArray(dst, src []byte) (out, rest []byte) {
	dst, src = append(dst, '['), afterSpace(src[1:])
	for src[0] != ']' {
		dst, src = canonical(dst, src)
		if src = afterSpace(src); src[0] == ',' {
			dst, src = append(dst, ','), src[1:]
		}
	}
	return append(dst, ']'), src[1:]
}

// member is one member of an object, in canonical form, without a comma.
type member struct{ name, text string }

func canonicalObject(dst, src []byte) (out, rest []byte) {
	var few [8]member
	members := few[:0]
	src = afterSpace(src[1:])
	for src[0] != '}' {
		start := len(dst)
		var name []byte
		name, src = cutString(src)
		dst = append(canonicalString(dst, name), ':')
		src = afterSpace(src)
		dst, src = canonical(dst, src[1:])
		members = append(members, member{unquoted(name), string(dst[start:])})
		dst = dst[:start]
		if src = afterSpace(src); src[0] == ',' {
			src = afterSpace(src[1:])
		}
	}
	slices.SortStableFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	dst = append(dst, '{')
	first := true
	for i, m := range members {
		if i+1 < len(members) && members[i+1].name == m.name {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, m.text...)
	}
	return append(dst, '}'), src[1:]
}

// cutString cuts a string off, with its quotes.
func cutString(src []byte) (text, rest []byte) {
	end := 1
	for src[end] != '"' {
		if src[end] == '\\' {
			end++
		}
		end++
	}
	return src[:end+1], src[end+1:]
}

// canonicalString appends a string, given with its quotes. Most stand in their canonical form already.
func canonicalString(dst, text []byte) []byte {
	if isPlain(text) {
		return append(dst, text...)
	}
	written, err := json.Marshal(unquoted(text))
	if err != nil {
		panic("tasks: a string can't be written as JSON: " + err.Error())
	}
	return append(dst, written...)
}

func unquoted(text []byte) (s string) {
	if isPlain(text) {
		return string(text[1 : len(text)-1])
	}
	if err := json.Unmarshal(text, &s); err != nil {
		panic("tasks: a string of valid JSON can't be read") // its text may be a message's
	}
	return s
}

// isPlain tells whether encoding/json reads and writes a string as it stands.
func isPlain(text []byte) bool {
	ascii := true
	for _, c := range text {
		switch {
		case c == '\\', c == '<', c == '>', c == '&':
			return false
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return ascii || utf8.Valid(text) && !bytes.Contains(text, []byte("\u2028")) && !bytes.Contains(text, []byte("\u2029"))
}

func afterSpace(src []byte) []byte {
	if len(src) > 0 && src[0] > ' ' {
		return src // as nearly everywhere
	}
	return bytes.TrimLeft(src, " \t\r\n")
}
