package chaos_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
)

// mailingTruth is a campaign of each mode, a cancelled one and one that was given up, and the evidence of a run in which
// all went well.
func mailingTruth() (*plan, *evidence) {
	c := &channel{name: "one", id: "2000000000"}
	p := newPlan(form{mailings: []mailingForm{
		{mode: campaign.Multicast, recipients: 400}, {mode: campaign.Push, recipients: 600},
		{mode: campaign.Push, recipients: 400, cancelled: true},
	}, small: 1}, []*channel{c}, rand.New(rand.NewPCG(1, 1)))
	_, e := truth()
	e.accepted, e.received, e.results = nil, map[string]int{}, nil
	for _, m := range p.mailings {
		if m.givenUp {
			continue
		}
		e.requests[m.id] = map[string]request{}
		m.cancelled = m.steps[len(m.steps)-1].order == cancel
		got := mailed{summary: campaign.Summary{
			ID: m.id, State: campaign.StateFinished, Recipients: m.totals.Recipients, Rejected: m.totals.Rejected,
			Duplicates: m.totals.Duplicates, Requests: 1,
		}}
		m.logged = logged{lines: 1, outcome: tasks.OutcomeSent}
		if m.cancelled {
			got.summary.State, m.logged.outcome = campaign.StateCancelled, tasks.OutcomeCancelled
		}
		for n, to := range m.to {
			row := campaign.Row{To: to, Outcome: tasks.OutcomeSent, RequestID: fmt.Sprint(n)}
			number := row.RequestID
			switch {
			case m.cancelled && n > 200:
				row.Outcome = tasks.OutcomeCancelled
				got.summary.Pending++
			case m.strangers[to]:
				row.Outcome, row.Reason = tasks.OutcomeFailed, lineapi.Invalid
				got.summary.Failed++
			default:
				if m.mode == campaign.Multicast {
					row.RequestID, number = "all", ""
				}
				got.summary.Sent++
				e.received[to] = 1
				e.requests[m.id][row.RequestID] = request{c.id, number}
			}
			got.rows = append(got.rows, row)
		}
		e.mailed[m.id] = got
	}
	return p, e
}

// TestJudgeOfCampaigns makes sure that a run can fail for its campaigns.
func TestJudgeOfCampaigns(t *testing.T) {
	const multicast, push, cancelled, givenUp = 0, 1, 2, 3
	becomes := func(o tasks.Outcome, r lineapi.Reason) func(m *mailing, e *evidence) {
		return func(m *mailing, e *evidence) { e.mailed[m.id].rows[0].Outcome, e.mailed[m.id].rows[0].Reason = o, r }
	}
	count := func(change func(*campaign.Summary)) func(m *mailing, e *evidence) {
		return func(m *mailing, e *evidence) {
			got := e.mailed[m.id]
			change(&got.summary)
			e.mailed[m.id] = got
		}
	}
	received := func(n int) func(m *mailing, e *evidence) {
		return func(m *mailing, e *evidence) { e.received[m.to[0]] = n }
	}
	for _, c := range []struct {
		name             string
		which            int
		damage           func(m *mailing, e *evidence)
		violations       int
		lost, duplicated int
	}{
		{"nothing", push, func(*mailing, *evidence) {}, 0, 0, 0},
		{"one of a multicast received twice", multicast, received(2), 1, 0, 1},
		{"one of pushes received nothing", push, received(0), 1, 1, 0},
		{"a cancelled one received twice", cancelled, received(2), 1, 0, 1},
		{"one who received is called cancelled", cancelled, becomes(tasks.OutcomeCancelled, ""), 2, 0, 1},
		{"one who received is called failed", push, becomes(tasks.OutcomeFailed, lineapi.Invalid), 2, 0, 0},
		{"one who received is called unknown", push, becomes(tasks.OutcomeUnknown, lineapi.Network), 2, 0, 0},
		{"one is undecided", multicast, becomes("", ""), 2, 0, 0},
		{"one whom LINE refuses received", push, func(m *mailing, e *evidence) {
			for to := range m.strangers {
				e.received[to] = 1
				break
			}
		}, 1, 0, 1},
		{"the counts are others", push, count(func(s *campaign.Summary) { s.Sent--; s.Unknown++ }), 1, 0, 0},
		{"more were replayed", push, count(func(s *campaign.Summary) { s.Replayed++ }), 1, 0, 0},
		{"it hasn't ended", push, count(func(s *campaign.Summary) { s.State = campaign.StatePaused }), 1, 0, 0},
		{"it is cancelled", push, count(func(s *campaign.Summary) { s.State = campaign.StateCancelled }), 1, 0, 0},
		{"the intake has dropped a row", push, count(func(s *campaign.Summary) { s.Rejected-- }), 1, 0, 0},
		{"a recipient is missing", push, func(m *mailing, e *evidence) {
			got := e.mailed[m.id]
			got.rows = got.rows[1:]
			e.mailed[m.id] = got
		}, 2, 1, 0},
		{"a recipient is there twice", push, func(m *mailing, e *evidence) {
			e.mailed[m.id].rows[1] = e.mailed[m.id].rows[0]
		}, 3, 1, 0},
		{"one received what was another's", push, func(m *mailing, e *evidence) {
			e.requests[m.id][e.mailed[m.id].rows[0].RequestID] = request{m.channel.id, "1"}
		}, 1, 0, 0},
		{"LINE knows nothing of its request", push, func(m *mailing, e *evidence) {
			e.mailed[m.id].rows[0].RequestID = "another"
		}, 1, 0, 0},
		{"the delivery log says nothing", push, func(m *mailing, _ *evidence) { m.logged.lines = 0 }, 1, 0, 0},
		{"it is gone", push, func(m *mailing, e *evidence) { delete(e.mailed, m.id) }, 1, 0, 0},
		{"what was given up received", givenUp, received(1), 1, 0, 1},
		{"what was given up exists", givenUp, func(m *mailing, e *evidence) {
			e.mailed[m.id] = mailed{summary: campaign.Summary{State: campaign.StateReady}}
		}, 1, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, e := mailingTruth()
			c.damage(p.mailings[c.which], e)
			v := judge(p, e)
			assert.Len(t, v.violations, c.violations)
			assert.Equal(t, []int{c.lost, c.duplicated}, []int{v.mailings.lost, v.mailings.duplicated})
		})
	}
}
