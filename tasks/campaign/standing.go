package campaign

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

// Standing reads the summaries of the campaigns that haven't ended, at most so many; more is how many there are besides. It
// takes a round trip, and another one per hundred.
func (s *Store) Standing(ctx context.Context, most int) (all []Summary, more int, err error) {
	refs, err := s.Unended(ctx)
	if err != nil {
		return nil, 0, err
	}
	if len(refs) > most {
		refs, more = refs[:most], len(refs)-most
	}
	for some := range slices.Chunk(refs, listed) {
		states := make([]*redis.MapStringStringCmd, len(some))
		_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, r := range some {
				states[i] = p.HGetAll(ctx, keysOf(r.ID).state)
			}
			return nil
		})
		if err != nil {
			return nil, 0, fmt.Errorf("read campaigns: %w", err)
		}
		for i, state := range states {
			if len(state.Val()) == 0 {
				continue // its counts have expired
			}
			sum := summary(some[i].ID, state.Val())
			if sum.State != StateDraft && !sum.State.Ended() {
				all = append(all, sum)
			}
		}
	}
	return all, more, nil
}
