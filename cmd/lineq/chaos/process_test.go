package chaos_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
)

// process is a program that runs beside the test. What it says goes to a file.
type process struct {
	name     string
	cmd      *exec.Cmd
	lines    chan string   // what it said lately, for await
	done     chan struct{} // closed when it has ended
	expected atomic.Bool   // its end is the test's doing
}

// launch starts a program; several under one name share a file.
func launch(dir, name string, env []string, program string, args ...string) (*process, error) {
	file, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p := &process{
		name: name, cmd: exec.Command(program, args...), lines: make(chan string, 1000), done: make(chan struct{}),
	}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, in, in
	err = p.cmd.Start()
	in.Close()
	if err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		defer file.Close()
		for said := bufio.NewReader(out); ; {
			line, err := said.ReadString('\n')
			file.WriteString(line)
			select {
			case p.lines <- line:
			default:
			}
			if err != nil {
				break
			}
		}
		out.Close()
		p.cmd.Wait() // how it ended is in the ProcessState
	}()
	return p, nil
}

// await returns the next line that holds a text.
func (p *process) await(ctx context.Context, text string) (string, error) {
	var before strings.Builder
	for {
		select {
		case line := <-p.lines:
			if strings.Contains(line, text) {
				return strings.TrimSpace(line), nil
			}
			before.WriteString(line)
		case <-p.done:
			return "", fmt.Errorf("%s ended (%s) without saying %q: %s", p.name, p.cmd.ProcessState, text, &before)
		case <-ctx.Done():
			return "", fmt.Errorf("%s didn't say %q: %w", p.name, text, ctx.Err())
		}
	}
}

// signal sends a signal; to a process that has ended it does nothing.
func (p *process) signal(s syscall.Signal) {
	if s == syscall.SIGKILL || s == syscall.SIGTERM {
		p.expected.Store(true)
	}
	_ = p.cmd.Process.Signal(s)
}

// kill ends the process with SIGKILL, also one that is stopped.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// redisServer is a redis-server that can be killed, frozen and started again on the same address with the same data.
type redisServer struct {
	dir     string
	addr    string
	process *process
}

// start returns when the server takes connections.
//
// appendfsync is always, because the run kills the server with -9 and demands that nothing is lost. With everysec Redis
// may put off the write to the file, while an fsync is under way, for up to two seconds in which it has answered already.
func (s *redisServer) start(ctx context.Context) error {
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "redis")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	s.process, err = launch(s.dir, "redis", os.Environ(), "redis-server", "--port", port, "--bind", "127.0.0.1",
		"--dir", data, "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction")
	if err != nil {
		return err
	}
	_, err = s.process.await(ctx, "Ready to accept connections")
	return err
}

// freeAddr is an address on which nobody listens at this moment.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
