package deploy_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// compose loads docker-compose.yaml as docker compose does, with all profiles.
func compose(t *testing.T, env ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yaml"},
		cli.WithEnv(env), cli.WithProfiles([]string{"*"}), cli.WithResolvedPaths(true))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

// ours are the services that run lineq.
func ours(p *types.Project) []types.ServiceConfig {
	var all []types.ServiceConfig
	for _, s := range p.Services {
		if strings.HasPrefix(s.Image, "lineq:") {
			all = append(all, s)
		}
	}
	return all
}

func TestCompose(t *testing.T) {
	p := compose(t)
	assert.ElementsMatch(t, []string{"redis", "worker", "serve", "simulator", "prometheus", "grafana"}, p.ServiceNames())
	for _, s := range p.Services {
		t.Run(s.Name, func(t *testing.T) {
			assert.NotContains(t, s.Image, ":latest")
			assert.Contains(t, s.Image, ":", "a version")
			assert.Equal(t, []string{"ALL"}, []string(s.CapDrop))
			assert.Contains(t, s.SecurityOpt, "no-new-privileges:true")
			assert.Positive(t, int64(s.MemLimit))
			for _, v := range s.Volumes {
				if v.Type == types.VolumeTypeBind {
					_, err := os.Stat(v.Source)
					assert.NoError(t, err, "of what isn't there Docker makes an empty folder")
				}
			}
			for _, port := range s.Ports {
				assert.Equal(t, "127.0.0.1", port.HostIP, "no port is open to others")
			}
		})
	}
	redis := p.Services["redis"]
	assert.Empty(t, redis.Ports)
	assert.Equal(t, []string{"queue"}, redis.NetworksByPriority())
	assert.True(t, p.Networks["queue"].Internal)
	joined := " " + strings.Join(redis.Command, " ") + " "
	assert.Contains(t, joined, " --appendonly yes ")
	assert.Contains(t, joined, " --maxmemory-policy noeviction ")
	for _, s := range ours(p) {
		assert.True(t, s.ReadOnly)
		assert.Equal(t, "deploy/Dockerfile", s.Build.Dockerfile)
	}
	for name, longer := range map[string]time.Duration{"worker": 30 * time.Second, "serve": 15 * time.Second} {
		assert.Greater(t, time.Duration(*p.Services[name].StopGracePeriod), longer, name)
		assert.Equal(t, types.ServiceConditionHealthy, p.Services[name].DependsOn["redis"].Condition)
		assert.Equal(t, types.HealthCheckTest{"CMD", "/lineq", "healthcheck"}, p.Services[name].HealthCheck.Test)
	}
	for name, secret := range p.Secrets {
		assert.FileExists(t, secret.File, name)
	}
	withoutProfiles, err := p.WithProfiles(nil)
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"redis", "worker", "serve"}, withoutProfiles.ServiceNames())
}

// TestComposeMountsWhatIsReadThere holds the mounts against those who read what is mounted.
func TestComposeMountsWhatIsReadThere(t *testing.T) {
	p := compose(t)
	at := map[string]string{}
	for _, v := range slices.Concat(p.Services["prometheus"].Volumes, p.Services["grafana"].Volumes) {
		at[v.Target] = v.Source
	}
	for mounted, file := range map[string]string{
		"/etc/prometheus":                        "prometheus/prometheus.yml",
		"/etc/grafana/provisioning":              "grafana/provisioning/dashboards/lineq.yaml",
		"/var/lib/grafana/dashboards/lineq.json": "grafana/lineq.json",
	} {
		want, err := filepath.Abs(file)
		require.NoError(t, err)
		require.NotEmpty(t, at[mounted], mounted)
		assert.True(t, strings.HasPrefix(want, at[mounted]), "%s has %s", mounted, at[mounted])
	}
	for name := range map[string]bool{"worker": true, "serve": true} {
		assert.Equal(t, ":9091", *p.Services[name].Environment["LINEQ_METRICS_ADDR"], "as prometheus.yml has it")
	}
}

// TestComposeRuns starts the program of each service of ours with its command and environment, beside a Redis and with what
// is mounted; only addresses and paths are those of this machine.
func TestComposeRuns(t *testing.T) {
	redis := startRedis(t)
	p := compose(t, "LINEQ_LINE_ORIGIN=http://simulator:8788")
	simulator := freeAddr(t)
	there := []string{"redis:6379", "simulator:8788", ":8788", ":8789"} // who comes first is looked for first
	addresses := map[string]string{"redis:6379": redis, "simulator:8788": simulator, ":8788": simulator, ":8789": freeAddr(t)}
	config := localConfig(t, "compose/lineq.yaml", map[string]string{"/run/secrets/line_token": secretFile(t, p)})
	for _, name := range []string{"simulator", "worker", "serve"} {
		s := p.Services[name]
		here := func(value string) string {
			switch {
			case value == "/etc/lineq/lineq.yaml":
				return config
			case value == ":9091":
				return addressOf(t, addresses, name)
			}
			for _, end := range there {
				if start, ends := strings.CutSuffix(value, end); ends {
					return start + addresses[end]
				}
			}
			return value
		}
		var args, env []string
		for _, arg := range s.Command {
			args = append(args, here(arg))
		}
		for variable, value := range s.Environment {
			env = append(env, variable+"="+here(*value))
		}
		startLineq(t, args, env)
		if s.HealthCheck.Disable {
			continue
		}
		healthy(t, s.HealthCheck.Test[2:], env)
	}
}

func secretFile(t *testing.T, p *types.Project) string {
	t.Helper()
	token, err := os.ReadFile(p.Secrets["line_token"].File)
	require.NoError(t, err)
	assert.Equal(t, "simulated-token\n", string(token))
	return p.Secrets["line_token"].File
}

// healthy waits for a health check to succeed.
func healthy(t *testing.T, args, env []string) {
	t.Helper()
	var said string
	require.Eventually(t, func() bool {
		var err error
		said, err = lineq(t, context.Background(), args, env)
		return err == nil
	}, 30*time.Second, 50*time.Millisecond, "%v", &said)
	assert.Equal(t, "ready\n", said)
}
