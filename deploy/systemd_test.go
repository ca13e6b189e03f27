package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// unit are a unit's settings, by name; of those that are there more than once, all.
func unit(t *testing.T, path string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	all := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(line, "#") {
			all[name] = append(all[name], value)
		}
	}
	return all
}

func TestUnits(t *testing.T) {
	units, err := filepath.Glob("systemd/*.service")
	require.NoError(t, err)
	require.Len(t, units, 2)
	for _, path := range units {
		u := unit(t, path)
		assert.Equal(t, []string{"lineq"}, u["User"])
		assert.Equal(t, []string{"strict"}, u["ProtectSystem"])
		assert.Equal(t, []string{"/bin/kill -HUP $MAINPID"}, u["ExecReload"])
		stop, err := strconv.Atoi(u["TimeoutStopSec"][0])
		require.NoError(t, err)
		assert.Greater(t, stop, 15, "--grace")
	}
}

func TestUnitsRun(t *testing.T) {
	redis := startRedis(t)
	simulator := freeAddr(t)
	startLineq(t, []string{"simulate", "--addr", simulator}, nil)
	config := filepath.Join(t.TempDir(), "lineq.yaml")
	require.NoError(t, os.WriteFile(config, []byte("channels: {shop: {token_env: SHOP_TOKEN}}\n"), 0o600))
	for _, path := range []string{"systemd/lineq-worker.service", "systemd/lineq-serve.service"} {
		u := unit(t, path)
		env := []string{"LINEQ_REDIS=redis://" + redis, "LINEQ_LINE_ORIGIN=http://" + simulator, "SHOP_TOKEN=simulated-token"}
		for _, e := range u["Environment"] {
			name, value, _ := strings.Cut(e, "=")
			switch name {
			case "LINEQ_CONFIG":
				value = config
			case "LINEQ_ADDR", "LINEQ_METRICS_ADDR":
				value = freeAddr(t)
			}
			env = append(env, name+"="+value)
		}
		args := strings.Fields(u["ExecStart"][0])
		require.Equal(t, "/usr/local/bin/lineq", args[0])
		startLineq(t, args[1:], env)
		healthy(t, []string{"healthcheck"}, env)
	}
}

// TestUnitsByTheirReader lets systemd read the units, and judge how much of the system they can reach.
func TestUnitsByTheirReader(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("%s SKIPPED: it needs systemd-analyze on the PATH (Debian: apt-get install systemd)", t.Name())
	}
	for _, name := range []string{"lineq-worker", "lineq-serve"} {
		b, err := os.ReadFile("systemd/" + name + ".service")
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), name+".service")
		text := strings.ReplaceAll(string(b), "/usr/local/bin/lineq", program(t))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput()
		require.NoError(t, err, "%s", out)
		assert.NotContains(t, string(out), name+".service:", "it has nothing to say of it")

		out, err = exec.Command(analyze, "security", "--offline=true", "--no-pager", path).CombinedOutput()
		if err != nil {
			t.Logf("systemd-analyze security isn't there in this version: %s", out)
			continue
		}
		level := regexp.MustCompile(`Overall exposure level for \S+: (\d+\.\d+)`).FindSubmatch(out)
		require.NotNil(t, level, "%s", out)
		exposed, err := strconv.ParseFloat(string(level[1]), 64)
		require.NoError(t, err)
		assert.Less(t, exposed, 2.0)
	}
}
