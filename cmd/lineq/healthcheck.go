package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// healthcheckCommand is lineq healthcheck, for images that have no curl.
type healthcheckCommand struct {
	URL         string        `name:"url" placeholder:"URL" help:"Ask this, instead of /readyz at --addr or --metrics-addr."`
	Addr        string        `placeholder:"ADDR" help:"Address of lineq serve."`
	MetricsAddr string        `placeholder:"ADDR" help:"Address of the metrics of lineq worker, where there is no --addr."`
	TLSCert     string        `name:"tls-cert" placeholder:"FILE" help:"The certificate that lineq serve has, which is trusted then."`
	Timeout     time.Duration `default:"4s" help:"How long to wait for the answer."`
}

func (healthcheckCommand) Help() string {
	return `Examples:

    lineq healthcheck --addr :8789
    LINEQ_METRICS_ADDR=:9091 lineq healthcheck
    lineq healthcheck --url http://10.0.0.7:9091/healthz

In a container it takes the addresses from the same variables as lineq serve and lineq worker, so it needs no flags there.
Exit code 0: ready; 1: not, or no answer.`
}

func (c healthcheckCommand) Run(ctx context.Context, a *app) error {
	if c.Timeout <= 0 {
		return misusef("--timeout must be above zero")
	}
	target, err := c.target()
	if err != nil {
		return err
	}
	transport, err := c.transport(a)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return misuse(errors.New("--url isn't a URL"))
	}
	client := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", target, resp.Status, oneLine(strings.TrimSpace(string(said))))
	}
	_, err = fmt.Fprintln(a.stdout, "ready")
	return err
}

// target is what is asked.
func (c healthcheckCommand) target() (string, error) {
	switch {
	case c.URL != "":
		if !strings.HasPrefix(c.URL, "http://") && !strings.HasPrefix(c.URL, "https://") {
			return "", misusef("--url must start with http:// or https://")
		}
		return c.URL, nil
	case c.Addr == "" && c.MetricsAddr == "":
		return "", misusef("there is nothing to ask: give --addr, --metrics-addr or --url")
	}
	flag, addr := "--addr", c.Addr
	if addr == "" {
		flag, addr = "--metrics-addr", c.MetricsAddr
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" || port == "0" {
		return "", misusef("%s must be an address with a port, such as :8789", flag)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	scheme := "http://"
	if c.Addr != "" && c.TLSCert != "" {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port) + "/readyz", nil
}

// transport trusts the certificate of --tls-cert by itself, whatever name it is asked by: it is that of this machine's own
// server.
func (c healthcheckCommand) transport(a *app) (*http.Transport, error) {
	t := &http.Transport{DisableKeepAlives: true}
	if c.TLSCert == "" {
		return t, nil
	}
	data, err := a.read(c.TLSCert, 1<<20)
	if err != nil {
		return nil, err
	}
	known := x509.NewCertPool()
	if !known.AppendCertsFromPEM(data) {
		return nil, misusef("--tls-cert: %s holds no certificate in PEM", c.TLSCert)
	}
	t.TLSClientConfig = &tls.Config{
		InsecureSkipVerify: true, // of the name alone: VerifyConnection looks at the certificate
		VerifyConnection: func(s tls.ConnectionState) error {
			between := x509.NewCertPool()
			for _, cert := range s.PeerCertificates[1:] {
				between.AddCert(cert)
			}
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: known, Intermediates: between})
			return err
		},
	}
	return t, nil
}
