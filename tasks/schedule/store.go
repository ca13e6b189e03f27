package schedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
)

// Store reads and writes schedules. It is safe for concurrent use.
type Store struct{ rdb redis.UniversalClient }

// New returns a store on rdb.
func New(rdb redis.UniversalClient) *Store { return &Store{rdb} }

// Ref names a schedule.
type Ref struct{ Channel, ID string }

// index is the set of all schedules, "<channel>/<id>". It may hold one that doesn't exist.
const index = "lineq:schedules"

// key is a schedule's hash. Times are Unix ms of Redis's clock.
//
//	spec hash created   what it is, and the fingerprint of that
//	next                its next tick, 0: there is none
//	paused              exists while it is paused
//	asked               a tick that somebody has asked for, and no worker has claimed
//	due by until tries error
//	                    the claimed tick that isn't done yet: whether "asked" or by the "calendar"; until when it is its
//	                    worker's, and nobody else's; how often it failed, and why it did the last time
//	last state id why   the last tick that was done, given up or missed
func key(id string) string { return "lineq:{s:" + id + "}" }

// changed begins a message on [tasks.Bell] about a schedule.
const changed = "schedule:"

// Changed tells whether a message on [tasks.Bell] is about a schedule.
func Changed(message string) bool { return strings.HasPrefix(message, changed) }

// ring tells the workers that a schedule has changed. Who doesn't hear it looks within a second.
func (s *Store) ring(ctx context.Context, r Ref) {
	s.rdb.Publish(ctx, tasks.Bell, changed+r.Channel+"/"+r.ID)
}

var putScript = redis.NewScript(`
local old = redis.call('HGET', KEYS[1], 'hash')
if old then return old end
redis.call('HSET', KEYS[1], 'spec', ARGV[1], 'hash', ARGV[2], 'created', ARGV[3], 'next', ARGV[4])
return ARGV[2]
`)

// Put makes a schedule. One with the same id that says the same is left as it is, paused or not; one that says anything else
// is ErrIDReused.
func (s *Store) Put(ctx context.Context, spec Spec) error {
	encoded, err := spec.Encode()
	if err != nil {
		return fmt.Errorf("schedule %s: %w", spec.ID, err)
	}
	now, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return fmt.Errorf("schedule %s: %w", spec.ID, err)
	}
	c, err := spec.Calendar(now)
	if err != nil {
		return fmt.Errorf("schedule %s: %w", spec.ID, err)
	}
	// The set is another key than the hash, perhaps on another node: with the schedule in it before and after, neither a
	// death in between nor a Remove in between leaves one at which nobody looks.
	r := Ref{spec.Channel, spec.ID}
	list := func() error { return s.rdb.SAdd(ctx, index, r.Channel+"/"+r.ID).Err() }
	if err := list(); err != nil {
		return fmt.Errorf("schedule %s: %w", spec.ID, err)
	}
	hash, err := putScript.Run(ctx, s.rdb, []string{key(spec.ID)}, encoded, fingerprint(encoded), now.UnixMilli(),
		unixMilli(c.Next(now))).Text()
	switch {
	case err != nil:
	case hash != fingerprint(encoded):
		err = ErrIDReused
		if other, lookErr := s.Read(ctx, spec.ID); lookErr == nil && other.Channel != r.Channel {
			_ = s.rdb.SRem(ctx, index, r.Channel+"/"+r.ID).Err()
		}
	default:
		err = list()
	}
	if err != nil {
		return fmt.Errorf("schedule %s: %w", spec.ID, err)
	}
	s.ring(ctx, r)
	return nil
}

// stored is a schedule as its hash has it.
type stored struct {
	spec     Spec
	calendar Calendar
	fields   map[string]string
}

func (h stored) at(field string) time.Time { return instant(h.fields[field]) }

// read returns ErrNotFound where there is no such schedule.
func (s *Store) read(ctx context.Context, id string) (stored, error) {
	fields, err := s.rdb.HGetAll(ctx, key(id)).Result()
	if err != nil {
		return stored{}, err
	}
	if fields["spec"] == "" {
		return stored{}, ErrNotFound
	}
	h := stored{fields: fields}
	if h.spec, err = Decode(id, []byte(fields["spec"])); err != nil {
		return stored{}, err
	}
	h.calendar, err = h.spec.Calendar(h.at("created"))
	return h, err
}

// Read returns what is known of a schedule, or fails with ErrNotFound.
func (s *Store) Read(ctx context.Context, id string) (Summary, error) {
	if err := CheckID(id); err != nil {
		return Summary{}, err
	}
	h, err := s.read(ctx, id)
	if err != nil {
		return Summary{}, fmt.Errorf("schedule %s: %w", id, err)
	}
	return h.summary(), nil
}

// List returns all schedules, by channel and ID. One that only a newer version can read has no more than its names.
func (s *Store) List(ctx context.Context) ([]Summary, error) {
	refs, err := s.refs(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]Summary, 0, len(refs))
	for _, r := range refs {
		h, err := s.read(ctx, r.ID)
		switch {
		case errors.Is(err, ErrNotFound):
		case errors.Is(err, tasks.ErrNewerVersion), errors.Is(err, tasks.ErrUnknownKind):
			all = append(all, Summary{ID: r.ID, Channel: r.Channel, Next: []time.Time{}})
		case err != nil:
			return nil, fmt.Errorf("schedule %s: %w", r.ID, err)
		default:
			all = append(all, h.summary())
		}
	}
	return all, nil
}

func (s *Store) refs(ctx context.Context) ([]Ref, error) {
	members, err := s.rdb.SMembers(ctx, index).Result()
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", err)
	}
	slices.Sort(members)
	refs := make([]Ref, 0, len(members))
	for _, m := range members {
		if channel, id, ok := strings.Cut(m, "/"); ok && tasks.CheckChannel(channel) == nil && CheckID(id) == nil {
			refs = append(refs, Ref{channel, id})
		}
	}
	return refs, nil
}

// nexts is how many ticks a summary tells ahead.
const nexts = 3

func (h stored) summary() Summary {
	s := h.spec
	sum := Summary{
		ID: s.ID, Channel: s.Channel, Kind: s.Kind(), Cron: s.Cron, Zone: s.Zone, Missed: s.Missed,
		Within: s.patience().String(), Paused: h.fields["paused"] != "", Next: []time.Time{}, Last: h.run(),
		CreatedAt: h.at("created"),
	}
	if s.Campaign != nil {
		sum.Audience, sum.Command = s.Campaign.Audience, s.Campaign.Command
	}
	if sum.Paused {
		return sum
	}
	for t := h.at("next"); !t.IsZero() && len(sum.Next) < nexts; t = h.calendar.Next(t) {
		sum.Next = append(sum.Next, t)
	}
	return sum
}

// run is the tick that was begun last.
func (h stored) run() *Run {
	if due := h.at("due"); !due.IsZero() {
		r := &Run{
			Tick: due, State: RunStarted, ID: tickID(h.spec.ID, due), Error: h.fields["error"], Tries: number(h.fields["tries"]),
		}
		if r.Error != "" {
			r.State = RunFailing
		}
		return r
	}
	if asked := h.at("asked"); !asked.IsZero() {
		return &Run{Tick: asked, State: RunAsked, ID: tickID(h.spec.ID, asked)}
	}
	last := h.at("last")
	if last.IsZero() {
		return nil
	}
	return &Run{Tick: last, State: RunState(h.fields["state"]), ID: h.fields["id"], Error: h.fields["why"]}
}

func instant(ms string) time.Time {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
