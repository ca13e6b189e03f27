package record

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// logLength is how many lines a channel's delivery log keeps, about.
const logLength = 100_000

// Line is one line of a channel's delivery log: a task that was decided. Lines are written at least once: after a crash
// at the wrong moment the same decision stands there twice, with the same task and attempts.
type Line struct {
	// Cursor is the line's place in its channel's log, growing with time.
	Cursor    string         `json:"cursor"`
	At        time.Time      `json:"at"`
	Channel   string         `json:"channel"`
	ID        string         `json:"id"`
	Kind      tasks.Kind     `json:"kind"`
	Outcome   tasks.Outcome  `json:"outcome"`
	Reason    lineapi.Reason `json:"reason"`
	Replayed  bool           `json:"replayed"`
	RequestID string         `json:"request_id"`
	Attempts  int            `json:"attempts"`
	Error     string         `json:"error"`
	// To is a mark of the recipient of a task that has one, see MarkOf.
	To string `json:"-"`
}

func logKey(channel string) string { return "lineq:{" + channel + "}:log" }

// Log appends a line; Cursor and At are Redis's.
func (s *Store) Log(ctx context.Context, l Line) error {
	values := []any{"id", l.ID, "kind", string(l.Kind), "outcome", string(l.Outcome), "attempts", l.Attempts}
	for _, f := range [][2]string{{"reason", string(l.Reason)}, {"request_id", l.RequestID}, {"error", l.Error}, {"to", l.To}} {
		if f[1] != "" {
			values = append(values, f[0], f[1])
		}
	}
	if l.Replayed {
		values = append(values, "replayed", "1")
	}
	err := s.rdb.XAdd(ctx, &redis.XAddArgs{Stream: logKey(l.Channel), MaxLen: logLength, Approx: true, Values: values}).Err()
	if err != nil {
		return fmt.Errorf("delivery log of %s: %w", l.Channel, err)
	}
	return nil
}

// LogTail returns the last n lines of a channel's log, oldest first.
func (s *Store) LogTail(ctx context.Context, channel string, n int64) ([]Line, error) {
	entries, err := s.rdb.XRevRangeN(ctx, logKey(channel), "+", "-", n).Result()
	if err != nil {
		return nil, fmt.Errorf("delivery log of %s: %w", channel, err)
	}
	lines := make([]Line, len(entries))
	for i, e := range entries {
		lines[len(entries)-1-i] = line(channel, e)
	}
	return lines, nil
}

// LogAfter returns up to n lines that follow cursor, oldest first; cursor "": from the first one kept.
func (s *Store) LogAfter(ctx context.Context, channel, cursor string, n int64) ([]Line, error) {
	start := "-"
	if cursor != "" {
		start = "(" + cursor
	}
	entries, err := s.rdb.XRangeN(ctx, logKey(channel), start, "+", n).Result()
	if err != nil {
		return nil, fmt.Errorf("delivery log of %s: %w", channel, err)
	}
	lines := make([]Line, len(entries))
	for i, e := range entries {
		lines[i] = line(channel, e)
	}
	return lines, nil
}

// LogBefore returns up to n lines of each channel's log that stand before cursor, newest first, in one round trip; cursor "":
// the last ones.
func (s *Store) LogBefore(ctx context.Context, cursor string, n int64, channels ...string) (map[string][]Line, error) {
	start := "+"
	if cursor != "" {
		start = "(" + cursor
	}
	found := map[string]*redis.XMessageSliceCmd{}
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, name := range channels {
			found[name] = p.XRevRangeN(ctx, logKey(name), start, "-", n)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("delivery logs: %w", err)
	}
	lines := map[string][]Line{}
	for name, entries := range found {
		for _, e := range entries.Val() {
			lines[name] = append(lines[name], line(name, e))
		}
	}
	return lines, nil
}

// MarkOf stands for a recipient's id in the delivery log: a fingerprint of 48 bits, by which what a recipient was sent is
// found again by who has the id, and from which nobody gets the id.
func MarkOf(to string) string {
	if to == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("recipient " + to))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

func line(channel string, e redis.XMessage) Line {
	f := func(name string) string { s, _ := e.Values[name].(string); return s }
	ms, _, _ := strings.Cut(e.ID, "-")
	at, _ := strconv.ParseInt(ms, 10, 64)
	return Line{
		Cursor: e.ID, At: time.UnixMilli(at).UTC(), Channel: channel, ID: f("id"), Kind: tasks.Kind(f("kind")),
		Outcome: tasks.Outcome(f("outcome")), Reason: lineapi.Reason(f("reason")), Replayed: f("replayed") == "1",
		RequestID: f("request_id"), Attempts: number(f("attempts")), Error: f("error"), To: f("to"),
	}
}
