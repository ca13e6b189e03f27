package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// configReviewer walks through a file and goes on after what is wrong, which readConfig doesn't.
type configReviewer struct {
	app     *app
	path    string
	anchors map[string]ast.Node
	flags   map[string][]commandFlag
	texts   map[string]string // of the settings, by name
	keys    map[string]ast.Node
	seen    map[string]string // whose a token or an id is
	review  configReview
}

// reviewConfig says everything that is wrong with a file.
func reviewConfig(a *app, path string, data []byte) configReview {
	v := &configReviewer{
		app: a, path: path, anchors: map[string]ast.Node{}, flags: flagsOf(a.model), texts: map[string]string{},
		keys: map[string]ast.Node{}, seen: map[string]string{},
		review: configReview{
			File: path, Problems: []configProblem{}, Settings: []configSetting{}, Channels: []string{}, APIKeys: []string{},
		},
	}
	v.document(data)
	slices.SortStableFunc(v.review.Problems, func(a, b configProblem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	v.review.OK = len(v.review.Problems) == 0
	return v.review
}

func (v *configReviewer) at(n ast.Node, setting, advice, format string, args ...any) {
	p := configProblem{Line: 1, Column: 1, Setting: nameShown(setting), Text: fmt.Sprintf(format, args...), Advice: advice}
	if n != nil && n.GetToken() != nil && n.GetToken().Position != nil {
		p.Line, p.Column = n.GetToken().Position.Line, n.GetToken().Position.Column
	}
	v.review.Problems = append(v.review.Problems, p)
}

// nameShown is a name of the file as it may stand in one line of output.
func nameShown(name string) string {
	name = oneLine(strings.ToValidUTF8(name, "?"))
	if len(name) > 120 {
		name = strings.ToValidUTF8(name[:120], "") + "…"
	}
	return name
}

func (v *configReviewer) document(data []byte) {
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		line, column, text := splitPosition(yamlError(v.path, err).Error(), v.path)
		v.review.Problems = append(v.review.Problems, configProblem{
			Line: line, Column: column, Text: text, Advice: "quote what has special characters, and indent with spaces",
		})
		return
	}
	var root ast.Node
	for _, doc := range parsed.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			v.at(doc.Body, "", "take the line --- and what follows it out", "it holds more than one document")
			return
		}
		root = doc.Body
		ast.Walk(anchorFinder(v.anchors), doc.Body)
	}
	if root == nil {
		return
	}
	v.each("", root, func(name string, key, value ast.Node) {
		switch name {
		case "channels":
			v.each(name, value, v.channel)
		case "api_keys":
			v.apiKeys(value)
		default:
			v.setting(name, key, value)
		}
	})
	v.pairs()
}

// anchorFinder remembers what the anchors of a file stand for.
type anchorFinder map[string]ast.Node

// Visit is goccy/go-yaml's.
func (f anchorFinder) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		f[a.Name.GetToken().Value] = a.Value
	}
	return f
}

// plain is a node without anchors and tags around it, and what an alias stands for.
func (v *configReviewer) plain(n ast.Node) ast.Node {
	for range 10 { // an alias may stand for itself
		switch wrapped := n.(type) {
		case *ast.AnchorNode:
			n = wrapped.Value
		case *ast.TagNode:
			n = wrapped.Value
		case *ast.AliasNode:
			n = v.anchors[wrapped.Value.GetToken().Value]
		default:
			return n
		}
	}
	return nil
}

// each calls f for the entries of a mapping; nothing at all is an empty one.
func (v *configReviewer) each(place string, n ast.Node, f func(name string, key, value ast.Node)) {
	v.entries(place, n, 0, map[string]bool{}, f)
}

func (v *configReviewer) entries(place string, n ast.Node, depth int, had map[string]bool, f func(name string, key, value ast.Node)) {
	switch m := v.plain(n).(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		for _, entry := range m.Values {
			name := entry.Key.GetToken().Value
			if _, merges := entry.Key.(*ast.MergeKeyNode); !merges && !had[name] {
				had[name] = true
				f(name, entry.Key, entry.Value)
			}
		}
		for _, entry := range m.Values { // what is merged gives way to what stands there
			if _, merges := entry.Key.(*ast.MergeKeyNode); merges && depth < 5 {
				v.entries(place, entry.Value, depth+1, had, f)
			}
		}
	default:
		v.at(n, place, "write name: value, one a line", "it isn't a list of names and values")
	}
}

// text is a single value, or false.
func (v *configReviewer) text(n ast.Node) (string, bool) {
	switch s := v.plain(n).(type) {
	case nil:
		return "", false
	case *ast.NullNode:
		return "", true
	case ast.ScalarNode:
		return scalars(s)
	}
	return "", false
}
