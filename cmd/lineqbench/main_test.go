package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The test's own program is what the benchmark starts as its workers.
func TestMain(m *testing.M) {
	if spec := os.Getenv(childEnv); spec != "" {
		if err := runChild(spec, os.Stdin, os.Stdout); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

func TestRunMeasures(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("SKIPPED: it needs redis-server on the PATH (Debian: apt-get install redis-server)")
	}
	var out bytes.Buffer
	args := []string{"-only", "b,c,d,h,i,k", "-n", "200", "-rounds", "1", "-json"}
	require.NoError(t, run(t.Context(), args, &out, io.Discard))
	var got struct {
		Machine machine
		Rows    []row
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &got))
	assert.NotEmpty(t, got.Machine.Redis)
	assert.Positive(t, got.Machine.Cores)
	var letters []string
	for _, r := range got.Rows {
		letters = append(letters, r.Part)
		assert.Positive(t, r.Value, r.What)
	}
	assert.Equal(t, []string{"b", "c", "d1", "d", "h1", "h", "i", "i", "k0", "k1", "k1", "k1", "k2", "k2", "k2", "k", "k", "k"}, letters)
	require.Len(t, got.Rows[1].Ratios, 1, "a wasn't measured")
	assert.Equal(t, "b", got.Rows[1].Ratios[0].To)
	assert.InDelta(t, got.Rows[1].Value/got.Rows[0].Value, got.Rows[1].Ratios[0].Value, 0.001)
}

func TestRunKeepsLINEsLimits(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("SKIPPED: it needs redis-server on the PATH (Debian: apt-get install redis-server)")
	}
	line, err := limitsRun{workers: 2, seconds: 1, feed: feedTasks}.run(t.Context())
	require.NoError(t, err)
	for path, u := range line.uses {
		assert.Equal(t, time.Second, u.to.Sub(u.from), path)
		assert.Positive(t, u.accepted, path)
		// LINE itself allows a tenth of a second's worth more than its rate.
		assert.LessOrEqual(t, u.share(), 1.11, path)
	}
}

func TestMisuse(t *testing.T) {
	for _, args := range [][]string{{"-only", "x"}, {"-n", "1"}, {"-rounds", "0"}, {"-seconds", "0"}, {"-what"}, {"a"}} {
		assert.ErrorIs(t, run(t.Context(), args, io.Discard, io.Discard), errMisuse, args)
	}
}

func TestWithoutRedisServer(t *testing.T) {
	t.Setenv("PATH", "")
	assert.ErrorContains(t, run(t.Context(), nil, io.Discard, io.Discard), "no redis-server on the PATH")
}

func TestEveryPartIsMeasured(t *testing.T) {
	letters := ""
	for _, m := range measures {
		letters += m.letters
	}
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-list"}, &out, io.Discard))
	for _, p := range parts {
		assert.Contains(t, letters, p.letter)
		assert.Contains(t, out.String(), p.letter+"  "+p.name+"\n")
	}
	assert.Len(t, letters, len(parts))
}
