package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

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

// fields splits a body into its properties, in their order.
func fields(body []byte) ([]field, answer, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, unparsable(body, err), false
	}
	all := make([]field, 0, 4)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, unparsable(body, err), false
		}
		f := field{name: name.(string)} // a key of an object is nothing else
		if err := d.Decode(&f.value); err != nil {
			return nil, unparsable(body, err), false
		}
		f.offset = int(d.InputOffset()) - len(f.value)
		all = append(all, f)
	}
	if _, err := d.Token(); err != nil {
		return nil, unparsable(body, err), false
	}
	if rest := bytes.TrimLeft(body[d.InputOffset():], " \t\r\n"); len(rest) > 0 {
		return nil, unparsableAt(body, len(body)-len(rest)), false
	}
	return all, answer{}, true
}

// unparsable places what isn't JSON, or isn't an object.
func unparsable(body []byte, err error) answer {
	if syntax, ok := errors.AsType[*json.SyntaxError](json.Unmarshal(body, new(any))); ok {
		return unparsableAt(body, int(syntax.Offset)-1)
	}
	if err == nil {
		return unparsableAt(body, len(body)-len(bytes.TrimLeft(body, " \t\r\n")))
	}
	return unparsableAt(body, len(body))
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
