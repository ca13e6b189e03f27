package deploy_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

type panel struct {
	ID          int    `json:"id"`
	Type        string `json:"type"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Datasource  source `json:"datasource"`
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct {
		RefID        string `json:"refId"`
		Datasource   source `json:"datasource"`
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat"`
	} `json:"targets"`
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type dashboard struct {
	UID        string  `json:"uid"`
	Schema     int     `json:"schemaVersion"`
	Panels     []panel `json:"panels"`
	Templating struct {
		List []struct {
			Name       string `json:"name"`
			Type       string `json:"type"`
			Definition string `json:"definition"`
		} `json:"list"`
	} `json:"templating"`
}

// variables puts values for Grafana's variables, which PromQL doesn't know.
var variables = strings.NewReplacer("$__rate_interval", "1m", "$channel", ".*")

func TestDashboardAsksForWhatIsServed(t *testing.T) {
	var d dashboard
	readJSON(t, "grafana/lineq.json", &d)
	assert.Equal(t, "lineq", d.UID)
	require.NotEmpty(t, d.Panels)
	ids, cells := map[int]string{}, map[[2]int]string{}
	for _, p := range d.Panels {
		t.Run(p.Title, func(t *testing.T) {
			assert.NotEmpty(t, p.Title)
			assert.Empty(t, ids[p.ID], "has the same id")
			ids[p.ID] = p.Title
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					require.Empty(t, cells[[2]int{x, y}], "is in the same place")
					cells[[2]int{x, y}] = p.Title
				}
			}
			assert.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24)
			if p.Type == "row" {
				return
			}
			prometheus := source{"prometheus", "${datasource}"}
			assert.Equal(t, prometheus, p.Datasource)
			require.NotEmpty(t, p.Targets)
			for _, target := range p.Targets {
				assert.Equal(t, prometheus, target.Datasource)
				expression := variables.Replace(target.Expr)
				assert.NotContains(t, expression, "$")
				holdsAgainst(t, expression, served(t))
				for _, label := range regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1) {
					assert.Regexp(t, `\b`+label[1]+`\b`, target.Expr, "the legend names a label that the expression doesn't keep")
				}
			}
		})
	}
	for _, v := range d.Templating.List {
		if v.Type != "query" {
			continue
		}
		of := regexp.MustCompile(`^label_values\((\w+), (\w+)\)$`).FindStringSubmatch(v.Definition)
		require.NotNil(t, of, v.Definition)
		assert.Contains(t, served(t)[of[1]].labels, of[2])
	}
}

// Every metric of lineq's own is somewhere in the dashboard: one that nobody looks at needn't be counted.
func TestDashboardShowsEverything(t *testing.T) {
	var d dashboard
	readJSON(t, "grafana/lineq.json", &d)
	var all strings.Builder
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			all.WriteString(target.Expr + "\n")
		}
	}
	for name := range served(t) {
		if strings.HasPrefix(name, "lineq_") {
			assert.Regexp(t, `\b`+name+`(_bucket)?\b`, all.String())
		}
	}
}

// What compose mounts finds each other: the dashboard's place, and the name under which Prometheus is reached.
func TestGrafanaIsProvisioned(t *testing.T) {
	var sources struct {
		Datasources []struct{ Type, URL, UID string }
	}
	readYAML(t, "grafana/provisioning/datasources/prometheus.yaml", &sources)
	require.Len(t, sources.Datasources, 1)
	assert.Equal(t, "prometheus", sources.Datasources[0].Type)
	assert.Equal(t, "http://prometheus:9090", sources.Datasources[0].URL)
	var dashboards struct {
		Providers []struct {
			Type    string
			Options struct{ Path string }
		}
	}
	readYAML(t, "grafana/provisioning/dashboards/lineq.yaml", &dashboards)
	require.Len(t, dashboards.Providers, 1)
	assert.Equal(t, "file", dashboards.Providers[0].Type)
	assert.Equal(t, "/var/lib/grafana/dashboards", dashboards.Providers[0].Options.Path)
}

func readYAML(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(b, v), file)
}
