package channel

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

//go:embed put.lua
var putLua string

//go:embed lift.lua
var liftLua string

var (
	putScript  = redis.NewScript(putLua)
	liftScript = redis.NewScript(liftLua)
)

// Operator is the reason of a hold that somebody asked for. The other reasons for a hold are [lineapi.Auth] and
// [lineapi.Quota].
const Operator lineapi.Reason = "operator"

// Pause is what the key of a paused queue of asynq's holds when it was lineq that paused it, for a hold: an operator's own
// pause, by asynq's dashboard, is left alone. asynq looks only whether the key exists.
const Pause = "lineq"

// Reasons are those for which a channel can be held. It must not be changed.
var Reasons = []lineapi.Reason{lineapi.Auth, lineapi.Quota, Operator}

// Hold is one reason for which a channel's tasks wait. A channel can have one of each reason at once.
type Hold struct {
	Reason lineapi.Reason
	Since  time.Time // by Redis's clock, whole milliseconds
	Until  time.Time // the hold ends by itself then; zero: when somebody lifts it
	Note   string    // what LINE or the operator said, one line of at most 200 bytes, without secrets
	By     string    // who held it, one line of at most 100 bytes
}

const (
	maxNote = 200
	maxBy   = 100
)

// Covers tells whether tasks under this policy wait. A quota that is spent stops only what costs quota: LINE takes
// replies and everything that is free as before (https://developers.line.biz/en/docs/messaging-api/pricing/). A reason
// that a newer lineq has written stops everything.
func (h Hold) Covers(p tasks.Policy) bool { return h.Reason != lineapi.Quota || p.CostsQuota }

// held is the set of the channels that need a worker's attention: those that are held, and those whose tasks wait to be
// woken after a hold.
const held = "lineq:held"

func stateKey(channel string) string { return "lineq:{" + channel + "}:state" }

// Put holds a channel. h.Since is Redis's clock's; a repeat keeps it, and replaces the rest. fresh tells that the channel
// was not held for this reason before. Workers hear of a change on [tasks.Bell]. After an error the hold may be there all
// the same: repeat it.
func Put(ctx context.Context, rdb redis.UniversalClient, channel string, h Hold) (fresh bool, err error) {
	if err := tasks.CheckChannel(channel); err != nil {
		return false, err
	}
	if !slices.Contains(Reasons, h.Reason) {
		return false, fmt.Errorf("hold %s: %q is no reason to hold a channel", channel, h.Reason)
	}
	until := int64(0)
	if !h.Until.IsZero() {
		until = h.Until.UnixMilli()
	}
	// The set is another key than the state, perhaps on another node. With the channel in it before and after, neither a
	// death in between nor a Woken in between leaves a hold that nobody looks at.
	if err := rdb.SAdd(ctx, held, channel).Err(); err != nil {
		return false, fmt.Errorf("hold %s: %w", channel, err)
	}
	v, err := putScript.Run(ctx, rdb, []string{stateKey(channel)}, string(h.Reason), until, line(h.By, maxBy),
		line(h.Note, maxNote)).StringSlice()
	if err != nil {
		return false, fmt.Errorf("hold %s: %w", channel, err)
	}
	fresh = v[0] == "1"
	if v[1] == "1" {
		err = tell(ctx, rdb, channel)
	}
	return fresh, err
}

// Lift ends a channel's hold for one reason; lifted is false when there was none, or one that was over. The channel stays
// among those that need attention until [Woken]. Workers hear of it on [tasks.Bell].
func Lift(
	ctx context.Context, rdb redis.UniversalClient, channel string, reason lineapi.Reason,
) (lifted bool, err error) {
	v, err := liftScript.Run(ctx, rdb, []string{stateKey(channel)}, string(reason)).Text()
	if err != nil {
		return false, fmt.Errorf("lift the hold of %s: %w", channel, err)
	}
	if v != "1" {
		return false, nil
	}
	return true, tell(ctx, rdb, channel)
}

// tell brings a channel to the workers' attention: of those that listen at once, of all others when they look.
func tell(ctx context.Context, rdb redis.UniversalClient, channel string) error {
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.SAdd(ctx, held, channel)
		p.Publish(ctx, tasks.Bell, changed+channel)
		return nil
	})
	if err != nil {
		return fmt.Errorf("tell that %s changed: %w", channel, err)
	}
	return nil
}

// changed begins a message on [tasks.Bell] about a channel's holds; all other messages are names of queues.
const changed = "hold:"

// Changed tells which channel's holds have changed by a message on [tasks.Bell]; ok is false for any other message.
func Changed(message string) (channel string, ok bool) {
	name, found := strings.CutPrefix(message, changed)
	if !found || tasks.CheckChannel(name) != nil {
		return "", false
	}
	return name, true
}

// Holds reads the holds of channels, in one round trip, the oldest of a channel first. Holds that are over by Redis's
// clock are left out, and so is a channel without any.
func Holds(ctx context.Context, rdb redis.UniversalClient, channels ...string) (map[string][]Hold, error) {
	all := map[string][]Hold{}
	if len(channels) == 0 {
		return all, nil
	}
	var clock *redis.TimeCmd
	states := make([]*redis.MapStringStringCmd, len(channels))
	_, err := rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		clock = p.Time(ctx)
		for i, name := range channels {
			states[i] = p.HGetAll(ctx, stateKey(name))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	for i, name := range channels {
		if holds := current(states[i].Val(), clock.Val()); len(holds) > 0 {
			all[name] = holds
		}
	}
	return all, nil
}

// current are the holds in a channel's state that aren't over.
func current(state map[string]string, now time.Time) []Hold {
	var holds []Hold
	for reason, value := range state {
		h := parse(value)
		h.Reason = lineapi.Reason(reason)
		if h.Until.IsZero() || h.Until.After(now) {
			holds = append(holds, h)
		}
	}
	slices.SortFunc(holds, func(x, y Hold) int {
		return cmp.Or(x.Since.Compare(y.Since), cmp.Compare(x.Reason, y.Reason))
	})
	return holds
}

// parse reads a value as put writes it. What a newer lineq appends is left out; what nobody can read is a hold all the
// same.
func parse(value string) (h Hold) {
	lines := append(strings.Split(value, "\n"), "", "", "")
	h.Since, h.Until, h.By, h.Note = instant(lines[0]), instant(lines[1]), lines[2], lines[3]
	return h
}

func instant(ms string) time.Time {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// line makes a text one line of UTF-8 of at most so many bytes.
func line(text string, most int) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD")))
	if len(text) > most {
		text = strings.TrimSpace(strings.ToValidUTF8(text[:most], "")) // the cut may have gone through a character
	}
	return text
}

// Attention lists, sorted, the channels that are held, and those whose tasks wait to be woken after a hold. A channel
// stays in it until [Woken], also when its hold was over by itself.
func Attention(ctx context.Context, rdb redis.UniversalClient) ([]string, error) {
	names, err := rdb.SMembers(ctx, held).Result()
	if err != nil {
		return nil, fmt.Errorf("list held channels: %w", err)
	}
	slices.Sort(names)
	return names, nil
}

// Woken says that all tasks of a channel that wait for no hold any more have been woken. A channel that is held goes on
// to need attention.
func Woken(ctx context.Context, rdb redis.UniversalClient, channel string) error {
	err := woken(ctx, rdb, channel)
	if err != nil {
		return fmt.Errorf("%s has been woken: %w", channel, err)
	}
	return nil
}

func woken(ctx context.Context, rdb redis.UniversalClient, channel string) error {
	holds, err := Holds(ctx, rdb, channel)
	if err != nil || len(holds) > 0 {
		return err
	}
	if err := rdb.SRem(ctx, held, channel).Err(); err != nil {
		return err
	}
	// A Put before the removal had its channel removed; one after it adds its channel.
	holds, err = Holds(ctx, rdb, channel)
	if err != nil || len(holds) > 0 {
		err = errors.Join(err, rdb.SAdd(ctx, held, channel).Err())
	}
	return err
}

// Claim lets one of many workers do a thing for a channel, and nobody else do it for d: true for the one. what names the
// thing. The one whose answer from Redis was lost isn't told, so that nobody does it then until d is over.
func Claim(ctx context.Context, rdb redis.UniversalClient, channel, what string, d time.Duration) (bool, error) {
	ok, err := rdb.SetNX(ctx, "lineq:{"+channel+"}:claim:"+what, "1", d).Result()
	if err != nil {
		return false, fmt.Errorf("claim %s of %s: %w", what, channel, err)
	}
	return ok, nil
}
