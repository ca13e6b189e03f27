package campaign

import (
	"context"

	"github.com/lineq/lineq/lineapi"
)

// Pause stops a campaign until Resume. What LINE was handed is waited for, and repeated under its retry key where its
// answer was lost; nothing else goes out. A paused campaign keeps its first reason. It fails with ErrState when the
// campaign has ended.
func (s *Store) Pause(ctx context.Context, id string, reason lineapi.Reason, note string) (Summary, error) {
	return Summary{}, nil
}

// Resume lets a paused campaign go on; one that goes on already is left alone. It fails with ErrState when the campaign
// has ended. The share of failures counts from here anew. maxFailures replaces Plan.MaxFailures; nil keeps it.
func (s *Store) Resume(ctx context.Context, id string, maxFailures *float64) (Summary, error) {
	return Summary{}, nil
}

// Cancel ends a campaign for good: what wasn't handed to LINE never will be, and what LINE may have without having said so
// becomes unknown. Who was pending stays so. A second time it changes nothing; it fails with ErrState when the campaign
// had finished.
func (s *Store) Cancel(ctx context.Context, id string) (Summary, error) { return Summary{}, nil }
