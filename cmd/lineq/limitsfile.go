package main

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
)

// limitsReader turns YAML into limits. Its errors give line and column, and quote names but no values: a token may have
// come into the wrong file.
type limitsReader struct {
	path   string
	capped bool // a rate above the one that LINE publishes is refused
}

// file reads a whole file of limits.
func (r limitsReader) file(data []byte) (limit.Limits, error) {
	var l limit.Limits
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		return l, limitsError(yamlError(r.path, err))
	}
	var root ast.Node
	for _, doc := range parsed.Docs {
		switch {
		case doc.Body == nil:
		case root != nil:
			return l, limitsError(fmt.Errorf("%s: it holds more than one document", r.path))
		default:
			root = doc.Body
		}
	}
	err = r.each("", root, func(name string, entry *ast.MappingValueNode) (err error) {
		switch name {
		case "rates":
			l.Rates, err = r.rates(name, entry.Value)
		case "channels":
			l.Channels, err = r.channels(entry.Value)
		default:
			err = r.wrong(entry.Key, "there is no setting %.80q: there are rates and channels", name)
		}
		return err
	})
	return l, err
}

func (r limitsReader) channels(n ast.Node) (map[string]limit.Channel, error) {
	all := map[string]limit.Channel{}
	err := r.each("channels", n, func(name string, entry *ast.MappingValueNode) error {
		if err := tasks.CheckChannel(name); err != nil {
			return r.wrong(entry.Key, "channels: %w", err)
		}
		var share, rates ast.Node
		place := "channels." + name
		err := r.each(place, entry.Value, func(field string, entry *ast.MappingValueNode) error {
			switch field {
			case "share":
				share = entry.Value
			case "rates":
				rates = entry.Value
			default:
				return r.wrong(entry.Key, "%s: there is no setting %.80q: there are share and rates", place, field)
			}
			return nil
		})
		if err != nil {
			return err
		}
		all[name], err = r.channel(place, share, rates)
		return err
	})
	return all, err
}

// channel reads what one channel has of its own; nil nodes are left out.
func (r limitsReader) channel(place string, share, rates ast.Node) (c limit.Channel, err error) {
	if share != nil {
		if c.Share, err = r.share(place+".share", share); err != nil {
			return c, err
		}
	}
	if rates != nil {
		c.Rates, err = r.rates(place+".rates", rates)
	}
	return c, err
}

func (r limitsReader) share(place string, n ast.Node) (float64, error) {

	share, err := strconv.ParseFloat(scalar(n), 64)
	if err != nil || !(share > 0 && share <= 1) {
		return 0, r.wrong(n, "%s: it must be a part above 0 and up to 1, such as 0.5", place)
	}
	return share, nil
}

func (r limitsReader) rates(place string, n ast.Node) (map[string]endpoint.Limit, error) {
	all := map[string]endpoint.Limit{}
	err := r.each(place, n, func(operation string, entry *ast.MappingValueNode) error {
		i := slices.IndexFunc(endpoint.All, func(e endpoint.Endpoint) bool { return e.Operation == operation })
		if i < 0 {
			did := ""
			if near := nearOperation(operation); near != "" {
				did = "; did you mean " + near + "?"
			}
			return r.wrong(entry.Key, "%s.%.80s: LINE has no such operation%s", place, oneLine(operation), did)
		}
		rate, err := parseRate(scalar(entry.Value))
		if err != nil {
			return r.wrong(entry.Value, "%s.%s: %w", place, operation, err)
		}
		if e := endpoint.All[i]; r.capped && faster(rate, e.Limit) {
			return r.wrong(entry.Value, "%s.%s: %s is above what LINE grants, %s", place, operation, rateText(rate),
				rateText(e.Limit))
		}
		all[operation] = rate
		return nil
	})
	return all, err
}

// each calls f for every entry of a mapping; nothing at all is an empty one.
func (r limitsReader) each(place string, n ast.Node, f func(name string, entry *ast.MappingValueNode) error) error {
	switch n := n.(type) {
	case nil, *ast.NullNode:
		return nil
	case *ast.MappingNode:
		for _, entry := range n.Values {
			if err := f(entry.Key.GetToken().Value, entry); err != nil {
				return err
			}
		}
		return nil
	default:
		return r.wrong(n, "%s isn't a list of names and values", cmp.Or(place, "it"))
	}
}

// scalar is the text of a single value; of anything else it is empty.
func scalar(n ast.Node) string {
	if _, ok := n.(ast.ScalarNode); !ok {
		return ""
	}
	text, _ := scalars(n)
	return text
}

// wrong is an error at a node.
func (r limitsReader) wrong(n ast.Node, format string, args ...any) error {
	at := n.GetToken().Position
	return limitsError(fmt.Errorf("%s:%d:%d: %w", r.path, at.Line, at.Column, fmt.Errorf(format, args...)))
}

// yamlNode is a part of a file that is read later.
type yamlNode struct{ ast.Node }

// UnmarshalYAML is goccy/go-yaml's.
func (n *yamlNode) UnmarshalYAML(node ast.Node) error {
	n.Node = node
	return nil
}

// rateForm has at most nine digits, so that every rate is longer than a nanosecond.
var rateForm = regexp.MustCompile(`^([0-9]{1,9})/(s|min|h)$`)

var rateUnits = map[string]time.Duration{"s": time.Second, "min": time.Minute, "h": time.Hour}

var (
	errRate     = errors.New("it must be a whole number and a unit, such as 1000/s, 60/min or 3/h")
	errRateZero = errors.New("a limit must be above zero")
)

func parseRate(text string) (endpoint.Limit, error) {
	parts := rateForm.FindStringSubmatch(text)
	if parts == nil {
		return endpoint.Limit{}, errRate
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return endpoint.Limit{}, errRate
	}
	if n == 0 {
		return endpoint.Limit{}, errRateZero
	}
	return endpoint.Limit{Requests: n, Per: rateUnits[parts[2]]}, nil
}

// rateText writes a rate as parseRate reads it.
func rateText(l endpoint.Limit) string {
	for unit, per := range rateUnits {
		if per == l.Per {
			return fmt.Sprintf("%d/%s", l.Requests, unit)
		}
	}
	return fmt.Sprintf("%d in %v", l.Requests, l.Per)
}

// faster tells whether a rate is above LINE's; a limit of zero is none.
func faster(rate, line endpoint.Limit) bool {
	return line.Requests > 0 &&
		float64(rate.Requests)*float64(line.Per) > float64(line.Requests)*float64(rate.Per)
}

// nearOperation guesses which of LINE's operations was meant: by the name of a kind of task, or by a few wrong letters.
func nearOperation(word string) string {
	if p, err := tasks.PolicyOf(tasks.Kind(word)); err == nil {
		return p.Endpoint.Operation
	}
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "", ".", "").Replace(s))
	}
	if word = plain(word); len(word) > 80 {
		return ""
	}
	best, least := "", min(3, len(word)/3)+1
	for _, e := range endpoint.All {
		if d := distance(word, plain(e.Operation)); d < least {
			best, least = e.Operation, d
		}
	}
	return best
}

// distance counts the bytes that must be put in, taken out or changed to make one word of another (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
