package worker_test

import (
	"context"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

var campaignSeed = flag.Int("campaign.seed", 0, "repeat the fate of this seed; 0: new ones")

// fate is a campaign and what happens to it.
type fate struct {
	rows      []string // of its audience; some are no ids, some come twice
	personal  bool
	rate      float64
	strangers map[string]bool // whom LINE refuses
	faults    []linesim.Fault

	mayBeCancelled bool
	acts           []act
}

// act is something that happens when LINE has accepted so many more requests, or a while after the one before.
type act struct {
	after int
	what  string
}

// fates draws a fate. Of a list rapid prefers what stands first.
var fates = rapid.Custom(func(t *rapid.T) fate {
	f := fate{personal: rapid.Bool().Draw(t, "personal"), strangers: map[string]bool{}}
	most := rapid.SampledFrom([]int{2000, 2000, 500, 2000, 60, 3, 0}).Draw(t, "most")
	size := rapid.IntRange(most/2, most).Draw(t, "size")
	if size <= 60 && rapid.Bool().Draw(t, "slow") {
		f.rate = rapid.SampledFrom([]float64{5, 20}).Draw(t, "rate") // chunks of 25 and of 100
	}
	refusals := rapid.SampledFrom([]int{0, 200, 20}).Draw(t, "one in so many is a stranger")
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "rows"), 0))
	for n := range size {
		to := user(n)
		switch draw := random.IntN(100); {
		case draw < 2:
			to = fmt.Sprintf("C%032x", n)
		case draw < 4:
			to = fmt.Sprintf("R%032x", n)
		case refusals > 0 && random.IntN(refusals) == 0:
			f.strangers[to] = true
		}
		f.rows = append(f.rows, to)
		switch draw := random.IntN(100); {
		case draw < 3:
			f.rows = append(f.rows, f.rows[random.IntN(len(f.rows))])
		case draw < 6:
			f.rows = append(f.rows, "")
		case draw < 9:
			f.rows = append(f.rows, "U"+to)
		}
	}
	for _, k := range []linesim.FaultKind{linesim.FaultRefuse, linesim.FaultAccept500, linesim.FaultAcceptCut, linesim.FaultCut} {
		if share := rapid.SampledFrom([]float64{0.05, 0.1, 0}).Draw(t, string(k)); share > 0 {
			f.faults = append(f.faults, linesim.Fault{Kind: k, Share: share})
		}
	}
	f.acts = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) act {
		return act{rapid.SampledFrom([]int{50, 5, 200, 1, 0}).Draw(t, "after"), rapid.SampledFrom([]string{
			"kill", "resume", "pause", "pause and settle", "expire", "stop", "resume", "start", "cancel",
		}).Draw(t, "what")}
	}), 3, 10).Draw(t, "acts")
	f.mayBeCancelled = rapid.IntRange(0, 3).Draw(t, "may be cancelled") == 0
	return f
})

// recipients are the distinct good ids.
func (f fate) recipients() map[string]bool {
	ids := map[string]bool{}
	for _, to := range f.rows {
		if lineapi.CheckChatID(to) == nil {
			ids[to] = true
		}
	}
	return ids
}

func (f fate) audience() iter.Seq2[producer.Recipient, error] {
	return func(yield func(producer.Recipient, error) bool) {
		for i, to := range f.rows {
			r, err := producer.Recipient{To: to, Line: i + 1}, error(nil)
			if to == "" {
				err = &campaign.RowError{Line: i + 1, Reason: "can't be read"}
			} else if f.personal {
				r.Vars = map[string]string{"id": to}
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// drama is a campaign that meets its fate, with real workers.
type drama struct {
	*stage
	t         *testing.T
	fate      fate
	mini      *miniredis.Miniredis
	staff     []*hand
	gone      *sync.WaitGroup // of all that ever worked
	ids       map[string]bool
	last      campaign.Summary
	cancelled bool
}

// hand is a worker with its own way to Redis.
type hand struct {
	way   *redistest.Proxy
	stop  context.CancelFunc
	ended chan struct{}
}

const fatal = "fate" // the campaign's id

func (d *drama) start() {
	h := &hand{way: redistest.NewProxy(d.t, d.mini.Addr()), ended: make(chan struct{})}
	rdb := redis.NewClient(&redis.Options{Addr: h.way.Addr, MaxRetries: -1})
	d.t.Cleanup(func() { _ = rdb.Close() })
	cfg := d.config(d.t)
	cfg.Redis, cfg.Grace = rdb, time.Millisecond
	w, err := worker.New(cfg)
	require.NoError(d.t, err)
	var ctx context.Context
	ctx, h.stop = context.WithCancel(context.Background())
	d.gone.Go(func() {
		defer close(h.ended)
		_ = w.Run(ctx) // one that has lost Redis says so, after some seconds
	})
	d.t.Cleanup(h.stop)
	d.staff = append(d.staff, h)
}

// leave takes the worker that is there the longest away.
func (d *drama) leave(abruptly bool) {
	if len(d.staff) == 0 {
		return
	}
	h := d.staff[0]
	d.staff = d.staff[1:]
	if abruptly {
		h.way.Cut() // nothing that it hears from LINE is written down any more
		h.stop()
		return
	}
	h.stop()
	<-h.ended
}

// expire is what half a minute does: every pass that is under way counts as dead, also those of living workers, who then are
// like frozen ones, and so do the lanes.
func (d *drama) expire() {
	open := "lineq:{c:" + fatal + "}:open"
	for _, unit := range d.rdb.ZRange(d.t.Context(), open, 0, -1).Val() {
		require.NoError(d.t, d.rdb.ZAddXX(d.t.Context(), open, redis.Z{Score: 1, Member: unit}).Err())
	}
	if d.rdb.HExists(d.t.Context(), "lineq:{c:"+fatal+"}:state", "seen").Val() {
		require.NoError(d.t, d.rdb.HSet(d.t.Context(), "lineq:{c:"+fatal+"}:state", "seen", 1, "rest", 1).Err())
	}
}

// look holds what is true at every moment against what it was before.
func (d *drama) look() campaign.Summary {
	sum, err := d.q.CampaignSummary(d.t.Context(), fatal)
	require.NoError(d.t, err)
	require.EqualValues(d.t, len(d.ids), sum.Recipients)
	require.Equal(d.t, sum.Recipients, sum.Sent+sum.Failed+sum.Unknown+sum.Pending)
	require.GreaterOrEqual(d.t, min(sum.Pending, sum.Sent-d.last.Sent, sum.Failed-d.last.Failed, sum.Unknown), int64(0), "%+v", sum)
	if sum.State == campaign.StatePaused {
		require.Equal(d.t, campaign.Operator, sum.Reason, sum.Note)
	}
	d.last = sum
	return sum
}

// patience is for what may not come: a campaign that is paused doesn't advance.
const patience = 300 * time.Millisecond

// advance waits until LINE has accepted some more requests, or for a while.
func (d *drama) advance(requests int) {
	least := d.line.Ledger().Totals().Requests + requests
	end := time.Now().Add(patience)
	require.Eventually(d.t, func() bool {
		return d.look().State.Ended() || d.line.Ledger().Totals().Requests >= least || time.Now().After(end)
	}, time.Minute, 2*time.Millisecond)
}

func (d *drama) act(what string) {
	order := func(do func() (campaign.Summary, error)) bool {
		_, err := do()
		if err != nil {
			require.ErrorIs(d.t, err, campaign.ErrState)
		}
		return err == nil
	}
	pause := func() bool {
		return order(func() (campaign.Summary, error) { return d.q.PauseCampaign(d.t.Context(), fatal, "") })
	}
	switch what {
	case "stop", "kill":
		d.leave(what == "kill")
	case "start":
		if len(d.staff) < 2 {
			d.start()
		}
	case "pause":
		pause()
	case "pause and settle":
		if pause() {
			d.settle()
		}
	case "resume":
		order(func() (campaign.Summary, error) { return d.q.ResumeCampaign(d.t.Context(), fatal, nil) })
	case "cancel":
		if d.fate.mayBeCancelled {
			d.cancelled = order(func() (campaign.Summary, error) { return d.q.CancelCampaign(d.t.Context(), fatal) })
		}
	case "expire":
		d.expire()
	}
	d.look()
}

// settle waits until nothing of a campaign that is paused, cancelled or over is under way. Then it is known of everybody.
func (d *drama) settle() {
	if len(d.staff) == 0 {
		d.start()
	}
	d.expire()
	renewed := time.Now()
	require.Eventually(d.t, func() bool {
		if time.Since(renewed) > 2*time.Second {
			d.expire()
			renewed = time.Now()
		}
		return d.rdb.ZCard(d.t.Context(), "lineq:{c:"+fatal+"}:open").Val() == 0
	}, time.Minute, 5*time.Millisecond)
	d.recount()
}

// recount compares what is told of each recipient with the ledger, and with the counts.
func (d *drama) recount() {
	outcomes := map[tasks.Outcome]int64{}
	replayed := int64(0)
	seen := map[string]bool{}
	sum := d.look()
	for row, err := range d.q.CampaignRecipients(d.t.Context(), fatal) {
		require.NoError(d.t, err)
		require.True(d.t, d.ids[row.To] && !seen[row.To], row.To)
		seen[row.To] = true
		outcomes[row.Outcome]++
		if row.Replayed {
			replayed++
		}
		received := d.line.Ledger().Received(row.To)
		switch row.Outcome {
		case tasks.OutcomeSent:
			require.Len(d.t, received, 1, "%+v", row)
			require.Equal(d.t, received[0].RequestID, row.RequestID)
			if d.fate.personal {
				require.Contains(d.t, string(received[0].Messages[0]), "for "+row.To)
			}
		case tasks.OutcomeUnknown:
			require.LessOrEqual(d.t, len(received), 1, "%+v", row)
			require.True(d.t, d.cancelled || d.fate.strangers[row.To] || len(d.fate.strangers) > 0 && !d.fate.personal, "%+v", row)
		default:
			require.Empty(d.t, received, "%+v", row)
		}
		if row.Outcome == tasks.OutcomeFailed {
			require.True(d.t, d.fate.strangers[row.To], "%+v", row)
			require.Equal(d.t, lineapi.Invalid, row.Reason)
		}
	}
	require.Len(d.t, seen, len(d.ids))
	require.Equal(d.t, []int64{sum.Sent, sum.Failed, sum.Unknown, sum.Pending, sum.Replayed}, []int64{
		outcomes[tasks.OutcomeSent], outcomes[tasks.OutcomeFailed], outcomes[tasks.OutcomeUnknown],
		outcomes[""] + outcomes[tasks.OutcomeCancelled], replayed,
	})
	by := int64(0)
	for _, n := range sum.FailuresBy {
		by += n
	}
	require.Equal(d.t, sum.Failed+sum.Unknown, by)
}

// finish lets everything come to its end, with a LINE that works.
func (d *drama) finish() {
	require.NoError(d.t, d.line.SetFaults(nil))
	for len(d.staff) > 0 {
		d.leave(false)
	}
	d.start()
	d.expire()
	d.act("resume")
	require.Eventually(d.t, func() bool { return d.look().State.Ended() }, time.Minute, 5*time.Millisecond)
	sum := d.look()
	require.Equal(d.t, d.cancelled, sum.State == campaign.StateCancelled)
	require.True(d.t, d.cancelled || sum.Pending == 0)
	require.Eventually(d.t, func() bool {
		unended, err := d.campaigns.Unended(d.t.Context())
		return err == nil && len(unended) == 0
	}, time.Minute, 5*time.Millisecond)
	d.recount()
	stats := d.line.Stats()
	require.Zero(d.t, stats.RetryKeysReused)
	require.Zero(d.t, stats.RepeatedRecipients)
}

// Whoever a campaign is for and whatever happens to it: everybody receives once, and what is told of them is true.
func TestFateOfACampaign(t *testing.T) {
	t.Parallel()
	seeds := []int{*campaignSeed}
	if *campaignSeed == 0 {
		seeds = nil
		for range 6 {
			seeds = append(seeds, 1+rand.IntN(1_000_000))
		}
	}
	var gone sync.WaitGroup
	t.Cleanup(gone.Wait)
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			f := fates.Example(seed)
			t.Logf("-campaign.seed %d: %d rows, personal %t, rate %g, %d strangers, faults %v, %v", seed, len(f.rows), f.personal,
				f.rate, len(f.strangers), f.faults, f.acts)
			mini, rdb := redistest.Mini(t)
			d := &drama{
				stage: newStage(t, rdb, linesim.Config{RefuseUnknown: true, Latency: 5 * time.Millisecond, Seed: uint64(seed)}),
				t:     t, fate: f, mini: mini, ids: f.recipients(), gone: &gone,
			}
			for to := range f.strangers {
				require.NoError(t, d.line.AddUser(linesim.User{ID: to, State: linesim.Unknown}))
			}
			require.NoError(t, d.line.SetFaults(f.faults))
			text := "hello"
			if f.personal {
				text = "for {{id}}"
			}
			report, err := d.q.Campaign(t.Context(), producer.Campaign{
				ID: fatal, To: f.audience(), Messages: []lineapi.Message{lineapi.Text(text)}, Rate: f.rate,
			})
			if len(d.ids) == 0 && len(f.rows) > 0 {
				require.ErrorIs(t, err, producer.ErrNobody)
				return
			}
			require.NoError(t, err)
			assert.EqualValues(t, len(f.rows), report.Recipients+report.Rejected+report.Duplicates)
			assert.EqualValues(t, len(d.ids), report.Recipients)
			d.start()
			for _, a := range f.acts {
				if len(d.staff) == 0 {
					d.start()
				}
				d.advance(a.after)
				d.act(a.what)
			}
			d.finish()
			t.Logf("%+v", d.last)
		})
	}
}
