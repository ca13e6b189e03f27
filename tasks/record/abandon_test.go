package record_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// beginOn opens an attempt of a worker.
func (s sheet) beginOn(worker string) record.Begun {
	s.t.Helper()
	a := s.attempt()
	a.Worker = worker
	b := s.beginAs(a)
	require.Equal(s.t, record.Go, b.Verdict)
	return b
}

func (s sheet) abandon(living ...string) bool {
	s.t.Helper()
	done, err := s.store.Abandon(s.t.Context(), s.ref, living)
	require.NoError(s.t, err)
	return done
}

func TestAbandon(t *testing.T) {
	each(t, map[string]func(s sheet){
		"the next attempt need not wait for a dead worker's": func(s sheet) {
			s.beginOn("dead")
			assert.Equal(s.t, record.Busy, s.begin().Verdict)
			assert.True(s.t, s.abandon("other", "third"))
			next := s.begin()
			assert.Equal(s.t, record.Go, next.Verdict)
			assert.True(s.t, next.Open, "the dead worker may have called LINE")
			assert.Zero(s.t, next.Generation, "the key is the same")
		},
		"nobody lives": func(s sheet) {
			s.beginOn("dead")
			assert.True(s.t, s.abandon())
		},
		"a living worker's attempt is left alone": func(s sheet) {
			s.beginOn("other")
			assert.False(s.t, s.abandon("third", "other"))
			assert.Equal(s.t, record.Busy, s.begin().Verdict)
		},
		"an attempt that names no worker is left alone": func(s sheet) {
			s.mustBegin()
			assert.False(s.t, s.abandon())
			assert.Equal(s.t, record.Busy, s.begin().Verdict)
		},
		"nothing to give up": func(s sheet) {
			assert.False(s.t, s.abandon())
			assert.Zero(s.t, s.rdb.Exists(s.t.Context(), s.key()).Val(), "no record is made")
			s.end(s.beginOn("dead"), accepted)
			assert.False(s.t, s.abandon())
			s.stands(tasks.OutcomeSent)
		},
		"a repeat that could do harm isn't made": func(s sheet) {
			s.beginOn("dead")
			s.abandon()
			a := s.attempt()
			a.Repeatable = false
			assert.Equal(s.t, record.Decided, s.beginAs(a).Verdict)
			s.stands(tasks.OutcomeUnknown)
		},
		"a worker that was only slow says what it heard": func(s sheet) {
			slow := s.beginOn("slow")
			s.abandon()
			other := s.begin()
			s.end(slow, accepted)
			s.stands(tasks.OutcomeSent)
			s.end(other, refused)
			s.stands(tasks.OutcomeSent)
		},
		"a refusal of a worker that was only slow closes its attempt": func(s sheet) {
			slow := s.beginOn("slow")
			s.abandon()
			s.end(slow, limited)
			assert.False(s.t, s.begin().Open)
		},
		"what was decided meanwhile stays": func(s sheet) {
			s.beginOn("dead")
			s.cancel()
			assert.False(s.t, s.abandon())
			s.stands(tasks.OutcomeUnknown)
		},
		"again and again": func(s sheet) {
			for range 100 {
				s.beginOn("12345678")
				s.abandon()
			}
			assert.Less(s.t, len(s.field("o")), 400)
			last := s.mustBegin()
			s.end(last, refused)
			s.stands(tasks.OutcomeUnknown)
		},
		"every script twice": func(s sheet) {
			s = s.repeating()
			slow := s.beginOn("slow")
			assert.False(s.t, s.abandon(), "the second answer counts: it was given up before")
			assert.True(s.t, s.begin().Open)
			s.end(slow, accepted)
			s.stands(tasks.OutcomeSent)
		},
	})
}

func TestCopies(t *testing.T) {
	ref := record.Ref{Channel: "shop", ID: "order:1"}
	for n, want := range []string{"shop:order:1", "shop:order:1~1", "shop:order:1~2", "shop:order:1~3"} {
		assert.Equal(t, want, ref.Copy(n))
		got, copied, err := record.ParseCopy(want)
		require.NoError(t, err)
		assert.Equal(t, ref, got)
		assert.Equal(t, n, copied)
		got, err = record.ParseRef(want)
		require.NoError(t, err)
		assert.Equal(t, ref, got)
	}
	for _, bad := range []string{"shop:1~", "shop:1~0", "shop:1~4", "shop:1~01", "shop:1~-1", "shop:1~1~1", "shop~1:1", "~1"} {
		_, _, err := record.ParseCopy(bad)
		assert.Error(t, err, bad)
	}
	assert.Error(t, tasks.CheckID("order~1"), "no id of a caller can be taken for a copy's")
}

// FuzzParseCopy: whatever is read back is what was written.
func FuzzParseCopy(f *testing.F) {
	f.Add("shop:order-1~2")
	f.Add("shop:a:b")
	f.Fuzz(func(t *testing.T, s string) {
		if ref, n, err := record.ParseCopy(s); err == nil {
			assert.Equal(t, s, ref.Copy(n))
			assert.LessOrEqual(t, n, record.Copies)
		}
	})
}
