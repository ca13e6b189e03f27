// Package chaos proves with real processes that everybody receives what they were sent exactly once, whatever breaks.
//
// While sends and campaigns flow through two channels, workers are killed with -9, frozen and restarted, Redis is
// killed, frozen and restarted, connections are cut, intakes break off, operators pause, resume and cancel, and the
// simulated LINE refuses, swallows or delays 15 % of the requests. At the end its ledger, which shares nothing with the
// worker, is compared with lineq's own results, recipient by recipient.
//
//	go test ./cmd/lineq/chaos                            the short form
//	go test ./cmd/lineq/chaos -chaos.full                the full form, which is make chaos
//	go test ./cmd/lineq/chaos -chaos.seed 7              the run that printed the seed 7
//
// The seed decides what is sent, and which misfortunes happen in which order. How the processes meet them is left to the
// machine, so that a run can't be repeated to the letter.
package chaos_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/campaign"
)

var (
	fullFlag = flag.Bool("chaos.full", false, "run the full form")
	seedFlag = flag.Uint64("chaos.seed", 0, "repeat the run of this seed; 0: a new one")
	keepFlag = flag.Bool("chaos.keep", false, "keep the logs of a run without violations, too")
)

// form is the size of a run. Counts are per channel.
type form struct {
	name                                    string
	pushes, multicasts, refused             int
	replies, links, broadcasts, narrowcasts int
	operated                                int
	mailings                                []mailingForm
	small                                   int // campaigns of up to a few hundred recipients
	workers                                 int
	deck                                    deck
	window                                  time.Duration // over which everything is enqueued
	deadline                                time.Duration // of the whole run
}

var short = form{
	name: "short", pushes: 6000, multicasts: 300, refused: 30, replies: 150, links: 100, broadcasts: 4, narrowcasts: 4,
	operated: 100, workers: 3,
	mailings: []mailingForm{
		{mode: campaign.Multicast, recipients: 10_000}, {mode: campaign.Multicast, recipients: 500, rate: 20},
		{mode: campaign.Push, recipients: 2000}, {mode: campaign.Push, recipients: 600, rate: 40},
		{mode: campaign.Multicast, recipients: 5000, cancelled: true},
		{mode: campaign.Push, recipients: 1000, cancelled: true},
	},
	small: 5,
	deck: deck{
		workers: map[event]int{killWorker: 3, freezeWorker: 1, rollWorkers: 1, cutWorker: 2},
		redis:   map[event]int{killRedis: 1, freezeRedis: 1, cutAll: 1},
	},
	window: 25 * time.Second, deadline: 5 * time.Minute,
}

var full = form{
	name: "full", pushes: 94_000, multicasts: 7000, refused: 300, replies: 2000, links: 1500, broadcasts: 10,
	narrowcasts: 20, operated: 1000, workers: 4,
	mailings: []mailingForm{
		{mode: campaign.Multicast, recipients: 50_000}, {mode: campaign.Multicast, recipients: 2000, rate: 40},
		{mode: campaign.Push, recipients: 20_000}, {mode: campaign.Push, recipients: 3000, rate: 60},
		{mode: campaign.Multicast, recipients: 20_000, cancelled: true},
		{mode: campaign.Push, recipients: 5000, cancelled: true},
	},
	small: 12,
	deck: deck{
		workers: map[event]int{killWorker: 12, killAll: 2, freezeWorker: 5, rollWorkers: 2, cutWorker: 6},
		redis:   map[event]int{killRedis: 4, restartRedis: 2, freezeRedis: 3, cutAll: 4},
	},
	window: 2 * time.Minute, deadline: 10 * time.Minute,
}

func TestMain(m *testing.M) {
	logging.Disable() // go-redis says that Redis is away, as it shall be
	os.Exit(m.Run())
}

// random is a source of its own for each part of the run, so that one doesn't change another's sequence.
func (r *run) random(part uint64) *rand.Rand { return rand.New(rand.NewPCG(r.seed, part)) }

func TestChaos(t *testing.T) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("redis-server isn't on the PATH, and CI must skip nothing")
		}
		t.Skipf("%s SKIPPED: it needs redis-server on the PATH (Debian: apt-get install redis-server)", t.Name())
	}
	r := &run{form: short}
	if *fullFlag {
		r.form = full
	}
	r.play(t)
}

// play does all of a run, and judges it.
func (r *run) play(t *testing.T) {
	if r.seed = *seedFlag; r.seed == 0 {
		r.seed = 1 + rand.Uint64N(1_000_000)
	}
	var err error
	r.dir, err = os.MkdirTemp("", "lineq-chaos-")
	require.NoError(t, err)
	r.events, err = os.Create(filepath.Join(r.dir, "events.log"))
	require.NoError(t, err)
	fmt.Println("chaos:", r)
	t.Cleanup(func() {
		r.close()
		if !t.Failed() && !*keepFlag {
			os.RemoveAll(r.dir)
		}
	})
	for i, name := range []string{"one", "two"} {
		r.channels = append(r.channels, &channel{
			name: name, id: fmt.Sprintf("200000000%d", i),
			token: fmt.Sprintf("chaos-token-%016x", r.random(100+uint64(i)).Uint64()),
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), r.form.deadline)
	defer cancel()
	began := time.Now()
	r.must(t, r.build(ctx))
	r.must(t, r.start(ctx))

	following, leave := context.WithCancel(t.Context())
	defer leave()
	var followers sync.WaitGroup
	for _, c := range r.channels {
		followers.Go(func() { r.journal.follow(following, c.name) })
	}
	followers.Go(func() { r.progress(following) })
	var flow sync.WaitGroup
	flow.Go(func() { r.app.send(ctx) })
	flow.Go(func() { r.app.mail(ctx) })
	flow.Go(func() { r.misfortune(ctx, r.random(2), r.random(3)) })
	flow.Wait()
	r.background.Wait()
	r.note("all is enqueued, the campaigns have ended, %d sends are undecided", r.journal.undecided())
	r.settled(ctx)
	r.note("settled, %d are undecided", r.journal.undecided())
	if n := r.journal.undecided(); n > 0 {
		r.violate("%d sends have no outcome after %s", n, r.form.deadline)
	}
	for _, m := range r.plan.mailings {
		if !m.givenUp && !m.isDecided() {
			r.violate("%s hasn't ended after %s: %+v", m.id, r.form.deadline, m.last)
		}
	}

	// From here on the run's own time counts no more: what there is is judged.
	cancel()
	ctx, cancel = context.WithTimeout(t.Context(), judgeTime)
	defer cancel()
	r.stop(ctx)
	leave()
	followers.Wait()
	r.recovery.all.Wait()
	r.nothingIsLeft(ctx)
	e, err := r.gather(ctx)
	r.must(t, err)
	v := judge(r.plan, e)
	r.must(t, r.findSecrets(ctx, r.recovery.rdb))
	fmt.Print(r.table(v, e, time.Since(began)))
	r.report(t, v)
}

// judgeTime is enough to ask for everything once more.
const judgeTime = 3 * time.Minute

// nothingIsLeft looks for undecided tasks in the queues, and for campaigns that workers would have to look after.
func (r *run) nothingIsLeft(ctx context.Context) {
	campaigns, err := campaign.New(r.recovery.rdb, campaign.Retention{}).Unended(ctx)
	if err != nil || len(campaigns) > 0 {
		r.violate("campaigns that haven't ended at the end: %v, %v", campaigns, err)
	}
	for task, err := range r.direct.Tasks(ctx, producer.Filter{}) {
		if err != nil {
			r.violate("the queues can't be read: %s", err)
			return
		}
		if task.Kind == campaign.KindLane {
			continue // its campaign has ended, and it would find that
		}
		r.violate("%s is %s in its queue at the end", task.ID, task.State)
	}
}

// must ends a run that can't go on, or can't be judged.
func (r *run) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s; %s", err, r)
	}
}

// String is what it takes to look at a run again.
func (r *run) String() string {
	return fmt.Sprintf("%s form, -chaos.seed %d; logs in %s", r.form.name, r.seed, r.dir)
}

// mostViolations is how many are told.
const mostViolations = 20

func (r *run) report(t *testing.T, v *verdict) {
	t.Helper()
	all := append(r.violations, v.violations...)
	if len(all) == 0 {
		return
	}
	for _, text := range all[:min(len(all), mostViolations)] {
		t.Error(text)
	}
	t.Fatalf("%d violations; %s", len(all), r)
}
