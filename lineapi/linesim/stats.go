package linesim

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Stats counts what was asked of the simulator. Status 0 is a request that got no answer: its connection was cut, or the
// caller left. The operation of a request to no endpoint of LINE's is empty.
type Stats struct {
	// Requests counts by operation and status.
	Requests map[string]map[int]int64 `json:"requests"`
	// RateLimited counts 429s for an endpoint's rate; those for the quota are not among them.
	RateLimited int64 `json:"rateLimited"`
	// Replayed counts 409s: the retry key was accepted before.
	Replayed int64 `json:"replayed"`
	// RetryKeysReused counts those of the 409s that came with another body: a mistake of the caller.
	RetryKeysReused int64 `json:"retryKeysReused"`
	// RepeatedRecipients counts users who were listed again in the same multicast.
	RepeatedRecipients int64 `json:"repeatedRecipients"`
	// Faults counts how often each kind of fault has struck.
	Faults map[FaultKind]int64 `json:"faults"`
}

type stats struct {
	mu                 sync.Mutex
	requests           map[string]map[int]int64
	faults             map[FaultKind]int64
	rateLimited        atomic.Int64
	replayed           atomic.Int64
	retryKeysReused    atomic.Int64
	repeatedRecipients atomic.Int64
}

func (s *stats) count(operation string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byStatus := s.requests[operation]
	if byStatus == nil {
		if s.requests == nil {
			s.requests = map[string]map[int]int64{}
		}
		byStatus = map[int]int64{}
		s.requests[operation] = byStatus
	}
	byStatus[status]++
}

func (s *stats) strike(k FaultKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults == nil {
		s.faults = map[FaultKind]int64{}
	}
	s.faults[k]++
}

// Stats returns the counts so far.
func (s *Simulator) Stats() Stats {
	all := Stats{
		Requests:           map[string]map[int]int64{},
		RateLimited:        s.stats.rateLimited.Load(),
		Replayed:           s.stats.replayed.Load(),
		RetryKeysReused:    s.stats.retryKeysReused.Load(),
		RepeatedRecipients: s.stats.repeatedRecipients.Load(),
		Faults:             map[FaultKind]int64{},
	}
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	maps.Copy(all.Faults, s.stats.faults)
	for operation, byStatus := range s.stats.requests {
		all.Requests[operation] = map[int]int64{}
		for status, n := range byStatus {
			all.Requests[operation][status] = n
		}
	}
	return all
}
