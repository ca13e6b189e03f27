package worker

import "errors"

// Why a worker isn't ready.
var (
	ErrStarting  = errors.New("starting")
	ErrStopping  = errors.New("stopping")
	ErrRedisAway = errors.New("redis doesn't answer")
)

// phase is where a worker is in its life.
type phase int32

const (
	starting phase = iota
	fetching
	stopping
)

// Ready is nil while the worker fetches tasks and Redis answers. It costs nothing to ask: Redis is looked at once a second
// anyway.
func (w *Worker) Ready() error {
	switch phase(w.phase.Load()) {
	case starting:
		return ErrStarting
	case stopping:
		return ErrStopping
	}
	if w.health.isAway() {
		return ErrRedisAway
	}
	return nil
}
