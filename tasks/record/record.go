// Package record keeps in Redis what becomes of each task: which attempts were opened, which were answered, how it ended.
// It is what makes "once" true: a worker calls LINE only between [Store.Begin] and [Store.End].
//
// A record is one small hash under lineq:{<channel>:t:<id>}. Beside it stand the payload of a task that failed or is
// unknown, so that it can be run again, and the data that a lookup found. Every script takes one key and Redis's own
// clock, so all of it runs on Redis Cluster and under workers whose clocks differ.
package record

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
)

//go:embed begin.lua
var beginLua string

//go:embed end.lua
var endLua string

//go:embed reserve.lua
var reserveLua string

//go:embed cancel.lua
var cancelLua string

//go:embed reopen.lua
var reopenLua string

//go:embed abandon.lua
var abandonLua string

//go:embed earlier.lua
var earlierLua string

var (
	beginScript   = redis.NewScript(earlierLua + beginLua)
	endScript     = redis.NewScript(earlierLua + endLua)
	reserveScript = redis.NewScript(reserveLua)
	cancelScript  = redis.NewScript(cancelLua)
	reopenScript  = redis.NewScript(earlierLua + reopenLua)
	abandonScript = redis.NewScript(earlierLua + abandonLua)
)

// Retention is how long a decided task's record is kept. A record that isn't decided stays.
type Retention struct {
	Sent   time.Duration // zero: 48 hours; below 24 hours LINE's memory of the retry key outlives ours
	Failed time.Duration // failed, unknown and cancelled, with the payload; zero: 7 days
}

// Store reads and writes records. It is safe for concurrent use.
type Store struct {
	rdb       redis.UniversalClient
	retention Retention
}

// New returns a store on rdb.
func New(rdb redis.UniversalClient, retention Retention) *Store {
	if retention.Sent == 0 {
		retention.Sent = 48 * time.Hour
	}
	if retention.Failed == 0 {
		retention.Failed = 7 * 24 * time.Hour
	}
	return &Store{rdb, retention}
}

// Hash is a fingerprint of a task's content, see tasks.Envelope.Hash. The record keeps its first half. The zero value is
// of content that can't be read; it isn't compared.
type Hash = [32]byte

func short(h Hash) string {
	if h == (Hash{}) {
		return ""
	}
	return string(h[:16])
}

// Attempt is what Begin is asked for.
type Attempt struct {
	Ref
	Kind    tasks.Kind
	Queue   string
	Hash    Hash
	Timeout time.Duration // the call's; two seconds later another run may take the attempt for dead
	// Repeatable tells whether the call may be made again after one whose answer was lost.
	Repeatable bool
	Deadline   time.Time // zero: none
	// Worker is the id of the worker that makes the attempt, for Abandon; letters and digits. Empty: nobody can give the
	// attempt up before its time is over.
	Worker string
}

// Verdict is Begin's answer.
type Verdict string

const (
	Go      Verdict = "go"      // the attempt is open: call LINE, then End
	Busy    Verdict = "busy"    // another run's attempt is live: come back after Wait
	Decided Verdict = "decided" // there is an outcome: don't call
	Other   Verdict = "other"   // the record is of other content under the same id: don't call
)

// Begun is what Begin found.
type Begun struct {
	Verdict    Verdict
	Token      string        // of the attempt, for End
	Attempts   int           // with this one
	Generation int           // of the retry key
	Open       bool          // an earlier attempt's answer was lost
	Progress   string        // of a task of several steps
	Wait       time.Duration // with Busy
	Decision   Decision      // with Decided
}

// Decision is how a task stands in its record after Begin or End.
type Decision struct {
	Outcome   tasks.Outcome // empty while undecided
	Fresh     bool          // this very call decided it
	Reason    lineapi.Reason
	Error     string
	RequestID string
	Replayed  bool
	Attempts  int
}

// attemptMargin is how long after a call's timeout its attempt counts as live: the way back to Redis takes time, too.
const attemptMargin = 2 * time.Second

// Begin opens an attempt, unless the task is decided or another run's attempt is live. What it returns is written: a
// worker that dies after it leaves an attempt open that nobody heard the end of, and the next Begin knows. Where that one
// may not be repeated any more, or the deadline has passed, Begin decides. While Redis doesn't answer, Begin and End try
// again until the deadline of ctx, if it has one.
func (s *Store) Begin(ctx context.Context, a Attempt) (Begun, error) {
	token := newToken(a.Worker)
	deadline := int64(0)
	if !a.Deadline.IsZero() {
		deadline = a.Deadline.UnixMilli()
	}
	v, err := s.insist(ctx, beginScript, a.key(), token, (a.Timeout + attemptMargin).Milliseconds(),
		tasks.Horizon.Milliseconds(), s.retention.Failed.Milliseconds(), short(a.Hash), flag(a.Repeatable), deadline,
		string(a.Kind), a.Queue)
	if err != nil {
		return Begun{}, fmt.Errorf("begin %s: %w", a.Ref, err)
	}
	switch b := (Begun{Verdict: Verdict(v[0]), Token: token}); b.Verdict {
	case Go:
		b.Attempts, b.Generation, b.Open, b.Progress = number(v[1]), number(v[2]), v[3] == "1", v[4]
		return b, nil
	case Busy:
		b.Wait = time.Duration(number(v[1])) * time.Millisecond
		return b, nil
	case Decided:
		b.Decision = decision(v[1:])
		return b, nil
	default:
		return b, nil
	}
}

// Evidence is what an attempt's end proves.
type Evidence string

const (
	Accepted Evidence = "accepted" // LINE has the request
	Refused  Evidence = "refused"  // LINE certainly doesn't
	Lost     Evidence = "lost"     // LINE may have it
)

// Answer is what became of an attempt.
type Answer struct {
	Evidence Evidence
	// Final tells that no other attempt shall follow.
	Final bool
	// AfterOpen is the outcome of a final refusal when an earlier attempt's answer was lost; zero: unknown.
	AfterOpen tasks.Outcome
	Reason    lineapi.Reason
	Error     string
	RequestID string
	// Status is LINE's; 0: there was no answer.
	Status   int
	Replayed bool
	// Progress is kept instead of an outcome when an accepted attempt was one step of several.
	Progress string
	// Unmade tells of a refused attempt that no request was made after all, since its turn within LINE's limits had passed:
	// it doesn't count.
	Unmade bool
}

// End closes the attempt that Begin opened. It may come late. After another run has decided, it raises unknown to what is
// certain, or changes nothing; while another run's attempt is live, only an acceptance decides. A second time it changes
// nothing.
func (s *Store) End(ctx context.Context, b Begun, ref Ref, a Answer) (Decision, error) {
	v, err := s.insist(ctx, endScript, ref.key(), b.Token, string(a.Evidence), flag(a.Final),
		string(a.AfterOpen), string(a.Reason), a.Error, a.RequestID, flag(a.Replayed),
		s.retention.Sent.Milliseconds(), s.retention.Failed.Milliseconds(), a.Progress, flag(a.Unmade),
		a.Status, b.Attempts)
	if err != nil {
		return Decision{}, fmt.Errorf("end %s: %w", ref, err)
	}
	return decision(v), nil
}

// decision reads the end of begin's and end's answers.
func decision(v []string) Decision {
	return Decision{
		Outcome: tasks.Outcome(v[0]), Fresh: v[1] == "1", Reason: lineapi.Reason(v[2]), Error: v[3],
		RequestID: v[4], Replayed: v[5] == "1", Attempts: number(v[6]),
	}
}

// newToken is random, behind the id of the worker where there is one.
func newToken(worker string) string {
	var b [6]byte
	rand.Read(b[:])
	if worker != "" {
		worker += "."
	}
	return worker + hex.EncodeToString(b[:])
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
