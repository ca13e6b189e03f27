package worker_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
)

// What another program puts into lineq's queues, and what another version of lineq does.

func (s *stage) enqueueRaw(t *testing.T, kind, id string, payload []byte) {
	t.Helper()
	_, err := asynq.NewClientFromRedisClient(s.rdb).Enqueue(asynq.NewTask(kind, payload),
		asynq.Queue("lineq-urgent"), asynq.TaskID(id), asynq.MaxRetry(math.MaxInt32))
	require.NoError(t, err)
}

func (s *stage) inQueue(t *testing.T, id string, want asynq.TaskState) *asynq.TaskInfo {
	t.Helper()
	var info *asynq.TaskInfo
	require.Eventually(t, func() bool {
		var err error
		info, err = asynq.NewInspectorFromRedisClient(s.rdb).GetTaskInfo("lineq-urgent", id)
		return err == nil && info.State == want
	}, time.Minute, 5*time.Millisecond)
	return info
}

func TestWhatANewerWorkerCanSendStays(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	s.work(t)
	s.enqueueRaw(t, "push", "default:newer", []byte(`{"v":2,"channel":"default","id":"newer","task":{}}`))
	s.enqueueRaw(t, "teleport", "default:unheard-of", []byte(`{"v":1,"channel":"default","id":"unheard-of","task":{}}`))
	s.enqueueRaw(t, "push", "elsewhere:1", []byte(`{"v":1,"channel":"elsewhere","id":"1","task":{}}`))

	s.enqueueRaw(t, "push", "default:newer-too", []byte(`{"v":2,"channel":"default","id":"newer-too","task":{}}`))

	newer := s.inQueue(t, "default:newer", asynq.TaskStateRetry)
	s.inQueue(t, "default:newer-too", asynq.TaskStateRetry)
	assert.Contains(t, newer.LastErr, "version 2")
	assert.Zero(t, newer.Retried, "a wait is no failed attempt")
	assert.Contains(t, s.inQueue(t, "default:unheard-of", asynq.TaskStateRetry).LastErr, "unknown kind")
	assert.Contains(t, s.inQueue(t, "elsewhere:1", asynq.TaskStateRetry).LastErr, `channel "elsewhere"`)

	r, err := s.q.Result(t.Context(), "newer")
	require.NoError(t, err)
	assert.Equal(t, tasks.StateWaiting, r.State)
	assert.Len(t, s.logs.FilterMessage("tasks left for a newer worker").All(), 2, "one for each kind")
}

func TestWhatNobodyCanReadIsRecorded(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	s.work(t)
	payload := []byte(`{"v":1,"channel":"default","id":"broken","task":{"to":7,"messages":"` + secretText + `"}}`)
	s.enqueueRaw(t, "push", "default:broken", payload)
	ticket := producer.Ticket{ID: "broken", Channel: "default", Queue: tasks.LineUrgent.Queue("default")}
	r := s.wait(t, ticket)
	s.nothingIsLeft(t, ticket)
	assert.Equal(t, tasks.OutcomeFailed, r.Outcome)
	assert.Equal(t, lineapi.Invalid, r.Reason)
	assert.Contains(t, r.Error, "decode push")
	assert.NotContains(t, r.Error, secretText)
	kept, err := s.records.Payload(t.Context(), record.Ref{Channel: "default", ID: "broken"})
	require.NoError(t, err)
	assert.Equal(t, payload, kept)

	s.enqueueRaw(t, "push", "somebody's own id", []byte("not json"))
	assert.Contains(t, s.inQueue(t, "somebody's own id", asynq.TaskStateArchived).LastErr, "decode push")
}

func TestOtherContentUnderAnID(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	s.work(t)
	first := s.push(t, user(1), producer.ID("order-1"))
	require.Equal(t, tasks.OutcomeSent, s.wait(t, first).Outcome)
	require.NoError(t, s.rdb.HDel(t.Context(), "lineq:{default:t:order-1}", "s").Err(), "undecided again")

	payload, err := tasks.Envelope{
		Channel: "default", ID: "order-1",
		Task: tasks.Push{To: user(2), Messages: []lineapi.Message{lineapi.Text("hi")}},
	}.Encode()
	require.NoError(t, err)
	s.enqueueRaw(t, "push", "default:order-1", payload)
	assert.Contains(t, s.inQueue(t, "default:order-1", asynq.TaskStateArchived).LastErr, "other content")
	assert.Zero(t, s.line.Ledger().Count(user(2)))
}

func TestTheDashboardsRunRepeatsNothing(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	stop := s.work(t)
	ticket := s.push(t, user(1), producer.ID("order-1"))
	require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
	s.nothingIsLeft(t, ticket)
	stop()

	// The same task comes out of asynq once more, as from its dashboard.
	payload, err := tasks.Envelope{
		Channel: "default", ID: "order-1",
		Task: tasks.Push{To: user(1), Messages: []lineapi.Message{lineapi.Text(secretText)}},
	}.Encode()
	require.NoError(t, err)
	s.enqueueRaw(t, "push", "default:order-1", payload)
	s.work(t)
	s.nothingIsLeft(t, producer.Ticket{ID: "order-1", Channel: "default", Queue: "lineq-urgent"})
	assert.Equal(t, 1, s.line.Ledger().Count(user(1)))
}

func TestTwoWorkersShareWhatThereIs(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	items := make([]producer.Item, 300)
	for i := range items {
		items[i].Task = tasks.Push{To: user(i), Messages: []lineapi.Message{lineapi.Text(fmt.Sprint(i))}}
	}
	tickets, err := s.q.EnqueueAll(t.Context(), items)
	require.NoError(t, err)
	s.work(t)
	s.work(t)
	for i, ticket := range tickets {
		require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
		require.Equal(t, 1, s.line.Ledger().Count(user(i)))
	}
}
