package record_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// TestEarlier is about what stays of the attempts before the last one.
func TestEarlier(t *testing.T) {
	lost := record.Answer{Evidence: record.Lost, Reason: lineapi.Server, Error: "down\nfor <now>", RequestID: "first-id", Status: 503}
	each(t, map[string]func(s sheet){
		"sent at the first try": func(s sheet) {
			s.end(s.mustBegin(), accepted)
			assert.Empty(s.t, s.read().Result.Earlier)
			assert.False(s.t, s.rdb.HExists(s.t.Context(), s.key(), "l").Val(), "it costs nothing")
		},
		"sent in the end": func(s sheet) {
			begin := time.Now()
			s.end(s.mustBegin(), lost)
			s.end(s.mustBegin(), limited)
			s.end(s.mustBegin(), accepted)
			r := s.read().Result
			require.Len(s.t, r.Earlier, 2)
			assert.WithinRange(s.t, *r.Earlier[0].At, begin.Add(-time.Second), time.Now().Add(time.Second))
			r.Earlier[0].At, r.Earlier[1].At = nil, nil
			assert.Equal(s.t, []tasks.Attempt{
				{Attempt: 1, Status: 503, Reason: lineapi.Server, RequestID: "first-id", Error: "down\nfor <now>"},
				{Attempt: 2, Reason: lineapi.RateLimited, RequestID: "limited-id", Error: limited.Error},
			}, r.Earlier)
			assert.Equal(s.t, tasks.OutcomeSent, r.Outcome)
			assert.Empty(s.t, r.Error)
		},
		"the connection breaks before the answer": func(s sheet) {
			s = s.repeating()
			s.end(s.mustBegin(), lost)
			assert.Len(s.t, s.read().Result.Earlier, 1)
		},
		"no more than eight": func(s sheet) {
			for range 11 {
				a := lost
				a.Error = strings.Repeat("x", 1000)
				s.end(s.mustBegin(), a)
			}
			all := s.read().Result.Earlier
			require.Len(s.t, all, 8)
			assert.Equal(s.t, []int{4, 11}, []int{all[0].Attempt, all[7].Attempt})
			assert.Less(s.t, len(s.field("l")), 8*500)
		},
		"no request was made after all": func(s sheet) {
			unmade := limited
			unmade.Unmade = true
			s.end(s.mustBegin(), unmade)
			assert.Empty(s.t, s.read().Result.Earlier)
		},
		"its worker died": func(s sheet) {
			late := s.freeze()
			s.mustBegin()
			all := s.read().Result.Earlier
			require.Len(s.t, all, 1)
			assert.Contains(s.t, all[0].Error, "died")
			assert.Equal(s.t, 1, all[0].Attempt)
			s.end(late, lost) // it lived after all
			assert.Len(s.t, s.read().Result.Earlier, 2)
		},
		"it is run again": func(s sheet) {
			s.end(s.mustBegin(), refused)
			_, err := s.store.Reopen(s.t.Context(), s.ref, "K")
			require.NoError(s.t, err)
			all := s.read().Result.Earlier
			require.Len(s.t, all, 1)
			assert.Equal(s.t, tasks.OutcomeFailed, all[0].Outcome)
			assert.Equal(s.t, refused.Error, all[0].Error)
		},
		"a record of before": func(s sheet) {
			s.end(s.mustBegin(), lost)
			require.NoError(s.t, s.rdb.HDel(s.t.Context(), s.key(), "l").Err())
			assert.Empty(s.t, s.read().Result.Earlier)
			s.end(s.mustBegin(), accepted)
			s.stands(tasks.OutcomeSent)
		},
		"what nobody can read": func(s sheet) {
			s.end(s.mustBegin(), lost)
			require.NoError(s.t, s.rdb.HSet(s.t.Context(), s.key(), "l", fmt.Sprintf("nonsense\n%s", s.field("l"))).Err())
			assert.Len(s.t, s.read().Result.Earlier, 1)
		},
	})
}
