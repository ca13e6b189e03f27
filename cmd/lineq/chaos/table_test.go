package chaos_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lineq/lineq/tasks"
)

// table is the result of a run.
func (r *run) table(v *verdict, e *evidence, took time.Duration) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	list := func(of map[string]int64) string {
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(of)) {
			if of[name] > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", name, of[name]))
			}
		}
		if parts == nil {
			return "none"
		}
		return strings.Join(parts, ", ")
	}
	with := func(o tasks.Outcome) string {
		n := map[string]int64{}
		for name, outcomes := range v.outcomes {
			n[name] = int64(outcomes[o])
		}
		return list(n)
	}

	sends, kinds := int64(0), map[string]int64{}
	for name, outcomes := range v.outcomes {
		for _, n := range outcomes {
			sends += int64(n)
			kinds[name] += int64(n)
		}
	}
	var faults, requests int64
	byFault := map[string]int64{}
	for kind, n := range e.stats.Faults {
		faults += n
		byFault[string(kind)] = n
	}
	for _, operation := range []string{
		"pushMessage", "multicast", "replyMessage", "broadcast", "narrowcast", "linkRichMenuIdToUser",
	} {
		for _, n := range e.stats.Requests[operation] {
			requests += n
		}
	}
	row("form", "%s, seed %d, %d workers", r.form.name, r.seed, len(r.workers))
	row("duration", "%s", took.Round(time.Second))
	row("sends", "%d: %s", sends, list(kinds))
	row("recipients", "%d, broadcasts apart", v.recipients)
	row("requests to LINE", "%d, %.1f %% struck by faults: %s", requests, 100*float64(faults)/float64(max(requests, 1)),
		list(byFault))
	row("refused by LINE for their rate", "%d", e.stats.RateLimited)
	row("kill -9 of workers", "%d", r.counts.kills.Load())
	row("workers frozen", "%d", r.counts.freezes.Load())
	row("SIGTERM of workers", "%d", r.counts.terms.Load())
	row("Redis restarted", "%d", r.counts.redisRestarts.Load())
	row("Redis frozen", "%d", r.counts.redisFreezes.Load())
	row("ways to Redis cut", "%d", r.counts.cuts.Load())
	row("enqueued again after an error", "%d", r.counts.repeats.Load())
	row("cancelled, run again, moved", "%d times", r.counts.operations.Load())
	row("replayed (409)", "%d, %d sends", e.stats.Replayed, v.replayed)
	row("unknown", "%s", with(tasks.OutcomeUnknown))
	row("failed", "%s", with(tasks.OutcomeFailed))
	row("cancelled", "%s", with(tasks.OutcomeCancelled))
	row("lost", "%d", v.lost)
	row("duplicated", "%d", v.duplicated)
	t := v.mailings
	row("campaigns", "%d: %s", len(r.plan.mailings), list(t.states))
	row("… their recipients", "%d: %s", t.recipients, list(t.outcomes))
	row("… their requests", "%d, %d recipients replayed", t.requests, t.replayed)
	row("… paused, resumed, cancelled", "%d, %d, %d times", r.counts.pauses.Load(), r.counts.resumes.Load(),
		r.counts.cancels.Load())
	row("… intakes repeated", "%d times", r.counts.intakes.Load())
	row("… looked at", "%d times", r.counts.looks.Load())
	row("… lost", "%d", t.lost)
	row("… duplicated", "%d", t.duplicated)
	n, longest := r.recovery.longest(false)
	row("longest recovery", "%s, of %d tasks of dead workers", longest, n)
	n, longest = r.recovery.longest(true)
	row("… while Redis was away as well", "%s, of %d tasks", longest, n)
	row("longest standstill", "%s, Redis's absence included", r.journal.standstill.Round(100*time.Millisecond))
	w.Flush()
	return b.String()
}
