package lineapi

import (
	"encoding/json"
	"fmt"
	"strings"
)

// problems collects what LINE would refuse, each with its JSON path. Where LINE's own text for it is known, it is used.
type problems struct {
	details []Detail
}

// add notes a problem; an empty one is none.
func (p *problems) add(property, problem string) {
	if problem != "" {
		p.details = append(p.details, Detail{Message: problem, Property: property})
	}
}

func (p *problems) err() error {
	if len(p.details) == 0 {
		return nil
	}
	return refused(p.details...)
}

// node is a JSON object inside a request, and its path.
type node struct {
	path   string
	fields map[string]any
}

func (n node) at(field string) string {
	if n.path == "" {
		return field
	}
	return n.path + "." + field
}

func (n node) has(field string) bool { return n.fields[field] != nil }

// text gives a string, empty when it is absent or something else.
func (n node) text(field string) string {
	s, _ := n.fields[field].(string)
	return s
}

// number gives a number, and whether it is one.
func (n node) number(field string) (float64, bool) {
	number, ok := n.fields[field].(json.Number)
	if !ok {
		return 0, false
	}
	f, err := number.Float64()
	return f, err == nil
}

// required wants a string that isn't empty, of at most limit as count counts; a limit of 0 is none.
func (p *problems) required(n node, field string, limit int, count func(string) int) {
	switch s, ok := n.fields[field].(string); {
	case !n.has(field):
		p.add(n.at(field), "must be specified")
	case ok && s == "":
		p.add(n.at(field), "May not be empty")
	default:
		p.optional(n, field, limit, count)
	}
}

// optional wants what required wants, or nothing.
func (p *problems) optional(n node, field string, limit int, count func(string) int) {
	if !n.has(field) {
		return
	}
	s, ok := n.fields[field].(string)
	switch {
	case !ok:
		p.add(n.at(field), "must be a string")
	case limit > 0 && len(s) > limit && count(s) > limit: // no count exceeds the bytes
		p.add(n.at(field), fmt.Sprintf("Length must be between 0 and %d", limit))
	}
}

// url wants an https URL of at most 2,000 characters, as LINE fetches it itself.
func (p *problems) url(n node, field string, required bool) {
	if required {
		p.required(n, field, 2000, utf16Units)
	} else {
		p.optional(n, field, 2000, utf16Units)
	}
	if s := n.text(field); s != "" && !hasScheme(s, "https") {
		p.add(n.at(field), "must start with https://")
	}
}

// link wants a URI with a scheme that LINE opens, of at most 1,000 characters.
func (p *problems) link(n node, field string) {
	p.required(n, field, 1000, utf16Units)
	if s := n.text(field); s != "" && !hasScheme(s, "http", "https", "line", "tel") {
		p.add(n.at(field), "must start with http:, https:, line: or tel:")
	}
}

func hasScheme(uri string, schemes ...string) bool {
	scheme, _, found := strings.Cut(uri, ":")
	for _, s := range schemes {
		if found && strings.EqualFold(scheme, s) {
			return true
		}
	}
	return false
}

// requiredNumber wants a number.
func (p *problems) requiredNumber(n node, field string) {
	if !n.has(field) {
		p.add(n.at(field), "must be specified")
	} else if _, ok := n.number(field); !ok {
		p.add(n.at(field), "must be a number")
	}
}

// object gives a required object.
func (p *problems) object(n node, field string) (node, bool) {
	fields, ok := n.fields[field].(map[string]any)
	if !ok {
		problem := "must be an object"
		if !n.has(field) {
			problem = "must be specified"
		}
		p.add(n.at(field), problem)
	}
	return node{n.at(field), fields}, ok
}

// objects gives the elements of an array of objects that holds at most limit.
func (p *problems) objects(n node, field string, limit int) []node {
	list, ok := n.fields[field].([]any)
	switch {
	case !n.has(field):
		p.add(n.at(field), "must be specified")
	case !ok:
		p.add(n.at(field), "must be an array")
	case len(list) > limit:
		p.add(n.at(field), fmt.Sprintf("Size must be between 0 and %d", limit))
		return nil
	}
	nodes := make([]node, 0, len(list))
	for i, element := range list {
		path := fmt.Sprintf("%s[%d]", n.at(field), i)
		fields, ok := element.(map[string]any)
		if !ok {
			p.add(path, "must be an object")
			continue
		}
		nodes = append(nodes, node{path, fields})
	}
	return nodes
}
