package record_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestRead(t *testing.T) {
	each(t, map[string]func(s sheet){
		"nothing": func(s sheet) {
			_, err := s.store.Read(s.t.Context(), s.ref)
			assert.ErrorIs(s.t, err, record.ErrNotFound)
		},
		"data without a record": func(s sheet) {
			require.NoError(s.t, s.store.KeepData(s.t.Context(), s.ref, []byte(`{}`), 0))
			_, err := s.store.Read(s.t.Context(), s.ref)
			assert.ErrorIs(s.t, err, record.ErrNotFound)
		},
		"what a lookup found": func(s sheet) {
			b := s.mustBegin()
			require.NoError(s.t, s.store.KeepData(s.t.Context(), s.ref, []byte(`{"displayName":"LINE taro"}`), 0))
			s.end(b, accepted)
			assert.JSONEq(s.t, `{"displayName":"LINE taro"}`, string(s.read().Result.Data))
			assert.InDelta(s.t, keptSent, s.rdb.PTTL(s.t.Context(), s.key()+":data").Val(), float64(time.Minute))
		},
		"data wins over progress": func(s sheet) {
			s.end(s.mustBegin(), record.Answer{Evidence: record.Accepted, Progress: `{"done":"created"}`})
			require.NoError(s.t, s.store.KeepData(s.t.Context(), s.ref, []byte(`{"richMenuId":"x"}`), 0))
			assert.JSONEq(s.t, `{"richMenuId":"x"}`, string(s.read().Result.Data))
		},
		"data that lives shorter than the record": func(s sheet) {
			s.end(s.mustBegin(), accepted)
			require.NoError(s.t, s.store.KeepData(s.t.Context(), s.ref, []byte(`{"linkToken":"x"}`), 10*time.Minute))
			assert.InDelta(s.t, 10*time.Minute, s.rdb.PTTL(s.t.Context(), s.key()+":data").Val(), float64(time.Minute))
		},
		"the payload": func(s sheet) {
			_, err := s.store.Payload(s.t.Context(), s.ref)
			assert.ErrorIs(s.t, err, record.ErrNotFound)
			require.NoError(s.t, s.store.KeepPayload(s.t.Context(), s.ref, []byte("{\x00\xff}")))
			b, err := s.store.Payload(s.t.Context(), s.ref)
			require.NoError(s.t, err)
			assert.Equal(s.t, "{\x00\xff}", string(b))
			assert.InDelta(s.t, keptFailed, s.rdb.PTTL(s.t.Context(), s.key()+":payload").Val(), float64(time.Minute))
		},
		"tasks of one id in two channels": func(s sheet) {
			s.end(s.mustBegin(), accepted)
			other := s.ref
			other.Channel = "other"
			_, err := s.store.Read(s.t.Context(), other)
			assert.ErrorIs(s.t, err, record.ErrNotFound)
		},
	})
}

func TestRetentionCanBeSet(t *testing.T) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newSheet(t, rdb)
		s.store = record.New(rdb, record.Retention{Sent: 30 * hour, Failed: 3 * hour})
		lives := func(suffix string, want time.Duration) {
			t.Helper()
			assert.InDelta(t, want, rdb.PTTL(t.Context(), s.key()+suffix).Val(), float64(time.Minute))
		}
		require.NoError(t, s.store.KeepPayload(t.Context(), s.ref, []byte("{}")))
		lives(":payload", 3*hour)
		require.NoError(t, s.store.KeepData(t.Context(), s.ref, []byte("{}"), 0))
		lives(":data", 30*hour)

		b := s.mustBegin()
		s.cancel()
		lives("", 3*hour)
		s.end(b, accepted)
		lives("", 30*hour)

		s.ref.ID += "-2"
		a := s.attempt()
		a.Deadline = time.Now().Add(-hour)
		s.beginAs(a)
		lives("", 3*hour)
		s.reopen("K")
		s.end(s.mustBegin(), refused)
		lives("", 3*hour)
	})
}

func TestParseRef(t *testing.T) {
	for _, ref := range []record.Ref{{Channel: "default", ID: "a"}, {Channel: "a.b_c-1", ID: "order:42:x"}} {
		got, err := record.ParseRef(ref.String())
		require.NoError(t, err)
		assert.Equal(t, ref, got)
	}
	for _, s := range []string{"", "a", "a:", ":a", "a b:c", "a:b c", strings.Repeat("x", 65) + ":a"} {
		_, err := record.ParseRef(s)
		assert.Error(t, err, s)
	}
}

// A record of a typical task is small: a million of them are a quarter of a gigabyte.
func TestSizeOfARecord(t *testing.T) {
	rdb := redistest.Start(t).Client(t)
	s := newSheet(t, rdb) // with an ID as producers make them
	b := s.mustBegin()
	s.end(b, record.Answer{Evidence: record.Accepted, Final: true, RequestID: "b3c1a2d4-5e6f-4a7b-8c9d-0e1f2a3b4c5d"})
	s.stands(tasks.OutcomeSent)
	size, err := rdb.MemoryUsage(t.Context(), s.key()).Result()
	require.NoError(t, err)
	t.Logf("the record of a sent push takes %d bytes", size)
	assert.Less(t, size, int64(250))
}
