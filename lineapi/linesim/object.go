package linesim

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

func digest(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// field is one property of a JSON object, its value not decoded yet.
type field struct {
	name   string
	value  []byte
	offset int // of the value, in the body
}

// fields splits a body into its properties. It decodes nothing, so that a body of 500 recipients costs one pass.
func fields(body []byte) ([]field, answer, bool) {
	if !json.Valid(body) {
		offset := len(body)
		if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(body, new(any))); ok {
			offset = int(syntax.Offset) - 1
		}
		return nil, unparsable(body, offset), false
	}
	p := skipSpace(body, 0)
	if body[p] != '{' {
		return nil, unparsable(body, p), false
	}
	var all []field
	for p = skipSpace(body, p+1); body[p] != '}'; {
		if body[p] == ',' {
			p = skipSpace(body, p+1)
		}
		end := skipValue(body, p)
		var name string
		if json.Unmarshal(body[p:end], &name) != nil {
			return nil, unparsable(body, p), false
		}
		start := skipSpace(body, skipSpace(body, end)+1)
		end = skipValue(body, start)
		all = append(all, field{name, body[start:end], start})
		p = skipSpace(body, end)
	}
	return all, answer{}, true
}

// elements splits a valid JSON array. They are parts of it.
func elements(array []byte) []json.RawMessage {
	var all []json.RawMessage
	for p := skipSpace(array, 1); array[p] != ']'; {
		if array[p] == ',' {
			p = skipSpace(array, p+1)
		}
		end := skipValue(array, p)
		all = append(all, json.RawMessage(array[p:end:end]))
		p = skipSpace(array, end)
	}
	return all
}

func skipSpace(b []byte, p int) int {
	for p < len(b) && (b[p] == ' ' || b[p] == '\t' || b[p] == '\n' || b[p] == '\r') {
		p++
	}
	return p
}

// skipValue returns the position after the value at p of valid JSON.
func skipValue(b []byte, p int) int {
	depth := 0
	for p < len(b) {
		switch b[p] {
		case '"':
			for p++; b[p] != '"'; p++ {
				if b[p] == '\\' {
					p++
				}
			}
			p++
		case '{', '[':
			depth++
			p++
		case '}', ']':
			depth--
			p++
		case ',', ':', ' ', '\t', '\n', '\r':
			p++
			continue
		default:
			for p < len(b) && strings.IndexByte(",:]} \t\n\r", b[p]) < 0 {
				p++
			}
		}
		if depth == 0 {
			return p
		}
	}
	return p
}

func unparsable(body []byte, offset int) answer {
	line, column := position(body, offset)
	return refuse(http.StatusBadRequest,
		"The request body could not be parsed as JSON (line: "+line+", column: "+column+")")
}

func position(body []byte, offset int) (line, column string) {
	offset = min(max(offset, 0), len(body))
	before := body[:offset]
	newline := bytes.LastIndexByte(before, '\n')
	return strconv.Itoa(1 + bytes.Count(before, []byte{'\n'})), strconv.Itoa(offset - newline)
}

// invalid blames a field of the body, at its place.
func (f field) invalid(body []byte) answer {
	line, column := position(body, f.offset)
	return invalidProperty("'"+f.name+"'", line, column)
}

func (f field) null() bool { return string(f.value) == "null" }

func (f field) text() (string, bool) {
	var s *string
	err := json.Unmarshal(f.value, &s)
	if err != nil || s == nil {
		return "", false
	}
	return *s, true
}

func (f field) boolean() bool {
	return string(f.value) == "true" || string(f.value) == "false" || f.null()
}

func (f field) array() bool { return f.value[0] == '[' }
