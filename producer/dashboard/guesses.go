package dashboard

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

const (
	// maxGuesses is how many wrong keys one address may try within guessTime.
	maxGuesses = 10
	guessTime  = time.Minute
	// maxAddresses bounds what is remembered; beyond it all is forgotten.
	maxAddresses = 10_000
)

// guesses counts wrong keys by the address that they came from. The zero value is ready.
type guesses struct {
	mu sync.Mutex
	by map[string]guess
}

type guess struct {
	first time.Time
	n     int
}

// wait is how long an address must not try another key.
func (g *guesses) wait(from string, now time.Time) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	a := g.by[from]
	if left := guessTime - now.Sub(a.first); a.n >= maxGuesses && left > 0 {
		return left
	}
	return 0
}

func (g *guesses) wrong(from string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.by == nil || len(g.by) >= maxAddresses {
		g.by = map[string]guess{}
	}
	a := g.by[from]
	if now.Sub(a.first) >= guessTime {
		a = guess{first: now}
	}
	a.n++
	g.by[from] = a
}

// addressOf is where a request came from: of IPv6 the network, in which one machine may have every address.
func addressOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if addr = addr.Unmap(); addr.Is6() {
		if p, err := addr.Prefix(64); err == nil {
			return p.String()
		}
	}
	return addr.String()
}

// seconds is a time as Retry-After has it.
func seconds(d time.Duration) string { return strconv.Itoa(int((d + time.Second - 1) / time.Second)) }
