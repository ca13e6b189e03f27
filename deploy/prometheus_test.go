package deploy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestDashboardInPrometheus lets a real Prometheus scrape a real lineq, and asks it what the dashboard and the alerts ask.
func TestDashboardInPrometheus(t *testing.T) {
	program := lookPath(t, "prometheus", "prometheus")
	d, err := newDev(t)
	require.NoError(t, err)
	end, err := d.start()
	require.NoError(t, err)
	defer end()
	p := scrapes(t, program, d)
	d.work()
	// The dashboard's counts are differences between two scrapes.
	d.put("/_sim/faults", `[{"kind":"refuse","operation":"multicast","count":2,"status":503}]`)
	d.lineq("channel", "resume", "default")
	d.push(5)
	d.campaign("more", "1000/s")
	d.lineq("channel", "hold", "default")
	d.until("lineq_queue_paused")

	var board dashboard
	readJSON(t, "grafana/lineq.json", &board)
	// What a run without these events has nothing of.
	nothing := map[string]bool{"Why tasks weren't sent": true, "Why recipients weren't sent to": true, "429s": true}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			query := variables.Replace(target.Expr)
			if nothing[panel.Title] {
				_, err := p.query(t.Context(), query)
				assert.NoError(t, err, "%s: %s", panel.Title, query)
				continue
			}
			var series int
			var err error
			assert.Eventually(t, func() bool {
				series, err = p.query(t.Context(), query)
				return err != nil || series > 0
			}, time.Minute, 200*time.Millisecond, "%s has no data: %s", panel.Title, query)
			assert.NoError(t, err, "%s: %s", panel.Title, query)
		}
	}
	for _, r := range alerts(t).Groups[0].Rules {
		_, err := p.query(t.Context(), r.Expr)
		assert.NoError(t, err, r.Alert)
	}
}

// lookPath looks for a program of a Debian package, and skips the test without it.
func lookPath(t *testing.T, program, debian string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s isn't on the PATH, and CI must skip nothing", program)
	}
	t.Skipf("%s SKIPPED: it needs %s on the PATH (Debian: apt-get install %s)", t.Name(), program, debian)
	return ""
}

// prometheus is a running one.
type prometheus struct{ url string }

// scrapes starts one that scrapes lineq every second, and waits until it has.
func scrapes(t *testing.T, program string, d *dev) prometheus {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(nil, `{
  "global": {"scrape_interval": "1s"},
  "scrape_configs": [{"job_name": "lineq-worker", "static_configs": [{"targets": [%q]}]}]
}`, strings.TrimPrefix(d.url, "http://")), 0o600))
	cmd := exec.CommandContext(t.Context(), program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--log.level=error")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	p := prometheus{"http://" + addr}
	require.Eventually(t, func() bool {
		n, err := p.query(t.Context(), "lineq_redis_up == 1")
		return err == nil && n == 1
	}, time.Minute, 100*time.Millisecond)
	return p
}

// query asks it, and returns how many series the answer has.
func (p prometheus) query(ctx context.Context, query string) (series int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []any }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if answer.Status != "success" {
		return 0, fmt.Errorf("%s: %s", answer.Status, answer.Error)
	}
	return len(answer.Data.Result), nil
}
