package deploy_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var built struct {
	once sync.Once
	path string
	err  error
}

// program is lineq as it is released, built once for all tests.
func program(t *testing.T) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "lineq-deploy-")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "lineq")
		cmd := exec.Command("go", "build", "-C", "..", "-trimpath", "-o", built.path, "./cmd/lineq")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Log(string(out))
			built.err = err
		}
	})
	require.NoError(t, built.err)
	return built.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.path != "" {
		_ = os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(code)
}

// lineq runs a command to its end.
func lineq(t *testing.T, ctx context.Context, args, env []string) (said string, err error) {
	t.Helper()
	cmd := exec.CommandContext(ctx, program(t), args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// startLineq runs a command until the test ends, and demands that it then stops in order.
func startLineq(t *testing.T, args, env []string) {
	t.Helper()
	cmd := exec.Command(program(t), args...)
	cmd.Env = env
	var said bytes.Buffer
	cmd.Stderr = &said
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		assert.NoError(t, cmd.Wait(), "%v\n%s", args, &said)
	})
}

// startRedis runs a Redis until the test ends.
func startRedis(t *testing.T) (addr string) {
	t.Helper()
	server := lookPath(t, "redis-server", "redis-server")
	addr = freeAddr(t)
	_, port, _ := strings.Cut(addr, ":")
	cmd := exec.Command(server, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	require.Eventually(t, func() bool {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		return c.Close() == nil
	}, 30*time.Second, 10*time.Millisecond)
	return addr
}

// freeAddr is an address on which nobody listens just now.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// addressOf is a service's own address for its metrics.
func addressOf(t *testing.T, known map[string]string, service string) string {
	t.Helper()
	if known[service] == "" {
		known[service] = freeAddr(t)
	}
	return known[service]
}

// localConfig is a copy of a configuration file in which files are where they are on this machine.
func localConfig(t *testing.T, path string, files map[string]string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	text := string(b)
	for there, here := range files {
		require.Contains(t, text, there)
		text = strings.ReplaceAll(text, there, here)
	}
	local := filepath.Join(t.TempDir(), "lineq.yaml")
	require.NoError(t, os.WriteFile(local, []byte(text), 0o600))
	return local
}
