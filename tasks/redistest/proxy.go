package redistest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy is a network between one client and its server that can break. Make it with NewProxy; it is safe for concurrent
// use and ends with the test.
type Proxy struct {
	Addr   string
	target string

	delay atomic.Int64

	mu    sync.Mutex
	conns map[net.Conn]bool
	cut   bool
	open  chan struct{} // closed while bytes pass
}

// NewProxy listens on a free port and passes everything on to the target.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, conns: map[net.Conn]bool{}, open: make(chan struct{})}
	close(p.open)
	t.Cleanup(func() {
		l.Close()
		p.Cut()
		p.Heal() // lets go what hangs
	})
	go p.accept(l)
	return p
}

// Cut closes all connections, and every new one at once, until Heal.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for c := range p.conns {
		c.Close()
	}
}

// Hang keeps all connections open and takes new ones, but no byte passes until Heal: then those pass that have waited, as
// they would when a network loses packets for a while.
func (p *Proxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		p.open = make(chan struct{})
	default:
	}
}

// Heal ends Cut and Hang.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = false
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// Delay makes everything that is read from now on arrive d later, in each direction; the throughput stays.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

func (p *Proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go p.connect(client)
	}
}

func (p *Proxy) connect(client net.Conn) {
	if !p.keep(client) {
		client.Close()
		return
	}
	server, err := net.Dial("tcp", p.target)
	if err != nil || !p.keep(server) {
		if err == nil {
			server.Close()
		}
		p.drop(client)
		return
	}
	go p.pass(client, server)
	p.pass(server, client)
}

// keep notes a connection for Cut; false: it is cut already.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.cut {
		p.conns[c] = true
	}
	return !p.cut
}

func (p *Proxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	c.Close()
}

func (p *Proxy) gate() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.open
}

type chunk struct {
	bytes []byte
	due   time.Time
}

// pass copies one direction until either side ends; then both do.
func (p *Proxy) pass(to, from net.Conn) {
	chunks := make(chan chunk, 1000)
	go func() {
		defer close(chunks)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				chunks <- chunk{buf[:n], time.Now().Add(time.Duration(p.delay.Load()))}
			}
			if err != nil {
				return
			}
		}
	}()
	broken := false
	for c := range chunks {
		if broken {
			continue // until the reader has seen that its side is closed
		}
		time.Sleep(time.Until(c.due))
		<-p.gate()
		if _, err := to.Write(c.bytes); err != nil {
			broken = true
			p.drop(from)
		}
	}
	p.drop(from)
	p.drop(to)
}
