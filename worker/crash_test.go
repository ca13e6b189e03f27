package worker_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/worker"
)

// crash is a point on a task's way at which the worker's process is killed with -9.
type crash string

const (
	beforeBegin crash = "fetched, before begin"
	afterBegin  crash = "after begin, before the call"
	onAnswer    crash = "LINE has accepted, its answer is here"
	afterEnd    crash = "after end, before the delivery log"
	afterLog    crash = "after the delivery log, before the acknowledge"
	afterAck    crash = "after the acknowledge"
	afterClaim  crash = "has claimed a schedule's tick, before it is enqueued"
	beforeDone  crash = "has enqueued a schedule's tick, before that is written down"
	atRandom    crash = "whenever somebody kills it"
)

// TestCrashPoints kills a worker, a process of its own, at every step of a task, and lets another finish.
func TestCrashPoints(t *testing.T) {
	type want struct {
		outcome  tasks.Outcome
		attempts int
		replayed bool
		received int // by LINE's ledger, whatever lineq thinks
		lines    int // in the delivery log
	}
	for _, c := range []struct {
		kind  tasks.Kind
		crash crash
		want  want
	}{
		{tasks.KindPush, beforeBegin, want{tasks.OutcomeSent, 1, false, 1, 1}},
		{tasks.KindPush, afterBegin, want{tasks.OutcomeSent, 2, false, 1, 1}},
		{tasks.KindPush, onAnswer, want{tasks.OutcomeSent, 2, true, 1, 1}},
		{tasks.KindPush, afterEnd, want{tasks.OutcomeSent, 1, false, 1, 1}},
		{tasks.KindPush, afterLog, want{tasks.OutcomeSent, 1, false, 1, 2}},
		{tasks.KindPush, afterAck, want{tasks.OutcomeSent, 1, false, 1, 1}},
		{tasks.KindReply, beforeBegin, want{tasks.OutcomeSent, 1, false, 1, 1}},
		{tasks.KindReply, afterBegin, want{tasks.OutcomeUnknown, 1, false, 0, 1}},
		{tasks.KindReply, onAnswer, want{tasks.OutcomeUnknown, 1, false, 1, 1}},
		{tasks.KindReply, afterEnd, want{tasks.OutcomeSent, 1, false, 1, 1}},
		{tasks.KindReply, afterLog, want{tasks.OutcomeSent, 1, false, 1, 2}},
		{tasks.KindReply, afterAck, want{tasks.OutcomeSent, 1, false, 1, 1}},
	} {
		t.Run(string(c.kind)+" killed "+string(c.crash), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := newStage(t, server.Client(t), linesim.Config{})
			ticket := s.enqueueOne(t, c.kind, user(1))
			s.doomedWorker(t, server.Addr, c.crash)
			s.timePasses(t, ticket)
			s.work(t)
			r := s.wait(t, ticket)
			s.nothingIsLeft(t, ticket)

			lines, err := s.records.LogTail(t.Context(), "default", 10)
			require.NoError(t, err)
			assert.Equal(t, c.want, want{
				r.Outcome, r.Attempts, r.Replayed, s.line.Ledger().Count(user(1)), len(lines),
			})
		})
	}
}

// timePasses moves what asynq and the record measure in minutes to the past: the lease of the dead worker, and the time
// for which its attempt counts as live.
func (s *stage) timePasses(t *testing.T, ticket producer.Ticket) {
	t.Helper()
	ctx := t.Context()
	err := s.rdb.ZAddXX(ctx, "asynq:{"+ticket.Queue+"}:lease", redis.Z{
		Score: float64(time.Now().Add(-2 * time.Minute).Unix()), Member: ticket.Channel + ":" + ticket.ID,
	}).Err()
	require.NoError(t, err)
	key := "lineq:{" + ticket.Channel + ":t:" + ticket.ID + "}"
	if s.rdb.HExists(ctx, key, "u").Val() {
		require.NoError(t, s.rdb.HSet(ctx, key, "u", 1).Err())
	}
}

// nothingIsLeft waits until asynq has forgotten the task.
func (s *stage) nothingIsLeft(t *testing.T, ticket producer.Ticket) {
	t.Helper()
	require.Eventually(t, func() bool {
		return s.rdb.Exists(t.Context(), "asynq:{"+ticket.Queue+"}:t:"+ticket.Channel+":"+ticket.ID).Val() == 0
	}, time.Minute, 5*time.Millisecond)
}

// doomedWorker runs a worker in a process of its own until it has killed itself at the given point.
func (s *stage) doomedWorker(t *testing.T, redisAddr string, c crash) {
	t.Helper()
	err := s.otherWorker(redisAddr, c).Run()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "the worker ended by itself")
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal())
}

// otherWorker is the command of a worker in a process of its own.
func (s *stage) otherWorker(redisAddr string, c crash) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "DOOMED_AT="+string(c), "DOOMED_REDIS="+redisAddr, "DOOMED_LINE="+s.server.URL)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestMain(m *testing.M) {
	if c := os.Getenv("DOOMED_AT"); c != "" {
		runDoomed(crash(c))
	}
	os.Exit(m.Run())
}

// runDoomed is the other process.
func runDoomed(c crash) {
	rdb := redis.NewClient(&redis.Options{Addr: os.Getenv("DOOMED_REDIS")})
	if c != atRandom {
		rdb.AddHook(&killer{crash: c})
	}
	client, err := lineapi.New(lineapi.Config{
		Token:  lineapi.StaticToken(linesim.DefaultChannel.Token),
		Origin: os.Getenv("DOOMED_LINE"), DataOrigin: os.Getenv("DOOMED_LINE"),
		HTTPClient: &http.Client{Transport: killingTransport{c}},
	})
	if err != nil {
		panic(err)
	}
	w, err := worker.New(worker.Config{
		Redis: rdb, Channels: map[string]*lineapi.Client{tasks.DefaultChannel: client},
	})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.Run(ctx); err != nil {
		panic(err)
	}
	os.Exit(3) // it should have died
}

// frozen tells that the process was frozen, which happens once.
var frozen atomic.Bool

// die ends the process, or freezes it until somebody wakes it up.
func die() {
	if os.Getenv("DOOMED_TO") == "freeze" {
		if frozen.Swap(true) {
			return
		}
		woken := make(chan os.Signal, 1)
		signal.Notify(woken, syscall.SIGCONT)
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		<-woken // it may take a moment until all threads stop
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// killer kills the process around the commands that are a task's steps.
type killer struct {
	crash crash
	ends  int // scripts on the record that have succeeded
	ticks int // scripts on a schedule that have succeeded
}

func (k *killer) DialHook(next redis.DialHook) redis.DialHook { return next }
func (k *killer) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (k *killer) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		onRecord, isAck := isScriptOn(cmd, "lineq:{default:t:"), isScriptOn(cmd, "asynq:{") && isScriptOn(cmd, ":active")
		if onRecord && k.ends == 0 && k.crash == beforeBegin || isAck && k.crash == afterLog {
			die()
		}
		onSchedule := isScriptOn(cmd, "lineq:{s:")
		if onSchedule && k.ticks == 1 && k.crash == beforeDone {
			die()
		}
		err := next(ctx, cmd)
		if onRecord && err == nil {
			k.ends++
		}
		if onSchedule && err == nil {
			if k.ticks++; k.crash == afterClaim {
				die()
			}
		}
		if err == nil && (onRecord && k.ends == 1 && k.crash == afterBegin ||
			onRecord && k.ends == 2 && k.crash == afterEnd || isAck && k.crash == afterAck) {
			die()
		}
		return err
	}
}

// isScriptOn tells whether a command is a script whose first key holds a text.
func isScriptOn(cmd redis.Cmder, text string) bool {
	args := cmd.Args()
	if name := cmd.Name(); name != "evalsha" && name != "eval" || len(args) < 4 {
		return false
	}
	key, _ := args[3].(string)
	return strings.Contains(key, text)
}

// killingTransport kills the process when LINE's answer is there.
type killingTransport struct{ crash crash }

func (k killingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && k.crash == onAnswer {
		die()
	}
	return resp, err
}
