// Package deploy holds tests of what is beside it: the files with which lineq is run and watched. It is a module of its own, so
// that lineq doesn't need what these tests do.
package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// family is a metric that lineq serves.
type family struct {
	kind   dto.MetricType
	labels []string // sorted
}

// served are the metrics of lineq dev after a run that makes each of them appear, by name. It has the parts of lineq worker
// and of lineq serve.
func served(t *testing.T) map[string]family {
	t.Helper()
	ran.once.Do(func() { ran.served, ran.err = runDev(t) })
	require.NoError(t, ran.err)
	return ran.served
}

// ran is the one run of all tests.
var ran struct {
	once   sync.Once
	served map[string]family
	err    error
}

// dev is a running lineq dev.
type dev struct {
	t          *testing.T
	program    string
	url, redis string
	ctx        context.Context
	stop       context.CancelFunc
}

func runDev(t *testing.T) (map[string]family, error) {
	d, err := newDev(t)
	if err != nil {
		return nil, err
	}
	end, err := d.start()
	if err != nil {
		return nil, err
	}
	defer end()
	d.work()
	return d.scrape()
}

func newDev(t *testing.T) (*dev, error) {
	d := &dev{t: t, program: filepath.Join(t.TempDir(), "lineq")}
	if out, err := exec.Command("go", "build", "-C", "..", "-o", d.program, "./cmd/lineq").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build lineq: %w\n%s", err, out)
	}
	d.ctx, d.stop = context.WithTimeout(t.Context(), 2*time.Minute)
	return d, nil
}

// work makes each metric appear.
func (d *dev) work() {
	d.t.Helper()
	const faults = "/_sim/faults"
	d.put(faults, `[{"kind":"accept_500","count":2}]`) // retries, of which LINE says that it had them
	d.push(5)
	d.until("lineq_replayed_total")
	d.lineq("send", "push", "--to", user(1), "--text", "hello", "--wait")
	d.campaign("done", "1000/s")
	d.until("lineq_campaign_outcomes_total")
	d.put(faults, `[{"kind":"refuse","operation":"pushMessage","share":1,"status":503}]`) // the breaker opens
	d.push(60)
	d.until("lineq_breaker_opened_total")
	d.put(faults, `[]`)
	d.campaign("goes-on", "1/min")
	d.until("lineq_campaign_recipients")
	d.lineq("channel", "hold", "default")
	d.until("lineq_queue_paused")
}

// start starts it, and returns how to end it.
func (d *dev) start() (end func(), err error) {
	cmd := exec.CommandContext(d.ctx, d.program, "dev", "--addr", "127.0.0.1:0", "--quota", "100000")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	said, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = write
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	write.Close()
	var text bytes.Buffer
	some := make([]byte, 4096)
	for d.url == "" || d.redis == "" {
		n, err := said.Read(some)
		text.Write(some[:n])
		if err != nil {
			return nil, fmt.Errorf("lineq dev ended:\n%s", &text)
		}
		d.url = strings.TrimSuffix(regexp.MustCompile(`http://[0-9.:]+/metrics`).FindString(text.String()), "/metrics")
		d.redis = regexp.MustCompile(`redis://[0-9.:]+`).FindString(text.String())
	}
	go io.Copy(io.Discard, said)
	return func() {
		d.stop()
		_ = cmd.Wait()
	}, nil
}

func user(n int) string { return fmt.Sprintf("U%032x", n) }

func (d *dev) put(path, body string) {
	d.t.Helper()
	d.ask(http.MethodPut, path, body)
}

// push sends through the gateway.
func (d *dev) push(n int) {
	d.t.Helper()
	for i := range n {
		d.ask(http.MethodPost, "/v2/bot/message/push", fmt.Sprintf(`{"to":%q,"messages":[{"type":"text","text":"hello"}]}`, user(i)))
	}
}

func (d *dev) ask(method, path, body string) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.ctx, method, d.url+path, strings.NewReader(body))
	require.NoError(d.t, err)
	r.Header.Set("Authorization", "Bearer simulated-token")
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(d.t, err)
	answer, err := io.ReadAll(resp.Body)
	require.NoError(d.t, err)
	require.NoError(d.t, resp.Body.Close())
	require.Less(d.t, resp.StatusCode, 300, "%s %s: %s", method, path, answer)
}

func (d *dev) lineq(args ...string) {
	d.t.Helper()
	cmd := exec.CommandContext(d.ctx, d.program, args...)
	cmd.Env = []string{"REDIS_URL=" + d.redis}
	out, err := cmd.CombinedOutput()
	require.NoError(d.t, err, "lineq %s: %s", strings.Join(args, " "), out)
}

func (d *dev) campaign(id, rate string) {
	d.t.Helper()
	audience := strings.Builder{}
	audience.WriteString("to\n")
	for i := range 10 {
		audience.WriteString(user(i) + "\n")
	}
	file, message := filepath.Join(d.t.TempDir(), "audience.csv"), filepath.Join(d.t.TempDir(), "message.json")
	require.NoError(d.t, os.WriteFile(file, []byte(audience.String()), 0o600))
	require.NoError(d.t, os.WriteFile(message, []byte(`{"type":"text","text":"hello"}`), 0o600))
	d.lineq("campaign", "send", "--audience", file, "--message", message, "--id", id, "--rate", rate)
}

// until waits for a metric that something just done makes appear.
func (d *dev) until(name string) {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		now, err := d.scrape()
		return err == nil && now[name].labels != nil
	}, time.Minute, 50*time.Millisecond, name)
}

func (d *dev) scrape() (map[string]family, error) {
	r, err := http.NewRequestWithContext(d.ctx, http.MethodGet, d.url+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return nil, err
	}
	now := map[string]family{}
	for name, f := range families {
		is := family{kind: f.GetType(), labels: []string{}}
		for _, l := range f.GetMetric()[0].GetLabel() {
			is.labels = append(is.labels, l.GetName())
		}
		slices.Sort(is.labels)
		now[name] = is
	}
	return now, nil
}

func readJSON(t *testing.T, file string, v any) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, v), file)
}
