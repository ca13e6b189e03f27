package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/audience"
)

// audiences are the files that an intake is measured with, by how many recipients they have for each push that a round of
// other parts sends.
var audiences = []struct {
	letter, what string
	times        int
	named        bool
}{
	{"k1", "ids alone", 50, false},
	{"k2", "with a name for each", 50, true},
	{"k", "ids alone", 500, false},
}

// measureIntake has campaigns taken in from CSV files, and the same number of tasks enqueued at asynq, one for each
// recipient, as far as that is worth waiting for.
func measureIntake(ctx context.Context, b *bench) error {
	dir, err := os.MkdirTemp("", "lineqbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	plain, err := b.enqueuePerRecipient(ctx)
	if err != nil {
		return err
	}
	b.rows = append(b.rows, row{Part: "k0", What: "asynq, a task for each recipient, 16 at a time", Value: plain, Unit: "recipients/s"})
	for _, a := range audiences {
		n := a.times * b.n
		c := child{As: "intake", Audience: filepath.Join(dir, a.letter), Named: a.named}
		if err := writeAudience(c.Audience, n, a.named); err != nil {
			return err
		}
		var perSecond, bytes, peak []float64
		for round := range b.rounds {
			in, each, err := c.takeIn(ctx, n)
			if err != nil {
				return fmt.Errorf("%s: %w", a.what, err)
			}
			perSecond, bytes, peak = append(perSecond, float64(n)/in.Seconds), append(bytes, each), append(peak, in.PeakMB)
			b.say("   %d/%d %d recipients, %s: %.0f/s", round+1, b.rounds, n, a.what, perSecond[round])
		}
		_ = os.Remove(c.Audience)
		what := fmt.Sprintf("%s recipients, %s", figure(float64(n)), a.what)
		rate := median(perSecond)
		b.rows = append(b.rows,
			row{
				Part: a.letter, What: "lineq, intake of a CSV, " + what, Value: rate, Unit: "recipients/s",
				Least: slices.Min(perSecond), Most: slices.Max(perSecond), Ratios: []ratio{{"k0", rate / plain}},
			},
			row{Part: a.letter, What: "Redis, for each of " + what, Value: slices.Max(bytes), Unit: "bytes"},
			row{Part: a.letter, What: "peak memory of the process, " + what, Value: slices.Max(peak), Unit: "MB"},
		)
	}
	return nil
}

// enqueuePerRecipient is how fast asynq takes tasks.
func (b *bench) enqueuePerRecipient(ctx context.Context) (perSecond float64, err error) {
	server, err := startRedis()
	if err != nil {
		return 0, err
	}
	defer server.stop()
	start := time.Now()
	err = feedPlain(ctx, server.addr, b.n, 0)
	return float64(b.n) / time.Since(start).Seconds(), err
}

// taken is what an intake's process says of itself.
type taken struct {
	Seconds    float64
	Recipients int64
	PeakMB     float64 // of what it had in memory, its program included
}

// takeIn has a process of its own take in an audience, and returns also what Redis needs for each recipient.
func (c child) takeIn(ctx context.Context, n int) (in taken, each float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	server, err := startRedis()
	if err != nil {
		return in, 0, err
	}
	defer server.stop()
	before, err := server.used(ctx)
	if err != nil {
		return in, 0, err
	}
	c.Redis = server.addr
	p, err := c.start()
	if err != nil {
		return in, 0, err
	}
	err = json.NewDecoder(p.stdout).Decode(&in)
	if _, stopErr := p.stop(); err == nil {
		err = stopErr
	}
	if err == nil && in.Recipients != int64(n) {
		err = fmt.Errorf("%d recipients of %d", in.Recipients, n)
	}
	if err != nil {
		return in, 0, err
	}
	after, err := server.used(ctx)
	return in, (after - before) / float64(n), err
}

// runIntake is the process that takes in, as `lineq campaign send` does.
func (c child) runIntake(ctx context.Context, stdout io.Writer) error {
	debug.SetGCPercent(producer.GCPercent)
	rdb := redis.NewClient(&redis.Options{Addr: c.Redis})
	defer rdb.Close()
	q, err := producer.New(producer.Config{Redis: rdb})
	if err != nil {
		return err
	}
	file, err := os.Open(c.Audience)
	if err != nil {
		return err
	}
	defer file.Close()
	text := "Sale!"
	if c.Named {
		text = "Dear {{name}}, sale!"
	}
	start := time.Now()
	report, err := q.Campaign(ctx, producer.Campaign{
		To: audience.Read(file), Messages: []lineapi.Message{lineapi.Text(text)}, Strict: true,
	})
	if err != nil {
		return err
	}
	in := taken{Seconds: time.Since(start).Seconds(), Recipients: report.Recipients}
	if in.PeakMB, err = peakMemory(); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(in)
}

// peakMemory is the most that this process had in memory, in MB, as Linux counts it.
func peakMemory() (mb float64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	_, err = fmt.Sscan(rest, &mb)
	return mb * 1024 / 1e6, err
}

// writeAudience writes a CSV of n different users. Their names have as many letters as those of people.
func writeAudience(path string, n int, named bool) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	header := "to\n"
	if named {
		header = "to,name\n"
	}
	_, _ = w.WriteString(header)
	r := rand.New(rand.NewPCG(1, 2))
	var line []byte
	for range n {
		line = fmt.Appendf(line[:0], "U%016x%016x", r.Uint64(), r.Uint64())
		if named {
			line = append(line, ',')
			for range 2 + r.IntN(3) {
				line = append(line, "bdghkmnrstyz"[r.IntN(12)], "aeiou"[r.IntN(5)])
				if r.IntN(3) == 0 {
					line = append(line, 'n')
				}
			}
		}
		_, _ = w.Write(append(line, '\n'))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return file.Close()
}
