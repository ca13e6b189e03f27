package record_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

const (
	timeout   = 10 * time.Second
	untilDead = timeout + 2*time.Second
	hour      = time.Hour

	keptSent   = 48 * time.Hour
	keptFailed = 7 * 24 * time.Hour
)

// The answers that an attempt can get.
var (
	accepted = record.Answer{Evidence: record.Accepted, Final: true, RequestID: "accepted-id"}
	refused  = record.Answer{
		Evidence: record.Refused, Final: true, Reason: lineapi.Invalid, Error: "The property is invalid", RequestID: "refused-id",
	}
	limited = record.Answer{
		Evidence: record.Refused, Reason: lineapi.RateLimited, Error: "The API rate limit has been exceeded", RequestID: "limited-id",
	}
	lost      = record.Answer{Evidence: record.Lost, Reason: lineapi.Network, Error: "no answer"}
	lostFinal = record.Answer{Evidence: record.Lost, Final: true, Reason: lineapi.Network, Error: "no answer"}
)

// tester is a *testing.T or a *rapid.T.
type tester interface {
	require.TestingT
	Helper()
	Context() context.Context
	Cleanup(func())
}

// sheet is one task's record under test.
type sheet struct {
	t     tester
	rdb   redis.UniversalClient
	store *record.Store
	ref   record.Ref
}

// each runs the cases against miniredis and a real redis-server, every one with a record of its own.
func each(t *testing.T, cases map[string]func(s sheet)) {
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		for name, test := range cases {
			t.Run(name, func(t *testing.T) { test(newSheet(t, rdb)) })
		}
	})
}

func newSheet(t tester, rdb redis.UniversalClient) sheet {
	return sheet{t, rdb, record.New(rdb, record.Retention{}), record.Ref{Channel: "default", ID: rand.Text()}}
}

// repeating is the same record over a client that sends every script twice, as go-redis does when the connection breaks
// before the answer.
func (s sheet) repeating() sheet {
	rdb := redis.NewClient(s.rdb.(*redis.Client).Options())
	s.t.Cleanup(func() { _ = rdb.Close() })
	rdb.AddHook(twice{})
	return sheet{s.t, rdb, record.New(rdb, record.Retention{}), s.ref}
}

func (s sheet) key() string { return "lineq:{default:t:" + s.ref.ID + "}" }

func (s sheet) attempt() record.Attempt {
	return record.Attempt{
		Ref: s.ref, Kind: tasks.KindPush, Queue: "lineq-push-default", Hash: record.Hash{1, 2, 3}, Timeout: timeout, Repeatable: true,
	}
}

func (s sheet) beginAs(a record.Attempt) record.Begun {
	s.t.Helper()
	b, err := s.store.Begin(s.t.Context(), a)
	require.NoError(s.t, err)
	return b
}

func (s sheet) begin() record.Begun { s.t.Helper(); return s.beginAs(s.attempt()) }

// mustBegin opens an attempt.
func (s sheet) mustBegin() record.Begun {
	s.t.Helper()
	b := s.begin()
	require.Equal(s.t, record.Go, b.Verdict)
	return b
}

func (s sheet) end(b record.Begun, a record.Answer) record.Decision {
	s.t.Helper()
	d, err := s.store.End(s.t.Context(), b, s.ref, a)
	require.NoError(s.t, err)
	return d
}

// freeze opens an attempt whose run isn't heard of until it counts as dead.
func (s sheet) freeze() record.Begun {
	s.t.Helper()
	b := s.mustBegin()
	s.pass(untilDead)
	return b
}

func (s sheet) cancel() tasks.Outcome {
	s.t.Helper()
	outcome, _, err := s.store.Cancel(s.t.Context(), s.ref, tasks.KindPush, "lineq-push-default")
	require.NoError(s.t, err)
	return outcome
}

func (s sheet) read() record.Record {
	s.t.Helper()
	r, err := s.store.Read(s.t.Context(), s.ref)
	require.NoError(s.t, err)
	return r
}

func (s sheet) field(name string) string {
	return s.rdb.HGet(s.t.Context(), s.key(), name).Val()
}

// pass lets time go by for the record: what it remembers is so much longer ago.
func (s sheet) pass(d time.Duration) {
	s.t.Helper()
	for _, name := range []string{"b", "u"} {
		if s.rdb.HExists(s.t.Context(), s.key(), name).Val() {
			require.NoError(s.t, s.rdb.HIncrBy(s.t.Context(), s.key(), name, -d.Milliseconds()).Err())
		}
	}
}

// stands checks the outcome, and that the record is kept for as long as that asks for.
func (s sheet) stands(want tasks.Outcome) {
	s.t.Helper()
	assert.Equal(s.t, want, s.read().Result.Outcome)
	ttl := s.rdb.PTTL(s.t.Context(), s.key()).Val()
	switch want {
	case "":
		assert.Equal(s.t, time.Duration(-1), ttl, "an undecided record is kept for ever")
	case tasks.OutcomeSent:
		assert.InDelta(s.t, keptSent, ttl, float64(time.Minute))
	default:
		assert.InDelta(s.t, keptFailed, ttl, float64(time.Minute))
	}
}

type twice struct{}

func (twice) DialHook(next redis.DialHook) redis.DialHook { return next }

func (twice) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (twice) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if err := next(ctx, cmd); err != nil || cmd.Name() != "evalsha" && cmd.Name() != "eval" {
			return err
		}
		return next(ctx, cmd)
	}
}
