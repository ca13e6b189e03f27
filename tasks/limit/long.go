package limit

import (
	"context"
	"time"
)

// takeLong asks Redis for this one request, and sleeps until its time.
func (g *gate) takeLong(ctx context.Context, r Request) (Turn, error) {
	deadline := time.Now().Add(r.Patience)
	id := r.ID
	if g.line.interval == 0 {
		id = ""
	}
	for {
		v, at, err := g.ask(ctx, wish{slots: 1, patience: max(0, time.Until(deadline)), id: id})
		if err != nil {
			return Turn{}, err
		}
		if wait := time.Until(at); wait > 0 {
			if v.outcome == tooFar || at.After(deadline) && (v.kept || v.outcome == broken) {
				return Turn{Wait: wholeWait(wait), Reserved: v.kept, Broken: v.outcome == broken}, nil
			}
			if err := sleep(ctx, wait); err != nil {
				return Turn{}, err
			}
		}
		if v.outcome != granted {
			continue
		}
		if v.kept {
			mine, err := g.line.claim(ctx, id)
			if err != nil {
				return Turn{}, err
			}
			if !mine || !g.fresh(at, v.probe) {
				continue
			}
		}
		g.mu.Lock()
		g.probing = g.probing || v.probe
		g.mu.Unlock()
		return Turn{At: at, probe: v.probe}, nil
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
