package deploy_test

import (
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
)

// others are the metrics that Prometheus itself makes.
var others = map[string]family{"up": {kind: dto.MetricType_GAUGE}}

// scraped are the labels that Prometheus adds.
var scraped = []string{"job", "instance"}

// holdsAgainst checks that an expression asks for nothing but what lineq serves, and asks it as the kind of the metric wants
// it. It returns the labels that the result has, nil where it can't tell.
func holdsAgainst(t *testing.T, expression string, served map[string]family) {
	t.Helper()
	expr, err := parser.ParseExpr(expression)
	if !assert.NoError(t, err, expression) {
		return
	}
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			is, labels := lookUp(served, n.Name)
			if !assert.NotNil(t, labels, "%s isn't served; in %s", n.Name, expression) {
				return nil
			}
			for _, m := range n.LabelMatchers {
				if m.Name != "__name__" {
					assert.Contains(t, labels, m.Name, "a label of %s in %s", n.Name, expression)
				}
			}
			counts := is.kind != dto.MetricType_GAUGE
			ranged := slices.ContainsFunc(path, func(p parser.Node) bool { _, ok := p.(*parser.MatrixSelector); return ok })
			newborn := slices.ContainsFunc(path, func(p parser.Node) bool {
				b, ok := p.(*parser.BinaryExpr)
				return ok && b.Op == parser.LUNLESS
			})
			assert.Equal(t, counts, ranged || counts && newborn, "%s is a %s; in %s", n.Name, is.kind, expression)
		case *parser.AggregateExpr:
			under := labelsUnder(n.Expr, served)
			for _, g := range n.Grouping {
				assert.Contains(t, under, g, "what is grouped in %s", expression)
			}
		}
		return nil
	})
}

// lookUp finds a metric by the name of one of its series.
func lookUp(served map[string]family, name string) (family, []string) {
	if is, ok := others[name]; ok {
		return is, scraped
	}
	if base, ok := strings.CutSuffix(name, "_bucket"); ok {
		is, there := served[base]
		if !there || is.kind != dto.MetricType_HISTOGRAM {
			return family{}, nil
		}
		return is, slices.Concat(is.labels, scraped, []string{"le"})
	}
	is, there := served[name]
	if !there || is.kind == dto.MetricType_HISTOGRAM {
		return family{}, nil
	}
	return is, slices.Concat(is.labels, scraped)
}

// labelsUnder are all labels that the selectors of an expression can have.
func labelsUnder(e parser.Expr, served map[string]family) (all []string) {
	parser.Inspect(e, func(node parser.Node, _ []parser.Node) error {
		if n, ok := node.(*parser.VectorSelector); ok {
			_, labels := lookUp(served, n.Name)
			all = append(all, labels...)
		}
		return nil
	})
	return all
}
