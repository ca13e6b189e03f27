package limit

import "time"

const (
	// recentSpan is how many seconds back answers count for the breaker, and enough how many there must be.
	recentSpan = 10
	enough     = 20
)

// recent counts an endpoint's answers by second. It isn't safe for concurrent use.
type recent struct {
	start   time.Time
	seconds [recentSpan]struct {
		second          int64
		served, failing int
	}
}

// add counts an answer and tells whether the endpoint fails: of the last twenty answers or more, half or more failed. Those
// of this second and the one before count all together, so that one broken connection isn't LINE's failure.
func (r *recent) add(now time.Time, failing bool) bool {
	if r.start.IsZero() {
		r.start = now
	}
	second := recentSpan + int64(now.Sub(r.start)/time.Second)
	s := &r.seconds[second%recentSpan]
	if s.second != second {
		s.second, s.served, s.failing = second, 0, 0
	}
	if !failing {
		s.served++
		return false
	}
	s.failing++
	served, failed := 0, 0
	for back := range int64(recentSpan) {
		if s := r.seconds[(second-back)%recentSpan]; s.second == second-back {
			served += s.served
			failed += s.failing
		}
		if back >= 1 && served+failed >= enough {
			break
		}
	}
	return served+failed >= enough && failed >= served
}

func (r *recent) forget() { *r = recent{} }
