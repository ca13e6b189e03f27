package gateway

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
)

// call is one request that is answered here.
type call struct {
	*Gateway
	w       http.ResponseWriter
	r       *http.Request
	target  target
	channel *channel
	body    []byte
	long    bool // it is one of the few that may have many recipients in memory
}

// line answers what is LINE's, in the order of LINE's layers: path, authentication, rate, retry key, body, endpoint.
func (g *Gateway) line(w http.ResponseWriter, r *http.Request, path string) {
	start := time.Now()
	r, span := g.beginSpan(r)
	c := &call{Gateway: g, w: w, r: r}
	a, passed := c.decide(path)
	if passed == 0 {
		if a.requestID == "" {
			a.requestID = newRequestID()
		}
		a.write(w)
	}
	g.metrics.answered(c, cmp.Or(passed, a.status), time.Since(start))
	endSpan(span, c, cmp.Or(passed, a.status))
}

// decide finds the answer to a request, or passes it through: then it returns the status that LINE gave, instead.
func (c *call) decide(path string) (a answer, passed int) {
	var ok bool
	if c.target, ok = findTarget(c.r.Method, path); !ok {
		return refuseFor(http.StatusNotFound, textNotFound), 0
	}
	var why string
	if c.channel, why = c.door.Load().caller(c.r); c.channel == nil && !isOpen(c.target.Endpoint) {
		return refuseCaller(why), 0
	}
	how := queued[c.target.Operation]
	if how == nil {
		return c.passOn()
	}
	weight := weightOf(c.r)
	if !c.pressure.enter(weight) {
		c.metrics.turnedAway.Inc()
		return c.pressure.refusal(), 0
	}
	defer c.pressure.leave(weight)
	return c.answer(how), 0
}

// isOpen tells of the endpoints that need no channel access token: those that issue and check tokens.
func isOpen(e endpoint.Endpoint) bool {
	switch e.Operation {
	case endpoint.IssueStatelessChannelToken.Operation, endpoint.GetsAllValidChannelAccessTokenKeyIds.Operation,
		endpoint.IssueChannelTokenByJWT.Operation, endpoint.VerifyChannelTokenByJWT.Operation,
		endpoint.RevokeChannelTokenByJWT.Operation, endpoint.IssueChannelToken.Operation,
		endpoint.VerifyChannelToken.Operation, endpoint.RevokeChannelToken.Operation:
		return true
	}
	return false
}

// answer makes a task of the request and enqueues it.
func (c *call) answer(how *maker) answer {
	o, refusal, ok := c.options()
	if !ok {
		return refusal
	}
	if how.json {
		if refusal, ok := c.readBody(); !ok {
			return refusal
		}
	}
	defer func() {
		if c.long {
			c.pressure.leaveLong()
		}
	}()
	task, refusal, ok := how.task(c)
	if !ok {
		return refusal
	}
	if many, isMany := task.(manyRecipients); isMany {
		return c.campaign(many, o)
	}
	return c.enqueue(task, o)
}

// maker makes a task of a request.
type maker struct {
	json bool // it has a body
	task func(*call) (tasks.Task, answer, bool)
}

// newRequestID has the form of LINE's.
func newRequestID() string {
	var u [16]byte
	rand.Read(u[:])
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return formatUUID(u)
}
