package worker_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/lineapi/linesim"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/limit"
	"github.com/lineq/lineq/worker"
)

// carousel is a stage with three menus, a user at each, and a batch that moves everyone by one: done twice, it puts them
// elsewhere than done once.
type carousel struct {
	*stage
	menus [3]string
	batch tasks.BatchRichMenu

	mu   sync.Mutex
	keys []string // of the batches that came to LINE
}

// newCarousel has LINE refuse the n-th batch that comes; 0: none.
func newCarousel(t *testing.T, refused int) *carousel {
	t.Helper()
	c := &carousel{stage: onMini(t)}
	c.inFront(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != endpoint.RichMenuBatch.Path {
			return false
		}
		body, err := io.ReadAll(r.Body)
		assert.NoError(t, err)
		r.Body = io.NopCloser(bytes.NewReader(body))
		var request struct{ ResumeRequestKey string }
		assert.NoError(t, json.Unmarshal(body, &request))
		c.mu.Lock()
		c.keys = append(c.keys, request.ResumeRequestKey)
		refuse := len(c.keys) == refused
		c.mu.Unlock()
		if refuse {
			w.WriteHeader(http.StatusBadRequest)
		}
		return refuse
	})
	client, image := c.client(t), png(t)
	for i := range c.menus {
		id, _, err := client.CreateRichMenu(t.Context(), richMenu(t, "spring"))
		require.NoError(t, err)
		_, err = client.UploadRichMenuImage(t.Context(), id, "image/png", bytes.NewReader(image), int64(len(image)))
		require.NoError(t, err)
		_, err = client.LinkRichMenu(t.Context(), user(i), id)
		require.NoError(t, err)
		c.menus[i] = id
	}
	for i, from := range c.menus {
		c.batch.Operations = append(c.batch.Operations,
			lineapi.RichMenuOperation{Type: "link", From: from, To: c.menus[(i+1)%len(c.menus)]})
	}
	return c
}

// often lets a repeat follow at once: at LINE's three an hour it comes twenty minutes later.
func often(c *worker.Config) {
	c.Limits = limit.Limits{Rates: map[string]endpoint.Limit{
		endpoint.RichMenuBatch.Operation: {Requests: 1000, Per: time.Second},
	}}
}

func (c *carousel) enqueue(t *testing.T) producer.Ticket {
	t.Helper()
	ticket, err := c.q.Enqueue(t.Context(), c.batch, producer.ID("spring"))
	require.NoError(t, err)
	return ticket
}

// movedOnce looks at LINE for where everyone is now.
func (c *carousel) movedOnce(t *testing.T) {
	t.Helper()
	for i := range c.menus {
		got, err := c.client(t).LinkedRichMenu(t.Context(), user(i))
		require.NoError(t, err)
		assert.Equal(t, c.menus[(i+1)%len(c.menus)], got, "menu of user %d", i)
	}
}

// cameUnder tells under which generations of the task's key the batches came.
func (c *carousel) cameUnder(t *testing.T, generations ...int) {
	t.Helper()
	var want []string
	for _, g := range generations {
		want = append(want, tasks.RetryKey("default", endpoint.RichMenuBatch, "spring", "", g))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	assert.Equal(t, want, c.keys)
}

func TestABatchWhoseAnswerWasLostMovesEveryoneOnce(t *testing.T) {
	t.Parallel()
	for _, kind := range []linesim.FaultKind{linesim.FaultAccept500, linesim.FaultAcceptCut} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			c := newCarousel(t, 0)
			require.NoError(t, c.line.SetFaults([]linesim.Fault{
				{Kind: kind, Operation: endpoint.RichMenuBatch.Operation, Count: 2},
			}))
			c.work(t, often)
			r := c.wait(t, c.enqueue(t))
			require.Equal(t, tasks.OutcomeSent, r.Outcome, "%+v", r)
			assert.Equal(t, 3, r.Attempts)
			c.cameUnder(t, 0, 0, 0)
			c.movedOnce(t)
			progress, err := c.client(t).RichMenuBatchProgress(t.Context(), r.RequestID)
			require.NoError(t, err)
			assert.NotEmpty(t, progress.Phase, "LINE knows the batch by the result's request id")
		})
	}
}

// The answer to the first attempt is lost, LINE refuses the second: nobody can know. LINE still remembers the key, so
// that an operator's run is no risk.
func TestAnUnknownBatchRunsAgainUnderItsKey(t *testing.T) {
	t.Parallel()
	c := newCarousel(t, 2)
	require.NoError(t, c.line.SetFaults([]linesim.Fault{
		{Kind: linesim.FaultAcceptCut, Operation: endpoint.RichMenuBatch.Operation, Count: 1},
	}))
	c.work(t, often)
	ticket := c.enqueue(t)
	r := c.wait(t, ticket)
	require.Equal(t, tasks.OutcomeUnknown, r.Outcome, "%+v", r)
	assert.Equal(t, 2, r.Attempts)

	again, err := c.q.Run(t.Context(), ticket.ID)
	require.NoError(t, err)
	assert.False(t, again.Risky)
	r = c.wait(t, again)
	require.Equal(t, tasks.OutcomeSent, r.Outcome, "%+v", r)
	c.cameUnder(t, 0, 0, 0)
	c.movedOnce(t)
}
