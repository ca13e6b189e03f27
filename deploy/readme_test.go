package deploy_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestREADMEListsTheMetrics holds the README's table against the program, both ways.
func TestREADMEListsTheMetrics(t *testing.T) {
	b, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	quoted := regexp.MustCompile("`(\\w+)`")
	listed := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `lineq_") {
			continue
		}
		labels := []string{}
		for _, l := range quoted.FindAllStringSubmatch(cells[2], -1) {
			labels = append(labels, l[1])
		}
		slices.Sort(labels)
		for _, name := range quoted.FindAllStringSubmatch(cells[1], -1) {
			listed[name[1]] = labels
		}
	}
	is := map[string][]string{}
	for name, f := range served(t) {
		if strings.HasPrefix(name, "lineq_") {
			is[name] = f.labels
		}
	}
	assert.Equal(t, is, listed)
}
