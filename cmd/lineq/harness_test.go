package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks/redistest"
)

// What must never be seen in any output.
const (
	secretToken  = "channel-access-token-that-nobody-may-see"
	secretText   = "text-that-only-the-recipient-may-see"
	secretReply  = "reply-token-that-nobody-may-see"
	secretRedis  = "redis-password-that-nobody-may-see"
	secretSecret = "channel-secret-that-nobody-may-see"
)

func assertNoSecrets(t testing.TB, output string) {
	t.Helper()
	for _, s := range []string{
		secretToken, secretText, secretReply, secretRedis, secretSecret, linesim.DefaultChannel.Secret,
	} {
		assert.NotContains(t, output, s)
	}
}

// cli runs commands with an environment of its own.
type cli struct {
	t   testing.TB
	env map[string]string
}

type output struct {
	stdout, stderr string
	code           int
}

// run runs a command line to its end and looks for secrets in what it wrote.
func (c cli) run(args ...string) output { return c.pipe("", args...) }

func (c cli) pipe(stdin string, args ...string) output {
	c.t.Helper()
	var out, errs bytes.Buffer
	err := run(c.t.Context(), args, func(name string) string { return c.env[name] }, strings.NewReader(stdin), &out, &errs)
	if err != nil {
		explain(&errs, err)
	}
	assertNoSecrets(c.t, out.String()+errs.String())
	return output{out.String(), errs.String(), exitCode(err)}
}

// ok runs a command that must succeed.
func (c cli) ok(args ...string) string {
	c.t.Helper()
	o := c.run(args...)
	require.Equal(c.t, 0, o.code, "lineq %s: %s", strings.Join(args, " "), o.stderr)
	return o.stdout
}

// document decodes the one JSON document of an output.
func document[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(text))
	require.NoError(t, d.Decode(&v), text)
	_, err := d.Token()
	require.ErrorIs(t, err, io.EOF, "more than one document: %s", text)
	return v
}

// withMini gives a cli an embedded Redis.
func withMini(t testing.TB) (cli, redis.UniversalClient) {
	m, rdb := redistest.Mini(t)
	return cli{t, map[string]string{"LINEQ_REDIS": "redis://" + m.Addr()}}, rdb
}

// withLocal gives a cli what lineq dev runs: Redis, the simulated LINE and a worker.
func withLocal(t testing.TB) (cli, *local) {
	sim, err := linesim.New(linesim.Config{})
	require.NoError(t, err)
	l := &local{addr: "127.0.0.1:0", sim: sim}
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- l.run(ctx, func(ctx context.Context) error {
			close(ready)
			<-ctx.Done()
			return nil
		})
	}()
	select {
	case <-ready:
	case err := <-ended:
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	return cli{t, map[string]string{"REDIS_URL": l.redisURL}}, l
}

// running is a command that stays up.
type running struct {
	t      testing.TB
	cancel context.CancelFunc
	lines  chan string
	ended  chan error
	mu     sync.Mutex
	all    strings.Builder
}

// start runs a command in the background until stop, or the end of the test.
func (c cli) start(args ...string) *running {
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: c.t, cancel: cancel, lines: make(chan string, 1000), ended: make(chan error, 1)}
	read, write := io.Pipe()
	go func() {
		err := run(ctx, args, func(name string) string { return c.env[name] }, strings.NewReader(""), write, write)
		write.Close()
		r.ended <- err
	}()
	go func() {
		defer close(r.lines)
		s := bufio.NewScanner(read)
		for s.Scan() {
			r.mu.Lock()
			r.all.WriteString(s.Text() + "\n")
			r.mu.Unlock()
			select {
			case r.lines <- s.Text():
			default:
			}
		}
	}()
	c.t.Cleanup(cancel)
	return r
}

// await returns the next line that holds text.
func (r *running) await(text string) string {
	r.t.Helper()
	for l := range r.lines {
		if strings.Contains(l, text) {
			return l
		}
	}
	require.Fail(r.t, "it ended", "without %q: %s", text, r.output())
	return ""
}

func (r *running) output() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all.String()
}

// stop interrupts the command and returns its error.
func (r *running) stop() error {
	r.cancel()
	err := <-r.ended
	for range r.lines { // until the last line is read
	}
	assertNoSecrets(r.t, r.output())
	return err
}

// file writes a file of the test's own.
func file(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

const (
	user   = "U0123456789abcdef0123456789abcdef"
	other  = "Ufedcba9876543210fedcba9876543210"
	group  = "C0123456789abcdef0123456789abcdef"
	room   = "R0123456789abcdef0123456789abcdef"
	noMenu = "richmenu-0123456789abcdef0123456789abcdef"
)

func texts(n int) string {
	all := make([]lineapi.Message, n)
	for i := range all {
		all[i] = lineapi.Text(secretText)
	}
	b, _ := json.Marshal(all)
	return string(b)
}
