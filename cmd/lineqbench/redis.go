package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// redisServer is a redis-server of this program's own, empty at the start.
type redisServer struct {
	*redis.Client
	addr string
	dir  string
	cmd  *exec.Cmd
}

func startRedis() (*redisServer, error) {
	dir, err := os.MkdirTemp("", "lineqbench")
	if err != nil {
		return nil, err
	}
	s := &redisServer{dir: dir}
	for range 3 { // somebody else may take the free port before the server does
		if err = s.launch(); err == nil {
			s.Client = redis.NewClient(&redis.Options{Addr: s.addr})
			return s, nil
		}
	}
	s.stop()
	return nil, err
}

// launch returns when the server takes connections, or with what it said before it ended.
func (s *redisServer) launch() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.addr = l.Addr().String()
	_ = l.Close()
	_, port, _ := net.SplitHostPort(s.addr)
	s.cmd = exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--save", "",
		"--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction", "--daemonize", "no")
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			go io.Copy(io.Discard, out) // a full pipe would stop the server
			return nil
		}
		said.WriteString(lines.Text() + "\n")
	}
	_ = s.cmd.Wait()
	s.cmd = nil
	return fmt.Errorf("redis-server ended:\n%s", &said)
}

func (s *redisServer) stop() {
	if s.Client != nil {
		_ = s.Client.Close()
	}
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
	_ = os.RemoveAll(s.dir)
}

// used is how many bytes its data and its connections take.
func (s *redisServer) used(ctx context.Context) (bytes float64, err error) {
	info, err := s.InfoMap(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	_, err = fmt.Sscan(info["Memory"]["used_memory"], &bytes)
	return bytes, err
}

// processorTime is how much it has used.
func (s *redisServer) processorTime(ctx context.Context) (time.Duration, error) {
	info, err := s.InfoMap(ctx, "cpu").Result()
	if err != nil {
		return 0, err
	}
	var sum float64
	for _, name := range []string{"used_cpu_sys", "used_cpu_user"} {
		var seconds float64
		if _, err := fmt.Sscan(info["CPU"][name], &seconds); err != nil {
			return 0, err
		}
		sum += seconds
	}
	return time.Duration(sum * float64(time.Second)), nil
}

// idle waits until nothing waits in a queue and nothing is under way.
func (s *redisServer) idle(ctx context.Context, queue string) error {
	for {
		left, err := s.LLen(ctx, "asynq:{"+queue+"}:pending").Result()
		if err == nil {
			var active int64
			active, err = s.LLen(ctx, "asynq:{"+queue+"}:active").Result()
			left += active
		}
		if err != nil || left == 0 {
			return err
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
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
