package linesim

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// The texts that LINE puts into details[].message.
const (
	textEmpty       = "May not be empty"
	textUnspecified = "must be specified"
)

// checker collects what is wrong with a body, in the order in which it is looked at.
//
// LINE has two kinds of checks with texts and paths of their own. The body as a whole is answered with
// "The request body has 1 error(s)" and paths like messages[0].text; templates and Flex contents, which are inner, with
// "A message (messages[0]) in the request body is invalid" and paths like template/actions/0/uri or /hero/url
// (https://github.com/line/line-bot-sdk-python/issues/314, https://github.com/line/line-bot-sdk-python/issues/646).
type checker struct {
	details  []detail
	mistyped string // the first property whose JSON type is wrong; LINE's parser stops there
	inner    bool
	messages []innerError
}

// innerError is what is wrong inside one message.
type innerError struct {
	message string // its path
	details []detail
}

// refusal is LINE's answer to what was found, if anything was.
func (c *checker) refusal() (answer, bool) {
	switch {
	case c.mistyped != "":
		return invalidProperty("'"+c.mistyped+"'", "-", "-"), true
	case len(c.details) > 0:
		return refuseDetails("The request body has "+strconv.Itoa(len(c.details))+" error(s)", c.details), true
	case len(c.messages) > 0:
		first := c.messages[0]
		// The space after the parenthesis is a no-break space at LINE, too.
		return refuseDetails("A message ("+first.message+")\u00a0in the request body is invalid", first.details), true
	}
	return answer{}, false
}

// within runs check on a part of a message, by the rules for inner parts. Its paths begin with path.
func (v value) within(message value, path string, check func(value)) {
	c := &checker{inner: true}
	check(value{c, path, v.v})
	if len(c.details) > 0 {
		message.c.messages = append(message.c.messages, innerError{message.path, c.details})
	}
}

// value is a part of a JSON document, with the path by which LINE names it. The zero v stands for absent and null alike.
type value struct {
	c    *checker
	path string
	v    any
}

// decode makes a value of valid JSON.
func (c *checker) decode(path string, raw []byte) value {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		c.mistype(path)
	}
	return value{c, path, v}
}

func (c *checker) mistype(path string) {
	switch {
	case c.inner:
		c.details = append(c.details, detail{Message: "invalid property", Property: path})
	case c.mistyped == "":
		c.mistyped = path
	}
}

func (v value) fail(text string) {
	v.c.details = append(v.c.details, detail{Message: text, Property: v.path})
}

func (v value) present() bool { return v.v != nil }

// get returns a property; a value that isn't an object has none.
func (v value) get(name string) value {
	path := name
	switch {
	case v.c.inner:
		path = v.path + "/" + name
	case v.path != "":
		path = v.path + "." + name
	}
	object, _ := v.v.(map[string]any)
	return value{v.c, path, object[name]}
}

// require says whether the value is there, and complains if it isn't.
func (v value) require(text string) bool {
	if !v.present() {
		if v.c.inner {
			text = textUnspecified
		}
		v.fail(text)
	}
	return v.present()
}

// size complains about a length or a number of elements.
func (v value) size(what string, low, high int) {
	if v.c.inner {
		what = "size"
	}
	v.fail(what + " must be between " + strconv.Itoa(low) + " and " + strconv.Itoa(high))
}

// object says whether the value is one; anything else but absence is a wrong type.
func (v value) object() bool {
	if _, ok := v.v.(map[string]any); ok {
		return true
	}
	if v.present() {
		v.c.mistype(v.path)
	}
	return false
}

func (v value) string() string {
	s, ok := v.v.(string)
	if !ok && v.present() {
		v.c.mistype(v.path)
	}
	return s
}

func (v value) boolean() bool {
	b, ok := v.v.(bool)
	if !ok && v.present() {
		v.c.mistype(v.path)
	}
	return b
}

func (v value) integer() (n int64, ok bool) {
	number, isNumber := v.v.(json.Number)
	if !isNumber {
		if v.present() {
			v.c.mistype(v.path)
		}
		return 0, false
	}
	n, err := number.Int64()
	if err != nil {
		v.c.mistype(v.path)
	}
	return n, err == nil
}

func (v value) number() (f float64, ok bool) {
	number, isNumber := v.v.(json.Number)
	if !isNumber {
		if v.present() {
			v.c.mistype(v.path)
		}
		return 0, false
	}
	f, err := number.Float64()
	if err != nil {
		v.c.mistype(v.path)
	}
	return f, err == nil
}

// between checks an integer that must be there.
func (v value) between(low, high int64) {
	if !v.require(textEmpty) {
		return
	}
	if n, ok := v.integer(); ok && (n < low || n > high) {
		v.fail("Must be between " + strconv.FormatInt(low, 10) + " and " + strconv.FormatInt(high, 10))
	}
}

// list checks the number of elements and returns them. Absence counts as no elements.
func (v value) list(low, high int) []value {
	array, ok := v.v.([]any)
	if !ok && v.present() {
		v.c.mistype(v.path)
		return nil
	}
	if len(array) < low || len(array) > high {
		v.size("Size", low, high)
		return nil
	}
	all := make([]value, len(array))
	for i, element := range array {
		path := v.path + "[" + strconv.Itoa(i) + "]"
		if v.c.inner {
			path = v.path + "/" + strconv.Itoa(i)
		}
		all[i] = value{v.c, path, element}
	}
	return all
}

// count is a way to measure text (https://developers.line.biz/en/docs/messaging-api/text-character-count/).
type count func(string) int

// utf16Units is LINE's default.
func utf16Units(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xffff {
			n++
		}
	}
	return n
}

// graphemes is LINE's measure for labels and template texts.
func graphemes(s string) int {
	if isASCII(s) && !strings.Contains(s, "\r\n") {
		return len(s)
	}
	return uniseg.GraphemeClusterCount(s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// text checks a string that must be there and not be empty.
func (v value) text(limit int, count count) string {
	if !v.require(textEmpty) {
		return ""
	}
	s, isString := v.v.(string)
	switch {
	case !isString:
		v.c.mistype(v.path)
	case s == "" && v.c.inner:
		v.fail("must be non-empty text")
	case s == "":
		v.fail(textEmpty)
	}
	v.short(s, limit, count)
	return s
}

// optional checks a string that may be missing.
func (v value) optional(limit int, count count) string {
	s := v.string()
	v.short(s, limit, count)
	return s
}

func (v value) short(s string, limit int, count count) {
	// Neither measure can exceed the number of bytes.
	if len(s) > limit && count(s) > limit {
		v.size("Length", 0, limit)
	}
}

func (v value) oneOf(values ...string) string {
	s, isString := v.v.(string)
	switch {
	case !v.present() && v.c.inner:
		v.fail(textUnspecified)
	case v.present() && (!isString || v.c.inner && !slices.Contains(values, s)):
		v.c.mistype(v.path)
	case !slices.Contains(values, s):
		v.fail("Must be one of the following values: [" + strings.Join(values, ", ") + "]")
	default:
		return s
	}
	return ""
}

func (v value) pattern(re *regexp.Regexp) {
	if s := v.string(); v.present() && !re.MatchString(s) {
		v.fail("Must match the following pattern: " + re.String())
	}
}

// link checks a URI with one of the schemes. It must be percent-encoded
// (https://developers.line.biz/en/reference/messaging-api/#url-encoding).
func (v value) link(limit int, required bool, schemes ...string) {
	if !required && !v.present() {
		return
	}
	s := v.text(limit, utf16Units)
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || !isASCII(s):
		v.fail("invalid uri")
	case !slices.Contains(schemes, strings.ToLower(u.Scheme)):
		v.fail("invalid uri scheme")
	case strings.HasPrefix(strings.ToLower(u.Scheme), "http") && u.Host == "":
		v.fail("invalid uri")
	}
}
