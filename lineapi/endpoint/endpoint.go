// Package endpoint is the one table of LINE's endpoints: operation, method, host, path, limit and retry class.
//
// The client builds its requests from it, a limiter reads its limits from it, a worker its retry rules, a gateway its
// routes, and the simulated LINE is checked against it. Start with [All], [Match] or an endpoint's own name, such as
// [PushMessage].
package endpoint

import (
	"strings"
	"time"
)

// Host is one of LINE's two origins.
type Host string

const (
	API  Host = "api"  // https://api.line.me
	Data Host = "data" // https://api-data.line.me, for binary content in both directions
)

// Class says what a second request does, when nobody knows what became of the first.
type Class string

const (
	Read          Class = "R"  // read or dry run: repeat freely
	RetryKey      Class = "K"  // safe to repeat with the same X-Line-Retry-Key and body, for 24 hours
	ResumeKey     Class = "RK" // safe to repeat with the same resumeRequestKey in the body, for 14 days
	OneShot       Class = "N1" // no key; a single-use token limits the damage, what happened stays unknown
	NotRepeatable Class = "N"  // no key; a repeat doubles the effect
	Destructive   Class = "N!" // no key; a repeat can also use up or kill something else
	AlreadyDone   Class = "G"  // a repeat is harmless, its error really means "already done"
	LastWins      Class = "L"  // sets a state: a repeat is harmless, order matters
	Idempotent    Class = "I"  // a repeat is harmless
)

// Repeatable tells whether a request may be made again after one whose answer was lost. A class that isn't known may not.
func (c Class) Repeatable() bool {
	switch c {
	case Read, RetryKey, ResumeKey, AlreadyDone, LastWins, Idempotent:
		return true
	}
	return false
}

// Limit is a rate that LINE grants one channel on one endpoint. The zero value means that LINE states none.
type Limit struct {
	Requests int
	Per      time.Duration
}

func perSecond(n int) Limit { return Limit{n, time.Second} }
func perMinute(n int) Limit { return Limit{n, time.Minute} }
func perHour(n int) Limit   { return Limit{n, time.Hour} }

// Endpoint is one operation. Its limit holds for method and path template together: parameters, body and the caller's
// address play no part (https://developers.line.biz/en/reference/messaging-api/#rate-limits-scope).
type Endpoint struct {
	Operation string // LINE's operationId, for example "pushMessage"
	Method    string
	Host      Host
	Path      string // template, for example "/v2/bot/profile/{userId}"
	OK        int    // LINE's status for success
	Limit     Limit
	Class     Class
}

// All holds every endpoint, in the order of LINE's documents. It must not be changed.
var All []Endpoint

func add(operation, method string, host Host, path string, ok int, limit Limit, class Class) Endpoint {
	e := Endpoint{operation, method, host, path, ok, limit, class}
	All = append(All, e)
	return e
}

// Expand replaces the parameters of the path, in their order, by the given segments, which must be escaped already.
// It panics when their number differs: that is a mistake of the calling code, not of its input.
func (e Endpoint) Expand(segments ...string) string {
	var b strings.Builder
	rest := e.Path
	for _, s := range segments {
		open, end := strings.IndexByte(rest, '{'), strings.IndexByte(rest, '}')
		if open < 0 {
			panic("endpoint: too many path segments for " + e.Path)
		}
		b.WriteString(rest[:open])
		b.WriteString(s)
		rest = rest[end+1:]
	}
	if strings.IndexByte(rest, '{') >= 0 {
		panic("endpoint: too few path segments for " + e.Path)
	}
	b.WriteString(rest)
	return b.String()
}

// Match finds the endpoint that serves method and path on host, and the values of its path parameters. A literal segment
// wins over a parameter, as at LINE: /v2/bot/richmenu/list is the list, not the menu "list".
func Match(method string, host Host, path string) (e Endpoint, params []string, ok bool) {
	segments := strings.Split(path, "/")
	for _, c := range All {
		if c.Method != method || c.Host != host {
			continue
		}
		p, matches := match(strings.Split(c.Path, "/"), segments)
		if matches && (!ok || len(p) < len(params)) {
			e, params, ok = c, p, true
		}
	}
	return e, params, ok
}

func match(template, segments []string) (params []string, ok bool) {
	if len(template) != len(segments) {
		return nil, false
	}
	for i, t := range template {
		switch {
		case strings.HasPrefix(t, "{"):
			if segments[i] == "" {
				return nil, false
			}
			params = append(params, segments[i])
		case t != segments[i]:
			return nil, false
		}
	}
	return params, true
}
