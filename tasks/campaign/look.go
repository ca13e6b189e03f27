package campaign

import (
	"context"
	_ "embed" // the script
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed look.lua
var lookLua string

var lookScript = redis.NewScript(campaignLua + lookLua)

// Ref names a campaign.
type Ref struct{ Channel, ID string }

// Unended lists the campaigns that workers have to look after, sorted.
func (s *Store) Unended(ctx context.Context) ([]Ref, error) {
	members, err := s.rdb.SMembers(ctx, unended).Result()
	if err != nil {
		return nil, fmt.Errorf("list campaigns: %w", err)
	}
	slices.Sort(members)
	refs := make([]Ref, 0, len(members))
	for _, m := range members {
		channel, id, _ := strings.Cut(m, "/")
		refs = append(refs, Ref{channel, id})
	}
	return refs, nil
}

// Need is what a campaign needs of a worker.
type Need string

const (
	Nothing        Need = ""
	NeedsPreflight Need = "preflight"
	NeedsLanes     Need = "lanes" // there are none, or none has been heard of for a while
	NeedsTelling   Need = "tell"  // it has ended, and that doesn't stand in the delivery log yet
	Gone           Need = "gone"  // nobody has to look after it any more
)

const (
	// stalled is how long nothing may be heard of a sending campaign's lanes.
	stalled = 30 * time.Second
	// preflightTime is how long a preflight may take before another one is begun.
	preflightTime = time.Minute
	// tellTime is how long the telling of its end may take before another worker does it.
	tellTime = 10 * time.Second
)

// Look is how a campaign stands, and what it needs.
type Look struct {
	State     State
	Need      Need
	Preflight int // the number of the one that it needs
	Epoch     int
}

// Look says how a campaign stands and what it needs. Of many workers one is told, and nobody else for a while: if it dies
// over it, another is told then. Who can't do anything about it, with act false, is told only how it stands.
func (s *Store) Look(ctx context.Context, id string, act bool) (Look, error) {
	acts := "0"
	if act {
		acts = "1"
	}
	v, err := lookScript.Run(ctx, s.rdb, keysOf(id).all(), stalled.Milliseconds(), preflightTime.Milliseconds(),
		tellTime.Milliseconds(), acts).StringSlice()
	if err != nil {
		return Look{}, fmt.Errorf("campaign %s: %w", id, err)
	}
	return Look{State(v[0]), Need(v[1]), number(v[2]), number(v[3])}, nil
}

// Told says that the end of a campaign of this version stands in the delivery log: from now on nobody has to look after it. It
// says nothing of another campaign that has taken the ID meanwhile.
func (s *Store) Told(ctx context.Context, r Ref, version string) error {
	if err := toldScript.Run(ctx, s.rdb, []string{keysOf(r.ID).state}, version).Err(); err != nil {
		return fmt.Errorf("campaign %s: %w", r.ID, err)
	}
	return s.Forget(ctx, r)
}

// toldScript leaves a campaign alone whose counts have expired.
var toldScript = redis.NewScript(`
if redis.call('HGET', KEYS[1], 'token') == ARGV[1] then redis.call('HSET', KEYS[1], 'told', '1') end
return 0`)

// Forget takes a campaign out of Unended that nobody has to look after any more.
func (s *Store) Forget(ctx context.Context, r Ref) error {
	err := s.forget(ctx, r)
	if err != nil {
		return fmt.Errorf("campaign %s: %w", r.ID, err)
	}
	return nil
}

func (s *Store) forget(ctx context.Context, r Ref) error {
	member := r.Channel + "/" + r.ID
	if err := s.rdb.SRem(ctx, unended, member).Err(); err != nil {
		return err
	}
	// The list is another key than the campaign, perhaps on another node. A campaign that took the ID before the removal had
	// its place in the list removed; one that takes it now puts itself there.
	v, err := s.rdb.HMGet(ctx, keysOf(r.ID).state, "state", "told").Result()
	if err == nil && (v[0] == nil || v[1] != nil) {
		return nil
	}
	return errors.Join(err, s.rdb.SAdd(ctx, unended, member).Err())
}

// Rest says that all lanes wait on purpose for so long.
func (s *Store) Rest(ctx context.Context, id string, d time.Duration) error {
	now, err := s.rdb.Time(ctx).Result()
	if err == nil {
		err = s.rdb.HSet(ctx, keysOf(id).state, "rest", now.Add(d).UnixMilli()).Err()
	}
	if err != nil {
		return fmt.Errorf("campaign %s: %w", id, err)
	}
	return nil
}
