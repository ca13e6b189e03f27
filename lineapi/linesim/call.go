package linesim

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// maxBody is LINE's limit on a request (https://developers.line.biz/en/reference/messaging-api/#status-codes).
const maxBody = 2 << 20

// call is one request on its way through the simulator.
type call struct {
	sim     *Simulator
	w       http.ResponseWriter
	r       *http.Request
	now     time.Time
	number  uint64
	route   *route // nil: no such endpoint
	params  []string
	channel *channel
	body    []byte
	form    url.Values
	key     retryKey
	keyed   bool
}

func (c *call) requestID() string { return c.sim.requestID(c.number) }

// operation is empty where no endpoint was found.
func (c *call) operation() string {
	if c.route == nil {
		return ""
	}
	return c.route.Operation
}

// answer runs the checks that all endpoints share, in the order in which LINE's layers stand: edge, authentication, rate,
// body; then the endpoint itself.
func (c *call) answer(f found) answer {
	switch {
	case c.route == nil && f.path:
		return refuse(http.StatusMethodNotAllowed, "Method Not Allowed")
	case c.route == nil:
		return refuse(http.StatusNotFound, textNotFound)
	case c.route.serve == nil:
		return refuse(http.StatusNotImplemented, "The simulator doesn't have "+c.route.Operation)
	case c.lacksLength():
		return edgeAnswer(http.StatusLengthRequired)
	}
	if !c.route.open {
		if refusal, refused := c.authenticate(); refused {
			return refusal
		}
		if refusal, refused := c.admit(); refused {
			return refusal
		}
	}
	if refusal, refused := c.readRetryKey(); refused {
		return refusal
	}
	if refusal, refused := c.readBody(); refused {
		return refusal
	}
	return c.route.serve(c)
}

// lacksLength spots a POST without a body and without Content-Length, which LINE's edge refuses
// (https://github.com/line/line-platform-feedback/issues/73). A request that came over no connection may lack it.
func (c *call) lacksLength() bool {
	if c.r.Method != http.MethodPost || c.route.body != noBody {
		return false
	}
	if c.r.ContentLength < 0 {
		return true
	}
	overWire := c.r.Context().Value(http.ServerContextKey) != nil && c.r.ProtoMajor == 1
	return overWire && c.r.Header.Get("Content-Length") == ""
}

func (c *call) authenticate() (answer, bool) {
	value := c.r.Header.Get("Authorization")
	scheme, secret, _ := strings.Cut(value, " ")
	if secret == "" || !strings.EqualFold(scheme, "Bearer") {
		return refuseAuth("missing token"), true
	}
	t, reason := c.sim.tokens.lookup(secret, c.now)
	if reason != "" {
		return refuseAuth(reason), true
	}
	c.channel = t.channel
	return answer{}, false
}

// admit takes a token from the channel's bucket for this endpoint, then lets a fault refuse the request. Token endpoints
// call it themselves, once they know the channel.
func (c *call) admit() (answer, bool) {
	limits := c.sim.limits.Load()
	limit := limits.of(c.route.Endpoint)
	if limit.Requests > 0 && !c.channel.buckets[c.route.index].take(c.now, limit, limits.burst()) {
		c.sim.stats.rateLimited.Add(1)
		return refuse(http.StatusTooManyRequests, textRate), true
	}
	if f, hit := c.sim.strike(beforeAcceptance, c.route.Operation); hit {
		return failure(f.status()), true
	}
	return answer{}, false
}

// readRetryKey knows what LINE documents: a UUID, on four endpoints, and 400 on all others
// (https://developers.line.biz/en/docs/messaging-api/retrying-api-request/). LINE's texts for it aren't published.
func (c *call) readRetryKey() (answer, bool) {
	value := c.r.Header.Get("X-Line-Retry-Key")
	if value == "" {
		return answer{}, false
	}
	if c.route.Class != endpoint.RetryKey {
		return refuse(http.StatusBadRequest, "The retry key is not supported by this API"), true
	}
	key, ok := parseRetryKey(value)
	if !ok {
		return invalidParameter("X-Line-Retry-Key"), true
	}
	c.key, c.keyed = key, true
	return answer{}, false
}

func (c *call) readBody() (answer, bool) {
	if c.route.body == noBody {
		return answer{}, false
	}
	var b bytes.Buffer
	if n := c.r.ContentLength; n > 0 && n <= maxBody {
		b.Grow(int(n) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(http.MaxBytesReader(nil, c.r.Body, maxBody)); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return refuse(http.StatusRequestEntityTooLarge, http.StatusText(http.StatusRequestEntityTooLarge)), true
		}
		// The caller left before it had said everything: there is nobody to answer.
		return refuse(http.StatusBadRequest, "The request body could not be read"), true
	}
	c.body = b.Bytes()

	var want string
	switch c.route.body {
	case jsonBody:
		want = "application/json"
	case formBody:
		want = "application/x-www-form-urlencoded"
	default:
		return answer{}, false
	}
	value := c.r.Header.Get("Content-Type")
	if value != want {
		if mediaType, _, err := mime.ParseMediaType(value); err != nil || mediaType != want {
			return refuse(http.StatusUnsupportedMediaType, "The content type, "+value+", is not supported"), true
		}
	}
	if c.route.body == formBody {
		form, err := url.ParseQuery(string(c.body))
		if err != nil {
			return refuseOAuth(http.StatusBadRequest, "invalid_request", "some parameters missed or invalid"), true
		}
		c.form = form
	}
	return answer{}, false
}
