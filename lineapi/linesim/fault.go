package linesim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// FaultKind says what goes wrong, and when.
type FaultKind string

const (
	// FaultEdgeHTML answers in HTML from a server in front of LINE's, without a request id. Nothing was accepted.
	FaultEdgeHTML FaultKind = "edge_html"
	// FaultCut closes the connection without an answer. Nothing was accepted.
	FaultCut FaultKind = "cut"
	// FaultRefuse answers with an error of LINE's own. Nothing was accepted.
	FaultRefuse FaultKind = "refuse"
	// FaultAccept500 accepts and answers with an error.
	FaultAccept500 FaultKind = "accept_500"
	// FaultAcceptCut accepts and closes the connection without an answer.
	FaultAcceptCut FaultKind = "accept_cut"
	// FaultDelay holds the answer back, after the request was judged. It joins other faults.
	FaultDelay FaultKind = "delay"
)

// Fault is trouble on demand. Of several that fit a request at the same moment the first one strikes.
type Fault struct {
	Kind FaultKind

	// Operation is LINE's operationId; empty means the five that send messages.
	Operation string

	// Share is the part of the requests that is struck, 0 to 1; 0 means all of them.
	Share float64

	// Count is how often the fault strikes before it is gone; 0 means for ever.
	Count int

	Delay  time.Duration // of FaultDelay, in real time
	Status int           // 400 to 599; 0 means 500, and 503 from the edge
}

func (f Fault) check() error {
	if _, ok := moments[f.Kind]; !ok {
		return fmt.Errorf("linesim: no fault %q", f.Kind)
	}
	switch {
	case f.Operation != "" && !known(f.Operation):
		return fmt.Errorf("linesim: Fault.Operation: unknown operation %q", f.Operation)
	case !(f.Share >= 0 && f.Share <= 1):
		return errors.New("linesim: Fault.Share must be between 0 and 1")
	case f.Count < 0:
		return errors.New("linesim: Fault.Count is negative")
	case (f.Kind == FaultDelay) != (f.Delay > 0):
		return errors.New("linesim: Fault.Delay belongs to a delay, and only there")
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return errors.New("linesim: Fault.Status must be between 400 and 599")
	}
	return nil
}

func (f Fault) status() int {
	switch {
	case f.Status != 0:
		return f.Status
	case f.Kind == FaultEdgeHTML:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// moment is a point on a request's way at which a fault can strike.
type moment int

const (
	atEdge moment = iota
	beforeAcceptance
	afterAcceptance
	beforeAnswer
)

var moments = map[FaultKind]moment{
	FaultEdgeHTML:  atEdge,
	FaultCut:       atEdge,
	FaultRefuse:    beforeAcceptance,
	FaultAccept500: afterAcceptance,
	FaultAcceptCut: afterAcceptance,
	FaultDelay:     beforeAnswer,
}

var sends = map[string]bool{
	"replyMessage": true, "pushMessage": true, "multicast": true, "narrowcast": true, "broadcast": true,
}

type faults struct {
	any    atomic.Bool
	mu     sync.Mutex
	live   []Fault
	random *rand.Rand
	seed   uint64
}

func newFaults(seed uint64) *faults {
	return &faults{seed: seed, random: rand.New(rand.NewPCG(seed, 0))}
}

// SetFaults replaces all faults. None means no more trouble. The sequence by which shares strike starts anew.
func (s *Simulator) SetFaults(all []Fault) error {
	for _, f := range all {
		if err := f.check(); err != nil {
			return err
		}
	}
	f := s.faults
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = slices.Clone(all)
	f.random = rand.New(rand.NewPCG(f.seed, 0))
	f.any.Store(len(all) > 0)
	return nil
}

// Faults returns what is still to strike: counts are what is left of them.
func (s *Simulator) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	return slices.Clone(s.faults.live)
}

// strike draws the fault that a request meets at a moment, and counts it.
func (s *Simulator) strike(m moment, operation string) (Fault, bool) {
	f, hit := s.faults.draw(m, operation)
	if hit {
		s.stats.strike(f.Kind)
	}
	return f, hit
}

func (f *faults) draw(m moment, operation string) (Fault, bool) {
	if !f.any.Load() {
		return Fault{}, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, fault := range f.live {
		if moments[fault.Kind] != m || fault.Operation != operation && (fault.Operation != "" || !sends[operation]) {
			continue
		}
		if fault.Share > 0 && f.random.Float64() >= fault.Share {
			continue
		}
		if fault.Count > 0 {
			f.live[i].Count--
			if f.live[i].Count == 0 {
				f.live = slices.Delete(f.live, i, i+1)
			}
		}
		return fault, true
	}
	return Fault{}, false
}
