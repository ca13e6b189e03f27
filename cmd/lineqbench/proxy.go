package main

import (
	"net"
	"sync"
	"time"
)

// proxy is a way to a TCP server that takes a time of its own in each direction, and loses none of the order or of the
// rate: what is under way doesn't hold up what follows.
type proxy struct {
	net.Listener
	target string
	delay  time.Duration // each way

	mu    sync.Mutex
	conns []net.Conn
	all   sync.WaitGroup
}

func startProxy(target string, delay time.Duration) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{Listener: l, target: target, delay: delay}
	p.all.Go(p.accept)
	return p, nil
}

func (p *proxy) accept() {
	for {
		from, err := p.Accept()
		if err != nil {
			return // closed
		}
		to, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = from.Close()
			continue
		}
		p.mu.Lock()
		p.conns = append(p.conns, from, to)
		p.mu.Unlock()
		p.all.Go(func() { p.carry(to, from) })
		p.all.Go(func() { p.carry(from, to) })
	}
}

// parcel is what was read at once, and when it is to be written.
type parcel struct {
	data []byte
	due  time.Time
}

func (p *proxy) carry(to, from net.Conn) {
	under := make(chan parcel, 1024)
	p.all.Go(func() {
		defer to.Close()
		for c := range under {
			time.Sleep(time.Until(c.due))
			if _, err := to.Write(c.data); err != nil {
				_ = from.Close()
			}
		}
	})
	defer close(under)
	for {
		buffer := make([]byte, 64<<10)
		n, err := from.Read(buffer)
		if n > 0 {
			under <- parcel{buffer[:n], time.Now().Add(p.delay)}
		}
		if err != nil {
			return
		}
	}
}

// stop cuts all connections.
func (p *proxy) stop() {
	_ = p.Close()
	p.mu.Lock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.all.Wait()
}
