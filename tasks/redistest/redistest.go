// Package redistest starts Redis for tests: a real redis-server where there is one, or miniredis.
package redistest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// Server is a real redis-server of a test's own. It keeps an append-only file, so that it can be killed and started again.
type Server struct {
	Addr string
	dir  string
	args []string
	cmd  *exec.Cmd
	bus  string        // the port at which nodes of a cluster meet; empty: of none
	tls  *Certificates // nil: it takes connections without TLS
}

// URL is the server's address as lineq's --redis takes it.
func (s *Server) URL() string {
	if s.tls != nil {
		return "rediss://" + s.Addr + "?ca=" + s.tls.CA + "&cert=" + s.tls.Cert + "&key=" + s.tls.Key
	}
	return "redis://" + s.Addr
}

// Start runs a redis-server on a free port until the test ends. Without one on the PATH the test is skipped, by name; in
// CI, which has to have one, it fails.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	return start(t, &Server{args: args})
}

func start(t testing.TB, s *Server) *Server {
	t.Helper()
	need(t, "redis-server")
	s.dir = t.TempDir()
	t.Cleanup(s.Kill)
	var err error
	for range 3 { // somebody else may take the free port before the server does
		s.Addr = freeAddr(t)
		if err = s.launch(); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// need skips the test without a program, or fails it in CI. Debian's packages have the names of the programs.
func need(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s isn't on the PATH, and CI must skip nothing", program)
	}
	t.Skipf("%s SKIPPED: it needs %s on the PATH (Debian: apt-get install %[2]s)", t.Name(), program)
}

// Launch starts the server again after Kill, with the data it had.
func (s *Server) Launch(t testing.TB) {
	t.Helper()
	if err := s.launch(); err != nil {
		t.Fatal(err)
	}
}

// launch returns when the server takes connections, or with what it said before it ended.
func (s *Server) launch() error {
	_, port, _ := net.SplitHostPort(s.Addr)
	ports := []string{"--port", port}
	if s.tls != nil {
		ports = []string{"--port", "0", "--tls-port", port}
	}
	s.cmd = exec.Command("redis-server", slices.Concat(ports, []string{
		"--bind", "127.0.0.1", "--dir", s.dir, "--appendonly", "yes", "--appendfsync", "always",
		"--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no",
	}, s.args)...)
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
	s.Kill()
	return fmt.Errorf("redis-server ended:\n%s", &said)
}

// Kill ends the server with SIGKILL.
func (s *Server) Kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// Freeze stops the server with SIGSTOP until Thaw: its connections stay open, and nothing is answered.
func (s *Server) Freeze() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw ends Freeze. The server then works through all that was sent to it meanwhile.
func (s *Server) Thaw() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// Client connects to the server until the test ends.
func (s *Server) Client(t testing.TB) redis.UniversalClient {
	t.Helper()
	if s.tls == nil {
		return client(t, s.Addr)
	}
	return connect(t, &redis.Options{Addr: s.Addr, TLSConfig: s.tls.config(t)})
}

// Mini runs a miniredis until the test ends, and connects to it.
func Mini(t testing.TB) (*miniredis.Miniredis, redis.UniversalClient) {
	t.Helper()
	m := miniredis.RunT(t)
	return m, client(t, m.Addr())
}

// Each runs a test against miniredis, and against a real redis-server where there is one.
func Each(t *testing.T, test func(t *testing.T, rdb redis.UniversalClient)) {
	t.Run("miniredis", func(t *testing.T) {
		_, rdb := Mini(t)
		test(t, rdb)
	})
	t.Run("redis-server", func(t *testing.T) {
		test(t, Start(t).Client(t))
	})
}

func client(t testing.TB, addr string) redis.UniversalClient {
	t.Helper()
	return connect(t, &redis.Options{Addr: addr})
}

func connect(t testing.TB, o *redis.Options) redis.UniversalClient {
	t.Helper()
	rdb := redis.NewClient(o)
	t.Cleanup(func() { _ = rdb.Close() })
	if err := rdb.Ping(context.Background()).Err(); err != nil {
		t.Fatal(err)
	}
	return rdb
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
