package linesim

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
)

// Ledger is what arrived, and where. Every method sees each accepted request entirely or not at all; an iteration sees
// what was accepted before it began. Messages are shared: they must not be changed.
type Ledger struct {
	sim *Simulator
}

// Delivery is the arrival of one accepted request at one recipient.
type Delivery struct {
	At         time.Time         `json:"at"`
	RequestID  string            `json:"requestId"`
	Operation  string            `json:"operation"`
	RetryKey   string            `json:"retryKey,omitempty"` // in lower case; empty: none
	Messages   []json.RawMessage `json:"messages"`
	MessageIDs []string          `json:"messageIds"`
	Channel    string            `json:"channel"`
}

// Accepted is one accepted request. It may have reached nobody.
type Accepted struct {
	Delivery
	Recipients int `json:"recipients"`
}

// Totals counts the ledger.
type Totals struct {
	Requests   int `json:"requests"`   // accepted
	Deliveries int `json:"deliveries"` // arrivals: a request's recipients, added up
	Recipients int `json:"recipients"` // distinct
}

// Duplicate is a recipient who received the same messages, byte for byte, in several requests.
type Duplicate struct {
	Recipient  string     `json:"recipient"`
	Deliveries []Delivery `json:"deliveries"`
}

// Ledger returns the simulator's ledger. It stays current.
func (s *Simulator) Ledger() *Ledger { return &Ledger{sim: s} }

// book holds a ledger's entries until it is reset. Everything in it only grows, so that a reader who remembers how far it
// went at one moment can go on reading that moment.
type book struct {
	mu         sync.Mutex
	requests   []entry
	deliveries []arrival
	chains     []chain // by number in the directory
	recipients int
	contents   [][]json.RawMessage
	content    map[[32]byte]uint32
}

type entry struct {
	sent       sent
	at         int64 // Unix nanoseconds
	key        retryKey
	content    uint32
	recipients uint32
	channel    uint16
	operation  uint16 // index in endpoint.All
	keyed      bool
}

// arrival is one delivery, in the chain of its recipient. Positions count from 1; 0 ends the chain.
type arrival struct{ request, next uint32 }

type chain struct{ first, last uint32 }

func newBook() *book { return &book{content: map[[32]byte]uint32{}} }

// record enters an accepted request and its arrivals.
func (s *Simulator) record(e entry, messages []byte, sum [32]byte, recipients []uint32) {
	b := s.book.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	content, ok := b.content[sum]
	if !ok {
		content = uint32(len(b.contents))
		b.content[sum] = content
		// The body that the messages lie in may be much larger.
		b.contents = append(b.contents, elements(bytes.Clone(messages)))
	}
	e.content, e.recipients = content, uint32(len(recipients))
	b.requests = append(b.requests, e)
	for _, n := range recipients {
		if int(n) >= len(b.chains) {
			b.chains = append(b.chains, make([]chain, int(n)+1-len(b.chains))...)
		}
		b.deliveries = append(b.deliveries, arrival{request: uint32(len(b.requests) - 1)})
		position := uint32(len(b.deliveries))
		c := &b.chains[n]
		if c.last == 0 {
			c.first = position
			b.recipients++
		} else {
			b.deliveries[c.last-1].next = position
		}
		c.last = position
	}
}

// open settles what is due and returns the current book.
func (l *Ledger) open() *book {
	l.sim.settle(l.sim.Now())
	return l.sim.book.Load()
}

// Reset forgets everything. Iterations that have begun go on with what they saw.
func (l *Ledger) Reset() {
	l.sim.settle(l.sim.Now())
	l.sim.book.Store(newBook())
}

// Totals counts.
func (l *Ledger) Totals() Totals {
	b := l.open()
	b.mu.Lock()
	defer b.mu.Unlock()
	return Totals{Requests: len(b.requests), Deliveries: len(b.deliveries), Recipients: b.recipients}
}

// Received returns what arrived at a user, group or room, oldest first.
func (l *Ledger) Received(recipient string) []Delivery {
	b := l.open()
	n, ok := l.number(recipient)
	if !ok {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return l.deliveries(b, b.walk(n, uint32(len(b.deliveries))))
}

// Count is the number of requests that arrived at a user, group or room.
func (l *Ledger) Count(recipient string) int {
	b := l.open()
	n, ok := l.number(recipient)
	if !ok {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.walk(n, uint32(len(b.deliveries))))
}

func (l *Ledger) number(recipient string) (uint32, bool) {
	id, ok := parseRecipient(recipient)
	if !ok {
		return 0, false
	}
	d := l.sim.directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	n, ok := d.number[id]
	return n, ok
}

// walk returns the requests that arrived at recipient n, of the first limit deliveries. The caller holds mu.
func (b *book) walk(n, limit uint32) []uint32 {
	if int(n) >= len(b.chains) {
		return nil
	}
	var requests []uint32
	for p := b.chains[n].first; p != 0 && p <= limit; p = b.deliveries[p-1].next {
		requests = append(requests, b.deliveries[p-1].request)
	}
	return requests
}

// deliveries spells out requests. The caller holds b.mu.
func (l *Ledger) deliveries(b *book, requests []uint32) []Delivery {
	all := make([]Delivery, len(requests))
	for i, r := range requests {
		all[i] = l.delivery(b, b.requests[r])
	}
	return all
}

func (l *Ledger) delivery(b *book, e entry) Delivery {
	d := Delivery{
		At:        time.Unix(0, e.at).UTC(),
		RequestID: l.sim.requestID(e.sent.request),
		Operation: endpoint.All[e.operation].Operation,
		Messages:  b.contents[e.content],
		Channel:   l.sim.channelID(e.channel),
	}
	if e.keyed {
		d.RetryKey = uuid(e.key)
	}
	for i := range uint64(e.sent.count) {
		d.MessageIDs = append(d.MessageIDs, messageID(e.sent.first+i))
	}
	return d
}

func (s *Simulator) channelID(number uint16) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.numbers[number].ID
}

// batch is how many recipients an iteration reads before it lets writers in again.
const batch = 1000

// chains walks the recipients of one moment of b, in the order in which they became known.
func (l *Ledger) chains(b *book) iter.Seq2[string, []uint32] {
	return func(yield func(string, []uint32) bool) {
		b.mu.Lock()
		limit, end := uint32(len(b.deliveries)), len(b.chains)
		b.mu.Unlock()
		for start := 0; start < end; start += batch {
			stop := min(start+batch, end)
			requests := make([][]uint32, stop-start)
			b.mu.Lock()
			for i := range requests {
				requests[i] = b.walk(uint32(start+i), limit)
			}
			b.mu.Unlock()
			l.sim.directory.mu.RLock()
			ids := l.sim.directory.ids[start:stop]
			l.sim.directory.mu.RUnlock()
			for i, r := range requests {
				if len(r) > 0 && !yield(ids[i].String(), r) {
					return
				}
			}
		}
	}
}

// Counts iterates over everyone who received something, with the number of requests that arrived. With operations, by
// LINE's operationId, only requests of those count.
func (l *Ledger) Counts(operations ...string) iter.Seq2[string, int] {
	return func(yield func(string, int) bool) {
		b := l.open()
		for recipient, requests := range l.chains(b) {
			n := len(requests)
			if len(operations) > 0 {
				n = b.countOf(requests, operations)
			}
			if n > 0 && !yield(recipient, n) {
				return
			}
		}
	}
}

// countOf is how many of the requests are of the operations.
func (b *book) countOf(requests []uint32, operations []string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range requests {
		if slices.Contains(operations, endpoint.All[b.requests[r].operation].Operation) {
			n++
		}
	}
	return n
}

// Each iterates over everyone who received something, with what it was, oldest first.
func (l *Ledger) Each() iter.Seq2[string, []Delivery] {
	return func(yield func(string, []Delivery) bool) {
		b := l.open()
		for recipient, requests := range l.chains(b) {
			b.mu.Lock()
			deliveries := l.deliveries(b, requests)
			b.mu.Unlock()
			if !yield(recipient, deliveries) {
				return
			}
		}
	}
}

// Requests iterates over the accepted requests, oldest first.
func (l *Ledger) Requests() iter.Seq[Accepted] {
	return func(yield func(Accepted) bool) {
		b := l.open()
		b.mu.Lock()
		requests := b.requests // entries never change once they are in
		b.mu.Unlock()
		for _, e := range requests {
			b.mu.Lock()
			a := Accepted{Delivery: l.delivery(b, e), Recipients: int(e.recipients)}
			b.mu.Unlock()
			if !yield(a) {
				return
			}
		}
	}
}

// Duplicates lists the recipients who received the same messages more than once. Whether that was wrong, only the sender
// can know: two requests may have been meant.
func (l *Ledger) Duplicates() []Duplicate {
	var all []Duplicate
	b := l.open()
	for recipient, requests := range l.chains(b) {
		if len(requests) < 2 {
			continue
		}
		b.mu.Lock()
		same := map[uint32][]uint32{}
		var order []uint32
		for _, r := range requests {
			content := b.requests[r].content
			if len(same[content]) == 0 {
				order = append(order, content)
			}
			same[content] = append(same[content], r)
		}
		for _, content := range order {
			if len(same[content]) > 1 {
				all = append(all, Duplicate{Recipient: recipient, Deliveries: l.deliveries(b, same[content])})
			}
		}
		b.mu.Unlock()
	}
	return all
}
