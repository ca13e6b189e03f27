package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"time"
)

// childEnv tells this program to be a worker, and which.
const childEnv = "LINEQBENCH_CHILD"

// child is what a worker's process has to know.
type child struct {
	As    string // lineq, asynq, bare, intake, handler or gateway
	Redis string // address
	LINE  string // origin
	Token string
	// Limited keeps LINE's published limits. Otherwise none are kept.
	Limited bool
	// N is how many requests a bare loop makes, and Hands how many it has under way.
	N, Hands int
	// Audience is the file that an intake reads, and Named tells that it has names.
	Audience string
	Named    bool
}

// process is a worker under way. It ends when its standard input does: also when this program dies.
type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout io.Reader
}

func (c child) start() (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	spec, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+string(spec))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	return &process{cmd, stdin, stdout}, cmd.Start()
}

// stop lets the worker finish what it has begun, and returns the processor time that it took.
func (p *process) stop() (time.Duration, error) {
	_ = p.stdin.Close()
	late := time.AfterFunc(time.Minute, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	err := p.cmd.Wait()
	return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime(), err
}

// runChild is the other process.
func runChild(spec string, stdin io.Reader, stdout io.Writer) error {
	var c child
	if err := json.Unmarshal([]byte(spec), &c); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	switch c.As {
	case "lineq":
		return c.runLineq(ctx)
	case "asynq":
		return c.runAsynq(ctx)
	case "bare":
		return c.runBare(ctx)
	case "intake":
		return c.runIntake(ctx, stdout)
	case "handler", "gateway":
		return c.serve(ctx, stdout)
	}
	return errors.New("unknown kind of worker")
}
