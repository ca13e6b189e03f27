package record

import (
	"context"
	"errors"
	"fmt"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
)

// Cancel gives an undecided task the outcome cancelled, or unknown where an attempt is open: LINE may have it, and what
// the open attempt hears can still raise it to sent. A decided task keeps its outcome; fresh tells whether this call
// decided it. The record is made if need be.
func (s *Store) Cancel(
	ctx context.Context, ref Ref, k tasks.Kind, queue string,
) (outcome tasks.Outcome, fresh bool, err error) {
	v, err := cancelScript.Run(ctx, s.rdb, []string{ref.key()}, string(k), queue,
		s.retention.Failed.Milliseconds()).StringSlice()
	if err != nil {
		return "", false, fmt.Errorf("cancel %s: %w", ref, err)
	}
	return tasks.Outcome(v[0]), v[1] == "1", nil
}

// ErrSent is returned by Reopen for a task that LINE accepted.
var ErrSent = errors.New("LINE has accepted it already")

// ErrUndecided is returned by Reopen for a task that has no outcome to take off.
var ErrUndecided = errors.New("it has no outcome yet")

// Reopen takes the outcome off a task that is to run again. risky tells that LINE may do it a second time: its outcome
// was unknown, and no key stands in the way that LINE still remembers for certain.
func (s *Store) Reopen(ctx context.Context, ref Ref, c endpoint.Class) (risky bool, err error) {
	repeat := "doubles"
	switch {
	case c == endpoint.RetryKey, c == endpoint.ResumeKey:
		repeat = "keyed"
	case c.Repeatable():
		repeat = "harmless"
	}
	v, err := reopenScript.Run(ctx, s.rdb, []string{ref.key()}, tasks.Horizon.Milliseconds(), repeat).Text()
	switch {
	case err != nil:
		return false, fmt.Errorf("reopen %s: %w", ref, err)
	case v == "sent":
		return false, ErrSent
	case v == "undecided":
		return false, ErrUndecided
	}
	return v == "risky", nil
}
