package chaos_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks/record"
)

// run is one run: its parts, and what it has counted.
type run struct {
	form form
	seed uint64
	dir  string // of logs and of Redis's data

	binary    string
	channels  []*channel
	given     *given       // nil: the run has a Redis of its own
	redis     *redisServer // the run's own
	line      *line
	proxies   []*proxy
	workers   []*worker
	workerEnv []string
	plan      *plan
	journal   *journal
	recovery  *recovery
	app       *app
	direct    *producer.Client // past the proxies

	counts struct {
		kills, freezes, terms, redisRestarts, redisFreezes, cuts, repeats, operations atomic.Int64
		intakes, pauses, resumes, cancels, looks                                      atomic.Int64
	}
	background sync.WaitGroup // events that go on beside others

	mu         sync.Mutex
	owned      []*process
	violations []string
	outages    int       // of Redis, that have begun and not ended
	back       time.Time // when the last one ended
	events     *os.File
}

// violate writes down what must not be.
func (r *run) violate(format string, args ...any) {
	r.note("VIOLATION: "+format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, fmt.Sprintf(format, args...))
}

// note writes into the run's own log.
func (r *run) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Fprintf(r.events, "%s  %s\n", time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
}

// own makes a process end with the run.
func (r *run) own(p *process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.owned = append(r.owned, p)
}

// redisAway says that Redis is away, for somebody at least, until what it returns is called.
func (r *run) redisAway() (back func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outages++
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.outages--
		r.back = time.Now()
	}
}

// redisWasAway tells whether Redis was away at some time since a moment.
func (r *run) redisWasAway(since time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outages > 0 || r.back.After(since)
}

// pause waits, and reports whether the run goes on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// build makes the binary that runs in every process.
func (r *run) build(ctx context.Context) error {
	r.binary = filepath.Join(r.dir, "lineq")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", r.binary, "github.com/lineq/lineq/cmd/lineq").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// latency is how long the simulated LINE takes, so that something is under way whenever a worker dies.
const latency = 30 * time.Millisecond

// start starts Redis, the simulated LINE and the workers.
func (r *run) start(ctx context.Context) error {
	if r.given == nil {
		addr, err := freeAddr()
		if err != nil {
			return err
		}
		r.redis = &redisServer{dir: r.dir, addr: addr}
		if err := r.redis.start(ctx); err != nil {
			return err
		}
	}
	if err := r.startLine(ctx); err != nil {
		return err
	}
	way, err := r.way()
	if err != nil {
		return err
	}
	q, err := producer.New(producer.Config{Redis: r.client(way)})
	if err != nil {
		return err
	}
	r.app = &app{run: r, q: q}
	own := r.client(nil)
	if r.direct, err = producer.New(producer.Config{Redis: own}); err != nil {
		return err
	}
	r.journal = &journal{run: r, records: record.New(own, record.Retention{})}
	for _, s := range r.plan.sends {
		if s.role != operated {
			r.journal.all++
		}
	}
	r.journal.left = r.journal.all
	r.recovery = &recovery{run: r, rdb: own, records: r.journal.records}

	if err := r.writeConfig(); err != nil {
		return err
	}
	for i := range r.form.workers {
		way, err := r.way()
		if err != nil {
			return err
		}
		w := &worker{name: fmt.Sprintf("worker-%d", i+1), run: r, proxy: way}
		r.workers = append(r.workers, w)
		if err := w.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// client is one of the run's Redis; a nil way is the direct one.
func (r *run) client(way *proxy) redis.UniversalClient {
	switch {
	case r.given != nil:
		return r.given.client
	case way != nil:
		return redis.NewClient(&redis.Options{Addr: way.addr()})
	}
	return redis.NewClient(&redis.Options{Addr: r.redis.addr})
}

// way is a new way to Redis; nil: there is only the direct one.
func (r *run) way() (*proxy, error) {
	if r.given != nil {
		return nil, nil
	}
	p, err := newProxy(r.redis.addr)
	if err == nil {
		r.proxies = append(r.proxies, p)
	}
	return p, err
}

// startLine starts the simulated LINE, and makes the plan, which needs its rich menus.
func (r *run) startLine(ctx context.Context) error {
	p, err := launch(r.dir, "line", os.Environ(), r.binary, "simulate", "--addr", "127.0.0.1:0", "--limits", "off",
		"--latency", latency.String(), "--seed", fmt.Sprint(r.seed))
	if err != nil {
		return err
	}
	r.own(p)
	said, err := p.await(ctx, "simulated LINE on http")
	if err != nil {
		return err
	}
	r.line = &line{http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	if _, err := fmt.Sscanf(said, "simulated LINE on %s", &r.line.url); err != nil {
		return fmt.Errorf("%q: %w", said, err)
	}
	r.line.url = r.line.url[:len(r.line.url)-len(",")]
	for _, c := range r.channels {
		body := map[string]string{"id": c.id, "secret": c.name + "-secret", "token": c.token}
		if err := r.line.control(ctx, http.MethodPost, "/channels", body, nil); err != nil {
			return err
		}
		if err := r.line.publishMenus(ctx, c); err != nil {
			return err
		}
	}
	r.plan = newPlan(r.form, r.channels, r.random(1))
	var users []linesim.User
	for _, id := range r.plan.unknown {
		users = append(users, linesim.User{ID: id, State: linesim.Unknown})
	}
	for _, c := range r.channels {
		for _, id := range c.audience {
			users = append(users, linesim.User{ID: id})
		}
		body := map[string]any{"audienceGroupId": audienceID, "userIds": c.audience}
		if err := r.line.control(ctx, http.MethodPut, "/channels/"+c.id+"/audiences", body, nil); err != nil {
			return err
		}
	}
	if err := r.line.control(ctx, http.MethodPost, "/users", users, nil); err != nil {
		return err
	}
	if err := r.line.control(ctx, http.MethodPut, "/limits", limits(), nil); err != nil {
		return err
	}
	return r.line.control(ctx, http.MethodPut, "/faults", faults(), nil)
}

// progress writes down, and in the full form also says, how far the run is, until ctx ends.
func (r *run) progress(ctx context.Context) {
	const often = 15 * time.Second
	for began := time.Now(); pause(ctx, often); {
		text := fmt.Sprintf("%s: %d of %d sends are decided", time.Since(began).Round(time.Second),
			r.journal.all-r.journal.undecided(), r.journal.all)
		r.note("%s", text)
		if r.form.name == full.name {
			fmt.Println("chaos:", text)
		}
	}
}

// settled waits until everything has an outcome, or the run's time is over.
func (r *run) settled(ctx context.Context) {
	for _, m := range r.plan.mailings {
		for !m.givenUp && !m.isDecided() && pause(ctx, followPause) {
		}
	}
	for r.journal.undecided() > 0 {
		if !pause(ctx, followPause) {
			return
		}
	}
	for _, s := range r.plan.sends {
		if s.role != operated {
			continue
		}
		for {
			_, err := r.direct.Wait(ctx, s.id, producer.Channel(s.channel.name))
			if err == nil || ctx.Err() != nil {
				break
			}
			pause(ctx, repeatPause)
		}
	}
}

// stop ends the workers in order, so that nothing is sent any more.
func (r *run) stop(ctx context.Context) {
	var all sync.WaitGroup
	for _, w := range r.workers {
		all.Go(func() {
			if err := w.stop(ctx); err != nil {
				r.violate("at the end: %s", err)
			}
		})
	}
	all.Wait()
}

// close ends every process that is left.
func (r *run) close() {
	for _, p := range r.proxies {
		p.close()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.owned {
		p.kill()
	}
	if r.redis != nil && r.redis.process != nil {
		r.redis.process.kill()
	}
	r.events.Close()
}
