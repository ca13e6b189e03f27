package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	var out strings.Builder
	require.NoError(t, writeTable(&out, machine{Cores: 2, CPU: "X", Go: "go1", Redis: "7"}, []row{
		{Part: "b", What: "theirs", Value: 5000, Unit: "requests/s", Least: 4900, Most: 5100},
		{Part: "c", What: "ours", Value: 9500, Unit: "requests/s", Ratios: []ratio{{"b", 1.9}}, Notes: []string{"a note"}},
		{Part: "f", What: "latency", Value: 1.25, Unit: "ms"},
	}))
	assert.Equal(t, strings.Join([]string{
		"2 cores (X) for everything: Redis 7 with AOF everysec, the receiver, the workers; go1", "",
		"b  theirs          5,000 requests/s  4,900 to 5,100",
		"c  ours            9,500 requests/s  1.90 × b; a note",
		"f  latency          1.25 ms          ", "",
	}, "\n"), out.String())
}

func TestFigure(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.00", 9.994: "9.99", 12.34: "12.3", 999.9: "999.9", 1000: "1,000", 12345.6: "12,346", 1234567: "1,234,567",
	} {
		assert.Equal(t, want, figure(v))
	}
}

func TestMedian(t *testing.T) {
	assert.Equal(t, 2.0, median([]float64{9, 1, 2}))
	assert.Equal(t, 1.5, median([]float64{2, 1}))
}

func TestPercentiles(t *testing.T) {
	b := &bench{progress: &strings.Builder{}}
	var values []time.Duration
	for i := range 200 {
		values = append(values, time.Duration(200-i)*time.Millisecond)
	}
	b.percentiles("f", "many", values)
	b.percentiles("f", "few", values[:10])
	require.Len(t, b.rows, 2)
	assert.Equal(t, "many, p99", b.rows[0].What)
	assert.Equal(t, 198.0, b.rows[0].Value)
	assert.Equal(t, []string{"p50 101.0, largest of 200 200.0"}, b.rows[0].Notes)
	assert.Equal(t, "few, at most", b.rows[1].What)
	assert.Equal(t, 10.0, b.rows[1].Value)
}
