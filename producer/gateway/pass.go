package gateway

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
)

const (
	// passPatience is how long a caller waits for its turn within LINE's limits before it gets LINE's own answer to that.
	passPatience = 3 * time.Second
	// answerTime is how long LINE may take to begin its answer.
	answerTime = time.Minute
	// maxUpload is far above an audience of 1.5 million ids, the largest that LINE takes.
	maxUpload = 128 << 20
	// noChannel stands for all channels where limits are kept of endpoints that need no token. No channel can have the name.
	noChannel = "*"
)

// passage is the way to LINE of what is passed through.
type passage struct {
	origins   map[endpoint.Host]*url.URL
	transport http.RoundTripper
}

func newPassage(origin, dataOrigin string) (*passage, error) {
	p := &passage{origins: map[endpoint.Host]*url.URL{}, transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: answerTime,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   128,
		DisableCompression:    true, // else answers would be unpacked on the way
	}}
	for host, o := range map[endpoint.Host][2]string{
		endpoint.API: {origin, lineapi.DefaultOrigin}, endpoint.Data: {dataOrigin, lineapi.DefaultDataOrigin},
	} {
		text := o[0]
		if text == "" {
			text = o[1]
		}
		u, err := url.Parse(strings.TrimRight(text, "/"))
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, errors.New("gateway: Config.Origin and Config.DataOrigin must be http or https URLs")
		}
		p.origins[host] = u
	}
	return p, nil
}

// passOn hands a request to LINE under the workers' limits, and returns the status of LINE's answer; or the answer that it
// gets here.
func (c *call) passOn() (a answer, passed int) {
	ctx := c.r.Context()
	query, a, ok := c.queryFor(ctx)
	if !ok {
		return a, 0
	}
	name := noChannel
	if c.channel != nil {
		name = c.channel.name
	}
	turn, err := c.limiter.Take(ctx, limit.Request{
		Channel: name, Endpoint: c.target.Endpoint, Priority: limit.Ordinary, Patience: passPatience,
	})
	switch {
	case ctx.Err() != nil:
		return answer{}, statusGone
	case err != nil:
		return c.away(err), 0
	case turn.Wait > 0:
		a := refuse(http.StatusTooManyRequests, textRate)
		a.retryAfter = turn.Wait
		return a, 0
	}
	token := ""
	if c.channel != nil {
		if token, err = c.channel.token.Token(ctx); err != nil {
			c.log.Warn("no channel access token", zap.String("channel", name), zap.Error(err))
			return refuse(http.StatusBadGateway, "LINE gives no channel access token"), 0
		}
	}
	return c.proxy(name, token, query)
}

// statusGone is what stands in the metrics for a caller that didn't wait for its answer.
const statusGone = 499

func (c *call) proxy(name, token, query string) (a answer, passed int) {
	w := &patientWriter{ResponseWriter: c.w, control: http.NewResponseController(c.w)}
	w.wait(answerTime)
	c.r.Body = &patientBody{ReadCloser: http.MaxBytesReader(c.w, c.r.Body, maxUpload), writer: w}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { c.pass.rewrite(r, c.target, token, query) },
		Transport: c.pass.transport,
		ErrorLog:  log.New(io.Discard, "", 0), // what it would say is in the answer, or nobody hears it
		ModifyResponse: func(resp *http.Response) error {
			passed = resp.StatusCode
			c.learn(name, passed)
			if renewer, ok := c.renewer(); ok && passed == http.StatusUnauthorized {
				renewer.Renew(token)
			}
			return nil
		},
		ErrorHandler:  func(_ http.ResponseWriter, _ *http.Request, err error) { a, passed = c.unreached(name, err) },
		FlushInterval: -1, // what LINE streams, streams on
	}
	proxy.ServeHTTP(w, c.r)
	return a, passed
}

// learn tells the limiter how LINE answered.
func (c *call) learn(name string, status int) {
	a := limit.Served
	switch {
	case status == http.StatusTooManyRequests:
		a = limit.Limited
	case status >= 500:
		a = limit.Failing
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), time.Second)
	defer cancel()
	if err := c.limiter.Answered(ctx, name, c.target.Endpoint, a); err != nil {
		c.log.Warn("Redis doesn't answer", zap.String("operation", c.target.Operation), zap.Error(err))
	}
}

// unreached is the answer where LINE gives none.
func (c *call) unreached(name string, err error) (a answer, passed int) {
	if c.r.Context().Err() != nil {
		return answer{}, statusGone
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return refuse(http.StatusRequestEntityTooLarge, http.StatusText(http.StatusRequestEntityTooLarge)), 0
	}
	c.learn(name, http.StatusBadGateway)
	c.log.Warn("LINE can't be reached", zap.String("operation", c.target.Operation), zap.Error(err))
	return refuse(http.StatusBadGateway, "LINE can't be reached"), 0
}

func (c *call) renewer() (lineapi.Renewer, bool) {
	if c.channel == nil {
		return nil, false
	}
	r, ok := c.channel.token.(lineapi.Renewer)
	return r, ok
}

// rewrite makes LINE's request of the caller's: same method, path, headers and body, LINE's host, the channel's own token.
func (p *passage) rewrite(r *httputil.ProxyRequest, t target, token, query string) {
	origin := *p.origins[t.Host]
	r.Out.Host = origin.Host
	r.Out.URL = &url.URL{Scheme: origin.Scheme, Host: origin.Host, RawQuery: query}
	r.Out.URL.Path, _ = url.PathUnescape(origin.EscapedPath() + t.path)
	r.Out.URL.RawPath = origin.EscapedPath() + t.path
	if token != "" {
		r.Out.Header.Set("Authorization", "Bearer "+token)
	}
	for name := range r.Out.Header {
		if strings.HasPrefix(name, "X-Lineq-") {
			r.Out.Header.Del(name)
		}
	}
}

// patientWriter gives every part of an answer its own time to leave.
type patientWriter struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (w *patientWriter) Write(b []byte) (int, error) {
	w.wait(0)
	return w.ResponseWriter.Write(b)
}

// wait lets the next part of the answer begin so much later.
func (w *patientWriter) wait(d time.Duration) {
	_ = w.control.SetWriteDeadline(time.Now().Add(d + writeTime))
}

func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// patientBody gives every part of a body its own time to come.
type patientBody struct {
	io.ReadCloser
	writer *patientWriter
}

func (b *patientBody) Read(p []byte) (int, error) {
	_ = b.writer.control.SetReadDeadline(time.Now().Add(bodyTime))
	b.writer.wait(bodyTime + answerTime)
	return b.ReadCloser.Read(p)
}
