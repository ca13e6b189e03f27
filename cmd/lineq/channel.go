package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
)

// channelCommand is lineq channel.
type channelCommand struct {
	List   channelList   `cmd:"" help:"List the channels, what waits for each, and why it is held."`
	Check  channelCheck  `cmd:"" help:"Ask LINE for tokens and quota, and lift holds that are over."`
	Hold   channelHold   `cmd:"" help:"Let a channel's tasks wait."`
	Resume channelResume `cmd:"" help:"Let a held channel's tasks go on."`
}

func (channelCommand) Help() string {
	return `Examples:

    lineq channel list
    lineq channel check
    lineq channel hold shop --note 'wrong price in the text' --for 2h
    lineq channel resume shop

A worker holds a channel by itself when LINE refuses its token (auth: everything waits), and when its monthly quota is
spent (quota: pushes, multicasts, broadcasts and narrowcasts wait; replies and everything free go on).`
}

// channelState is what is known of a channel.
type channelState struct {
	Channel    string      `json:"channel"`
	State      string      `json:"state"` // running or held
	Holds      []holdState `json:"holds"` // the oldest first
	Waiting    int64       `json:"waiting"`
	LastSeenAt *time.Time  `json:"last_seen_at"` // null: no worker has said that it serves the channel
}

type holdState struct {
	Reason lineapi.Reason `json:"reason"`
	Since  time.Time      `json:"since"`
	Until  *time.Time     `json:"until"` // null: until it is lifted
	Note   string         `json:"note"`
	By     string         `json:"by"`
}

const channelJSON = `With --json: [{"channel","state","holds":[{"reason","since","until","note","by"}],"waiting","last_seen_at"}]. State
is running or held; reason is auth, quota or operator; until is null for a hold without an end. Waiting counts tasks of
the channel's own queues: pushes and multicasts. Last_seen_at is when a worker last served the channel, to the minute.`

type channelList struct {
	JSON bool `name:"json" help:"Print a JSON array."`
	redisFlag
}

func (channelList) Help() string {
	return `Examples:

    lineq channel list
    lineq channel list --json | jq -r '.[] | select(.state == "held").channel'

` + channelJSON
}

func (c channelList) Run(ctx context.Context, a *app) error {
	rdb, err := openRedis(ctx, c.Redis, asGiven)
	if err != nil {
		return err
	}
	defer rdb.Close()
	seen, err := channel.LastSeen(ctx, rdb)
	if err != nil {
		return err
	}
	held, err := channel.Attention(ctx, rdb)
	if err != nil {
		return err
	}
	names := append(held, slices.Collect(maps.Keys(seen))...)
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 {
		a.note("no worker has run on this Redis yet")
	}
	return a.printChannels(ctx, rdb, c.JSON, names...)
}

// printChannels prints how channels stand.
func (a *app) printChannels(ctx context.Context, rdb redis.UniversalClient, asJSON bool, names ...string) error {
	states, err := channelStates(ctx, rdb, names)
	if err != nil {
		return err
	}
	if asJSON {
		return a.printJSON(states)
	}
	lines := [][]string{{"CHANNEL", "STATE", "WAITING", "LAST SEEN", "REASON", "SINCE", "UNTIL", "NOTE"}}
	for _, s := range states {
		line := []string{s.Channel, s.State, strconv.FormatInt(s.Waiting, 10), second(s.LastSeenAt)}
		if len(s.Holds) == 0 {
			lines = append(lines, line)
		}
		for _, h := range s.Holds {
			lines = append(lines, append(line, string(h.Reason), second(&h.Since), cmp.Or(second(h.Until), "lifted"), h.Note))
			line = []string{s.Channel, s.State, "", ""}
		}
	}
	return a.printTable(lines)
}

// second is a moment to the second.
func second(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Local().Format(time.DateTime)
}

func channelStates(ctx context.Context, rdb redis.UniversalClient, names []string) ([]channelState, error) {
	q, err := producer.New(producer.Config{Redis: rdb})
	if err != nil {
		return nil, err
	}
	seen, err := channel.LastSeen(ctx, rdb)
	if err != nil {
		return nil, err
	}
	holds, err := channel.Holds(ctx, rdb, names...)
	if err != nil {
		return nil, err
	}
	waiting, err := q.Waiting(ctx, names...)
	if err != nil {
		return nil, err
	}
	states := make([]channelState, len(names))
	for i, name := range names {
		s := channelState{Channel: name, State: "running", Holds: holdStates(holds[name]), Waiting: waiting[name]}
		if len(s.Holds) > 0 {
			s.State = "held"
		}
		if at, ok := seen[name]; ok {
			s.LastSeenAt = &at
		}
		states[i] = s
	}
	return states, nil
}

func holdStates(holds []channel.Hold) []holdState {
	states := make([]holdState, len(holds))
	for i, h := range holds {
		states[i] = holdState{Reason: h.Reason, Since: h.Since, Note: h.Note, By: h.By}
		if !h.Until.IsZero() {
			states[i].Until = &h.Until
		}
	}
	return states
}

// channelFlags name one channel.
type channelFlags struct {
	Name string `arg:"" help:"The channel's name."`
	JSON bool   `name:"json" help:"Print a JSON array of one."`
	redisFlag
}

// open connects, after the name is checked.
func (f channelFlags) open(ctx context.Context) (redis.UniversalClient, error) {
	if err := tasks.CheckChannel(f.Name); err != nil {
		return nil, misuse(err)
	}
	return openRedis(ctx, f.Redis, asGiven)
}

// checkKnown refuses a channel that no worker serves: it may be misspelt. Where no worker has run yet nobody can know.
func (f channelFlags) checkKnown(ctx context.Context, rdb redis.UniversalClient) error {
	known, err := channel.Known(ctx, rdb)
	if err == nil && len(known) > 0 && !slices.Contains(known, f.Name) {
		err = misuse(&unknownChannelError{f.Name, known})
	}
	return err
}

type channelHold struct {
	channelFlags
	Note string        `help:"Why; at most 200 bytes are kept."`
	For  time.Duration `placeholder:"DURATION" help:"Go on by itself after this time, as 90s or 2h; else after lineq channel resume."`
}

func (channelHold) Help() string {
	return `Examples:

    lineq channel hold shop --note 'wrong price in the text'
    lineq channel hold shop --for 2h

Everything on the channel waits, replies too. Sends under way finish. A second time it keeps its beginning, and takes the
new note and end.

` + channelJSON
}

func (c channelHold) Run(ctx context.Context, a *app) error {
	if c.For < 0 {
		return misusef("--for must be above zero")
	}
	rdb, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	if err := c.checkKnown(ctx, rdb); err != nil {
		return err
	}
	h := channel.Hold{Reason: channel.Operator, Note: c.Note, By: a.operator()}
	if c.For > 0 {
		now, err := rdb.Time(ctx).Result()
		if err != nil {
			return err
		}
		h.Until = now.Add(c.For)
	}
	if _, err := channel.Put(ctx, rdb, c.Name, h); err != nil {
		return err
	}
	return a.printChannels(ctx, rdb, c.JSON, c.Name)
}

// operator is who runs this process, and where.
func (a *app) operator() string {
	host, _ := os.Hostname()
	return strings.Trim(cmp.Or(a.getenv("USER"), a.getenv("LOGNAME"))+"@"+host, "@")
}

type channelResume struct {
	channelFlags
	Reason string `enum:",auth,quota,operator" default:"" help:"Only the hold for auth, quota or operator; else every hold."`
}

func (channelResume) Help() string {
	return `Examples:

    lineq channel resume shop
    lineq channel resume shop --reason quota

A channel whose token LINE refuses, or whose quota is spent, is soon held again: lineq channel check tells.

` + channelJSON
}

func (c channelResume) Run(ctx context.Context, a *app) error {
	rdb, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer rdb.Close()
	holds, err := channel.Holds(ctx, rdb, c.Name)
	if err != nil {
		return err
	}
	lifted := false
	for _, h := range holds[c.Name] {
		if c.Reason != "" && c.Reason != string(h.Reason) {
			continue
		}
		was, err := channel.Lift(ctx, rdb, c.Name, h.Reason)
		if err != nil {
			return err
		}
		lifted = lifted || was
	}
	if !lifted {
		if err := c.checkKnown(ctx, rdb); err != nil {
			return err
		}
		why := ""
		if c.Reason != "" {
			why = fmt.Sprintf(" for the reason %s", c.Reason)
		}
		a.note("the channel %s was not held%s", c.Name, why)
	}
	return a.printChannels(ctx, rdb, c.JSON, c.Name)
}
