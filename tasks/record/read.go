package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// ErrNotFound is returned where nothing is kept under a name.
var ErrNotFound = errors.New("no record")

// Record is what is kept of a task.
type Record struct {
	Result tasks.Result // without State, which only its queue knows while it is undecided
	Queue  string
	// Live tells that an attempt is under way; Open, that an earlier one's answer was lost.
	Live, Open bool
}

// Read returns the record of a task, or ErrNotFound: also for a task with a random id that no worker has begun.
func (s *Store) Read(ctx context.Context, ref Ref) (Record, error) {
	var fields *redis.MapStringStringCmd
	var data *redis.StringCmd
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		fields, data = p.HGetAll(ctx, ref.key()), p.Get(ctx, ref.data())
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return Record{}, fmt.Errorf("read %s: %w", ref, err)
	}
	f := fields.Val()
	if len(f) == 0 {
		return Record{}, fmt.Errorf("read %s: %w", ref, ErrNotFound)
	}
	r := Record{
		Result: tasks.Result{
			ID: ref.ID, Channel: ref.Channel, Kind: tasks.Kind(f["k"]), Outcome: tasks.Outcome(f["s"]),
			Reason: lineapi.Reason(f["r"]), Replayed: f["y"] == "1", RequestID: f["i"], Attempts: number(f["n"]),
			FirstAttemptAt: moment(f["f"]), FinishedAt: moment(f["d"]), Error: f["e"],
			Earlier: earlier(f["l"]),
		},
		Queue: f["q"], Live: f["a"] != "", Open: f["o"] != "",
	}
	switch {
	case data.Val() != "":
		r.Result.Data = json.RawMessage(data.Val())
	case f["p"] != "":
		r.Result.Data = json.RawMessage(f["p"])
	}
	if r.Result.Outcome != "" {
		r.Result.State = tasks.StateDone
	}
	return r, nil
}

// earlier reads the lines of earlier.lua. One that can't be read is left out.
func earlier(lines string) []tasks.Attempt {
	var all []tasks.Attempt
	for line := range strings.Lines(lines) {
		var f [7]string
		if json.Unmarshal([]byte(line), &f) != nil {
			continue
		}
		all = append(all, tasks.Attempt{
			Attempt: number(f[0]), At: moment(f[1]), Status: number(f[2]), Reason: lineapi.Reason(f[3]), RequestID: f[4],
			Error: strings.ToValidUTF8(f[5], ""), Outcome: tasks.Outcome(f[6]),
		})
	}
	return all
}

func moment(ms string) *time.Time {
	n, err := strconv.ParseInt(ms, 10, 64)
	if err != nil {
		return nil
	}
	t := time.UnixMilli(n).UTC()
	return &t
}

// KeepPayload keeps the payload of a task that failed, is unknown or was cancelled, so that it can be run again. It is
// kept as long as the record.
func (s *Store) KeepPayload(ctx context.Context, ref Ref, payload []byte) error {
	if err := s.rdb.Set(ctx, ref.payload(), payload, s.retention.Failed).Err(); err != nil {
		return fmt.Errorf("keep payload of %s: %w", ref, err)
	}
	return nil
}

// Payload returns what KeepPayload kept, or ErrNotFound.
func (s *Store) Payload(ctx context.Context, ref Ref) ([]byte, error) {
	b, err := s.rdb.Get(ctx, ref.payload()).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("payload of %s: %w", ref, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("payload of %s: %w", ref, err)
	}
	return b, nil
}

// KeepData keeps what a lookup found. Lifetime zero: as long as the record of a sent task.
func (s *Store) KeepData(ctx context.Context, ref Ref, data []byte, lifetime time.Duration) error {
	if lifetime == 0 {
		lifetime = s.retention.Sent
	}
	if err := s.rdb.Set(ctx, ref.data(), data, lifetime).Err(); err != nil {
		return fmt.Errorf("keep data of %s: %w", ref, err)
	}
	return nil
}
