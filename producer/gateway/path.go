package gateway

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// target is where a request goes at LINE.
type target struct {
	endpoint.Endpoint
	params []string
	path   string // still escaped
}

// fixed are the endpoints without parameters in their path, by method and path.
var fixed = func() map[[2]string]endpoint.Endpoint {
	all := map[[2]string]endpoint.Endpoint{}
	for _, e := range endpoint.All {
		if !strings.Contains(e.Path, "{") {
			all[[2]string{e.Method, e.Path}] = e
		}
	}
	return all
}()

// tomorrow stands for what isn't in the table of endpoints. LINE grants what it doesn't list 2,000 requests a second.
var tomorrow = endpoint.Endpoint{
	Operation: "other", Host: endpoint.API, Limit: endpoint.PushMessage.Limit, Class: endpoint.NotRepeatable,
}

// findTarget reads an escaped path. It refuses those that a server behind this one may read otherwise: a path that climbs,
// that holds an escaped slash, or that hides plain characters behind escapes.
func findTarget(method, path string) (target, bool) {
	if e, ok := fixed[[2]string{method, path}]; ok {
		return target{Endpoint: e, path: path}, true
	}
	if !isPlain(path) {
		return target{}, false
	}
	for _, host := range []endpoint.Host{endpoint.API, endpoint.Data} {
		e, params, ok := endpoint.Match(method, host, path)
		if !ok {
			continue
		}
		for i, p := range params {
			params[i], _ = url.PathUnescape(p) // isPlain has read it
		}
		return target{Endpoint: e, params: params, path: path}, true
	}
	t := target{Endpoint: tomorrow, path: path}
	t.Method, t.Host = method, hostOf(path)
	return t, true
}

// hostOf guesses LINE's host of a path that no endpoint has with this method: that of the other methods.
func hostOf(path string) endpoint.Host {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		if _, _, ok := endpoint.Match(method, endpoint.Data, path); ok {
			return endpoint.Data
		}
	}
	return endpoint.API
}

func isPlain(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		plain, err := url.PathUnescape(segment)
		if err != nil || plain == "" || plain == "." || plain == ".." {
			return false
		}
		for i := range len(plain) {
			if c := plain[i]; c == '/' || c == '\\' || c < ' ' || c == 0x7f {
				return false
			}
		}
		for rest := segment; ; {
			_, after, escaped := strings.Cut(rest, "%")
			if !escaped {
				break
			}
			if c, _ := url.PathUnescape("%" + after[:2]); isUnreserved(c[0]) {
				return false
			}
			rest = after
		}
	}
	return true
}

// isUnreserved tells of the characters that nobody has to escape (RFC 3986, section 2.3).
func isUnreserved(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
