package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// dockerfile is its instructions, with continued lines joined.
func dockerfile(t *testing.T) (instructions [][2]string) {
	t.Helper()
	b, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(string(b), "")
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		if name, rest, found := strings.Cut(strings.TrimSpace(line), " "); found {
			instructions = append(instructions, [2]string{name, strings.TrimSpace(rest)})
		}
	}
	return instructions
}

// TestDockerfileBuilds does what the first stage does, from a folder with just what it copies.
func TestDockerfileBuilds(t *testing.T) {
	sources := t.TempDir()
	var build string
	for _, i := range dockerfile(t) {
		switch {
		case i[0] == "FROM" && i[1] == "scratch":
			require.NotEmpty(t, build)
			program := filepath.Join(sources, "lineq")
			cmd := exec.Command("sh", "-ec", strings.Replace(build, "-o /lineq", "-o "+program, 1))
			cmd.Dir = sources
			cmd.Env = append(os.Environ(), "TARGETOS=linux", "TARGETARCH="+runtime.GOARCH, "VERSION=v0.0.0-test")
			said, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", said)
			runsAlone(t, program)
			return
		case i[0] == "COPY":
			paths := strings.Fields(i[1])
			for _, p := range paths[:len(paths)-1] {
				to := filepath.Join(sources, paths[len(paths)-1])
				out, err := exec.Command("cp", "-r", filepath.Join("..", p), to).CombinedOutput()
				require.NoError(t, err, "%s", out)
			}
		case i[0] == "RUN" && strings.Contains(i[1], "go build"):
			build = i[1]
		}
	}
}

// runsAlone starts the program as an unknown user in a folder that has nothing else.
func runsAlone(t *testing.T, program string) {
	t.Helper()
	linked, err := exec.Command("go", "version", "-m", program).CombinedOutput()
	require.NoError(t, err)
	assert.Contains(t, string(linked), "CGO_ENABLED=0")
	if os.Getuid() != 0 {
		t.Log("SKIPPED: running it in an empty root folder needs root")
		return
	}
	root := t.TempDir()
	require.NoError(t, os.Chmod(root, 0o755))
	require.NoError(t, os.Rename(program, filepath.Join(root, "lineq")))
	alone := func(args ...string) string {
		cmd := exec.Command("/lineq", args...)
		cmd.Env = []string{"TZ=Asia/Bangkok"}
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	assert.Contains(t, alone("version"), "lineq v0.0.0-test")
	assert.Contains(t, alone("demo", "--recipients", "100"), "0 twice or more, 0 never", "with the time zones that it carries")
}

func TestDockerfile(t *testing.T) {
	stages := 0
	var last map[string]string
	for _, i := range dockerfile(t) {
		if i[0] == "FROM" {
			stages++
			last = map[string]string{}
			assert.NotContains(t, i[1], "latest")
		}
		last[i[0]] = i[1]
	}
	assert.Equal(t, 2, stages)
	assert.Equal(t, `["/lineq"]`, last["ENTRYPOINT"])
	assert.Equal(t, "65532:65532", last["USER"])
	assert.Contains(t, last["HEALTHCHECK"], `CMD ["/lineq", "healthcheck"]`)
	mod, err := os.ReadFile("../go.mod")
	require.NoError(t, err)
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(string(mod))[1]
	b, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	assert.Contains(t, string(b), "golang:"+version+"-", "the Go of go.mod")
}
