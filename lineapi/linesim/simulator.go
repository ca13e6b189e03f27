package linesim

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Config describes a [Simulator]. The zero value is usable: published limits, no latency, [DefaultChannel].
type Config struct {
	// Clock is the simulator's time; nil means time.Now. Limits, retry keys, reply tokens, quota months, content and the
	// life of tokens go by it. It must be safe for concurrent use.
	Clock func() time.Time

	Limits   Limits
	Channels []Channel // none: DefaultChannel alone

	// Latency is waited before every answer, in real time and after the request was judged. A caller that gives up
	// meanwhile gets no answer.
	Latency time.Duration

	// Seed makes identifiers, and faults by share, the same in every run that sends the same requests in the same order.
	// Identifiers and tokens are predictable, therefore: they protect nothing.
	Seed uint64

	// RefuseUnknown makes a multicast with an unknown user fail with 400 and name the first one. By default such users are
	// skipped: LINE documents both (https://developers.line.biz/en/reference/messaging-api/#send-multicast-message).
	RefuseUnknown bool
}

// Simulator answers as LINE would. It serves the paths of api.line.me and api-data.line.me on one address and is safe for
// concurrent use.
type Simulator struct {
	config    Config
	routes    *routes
	limits    atomic.Pointer[Limits]
	offset    atomic.Int64 // nanoseconds added to the clock
	requests  atomic.Uint64
	serial    atomic.Uint64 // of everything made that isn't a request or a message
	messages  atomic.Uint64
	faults    *faults
	stats     stats
	directory *directory
	book      atomic.Pointer[book]
	checked   checkedMessages
	tokens    *tokens
	contents  contents

	mu         sync.RWMutex
	channels   map[string]*channel
	numbers    []*channel // by number, as the ledger keeps them
	narrowcast narrowcasts
}

// New makes a simulator. An error names the field of the configuration that is wrong.
func New(config Config) (*Simulator, error) {
	if config.Clock == nil {
		config.Clock = time.Now
	}
	if config.Latency < 0 {
		return nil, errors.New("linesim: Latency is negative")
	}
	s := &Simulator{
		config:    config,
		routes:    newRoutes(),
		faults:    newFaults(config.Seed),
		directory: newDirectory(),
		tokens:    newTokens(),
		channels:  map[string]*channel{},
	}
	s.book.Store(newBook())
	if err := s.SetLimits(config.Limits); err != nil {
		return nil, err
	}
	channels := config.Channels
	if len(channels) == 0 {
		channels = []Channel{DefaultChannel}
	}
	for _, c := range channels {
		if err := s.AddChannel(c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Now is the simulator's time.
func (s *Simulator) Now() time.Time { return s.config.Clock().Add(time.Duration(s.offset.Load())) }

// SetClockOffset moves the simulator's time to the clock's plus d.
func (s *Simulator) SetClockOffset(d time.Duration) { s.offset.Store(int64(d)) }

// SetLimits replaces the limits for all channels. Buckets keep what they hold.
func (s *Simulator) SetLimits(l Limits) error {
	if err := l.check(); err != nil {
		return err
	}
	l.Rates = maps.Clone(l.Rates)
	s.limits.Store(&l)
	return nil
}

func (s *Simulator) channel(id string) (*channel, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if c := s.channels[id]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("linesim: no channel %q", id)
}

// ServeHTTP answers one request. A fault that cuts the connection, or a caller that leaves before its answer, ends in a
// panic with [http.ErrAbortHandler], which net/http's server turns into a closed connection.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{sim: s, r: r, w: w, now: s.Now(), number: s.requests.Add(1)}
	found := s.routes.find(r.Method, r.Host, r.URL.EscapedPath())
	c.route, c.params = found.route, found.params

	edge, hit := s.strike(atEdge, c.operation())
	switch {
	case hit && edge.Kind == FaultCut:
		s.stats.count(c.operation(), 0)
		panic(http.ErrAbortHandler)
	case hit:
		s.finish(c, edgeAnswer(edge.status()), 0)
		return
	}

	a := c.answer(found)
	var wait time.Duration
	if a.status < 300 {
		if f, hit := s.strike(afterAcceptance, c.operation()); hit {
			if f.Kind == FaultAcceptCut {
				s.stats.count(c.operation(), 0)
				panic(http.ErrAbortHandler)
			}
			a = failure(f.status())
		}
	}
	if f, hit := s.strike(beforeAnswer, c.operation()); hit {
		wait = f.Delay
	}
	s.finish(c, a, wait)
}

func (s *Simulator) finish(c *call, a answer, delay time.Duration) {
	if wait := s.config.Latency + delay; wait > 0 {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-c.r.Context().Done():
			s.stats.count(c.operation(), 0)
			panic(http.ErrAbortHandler)
		}
	}
	s.stats.count(c.operation(), a.status)
	a.write(c.w, c.requestID())
}
