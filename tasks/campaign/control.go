package campaign

import (
	"context"
	_ "embed" // the script
	"encoding/json"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
)

//go:embed control.lua
var controlLua string

var controlScript = redis.NewScript(campaignLua + controlLua)

// order is what control.lua is asked for.
type order struct {
	what        string
	reason      lineapi.Reason
	note        string
	maxFailures *float64
	allow       *int64
	forecast    *Forecast
}

// control gives an order, and returns how the campaign stands then. It fails with ErrState and ErrNotFound.
func (s *Store) control(ctx context.Context, id string, o order) (Summary, error) {
	maxFailures, allow, forecast := "", "", ""
	if o.maxFailures != nil {
		maxFailures = fmt.Sprint(*o.maxFailures)
	}
	if o.allow != nil {
		allow = fmt.Sprint(*o.allow)
	}
	if o.forecast != nil {
		b, err := json.Marshal(o.forecast)
		if err != nil {
			return Summary{}, err
		}
		forecast = string(b)
	}
	answer, err := controlScript.Run(ctx, s.rdb, keysOf(id).all(), o.what, string(o.reason), o.note, maxFailures, allow,
		forecast).Text()
	switch {
	case err != nil:
		return Summary{}, fmt.Errorf("%s campaign %s: %w", o.what, id, err)
	case answer == "":
		return Summary{}, fmt.Errorf("%s campaign %s: %w", o.what, id, ErrNotFound)
	}
	sum, err := s.Summary(ctx, id)
	if err != nil {
		return Summary{}, err
	}
	s.ring(ctx, sum.Channel, id)
	if answer == "state" {
		return sum, fmt.Errorf("%s campaign %s: %w: it is %s", o.what, id, ErrState, sum.State)
	}
	return sum, nil
}

// Pause stops a campaign until Resume. What LINE was handed is waited for, and repeated under its retry key where its
// answer was lost; nothing else goes out. A paused campaign keeps its first reason. It fails with ErrState when the
// campaign has ended.
func (s *Store) Pause(ctx context.Context, id string, reason lineapi.Reason, note string) (Summary, error) {
	return s.control(ctx, id, order{what: "pause", reason: reason, note: note})
}

// Resume lets a paused campaign go on; one that goes on already is left alone. One that hasn't started, or was paused for
// the quota, has its preflight first. It fails with ErrState when the campaign has ended. The share of failures counts
// from here anew. maxFailures replaces Plan.MaxFailures; nil keeps it.
func (s *Store) Resume(ctx context.Context, id string, maxFailures *float64) (Summary, error) {
	return s.control(ctx, id, order{what: "resume", maxFailures: maxFailures})
}

// Cancel ends a campaign for good: what wasn't handed to LINE never will be, and what LINE may have without having said so
// becomes unknown. Who was pending stays so. A second time it changes nothing; it fails with ErrState when the campaign
// had finished.
func (s *Store) Cancel(ctx context.Context, id string, reason lineapi.Reason, note string) (Summary, error) {
	return s.control(ctx, id, order{what: "cancel", reason: reason, note: note})
}

// Checked says that the preflight of a campaign went well whose time hasn't come. It fails with ErrState when the campaign
// isn't ready any more, and so does Start.
func (s *Store) Checked(ctx context.Context, id string, f Forecast) error {
	_, err := s.control(ctx, id, order{what: "checked", forecast: &f})
	return err
}

// Start lets a campaign send after its preflight, to so many recipients at most; nil: to all.
func (s *Store) Start(ctx context.Context, id string, f Forecast, allow *int64) error {
	_, err := s.control(ctx, id, order{what: "start", forecast: &f, allow: allow})
	return err
}

// Refuse pauses a campaign that its preflight doesn't let start.
func (s *Store) Refuse(ctx context.Context, id string, f *Forecast, reason lineapi.Reason, note string) error {
	_, err := s.control(ctx, id, order{what: "pause", reason: reason, note: note, forecast: f})
	return err
}

// EndDryRun ends a campaign that was only to be checked.
func (s *Store) EndDryRun(ctx context.Context, id string, f Forecast) error {
	_, err := s.control(ctx, id, order{what: "cancel", reason: DryRun, forecast: &f})
	return err
}
