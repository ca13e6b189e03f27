package worker_test

import (
	"net/http"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestAWrongTokenOfOneWorkerStopsNoOther(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, rdb redis.UniversalClient) {
		s := newStage(t, rdb, linesim.Config{})
		s.work(t, s.with(t, tasks.DefaultChannel, "forgotten"))
		first := s.push(t, user(0))
		s.holds(t, tasks.DefaultChannel, lineapi.Auth)
		s.work(t)
		require.Equal(t, tasks.OutcomeSent, s.wait(t, first).Outcome)

		refused := func() int64 { return s.line.Stats().Requests["pushMessage"][http.StatusUnauthorized] }
		aside := func() int {
			return s.logs.FilterMessageSnippet("another worker's works").Len()
		}
		for i := 1; aside() == 0; i++ { // until the wrong one has got another
			require.Equal(t, tasks.OutcomeSent, s.wait(t, s.push(t, user(i))).Outcome)
		}
		s.holds(t, tasks.DefaultChannel, "")
		before := refused()
		var tickets []producer.Ticket
		for i := range 200 {
			tickets = append(tickets, s.push(t, user(10_000+i)))
			if i%10 == 0 {
				tickets = append(tickets, s.push(t, user(20_000+i), producer.Urgent()))
			}
		}
		for _, ticket := range tickets {
			require.Equal(t, tasks.OutcomeSent, s.wait(t, ticket).Outcome)
		}
		assert.Equal(t, before, refused(), "the wrong one leaves the channel to the other")
		assert.Equal(t, []string{
			"channel held until somebody acts",
			"LINE refuses this worker's token, but another worker's works: this one leaves the channel to others",
		}, s.errorLines())
	})
}
