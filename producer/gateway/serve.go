package gateway

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// GCPercent is for debug.SetGCPercent in a program that does little else: a gateway has few live objects, and makes a
// hundred for each request.
const GCPercent = 400

const (
	headerTime = 10 * time.Second
	// writeTime is how long an answer may take to leave; what streams, as long for each of its parts.
	writeTime = time.Minute
	idleTime  = 2 * time.Minute
	// maxHeader bounds the headers of a request.
	maxHeader = 32 << 10
	// readyTime is how long Redis may take to answer, for who asks whether the gateway is ready.
	readyTime = time.Second
)

// Serve answers on l until ctx ends. Then it takes no more connections, says that it isn't ready, and lets the requests
// under way finish for grace; nil means that all have. l may be a TLS listener.
func (g *Gateway) Serve(ctx context.Context, l net.Listener, grace time.Duration) error {
	server := &http.Server{
		Handler: g, ReadHeaderTimeout: headerTime, WriteTimeout: writeTime, IdleTimeout: idleTime,
		// For bodies that nobody here reads, as those of unknown callers: net/http waits for them before the next request.
		// Who reads a body gives it its own time.
		ReadTimeout:    bodyTime,
		MaxHeaderBytes: maxHeader, ErrorLog: log.New(io.Discard, "", 0),
	}
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	var all sync.WaitGroup
	all.Go(func() { g.pressure.watch(watch, g.redis) })
	defer all.Wait()
	defer stop()

	failed := make(chan error, 1)
	all.Go(func() { failed <- server.Serve(l) })
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	close(g.closing)
	for _, h := range g.beside {
		if stopper, ok := h.(interface{ Stop() }); ok {
			stopper.Stop() // its streams would go on for ever
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := server.Shutdown(ending)
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(errors.New("requests were cut off"), server.Close())
	}
	return err
}

// healthz tells that the process runs.
func (g *Gateway) healthz(w http.ResponseWriter) { plainText(w, http.StatusOK, "ok\n") }

// readyz tells whether requests would be taken.
func (g *Gateway) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTime)
	defer cancel()
	pong := make(chan error, 1)
	go func() { pong <- g.redis.Ping(ctx).Err() }() // the client's own patience may be longer
	var err error
	select {
	case err = <-pong:
	case <-ctx.Done():
		err = ctx.Err()
	}
	select {
	case <-g.closing:
		plainText(w, http.StatusServiceUnavailable, "stopping\n")
		return
	default:
	}
	switch {
	case err != nil:
		plainText(w, http.StatusServiceUnavailable, "Redis doesn't answer\n")
	case g.pressure.full.Load():
		plainText(w, http.StatusServiceUnavailable, "Redis is full\n")
	default:
		plainText(w, http.StatusOK, "ok\n")
	}
}

func plainText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}
