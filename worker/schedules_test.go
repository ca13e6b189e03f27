package worker_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
	"github.com/lineq/lineq/tasks/schedule"
	"github.com/lineq/lineq/worker"
)

// schedule makes one that pushes to user 1, or sends a campaign where audience is a command.
func (s *stage) schedule(t *testing.T, id, cron, command string) {
	t.Helper()
	messages := []lineapi.Message{lineapi.Text(secretText)}
	sc := producer.Schedule{ID: id, Cron: cron, Zone: "Asia/Tokyo"}
	if command == "" {
		sc.Task = tasks.Push{To: user(1), Messages: messages}
	} else {
		sc.Campaign, sc.Command = &producer.Campaign{Messages: messages}, command
	}
	_, err := s.q.Schedule(t.Context(), sc)
	require.NoError(t, err)
}

// ran waits until the last run of a schedule has come so far, and perhaps its outcome.
func (s *stage) ran(t *testing.T, id string, state schedule.RunState, outcome tasks.Outcome) schedule.Run {
	t.Helper()
	var last schedule.Run
	require.Eventually(t, func() bool {
		sum, err := s.q.ScheduleSummary(t.Context(), id)
		require.NoError(t, err)
		if sum.Last != nil {
			last = *sum.Last
		}
		return last.State == state && last.Outcome == string(outcome)
	}, 30*time.Second, 5*time.Millisecond)
	return last
}

// ticksLogged are the IDs of the pushes in the delivery log, each once.
func (s *stage) ticksLogged(t *testing.T) map[string]int {
	t.Helper()
	lines, err := s.records.LogTail(t.Context(), "default", 1000)
	require.NoError(t, err)
	times := map[string]int{}
	for _, l := range lines {
		if l.Kind == tasks.KindPush {
			require.Equal(t, tasks.OutcomeSent, l.Outcome)
			times[l.ID]++
		}
	}
	return times
}

const never = "0 0 29 2 *" // but every four years

// TestThreeWorkersOneKilled runs a tick a second, in three processes of which one is killed in the middle.
func TestThreeWorkersOneKilled(t *testing.T) {
	server := redistest.Start(t)
	s := newStage(t, server.Client(t), linesim.Config{})
	first, _ := s.launch(t, server.Addr, atRandom)
	s.launch(t, server.Addr, atRandom)
	s.launch(t, server.Addr, atRandom)
	s.schedule(t, "fast", "@every 1s", "")
	after := func(ticks int) {
		require.Eventually(t, func() bool { return len(s.ticksLogged(t)) >= ticks }, time.Minute, 20*time.Millisecond)
	}
	after(4)
	require.NoError(t, first.Process.Kill())
	after(16)
	sum, err := s.q.PauseSchedule(t.Context(), "fast")
	require.NoError(t, err)
	var last string
	require.Eventually(t, func() bool { // what the killed one had in hand is done by another
		sum, err = s.q.ScheduleSummary(t.Context(), "fast")
		require.NoError(t, err)
		last = sum.Last.ID
		waiting := 0
		for _, err := range s.q.Tasks(t.Context(), producer.Filter{}) {
			require.NoError(t, err)
			waiting++
		}
		return sum.Last.State == schedule.RunEnqueued && waiting == 0
	}, time.Minute, 20*time.Millisecond)

	ran := s.ticksLogged(t)
	begin := sum.CreatedAt.Truncate(time.Second).Add(time.Second)
	n := 0
	for at := begin; ; at = at.Add(time.Second) {
		tick := schedule.Tick{Spec: schedule.Spec{ID: "fast"}, At: at}
		assert.Contains(t, ran, tick.ID(), "every tick has run")
		n++
		if tick.ID() == last {
			break
		}
	}
	assert.Len(t, ran, n)
	assert.Equal(t, n, s.line.Ledger().Count(user(1)), "each once, by LINE's ledger")
}

// TestTickSurvives kills a worker over a tick, and lets another finish.
func TestTickSurvives(t *testing.T) {
	for _, c := range []crash{afterClaim, beforeDone} {
		t.Run(string(c), func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := newStage(t, server.Client(t), linesim.Config{})
			s.schedule(t, "once", never, "")
			sum, err := s.q.RunSchedule(t.Context(), "once")
			require.NoError(t, err)
			s.doomedWorker(t, server.Addr, c)
			s.ran(t, "once", schedule.RunStarted, "")
			require.NoError(t, s.rdb.HSet(t.Context(), "lineq:{s:once}", "until", 1).Err()) // ten seconds later
			s.work(t)
			last := s.ran(t, "once", schedule.RunEnqueued, tasks.OutcomeSent)
			assert.Equal(t, sum.Last.ID, last.ID)
			assert.Equal(t, 1, s.line.Ledger().Count(user(1)))
		})
	}
}

func TestTickOfAnyKind(t *testing.T) {
	s := onMini(t)
	s.work(t)
	_, err := s.q.Schedule(t.Context(), producer.Schedule{
		ID: "profile", Cron: never, Zone: "Asia/Tokyo", Task: tasks.Profile{UserID: user(1)}, Urgent: true, Expire: time.Hour,
	})
	require.NoError(t, err)
	_, err = s.q.RunSchedule(t.Context(), "profile")
	require.NoError(t, err)
	last := s.ran(t, "profile", schedule.RunEnqueued, tasks.OutcomeSent)
	r, err := s.q.Result(t.Context(), last.ID)
	require.NoError(t, err)
	assert.Equal(t, tasks.KindProfile, r.Kind)
	assert.NotEmpty(t, r.Data)
}

func TestTickAlreadyTaken(t *testing.T) {
	s := onMini(t)
	s.schedule(t, "taken", never, "")
	sum, err := s.q.RunSchedule(t.Context(), "taken")
	require.NoError(t, err)
	_, err = s.q.Enqueue(t.Context(), tasks.UnlinkRichMenu{UserID: user(2)}, producer.ID(sum.Last.ID))
	require.NoError(t, err)
	s.work(t)
	assert.Contains(t, s.ran(t, "taken", schedule.RunFailing, "").Error, "another task has this id")
}

func TestTickExpires(t *testing.T) {
	m, rdb := redistest.Mini(t)
	s := newStage(t, rdb, linesim.Config{})
	_, err := s.q.Schedule(t.Context(), producer.Schedule{
		ID: "late", Cron: "@every 1h", Expire: time.Minute, Task: tasks.Push{To: user(1), Messages: []lineapi.Message{lineapi.Text("a")}},
	})
	require.NoError(t, err)
	m.SetTime(time.Now().Add(time.Hour + 5*time.Minute))
	s.work(t)
	last := s.ran(t, "late", schedule.RunEnqueued, tasks.OutcomeFailed)
	assert.Equal(t, lineapi.Expired, last.Reason)
	assert.Zero(t, s.line.Ledger().Count(user(1)))
}

// TestTickMissed looks at what is told of a tick that doesn't run.
func TestTickMissed(t *testing.T) {
	s := onMini(t)
	s.schedule(t, "missed", "@every 24h", "")
	past := time.Now().Add(-3 * time.Hour).Truncate(time.Second)
	require.NoError(t, s.rdb.HSet(t.Context(), "lineq:{s:missed}", "next", past.UnixMilli(),
		"created", past.Add(-24*time.Hour).UnixMilli()).Err())
	s.work(t)
	s.ran(t, "missed", schedule.RunMissed, "")
	var lines []record.Line
	require.Eventually(t, func() bool {
		var err error
		lines, err = s.records.LogTail(t.Context(), "default", 10)
		return err == nil && len(lines) == 1
	}, 10*time.Second, 5*time.Millisecond)
	assert.Equal(t, schedule.KindSchedule, lines[0].Kind)
	assert.Equal(t, tasks.OutcomeFailed, lines[0].Outcome)
	assert.Equal(t, schedule.ReasonMissed, lines[0].Reason)
	assert.True(t, strings.HasPrefix(lines[0].ID, "missed@"), lines[0].ID)
	assert.NotZero(t, s.logs.FilterMessage("schedule: a tick didn't run").Len())
}

// TestScheduledCampaign lets the hook fail, succeed, and be stopped.
func TestScheduledCampaign(t *testing.T) {
	hooked := func(hook func(context.Context, schedule.Tick) error) func(*worker.Config) {
		return func(c *worker.Config) { c.ScheduledCampaign, c.ScheduleCommands = hook, true }
	}
	start := func(t *testing.T) *stage {
		s := onMini(t)
		s.schedule(t, "weekly", never, "members")
		_, err := s.q.RunSchedule(t.Context(), "weekly")
		require.NoError(t, err)
		return s
	}
	t.Run("a second try", func(t *testing.T) {
		s := start(t)
		var tries atomic.Int32
		s.work(t, hooked(func(_ context.Context, tick schedule.Tick) error {
			assert.Equal(t, "members", tick.Spec.Campaign.Command)
			if tries.Add(1) == 1 {
				return errors.New("no such file")
			}
			return nil
		}))
		assert.Equal(t, "no such file", s.ran(t, "weekly", schedule.RunFailing, "").Error)
		s.ran(t, "weekly", schedule.RunEnqueued, "")
		assert.EqualValues(t, 2, tries.Load())
	})
	t.Run("the worker stops over it", func(t *testing.T) {
		s := start(t)
		begun := make(chan struct{})
		stop := s.work(t, hooked(func(ctx context.Context, _ schedule.Tick) error {
			close(begun)
			<-ctx.Done()
			return ctx.Err()
		}))
		<-begun
		stop()
		s.work(t, hooked(func(context.Context, schedule.Tick) error { return nil }))
		s.ran(t, "weekly", schedule.RunEnqueued, "")
	})
	t.Run("left to one that can", func(t *testing.T) {
		s := start(t)
		s.work(t)
		s.work(t, func(c *worker.Config) {
			c.ScheduledCampaign = func(context.Context, schedule.Tick) error { return errors.New("not this one") }
		})
		s.work(t, hooked(func(context.Context, schedule.Tick) error { return nil }))
		s.ran(t, "weekly", schedule.RunEnqueued, "")
		assert.Zero(t, s.logs.FilterMessage("schedule: a tick fails, and is tried again").Len())
	})
	for says, adapt := range map[string]func(*worker.Config){
		"no worker takes in campaigns for schedules": func(*worker.Config) {},
		"start one with --schedule-commands": func(c *worker.Config) {
			c.ScheduledCampaign = func(context.Context, schedule.Tick) error { return nil }
		},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.work(t, adapt)
			assert.Contains(t, s.ran(t, "weekly", schedule.RunFailing, "").Error, says)
		})
	}
}

func TestScheduleOfNewerVersion(t *testing.T) {
	s := onMini(t)
	s.schedule(t, "future", never, "")
	require.NoError(t, s.rdb.HSet(t.Context(), "lineq:{s:future}", "spec", `{"v":99}`, "next", 1).Err())
	s.work(t)
	require.Eventually(t, func() bool { return s.logs.FilterMessage("schedule left for a newer worker").Len() == 1 },
		10*time.Second, 5*time.Millisecond)
}
