package campaign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// Summary reads a campaign's state and counts, or fails with ErrNotFound.
func (s *Store) Summary(ctx context.Context, id string) (Summary, error) {
	if err := tasks.CheckID(id); err != nil {
		return Summary{}, err
	}
	fields, err := s.rdb.HGetAll(ctx, keysOf(id).state).Result()
	if err != nil {
		return Summary{}, fmt.Errorf("campaign %s: %w", id, err)
	}
	if len(fields) == 0 {
		return Summary{}, fmt.Errorf("campaign %s: %w", id, ErrNotFound)
	}
	return summary(id, fields), nil
}

// Plan reads what a campaign does, or fails with ErrNotFound.
func (s *Store) Plan(ctx context.Context, id string) (Plan, error) {
	b, err := s.rdb.Get(ctx, keysOf(id).message).Bytes()
	if errors.Is(err, redis.Nil) {
		err = ErrNotFound
	}
	var p Plan
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil {
		return Plan{}, fmt.Errorf("campaign %s: %w", id, err)
	}
	return p, nil
}

// Version changes when another campaign has taken the id. It fails with ErrNotFound.
func (s *Store) Version(ctx context.Context, id string) (string, error) {
	v, err := s.rdb.HGet(ctx, keysOf(id).state, "token").Result()
	if errors.Is(err, redis.Nil) {
		err = ErrNotFound
	}
	if err != nil {
		return "", fmt.Errorf("campaign %s: %w", id, err)
	}
	return v, nil
}

// Chunk reads one packed chunk, or fails with ErrNotFound.
func (s *Store) Chunk(ctx context.Context, id string, n int) ([]byte, error) {
	b, err := s.rdb.HGet(ctx, keysOf(id).chunks, strconv.Itoa(n)).Bytes()
	if errors.Is(err, redis.Nil) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("campaign %s, chunk %d: %w", id, n, err)
	}
	return b, nil
}

// reasons are those of a failure, by the byte that stands for each in a unit's record.
var reasons = map[byte]lineapi.Reason{
	'i': lineapi.Invalid, 'a': lineapi.Auth, 'r': lineapi.RateLimited, 'q': lineapi.Quota, 's': lineapi.Server,
	'n': lineapi.Network, 'e': lineapi.Expired, 'u': lineapi.Unknown,
}

func summary(id string, fields map[string]string) Summary {
	n := func(name string) int64 { n, _ := strconv.ParseInt(fields[name], 10, 64); return n }
	at := func(name string) *time.Time {
		if n(name) == 0 {
			return nil
		}
		t := time.UnixMilli(n(name)).UTC()
		return &t
	}
	sum := Summary{
		ID: id, Channel: fields["channel"], State: State(fields["state"]), Reason: lineapi.Reason(fields["reason"]),
		Note: fields["note"], Mode: Mode(fields["mode"]), Recipients: n("recipients"), Sent: n("sent"), Failed: n("failed"),
		Unknown: n("unknown"), Rejected: n("rejected"), Duplicates: n("duplicates"), Chunks: n("chunks"),
		Requests: n("requests"), Replayed: n("replayed"), PermitWait: float64(n("waited")) / 1000, FailuresBy: map[lineapi.Reason]int64{},
		CreatedAt: at("created"), StartedAt: at("started"), FinishedAt: at("finished"),
	}
	sum.Pending = sum.Recipients - sum.Sent - sum.Failed - sum.Unknown
	for code, reason := range reasons {
		if count := n("x:" + string(code)); count > 0 {
			sum.FailuresBy[reason] = count
		}
	}
	if f := fields["forecast"]; f != "" {
		sum.Forecast = &Forecast{}
		if json.Unmarshal([]byte(f), sum.Forecast) != nil {
			sum.Forecast = nil
		}
	}
	return sum
}

// List reads the summaries of all campaigns that are kept, the newest first.
func (s *Store) List(ctx context.Context) ([]Summary, error) {
	members, err := s.rdb.ZRevRange(ctx, index, 0, -1).Result()
	if err != nil {
		return nil, fmt.Errorf("list campaigns: %w", err)
	}
	all := []Summary{}
	for some := range slices.Chunk(members, listed) {
		states := make([]*redis.MapStringStringCmd, len(some))
		ids := make([]string, len(some))
		_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, m := range some {
				_, ids[i], _ = strings.Cut(m, "/")
				states[i] = p.HGetAll(ctx, keysOf(ids[i]).state)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list campaigns: %w", err)
		}
		for i, state := range states {
			if f := state.Val(); len(f) > 0 && f["state"] != string(StateDraft) {
				all = append(all, summary(ids[i], f))
			}
		}
	}
	return all, nil
}

// listed is how many campaigns are read in one round trip.
const listed = 100
