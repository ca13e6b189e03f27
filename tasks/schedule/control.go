package schedule

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// Pause takes a schedule's ticks away until Resume; one that a worker has claimed and could not do waits until then. A
// second time it changes nothing. Like all functions here, it fails with ErrNotFound.
func (s *Store) Pause(ctx context.Context, id string) (Summary, error) {
	return s.control(ctx, "pause", id, func(stored, time.Time) (string, int64) { return "pause", 0 })
}

// Resume gives a paused schedule its ticks back, from now on: those that fell into the pause are no missed ones. One that
// isn't paused is left alone.
func (s *Store) Resume(ctx context.Context, id string) (Summary, error) {
	return s.control(ctx, "resume", id, func(h stored, now time.Time) (string, int64) {
		return "resume", unixMilli(h.calendar.Next(now))
	})
}

// Ask adds a tick at this moment, also while the schedule is paused. When one was asked for before that no worker has claimed
// yet, it stays that one.
func (s *Store) Ask(ctx context.Context, id string) (Summary, error) {
	return s.control(ctx, "run", id, func(_ stored, now time.Time) (string, int64) { return "ask", now.UnixMilli() })
}

var controlScript = redis.NewScript(`
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
if ARGV[1] == 'pause' then
  redis.call('HSET', KEYS[1], 'paused', '1')
elseif ARGV[1] == 'ask' then
  redis.call('HSETNX', KEYS[1], 'asked', ARGV[2])
elseif redis.call('HDEL', KEYS[1], 'paused') == 1 then
  redis.call('HSET', KEYS[1], 'next', ARGV[2])
end
return 1
`)

func (s *Store) control(
	ctx context.Context, what, id string, order func(h stored, now time.Time) (string, int64),
) (Summary, error) {
	if err := CheckID(id); err != nil {
		return Summary{}, err
	}
	h, err := s.read(ctx, id)
	var now time.Time
	if err == nil {
		now, err = s.rdb.Time(ctx).Result()
	}
	if err == nil {
		var found bool
		verb, arg := order(h, now)
		found, err = controlScript.Run(ctx, s.rdb, []string{key(id)}, verb, arg).Bool()
		if err == nil && !found {
			err = ErrNotFound
		}
	}
	if err == nil {
		h, err = s.read(ctx, id)
	}
	if err != nil {
		return Summary{}, fmt.Errorf("%s schedule %s: %w", what, id, err)
	}
	s.ring(ctx, Ref{h.spec.Channel, id})
	return h.summary(), nil
}

// Remove ends a schedule for good. What its ticks have enqueued stays.
func (s *Store) Remove(ctx context.Context, id string) error {
	if err := CheckID(id); err != nil {
		return err
	}
	n, err := s.rdb.Del(ctx, key(id)).Result()
	if err == nil {
		err = s.unlist(ctx, id)
	}
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("remove schedule %s: %w", id, err)
	}
	return nil
}

// unlist takes a schedule out of the index, also one that nobody can read.
func (s *Store) unlist(ctx context.Context, id string) error {
	refs, err := s.refs(ctx)
	if err != nil {
		return err
	}
	for _, r := range refs {
		if r.ID != id {
			continue
		}
		if err := s.rdb.SRem(ctx, index, r.Channel+"/"+r.ID).Err(); err != nil {
			return err
		}
	}
	return nil
}
