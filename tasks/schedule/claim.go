package schedule

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed claim.lua
var claimLua string

var claimScript = redis.NewScript(claimLua)

// Lease is how long a claimed tick is its worker's, who says by [Store.Keep] that it is still at it; then another takes it
// over.
const Lease = 10 * time.Second

// Due lists the schedules of our channels that need a worker now. wait is how long it takes until the next of the others
// does, if that is less than longest.
func (s *Store) Due(
	ctx context.Context, ours func(channel string) bool, longest time.Duration,
) (due []Ref, wait time.Duration, err error) {
	all, err := s.refs(ctx)
	if err != nil {
		return nil, 0, err
	}
	var refs []Ref
	for _, r := range all {
		if ours(r.Channel) {
			refs = append(refs, r)
		}
	}
	if len(refs) == 0 {
		return nil, longest, nil
	}
	var clock *redis.TimeCmd
	looks := make([]*redis.SliceCmd, len(refs))
	_, err = s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		clock = p.Time(ctx)
		for i, r := range refs {
			looks[i] = p.HMGet(ctx, key(r.ID), "next", "asked", "due", "until", "paused", "by")
		}
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("look at schedules: %w", err)
	}
	now := clock.Val()
	wait = longest
	for i, r := range refs {
		at := whenDue(looks[i].Val())
		switch {
		case at.IsZero():
		case !at.After(now):
			due = append(due, r)
		default:
			wait = min(wait, at.Sub(now))
		}
	}
	return due, wait, nil
}

// whenDue is when a schedule needs a worker; zero: not before it changes.
func whenDue(v []any) time.Time {
	text := func(i int) string { t, _ := v[i].(string); return t }
	paused := text(4) != ""
	switch {
	case text(2) != "" && paused && text(5) != byAsked:
		return time.Time{}
	case text(2) != "":
		return instant(text(3))
	case text(1) != "":
		return instant(text(1))
	case paused:
		return time.Time{}
	}
	return instant(text(0))
}

const byAsked = "asked"

// Claimed is what a worker has taken on.
type Claimed struct {
	// Tick is to be done; nil: there is nothing.
	Tick *Tick
	// Passed is the latest tick that won't run, where there is one; Why says why not, with empty for a missed one.
	Passed time.Time
	Why    string
}

// Claim takes a tick that is due, which is the caller's for Lease. What isn't its time, or is somebody else's, gives
// nothing. deferring says how long the caller leaves a tick to other workers, as it can't do it itself or has just failed; it
// may be nil. ErrNotFound is for a schedule that isn't there any more.
func (s *Store) Claim(ctx context.Context, id string, deferring func(Tick) time.Duration) (Claimed, error) {
	c, err := s.claim(ctx, id, deferring)
	if err != nil {
		return Claimed{}, fmt.Errorf("schedule %s: %w", id, err)
	}
	return c, nil
}

func (s *Store) claim(ctx context.Context, id string, deferring func(Tick) time.Duration) (Claimed, error) {
	h, err := s.read(ctx, id)
	if err != nil {
		return Claimed{}, err
	}
	now, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return Claimed{}, err
	}
	// tooEarly tells whether a tick that anybody may take since then is left to others.
	tooEarly := func(t Tick, since time.Time) bool {
		return deferring != nil && now.Sub(since) < deferring(t)
	}
	paused := h.fields["paused"] != ""
	switch due, asked, next := h.at("due"), h.at("asked"), h.at("next"); {
	case !due.IsZero():
		t := Tick{Spec: h.spec, At: due, Asked: h.fields["by"] == byAsked, Tries: number(h.fields["tries"]) + 1}
		until := h.at("until")
		// One that fails makes room for the next one.
		superseded := h.fields["error"] != "" && !t.Asked && !next.IsZero() && !next.After(now)
		switch {
		case until.After(now) || paused && !t.Asked:
			return Claimed{}, nil
		case superseded, now.Sub(due) > h.spec.patience()+Lease:
			ok, err := s.take(ctx, id, "drop", h.fields["due"], 0, 0, 0, t.ID())
			if err != nil || !ok {
				return Claimed{}, err
			}
			why := h.fields["error"]
			if why == "" {
				why = "every worker that began it has died"
			}
			return Claimed{Passed: due, Why: why}, nil
		case tooEarly(t, until):
			return Claimed{}, nil
		}
		ok, err := s.take(ctx, id, "again", h.fields["due"], 0, 0, 0, "")
		return claimedIf(ok, t), err
	case !asked.IsZero():
		t := Tick{Spec: h.spec, At: asked, Asked: true}
		if tooEarly(t, asked) {
			return Claimed{}, nil
		}
		ok, err := s.take(ctx, id, "asked", h.fields["asked"], 0, 0, 0, "")
		return claimedIf(ok, t), err
	case paused || next.IsZero() || next.After(now):
		return Claimed{}, nil
	default:
		ch := h.spec.choose(h.calendar, next, now)
		t := Tick{Spec: h.spec, At: ch.run}
		if !ch.run.IsZero() && tooEarly(t, ch.run) {
			return Claimed{}, nil
		}
		ok, err := s.take(ctx, id, "next", h.fields["next"], unixMilli(ch.run), unixMilli(ch.next), unixMilli(ch.missed),
			tickID(id, ch.missed))
		if err != nil || !ok {
			return Claimed{}, err
		}
		c := Claimed{Passed: ch.missed}
		if !ch.run.IsZero() {
			c.Tick = &t
		}
		return c, nil
	}
}

func claimedIf(ok bool, t Tick) Claimed {
	if !ok {
		return Claimed{}
	}
	return Claimed{Tick: &t}
}

func (s *Store) take(
	ctx context.Context, id, what, was string, tick, next, missed int64, passedID string,
) (bool, error) {
	return claimScript.Run(ctx, s.rdb, []string{key(id)}, what, was, tick, next, missed, Lease.Milliseconds(), passedID).Bool()
}

// changeScript does something about a claimed tick, if it is still that one.
//
// ARGV 1 the tick  2 "keep" it for 3 ms | "done" as 3 | it "fails" for the reason 3, and is anybody's in 4 ms
var changeScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'due') ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] == 'keep' then
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ARGV[3]))
elseif ARGV[2] == 'done' then
  redis.call('HDEL', KEYS[1], 'due', 'by', 'until', 'tries', 'error')
  redis.call('HSET', KEYS[1], 'last', ARGV[1], 'state', 'enqueued', 'id', ARGV[3], 'why', '')
else
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ARGV[4]))
  if ARGV[3] ~= '' then redis.call('HSET', KEYS[1], 'error', ARGV[3]) end
end
return 1
`)

func (s *Store) change(ctx context.Context, t Tick, args ...any) error {
	err := changeScript.Run(ctx, s.rdb, []string{key(t.Spec.ID)}, append([]any{unixMilli(t.At)}, args...)...).Err()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("schedule %s: %w", t.Spec.ID, err)
	}
	return nil
}

// Keep says that a claimed tick's worker is still at it.
func (s *Store) Keep(ctx context.Context, t Tick) error {
	return s.change(ctx, t, "keep", Lease.Milliseconds())
}

// Done says that what a tick enqueues is enqueued. It may be said again.
func (s *Store) Done(ctx context.Context, t Tick) error { return s.change(ctx, t, "done", t.ID()) }

const (
	// firstPause is after how long a tick that failed is tried again, and longestPause how long that grows.
	firstPause   = 2 * time.Second
	longestPause = 5 * time.Minute
)

// Fail says why a tick could not be done. It is tried again, by any worker, until it is too late for it.
func (s *Store) Fail(ctx context.Context, t Tick, why string) error {
	pause := min(firstPause<<min(t.Tries, 10), longestPause)
	return s.change(ctx, t, "fails", why, pause.Milliseconds())
}

// Release gives a claimed tick back that wasn't done: any worker may begin it at once.
func (s *Store) Release(ctx context.Context, t Tick) error { return s.change(ctx, t, "fails", "", 0) }
