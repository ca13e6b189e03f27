package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// launch starts a worker in a process of its own, which lives until the test ends, and returns its id.
func (s *stage) launch(t *testing.T, redisAddr string, c crash, env ...string) (*exec.Cmd, string) {
	t.Helper()
	before := s.workers(t)
	cmd := s.otherWorker(redisAddr, c)
	cmd.Env = append(cmd.Env, env...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var id string
	require.Eventually(t, func() bool {
		for w := range s.workers(t) {
			if _, old := before[w]; !old {
				id = w
			}
		}
		return id != ""
	}, time.Minute, 5*time.Millisecond)
	return cmd, id
}

// workers are the ids of the workers that Redis knows, with the times of their last beats.
func (s *stage) workers(t *testing.T) map[string]time.Duration {
	t.Helper()
	beats, err := s.rdb.ZRangeWithScores(t.Context(), "lineq:{workers}", 0, -1).Result()
	require.NoError(t, err)
	all := map[string]time.Duration{}
	for _, b := range beats {
		all[b.Member.(string)] = time.Duration(b.Score) * time.Millisecond
	}
	return all
}

// judges waits until a worker has beaten for so long that it judges others.
func (s *stage) judges(t *testing.T, id string) {
	t.Helper()
	var first time.Duration
	require.Eventually(t, func() bool {
		last := s.workers(t)[id]
		if first == 0 {
			first = last
		}
		return last-first > 6*time.Second
	}, time.Minute, 20*time.Millisecond)
}

// claimed are the IDs in asynq of what a worker has said that it has.
func (s *stage) claimed(t *testing.T, id string) (ids []string) {
	t.Helper()
	var byQueue map[string][]string
	told := s.rdb.HGet(t.Context(), "lineq:{workers}:"+id, "claims").Val()
	require.NoError(t, json.Unmarshal([]byte(told), &byQueue))
	for _, some := range byQueue {
		ids = append(ids, some...)
	}
	return ids
}

// inProcess runs a worker here and returns its id.
func (s *stage) inProcess(t *testing.T, adapt ...func(*worker.Config)) (id string, stop func()) {
	t.Helper()
	before := s.logs.FilterMessage("worker started").Len()
	stop = s.work(t, adapt...)
	require.Eventually(t, func() bool {
		return s.logs.FilterMessage("worker started").Len() > before
	}, time.Minute, time.Millisecond)
	return s.logs.FilterMessage("worker started").All()[before].ContextMap()["worker"].(string), stop
}

// handedOn are the tasks that were handed on, by id, with the number of the copy.
func (s *stage) handedOn() map[string]int64 {
	all := map[string]int64{}
	for _, l := range s.logs.FilterMessage("handed on").All() {
		all[l.ContextMap()["task_id"].(string)] = l.ContextMap()["copy"].(int64)
	}
	return all
}

// TestKilledWorker kills a worker that has pushes, multicasts and replies under way. It is also the one that watches over
// the others.
func TestKilledWorker(t *testing.T) {
	t.Parallel()
	const pushes, multicasts, replies = 100, 40, 40
	server := redistest.Start(t)
	s := newStage(t, server.Client(t), linesim.Config{})
	doomed, doomedID := s.launch(t, server.Addr, atRandom)
	registry := prometheus.NewRegistry()
	survivor, _ := s.inProcess(t, func(cfg *worker.Config) { cfg.Metrics = registry })
	require.Equal(t, doomedID, s.rdb.Get(t.Context(), "lineq:{workers}:watcher").Val())
	s.judges(t, survivor)
	require.NoError(t, s.line.SetFaults([]linesim.Fault{
		{Kind: linesim.FaultDelay, Delay: 3 * time.Second, Count: pushes + multicasts + replies},
	}))

	tickets := s.pushMany(t, pushes)
	hi := lineapi.Text("hello")
	for i := range multicasts {
		ticket, err := s.q.Multicast(t.Context(), []string{user(1000 + 2*i), user(1001 + 2*i)}, hi)
		require.NoError(t, err)
		tickets = append(tickets, ticket)
	}
	for i := range replies {
		token, err := s.line.NewReplyToken(linesim.DefaultChannel.ID, user(2000+i))
		require.NoError(t, err)
		ticket, err := s.q.Reply(t.Context(), token, hi)
		require.NoError(t, err)
		tickets = append(tickets, ticket)
	}
	s.accepted(t, len(tickets))
	require.NoError(t, doomed.Process.Kill())
	killed := time.Now()

	handed := map[tasks.Kind]int{}
	for _, ticket := range tickets {
		r := s.wait(t, ticket)
		switch copied := s.handedOn()[ticket.ID]; {
		case copied == 0:
			require.Equal(t, tasks.OutcomeSent, r.Outcome)
			require.Equal(t, 1, r.Attempts)
		case r.Kind == tasks.KindReply:
			require.Equal(t, tasks.OutcomeUnknown, r.Outcome, "LINE takes no retry key for a reply")
		default:
			require.EqualValues(t, 1, copied)
			require.Equal(t, tasks.OutcomeSent, r.Outcome)
			require.Equal(t, 2, r.Attempts)
			require.True(t, r.Replayed)
		}
		if s.handedOn()[ticket.ID] > 0 {
			handed[r.Kind]++
		}
		s.nothingIsLeft(t, ticket)
	}
	for recipient, n := range s.line.Ledger().Counts() {
		require.Equal(t, 1, n, recipient)
	}
	assert.Equal(t, pushes+2*multicasts+replies, s.line.Ledger().Totals().Recipients)
	assert.NotEmpty(t, handed, "the killed worker had nothing")
	died := s.logs.FilterMessageSnippet("a worker died").All()
	require.Len(t, died, 1)
	assert.Equal(t, doomedID, died[0].ContextMap()["worker"])
	assert.EqualValues(t, doomed.Process.Pid, number(t, died[0].ContextMap()["pid"]))
	assert.LessOrEqual(t, s.logs.FilterMessageSnippet("handed on").FilterLevelExact(zap.WarnLevel).Len(), 4, "no line per task")
	assert.NotContains(t, s.workers(t), doomedID)
	assert.Equal(t, map[string]float64{"": 1}, values(t, registry, "lineq_dead_workers_total"))
	assert.Equal(t, map[string]float64{"": float64(len(s.handedOn()))}, values(t, registry, "lineq_handed_on_total"))

	var first, last time.Duration
	for _, l := range s.logs.FilterField(zap.Int("attempt", 2)).All() {
		last = l.Time.Sub(killed)
		if first == 0 {
			first = last
		}
	}
	t.Logf("handed on: %v; from kill -9 to the next attempt's end: first %v, last %v", handed, first, last)
}

func number(t *testing.T, v any) (n int) {
	t.Helper()
	_, err := fmt.Sscan(v.(string), &n)
	require.NoError(t, err)
	return n
}

// TestFrozenWorkers stops a worker at every step of a task, lets another take it for dead, and wakes it up. Each case has a
// Redis of its own: on a busy machine the workers of one case would run the tasks of another.
func TestFrozenWorkers(t *testing.T) {
	for _, c := range []crash{beforeBegin, afterBegin, onAnswer, afterEnd, afterLog} {
		for _, kind := range []tasks.Kind{tasks.KindPush, tasks.KindReply} {
			t.Run(string(kind)+" frozen "+string(c), func(t *testing.T) {
				t.Parallel()
				// Until the frozen one says what it has heard.
				meanwhile := tasks.OutcomeSent
				if kind == tasks.KindReply && (c == afterBegin || c == onAnswer) {
					meanwhile = tasks.OutcomeUnknown
				}
				freezeAndWake(t, c, kind, meanwhile)
			})
		}
	}
}

func freezeAndWake(t *testing.T, c crash, kind tasks.Kind, meanwhile tasks.Outcome) {
	server := redistest.Start(t)
	s := newStage(t, server.Client(t), linesim.Config{})
	cmd, frozen := s.launch(t, server.Addr, c, "DOOMED_TO=freeze")
	ticket := s.enqueueOne(t, kind, user(1))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(t, err)
	require.True(t, status.Stopped())

	s.work(t)
	require.Equal(t, meanwhile, s.wait(t, ticket).Outcome)
	require.Eventually(t, func() bool { return s.handedOn()[ticket.ID] == 1 }, time.Minute, 5*time.Millisecond)
	s.nothingIsLeft(t, ticket)
	require.Eventually(t, func() bool {
		_, known := s.workers(t)[frozen]
		return !known
	}, time.Minute, 5*time.Millisecond)

	require.NoError(t, cmd.Process.Signal(syscall.SIGCONT))
	// Once it says again what it has, and that is nothing, it has done all that it had in mind.
	require.Eventually(t, func() bool {
		_, lives := s.workers(t)[frozen]
		return lives && len(s.claimed(t, frozen)) == 0
	}, time.Minute, 5*time.Millisecond)
	r, err := s.q.Result(t.Context(), ticket.ID)
	require.NoError(t, err)
	assert.Equal(t, tasks.OutcomeSent, r.Outcome, "what it heard from LINE counts")
	assert.Equal(t, 1, s.line.Ledger().Count(user(1)))
	s.nothingIsLeft(t, ticket)
}

// enqueueOne enqueues a push or a reply.
func (s *stage) enqueueOne(t *testing.T, kind tasks.Kind, to string) producer.Ticket {
	t.Helper()
	if kind == tasks.KindPush {
		return s.push(t, to)
	}
	token, err := s.line.NewReplyToken(linesim.DefaultChannel.ID, to)
	require.NoError(t, err)
	ticket, err := s.q.Reply(t.Context(), token, lineapi.Text("hi"))
	require.NoError(t, err)
	return ticket
}

// brings tells whether a fetch has brought something.
func brings(cmd redis.Cmder) bool {
	answer, ok := cmd.(*redis.Cmd)
	if !ok {
		return false
	}
	tasks, err := answer.Slice()
	return err == nil && len(tasks) > 0
}

// loseFetch loses the first answer to a fetch that brought a task.
type loseFetch struct{ lost atomic.Bool }

func (l *loseFetch) DialHook(next redis.DialHook) redis.DialHook { return next }
func (l *loseFetch) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (l *loseFetch) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if err == nil && isScriptOn(cmd, ":pending") && brings(cmd) && l.lost.CompareAndSwap(false, true) {
			err = errors.New("the connection broke")
			cmd.SetErr(err)
		}
		return err
	}
}

func TestLostAnswerToAFetch(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStage(t, server.Client(t), linesim.Config{})
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr})
	t.Cleanup(func() { _ = rdb.Close() })
	hook := &loseFetch{}
	rdb.AddHook(hook)
	id, _ := s.inProcess(t, func(c *worker.Config) { c.Redis = rdb })
	s.judges(t, id)
	ticket := s.push(t, user(1))
	start := time.Now()
	r := s.wait(t, ticket)
	t.Logf("from the lost answer to the outcome: %v", time.Since(start))
	require.True(t, hook.lost.Load(), "the first fetch lost no answer")
	assert.Equal(t, tasks.OutcomeSent, r.Outcome)
	assert.Equal(t, 1, r.Attempts)
	assert.Equal(t, map[string]int64{ticket.ID: 1}, s.handedOn())
	assert.Len(t, s.logs.FilterMessageSnippet("that no worker had").All(), 1)
	assert.Equal(t, 1, s.line.Ledger().Count(user(1)))
	s.nothingIsLeft(t, ticket)
}

// TestATaskThatKillsWorkers is handed on so often, and then left to asynq, which is slower.
func TestATaskThatKillsWorkers(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStage(t, server.Client(t), linesim.Config{})
	// A worker of another channel watches as well, and can't run the task.
	id, _ := s.inProcess(t, func(c *worker.Config) {
		c.Channels = map[string]*lineapi.Client{"elsewhere": s.client(t)}
	})
	s.judges(t, id)
	ticket := s.push(t, user(1))
	inspector := asynq.NewInspectorFromRedisClient(s.rdb)
	state := func(copied string) asynq.TaskState {
		info, err := inspector.GetTaskInfo(ticket.Queue, "default:"+ticket.ID+copied)
		if err != nil {
			return 0
		}
		return info.State
	}
	for _, copied := range []string{"", "~1", "~2", "~3"} {
		require.Eventually(t, func() bool { return state(copied) == asynq.TaskStatePending }, time.Minute, 5*time.Millisecond)
		s.doomedWorker(t, server.Addr, beforeBegin)
	}
	require.Eventually(t, func() bool {
		return s.logs.FilterField(zap.Int("left_to_asynq", 1)).Len() == 1
	}, time.Minute, 5*time.Millisecond)
	assert.Equal(t, asynq.TaskStateActive, state("~3"), "it stays where the last worker had it")
	assert.Zero(t, state("~4"))
	assert.Zero(t, state(""))

	r, err := s.q.Result(t.Context(), ticket.ID)
	require.NoError(t, err)
	assert.Equal(t, tasks.StateActive, r.State, "the copy is the task")
	last := ticket
	last.ID += "~3"
	s.timePasses(t, last)
	s.work(t)
	assert.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	assert.Equal(t, 1, s.line.Ledger().Count(user(1)))
}

// TestTakenAway is what a worker says whose tasks were handed on while it was frozen, and what asynq doesn't.
func TestTakenAway(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultDelay, Delay: 300 * time.Millisecond}}))
	s.work(t)
	tickets := s.pushMany(t, 10)
	s.accepted(t, len(tickets))
	for _, ticket := range tickets {
		prefix, id := "asynq:{"+ticket.Queue+"}:", "default:"+ticket.ID
		require.NoError(t, s.rdb.LRem(t.Context(), prefix+"active", 0, id).Err())
		require.NoError(t, s.rdb.ZRem(t.Context(), prefix+"lease", id).Err())
		require.NoError(t, s.rdb.Del(t.Context(), prefix+"t:"+id).Err())
	}
	for _, ticket := range tickets {
		assert.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	}
	require.Eventually(t, func() bool {
		return s.logs.FilterMessageSnippet("handed on to others").Len() == 1
	}, time.Minute, time.Millisecond)
	assert.Empty(t, s.logs.FilterLevelExact(zap.ErrorLevel).All())
	assert.Len(t, s.logs.FilterLevelExact(zap.WarnLevel).All(), 1, "one line for all of them")
}

func TestAWorkerThatStopsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	id, stop := s.inProcess(t)
	require.Eventually(t, func() bool {
		_, beats := s.workers(t)[id]
		return beats
	}, time.Minute, time.Millisecond)
	ticket := s.push(t, user(1))
	require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	stop()
	assert.Empty(t, s.rdb.Keys(t.Context(), "lineq:{workers}*").Val())
}

// TestTheOnlyWorker is killed and started again, as a supervisor does: who has just begun judges nobody for a while.
func TestTheOnlyWorker(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := newStage(t, server.Client(t), linesim.Config{})
	ticket := s.push(t, user(1))
	s.doomedWorker(t, server.Addr, onAnswer)
	killed := time.Now()
	s.work(t)
	r := s.wait(t, ticket)
	t.Logf("from kill -9 to the outcome: %v", time.Since(killed))
	assert.True(t, r.Replayed)
	assert.Equal(t, map[string]int64{ticket.ID: 1}, s.handedOn())
	assert.Equal(t, 1, s.line.Ledger().Count(user(1)))
}
