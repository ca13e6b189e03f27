package chaos_test

import (
	"fmt"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

// verdict is what the judge found.
type verdict struct {
	violations []string
	outcomes   map[string]map[tasks.Outcome]int // by kind and role
	recipients int                              // who had to receive something, broadcasts apart
	lost       int                              // of them, who didn't
	duplicated int                              // who received more than they had to
	replayed   int                              // sends that were accepted before their answer was heard
	mailings   tally
}

// bounds is how often somebody may have received something.
type bounds struct {
	least, most int
	by          *send // a send that had them
}

// judge compares what every send had to become with what both sides say became of it.
func judge(p *plan, e *evidence) *verdict {
	v := &verdict{
		outcomes: map[string]map[tasks.Outcome]int{},
		mailings: tally{states: map[string]int64{}, outcomes: map[string]int64{}},
	}
	due := map[string]bounds{}
	for _, s := range p.sends {
		result := e.results[s.id]
		name := string(s.kind) + s.role.String()
		if v.outcomes[name] == nil {
			v.outcomes[name] = map[tasks.Outcome]int{}
		}
		v.outcomes[name][result.Outcome]++
		if result.Replayed {
			v.replayed++
		}
		v.send(s, result, e)
		if s.kind == tasks.KindLinkRichMenu {
			continue
		}
		least, most := arrivals(s, result.Outcome)
		to := s.to
		if s.kind == tasks.KindNarrowcast {
			to = s.channel.audience
		}
		for _, user := range to {
			b := due[user]
			due[user] = bounds{b.least + least, b.most + most, s}
		}
	}
	for user, b := range due {
		n := e.received[user]
		if b.least > 0 {
			v.recipients++
		}
		switch {
		case n < b.least:
			v.lost++
		case n > b.most:
			v.duplicated++
		default:
			continue
		}
		v.violate(b.by, e, "%s received %d, and had to receive from %d to %d", user, n, b.least, b.most)
	}
	others := map[string]bool{}
	for _, m := range p.mailings {
		v.mailing(m, e)
		for _, to := range m.to {
			others[to] = true
		}
	}
	for user, n := range e.received {
		if _, known := due[user]; !known && !others[user] {
			v.duplicated++
			v.violations = append(v.violations, fmt.Sprintf("%s received %d, and nobody sent them anything", user, n))
		}
	}
	for id := range e.accepted {
		if p.byID[id] == nil {
			v.violations = append(v.violations, fmt.Sprintf("LINE accepted %q, which nobody sent", id))
		}
	}
	if n := e.stats.RetryKeysReused; n > 0 {
		v.violations = append(v.violations, fmt.Sprintf("%d times a retry key came with another body", n))
	}
	if n := e.stats.RepeatedRecipients; n > 0 {
		v.violations = append(v.violations, fmt.Sprintf("%d recipients were listed twice in a multicast", n))
	}
	return v
}

// arrivals is how often a send may have arrived at each of its recipients.
func arrivals(s *send, o tasks.Outcome) (least, most int) {
	switch {
	case s.role == ordinary && s.keyed(), o == tasks.OutcomeSent:
		return 1, 1
	case o == tasks.OutcomeUnknown:
		return 0, 1
	}
	return 0, 0
}

// send judges one send by its outcome and by what LINE accepted of it.
func (v *verdict) send(s *send, r tasks.Result, e *evidence) {
	if !allowed(s, r) {
		v.violate(s, e, "the outcome %q isn't allowed", r.Outcome)
	}
	if s.logged.lines == 0 || s.logged.outcome != r.Outcome {
		v.violate(s, e, "the delivery log ends with %q, in %d lines", s.logged.outcome, s.logged.lines)
	}
	if s.kind == tasks.KindLinkRichMenu {
		if shown := e.menus[s.to[0]]; s.last && shown != s.menu {
			v.violate(s, e, "the user is shown %q instead of %s", shown, s.menu)
		}
		return
	}
	accepted := e.accepted[s.id]
	least, most := arrivals(s, r.Outcome)
	if n := len(accepted); n < least || n > most {
		v.violate(s, e, "LINE accepted %d requests, and had to accept from %d to %d", n, least, most)
		return
	}
	if len(accepted) == 0 {
		return
	}
	a := accepted[0]
	want := len(s.to)
	switch s.kind {
	case tasks.KindBroadcast:
		want = a.Recipients // everybody whom LINE knew at that moment
	case tasks.KindNarrowcast:
		want = len(s.channel.audience)
	}
	if a.Recipients != want || a.Channel != s.channel.id {
		v.violate(s, e, "it reached %d of %d, by channel %s", a.Recipients, want, a.Channel)
	}
	if r.Outcome == tasks.OutcomeSent && r.RequestID != a.RequestID {
		v.violate(s, e, "the result names the request %s", r.RequestID)
	}
}

// allowed says which outcomes a send may have.
func allowed(s *send, r tasks.Result) bool {
	if r.State != tasks.StateDone {
		return false
	}
	switch s.role {
	case refused:
		// After an attempt whose answer was lost, a refusal proves nothing.
		return r.Outcome == tasks.OutcomeFailed && r.Reason == lineapi.Invalid || r.Outcome == tasks.OutcomeUnknown
	case operated:
		return true
	}
	if s.kind == tasks.KindReply {
		return r.Outcome == tasks.OutcomeSent || r.Outcome == tasks.OutcomeUnknown ||
			r.Outcome == tasks.OutcomeFailed && r.Reason == lineapi.Expired
	}
	return r.Outcome == tasks.OutcomeSent
}

// violate writes a violation down, with all that is known of the send.
func (v *verdict) violate(s *send, e *evidence, format string, args ...any) {
	r := e.results[s.id]
	text := fmt.Sprintf("%s of %s: %s; result: %s %s %s attempts %d request %s replayed %t %q; LINE accepted:",
		s.id, s.channel.name, fmt.Sprintf(format, args...), r.State, r.Outcome, r.Reason, r.Attempts, r.RequestID, r.Replayed,
		r.Error)
	for _, a := range e.accepted[s.id] {
		text += fmt.Sprintf(" [%s %s at %s for %d, key %s]", a.Operation, a.RequestID, a.At.Format("15:04:05.000"),
			a.Recipients, a.RetryKey)
	}
	v.violations = append(v.violations, text)
}
