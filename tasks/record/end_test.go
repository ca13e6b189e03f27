package record_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

func TestEnd(t *testing.T) {
	each(t, map[string]func(s sheet){
		"accepted": func(s sheet) {
			before := time.Now().Add(-time.Minute)
			d := s.end(s.mustBegin(), accepted)
			assert.Equal(s.t, record.Decision{Outcome: tasks.OutcomeSent, Fresh: true, RequestID: "accepted-id", Attempts: 1}, d)
			s.stands(tasks.OutcomeSent)
			r := s.read()
			assert.False(s.t, r.Live)
			assert.False(s.t, r.Open)
			assert.Equal(s.t, tasks.StateDone, r.Result.State)
			assert.Equal(s.t, "accepted-id", r.Result.RequestID)
			assert.WithinRange(s.t, *r.Result.FinishedAt, before, time.Now().Add(time.Minute))
		},
		"accepted after a wait": func(s sheet) {
			s.end(s.mustBegin(), limited)
			s.end(s.mustBegin(), accepted)
			r := s.read().Result
			assert.Empty(s.t, r.Reason, "what it waited for is over")
			assert.Empty(s.t, r.Error)
			assert.Equal(s.t, "accepted-id", r.RequestID)
			assert.Equal(s.t, 2, r.Attempts)
		},
		"its turn had passed": func(s sheet) {
			s.end(s.mustBegin(), limited)
			unmade := limited
			unmade.Unmade = true
			for range 3 {
				assert.Equal(s.t, 1, s.end(s.mustBegin(), unmade).Attempts, "no request was made")
			}
			assert.Equal(s.t, 2, s.end(s.mustBegin(), accepted).Attempts)
		},
		"replayed": func(s sheet) {
			s.end(s.mustBegin(), lost)
			a := accepted
			a.Replayed = true
			assert.True(s.t, s.end(s.mustBegin(), a).Replayed)
			s.stands(tasks.OutcomeSent)
			assert.True(s.t, s.read().Result.Replayed)
			assert.False(s.t, s.read().Open)
		},
		"refused for good": func(s sheet) {
			d := s.end(s.mustBegin(), refused)
			assert.Equal(s.t, record.Decision{
				Outcome: tasks.OutcomeFailed, Fresh: true, Reason: lineapi.Invalid, Error: "The property is invalid",
				RequestID: "refused-id", Attempts: 1,
			}, d)
			s.stands(tasks.OutcomeFailed)
			assert.False(s.t, s.read().Open)
		},
		"refused for good while an attempt was in doubt that was refused for now": func(s sheet) {
			slow := s.freeze()
			s.end(s.mustBegin(), refused)
			s.stands(tasks.OutcomeUnknown)
			d := s.end(slow, limited)
			assert.Equal(s.t, tasks.OutcomeFailed, d.Outcome)
			assert.Equal(s.t, lineapi.Invalid, d.Reason, "why it failed is what was final")
			assert.Equal(s.t, "The property is invalid", d.Error)
		},
		"refused for now": func(s sheet) {
			d := s.end(s.mustBegin(), limited)
			assert.Empty(s.t, d.Outcome)
			assert.False(s.t, d.Fresh)
			s.stands("")
			r := s.read()
			assert.Equal(s.t, lineapi.RateLimited, r.Result.Reason, "what it waits for is told")
			assert.Equal(s.t, "The API rate limit has been exceeded", r.Result.Error)
			assert.Empty(s.t, r.Result.State)
			assert.False(s.t, r.Live)
			assert.False(s.t, r.Open)
		},
		"refused for now after a lost answer": func(s sheet) {
			s.end(s.mustBegin(), lost)
			s.end(s.mustBegin(), limited)
			assert.True(s.t, s.mustBegin().Open, "the refusal is of its own attempt only")
		},
		"lost": func(s sheet) {
			assert.Empty(s.t, s.end(s.mustBegin(), lost).Outcome)
			s.stands("")
			r := s.read()
			assert.True(s.t, r.Open)
			assert.False(s.t, r.Live)
			assert.Equal(s.t, lineapi.Network, r.Result.Reason)
		},
		"lost for good": func(s sheet) {
			d := s.end(s.mustBegin(), lostFinal)
			assert.Equal(s.t, record.Decision{
				Outcome: tasks.OutcomeUnknown, Fresh: true, Reason: lineapi.Network, Error: "no answer", Attempts: 1,
			}, d)
			s.stands(tasks.OutcomeUnknown)
			assert.True(s.t, s.read().Open)
		},
		"no answer doesn't hide the last request id": func(s sheet) {
			s.end(s.mustBegin(), limited)
			s.end(s.mustBegin(), lost)
			assert.Equal(s.t, "limited-id", s.read().Result.RequestID)
		},

		"refused for good after a lost answer": func(s sheet) {
			s.end(s.mustBegin(), lost)
			d := s.end(s.mustBegin(), refused)
			assert.Equal(s.t, tasks.OutcomeUnknown, d.Outcome)
			assert.Equal(s.t, lineapi.Invalid, d.Reason)
			assert.True(s.t, s.read().Open)
		},
		"refused for good after a lost answer, named unknown": func(s sheet) {
			s.end(s.mustBegin(), lost)
			a := refused
			a.AfterOpen = tasks.OutcomeUnknown
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(s.mustBegin(), a).Outcome)
		},
		"refused because it is done already": func(s sheet) {
			s.end(s.mustBegin(), lost)
			a := refused
			a.AfterOpen = tasks.OutcomeSent
			d := s.end(s.mustBegin(), a)
			assert.Equal(s.t, tasks.OutcomeSent, d.Outcome)
			assert.Empty(s.t, d.Reason)
			s.stands(tasks.OutcomeSent)
			assert.Empty(s.t, s.read().Result.Error)
		},
		"refused after a lost read": func(s sheet) {
			s.end(s.mustBegin(), lost)
			a := refused
			a.AfterOpen = tasks.OutcomeFailed
			d := s.end(s.mustBegin(), a)
			assert.Equal(s.t, tasks.OutcomeFailed, d.Outcome)
			assert.Equal(s.t, lineapi.Invalid, d.Reason)
			assert.False(s.t, s.read().Open)
		},
		"refused, and nothing was lost before": func(s sheet) {
			a := refused
			a.AfterOpen = tasks.OutcomeSent
			assert.Equal(s.t, tasks.OutcomeFailed, s.end(s.mustBegin(), a).Outcome)
		},

		"a frozen run is accepted after the task became unknown": func(s sheet) {
			frozen := s.freeze()
			s.decideUnknown()
			d := s.end(frozen, accepted)
			assert.True(s.t, d.Fresh)
			assert.Equal(s.t, tasks.OutcomeSent, d.Outcome)
			assert.Equal(s.t, "accepted-id", d.RequestID)
			s.stands(tasks.OutcomeSent)
			assert.Empty(s.t, s.read().Result.Reason)
			assert.False(s.t, s.read().Open)
		},
		"a frozen run is refused after the task became unknown": func(s sheet) {
			frozen := s.freeze()
			s.decideUnknown()
			d := s.end(frozen, limited)
			assert.True(s.t, d.Fresh)
			assert.Equal(s.t, tasks.OutcomeFailed, d.Outcome, "no other attempt can have gone through")
			assert.Equal(s.t, lineapi.RateLimited, d.Reason)
			s.stands(tasks.OutcomeFailed)
			assert.False(s.t, s.read().Open)
			assert.Equal(s.t, "limited-id", s.read().Result.RequestID)
		},
		"a frozen run is lost after the task became unknown": func(s sheet) {
			frozen := s.freeze()
			s.decideUnknown()
			for range 2 {
				d := s.end(frozen, lost)
				assert.False(s.t, d.Fresh)
				assert.Equal(s.t, tasks.OutcomeUnknown, d.Outcome)
			}
			assert.Equal(s.t, lineapi.Unknown, s.read().Result.Reason)
			assert.True(s.t, s.read().Open)
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(frozen, refused).Outcome, "it has had its say")
		},
		"one of two frozen runs is refused": func(s sheet) {
			first, second := s.freeze(), s.freeze()
			s.decideUnknown()
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(first, refused).Outcome)
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(first, refused).Outcome, "twice is once")
			assert.Equal(s.t, tasks.OutcomeFailed, s.end(second, refused).Outcome)
		},
		"a lost answer beside a frozen run that is refused": func(s sheet) {
			s.end(s.mustBegin(), lost)
			frozen := s.freeze()
			s.decideUnknown()
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(frozen, refused).Outcome)
		},
		"a frozen run hears after the decision that it was done already": func(s sheet) {
			s.end(s.mustBegin(), lost)
			frozen := s.freeze()
			s.decideUnknown()
			a := refused
			a.AfterOpen = tasks.OutcomeUnknown
			d := s.end(frozen, a)
			assert.False(s.t, d.Fresh)
			assert.Equal(s.t, tasks.OutcomeUnknown, d.Outcome)

			other := newSheet(s.t, s.rdb)
			other.end(other.mustBegin(), lost)
			frozen = other.freeze()
			other.decideUnknown()
			a.AfterOpen = tasks.OutcomeSent
			assert.Equal(s.t, tasks.OutcomeSent, other.end(frozen, a).Outcome)
		},
		"an unknown task that was lost for good stays so": func(s sheet) {
			b := s.mustBegin()
			s.end(b, lostFinal)
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(b, refused).Outcome)
			assert.Equal(s.t, tasks.OutcomeSent, s.end(b, accepted).Outcome)
		},

		"a frozen run is refused for good while another is live": func(s sheet) {
			frozen := s.freeze()
			second := s.mustBegin()
			assert.Empty(s.t, s.end(frozen, refused).Outcome, "the live one may be accepted at this moment")
			s.stands("")
			assert.True(s.t, s.read().Live)
			assert.False(s.t, s.read().Open)
			assert.Equal(s.t, tasks.OutcomeSent, s.end(second, accepted).Outcome)
		},
		"a frozen run and then the live one are refused": func(s sheet) {
			frozen := s.freeze()
			second := s.mustBegin()
			s.end(frozen, refused)
			assert.Equal(s.t, tasks.OutcomeFailed, s.end(second, refused).Outcome)
		},
		"a frozen run is lost for good while another is live": func(s sheet) {
			frozen := s.freeze()
			second := s.mustBegin()
			assert.Empty(s.t, s.end(frozen, lostFinal).Outcome)
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(second, refused).Outcome)
		},
		"a frozen run is accepted while another is live": func(s sheet) {
			frozen := s.freeze()
			second := s.mustBegin()
			assert.Equal(s.t, tasks.OutcomeSent, s.end(frozen, accepted).Outcome)
			assert.Equal(s.t, record.Decided, s.begin().Verdict)
			assert.Equal(s.t, tasks.OutcomeSent, s.end(second, refused).Outcome)
			s.stands(tasks.OutcomeSent)
			assert.False(s.t, s.read().Live)
		},
		"a frozen run is refused after the second one died": func(s sheet) {
			frozen := s.freeze()
			s.freeze()
			assert.Empty(s.t, s.end(frozen, refused).Outcome)
			assert.True(s.t, s.mustBegin().Open)
		},

		"what is sent never changes": func(s sheet) {
			frozen := s.freeze()
			s.end(s.mustBegin(), accepted)
			want := s.read()
			again := accepted
			again.RequestID, again.Replayed = "another", true
			for _, a := range []record.Answer{refused, limited, lost, lostFinal, again} {
				d := s.end(frozen, a)
				assert.Equal(s.t, record.Decision{
					Outcome: tasks.OutcomeSent, RequestID: "accepted-id", Attempts: 2,
				}, d, "the answer is that of the record")
				assert.Equal(s.t, want, s.read())
			}
			s.stands(tasks.OutcomeSent)
		},
		"what has failed is sent if LINE says so after all": func(s sheet) {
			b := s.mustBegin()
			s.end(b, refused)
			assert.Equal(s.t, tasks.OutcomeFailed, s.end(b, lost).Outcome)
			assert.Equal(s.t, tasks.OutcomeSent, s.end(b, accepted).Outcome)
			s.stands(tasks.OutcomeSent)
		},
		"without a record": func(s sheet) {
			b := record.Begun{Token: "0123456789ab"}
			for _, a := range []record.Answer{refused, limited, lost, lostFinal, {Evidence: record.Accepted, Progress: "{}"}} {
				assert.Equal(s.t, record.Decision{}, s.end(b, a))
			}
			_, err := s.store.Read(s.t.Context(), s.ref)
			assert.ErrorIs(s.t, err, record.ErrNotFound, "an answer to nothing makes no record")
			assert.Equal(s.t, tasks.OutcomeSent, s.end(b, accepted).Outcome)
			s.stands(tasks.OutcomeSent)
		},
		"of an attempt that the record doesn't know": func(s sheet) {
			s.end(s.mustBegin(), lost)
			assert.Empty(s.t, s.end(record.Begun{Token: "0123456789ab"}, refused).Outcome)
			assert.True(s.t, s.read().Open)
			s.stands("")
		},
	})
}

// decideUnknown lets a run find the attempt before it past its horizon.
func (s sheet) decideUnknown() {
	s.t.Helper()
	s.pass(tasks.Horizon + time.Second)
	assert.Equal(s.t, tasks.OutcomeUnknown, s.begin().Decision.Outcome)
}

func TestSteps(t *testing.T) {
	step := func(progress string) record.Answer {
		a := accepted
		a.Progress = progress
		return a
	}
	each(t, map[string]func(s sheet){
		"a step is kept": func(s sheet) {
			s.end(s.mustBegin(), limited)
			d := s.end(s.mustBegin(), step(`{"done":"a"}`))
			assert.Equal(s.t, record.Decision{RequestID: "accepted-id", Attempts: 2}, d)
			s.stands("")
			r := s.read()
			assert.JSONEq(s.t, `{"done":"a"}`, string(r.Result.Data))
			assert.Empty(s.t, r.Result.Reason)
			b := s.mustBegin()
			assert.Equal(s.t, `{"done":"a"}`, b.Progress)
			assert.Equal(s.t, tasks.OutcomeSent, s.end(b, accepted).Outcome)
		},
		"a step closes what was lost in it": func(s sheet) {
			s.end(s.mustBegin(), lost)
			s.end(s.mustBegin(), step("a"))
			assert.False(s.t, s.mustBegin().Open)
		},
		"the next step has a horizon of its own": func(s sheet) {
			s.end(s.mustBegin(), step("a"))
			s.end(s.mustBegin(), lost)
			s.pass(tasks.Horizon - hour)
			s.end(s.mustBegin(), step("b"))
			s.end(s.mustBegin(), lost)
			s.pass(2 * hour)
			assert.Equal(s.t, record.Go, s.begin().Verdict)
		},
		"a frozen run doesn't take back a step": func(s sheet) {
			frozen := s.freeze()
			s.end(s.mustBegin(), step("a"))
			s.end(s.mustBegin(), step("b"))
			for _, a := range []record.Answer{step("a"), refused, lostFinal} {
				assert.Empty(s.t, s.end(frozen, a).Outcome)
				assert.Equal(s.t, "b", s.field("p"))
			}
			assert.False(s.t, s.mustBegin().Open)
		},
		"a frozen run finishes its step while another is at it": func(s sheet) {
			frozen := s.freeze()
			second := s.mustBegin()
			s.end(frozen, step("a"))
			assert.True(s.t, s.read().Live)
			s.end(second, step("a"))
			assert.Equal(s.t, "a", s.mustBegin().Progress)
		},
		"a step of a task that is unknown by now": func(s sheet) {
			b := s.mustBegin()
			assert.Equal(s.t, tasks.OutcomeUnknown, s.cancel())
			d := s.end(b, step("a"))
			assert.Equal(s.t, tasks.OutcomeUnknown, d.Outcome)
			assert.False(s.t, d.Fresh)
			s.stands(tasks.OutcomeUnknown)
			assert.False(s.t, s.read().Open)
			_, err := s.store.Reopen(s.t.Context(), s.ref, "N")
			assert.NoError(s.t, err)
			assert.Equal(s.t, "a", s.mustBegin().Progress, "it can go on there")
		},
	})
}

// A script that runs twice because its first answer got lost changes nothing more.
func TestEndRepeatedByTheClient(t *testing.T) {
	for name, a := range map[string]record.Answer{
		"accepted": accepted, "refused": refused, "limited": limited, "lost": lost, "lost for good": lostFinal,
		"a step": {Evidence: record.Accepted, Progress: "a", RequestID: "step-id"},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, map[string]func(s sheet){
				"alone": func(s sheet) {
					other := newSheet(s.t, s.rdb)
					want := s.end(s.mustBegin(), a)
					want.Fresh = false
					got := other.repeating().end(other.mustBegin(), a)
					assert.Equal(s.t, want, got)
					assert.Equal(s.t, s.read().Open, other.read().Open)
					other.stands(want.Outcome)
				},
			})
		})
	}
}
