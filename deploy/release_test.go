package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRelease makes the archives for this machine twice: they are the same, and hold a program that knows its version.
func TestRelease(t *testing.T) {
	arch, err := exec.Command("go", "env", "GOOS", "GOARCH").Output()
	require.NoError(t, err)
	platform := strings.Join(strings.Fields(string(arch)), "/")
	var sums [2]string
	var dist string
	for i := range sums {
		dist = t.TempDir()
		out, err := exec.Command("make", "-C", "..", "release", "DIST="+dist, "VERSION=v9.8.7", "PLATFORMS="+platform).CombinedOutput()
		require.NoError(t, err, "%s", out)
		b, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS"))
		require.NoError(t, err)
		sums[i] = string(b)
	}
	assert.Equal(t, sums[0], sums[1])
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = dist
	out, err := check.CombinedOutput()
	require.NoError(t, err, "%s", out)
	archives, err := filepath.Glob(filepath.Join(dist, "*.tar.gz"))
	require.NoError(t, err)
	require.Len(t, archives, 1)
	out, err = exec.Command("tar", "-C", dist, "-xzvf", archives[0]).CombinedOutput()
	require.NoError(t, err, "%s", out)
	folder := strings.TrimSuffix(archives[0], ".tar.gz")
	for _, name := range []string{"LICENSE", "README.md"} {
		assert.FileExists(t, filepath.Join(folder, name))
	}
	out, err = exec.Command(filepath.Join(folder, "lineq"), "version").CombinedOutput()
	require.NoError(t, err)
	assert.Contains(t, string(out), "lineq v9.8.7")
}
