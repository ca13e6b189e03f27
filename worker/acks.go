package worker

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// asynq lets go of each finished task by a script of its own, which looks for it among all that are active. This file does
// that for all that have just finished, from the end where the oldest are.

// doneScript does for several tasks what asynq's done does for one.
//
// KEYS 1 active  2 lease  3 processed on this day  4 processed
// ARGV 1 prefix of the tasks' keys  2 Unix time at which the day's count ends  3… ids
// Returns for each id 1, or 0 where asynq says NOT FOUND
var doneScript = redis.NewScript(`
local out, n = {}, 0
for i = 3, #ARGV do
  local id = ARGV[i]
  out[i - 2] = 0
  if redis.call('LREM', KEYS[1], -1, id) == 1 and redis.call('ZREM', KEYS[2], id) == 1
      and redis.call('DEL', ARGV[1] .. id) == 1 then
    out[i - 2] = 1
    n = n + 1
  end
end
if n > 0 then
  if redis.call('INCRBY', KEYS[3], n) == n then redis.call('EXPIREAT', KEYS[3], ARGV[2]) end
  redis.call('INCRBY', KEYS[4], n)
end
return out
`)

// errNotFound is asynq's answer for a task that it doesn't have any more.
var errNotFound = errors.New("NOT FOUND")

// acks lets go of the finished tasks of one queue together.
type acks struct {
	rdb    redis.UniversalClient
	convoy convoy[*ack]
}

// ack is asynq's wish to let go of one task.
type ack struct {
	keys    []string // of asynq's done
	id      string
	dayEnds any
	err     error
}

func newAcks(rdb redis.UniversalClient) *acks {
	a := &acks{rdb: rdb}
	a.convoy.most = maxBundle
	a.convoy.carry = a.letGo
	return a
}

// done answers asynq's done.
func (a *acks) done(ctx context.Context, keys []string, args []any) *redis.Cmd {
	id, _ := args[0].(string)
	wish := &ack{keys: keys, id: id, dayEnds: args[1]}
	if err := a.convoy.send(ctx, wish); err != nil {
		return redis.NewCmdResult(nil, err)
	}
	return redis.NewCmdResult("OK", wish.err)
}

func (a *acks) letGo(wishes []*ack) {
	first := wishes[0]
	keys := []string{first.keys[0], first.keys[1], first.keys[3], first.keys[4]}
	args := []any{strings.TrimSuffix(first.keys[2], first.id), first.dayEnds}
	for _, w := range wishes {
		args = append(args, w.id)
	}
	found, err := doneScript.Run(context.Background(), a.rdb, keys, args...).Int64Slice()
	for i, w := range wishes {
		switch {
		case err != nil:
			w.err = err
		case found[i] == 0:
			w.err = errNotFound
		}
	}
}

// isDone recognises the script by which asynq lets go of a task that succeeded. Its arguments are the ID, the Unix time at
// which the day's count ends, and the largest number that it counts to.
func isDone(keys []string) bool {
	return len(keys) == 5 && strings.HasSuffix(keys[0], ":active") && strings.HasSuffix(keys[1], ":lease") &&
		strings.Contains(keys[2], "}:t:") && strings.Contains(keys[3], ":processed:") &&
		strings.HasSuffix(keys[4], ":processed")
}
