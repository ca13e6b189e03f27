package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/lineq/lineq/lineapi"
)

// quotaCommand is lineq quota.
type quotaCommand struct {
	Channel string `help:"Only this channel's; else of every one that has a token here."`
	JSON    bool   `name:"json" help:"Print a JSON array."`
	lineFlags
}

func (quotaCommand) Help() string {
	return `Examples:

    LINE_CHANNEL_ACCESS_TOKEN=… lineq quota
    lineq quota --config lineq.yaml --channel shop --json | jq '.[].left'

LINE counts one message for each person reached, in this month, LINE's console included; replies are free. What is used is
LINE's approximate figure.

With --json: [{"channel","limit","used","left"}]; limit and left are null for a plan without a limit.`
}

// quotaState is a month's quota, in messages.
type quotaState struct {
	Limit *int64 `json:"limit"` // null: none
	Used  int64  `json:"used"`
	Left  *int64 `json:"left"` // null: as many as one likes
}

type channelQuota struct {
	Channel string `json:"channel"`
	quotaState
}

func (c quotaCommand) Run(ctx context.Context, a *app) error {
	var names []string
	if c.Channel != "" {
		names = []string{c.Channel}
	}
	clients, err := c.chosen(a, names)
	if err != nil {
		return err
	}
	names = slices.Sorted(maps.Keys(clients))
	states, failed := make([]quotaState, len(names)), make([]error, len(names))
	forEach(len(names), func(i int) {
		ctx, cancel := context.WithTimeout(ctx, checkTime)
		defer cancel()
		states[i], failed[i] = quotaOf(ctx, clients[names[i]])
	})
	known, lines := []channelQuota{}, [][]string{{"CHANNEL", "LIMIT", "USED", "LEFT"}}
	var first error
	for i, name := range names {
		if err := failed[i]; err != nil {
			if first == nil {
				first = fmt.Errorf("quota of the channel %s: %w", name, err)
			}
			continue
		}
		known = append(known, channelQuota{name, states[i]})
		limit, used, left := states[i].columns()
		lines = append(lines, []string{name, limit, used, left})
	}
	if c.JSON {
		err = a.printJSON(known)
	} else if len(known) > 0 {
		err = a.printTable(lines)
	}
	if err != nil {
		return err
	}
	return first
}

// quotaOf asks LINE for the quota and what is used of it.
func quotaOf(ctx context.Context, client *lineapi.Client) (quotaState, error) {
	quota, err := client.Quota(ctx)
	if err != nil {
		return quotaState{}, err
	}
	used, err := client.QuotaConsumption(ctx)
	if err != nil {
		return quotaState{}, err
	}
	q := quotaState{Used: used}
	if quota.Type != "none" {
		left := max(0, quota.Value-used)
		q.Limit, q.Left = &quota.Value, &left
	}
	return q, nil
}

// hasRoom tells whether something can be sent that costs quota.
func (q quotaState) hasRoom() bool { return q.Left == nil || *q.Left > 0 }

// columns are the figures for a table.
func (q quotaState) columns() (limit, used, left string) {
	text := func(n int64) string { return strconv.FormatInt(n, 10) }
	if q.Left == nil {
		return "none", text(q.Used), "unlimited"
	}
	return text(*q.Limit), text(q.Used), text(*q.Left)
}
