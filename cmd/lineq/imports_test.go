package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The packages depend on each other in one direction: cmd on producer and worker, these on tasks, tasks on lineapi.
func TestImportsRunOneWay(t *testing.T) {
	const module = "github.com/lineq/lineq/"
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...").Output()
	require.NoError(t, err)
	imports := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		imports[strings.TrimPrefix(fields[0], module)] = fields[1:]
	}
	require.Contains(t, imports, "worker")

	// What a package, and what lies below it, must not import.
	for name, forbidden := range map[string][]string{
		"lineapi":   {module + "tasks", module + "producer", module + "worker", "github.com/hibiken", "github.com/redis"},
		"tasks":     {module + "producer", module + "worker", "github.com/hibiken", "net/http"},
		"producer":  {module + "worker", "net/http"},
		"worker":    {module + "producer"},
		"cmd/lineq": {"github.com/hibiken"},
	} {
		for p, all := range imports {
			if p != name && !strings.HasPrefix(p, name+"/") {
				continue
			}
			for _, i := range all {
				for _, f := range forbidden {
					if f == "net/http" && (strings.HasPrefix(p, "producer/gateway") || strings.HasPrefix(p, "producer/dashboard")) {
						continue // it is the HTTP side
					}
					assert.False(t, i == f || strings.HasPrefix(i, f+"/"), "%s imports %s", p, i)
				}
			}
		}
	}
	for p, all := range imports {
		for _, i := range all {
			export := strings.HasPrefix(i, "go.opentelemetry.io/otel/sdk") || strings.HasPrefix(i, "go.opentelemetry.io/otel/exporters")
			assert.False(t, export && p != "cmd/lineq", "%s imports %s: only the program sends traces anywhere", p, i)
		}
	}
	for _, i := range imports["lineapi/linesim"] {
		assert.NotEqual(t, module+"lineapi", i, "the simulated LINE must not be our client's mirror")
	}
	for _, i := range imports["tasks"] {
		assert.False(t, strings.HasPrefix(i, "github.com/redis"), "tasks itself knows no Redis")
	}
}
