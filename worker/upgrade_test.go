package worker_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/record"
	"github.com/lineq/lineq/tasks/redistest"
)

// During a rolling upgrade one version enqueues and begins what another goes on with, and a caller's repeat may come to
// either. Both write the same message, each in its own JSON.

// otherJSON are payloads of the push that secretText goes to user(1) with, under the ID order-1, as versions may write it.
func otherJSON() map[string]string {
	return map[string]string{
		"another order": fmt.Sprintf(`{"task":{"messages":[{"text":%q,"type":"text"}],"to":%q},"id":"order-1","channel":"default","v":1}`,
			secretText, user(1)),
		"white space": fmt.Sprintf("{ \"v\": 1,\n\t\"channel\": \"default\", \"id\": \"order-1\",\n\"task\": { \"to\": %q, \"messages\": [ {\"type\": \"text\", \"text\": %q} ] } }\n",
			user(1), secretText),
		"fields of a later version": fmt.Sprintf(`{"v":1,"traceparent":"00-1","channel":"default","id":"order-1","shard":{"n":[7]},"task":{"to":%q,"messages":[{"type":"text","text":%q}]}}`,
			user(1), secretText),
		"other escapes": fmt.Sprintf(`{"v":1,"channel":"def\u0061ult","id":"order-1","task":{"to":%q,"messages":[{"type":"t\u0065xt","text":%q}]}}`,
			user(1), secretText),
	}
}

// retryKeys are those of all push requests that LINE got.
func retryKeys(t *testing.T, s *stage) (seen func() []string) {
	t.Helper()
	keys := make(chan string, 100)
	s.inFront(t, func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == endpoint.PushMessage.Path {
			keys <- r.Header.Get("X-Line-Retry-Key")
		}
		return false
	})
	return func() (all []string) {
		for len(keys) > 0 {
			all = append(all, <-keys)
		}
		return all
	}
}

func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	messages := []lineapi.Message{lineapi.Text(secretText)}
	ours, err := tasks.Envelope{Channel: "default", ID: "order-1", Task: tasks.Push{To: user(1), Messages: messages}}.Encode()
	require.NoError(t, err)
	key := tasks.RetryKey("default", endpoint.PushMessage, "order-1", "", 0)
	for name, theirs := range otherJSON() {
		for from, payloads := range map[string][2]string{
			"old to new": {theirs, string(ours)}, "new to old": {string(ours), theirs},
		} {
			t.Run(name+", "+from, func(t *testing.T) {
				t.Parallel()
				require.True(t, json.Valid([]byte(theirs)))
				redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
					s := newStage(t, rdb, linesim.Config{})
					keys := retryKeys(t, s)
					require.NoError(t, s.line.SetFaults([]linesim.Fault{{Kind: linesim.FaultAccept500, Count: 1}}))
					ref := record.Ref{Channel: "default", ID: "order-1"}
					s.enqueueRaw(t, "push", ref.String(), []byte(payloads[0]))
					stop := s.work(t)
					s.inQueue(t, ref.String(), asynq.TaskStateRetry) // LINE has it, and its answer said otherwise
					stop()
					// The worker that died or stopped had one version's payload, the next run gets the other's.
					inspector := asynq.NewInspectorFromRedisClient(rdb)
					require.NoError(t, inspector.DeleteTask("lineq-urgent", ref.String()))
					s.enqueueRaw(t, "push", ref.String(), []byte(payloads[1]))
					s.work(t)

					ticket := producer.Ticket{ID: "order-1", Channel: "default", Queue: "lineq-urgent"}
					r := s.wait(t, ticket)
					assert.Equal(t, tasks.OutcomeSent, r.Outcome, "%+v", r)
					assert.True(t, r.Replayed)
					assert.Equal(t, []string{key, key}, keys(), "one retry key")
					assert.Equal(t, 1, s.line.Ledger().Count(user(1)))

					again, err := s.q.Enqueue(t.Context(), tasks.Push{To: user(1), Messages: messages}, producer.ID("order-1"))
					require.NoError(t, err, "a caller's repeat is the same task")
					assert.True(t, again.Duplicate)
					_, err = s.q.Enqueue(t.Context(), tasks.Push{To: user(2), Messages: messages}, producer.ID("order-1"))
					require.ErrorIs(t, err, producer.ErrIDReused, "and another message is not")
				})
			})
		}
	}
}
