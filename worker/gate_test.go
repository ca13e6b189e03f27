package worker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/worker"
)

// scriptedGate answers by a list, and then lets everything pass.
type scriptedGate struct {
	mu      sync.Mutex
	answers []gateAnswer
	asked   []string
}

type gateAnswer struct {
	hold, permit time.Duration
	err          error
}

func (g *scriptedGate) Hold(_ context.Context, channel string, p tasks.Policy) (time.Duration, lineapi.Reason, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, "hold "+channel+" "+p.Endpoint.Operation)
	if len(g.answers) == 0 {
		return 0, "", nil
	}
	a := g.answers[0]
	if a.hold > 0 || a.err != nil {
		g.answers = g.answers[1:]
	}
	return a.hold, lineapi.Quota, a.err
}

func (g *scriptedGate) Permit(_ context.Context, channel string, _ tasks.Policy, id string) (time.Duration, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, "permit "+channel+" "+id)
	if len(g.answers) == 0 {
		return 0, nil
	}
	a := g.answers[0]
	g.answers = g.answers[1:]
	return a.permit, a.err
}

func TestTheGateIsAskedBeforeEveryAttempt(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	gate := &scriptedGate{answers: []gateAnswer{
		{hold: time.Millisecond}, {permit: time.Millisecond}, {err: errors.New("Redis is away")},
	}}
	s.work(t, func(c *worker.Config) { c.Gate = gate })
	ticket := s.push(t, user(1), producer.ID("order-1"))
	r := s.wait(t, ticket)
	require.Equal(t, tasks.OutcomeSent, r.Outcome)
	assert.Equal(t, 1, r.Attempts, "a wait is no attempt")
	assert.Equal(t, []string{
		"hold default pushMessage",
		"hold default pushMessage", "permit default order-1",
		"hold default pushMessage",
		"hold default pushMessage", "permit default order-1",
	}, gate.asked)
}

func TestAHeldTaskIsVisible(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	s.work(t, func(c *worker.Config) { c.Gate = &scriptedGate{answers: []gateAnswer{{hold: time.Hour}}} })
	ticket := s.push(t, user(1), producer.Urgent())
	s.waitFor(t, ticket, tasks.StateWaiting)
	info := s.inQueue(t, "default:"+ticket.ID, asynq.TaskStateRetry)
	assert.Equal(t, "the channel is held: quota", info.LastErr)
	assert.Zero(t, info.Retried)
	assert.Zero(t, s.line.Ledger().Count(user(1)))
}
