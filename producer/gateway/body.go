package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lineq/lineq/lineapi"
)

// bodyTime is how long a caller may take for a request that fits into memory. What streams may take as long for each of
// its parts.
const bodyTime = 30 * time.Second

// readBody reads a JSON body of LINE's size. The body of a multicast may go on after that: see many.
func (c *call) readBody() (answer, bool) {
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(bodyTime))
	var b bytes.Buffer
	if n := c.r.ContentLength; n > 0 && n <= lineapi.MaxRequestBytes {
		b.Grow(int(n) + bytes.MinRead)
	}
	n, err := b.ReadFrom(io.LimitReader(c.r.Body, lineapi.MaxRequestBytes+1))
	switch {
	case n > lineapi.MaxRequestBytes && !c.takesMany():
		return refuse(http.StatusRequestEntityTooLarge, http.StatusText(http.StatusRequestEntityTooLarge)), false
	case err != nil:
		return refuse(http.StatusBadRequest, textUnread), false
	}
	c.body = b.Bytes()
	const want = "application/json"
	if value := c.r.Header.Get("Content-Type"); value != want {
		if mediaType, _, err := mime.ParseMediaType(value); err != nil || mediaType != want {
			return refuse(http.StatusUnsupportedMediaType, "The content type, "+plain(value)+", is not supported"), false
		}
	}
	return answer{}, true
}

// field is one property of a body, not decoded yet.
type field struct {
	name   string
	value  json.RawMessage
	offset int // of the value in the body
}

func (f field) null() bool { return f.value == nil || string(f.value) == "null" }

func (f field) array() bool { return len(f.value) > 0 && f.value[0] == '[' }

// fields splits a body into its properties, in their order, as parts of it.
func fields(body []byte) ([]field, answer, bool) {
	if !json.Valid(body) {
		return nil, unparsable(body), false
	}
	p := afterSpace(body, 0)
	if body[p] != '{' {
		return nil, unparsableAt(body, p), false
	}
	all := make([]field, 0, 4)
	for p = afterSpace(body, p+1); body[p] != '}'; {
		if body[p] == ',' {
			p = afterSpace(body, p+1)
		}
		end := afterValue(body, p)
		var f field
		if name := body[p+1 : end-1]; bytes.IndexByte(name, '\\') < 0 && utf8.Valid(name) {
			f.name = string(name)
		} else if json.Unmarshal(body[p:end], &f.name) != nil {
			return nil, unparsableAt(body, p), false
		}
		f.offset = afterSpace(body, afterSpace(body, end)+1)
		end = afterValue(body, f.offset)
		f.value = body[f.offset:end:end]
		all = append(all, f)
		p = afterSpace(body, end)
	}
	return all, answer{}, true
}

// elements splits a valid JSON array.
func elements(array []byte) []json.RawMessage {
	var all []json.RawMessage
	for p := afterSpace(array, 1); array[p] != ']'; {
		if array[p] == ',' {
			p = afterSpace(array, p+1)
		}
		end := afterValue(array, p)
		all = append(all, json.RawMessage(array[p:end:end]))
		p = afterSpace(array, end)
	}
	return all
}

func afterSpace(b []byte, p int) int {
	for p < len(b) && (b[p] == ' ' || b[p] == '\t' || b[p] == '\n' || b[p] == '\r') {
		p++
	}
	return p
}

// afterValue is the place behind the value at p of valid JSON.
func afterValue(b []byte, p int) int {
	depth := 0
	for p < len(b) {
		switch c := b[p]; c {
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
		default: // a number or a word
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

// unparsable places what isn't JSON.
func unparsable(body []byte) answer {
	offset := len(body)
	if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(body, new(any))); ok {
		offset = int(syntax.Offset) - 1
	}
	return unparsableAt(body, offset)
}

func unparsableAt(body []byte, offset int) answer {
	line, column := position(body, offset)
	return refuse(http.StatusBadRequest,
		"The request body could not be parsed as JSON (line: "+line+", column: "+column+")")
}

func position(body []byte, offset int) (line, column string) {
	before := body[:min(max(offset, 0), len(body))]
	return strconv.Itoa(1 + bytes.Count(before, []byte{'\n'})),
		strconv.Itoa(len(before) - bytes.LastIndexByte(before, '\n'))
}

// invalid blames a field, at its place.
func (f field) invalid(body []byte) answer {
	line, column := position(body, f.offset)
	return refuseProperty("'"+f.name+"'", line, column)
}

// into decodes a field; null leaves v as it is.
func (f field) into(v any) bool { return json.Unmarshal(f.value, v) == nil }

// plain makes a caller's own words fit for an answer.
func plain(s string) string {
	b := []byte(s[:min(len(s), 100)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
