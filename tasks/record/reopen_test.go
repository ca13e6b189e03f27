package record_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

func (s sheet) reopen(c endpoint.Class) (risky bool) {
	s.t.Helper()
	risky, err := s.store.Reopen(s.t.Context(), s.ref, c)
	require.NoError(s.t, err)
	s.stands("")
	r := s.read().Result
	assert.Nil(s.t, r.FinishedAt)
	assert.Empty(s.t, r.Reason)
	assert.Empty(s.t, r.Error)
	return risky
}

func TestReopen(t *testing.T) {
	each(t, map[string]func(s sheet){
		"nothing": func(s sheet) {
			_, err := s.store.Reopen(s.t.Context(), s.ref, endpoint.RetryKey)
			assert.ErrorIs(s.t, err, record.ErrUndecided)
		},
		"an undecided task": func(s sheet) {
			s.end(s.mustBegin(), lost)
			_, err := s.store.Reopen(s.t.Context(), s.ref, endpoint.RetryKey)
			assert.ErrorIs(s.t, err, record.ErrUndecided)
			assert.True(s.t, s.read().Open)
		},
		"a sent task": func(s sheet) {
			s.end(s.mustBegin(), accepted)
			_, err := s.store.Reopen(s.t.Context(), s.ref, endpoint.RetryKey)
			assert.ErrorIs(s.t, err, record.ErrSent)
			s.stands(tasks.OutcomeSent)
		},
		"a failed task": func(s sheet) {
			s.end(s.mustBegin(), refused)
			assert.False(s.t, s.reopen(endpoint.RetryKey))
			b := s.mustBegin()
			assert.Equal(s.t, record.Begun{Verdict: record.Go, Token: b.Token, Attempts: 2}, b, "LINE refused the key, so it is free")
			s.end(b, accepted)
			s.stands(tasks.OutcomeSent)
		},
		"a task that failed long ago": func(s sheet) {
			s.end(s.mustBegin(), refused)
			s.pass(tasks.Horizon + time.Second)
			assert.False(s.t, s.reopen(endpoint.RetryKey))
			assert.Equal(s.t, 1, s.mustBegin().Generation)
		},
		"a cancelled task": func(s sheet) {
			s.end(s.mustBegin(), limited)
			s.cancel()
			assert.False(s.t, s.reopen(endpoint.NotRepeatable))
			b := s.mustBegin()
			assert.Equal(s.t, 0, b.Generation)
			s.end(b, refused)
			s.stands(tasks.OutcomeFailed)
		},
		"a cancelled task fails like any other afterwards": func(s sheet) {
			b := s.mustBegin()
			s.cancel()
			s.end(b, refused)
			s.stands(tasks.OutcomeCancelled)
			s.reopen(endpoint.RetryKey)
			assert.Equal(s.t, tasks.OutcomeFailed, s.end(s.mustBegin(), refused).Outcome)
		},
		"an unknown task keeps its key within the horizon": func(s sheet) {
			s.end(s.mustBegin(), lostFinal)
			s.pass(tasks.Horizon - time.Minute)
			assert.False(s.t, s.reopen(endpoint.RetryKey))
			b := s.mustBegin()
			assert.Equal(s.t, 0, b.Generation)
			assert.True(s.t, b.Open)
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(b, refused).Outcome)
			s.pass(2 * time.Minute)
			assert.True(s.t, s.reopen(endpoint.RetryKey), "the horizon is still the first attempt's")
		},
		"an unknown task takes a new generation past the horizon": func(s sheet) {
			s.end(s.mustBegin(), lost)
			s.decideUnknown()
			assert.True(s.t, s.reopen(endpoint.RetryKey))
			b := s.mustBegin()
			assert.Equal(s.t, record.Begun{Verdict: record.Go, Token: b.Token, Attempts: 2, Generation: 1}, b)
			s.end(b, lost)
			s.pass(tasks.Horizon - time.Minute)
			assert.Equal(s.t, 1, s.mustBegin().Generation)
		},
		"an unknown batch of rich menus": func(s sheet) {
			s.end(s.mustBegin(), lostFinal)
			s.pass(tasks.Horizon - time.Minute)
			assert.False(s.t, s.reopen(endpoint.ResumeKey))
			b := s.mustBegin()
			assert.Zero(s.t, b.Generation, "its resume key")
			s.end(b, lostFinal)
			s.pass(2 * time.Minute)
			assert.True(s.t, s.reopen(endpoint.ResumeKey), "LINE may remember it for 14 days; nobody here counts on that")
			assert.Equal(s.t, 1, s.mustBegin().Generation)
		},
		"an attempt that is still out counts": func(s sheet) {
			b := s.mustBegin()
			s.cancel()
			assert.False(s.t, s.reopen(endpoint.RetryKey))
			second := s.mustBegin()
			assert.True(s.t, second.Open)
			s.end(b, refused)
			assert.Equal(s.t, tasks.OutcomeFailed, s.end(second, refused).Outcome)
		},
		"the former attempt is accepted after all": func(s sheet) {
			b := s.mustBegin()
			s.cancel()
			assert.True(s.t, s.reopen(endpoint.NotRepeatable))
			second := s.mustBegin()
			s.end(b, accepted)
			s.stands(tasks.OutcomeSent)
			assert.Equal(s.t, tasks.OutcomeSent, s.end(second, refused).Outcome)
		},
		"the former attempt is refused after all": func(s sheet) {
			b := s.mustBegin()
			s.cancel()
			assert.True(s.t, s.reopen(endpoint.NotRepeatable))
			second := s.mustBegin()
			s.end(b, refused)
			s.stands("")
			assert.True(s.t, s.read().Live, "it says nothing about the new one")
			assert.Equal(s.t, tasks.OutcomeSent, s.end(second, accepted).Outcome)
		},
		"a refusal afterwards says nothing about the former attempt": func(s sheet) {
			s.end(s.mustBegin(), lostFinal)
			assert.True(s.t, s.reopen(endpoint.OneShot))
			assert.Equal(s.t, tasks.OutcomeUnknown, s.end(s.mustBegin(), refused).Outcome)
			assert.True(s.t, s.reopen(endpoint.OneShot))
			assert.Equal(s.t, tasks.OutcomeSent, s.end(s.mustBegin(), accepted).Outcome)
			assert.Empty(s.t, s.field("w"))
		},
		"nor does the deadline": func(s sheet) {
			s.end(s.mustBegin(), lostFinal)
			s.reopen(endpoint.OneShot)
			a := s.attempt()
			a.Deadline = time.Now().Add(-time.Hour)
			assert.Equal(s.t, tasks.OutcomeUnknown, s.beginAs(a).Decision.Outcome)
		},
		"nor a cancellation": func(s sheet) {
			s.end(s.mustBegin(), lostFinal)
			s.reopen(endpoint.OneShot)
			assert.Equal(s.t, tasks.OutcomeUnknown, s.cancel())
		},
		"all were refused after all": func(s sheet) {
			b := s.mustBegin()
			s.cancel()
			s.reopen(endpoint.NotRepeatable)
			s.end(s.mustBegin(), refused)
			s.stands(tasks.OutcomeUnknown)
			s.end(b, refused)
			s.stands(tasks.OutcomeFailed)
		},
		"by class": func(s sheet) {
			for class, risky := range map[endpoint.Class]bool{
				endpoint.RetryKey: false, endpoint.Read: false, endpoint.Idempotent: false, endpoint.LastWins: false,
				endpoint.AlreadyDone: false, endpoint.OneShot: true, endpoint.NotRepeatable: true, endpoint.Destructive: true,
				endpoint.ResumeKey: false, "a class of tomorrow": true,
			} {
				one := newSheet(s.t, s.rdb)
				one.end(one.mustBegin(), lostFinal)
				assert.Equal(s.t, risky, one.reopen(class), class)
				b := one.mustBegin()
				keyed := class == endpoint.RetryKey || class == endpoint.ResumeKey
				assert.Equal(s.t, keyed, b.Open, class)
				assert.Equal(s.t, !keyed, b.Generation == 1, class)
			}
		},
	})
}
