package record_test

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

func (s sheet) reservation(queue string) record.Reservation {
	return record.Reservation{Ref: s.ref, Kind: tasks.KindPush, Queue: queue, Hash: s.attempt().Hash}
}

func (s sheet) reserve(queue string) record.Reserved {
	s.t.Helper()
	rs := s.store.Reserve(s.t.Context(), []record.Reservation{s.reservation(queue)})
	require.Len(s.t, rs, 1)
	require.NoError(s.t, rs[0].Err)
	return rs[0]
}

func TestReserve(t *testing.T) {
	each(t, map[string]func(s sheet){
		"a new id": func(s sheet) {
			assert.Equal(s.t, record.Reserved{Queue: "lineq-push-default", Same: true}, s.reserve("lineq-push-default"))
			s.stands("")
			r := s.read()
			assert.Equal(s.t, tasks.KindPush, r.Result.Kind)
			assert.Equal(s.t, "lineq-push-default", r.Queue)
			assert.Equal(s.t, 1, s.mustBegin().Attempts)
		},
		"again, for another queue": func(s sheet) {
			s.reserve("lineq-push-default")
			assert.Equal(s.t, record.Reserved{Queue: "lineq-push-default", Same: true, Known: true}, s.reserve("lineq-urgent"))
			assert.Equal(s.t, "lineq-push-default", s.read().Queue)
		},
		"other content": func(s sheet) {
			s.reserve("lineq-push-default")
			other := s.reservation("lineq-push-default")
			other.Hash[15]++
			rs := s.store.Reserve(s.t.Context(), []record.Reservation{other})
			assert.False(s.t, rs[0].Same)
			assert.Equal(s.t, record.Go, s.begin().Verdict, "the first content counts")
		},
		"a decided task": func(s sheet) {
			s.reserve("lineq-push-default")
			s.end(s.mustBegin(), accepted)
			assert.Equal(s.t, record.Reserved{
				Queue: "lineq-push-default", Same: true, Outcome: tasks.OutcomeSent, Known: true,
			}, s.reserve("lineq-push-default"))
			s.stands(tasks.OutcomeSent)
		},
		"a task that was cancelled before anybody knew its content": func(s sheet) {
			s.cancel()
			r := s.reserve("lineq-push-default")
			assert.True(s.t, r.Same)
			assert.Equal(s.t, tasks.OutcomeCancelled, r.Outcome)
		},
		"none": func(s sheet) { assert.Empty(s.t, s.store.Reserve(s.t.Context(), nil)) },
		"many, in their order, also on a server that doesn't know the script": func(s sheet) {
			require.NoError(s.t, s.rdb.ScriptFlush(s.t.Context()).Err())
			for _, known := range []bool{false, true} {
				var rs []record.Reservation
				for i := range 500 {
					r := s.reservation(fmt.Sprint("queue-", i))
					r.ID = fmt.Sprintf("%s-%d", s.ref.ID, i)
					rs = append(rs, r)
				}
				for i, r := range s.store.Reserve(s.t.Context(), rs) {
					assert.Equal(s.t, record.Reserved{Queue: fmt.Sprint("queue-", i), Same: true, Known: known}, r)
				}
			}
		},
	})
}

func TestReserveTellsErrorsApart(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		good, bad := newSheet(t, rdb), newSheet(t, rdb)
		require.NoError(t, rdb.Set(t.Context(), bad.key(), "no hash", 0).Err())
		rs := good.store.Reserve(t.Context(), []record.Reservation{bad.reservation("q"), good.reservation("q")})
		require.Len(t, rs, 2)
		assert.ErrorContains(t, rs[0].Err, "reserve "+bad.ref.String()+": ")
		assert.Equal(t, record.Reserved{Queue: "q", Same: true}, rs[1])
	})
}
