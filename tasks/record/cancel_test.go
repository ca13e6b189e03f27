package record_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

func TestCancel(t *testing.T) {
	each(t, map[string]func(s sheet){
		"a task that nobody has begun": func(s sheet) {
			outcome, fresh, err := s.store.Cancel(s.t.Context(), s.ref, tasks.KindReply, "lineq-urgent")
			require.NoError(s.t, err)
			assert.Equal(s.t, tasks.OutcomeCancelled, outcome)
			assert.True(s.t, fresh)
			s.stands(tasks.OutcomeCancelled)
			r := s.read()
			assert.Equal(s.t, tasks.KindReply, r.Result.Kind)
			assert.Equal(s.t, "lineq-urgent", r.Queue)
			assert.NotNil(s.t, r.Result.FinishedAt)
			b := s.begin()
			assert.Equal(s.t, record.Decided, b.Verdict)
			assert.Equal(s.t, tasks.OutcomeCancelled, b.Decision.Outcome)
		},
		"a task that waits": func(s sheet) {
			s.end(s.mustBegin(), limited)
			assert.Equal(s.t, tasks.OutcomeCancelled, s.cancel())
			s.stands(tasks.OutcomeCancelled)
			assert.Empty(s.t, s.read().Result.Reason, "it doesn't wait any more")
			assert.Empty(s.t, s.read().Result.Error)
		},
		"a reserved task": func(s sheet) {
			s.reserve("lineq-push-default")
			assert.Equal(s.t, tasks.OutcomeCancelled, s.cancel())
			s.stands(tasks.OutcomeCancelled)
		},
		"twice": func(s sheet) {
			s.cancel()
			outcome, fresh, err := s.store.Cancel(s.t.Context(), s.ref, tasks.KindPush, "")
			require.NoError(s.t, err)
			assert.Equal(s.t, tasks.OutcomeCancelled, outcome)
			assert.False(s.t, fresh)
		},
		"a sent task": func(s sheet) {
			s.end(s.mustBegin(), accepted)
			assert.Equal(s.t, tasks.OutcomeSent, s.cancel())
			s.stands(tasks.OutcomeSent)
		},
		"a failed task": func(s sheet) {
			s.end(s.mustBegin(), refused)
			assert.Equal(s.t, tasks.OutcomeFailed, s.cancel())
			assert.Equal(s.t, lineapi.Invalid, s.read().Result.Reason)
		},
		"after a lost answer": func(s sheet) {
			s.end(s.mustBegin(), lost)
			assert.Equal(s.t, tasks.OutcomeUnknown, s.cancel())
			s.stands(tasks.OutcomeUnknown)
			assert.Equal(s.t, "cancelled while LINE may have had it", s.read().Result.Error)
		},
		"live, then accepted": func(s sheet) {
			b := s.mustBegin()
			assert.Equal(s.t, tasks.OutcomeUnknown, s.cancel())
			s.stands(tasks.OutcomeUnknown)
			assert.Equal(s.t, record.Decided, s.begin().Verdict, "no other run opens an attempt")
			assert.Equal(s.t, tasks.OutcomeSent, s.end(b, accepted).Outcome)
			s.stands(tasks.OutcomeSent)
		},
		"live, then refused": func(s sheet) {
			b := s.mustBegin()
			s.cancel()
			d := s.end(b, refused)
			assert.Equal(s.t, tasks.OutcomeCancelled, d.Outcome)
			assert.True(s.t, d.Fresh)
			assert.Empty(s.t, d.Reason)
			s.stands(tasks.OutcomeCancelled)
			assert.False(s.t, s.read().Live)
		},
		"live, then refused for now": func(s sheet) {
			b := s.mustBegin()
			s.cancel()
			assert.Equal(s.t, tasks.OutcomeCancelled, s.end(b, limited).Outcome)
		},
		"live, then lost": func(s sheet) {
			b := s.mustBegin()
			s.cancel()
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(b, lost).Outcome)
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(b, refused).Outcome)
		},
		"live, then refused, then accepted after all": func(s sheet) {
			b := s.mustBegin()
			s.cancel()
			s.end(b, refused)
			assert.Equal(s.t, tasks.OutcomeSent, s.end(b, accepted).Outcome)
		},
		"live after a lost answer, then refused": func(s sheet) {
			s.end(s.mustBegin(), lost)
			b := s.mustBegin()
			s.cancel()
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(b, refused).Outcome)
		},
		"frozen beside a live one, both refused": func(s sheet) {
			frozen := s.freeze()
			second := s.mustBegin()
			s.cancel()
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(frozen, refused).Outcome, "the live one is still out")
			assert.Equal(s.t, tasks.OutcomeCancelled, s.end(second, refused).Outcome)
		},
		"frozen beside a live one, refused the other way round": func(s sheet) {
			frozen := s.freeze()
			second := s.mustBegin()
			s.cancel()
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(second, refused).Outcome)
			assert.Equal(s.t, tasks.OutcomeCancelled, s.end(frozen, refused).Outcome)
		},
		"a dead attempt": func(s sheet) {
			frozen := s.freeze()
			assert.Equal(s.t, tasks.OutcomeUnknown, s.cancel(), "LINE may have it")
			assert.Equal(s.t, tasks.OutcomeCancelled, s.end(frozen, refused).Outcome)
		},
		"a lookup, live after a lost answer, then refused": func(s sheet) {
			s.end(s.mustBegin(), lost)
			b := s.mustBegin()
			s.cancel()
			a := refused
			a.AfterOpen = tasks.OutcomeFailed
			assert.Equal(s.t, tasks.OutcomeCancelled, s.end(b, a).Outcome)
		},
	})
}
