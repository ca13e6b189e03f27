package campaign

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed" // the scripts
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
)

//go:embed draft.lua
var draftLua string

//go:embed append.lua
var appendLua string

//go:embed seal.lua
var sealLua string

var (
	draftScript  = redis.NewScript(draftLua)
	appendScript = redis.NewScript(appendLua)
	sealScript   = redis.NewScript(campaignLua + sealLua)
)

const (
	// draftAlive is for how long after its last write a draft counts as one that is just being written.
	draftAlive = 30 * time.Second
	// draftLifetime is when what an intake that died left behind disappears.
	draftLifetime = 24 * time.Hour
)

// Draft is a campaign that is being written, by one goroutine that makes and seals it and by any number that append.
type Draft struct {
	store       *Store
	id, channel string
	token       string
	plan        Plan
}

// Draft begins a campaign, or begins it anew where an earlier intake has died. Where the id is sealed, it fails with an
// *ExistsError, or with ErrIDReused where that is another campaign; where somebody else is just writing it, with ErrIntake.
func (s *Store) Draft(ctx context.Context, channel, id string, p Plan) (*Draft, error) {
	if err := errors.Join(tasks.CheckChannel(channel), tasks.CheckID(id)); err != nil {
		return nil, err
	}
	plan, hash, err := encodePlan(channel, p)
	if err != nil {
		return nil, fmt.Errorf("campaign %s: %w", id, err)
	}
	d := &Draft{store: s, id: id, channel: channel, token: rand.Text(), plan: p}
	k := keysOf(id)
	v, err := draftScript.Run(ctx, s.rdb, k.all(),
		d.token, draftAlive.Milliseconds(), draftLifetime.Milliseconds(), channel, hash, plan, string(p.Mode)).StringSlice()
	if err != nil {
		return nil, fmt.Errorf("campaign %s: %w", id, err)
	}
	switch v[0] {
	case "new":
		return d, nil
	case "busy":
		return nil, fmt.Errorf("campaign %s: %w", id, ErrIntake)
	}
	if v[1] != channel || v[2] != hash {
		return nil, fmt.Errorf("campaign %s: %w", id, ErrIDReused)
	}
	sum, err := s.Summary(ctx, id)
	if err != nil {
		return nil, err
	}
	return nil, &ExistsError{sum}
}

// ExistsError says that the same campaign was sealed before.
type ExistsError struct{ Summary Summary }

func (e *ExistsError) Error() string {
	return fmt.Sprintf("campaign %s exists: it is %s", e.Summary.ID, e.Summary.State)
}

// encodePlan is the plan's JSON, and the fingerprint by which a repeat is recognised. When it is sent, and how fast, isn't
// in that: who repeats a command with "in an hour" means the same campaign.
func encodePlan(channel string, p Plan) (plan, hash string, err error) {
	b, err := json.Marshal(p)
	if err != nil {
		return "", "", err
	}
	what, err := json.Marshal(Plan{
		Mode: p.Mode, Templates: p.Templates, Columns: p.Columns, NotificationDisabled: p.NotificationDisabled,
		CustomAggregationUnits: p.CustomAggregationUnits, DryRun: p.DryRun,
	})
	sum := sha256.Sum256(append([]byte(channel+"\n"), what...))
	return string(b), string(sum[:16]), err
}

// Append writes chunks, of which the first has the given number. It may be called again with the same. The first chunk of
// a campaign has number 0, and none may be left out. It fails with ErrLost when the draft isn't this one's any more.
func (d *Draft) Append(ctx context.Context, first int, chunks ...[]byte) error {
	k := keysOf(d.id)
	args := make([]any, 0, len(chunks)+4)
	args = append(args, d.token, draftAlive.Milliseconds(), draftLifetime.Milliseconds(), first)
	for _, c := range chunks {
		args = append(args, c)
	}
	ours, err := appendScript.Run(ctx, d.store.rdb, []string{k.state, k.chunks, k.message}, args...).Bool()
	if err != nil {
		return fmt.Errorf("campaign %s: %w", d.id, err)
	}
	if !ours {
		return fmt.Errorf("campaign %s: %w", d.id, ErrLost)
	}
	return nil
}

// Beat is how often an intake that has nothing to append must say so by an Append without chunks: else it is taken for dead,
// and another may replace the draft.
const Beat = draftAlive / 3

// Odd is a chunk that differs from the rest: it has fewer recipients than the campaign's size, or is reached in another way.
type Odd struct {
	Chunk, Size int
	Mode        Mode
}

// Seal makes the draft a campaign that can be sent, in one step. size is how many recipients the chunks have, all but the odd
// ones. A second call, of an intake that didn't hear the answer to its first, changes nothing.
func (d *Draft) Seal(ctx context.Context, size, chunks int, odd []Odd, t Totals) (Summary, error) {
	// Known before it is sealed: a worker that looks in between finds a draft, and one that looks later finds it.
	member := d.channel + "/" + d.id
	now, err := d.store.rdb.Time(ctx).Result()
	if err != nil {
		return Summary{}, fmt.Errorf("campaign %s: %w", d.id, err)
	}
	_, err = d.store.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.ZAdd(ctx, index, redis.Z{Score: float64(now.Unix()), Member: member})
		p.ZRemRangeByScore(ctx, index, "-inf", strconv.FormatInt(now.Add(-d.store.retention.Counts).Unix(), 10))
		p.SAdd(ctx, unended, member)
		return nil
	})
	if err != nil {
		return Summary{}, fmt.Errorf("campaign %s: %w", d.id, err)
	}
	k := keysOf(d.id)
	args := []any{
		d.token, t.Recipients, t.Rejected, t.Duplicates, chunks, size, Block, d.plan.MaxFailures, d.plan.Rate,
		d.store.retention.Recipients.Milliseconds(), d.store.retention.Counts.Milliseconds(), unixMilli(d.plan.At),
	}
	for _, o := range odd {
		args = append(args, o.Chunk, fmt.Sprintf("%d %s", o.Size, o.Mode))
	}
	answer, err := sealScript.Run(ctx, d.store.rdb, k.all(), args...).Text()
	switch {
	case err != nil:
		return Summary{}, fmt.Errorf("campaign %s: %w", d.id, err)
	case answer == "lost":
		return Summary{}, fmt.Errorf("campaign %s: %w", d.id, ErrLost)
	case answer != "sealed":
		return Summary{}, fmt.Errorf("campaign %s: %s of %d chunks are in Redis", d.id, answer, chunks)
	}
	d.store.ring(ctx, d.channel, d.id)
	return d.store.Summary(ctx, d.id)
}

// Abandon removes the draft, unless it is sealed or somebody else's.
func (d *Draft) Abandon(ctx context.Context) error {
	k := keysOf(d.id)
	if err := abandonScript.Run(ctx, d.store.rdb, k.all(), d.token).Err(); err != nil {
		return fmt.Errorf("campaign %s: %w", d.id, err)
	}
	return nil
}

var abandonScript = redis.NewScript(`
local v = redis.call('HMGET', KEYS[1], 'token', 'state')
if v[1] == ARGV[1] and v[2] == 'draft' then redis.call('UNLINK', unpack(KEYS)) end
return 0
`)
