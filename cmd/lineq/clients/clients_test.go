// Package clients runs the clients of npm against lineq serve: the one whose methods lineq was measured by at first,
// messaging-api-line of 2018, and LINE's own. Each runs twice, once at the simulated LINE itself and once through the
// gateway, with lineq worker and another simulated LINE behind it, and both must have seen and caused the same.
package clients

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/png"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/redistest"
)

// seedMethods is how many methods the client of 2018 documented.
const seedMethods = 59

const (
	user  = "U0123456789abcdef0123456789abcdef"
	other = "Ufedcba9876543210fedcba9876543210"
	group = "C0123456789abcdef0123456789abcdef"
	room  = "R0123456789abcdef0123456789abcdef"
)

// modules installs the clients once, in a folder of its own.
var modules = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lineq-clients-")
	if err != nil {
		return "", err
	}
	pins, err := os.ReadFile("package.json")
	if err != nil {
		return dir, err
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), pins, 0o600); err != nil {
		return dir, err
	}
	install := exec.Command("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")
	install.Dir = dir
	return dir, install.Run()
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := modules(); dir != "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// needs skips the test, by name, where npm or its registry is missing. CI must have both.
func needs(t *testing.T) (dir string) {
	t.Helper()
	missing := "npm"
	if _, err := exec.LookPath("npm"); err == nil {
		dir, err := modules()
		if err == nil {
			return dir
		}
		missing = "npm's registry"
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing, and CI must skip nothing", missing)
	}
	t.Skipf("%s SKIPPED: it needs %s", t.Name(), missing)
	return ""
}

// called is one line of a client's script.
type called struct {
	Method string `json:"method"`
	Status int    `json:"status"`
	Result any    `json:"result"`
	Error  string `json:"error"`
}

// side is one of the two that a client is run against.
type side struct {
	sim    *linesim.Simulator
	origin string
}

func newSide(t *testing.T) *side {
	sim, err := linesim.New(linesim.Config{})
	require.NoError(t, err)
	for _, id := range []string{user, other} {
		require.NoError(t, sim.AddUser(linesim.User{ID: id, DisplayName: "Somebody"}))
	}
	for _, id := range []string{group, room} {
		require.NoError(t, sim.AddChat(linesim.Chat{ID: id, Members: []string{user, other}}))
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return &side{sim, server.URL}
}

// throughGateway puts lineq serve and lineq worker in front of the simulated LINE.
func (s *side) throughGateway(t *testing.T, binary string) *producer.Client {
	m, rdb := redistest.Mini(t)
	env := append(os.Environ(), "REDIS_URL=redis://"+m.Addr(), "LINE_CHANNEL_ACCESS_TOKEN="+linesim.DefaultChannel.Token)
	line := []string{"--line-origin", s.origin, "--line-data-origin", s.origin}
	start(t, binary, env, "worker started", append([]string{"worker"}, line...)...)
	served := start(t, binary, env, "serving LINE's API",
		append([]string{"serve", "--addr", "127.0.0.1:0", "--path-prefix", "/line"}, line...)...)
	s.origin = servedAt.FindStringSubmatch(served)[1] // below the prefix
	q, err := producer.New(producer.Config{Redis: rdb})
	require.NoError(t, err)
	return q
}

var servedAt = regexp.MustCompile(`"url": "([^"]+)"`)

// start runs lineq until the test ends, and returns the line of its log that says that it is ready.
func start(t *testing.T, binary string, env []string, ready string, args ...string) string {
	t.Helper()
	cmd := exec.Command(binary, args...)
	cmd.Env = env
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	said := make(chan string, 1)
	read := make(chan struct{})
	var all strings.Builder
	go func() {
		defer close(read)
		defer close(said)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), ready) {
				said <- lines.Text()
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-read
		assert.NoError(t, cmd.Wait(), "%s", &all)
		assert.NotContains(t, all.String(), linesim.DefaultChannel.Token)
	})
	line, ok := <-said
	require.True(t, ok, "lineq %s ended: %s", args[0], &all)
	return line
}

// run runs a script, and returns what it called.
func (s *side) run(t *testing.T, dir, script string) []called {
	t.Helper()
	source, err := os.ReadFile(script)
	require.NoError(t, err)
	path := filepath.Join(dir, script)
	require.NoError(t, os.WriteFile(path, source, 0o600))
	cmd := exec.CommandContext(t.Context(), "node", path)
	cmd.Env = append(os.Environ(), "FIXTURES="+s.fixtures(t), "IMAGE="+picture(t))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s%s", out, &stderr)
	var all []called
	for line := range strings.Lines(string(out)) {
		var c called
		require.NoError(t, json.Unmarshal([]byte(line), &c), line)
		all = append(all, c)
	}
	return all
}

func (s *side) fixtures(t *testing.T) string {
	t.Helper()
	var replyTokens []string
	for range 13 {
		token, err := s.sim.NewReplyToken(linesim.DefaultChannel.ID, user)
		require.NoError(t, err)
		replyTokens = append(replyTokens, token)
	}
	content, err := s.sim.AddContent(linesim.DefaultChannel.ID, linesim.Content{
		MediaType: "image/png", Data: bytes.Repeat([]byte("content "), 1<<15), Preview: []byte("preview"),
	})
	require.NoError(t, err)
	b, err := json.Marshal(map[string]any{
		"origin": s.origin, "token": linesim.DefaultChannel.Token, "channel": linesim.DefaultChannel.ID,
		"secret": linesim.DefaultChannel.Secret, "user": user, "others": []string{user, other}, "group": group, "room": room,
		"content": content, "replyTokens": replyTokens,
	})
	require.NoError(t, err)
	return string(b)
}

func picture(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 2500, 1686))))
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// received lists what a recipient got, in any order: two tasks may overtake each other.
func (s *side) received(id string) []string {
	var all []string
	for _, d := range s.sim.Ledger().Received(id) {
		messages, _ := json.Marshal(d.Messages)
		all = append(all, d.Operation+" "+string(messages))
	}
	slices.Sort(all)
	return all
}

func TestClientsSeeLINE(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "lineq")
	out, err := exec.Command("go", "build", "-o", binary, "github.com/lineq/lineq/cmd/lineq").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, script := range []string{"seed.cjs", "sdk.cjs"} {
		t.Run(script, func(t *testing.T) {
			dir := needs(t)
			direct, queued := newSide(t), newSide(t)
			q := queued.throughGateway(t, binary)
			want, got := direct.run(t, dir, script), queued.run(t, dir, script)
			require.Len(t, got, len(want))
			methods := map[string]bool{}
			for i, w := range want {
				methods[w.Method] = true
				t.Logf("%-40s %d %s", got[i].Method, got[i].Status, got[i].Error)
				assert.Equal(t, w.Method, got[i].Method)
				assert.Equal(t, w.Status, got[i].Status, w.Method)
				assert.Equal(t, w.Error, got[i].Error, w.Method)
				assert.Equal(t, shape("", w.Result), shape("", got[i].Result), w.Method)
			}
			if script == "seed.cjs" {
				assert.Len(t, methods, seedMethods)
				for _, c := range got {
					assert.Equal(t, 2, c.Status/100, c.Method)
				}
			}
			nothingLeft(t, q)
			for _, id := range []string{user, other, group, room} {
				assert.Equal(t, direct.received(id), queued.received(id), id)
			}
		})
	}
}

// nothingLeft waits until every task is decided.
func nothingLeft(t *testing.T, q *producer.Client) {
	t.Helper()
	require.Eventually(t, func() bool {
		for _, err := range q.Tasks(t.Context(), producer.Filter{}) {
			require.NoError(t, err)
			return false
		}
		return true
	}, 20*time.Second, 20*time.Millisecond)
}

var opaque = regexp.MustCompile(`^(richmenu-[0-9a-f]{32}|[0-9]{4}-.*Z|[A-Za-z0-9_-]{32,}|[0-9]{15,})$`)

// shape is a result without what differs each time. Quote tokens are LINE's alone.
func shape(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		all := map[string]any{}
		for key, value := range v {
			if key != "quoteToken" {
				all[key] = shape(key, value)
			}
		}
		if _, narrowcast := v["phase"]; narrowcast {
			return "progress" // how far it is depends on when it is asked for
		}
		return all
	case []any:
		all := make([]any, len(v))
		for i, value := range v {
			all[i] = shape(name, value)
		}
		return all
	case string:
		if opaque.MatchString(v) && name != "userId" && name != "memberIds" && name != "userIds" {
			return "…"
		}
	}
	return v
}
