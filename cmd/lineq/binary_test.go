package main

import (
	"bufio"
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

// process is the built binary, running.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines chan string
	all   bytes.Buffer // read it after wait
	read  chan struct{}
}

func launch(t *testing.T, binary string, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(binary, args...), lines: make(chan string, 1000), read: make(chan struct{})}
	p.cmd.Env = env
	errs, err := p.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	go func() {
		defer close(p.read)
		defer close(p.lines)
		s := bufio.NewScanner(errs)
		for s.Scan() {
			p.all.WriteString(s.Text() + "\n")
			select {
			case p.lines <- s.Text():
			default:
			}
		}
	}()
	return p
}

func (p *process) await(text string) string {
	p.t.Helper()
	for l := range p.lines {
		if strings.Contains(l, text) {
			return l
		}
	}
	require.Fail(p.t, "the process ended", "without %q: %s", text, p.all.String())
	return ""
}

func (p *process) signal(s os.Signal) { require.NoError(p.t, p.cmd.Process.Signal(s)) }

// wait returns how the process ended.
func (p *process) wait() syscall.WaitStatus {
	<-p.read
	_ = p.cmd.Wait()
	assertNoSecrets(p.t, p.all.String())
	return p.cmd.ProcessState.Sys().(syscall.WaitStatus)
}

// TestBinary runs simulator, worker, redis-server and the commands as processes of their own.
func TestBinary(t *testing.T) {
	redis := redistest.Start(t)
	dir := t.TempDir()
	binary := filepath.Join(dir, "lineq")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	env := []string{
		"PATH=" + dir + ":" + os.Getenv("PATH"), "REDIS_URL=" + redis.URL(),
		"LINE_CHANNEL_ACCESS_TOKEN=" + linesim.DefaultChannel.Token,
	}
	lineq := func(args ...string) string {
		cmd := exec.Command(binary, args...)
		cmd.Env = env
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		stdout, err := cmd.Output()
		require.NoError(t, err, stderr.String())
		assertNoSecrets(t, string(stdout)+stderr.String())
		return string(stdout)
	}

	sim := launch(t, binary, env, "simulate", "--addr", "127.0.0.1:0")
	line := urlIn.FindString(sim.await("simulated LINE on"))
	startWorker := func(more ...string) *process {
		w := launch(t, binary, env, append([]string{"worker", "--line-origin", line, "--log-level", "debug"}, more...)...)
		w.await("worker started")
		return w
	}
	message := file(t, "msg.json", texts(1))
	received := func(user string) int {
		return strings.Count(control(t, line+"/_sim/ledger/recipients/"+user), `"requestId"`)
	}
	// late makes LINE accept at once and answer after d.
	late := func(d string) {
		faults := strings.NewReader(`[{"kind":"delay","delay":"` + d + `"}]`)
		r, err := http.NewRequest(http.MethodPut, line+"/_sim/faults", faults)
		require.NoError(t, err)
		answer, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, answer.Body.Close())
		require.Equal(t, http.StatusOK, answer.StatusCode)
	}

	w := startWorker()
	var id string
	t.Run("send, show and log", func(t *testing.T) {
		sent := document[tasks.Result](t, lineq("send", "push", "--to", user, "--message", message, "--wait", "--json"))
		assert.Equal(t, tasks.OutcomeSent, sent.Outcome)
		id = sent.ID
		assert.Equal(t, sent, document[tasks.Result](t, lineq("task", "show", id, "--json")))
		lines := document[[]record.Line](t, lineq("log", "--json"))
		require.Len(t, lines, 1)
		assert.Equal(t, id, lines[0].ID)
		assert.Equal(t, sent.RequestID, lines[0].RequestID)
		assert.Equal(t, 1, received(user))
	})
	t.Run("SIGTERM lets a send finish", func(t *testing.T) {
		late("1s")
		lineq("send", "push", "--to", other, "--message", message, "--id", "drained")
		for received(other) == 0 {
		}
		w.signal(syscall.SIGTERM)
		status := w.wait()
		assert.Equal(t, 0, status.ExitStatus())
		assert.Contains(t, w.all.String(), "worker stopped")
		r := document[tasks.Result](t, lineq("task", "show", "drained", "--json"))
		assert.Equal(t, tasks.OutcomeSent, r.Outcome)
		assert.Equal(t, 1, r.Attempts)
	})
	t.Run("a second SIGINT ends it at once", func(t *testing.T) {
		late("1h")
		w := startWorker("--grace", "1h")
		lineq("send", "push", "--to", demoUser(1), "--message", message, "--id", "cut")
		for received(demoUser(1)) == 0 {
		}
		w.signal(syscall.SIGINT)
		w.await("worker stopping")
		w.signal(syscall.SIGINT)
		assert.Equal(t, 1, w.wait().ExitStatus())
		assert.Contains(t, w.all.String(), "ended at once")
		assert.NotContains(t, w.all.String(), "worker stopped")
	})
	t.Run("SIGTERM ends the simulator", func(t *testing.T) {
		sim.signal(syscall.SIGTERM)
		assert.Equal(t, 0, sim.wait().ExitStatus())
	})
	t.Run("misuse", func(t *testing.T) {
		cmd := exec.Command(binary, "worker")
		cmd.Env = []string{}
		out, err := cmd.CombinedOutput()
		assert.Error(t, err)
		assert.Equal(t, 2, cmd.ProcessState.ExitCode())
		assert.True(t, strings.HasPrefix(string(out), "lineq: no channel"), string(out))
	})
	t.Run("bash completes", func(t *testing.T) {
		if _, err := exec.LookPath("bash"); err != nil {
			t.Skipf("%s SKIPPED: no bash on the PATH", t.Name())
		}
		cmd := exec.Command("bash", "-c", `source <(lineq completion bash)
			COMP_WORDS=(lineq send m); COMP_CWORD=2; _lineq; echo "${COMPREPLY[@]}"`)
		cmd.Env = env
		out, err := cmd.Output()
		require.NoError(t, err)
		assert.Equal(t, "multicast\n", string(out))
	})
}
