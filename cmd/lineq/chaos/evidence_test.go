package chaos_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// evidence is what both sides say at the end: LINE's ledger, which knows nothing of the workers, and lineq's own results.
type evidence struct {
	accepted map[string][]linesim.Accepted // by send
	received map[string]int                // by recipient, broadcasts apart: those reach everybody
	menus    map[string]string             // by user
	results  map[string]tasks.Result       // by send
	mailed   map[string]mailed             // by campaign
	requests map[string]map[string]request // those that LINE accepted, by campaign and LINE's request ID
	stats    linesim.Stats
}

// lastNarrowcasts is longer than the simulator takes from accepting a narrowcast to its arrival.
const lastNarrowcasts = 5 * time.Second

// gather asks both sides.
func (r *run) gather(ctx context.Context) (*evidence, error) {
	e := &evidence{
		accepted: map[string][]linesim.Accepted{}, received: map[string]int{}, menus: map[string]string{},
		results: map[string]tasks.Result{}, mailed: map[string]mailed{}, requests: map[string]map[string]request{},
	}
	clock := map[string]string{"offset": lastNarrowcasts.String()}
	if err := r.line.control(ctx, http.MethodPut, "/clock", clock, nil); err != nil {
		return nil, err
	}
	if err := r.line.control(ctx, http.MethodPut, "/limits", map[string]bool{"off": true}, nil); err != nil {
		return nil, err
	}
	if err := each(ctx, r.line, "/ledger/requests", func(a linesim.Accepted) {
		var message struct{ Text string }
		_ = json.Unmarshal(a.Messages[0], &message) // LINE has checked it
		id := strings.TrimPrefix(message.Text, r.plan.mark+" ")
		if name, number, _ := strings.Cut(id, numbered); r.plan.mailed[name] != nil {
			if e.requests[name] == nil {
				e.requests[name] = map[string]request{}
			}
			e.requests[name][a.RequestID] = request{a.Channel, number}
			return
		}
		a.Messages = nil
		e.accepted[id] = append(e.accepted[id], a)
	}); err != nil {
		return nil, err
	}
	operations := url.Values{"operation": {"pushMessage", "multicast", "replyMessage", "narrowcast"}}
	if err := each(ctx, r.line, "/ledger/recipients?"+operations.Encode(), func(c struct {
		Recipient string
		Count     int
	}) {
		e.received[c.Recipient] = c.Count
	}); err != nil {
		return nil, err
	}
	if err := r.line.control(ctx, http.MethodGet, "/stats", nil, &e.stats); err != nil {
		return nil, err
	}
	return e, errors.Join(r.gatherEach(ctx, e), r.gatherMailings(ctx, e))
}

// gatherEach asks for what has to be asked one by one: results, and the rich menus of users.
func (r *run) gatherEach(ctx context.Context, e *evidence) error {
	var mu sync.Mutex
	var failed error
	var askers sync.WaitGroup
	next := make(chan *send)
	for range 32 {
		askers.Go(func() {
			for s := range next {
				result, err := r.direct.Result(ctx, s.id, producer.Channel(s.channel.name))
				if errors.Is(err, producer.ErrNotFound) {
					err = nil // the judge sees that it has no outcome
				}
				menu := ""
				if err == nil && s.kind == tasks.KindLinkRichMenu {
					menu, err = r.line.menuOf(ctx, *s.channel, s.to[0])
				}
				mu.Lock()
				if err != nil {
					failed = fmt.Errorf("what became of %s: %w", s.id, err)
				}
				e.results[s.id] = result
				if s.kind == tasks.KindLinkRichMenu {
					e.menus[s.to[0]] = menu
				}
				mu.Unlock()
			}
		})
	}
	for _, s := range r.plan.sends {
		next <- s
	}
	close(next)
	askers.Wait()
	return failed
}
