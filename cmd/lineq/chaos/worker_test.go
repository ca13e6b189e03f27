package chaos_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// worker is a lineq worker that is started again whenever it has ended, with its own way to Redis.
type worker struct {
	name    string
	run     *run
	proxy   *proxy     // nil: it has none, and can't be cut off
	busy    sync.Mutex // held by the event that has this worker
	process *process
}

// restartPause is how long a supervisor waits before it starts a worker again, about.
const restartPause = 300 * time.Millisecond

// stopTime is longer than a worker takes to stop after SIGTERM with its usual --grace, without Redis too.
const stopTime = 40 * time.Second

// start returns when the worker works. One that finds no Redis at its start ends, and is started again.
func (w *worker) start(ctx context.Context) error {
	for {
		p, err := launch(w.run.dir, w.name, w.run.workerEnv, w.run.binary, "worker",
			"--config", filepath.Join(w.run.dir, "lineq.yaml"), "--redis", w.redis(),
			"--line-origin", w.run.line.url, "--line-limits", filepath.Join(w.run.dir, "limits.yaml"))
		if err != nil {
			return err
		}
		w.run.own(p)
		if _, err = p.await(ctx, "worker started"); err == nil {
			w.process = p
			go w.watch(p)
			return nil
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case p.cmd.ProcessState.ExitCode() != 1:
			return err
		}
		if !pause(ctx, restartPause) {
			return ctx.Err()
		}
	}
}

// redis is where the worker finds Redis.
func (w *worker) redis() string {
	if w.proxy == nil {
		return w.run.given.url
	}
	return "redis://" + w.proxy.addr()
}

// watch tells of a worker that ends without being made to.
func (w *worker) watch(p *process) {
	<-p.done
	if !p.expected.Load() {
		w.run.violate("%s ended by itself: %s", w.name, p.cmd.ProcessState)
	}
}

// kill ends the worker at once and starts it again.
func (w *worker) kill(ctx context.Context) error {
	w.process.kill()
	killed := time.Now()
	w.run.counts.kills.Add(1)
	w.run.recovery.watch(ctx, killed)
	if !pause(ctx, restartPause) {
		return ctx.Err()
	}
	return w.start(ctx)
}

// freeze stops the worker's process for a while: to all others it looks dead, and then it goes on as if nothing had been.
func (w *worker) freeze(ctx context.Context, d time.Duration) {
	w.process.signal(syscall.SIGSTOP)
	pause(ctx, d)
	w.process.signal(syscall.SIGCONT)
	w.run.counts.freezes.Add(1)
}

// stop ends the worker in order.
func (w *worker) stop(ctx context.Context) error {
	began := time.Now()
	p := w.process
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(stopTime):
		p.kill()
		return fmt.Errorf("%s has not ended %s after SIGTERM", w.name, stopTime)
	case <-ctx.Done():
		return ctx.Err()
	}
	// A worker that could not return its tasks says so with 1.
	code := p.cmd.ProcessState.ExitCode()
	if code != 0 && !(code == 1 && w.run.redisWasAway(began.Add(-time.Minute))) {
		return fmt.Errorf("%s ended with %s after SIGTERM", w.name, p.cmd.ProcessState)
	}
	return nil
}

// restart ends the worker in order and starts it again, as a new version would be rolled out.
func (w *worker) restart(ctx context.Context) error {
	w.run.counts.terms.Add(1)
	if err := w.stop(ctx); err != nil {
		return err
	}
	return w.start(ctx)
}

// cut takes the worker's way to Redis away for a while.
func (w *worker) cut(ctx context.Context, d time.Duration) {
	defer w.run.redisAway()()
	w.proxy.cut()
	pause(ctx, d)
	w.proxy.restore()
	w.run.counts.cuts.Add(1)
}

// writeConfig gives the workers both channels and LINE's limits. The tokens come by the environment.
func (r *run) writeConfig() error {
	var b strings.Builder
	b.WriteString("channels:\n")
	r.workerEnv = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir}
	for i, c := range r.channels {
		name := fmt.Sprintf("CHAOS_TOKEN_%d", i)
		fmt.Fprintf(&b, "  %s:\n    token_env: %s\n", c.name, name)
		r.workerEnv = append(r.workerEnv, name+"="+c.token)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "lineq.yaml"), []byte(b.String()), 0o600); err != nil {
		return err
	}
	rates := "rates:\n"
	for _, operation := range unlimited {
		rates += "  " + operation + ": 1000/s\n"
	}
	return os.WriteFile(filepath.Join(r.dir, "limits.yaml"), []byte(rates), 0o600)
}
