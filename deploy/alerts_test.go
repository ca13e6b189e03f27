package deploy_test

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

type rules struct {
	Groups []struct {
		Name  string `yaml:"name"`
		Rules []struct {
			Alert       string            `yaml:"alert"`
			Expr        string            `yaml:"expr"`
			For         string            `yaml:"for"`
			Labels      map[string]string `yaml:"labels"`
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"rules"`
	} `yaml:"groups"`
}

func alerts(t *testing.T) rules {
	t.Helper()
	b, err := os.ReadFile("prometheus/alerts.yml")
	require.NoError(t, err)
	d := yaml.NewDecoder(strings.NewReader(string(b)))
	d.KnownFields(true)
	var r rules
	require.NoError(t, d.Decode(&r))
	require.Len(t, r.Groups, 1)
	require.NotEmpty(t, r.Groups[0].Rules)
	return r
}

func TestAlertsAskForWhatIsServed(t *testing.T) {
	for _, r := range alerts(t).Groups[0].Rules {
		t.Run(r.Alert, func(t *testing.T) {
			holdsAgainst(t, r.Expr, served(t))
			assert.Contains(t, []string{"critical", "warning"}, r.Labels["severity"])
			assert.NotEmpty(t, r.Annotations["summary"])
			assert.NotEmpty(t, r.Annotations["description"])
			for _, text := range r.Annotations {
				for _, label := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(text, -1) {
					assert.Regexp(t, `\b`+label[1]+`\b`, r.Expr+" job instance", "it names a label that the alert doesn't have")
				}
			}
		})
	}
}

// Each alert has a test in which it fires, and TestAlertsFire runs them.
func TestEveryAlertIsTested(t *testing.T) {
	b, err := os.ReadFile("prometheus/alerts_test.yml")
	require.NoError(t, err)
	var fires []string
	for _, f := range regexp.MustCompile(`labels: 'ALERTS\{alertname="(\w+)"`).FindAllStringSubmatch(string(b), -1) {
		fires = append(fires, f[1])
	}
	for _, r := range alerts(t).Groups[0].Rules {
		assert.True(t, slices.Contains(fires, r.Alert), "no test shows that %s fires", r.Alert)
	}
}

func TestAlertsFire(t *testing.T) {
	promtool := lookPath(t, "promtool", "prometheus")
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"}, {"check", "rules", "alerts.yml"}, {"test", "rules", "alerts_test.yml"},
	} {
		cmd := exec.Command(promtool, args...)
		cmd.Dir = "prometheus"
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "promtool %s: %s", strings.Join(args, " "), out)
	}
}
