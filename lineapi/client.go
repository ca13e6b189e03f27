package lineapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// LINE's two origins (https://developers.line.biz/en/reference/messaging-api/#domain-name).
const (
	DefaultOrigin     = "https://api.line.me"
	DefaultDataOrigin = "https://api-data.line.me"
)

// Version goes into the User-Agent of every request.
const Version = "0.1.0"

// Config is what a [Client] needs to know. Only Token is required.
type Config struct {
	Token TokenSource

	// Origin and DataOrigin replace [DefaultOrigin] and [DefaultDataOrigin], for tests and proxies: http:// or https://,
	// a host, perhaps a base path; a slash at the end makes no difference.
	Origin     string
	DataOrigin string

	// HTTPClient carries the requests. Nil is a client that all such Clients of the process share, with room for 512 idle
	// connections to a host. Its redirects are never followed: LINE has none, and one could carry a message elsewhere.
	HTTPClient *http.Client
}

// Client calls LINE for one channel. It is safe for concurrent use, never retries and never logs.
type Client struct {
	token   TokenSource
	origins map[endpoint.Host]string
	http    *http.Client
	permit  func(context.Context, endpoint.Endpoint) (time.Duration, error) // nil: nobody is asked
}

// New checks cfg and makes a client of it, without any request.
func New(cfg Config) (*Client, error) {
	if cfg.Token == nil {
		return nil, errors.New("lineapi: Config.Token is nil, StaticToken or NewStatelessToken makes one")
	}
	api, err := origin("Origin", cfg.Origin, DefaultOrigin)
	if err != nil {
		return nil, err
	}
	data, err := origin("DataOrigin", cfg.DataOrigin, DefaultDataOrigin)
	if err != nil {
		return nil, err
	}
	return &Client{
		token:   cfg.Token,
		origins: map[endpoint.Host]string{endpoint.API: api, endpoint.Data: data},
		http:    withoutRedirects(cfg.HTTPClient),
	}, nil
}

// origin checks one origin and takes the slashes off its end. The value stays out of the errors: it may hold a password.
func origin(field, value, standard string) (string, error) {
	if value == "" {
		return standard, nil
	}
	refuse := func(why string) (string, error) { return "", fmt.Errorf("lineapi: Config.%s %s", field, why) }
	if !strings.HasPrefix(value, "http://") && !strings.HasPrefix(value, "https://") {
		return refuse("must start with http:// or https://")
	}
	u, err := url.Parse(value)
	switch {
	case err != nil:
		return refuse("is not a URL")
	case u.Hostname() == "":
		return refuse("has no host")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(value, "#"):
		return refuse("has a query or a fragment")
	case u.User != nil:
		return refuse("holds a user name or a password")
	}
	return strings.TrimRight(value, "/"), nil
}

// sharedHTTPClient serves every Client without one of its own. 2,000 pushes a second that take 100 ms each keep 200
// requests in flight; the pool has room for spikes of more than twice that. There is no overall timeout here, since a
// video may take minutes to download: calls with JSON answers have answerTimeout instead.
var sharedHTTPClient = &http.Client{Transport: &http.Transport{
	Proxy:                 http.ProxyFromEnvironment,
	DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
	ForceAttemptHTTP2:     true,
	TLSHandshakeTimeout:   10 * time.Second,
	ResponseHeaderTimeout: 30 * time.Second,
	ExpectContinueTimeout: time.Second,
	IdleConnTimeout:       90 * time.Second,
	MaxIdleConns:          0, // no limit over all hosts: there are two
	MaxIdleConnsPerHost:   512,
}}

func withoutRedirects(given *http.Client) *http.Client {
	if given == nil {
		given = sharedHTTPClient
	}
	client := *given
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}
