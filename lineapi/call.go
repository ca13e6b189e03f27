package lineapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

const (
	// answerTimeout bounds a call with a JSON answer, its token and its upload included. A shorter deadline of the
	// caller's context goes first. LINE names no timeout of its own.
	answerTimeout = 60 * time.Second

	maxAnswer     = 1 << 20  // bytes of an ordinary answer and of every error
	maxListAnswer = 10 << 20 // bytes of an answer that lists: 1,000 rich menus with 20 areas are a few MB

	headerRetryKey          = "X-Line-Retry-Key"
	headerRequestID         = "X-Line-Request-Id"
	headerAcceptedRequestID = "X-Line-Accepted-Request-Id"
)

// call is one request, still without origin and token.
type call struct {
	endpoint endpoint.Endpoint
	segments []string // path parameters, checked but not escaped
	query    url.Values

	contentType string
	body        []byte  // a body in memory, which net/http may send again when nothing of it was written
	upload      *upload // or one that streams

	retryKey  string
	maxAnswer int64 // 0 is maxAnswer

	secrets  []string  // values of the request that an error must not repeat
	messages []Message // the same for what they say
	ready    bool      // they stand in the body
}

// upload is a body of size bytes that streams from a reader of the caller's.
type upload struct {
	io.Reader
	size int64
	turn chan struct{} // of capacity 1, full while the caller's reader reads
	over atomic.Bool   // nothing may read any more
}

func newUpload(r io.Reader, size int64) *upload {
	return &upload{Reader: r, size: size, turn: make(chan struct{}, 1)}
}

// Read reads from the caller's reader, unless the upload is over.
func (u *upload) Read(b []byte) (int, error) {
	u.turn <- struct{}{}
	defer func() { <-u.turn }()
	if u.over.Load() {
		return 0, io.ErrClosedPipe
	}
	return u.Reader.Read(b)
}

// Close ends the reading, and leaves the caller's reader open. net/http calls it while a Read is under way.
func (u *upload) Close() error {
	u.over.Store(true)
	return nil
}

// giveBack ends the reading and returns when nothing reads any more: net/http goes on for a moment after an early answer,
// and the reader is the caller's again when the call returns. The caller's own cancellation doesn't wait.
func (u *upload) giveBack(ctx context.Context) {
	u.Close()
	select {
	case u.turn <- struct{}{}:
		<-u.turn
	case <-ctx.Done():
	}
}

// answer is what LINE said to a call that it accepted. The body may be cut: unread says why.
type answer struct {
	status int
	header http.Header
	body   []byte
	unread error
}

// do makes one call and reads its answer: 2xx, or 409 with the id of the request that was accepted before.
func (c *Client) do(ctx context.Context, k call) (answer, error) {
	if end, ok := ctx.Deadline(); !ok || time.Until(end) > answerTimeout {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, answerTimeout)
		defer cancel()
	}
	if k.upload != nil {
		defer k.upload.giveBack(ctx)
	}
	resp, err := c.open(ctx, k)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	limit := k.maxAnswer
	if limit == 0 {
		limit = maxAnswer
	}
	body, err := readUpTo(resp.Body, limit)
	return answer{status: resp.StatusCode, header: resp.Header, body: body, unread: err}, nil
}

// open makes one call and leaves the body of its answer to the caller.
func (c *Client) open(ctx context.Context, k call) (*http.Response, error) {
	token, err := c.token.Token(ctx)
	if err != nil {
		return nil, noToken(k.endpoint.Operation, err)
	}
	if !fitsHeader(token) {
		return nil, &Error{Operation: k.endpoint.Operation, Reason: Auth, Unsent: true,
			Message: "the channel access token is empty or holds characters that no token has"}
	}
	var w *way
	if !k.ready {
		ctx, w = watched(ctx)
	}
	req, err := k.request(ctx, c.origins[k.endpoint.Host])
	if err != nil {
		return nil, err
	}
	req.Header["Authorization"] = []string{"Bearer " + token}
	if err := c.mayGo(ctx, k.endpoint); err != nil {
		return nil, err
	}
	resp, err := exchange(c.http, req, w, k.endpoint.Operation, append(k.secrets, token), k.content)
	if renewer, ok := c.token.(Renewer); ok && ReasonOf(err) == Auth {
		renewer.Renew(token)
	}
	return resp, err
}

// request builds the request, all but its Authorization.
func (k call) request(ctx context.Context, origin string) (*http.Request, error) {
	target, err := k.target(origin)
	if err != nil {
		return nil, &Error{Operation: k.endpoint.Operation, Reason: Invalid, Unsent: true, Err: withoutURL(err)}
	}
	req := (&http.Request{
		Method: k.endpoint.Method, URL: target, Host: target.Host, Header: make(http.Header, 4),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	switch {
	case k.upload != nil:
		req.Body, req.ContentLength = k.upload, k.upload.size
	case len(k.body) > 0:
		// As http.NewRequest does: net/http knows these types, and can rewind the body.
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(k.body)), nil }
		req.Body, _ = req.GetBody()
		req.ContentLength = int64(len(k.body))
	case k.body != nil:
		req.Body = http.NoBody
	}
	// The names are in their canonical form, as Header.Set would bring them to.
	req.Header["User-Agent"] = userAgent
	if k.contentType != "" {
		req.Header["Content-Type"] = []string{k.contentType}
	}
	if k.retryKey != "" {
		req.Header[headerRetryKey] = []string{k.retryKey}
	}
	return req, nil
}

// content is what an error must not repeat of what the messages say.
func (k call) content() []string {
	if k.ready {
		return contentOf(messagesIn(k.body))
	}
	return contentOf(k.messages)
}

// targets are the URLs of calls without parameters, which most are: there are only so many.
var targets sync.Map

func (k call) target(origin string) (*url.URL, error) {
	if len(k.segments) == 0 && len(k.query) == 0 {
		text := origin + k.endpoint.Path
		if known, ok := targets.Load(text); ok {
			return known.(*url.URL), nil
		}
		target, err := url.Parse(text)
		if err == nil {
			targets.Store(text, target)
		}
		return target, err
	}
	escaped := make([]string, len(k.segments))
	for i, s := range k.segments {
		escaped[i] = url.PathEscape(s)
	}
	text := origin + k.endpoint.Expand(escaped...)
	if len(k.query) > 0 {
		text += "?" + k.query.Encode()
	}
	return url.Parse(text)
}

// way is how far a request came. Nil: nobody watches.
type way struct{ sought, connected atomic.Bool }

// unsent tells whether it is certain that nothing of the request was sent. Where no connection was sought, a transport that
// isn't net/http's may have sent anything. Watching costs a request of many more than it is worth: then only the usual cases
// are recognised, that nobody listens, there or at a proxy, and that who does isn't LINE.
func (w *way) unsent(err error) bool {
	if w == nil {
		if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
			return true
		}
		refused, ok := errors.AsType[*net.OpError](err)
		return ok && (refused.Op == "dial" || refused.Op == "proxyconnect")
	}
	return w.sought.Load() && !w.connected.Load()
}

// watched is the context of a request whose way is watched.
func watched(ctx context.Context) (context.Context, *way) {
	w := &way{}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { w.sought.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { w.connected.Store(true) },
	}), w
}

// carry sends req. Of what a http.Client does beside its transport, redirects aren't wanted, and the rest only where it
// has been asked for.
func carry(client *http.Client, req *http.Request) (*http.Response, error) {
	if client.Jar != nil || client.Timeout != 0 {
		return client.Do(req)
	}
	transport := client.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	return transport.RoundTrip(req)
}

// exchange sends req and returns the answer, if it is a success. Everything else becomes an *Error, without the secrets
// and without what the messages say.
func exchange(
	client *http.Client, req *http.Request, w *way, operation string, secrets []string, content func() []string,
) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, &Error{Operation: operation, Reason: Network, Unsent: true, Err: err}
	}
	resp, err := carry(client, req)
	if err != nil {
		err = withoutURL(err)
		unsent := w.unsent(err)
		if text := concealed(err.Error(), append(secrets, content()...)); text != err.Error() {
			err = errors.New(text)
		}
		return nil, &Error{Operation: operation, Reason: Network, Unsent: unsent, Err: err}
	}
	for _, name := range []string{headerRequestID, headerAcceptedRequestID} {
		if id := resp.Header.Get(name); id != "" && !isUUID(id) {
			resp.Header.Set(name, oneLine(concealed(id, secrets)))
		}
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 ||
		resp.StatusCode == http.StatusConflict && resp.Header.Get(headerAcceptedRequestID) != "" {
		return resp, nil
	}
	defer resp.Body.Close()
	body, _ := readUpTo(resp.Body, maxAnswer) // the status decides, whatever became of the body
	return nil, errorOf(resp, body, operation, append(secrets, content()...))
}

// userAgent is that of every request. It must not be changed.
var userAgent = []string{"lineq/" + Version}

// isUUID recognises the form of LINE's request ids, in which no secret is.
func isUUID(id string) bool { return retryKeyProblem(id) == "" }

// errorOf turns an answer into an error.
func errorOf(resp *http.Response, body []byte, operation string, secrets []string) *Error {
	tidy := func(s string) string { return oneLine(concealed(s, secrets)) } // in this order: a cut secret isn't found
	message, details := explainAnswer(body)
	e := &Error{
		Operation:         operation,
		Status:            resp.StatusCode,
		Reason:            reasonOfStatus(resp.StatusCode, message),
		Message:           tidy(message),
		RequestID:         tidy(resp.Header.Get(headerRequestID)),
		AcceptedRequestID: tidy(resp.Header.Get(headerAcceptedRequestID)),
		RetryAfter:        retryAfter(resp.Header),
	}
	for _, d := range details {
		e.Details = append(e.Details, Detail{Message: tidy(d.Message), Property: tidy(d.Property)})
	}
	return e
}

// concealed takes secrets out of a foreign text, the longest first: one may be part of another.
func concealed(s string, secrets []string) string {
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[hidden]")
		}
	}
	return s
}

var errTooLong = errors.New("the answer is longer than any that LINE documents")

func readUpTo(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(body)) > limit {
		return body[:limit], errTooLong
	}
	return body, err
}

// read makes a call whose answer is wanted, and decodes it.
func read[T any](ctx context.Context, c *Client, k call) (T, error) {
	var v T
	a, err := c.do(ctx, k)
	if err != nil {
		return v, err
	}
	return v, a.decode(k.endpoint.Operation, &v)
}

// decode reads the body of a success. A body that broke off is the network's fault, one that isn't what LINE documents is
// unknown.
func (a answer) decode(operation string, v any) error {
	e := &Error{Operation: operation, Status: a.status, RequestID: a.header.Get(headerRequestID)}
	switch {
	case errors.Is(a.unread, errTooLong):
		e.Reason, e.Message = Unknown, a.unread.Error()
		return e
	case a.unread != nil:
		e.Reason, e.Message, e.Err = Network, "the answer broke off", a.unread
		return e
	}
	if err := json.Unmarshal(a.body, v); err != nil {
		// The decoder's own text may quote the answer, which may be a token.
		e.Reason, e.Message = Unknown, fmt.Sprintf("the answer of %d bytes is not the JSON that LINE documents", len(a.body))
		return e
	}
	return nil
}

// write makes a call that changes something. Its body, if any, is the caller's to decode.
func (c *Client) write(ctx context.Context, k call) (Receipt, answer, error) {
	a, err := c.do(ctx, k)
	if err != nil {
		return Receipt{}, answer{}, err
	}
	return receiptOf(a), a, nil
}

// checkedWrite makes a call that changes something, unless something is wrong with it.
func (c *Client) checkedWrite(ctx context.Context, p problems, k call) (Receipt, error) {
	if err := p.err(); err != nil {
		return Receipt{}, inOperation(k.endpoint.Operation, err)
	}
	r, _, err := c.write(ctx, k)
	return r, err
}

// checkedRead is read, unless something is wrong with the call.
func checkedRead[T any](ctx context.Context, c *Client, p problems, k call) (T, error) {
	if err := p.err(); err != nil {
		var none T
		return none, inOperation(k.endpoint.Operation, err)
	}
	return read[T](ctx, c, k)
}

// jsonCall is a call with a JSON body.
func jsonCall(e endpoint.Endpoint, body []byte) call {
	return call{endpoint: e, contentType: jsonType, body: body}
}

// noToken is the failure of a token source. A refusal there means that the credentials are wrong, whatever its status:
// the request itself may be right.
func noToken(operation string, err error) error {
	reason := ReasonOf(err)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		reason = Network
	case reason == Invalid, reason == Unknown:
		reason = Auth
	}
	e := &Error{Operation: operation, Reason: reason, Unsent: true, Message: "no channel access token", Err: err}
	if cause, ok := errors.AsType[*Error](err); ok {
		e.RetryAfter = cause.RetryAfter
	}
	return e
}

// fitsHeader wants what RFC 6750 allows a bearer token, which net/http would refuse less clearly otherwise.
func fitsHeader(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] > '~' {
			return false
		}
	}
	return token != ""
}
