package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks/limit"
)

// lookAtLINE asks LINE about each channel that has a token here. Its error is of a configuration that can't be read.
func (d *doctor) lookAtLINE(ctx context.Context, a *app, line lineFlags, flags limitFlags) error {
	clients, err := line.clients(a)
	switch {
	case errors.Is(err, errNoChannel):
		d.say(warning, "line", "", hintFor(err), "LINE isn't asked: there is no channel access token here")
		return nil
	case err != nil:
		return err
	}
	limits, err := flags.limits(a, line, clients)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(clients))
	found, took := make([]checked, len(names)), make([]time.Duration, len(names))
	forEach(len(names), func(i int) {
		begin := time.Now()
		found[i] = checked{Channel: names[i], Token: "unknown"}
		found[i].ask(ctx, clients[names[i]])
		took[i] = time.Since(begin)
	})
	for i, c := range found {
		d.lookAtToken(c, took[i])
		d.lookAtQuota(c)
		d.lookAtLimits(c.Channel, limits)
	}
	return nil
}

func (d *doctor) lookAtToken(c checked, took time.Duration) {
	switch {
	case c.Token == "refused":
		d.say(problem, "token", c.Channel, tokenHint, "%s", c.Error)
	case c.Token != "ok":
		d.say(problem, "token", c.Channel, "let this machine reach LINE's hosts by HTTPS; a proxy is named by HTTPS_PROXY",
			"LINE could not be asked: %s", c.Error)
	default:
		d.say(fine, "token", c.Channel, "", "LINE knows it as %s; three answers took %s",
			strings.TrimSpace(c.BotName+" "+c.BasicID), took.Round(time.Millisecond))
	}
}

// littleQuota is the part of a month's quota below which it is worth a warning.
const littleQuota = 0.1

func (d *doctor) lookAtQuota(c checked) {
	const advice = "raise the quota at LINE before it is spent: then pushes, multicasts, broadcasts and narrowcasts wait"
	switch q := c.Quota; {
	case c.Token != "ok":
	case q == nil:
		d.say(warning, "quota", c.Channel, "", "LINE doesn't tell: %s", c.Error)
	case q.Left == nil:
		d.say(fine, "quota", c.Channel, "", "%d used, no limit", q.Used)
	case float64(*q.Left) < littleQuota*float64(*q.Limit) || *q.Left == 0:
		d.say(warning, "quota", c.Channel, advice, "%d of %d left", *q.Left, *q.Limit)
	default:
		d.say(fine, "quota", c.Channel, "", "%d of %d left", *q.Left, *q.Limit)
	}
}

// lookAtLimits compares the limits that are kept with those that LINE publishes.
func (d *doctor) lookAtLimits(channel string, l limit.Limits) {
	if l.Off {
		d.say(warning, "limits", channel, "only a simulated LINE takes that", "none is kept")
		return
	}
	var above, other []string
	for _, e := range endpoint.All {
		kept, published := l.Interval(channel, e), limit.Limits{}.Interval(channel, e)
		switch {
		case kept == published:
		case published > 0 && kept < published:
			above = append(above, e.Operation)
		default:
			other = append(other, e.Operation)
		}
	}
	share := ""
	if s := l.Channels[channel].Share; s > 0 && s < 1 {
		share = fmt.Sprintf(" (a share of %.4g)", s)
	}
	switch {
	case len(above) > 0:
		d.say(warning, "limits", channel, "only a simulated LINE takes that", "above what LINE publishes for %s",
			shortList(above))
	case len(other) > 0:
		d.say(fine, "limits", channel, "", "below what LINE publishes%s for %s", share, shortList(other))
	default:
		d.say(fine, "limits", channel, "", "those that LINE publishes")
	}
}

// shortList has the first names, and counts the rest.
func shortList(names []string) string {
	const shown = 4
	if len(names) <= shown {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
}
