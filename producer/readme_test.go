//lint:file-ignore SA4006 the README leaves the handling of errors to its reader

package producer_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
)

// readme holds the lines of the README, so that they compile. It isn't run.
func readme(
	ctx context.Context, rdb redis.UniversalClient, userID string, messages []lineapi.Message, items []producer.Item,
	tomorrow time.Time,
) []any {
	q, err := producer.New(producer.Config{Redis: rdb})

	ticket, err := q.Push(ctx, userID, lineapi.Text("Your order has shipped."))

	// Every kind of task, with options. With an ID of your own the call can be repeated, whatever happened to the first.
	ticket, err = q.Enqueue(ctx, tasks.Push{To: userID, Messages: messages},
		producer.ID("reminder-4711"), producer.At(tomorrow), producer.Channel("restaurant"))

	// Thousands in few round trips; the error says which ones failed.
	tickets, err := q.EnqueueAll(ctx, items)

	result, err := q.Wait(ctx, ticket.ID)        // what became of it
	outcome, err := q.Cancel(ctx, ticket.ID)     // take it back
	err = q.Reschedule(ctx, ticket.ID, tomorrow) // move it
	ticket, err = q.Run(ctx, ticket.ID)          // now, or once more
	return []any{tickets, result, outcome, ticket, err}
}

func TestTheREADMEsLinesCompile(t *testing.T) {
	_ = readme
	source, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, snippet, found := strings.Cut(string(text), "```go\n")
	require.True(t, found)
	snippet, _, _ = strings.Cut(snippet, "```")
	// White space aside: gofmt aligns comments by its own rules.
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for line := range strings.Lines(snippet) {
		assert.Contains(t, squeeze(string(source)), squeeze(line))
	}
}
