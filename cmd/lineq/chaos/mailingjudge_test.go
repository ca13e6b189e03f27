package chaos_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

// mailed is what lineq says of a campaign at the end.
type mailed struct {
	summary campaign.Summary
	rows    []campaign.Row
}

// tally is what the judge has counted of all campaigns.
type tally struct {
	states     map[string]int64
	outcomes   map[string]int64 // of recipients
	recipients int
	requests   int64
	replayed   int64
	lost       int // recipients who had to receive, and didn't
	duplicated int
}

// gatherMailings asks for the recipients of all campaigns. Of an intake that was given up nothing is to be found.
func (r *run) gatherMailings(ctx context.Context, e *evidence) error {
	for _, m := range r.plan.mailings {
		sum, err := r.direct.CampaignSummary(ctx, m.id)
		switch {
		case errors.Is(err, campaign.ErrNotFound), err == nil && sum.State == campaign.StateDraft:
			continue
		case err != nil:
			return err
		}
		got := mailed{summary: sum}
		for row, err := range r.direct.CampaignRecipients(ctx, m.id) {
			if err != nil {
				return err
			}
			got.rows = append(got.rows, row)
		}
		e.mailed[m.id] = got
	}
	return nil
}

// mailing judges one campaign, recipient by recipient.
func (v *verdict) mailing(m *mailing, e *evidence) {
	violate := func(format string, args ...any) {
		v.violations = append(v.violations, fmt.Sprintf("%s of %s: %s; %+v", m.id, m.channel.name,
			fmt.Sprintf(format, args...), e.mailed[m.id].summary))
	}
	got, exists := e.mailed[m.id]
	sum := got.summary
	t := &v.mailings
	t.requests += sum.Requests
	t.replayed += sum.Replayed
	switch {
	case m.givenUp && !exists:
		t.states["given up"]++
		for _, to := range m.to {
			if e.received[to] > 0 {
				t.duplicated++
				violate("its intake was given up, and %s received", to)
			}
		}
		return
	case m.givenUp || !exists:
		violate("it exists: %t, and its intake was given up: %t", exists, m.givenUp)
		return
	}
	t.states[string(sum.State)]++
	t.recipients += len(m.to)
	if !sum.State.Ended() || m.cancelled != (sum.State == campaign.StateCancelled) {
		violate("it is %q, and somebody has cancelled it: %t", sum.State, m.cancelled)
	}
	if totals := (campaign.Totals{
		Recipients: sum.Recipients, Rejected: sum.Rejected, Duplicates: sum.Duplicates,
	}); totals != m.totals {
		violate("its intake counted %+v, and had to count %+v", totals, m.totals)
	}
	if ends := m.logged.outcome == tasks.OutcomeCancelled; m.logged.lines == 0 || ends != m.cancelled {
		violate("the delivery log ends with %q, in %d lines", m.logged.outcome, m.logged.lines)
	}
	v.recount(m, e, violate)
}

// recount compares a campaign's counts with its recipients, and those with the ledger.
func (v *verdict) recount(m *mailing, e *evidence, violate func(format string, args ...any)) {
	t := &v.mailings
	sum := e.mailed[m.id].summary
	numbers := make(map[string]int, len(m.to))
	for n, to := range m.to {
		numbers[to] = n
	}
	var replayed int64
	outcomes := map[tasks.Outcome]int64{}
	for _, row := range e.mailed[m.id].rows {
		n, there := numbers[row.To]
		if !there {
			violate("%s is among the recipients twice, or doesn't belong there", row.To)
			continue
		}
		delete(numbers, row.To)
		outcomes[row.Outcome]++
		if row.Replayed {
			replayed++
		}
		if problem := m.allows(row); problem != "" {
			violate("%s: %s: %s %s %q", row.To, problem, row.Outcome, row.Reason, row.Error)
		}
		received := e.received[row.To]
		least, most := m.arrivals(row)
		switch {
		case received < least:
			t.lost++
		case received > most:
			t.duplicated++
		}
		if received < least || received > most {
			violate("%s received %d, and had to receive from %d to %d; it is %s %s by request %s", row.To, received, least, most,
				row.Outcome, row.Reason, row.RequestID)
		}
		if row.Outcome != tasks.OutcomeSent {
			continue
		}
		want := request{channel: m.channel.id}
		if m.mode == campaign.Push {
			want.number = fmt.Sprint(n)
		}
		if by, accepted := e.requests[m.id][row.RequestID]; !accepted || by != want {
			violate("%s was sent to by request %s, which LINE accepted: %t, %+v, and had to be %+v", row.To, row.RequestID,
				accepted, by, want)
		}
	}
	for to := range numbers {
		t.lost++
		violate("%s is not among the recipients", to)
	}
	for outcome, n := range outcomes {
		t.outcomes[string(outcome)] += n
	}
	if outcomes[tasks.OutcomeSent] != sum.Sent || outcomes[tasks.OutcomeFailed] != sum.Failed ||
		outcomes[tasks.OutcomeUnknown] != sum.Unknown || outcomes[tasks.OutcomeCancelled]+outcomes[""] != sum.Pending ||
		replayed != sum.Replayed {
		violate("of its recipients are %v, %d replayed", outcomes, replayed)
	}
}

// allows says what is wrong with a recipient's outcome, if anything is.
func (m *mailing) allows(row campaign.Row) string {
	switch row.Outcome {
	case tasks.OutcomeSent:
		if m.strangers[row.To] {
			return "LINE refuses it"
		}
	case tasks.OutcomeFailed:
		if !m.strangers[row.To] || row.Reason != lineapi.Invalid {
			return "LINE doesn't refuse it"
		}
	case tasks.OutcomeUnknown:
		// After an attempt whose answer was lost, a refusal proves nothing; and what was under way with a worker that died is
		// given up when the campaign is cancelled.
		if !m.strangers[row.To] && !m.cancelled {
			return "it must be known"
		}
	case tasks.OutcomeCancelled:
		if !m.cancelled {
			return "nobody has cancelled it"
		}
	default:
		return "it is undecided"
	}
	return ""
}

// arrivals is how often a recipient may have received the campaign.
func (m *mailing) arrivals(row campaign.Row) (least, most int) {
	switch {
	case m.strangers[row.To]:
		return 0, 0
	case row.Outcome == tasks.OutcomeSent, !m.cancelled:
		return 1, 1
	case row.Outcome == tasks.OutcomeUnknown:
		return 0, 1
	}
	return 0, 0
}

// request is what the ledger says of a campaign's request.
type request struct {
	channel string
	number  string // of the recipient whom the message names; empty: it names nobody
}
