package linesim

import (
	"net/url"
	"strings"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// route is one endpoint with what serves it.
type route struct {
	endpoint.Endpoint
	index int // in endpoint.All
	handler
}

type handler struct {
	serve func(*call) answer // nil: not simulated
	body  bodyKind
	open  bool // needs no channel access token
}

type bodyKind byte

const (
	noBody bodyKind = iota
	jsonBody
	formBody
	imageBody
)

// routes is a tree of path segments; "{" is the branch of a parameter.
type routes struct{ root node }

type node struct {
	next    map[string]*node
	methods map[string]*route
}

func newRoutes() *routes {
	all := &routes{}
	for i, e := range endpoint.All {
		n := &all.root
		for _, segment := range strings.Split(e.Path, "/")[1:] {
			if strings.HasPrefix(segment, "{") {
				segment = "{"
			}
			if n.next == nil {
				n.next = map[string]*node{}
			}
			if n.next[segment] == nil {
				n.next[segment] = &node{}
			}
			n = n.next[segment]
		}
		if n.methods == nil {
			n.methods = map[string]*route{}
		}
		n.methods[e.Method] = &route{Endpoint: e, index: i, handler: handlers[e.Operation]}
	}
	return all
}

type found struct {
	route  *route // nil: none
	params []string
	path   bool // the path exists, the method doesn't
}

func (all *routes) find(method, host, path string) found {
	if path == "" || path[0] != '/' {
		return found{}
	}
	var f found
	all.root.find(method, path[1:], nil, &f)
	if f.route != nil && !f.route.on(host) {
		return found{}
	}
	for i, p := range f.params {
		unescaped, err := url.PathUnescape(p)
		if err != nil {
			return found{}
		}
		f.params[i] = unescaped
	}
	return f
}

// find tries the literal branch before the parameter's: /v2/bot/richmenu/list is the list, not the menu "list".
func (n *node) find(method, path string, params []string, f *found) {
	segment, rest, more := strings.Cut(path, "/")
	for i, name := range [2]string{segment, "{"} {
		child := n.next[name]
		if child == nil || segment == "" || segment == "{" {
			continue
		}
		branch := params
		if i == 1 {
			branch = append(params[:len(params):len(params)], segment)
		}
		if more {
			child.find(method, rest, branch, f)
		} else if child.methods != nil {
			f.path = true
			if r := child.methods[method]; r != nil {
				f.route, f.params = r, branch
			}
		}
		if f.route != nil {
			return
		}
	}
}

// on says whether LINE serves the endpoint on host. Only LINE's own names are told apart.
func (r *route) on(host string) bool {
	switch strings.TrimSuffix(host, ":443") {
	case "api.line.me":
		return r.Host == endpoint.API
	case "api-data.line.me":
		return r.Host == endpoint.Data
	}
	return true
}

// Simulated says whether the simulator has the operation, or only answers 501 for it.
func Simulated(operation string) bool { return handlers[operation].serve != nil }
