package record_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestBegin(t *testing.T) {
	each(t, map[string]func(s sheet){
		"the first attempt": func(s sheet) {
			before := time.Now().Add(-time.Minute)
			b := s.begin()
			assert.Equal(s.t, record.Begun{Verdict: record.Go, Token: b.Token, Attempts: 1}, b)
			assert.NotEmpty(s.t, b.Token)
			r := s.read()
			assert.True(s.t, r.Live)
			assert.False(s.t, r.Open)
			assert.Equal(s.t, "lineq-push-default", r.Queue)
			assert.Equal(s.t, tasks.KindPush, r.Result.Kind)
			assert.Equal(s.t, 1, r.Result.Attempts)
			require.NotNil(s.t, r.Result.FirstAttemptAt)
			assert.WithinRange(s.t, *r.Result.FirstAttemptAt, before, time.Now().Add(time.Minute))
			assert.Nil(s.t, r.Result.FinishedAt)
			s.stands("")
		},
		"a decided task": func(s sheet) {
			a := accepted
			a.Replayed = true
			s.end(s.mustBegin(), a)
			b := s.begin()
			assert.Equal(s.t, record.Decided, b.Verdict)
			assert.Equal(s.t, record.Decision{
				Outcome: tasks.OutcomeSent, RequestID: "accepted-id", Replayed: true, Attempts: 1,
			}, b.Decision)
		},
		"a task that failed": func(s sheet) {
			s.end(s.mustBegin(), limited)
			s.end(s.mustBegin(), refused)
			assert.Equal(s.t, record.Decision{
				Outcome: tasks.OutcomeFailed, Reason: lineapi.Invalid, Error: "The property is invalid", RequestID: "refused-id",
				Attempts: 2,
			}, s.begin().Decision)
		},
		"other content": func(s sheet) {
			s.end(s.mustBegin(), limited)
			other := s.attempt()
			other.Hash[0]++
			assert.Equal(s.t, record.Other, s.beginAs(other).Verdict)
			assert.False(s.t, s.read().Live)
			assert.Equal(s.t, 1, s.read().Result.Attempts)
		},
		"content that can't be told is not compared": func(s sheet) {
			unreadable := s.attempt()
			unreadable.Hash = record.Hash{}
			s.end(s.beginAs(unreadable), limited)
			s.end(s.mustBegin(), limited)
			assert.Equal(s.t, record.Go, s.beginAs(unreadable).Verdict)
			s.pass(untilDead)
			other := s.attempt()
			other.Hash[0]++
			assert.Equal(s.t, record.Other, s.beginAs(other).Verdict, "the first content that could be told was kept")
		},
		"another run's attempt is live": func(s sheet) {
			first := s.mustBegin()
			b := s.begin()
			assert.Equal(s.t, record.Busy, b.Verdict)
			assert.Positive(s.t, b.Wait)
			assert.LessOrEqual(s.t, b.Wait, untilDead)
			assert.Equal(s.t, 1, s.read().Result.Attempts)
			assert.Equal(s.t, first.Token, s.field("a"))
		},
		"a dead attempt becomes open": func(s sheet) {
			s.freeze()
			b := s.begin()
			assert.Equal(s.t, record.Begun{Verdict: record.Go, Token: b.Token, Attempts: 2, Open: true}, b)
			r := s.read()
			assert.True(s.t, r.Live)
			assert.True(s.t, r.Open)
		},
		"a lost answer leaves it open": func(s sheet) {
			s.end(s.mustBegin(), lost)
			assert.True(s.t, s.mustBegin().Open)
		},
		"a refusal leaves nothing open": func(s sheet) {
			s.end(s.mustBegin(), limited)
			b := s.mustBegin()
			assert.False(s.t, b.Open)
			assert.Equal(s.t, 2, b.Attempts)
		},
		"not repeatable while open": func(s sheet) {
			s.end(s.mustBegin(), limited)
			s.freeze()
			once := s.attempt()
			once.Repeatable = false
			b := s.beginAs(once)
			assert.Equal(s.t, record.Decided, b.Verdict)
			assert.Equal(s.t, record.Decision{
				Outcome: tasks.OutcomeUnknown, Fresh: true, Reason: lineapi.Unknown, RequestID: "limited-id", Attempts: 2,
				Error: "no answer came, and a repeat could do harm",
			}, b.Decision, "the reason is not that of an answer to another attempt")
			s.stands(tasks.OutcomeUnknown)
			assert.True(s.t, s.read().Open)
			assert.False(s.t, s.read().Live)
			assert.False(s.t, s.beginAs(once).Decision.Fresh, "the second time it is no news")
		},
		"not repeatable, and nothing is open": func(s sheet) {
			s.end(s.mustBegin(), limited)
			once := s.attempt()
			once.Repeatable = false
			assert.Equal(s.t, record.Go, s.beginAs(once).Verdict)
		},
		"open, just before the horizon": func(s sheet) {
			s.freeze()
			s.pass(tasks.Horizon - untilDead - time.Minute)
			b := s.mustBegin()
			assert.True(s.t, b.Open)
			assert.Equal(s.t, 0, b.Generation)
		},
		"open, past the horizon": func(s sheet) {
			s.end(s.mustBegin(), lost)
			s.pass(tasks.Horizon + time.Second)
			d := s.begin().Decision
			assert.Equal(s.t, tasks.OutcomeUnknown, d.Outcome)
			assert.Equal(s.t, lineapi.Unknown, d.Reason)
			assert.Equal(s.t, "no answer came while a repeat was safe", d.Error)
			s.stands(tasks.OutcomeUnknown)
		},
		"the horizon counts from the first attempt under the key": func(s sheet) {
			s.end(s.mustBegin(), limited)
			s.pass(20 * hour)
			s.end(s.mustBegin(), lost)
			s.pass(4 * hour)
			assert.Equal(s.t, tasks.OutcomeUnknown, s.begin().Decision.Outcome)
		},
		"never open, past the horizon": func(s sheet) {
			s.end(s.mustBegin(), limited)
			s.pass(tasks.Horizon + time.Second)
			b := s.mustBegin()
			assert.Equal(s.t, record.Begun{Verdict: record.Go, Token: b.Token, Attempts: 2, Generation: 1}, b)
			s.end(b, lost)
			s.pass(tasks.Horizon - time.Minute)
			assert.Equal(s.t, 1, s.mustBegin().Generation, "the new key has a horizon of its own")
		},
		"the deadline is ahead": func(s sheet) {
			a := s.attempt()
			a.Deadline = time.Now().Add(hour)
			assert.Equal(s.t, record.Go, s.beginAs(a).Verdict)
		},
		"the deadline has passed": func(s sheet) {
			a := s.attempt()
			a.Deadline = time.Now().Add(-hour)
			assert.Equal(s.t, record.Decision{
				Outcome: tasks.OutcomeFailed, Fresh: true, Reason: lineapi.Expired,
				Error: "the deadline passed before LINE took it",
			}, s.beginAs(a).Decision)
			s.stands(tasks.OutcomeFailed)
			r := s.read().Result
			assert.Equal(s.t, tasks.KindPush, r.Kind)
			assert.NotNil(s.t, r.FinishedAt)
			assert.Nil(s.t, r.FirstAttemptAt)
		},
		"the deadline has passed while open": func(s sheet) {
			s.end(s.mustBegin(), lost)
			a := s.attempt()
			a.Deadline = time.Now().Add(-hour)
			d := s.beginAs(a).Decision
			assert.Equal(s.t, tasks.OutcomeUnknown, d.Outcome)
			assert.Equal(s.t, lineapi.Unknown, d.Reason)
			assert.Equal(s.t, "no answer came before the deadline", d.Error)
		},
		"the deadline has passed while another run's attempt is live": func(s sheet) {
			s.mustBegin()
			a := s.attempt()
			a.Deadline = time.Now().Add(-hour)
			assert.Equal(s.t, record.Busy, s.beginAs(a).Verdict)
		},
		"the client repeats itself": func(s sheet) {
			s.end(s.mustBegin(), lost)
			b := s.repeating().begin()
			assert.Equal(s.t, record.Begun{Verdict: record.Go, Token: b.Token, Attempts: 2, Open: true}, b, "it is one attempt")
		},
		"many dead attempts": func(s sheet) {
			for range 100 {
				s.freeze()
			}
			b := s.mustBegin()
			assert.True(s.t, b.Open)
			assert.Equal(s.t, 101, b.Attempts)
			assert.Less(s.t, len(s.field("o")), 400, "the record doesn't grow without end")
		},
		"many lost answers": func(s sheet) {
			for range 100 {
				s.end(s.mustBegin(), lost)
			}
			assert.True(s.t, s.mustBegin().Open)
			assert.Less(s.t, len(s.field("o")), 50, "the record doesn't grow without end")
		},
	})
}

// All times go by Redis's clock; miniredis's can be set.
func TestBeginByTheMillisecond(t *testing.T) {
	m, rdb := redistest.Mini(t)
	start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	at := func(d time.Duration) { m.SetTime(start.Add(d)) }

	t.Run("an attempt lives for its timeout and two seconds", func(t *testing.T) {
		s := newSheet(t, rdb)
		at(0)
		s.mustBegin()
		assert.Equal(t, start, *s.read().Result.FirstAttemptAt)
		at(5 * time.Second)
		assert.Equal(t, 7*time.Second, s.begin().Wait)
		at(untilDead - time.Millisecond)
		assert.Equal(t, time.Millisecond, s.begin().Wait)
		at(untilDead)
		assert.True(t, s.mustBegin().Open)
	})
	t.Run("a lost attempt may be repeated up to the horizon", func(t *testing.T) {
		s := newSheet(t, rdb)
		at(0)
		s.end(s.mustBegin(), lost)
		at(tasks.Horizon)
		s.end(s.mustBegin(), lost)
		at(tasks.Horizon + time.Millisecond)
		assert.Equal(t, tasks.OutcomeUnknown, s.begin().Decision.Outcome)
		assert.Equal(t, start.Add(tasks.Horizon+time.Millisecond), *s.read().Result.FinishedAt)
	})
	t.Run("at its deadline a task is late", func(t *testing.T) {
		s := newSheet(t, rdb)
		a := s.attempt()
		a.Deadline = start.Add(time.Minute)
		at(time.Minute - time.Millisecond)
		s.end(s.beginAs(a), limited)
		at(time.Minute)
		assert.Equal(t, lineapi.Expired, s.beginAs(a).Decision.Reason)
	})
	t.Run("a second attempt doesn't move the first one's time", func(t *testing.T) {
		s := newSheet(t, rdb)
		at(0)
		s.end(s.mustBegin(), limited)
		at(hour)
		s.end(s.mustBegin(), accepted)
		r := s.read().Result
		assert.Equal(t, start, *r.FirstAttemptAt)
		assert.Equal(t, start.Add(hour), *r.FinishedAt)
	})
}

func TestErrorsNameTheTask(t *testing.T) {
	m, rdb := redistest.Mini(t)
	s := newSheet(t, rdb)
	name := s.ref.String()
	m.SetError("LOADING")
	_, err := s.store.Begin(t.Context(), s.attempt())
	assert.ErrorContains(t, err, "begin "+name+": LOADING")
	_, err = s.store.End(t.Context(), record.Begun{}, s.ref, refused)
	assert.ErrorContains(t, err, "end "+name+": LOADING")
	_, _, err = s.store.Cancel(t.Context(), s.ref, tasks.KindPush, "")
	assert.ErrorContains(t, err, "cancel "+name+": LOADING")
	_, err = s.store.Reopen(t.Context(), s.ref, "K")
	assert.ErrorContains(t, err, "reopen "+name+": LOADING")
	_, err = s.store.Read(t.Context(), s.ref)
	assert.ErrorContains(t, err, "read "+name+": LOADING")
	_, err = s.store.Payload(t.Context(), s.ref)
	assert.ErrorContains(t, err, "payload of "+name+": LOADING")
	assert.ErrorContains(t, s.store.KeepPayload(t.Context(), s.ref, nil), "keep payload of "+name+": LOADING")
	assert.ErrorContains(t, s.store.KeepData(t.Context(), s.ref, nil, 0), "keep data of "+name+": LOADING")
	assert.ErrorContains(t, s.store.Log(t.Context(), record.Line{Channel: "default"}), "delivery log of default: LOADING")
	_, err = s.store.LogTail(t.Context(), "default", 1)
	assert.ErrorContains(t, err, "delivery log of default: LOADING")
	_, err = s.store.LogAfter(t.Context(), "default", "", 1)
	assert.ErrorContains(t, err, "delivery log of default: LOADING")
}
