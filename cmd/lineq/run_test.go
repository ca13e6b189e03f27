package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

func TestHelp(t *testing.T) {
	c := cli{t, nil}
	t.Run("no arguments", func(t *testing.T) {
		assert.Equal(t, c.ok("--help"), c.ok())
		assert.Regexp(t, `\n  worker +Send what was enqueued\.\n`, c.ok())
	})
	t.Run("environment", func(t *testing.T) {
		out := strings.Join(strings.Fields(c.ok("worker", "--help")), " ")
		assert.Contains(t, out, "($LINEQ_REDIS, $REDIS_URL)")
		assert.Contains(t, out, "($LINEQ_LINE_DATA_ORIGIN)")
	})
	t.Run("every command has help of its own, and a way to it", func(t *testing.T) {
		parser, err := kong.New(&commands{}, kong.Vars{"channel": tasks.DefaultChannel}, kong.Name("lineq"))
		require.NoError(t, err)
		for _, leaf := range parser.Model.Leaves(true) {
			words := strings.Fields(leaf.FullPath())[1:]
			out := c.ok(append(words, "--help")...)
			assert.Contains(t, out, leaf.Help, leaf.Path())
			parent := leaf.Parent.Name
			if parent == "task" || parent == "send" || parent == "channel" || parent == "campaign" || parent == "schedule" || parent == "lineq" && leaf.Name != "version" {
				assert.Contains(t, out, "Examples:\n\n    ", leaf.Path())
			}
		}
	})
}

func TestVersion(t *testing.T) {
	c := cli{t, nil}
	assert.Contains(t, c.ok("version"), "lineq "+lineapi.Version+" (go1.")
	assert.Equal(t, lineapi.Version, document[map[string]string](t, c.ok("version", "--json"))["version"])
}

func TestColour(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("%s SKIPPED: it needs a terminal: %v", t.Name(), err)
	}
	defer terminal.Close()
	for name, test := range map[string]struct {
		stdout  io.Writer
		noColor string
		want    string
	}{
		"terminal":          {terminal, "", "\x1b[31mfailed\x1b[0m"},
		"terminal NO_COLOR": {terminal, "1", "failed"},
		"pipe":              {&strings.Builder{}, "", "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			a := &app{stdout: test.stdout, getenv: func(string) string { return test.noColor }}
			assert.Equal(t, test.want, a.paint(tasks.OutcomeFailed, "failed"))
			assert.Equal(t, "cancelled", a.paint(tasks.OutcomeCancelled, "cancelled"))
		})
	}
}

func TestComplete(t *testing.T) {
	for words, want := range map[string][]string{
		"": {
			"campaign", "channel", "chat", "completion", "config", "demo", "dev", "doctor", "healthcheck", "log", "quota", "richmenu", "schedule",
			"send", "serve", "simulate", "task", "version", "worker",
		},
		"s":                        {"schedule", "send", "serve", "simulate"},
		"send ":                    {"broadcast", "multicast", "narrowcast", "push", "reply"},
		"send push --me":           {"--message"},
		"send push --message ":     nil,
		"send push --urgent --de":  {"--deadline"},
		"task list --state ":       {"active", "queued", "scheduled", "waiting"},
		"task list --state s":      {"scheduled"},
		"worker --log-format ":     {"console", "json"},
		"channel ":                 {"check", "hold", "list", "resume"},
		"channel resume --reason ": {"auth", "operator", "quota"},
		"richmenu b":               {"batch", "bulk-link", "bulk-unlink"},
		"richmenu batch --op":      {"--operations"},
		"completion ":              {"bash", "fish", "zsh"},
		"--config x.yaml send m":   {"multicast"},
		"richmenu publish --object x --": {
			"--alias", "--at", "--channel", "--config", "--default", "--durable", "--durable-timeout", "--help", "--id",
			"--image", "--in", "--json", "--object", "--redis", "--timeout", "--wait",
		},
	} {
		t.Run(words, func(t *testing.T) {
			out := cli{t, nil}.ok(append([]string{completeWord}, strings.Split(words, " ")...)...)
			assert.Equal(t, want, append([]string(nil), strings.Fields(out)...))
		})
	}
}

// TestCompletionScripts lets each shell that is there read its script.
func TestCompletionScripts(t *testing.T) {
	for shell, flag := range map[string]string{"bash": "-n", "zsh": "-n", "fish": "--no-execute"} {
		t.Run(shell, func(t *testing.T) {
			script := cli{t, nil}.ok("completion", shell)
			assert.Contains(t, script, "lineq "+completeWord)
			if _, err := exec.LookPath(shell); err != nil {
				t.Skipf("%s SKIPPED: no %s on the PATH", t.Name(), shell)
			}
			out, err := exec.Command(shell, flag, file(t, "script", script)).CombinedOutput()
			assert.NoError(t, err, string(out))
		})
	}
}
