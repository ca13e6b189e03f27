package record_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

// TestOnce is the promise of this package as a model: whatever up to three runs of one task do, in whatever order, and
// whatever becomes of their calls,
//
//   - LINE does the task once, and once more at most for each Reopen that said risky; never twice under one key;
//   - sent means that LINE has it; failed and cancelled, that LINE doesn't have it;
//   - an answer "accepted" that was heard makes it sent, for ever;
//   - unknown stands only where an attempt's fate was never heard.
//
// It is assumed that LINE remembers a retry key for 24 hours from its first acceptance and a resume key for 14 days, and
// that a call reaches LINE less than an hour after its attempt was opened, however long its run is frozen: that hour is
// the horizon's margin.
func TestOnce(t *testing.T) {
	t.Run("miniredis", func(t *testing.T) {
		_, rdb := redistest.Mini(t)
		rapid.Check(t, func(t *rapid.T) { checkOnce(t, rdb) })
	})
	t.Run("redis-server", func(t *testing.T) {
		rdb := redistest.Start(t, "--appendonly", "no").Client(t)
		rapid.Check(t, func(t *rapid.T) { checkOnce(t, rdb) })
	})
}

// model is one task, LINE, and those who run it.
type model struct {
	sheet sheet
	class endpoint.Class
	now   time.Duration // since the beginning

	runs [3]*run // one of each worker, whose id is the index; nil: nothing begun

	acceptedAt map[string]time.Duration // LINE's memory: when it first accepted each retry key
	done       map[string]int           // how often LINE did the task, by key
	risks      int                      // how many a Reopen said risky
	heard      bool                     // that LINE accepted it
	doubtful   map[string]bool          // attempts that were not heard of, by token
}

// run is one attempt, as the worker sees it that made it.
type run struct {
	record.Begun
	at     time.Duration
	answer *record.Answer // what it will tell, once it has called
}

func checkOnce(t *rapid.T, rdb redis.UniversalClient) {
	m := &model{
		sheet: newSheet(t, rdb), class: rapid.SampledFrom([]endpoint.Class{
			endpoint.RetryKey, endpoint.RetryKey, endpoint.ResumeKey, endpoint.NotRepeatable,
		}).Draw(t, "class"),
		acceptedAt: map[string]time.Duration{}, done: map[string]int{}, doubtful: map[string]bool{},
	}
	t.Repeat(map[string]func(*rapid.T){
		"begin":   m.begin,
		"call":    m.call,
		"end":     m.end,
		"die":     m.die,
		"abandon": m.abandon,
		"wait":    m.wait,
		"cancel":  m.cancel,
		"reopen":  m.reopen,
		"":        m.check,
	})
}

// pick chooses a run that is in the wanted state, or skips the step.
func (m *model) pick(t *rapid.T, wanted func(*run) bool) int {
	var which []int
	for i, r := range m.runs {
		if wanted(r) {
			which = append(which, i)
		}
	}
	if len(which) == 0 {
		t.Skip("no such run")
	}
	return rapid.SampledFrom(which).Draw(t, "run")
}

func (m *model) begin(t *rapid.T) {
	i := m.pick(t, func(r *run) bool { return r == nil })
	a := m.sheet.attempt()
	a.Repeatable, a.Worker = m.class.Repeatable(), strconv.Itoa(i)
	b := m.sheet.beginAs(a)
	if b.Verdict != record.Go {
		return
	}
	m.runs[i] = &run{Begun: b, at: m.now}
	m.doubtful[b.Token] = true
}

// call reaches LINE, and what LINE does may reach the run or not.
func (m *model) call(t *rapid.T) {
	r := m.runs[m.pick(t, func(r *run) bool { return r != nil && r.answer == nil })]
	switch rapid.SampledFrom([]string{
		"accept", "accept", "accept, answer lost", "fail, answer lost", "refuse", "refuse for now", "never left",
	}).Draw(t, "LINE") {
	case "accept":
		r.answer = m.accept(r)
	case "accept, answer lost":
		m.accept(r)
		r.answer = m.lost()
	case "fail, answer lost":
		r.answer = m.lost()
	case "refuse":
		r.answer = &refused
	default:
		r.answer = &limited
	}
}

// accept is what LINE does with a request that it takes: without a key it does it each time, with a key once.
func (m *model) accept(r *run) *record.Answer {
	if m.now-r.at >= time.Hour {
		return m.lost() // the connection is long dead
	}
	key := strconv.Itoa(r.Generation)
	memory := 24 * time.Hour
	switch m.class {
	case endpoint.ResumeKey:
		memory *= 14
	case endpoint.NotRepeatable:
		key = r.Token
	}
	a := accepted
	if at, ok := m.acceptedAt[key]; ok && m.now-at < memory {
		a.Replayed = m.class == endpoint.RetryKey // a batch that goes on is answered like the first
		return &a
	}
	m.acceptedAt[key] = m.now
	m.done[key]++
	return &a
}

// lost is final where a repeat would do harm.
func (m *model) lost() *record.Answer {
	if m.class.Repeatable() {
		return &lost
	}
	return &lostFinal
}

func (m *model) end(t *rapid.T) {
	i := m.pick(t, func(r *run) bool { return r != nil && r.answer != nil })
	r := m.runs[i]
	m.runs[i] = nil
	m.sheet.end(r.Begun, *r.answer)
	m.heard = m.heard || r.answer.Evidence == record.Accepted
	if r.answer.Evidence == record.Refused {
		delete(m.doubtful, r.Token)
	}
}

// die leaves an attempt behind that nobody will hear of.
func (m *model) die(t *rapid.T) {
	m.runs[m.pick(t, func(r *run) bool { return r != nil })] = nil
}

// abandon takes some workers for dead, whether they are or not. What they do later is told late.
func (m *model) abandon(t *rapid.T) {
	living := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"0", "1", "2"}), rapid.ID).Draw(t, "living")
	_, err := m.sheet.store.Abandon(t.Context(), m.sheet.ref, living)
	require.NoError(t, err)
}

func (m *model) wait(t *rapid.T) {
	d := rapid.SampledFrom([]time.Duration{
		time.Second, untilDead, untilDead, 50 * time.Minute, 12 * hour, 23 * hour, 23*hour + time.Second, 25 * hour,
	}).Draw(t, "time")
	m.now += d
	m.sheet.pass(d)
}

func (m *model) cancel(*rapid.T) { m.sheet.cancel() }

func (m *model) reopen(t *rapid.T) {
	risky, err := m.sheet.store.Reopen(t.Context(), m.sheet.ref, m.class)
	if err == nil && risky {
		m.risks++
	}
}

func (m *model) check(t *rapid.T) {
	times := 0
	for key, n := range m.done {
		require.LessOrEqual(t, n, 1, "LINE did it twice under the key %s", key)
		times += n
	}
	require.LessOrEqual(t, times, 1+m.risks, "LINE did it %d times, and Run said risky %d times", times, m.risks)

	r, err := m.sheet.store.Read(t.Context(), m.sheet.ref)
	if err != nil {
		require.ErrorIs(t, err, record.ErrNotFound)
		return
	}
	switch r.Result.Outcome {
	case tasks.OutcomeSent:
		require.Positive(t, times, "sent, and LINE never had it")
	case tasks.OutcomeFailed, tasks.OutcomeCancelled:
		require.Zero(t, times, "%s, and LINE has it", r.Result.Outcome)
	case tasks.OutcomeUnknown:
		require.NotEmpty(t, m.doubtful, "unknown, and every attempt was heard of")
	}
	if m.heard {
		require.Equal(t, tasks.OutcomeSent, r.Result.Outcome, "LINE was heard to have it")
	}
	require.Equal(t, r.Result.Outcome == "", m.sheet.rdb.PTTL(t.Context(), m.sheet.key()).Val() == -1,
		"a record is kept for ever until it is decided, and not longer")
}
