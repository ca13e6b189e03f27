package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/record"
)

// demoCommand is lineq demo.
type demoCommand struct {
	Recipients int     `default:"1000" help:"Users who get a push each, and as many others whom a campaign is sent to."`
	FaultShare float64 `default:"0.05" help:"Share of the pushes and multicasts that the simulated LINE answers badly."`
	Seed       uint64  `help:"Other faults with another seed."`
	JSON       bool    `name:"json" help:"Print JSON."`
}

func (demoCommand) Help() string {
	return `Examples:

    lineq demo
    lineq demo --recipients 20000 --fault-share 0.2

It runs Redis, a simulated LINE and a worker in this process and sends to nobody real: a push to each recipient, a few
multicasts and replies to further ones, and a rich menu; then a campaign, with everybody's name in it. A part of the
requests fails before or after LINE accepted it, or is answered late. In the end it compares the outcome of every task and
of every recipient of the campaign with what the simulated LINE says each received, and fails if anyone received it twice
or isn't accounted for.`
}

// demoPatience is how long the demo waits for one more task to be decided: above every backoff that a few faults in a
// row lead to.
const demoPatience = time.Minute

func (c demoCommand) Run(ctx context.Context, a *app) error {
	if c.Recipients < 1 || c.Recipients > 1_000_000 {
		return misusef("--recipients must be 1 to 1000000")
	}
	if !(c.FaultShare >= 0 && c.FaultShare < 1) {
		return misusef("--fault-share must be 0 or more, and below 1")
	}
	sim, err := linesim.New(linesim.Config{Seed: c.Seed, Latency: demoLatency})
	if err != nil {
		return err
	}
	if err := sim.SetFaults(demoFaults(c.FaultShare)); err != nil {
		return err
	}
	l := &local{addr: "127.0.0.1:0", sim: sim}
	return l.run(ctx, func(ctx context.Context) error {
		start := time.Now()
		d := demo{local: l, progress: a.newProgress(), byID: map[string]*demoTask{}}
		if err := d.send(ctx, c.Recipients); err != nil {
			return err
		}
		if err := d.sendCampaign(ctx, a, c.Recipients); err != nil {
			return err
		}
		s := d.summary()
		s.Seconds = time.Since(start).Seconds()
		if err := s.print(a, c.JSON); err != nil {
			return err
		}
		return s.err()
	})
}

// demoLatency keeps the demo short: LINE itself takes about 100 ms.
const demoLatency = 5 * time.Millisecond

// demoFaults spreads a share over the ways in which a request can go wrong.
func demoFaults(share float64) []linesim.Fault {
	if share == 0 {
		return nil
	}
	var all []linesim.Fault
	for _, operation := range []string{"pushMessage", "multicast"} {
		for _, f := range []linesim.Fault{
			{Kind: linesim.FaultRefuse}, {Kind: linesim.FaultAccept500}, {Kind: linesim.FaultAcceptCut},
			{Kind: linesim.FaultDelay, Delay: 300 * time.Millisecond},
		} {
			f.Operation, f.Share = operation, share/4
			all = append(all, f)
		}
	}
	return all
}

// demo sends, and remembers what became of each task.
type demo struct {
	*local
	progress *progress
	byID     map[string]*demoTask
	open     int // tasks that aren't decided
	cursor   string
	users    int // how many have been sent to

	campaign campaign.Summary
	outcomes map[string]tasks.Outcome // of the campaign's recipients
}

// demoTask is one task and what the delivery log says of it.
type demoTask struct {
	kind       tasks.Kind
	recipients []string
	decided    record.Line
}

// send enqueues everything and waits until all is decided.
func (d *demo) send(ctx context.Context, recipients int) error {
	q, err := producer.New(producer.Config{Redis: d.rdb})
	if err != nil {
		return err
	}
	all, to, err := d.tasks(recipients)
	if err != nil {
		return err
	}
	d.progress.start(len(all) + 1) // the link of the rich menu follows its creation
	tickets, err := q.EnqueueAll(ctx, all)
	if err != nil {
		return err
	}
	for i, t := range tickets {
		d.add(t, to[i])
	}
	menu, err := q.Wait(ctx, tickets[0].ID)
	if err != nil {
		return err
	}
	id, err := richMenuID(menu)
	if err != nil {
		return err
	}
	link, err := q.LinkRichMenu(ctx, demoUser(0), id)
	if err != nil {
		return err
	}
	d.add(link, nil)
	return d.follow(ctx)
}

func (d *demo) add(t producer.Ticket, recipients []string) {
	d.byID[t.ID] = &demoTask{kind: t.Kind, recipients: recipients}
	d.open++
}

const (
	demoMulticasts = 3
	demoReplies    = 5
)

// tasks are what the demo enqueues at once, the rich menu first, and whom each task is for. No user is in two of them, so
// whoever receives twice has received the same twice.
func (d *demo) tasks(pushes int) (all []producer.Item, to [][]string, err error) {
	add := func(t tasks.Task, recipients ...string) {
		all, to = append(all, producer.Item{Task: t}), append(to, recipients)
	}
	menu, err := demoMenu()
	if err != nil {
		return nil, nil, err
	}
	add(menu)
	next := func(n int) []string {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = demoUser(d.users)
			d.users++
		}
		return ids
	}
	for range pushes {
		to := next(1)
		add(tasks.Push{To: to[0], Messages: []lineapi.Message{lineapi.Text("A push of the demo.")}}, to...)
	}
	for range demoMulticasts {
		to := next(min(max(pushes/10, 1), lineapi.MaxMulticastRecipients))
		add(tasks.Multicast{To: to, Messages: []lineapi.Message{lineapi.Text("A multicast of the demo.")}}, to...)
	}
	for range demoReplies {
		to := next(1)
		token, err := d.sim.NewReplyToken(linesim.DefaultChannel.ID, to[0])
		if err != nil {
			return nil, nil, err
		}
		add(tasks.Reply{ReplyToken: token, Messages: []lineapi.Message{lineapi.Text("A reply of the demo.")}}, to...)
	}
	return all, to, nil
}

func demoUser(n int) string { return fmt.Sprintf("U%032x", n) }

// follow reads the delivery log until every task stands in it.
func (d *demo) follow(ctx context.Context) error {
	const page = 1000
	records := record.New(d.rdb, record.Retention{})
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	patience := time.NewTimer(demoPatience)
	defer patience.Stop()
	for {
		lines, err := records.LogAfter(ctx, tasks.DefaultChannel, d.cursor, page)
		if err != nil {
			return err
		}
		if d.note(lines) {
			patience.Reset(demoPatience)
		}
		d.progress.set(len(d.byID) - d.open)
		if d.open == 0 {
			d.progress.end()
			return nil
		}
		if len(lines) == page {
			continue
		}
		select {
		case <-ctx.Done():
			return errInterrupted
		case <-patience.C:
			return fmt.Errorf("%d of %d tasks are not decided: no news for %s", d.open, len(d.byID), demoPatience)
		case <-tick.C:
		}
	}
}

// note takes what the delivery log says; it reports whether another task is decided.
func (d *demo) note(lines []record.Line) (news bool) {
	for _, l := range lines {
		d.cursor = l.Cursor
		t := d.byID[l.ID]
		if t == nil {
			continue
		}
		if t.decided.Outcome == "" {
			d.open--
			news = true
		}
		t.decided = l // a later line knows more: unknown may have become sent
	}
	return news
}

// demoSummary is the demo's result.
type demoSummary struct {
	Kinds      []demoCounts     `json:"kinds"`
	Campaign   campaign.Summary `json:"campaign"`
	Recipients int              `json:"recipients"`
	Once       int              `json:"received_once"`
	Twice      int              `json:"received_twice_or_more"`
	Never      int              `json:"received_never"`
	// Unaccounted are recipients whose outcome isn't what the simulated LINE says: sent but not received, or failed but
	// received.
	Unaccounted int     `json:"unaccounted"`
	Seconds     float64 `json:"seconds"`
}

// demoCounts counts the tasks of a kind.
type demoCounts struct {
	Kind     tasks.Kind `json:"kind"`
	Tasks    int        `json:"tasks"`
	Sent     int        `json:"sent"`
	Failed   int        `json:"failed"`
	Unknown  int        `json:"unknown"`
	Replayed int        `json:"replayed"`
	Attempts int        `json:"attempts"`
}

// summary compares the outcomes with the simulated LINE's ledger.
func (d *demo) summary() demoSummary {
	s := demoSummary{Campaign: d.campaign}
	counts := map[tasks.Kind]*demoCounts{}
	received := map[string]int{}
	for recipient, n := range d.sim.Ledger().Counts() {
		received[recipient] = n
	}
	for _, t := range d.byID {
		c := counts[t.kind]
		if c == nil {
			c = &demoCounts{Kind: t.kind}
			counts[t.kind] = c
		}
		c.count(t.decided)
		for _, r := range t.recipients {
			s.account(t.decided.Outcome, received[r])
		}
	}
	for to, outcome := range d.outcomes {
		s.account(outcome, received[to])
	}
	for _, k := range tasks.Kinds() {
		if counts[k] != nil {
			s.Kinds = append(s.Kinds, *counts[k])
		}
	}
	return s
}

// account notes one recipient, and how often it received.
func (s *demoSummary) account(outcome tasks.Outcome, received int) {
	s.Recipients++
	switch {
	case received == 0:
		s.Never++
	case received == 1:
		s.Once++
	default:
		s.Twice++
	}
	if outcome == tasks.OutcomeSent && received == 0 || outcome == tasks.OutcomeFailed && received > 0 {
		s.Unaccounted++
	}
}

func (c *demoCounts) count(l record.Line) {
	c.Tasks++
	c.Attempts += l.Attempts
	switch l.Outcome {
	case tasks.OutcomeSent:
		c.Sent++
	case tasks.OutcomeFailed:
		c.Failed++
	case tasks.OutcomeUnknown:
		c.Unknown++
	}
	if l.Replayed {
		c.Replayed++
	}
}

func (s demoSummary) print(a *app, asJSON bool) error {
	if asJSON {
		return a.printJSON(s)
	}
	fmt.Fprintf(a.stdout, "%-17s%8s%8s%8s%9s%10s%10s\n",
		"KIND", "TASKS", "SENT", "FAILED", "UNKNOWN", "REPLAYED", "ATTEMPTS")
	for _, c := range s.Kinds {
		fmt.Fprintf(a.stdout, "%-17s%8d%8d%8d%9d%10d%10d\n",
			c.Kind, c.Tasks, c.Sent, c.Failed, c.Unknown, c.Replayed, c.Attempts)
	}
	p := s.Campaign
	_, err := fmt.Fprintf(a.stdout, `
Campaign to %d recipients: %d sent, %d failed, %d unknown, in %d requests, %d replayed.
Of %d recipients, by the simulated LINE's ledger, %d received once, %d twice or more, %d never.
%.1f s in this process, with embedded Redis; replayed: LINE had accepted an attempt whose answer was lost.
`, p.Recipients, p.Sent, p.Failed, p.Unknown, p.Requests, p.Replayed, s.Recipients, s.Once, s.Twice, s.Never, s.Seconds)
	return err
}

// err is nil if nobody received twice and everyone is accounted for.
func (s demoSummary) err() error {
	if s.Twice == 0 && s.Unaccounted == 0 {
		return nil
	}
	return fmt.Errorf("%d recipients received twice, %d are not accounted for", s.Twice, s.Unaccounted)
}
