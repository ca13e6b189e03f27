package worker_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// TestTasksOfAChannelThatIsNotHere is what happens to a channel's tasks when it was taken out of the configuration.
func TestTasksOfAChannelThatIsNotHere(t *testing.T) {
	t.Parallel()
	s := onMini(t)
	var tickets []producer.Ticket
	for range 20 {
		tickets = append(tickets, s.push(t, user(1), producer.Channel("elsewhere"), producer.Urgent()))
	}
	s.work(t)
	for _, ticket := range tickets {
		r := s.waitFor(t, ticket, tasks.StateWaiting)
		assert.Empty(t, r.Outcome)
		assert.Zero(t, r.Attempts)
	}
	assert.Len(t, s.logs.FilterMessageSnippet("channel that this worker doesn't have").All(), 1, "not one for each task")
}
