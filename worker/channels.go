package worker

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
)

// served are the channels that a worker sends for. It never changes: another one takes its place.
type served struct {
	given map[string]*lineapi.Client // of the configuration
	paced map[string]*lineapi.Client // the same, behind the limiter
	names []string                   // sorted
}

func checkChannels(channels map[string]*lineapi.Client) error {
	if len(channels) == 0 {
		return errors.New("there are no channels: there is nobody to send for")
	}
	for name, client := range channels {
		if err := tasks.CheckChannel(name); err != nil {
			return err
		}
		if client == nil {
			return fmt.Errorf("channel %q has no client", name)
		}
	}
	return nil
}

// serve replaces the channels, and returns those that joined or have another client than before.
func (w *Worker) serve(channels map[string]*lineapi.Client) (fresh []string) {
	next := &served{given: maps.Clone(channels), paced: map[string]*lineapi.Client{}}
	next.names = slices.Sorted(maps.Keys(channels))
	last := w.channels.Load()
	for _, name := range next.names {
		if last != nil && last.given[name] == channels[name] {
			next.paced[name] = last.paced[name]
			continue
		}
		next.paced[name] = channels[name].Paced(w.limiter.Before(name))
		fresh = append(fresh, name)
	}
	w.channels.Store(next)
	return fresh
}

// client is a channel's; nil: this worker doesn't send for it.
func (w *Worker) client(name string) *lineapi.Client { return w.channels.Load().paced[name] }

// has tells whether this worker sends for a channel.
func (w *Worker) has(name string) bool { return w.client(name) != nil }

// SetChannels replaces Config.Channels and Config.Limits while the worker runs, or before. Where it returns an error, nothing
// has changed.
//
// A channel that joins is served at once. One that leaves isn't fetched for any more: its sends under way go on, for as long
// as Config.Grace, and what waits is left to other workers. A channel whose client isn't the one that it had has a new
// token: the next request is made with it, and a hold for a refused token is looked at again. Give an unchanged channel the
// same client, or LINE is asked about it in vain.
//
// A limit that got lower holds at once; one that got higher a minute after the last worker on this Redis was told. It is
// safe for concurrent use; of two calls at once either may be the last.
func (w *Worker) SetChannels(channels map[string]*lineapi.Client, limits limit.Limits) error {
	if err := checkChannels(channels); err != nil {
		return fmt.Errorf("worker: SetChannels: %w", err)
	}
	w.setting.Lock()
	defer w.setting.Unlock()
	if err := w.limiter.SetLimits(limits); err != nil {
		return fmt.Errorf("worker: SetChannels: %w", err)
	}
	before := w.channels.Load()
	fresh := w.serve(channels)
	for _, name := range fresh {
		// What was known of the last token.
		w.aside.back(name)
		w.tokens.works(name)
	}
	w.fresh.add(true, fresh...)
	left := slices.DeleteFunc(slices.Clone(before.names), w.has)
	w.log.Info("channels set", zap.Strings("joined_or_changed", fresh), zap.Strings("left", left),
		zap.Int("channels", len(channels)))
	for _, bell := range []chan struct{}{w.changed, w.bells.holds, w.bells.campaigns, w.bells.schedules} {
		notify(bell)
	}
	return nil
}

// names are a set of channels, with whether their tasks in the shared queues were put off for want of a worker. The zero
// value is empty; it is safe for concurrent use.
type names struct {
	mu  sync.Mutex
	all map[string]bool
}

func (n *names) add(putOff bool, more ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.all == nil {
		n.all = map[string]bool{}
	}
	for _, name := range more {
		n.all[name] = n.all[name] || putOff
	}
}

// take empties the set and returns what was in it.
func (n *names) take() map[string]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := n.all
	n.all = nil
	return all
}
