//lint:file-ignore SA4006 the README leaves the handling of errors to its reader

package producer_test

import (
	"context"
	"io"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/producer/audience"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
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

// readmeCampaign holds those about campaigns.
func readmeCampaign(ctx context.Context, q *producer.Client, file io.Reader) []any {
	report, err := q.Campaign(ctx, producer.Campaign{
		ID:       "spring-sale",
		To:       audience.Read(file), // or your own iter.Seq2[producer.Recipient, error]
		Messages: []lineapi.Message{lineapi.Text("Hi {{name|there}}, 20% off until Sunday.")},
		Rejected: func(row campaign.RowError) { log.Print(row.Error()) },
	})

	sum, err := q.CampaignSummary(ctx, report.ID)
	sum, err = q.PauseCampaign(ctx, report.ID, "the shop is down")
	for row, err := range q.CampaignRecipients(ctx, report.ID) { // everybody, with what became of each
		return []any{row, err}
	}
	return []any{sum, err}
}

func TestTheREADMEsLinesCompile(t *testing.T) {
	_, _ = readme, readmeCampaign
	source, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	snippets := strings.Split(string(text), "```go\n")[1:]
	require.Len(t, snippets, 2)
	// White space aside: gofmt aligns comments by its own rules.
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	for _, snippet := range snippets {
		snippet, _, _ = strings.Cut(snippet, "```")
		for line := range strings.Lines(snippet) {
			assert.Contains(t, squeeze(string(source)), squeeze(line))
		}
	}
}
