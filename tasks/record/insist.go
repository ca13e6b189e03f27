package record

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// insistPause is how long insist waits between two tries. The client's own have come before, so it need not grow.
const insistPause = 500 * time.Millisecond

// insist runs a script of a worker until Redis answers or ctx ends, where ctx has a deadline. The client's own tries
// don't do: go-redis gives up at once when a new connection hangs. What is open at LINE must be closed, and an attempt
// that was opened without anybody hearing of it would end a reply as unknown. Both scripts know a repeat by its token.
func (s *Store) insist(ctx context.Context, script *redis.Script, key string, args ...any) ([]string, error) {
	for {
		v, err := script.Run(ctx, s.rdb, []string{key}, args...).StringSlice()
		if _, bounded := ctx.Deadline(); err == nil || !bounded || !unheard(err) {
			return v, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(insistPause):
		}
	}
}

// unheard tells of an error that isn't Redis's answer, or is that of one that can't do anything yet.
func unheard(err error) bool {
	for _, prefix := range []string{"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, redis.ErrPoolTimeout)
}
