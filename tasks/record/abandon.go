package record

import (
	"context"
	"fmt"
)

// Abandon gives up the live attempt of a task whose worker has died, so that the next Begin doesn't wait for it; done
// tells whether there was one to give up. An attempt of one of the living workers is left alone, and so is one that was
// begun without a worker's id. It is harmless where a worker was taken for dead that is only slow: its End counts as late
// ones do.
func (s *Store) Abandon(ctx context.Context, ref Ref, living []string) (done bool, err error) {
	args := make([]any, len(living))
	for i, w := range living {
		args[i] = w
	}
	done, err = abandonScript.Run(ctx, s.rdb, []string{ref.key()}, args...).Bool()
	if err != nil {
		return false, fmt.Errorf("abandon %s: %w", ref, err)
	}
	return done, nil
}
