package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks/channel"
)

type channelCheck struct {
	Names []string `arg:"" optional:"" name:"name" help:"Channels to check; else every one that has a token here."`
	JSON  bool     `name:"json" help:"Print a JSON array."`
	lineFlags
	redisFlag
}

func (channelCheck) Help() string {
	return `Examples:

    LINE_CHANNEL_ACCESS_TOKEN=… lineq channel check
    lineq channel check shop news --config lineq.yaml
    lineq channel check --json | jq -r '.[] | select(.token == "refused").channel'

It uses the tokens of this process: of the environment and of the file of --config, as lineq worker does. Where the token
works, a hold for auth is lifted; where the quota has room, one for quota. A hold by an operator stays. Exit code 1 when
LINE refuses a token, or could not be asked.

With --json: [{"channel","token","error","bot_name","basic_id","quota":{"limit","used","left"},"lifted","holds"}]. Token
is ok, refused or unknown; quota is null where it is not known, limit and left are null where there is none; lifted lists
reasons, holds is what is left, as of lineq channel list.`
}

// checked is what a check of one channel has found.
type checked struct {
	Channel string           `json:"channel"`
	Token   string           `json:"token"` // ok, refused or unknown
	Error   string           `json:"error"`
	BotName string           `json:"bot_name"`
	BasicID string           `json:"basic_id"`
	Quota   *quotaState      `json:"quota"`
	Lifted  []lineapi.Reason `json:"lifted"`
	Holds   []holdState      `json:"holds"`
}

// checkTime is how long LINE may take to answer the three questions about one channel.
const checkTime = 15 * time.Second

func (c channelCheck) Run(ctx context.Context, a *app) error {
	clients, err := c.chosen(a, c.Names)
	if err != nil {
		return err
	}
	rdb, err := openRedis(ctx, c.Redis, asGiven)
	if err != nil {
		return err
	}
	defer rdb.Close()
	names := slices.Sorted(maps.Keys(clients))
	all, failed := make([]checked, len(names)), make([]error, len(names))
	forEach(len(names), func(i int) {
		all[i], failed[i] = check(ctx, rdb, names[i], clients[names[i]])
	})
	for i, err := range failed {
		if err != nil {
			return err
		}
		for _, reason := range all[i].Lifted {
			a.note("the channel %s is no longer held for the reason %s", names[i], reason)
		}
	}
	if c.JSON {
		err = a.printJSON(all)
	} else {
		err = a.printChecks(all)
	}
	if err != nil {
		return err
	}
	return checkFailed(all)
}

// check asks LINE about one channel, and lifts what is over. Its error is Redis's.
func check(ctx context.Context, rdb redis.UniversalClient, name string, client *lineapi.Client) (checked, error) {
	found := checked{Channel: name, Token: "unknown", Lifted: []lineapi.Reason{}}
	over := found.ask(ctx, client)
	for _, reason := range over {
		lifted, err := channel.Lift(ctx, rdb, name, reason)
		if err != nil {
			return found, err
		}
		if lifted {
			found.Lifted = append(found.Lifted, reason)
		}
	}
	holds, err := channel.Holds(ctx, rdb, name)
	found.Holds = holdStates(holds[name])
	return found, err
}

// ask puts the questions to LINE, and returns the reasons that there are none of any more to hold the channel.
func (c *checked) ask(ctx context.Context, client *lineapi.Client) (over []lineapi.Reason) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	bot, err := client.BotInfo(ctx)
	switch {
	case lineapi.ReasonOf(err) == lineapi.Auth:
		c.Token, c.Error = "refused", err.Error()
		return nil
	case err != nil:
		c.Error = err.Error()
		return nil
	}
	c.Token, c.BotName, c.BasicID = "ok", printable(bot.DisplayName), printable(bot.BasicID)
	over = append(over, lineapi.Auth)
	quota, err := quotaOf(ctx, client)
	if err != nil {
		c.Error = err.Error()
		return over
	}
	if c.Quota = &quota; quota.hasRoom() {
		over = append(over, lineapi.Quota)
	}
	return over
}

// printChecks writes a table of what was found.
func (a *app) printChecks(all []checked) error {
	lines := [][]string{{"CHANNEL", "TOKEN", "BOT", "LIMIT", "USED", "LEFT", "HELD", "ERROR"}}
	for _, c := range all {
		limit, used, left := "", "", ""
		if c.Quota != nil {
			limit, used, left = c.Quota.columns()
		}
		var reasons []string
		for _, h := range c.Holds {
			reasons = append(reasons, string(h.Reason))
		}
		lines = append(lines, []string{
			c.Channel, c.Token, strings.TrimSpace(c.BotName + " " + c.BasicID), limit, used, left,
			strings.Join(reasons, ","), oneLine(c.Error),
		})
	}
	return a.printTable(lines)
}

// printable is a foreign text as it may stand in a table on a terminal.
func printable(s string) string {
	return oneLine(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s))
}

// checkError is of a check that not every channel has passed.
type checkError struct{ refused, failed []string }

// checkFailed is nil where all is well.
func checkFailed(all []checked) error {
	e := &checkError{}
	for _, c := range all {
		switch {
		case c.Token == "refused":
			e.refused = append(e.refused, c.Channel)
		case c.Error != "":
			e.failed = append(e.failed, c.Channel)
		}
	}
	if len(e.refused)+len(e.failed) == 0 {
		return nil
	}
	return e
}

func (e *checkError) Error() string {
	var parts []string
	if len(e.refused) > 0 {
		parts = append(parts, "LINE refuses the token of "+strings.Join(e.refused, ", "))
	}
	if len(e.failed) > 0 {
		parts = append(parts, "LINE could not be asked about "+strings.Join(e.failed, ", "))
	}
	return strings.Join(parts, "; ")
}

// chosen makes clients for the channels of these names, and for all that have a token where there are no names.
func (f lineFlags) chosen(a *app, names []string) (map[string]*lineapi.Client, error) {
	all, err := f.clients(a)
	if err != nil || len(names) == 0 {
		return all, err
	}
	some := map[string]*lineapi.Client{}
	for _, name := range names {
		if all[name] == nil {
			return nil, misuse(&noTokenError{name, slices.Sorted(maps.Keys(all))})
		}
		some[name] = all[name]
	}
	return some, nil
}

// noTokenError names a channel that this process has no token for.
type noTokenError struct {
	name string
	have []string
}

func (e *noTokenError) Error() string {
	return fmt.Sprintf("there is no token here for the channel %.80q", e.name)
}

// askedAtOnce is how many channels LINE is asked about at the same time.
const askedAtOnce = 8

// forEach calls f for 0 to n-1, some at a time.
func forEach(n int, f func(i int)) {
	var all sync.WaitGroup
	free := make(chan struct{}, askedAtOnce)
	for i := range n {
		free <- struct{}{}
		all.Go(func() {
			defer func() { <-free }()
			f(i)
		})
	}
	all.Wait()
}
