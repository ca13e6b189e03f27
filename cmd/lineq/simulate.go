package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/lineq/lineq/lineapi/linesim"
)

// simulateCommand is lineq simulate.
type simulateCommand struct {
	Addr string `default:"127.0.0.1:8788" help:"Address to listen on, port 0 for a free one."`
	simulatorFlags
}

func (simulateCommand) Help() string {
	return `Examples:

    lineq simulate
    lineq simulate --limits off --latency 100ms
    lineq simulate --quota 500 --fault refuse=0.05 --fault accept_cut=0.01 --fault delay=0.1:2s

It answers as LINE would, on both of LINE's origins, and keeps in memory what each recipient received:

    curl http://127.0.0.1:8788/_sim/ledger                      how much arrived
    curl http://127.0.0.1:8788/_sim/ledger/recipients/U…        what arrived at one
    curl http://127.0.0.1:8788/_sim/ledger/duplicates           who received the same twice
    curl http://127.0.0.1:8788/_sim/stats                       what was asked, and how it was answered

A fault is kind=share, a share of the requests that send messages. Refused before LINE accepted: refuse, cut, edge_html.
Accepted, but the caller doesn't learn it: accept_500, accept_cut. Late: delay=share:duration.`
}

func (c simulateCommand) Run(ctx context.Context, a *app) error {
	sim, err := c.simulator()
	if err != nil {
		return err
	}
	listener, err := listen("--addr", c.Addr)
	if err != nil {
		return err
	}
	server := serveSimulator(listener, sim)
	url := "http://" + listener.Addr().String()
	fmt.Fprintf(a.stderr, `simulated LINE on %s, control on %s/_sim/
  LINE_CHANNEL_ACCESS_TOKEN=%s lineq worker --line-origin %s
`, url, url, linesim.DefaultChannel.Token, url)
	select {
	case <-ctx.Done():
	case err := <-server.failed:
		return err
	}
	return server.stop()
}

// simulatorFlags say how the simulated LINE behaves.
type simulatorFlags struct {
	Limits  string        `enum:"published,off" default:"published" help:"LINE's published rate limits, or off."`
	Quota   int64         `placeholder:"N" help:"Messages that may be sent in a month."`
	Latency time.Duration `help:"Wait so long before every answer."`
	Fault   []string      `placeholder:"KIND=SHARE" help:"Make a share of the sends fail, as refuse=0.05; may be repeated."`
	Seed    uint64        `help:"Other faults and identifiers with another seed."`
}

// simulator makes a simulated LINE of one channel, linesim.DefaultChannel.
func (f simulatorFlags) simulator() (*linesim.Simulator, error) {
	channel := linesim.DefaultChannel
	channel.Quota.Limit = f.Quota
	sim, err := linesim.New(linesim.Config{
		Limits: linesim.Limits{Off: f.Limits == "off"}, Latency: f.Latency, Seed: f.Seed,
		Channels: []linesim.Channel{channel},
	})
	if err != nil {
		return nil, misuse(err)
	}
	var faults []linesim.Fault
	for _, text := range f.Fault {
		fault, err := parseFault(text)
		if err != nil {
			return nil, misuse(marked{err, errFault})
		}
		faults = append(faults, fault)
	}
	if err := sim.SetFaults(faults); err != nil {
		return nil, misuse(marked{fmt.Errorf("--fault: %w", err), errFault})
	}
	return sim, nil
}

// parseFault reads kind=share, and kind=share:duration for a delay.
func parseFault(text string) (linesim.Fault, error) {
	kind, rest, found := strings.Cut(text, "=")
	share, delay, delayed := strings.Cut(rest, ":")
	f := linesim.Fault{Kind: linesim.FaultKind(kind)}
	var err error
	if found {
		f.Share, err = strconv.ParseFloat(share, 64)
	}
	if delayed && err == nil {
		f.Delay, err = time.ParseDuration(delay)
	}
	if !found || err != nil || !(f.Share > 0 && f.Share <= 1) {
		return linesim.Fault{}, fmt.Errorf("--fault %q isn't kind=share with a share above 0 and up to 1", text)
	}
	return f, nil
}

// listen takes the TCP address that a flag gives.
func listen(flag, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %w", flag, err)
	case err != nil:
		return nil, misusef("%s: %w", flag, err)
	}
	return l, nil
}

// simulatorServer is a simulated LINE on an address.
type simulatorServer struct {
	http   *http.Server
	failed chan error // gets the error of a server that ended by itself
}

// controlPath is where the simulator's control handler is: no path of LINE's begins like that.
const controlPath = "/_sim"

func serveSimulator(l net.Listener, sim *linesim.Simulator) *simulatorServer {
	control := http.StripPrefix(controlPath, sim.ControlHandler())
	s := &simulatorServer{failed: make(chan error, 1), http: &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, controlPath+"/") {
				control.ServeHTTP(w, r)
				return
			}
			sim.ServeHTTP(w, r)
		}),
	}}
	go func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	return s
}

// stop lets requests under way end, for a second.
func (s *simulatorServer) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}
