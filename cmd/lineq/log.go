package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/channel"
	"github.com/lineq/lineq/tasks/record"
)

// logCommand is lineq log.
type logCommand struct {
	Channel string `help:"Only this channel's; else of every channel that a worker serves."`
	Lines   int    `default:"100" help:"The last so many lines."`
	Follow  bool   `short:"f" help:"Go on with what is decided from now on, until interrupted."`
	JSON    bool   `name:"json" help:"Print a JSON array; with --follow one JSON object a line."`
	redisFlag
}

func (logCommand) Help() string {
	return `Examples:

    lineq log
    lineq log --channel shop --lines 1000 --json | jq '.[] | select(.outcome != "sent")'
    lineq log --follow

One line for each task that was decided. A line can stand there twice, with the same task, when a worker died at the
wrong moment. The last 100,000 lines of each channel are kept.`
}

func (c logCommand) Run(ctx context.Context, a *app) error {
	if c.Lines < 1 {
		return misusef("--lines must be above zero")
	}
	if c.Channel != "" {
		if err := tasks.CheckChannel(c.Channel); err != nil {
			return misuse(err)
		}
	}
	rdb, err := openRedis(ctx, c.Redis, asGiven)
	if err != nil {
		return err
	}
	defer rdb.Close()
	reader := logReader{
		rdb: rdb, records: record.New(rdb, record.Retention{}), channel: c.Channel, cursors: map[string]string{},
	}
	lines, err := reader.tail(ctx, c.Lines)
	if err != nil {
		return err
	}
	if c.JSON && !c.Follow {
		return a.printJSON(lines)
	}
	if err := c.print(a, lines); err != nil || !c.Follow {
		return err
	}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		lines, err := reader.next(ctx)
		if err == nil {
			err = c.print(a, lines)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
}

// followEvery is how often the log is looked at while it is followed.
const followEvery = 300 * time.Millisecond

// print writes lines one by one.
func (c logCommand) print(a *app, lines []record.Line) error {
	for _, l := range lines {
		if c.JSON {
			if err := a.printJSON(l); err != nil {
				return err
			}
			continue
		}
		text := fmt.Sprintf("%s  %s  %-20s  %s/%s", moment(&l.At), a.paint(l.Outcome, fmt.Sprintf("%-9s", l.Outcome)),
			l.Kind, l.Channel, l.ID)
		switch {
		case l.Error != "":
			text += fmt.Sprintf("  %s: %s", l.Reason, oneLine(l.Error))
		case l.Replayed:
			text += "  replayed"
		}
		if l.Attempts > 1 {
			text += fmt.Sprintf("  (%d attempts)", l.Attempts)
		}
		if _, err := fmt.Fprintln(a.stdout, text); err != nil {
			return err
		}
	}
	return nil
}

// logReader reads the logs of one channel or of all known ones, and remembers how far it has come in each.
type logReader struct {
	rdb     redis.UniversalClient
	records *record.Store
	channel string // empty: all known
	cursors map[string]string
}

func (r *logReader) channels(ctx context.Context) ([]string, error) {
	if r.channel != "" {
		return []string{r.channel}, nil
	}
	return channel.Known(ctx, r.rdb)
}

// tail is the last n lines, oldest first.
func (r *logReader) tail(ctx context.Context, n int) ([]record.Line, error) {
	return r.read(ctx, func(name string) ([]record.Line, error) { return r.records.LogTail(ctx, name, int64(n)) }, n)
}

// next is what has come since the last call, at most a thousand lines a channel.
func (r *logReader) next(ctx context.Context) ([]record.Line, error) {
	const most = 1000
	return r.read(ctx, func(name string) ([]record.Line, error) {
		return r.records.LogAfter(ctx, name, r.cursors[name], most)
	}, 0)
}

// read merges what the channels' logs say, by time, and keeps the last n of it; 0 keeps all.
func (r *logReader) read(
	ctx context.Context, lines func(string) ([]record.Line, error), n int,
) ([]record.Line, error) {
	names, err := r.channels(ctx)
	if err != nil {
		return nil, err
	}
	all := []record.Line{}
	for _, name := range names {
		some, err := lines(name)
		if err != nil {
			return nil, err
		}
		if len(some) > 0 {
			r.cursors[name] = some[len(some)-1].Cursor
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(x, y record.Line) int { return x.At.Compare(y.At) })
	if n > 0 && len(all) > n {
		all = all[len(all)-n:]
	}
	return all, nil
}
