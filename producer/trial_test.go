package producer_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/producer"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/redistest"
)

func TestACampaignIsTried(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q := newClient(t, rdb)
	second := to(bob, "name", "Bob")
	second.Template = "B"
	first := to("Unobody", "name", "Nobody")
	first.Template = "B"
	cp := producer.Campaign{
		ID: "c", CustomAggregationUnits: []string{"sale"}, NotificationDisabled: true,
		Templates: []campaign.Template{
			{Name: "A", Messages: says("Hello {{{{code}}}}")}, {Name: "B", Messages: says("Hi {{name}}")},
			{Name: "C", Messages: says("Hi {{name|you}}")},
		},
		To: audienceOf(row{err: &campaign.RowError{Reason: "not one"}}, first, to(bob), second, second),
	}
	tickets, err := q.TestCampaign(t.Context(), cp, []string{alice, bob}, producer.Channel("shop"))
	require.NoError(t, err)
	require.Len(t, tickets, 6)
	for i, text := range []string{"Hello {{code}}", "Hello {{code}}", "Hi Bob", "Hi Bob", "Hi you", "Hi you"} {
		assert.Equal(t, "lineq-urgent", tickets[i].Queue)
		assert.Equal(t, "shop", tickets[i].Channel)
		e, err := tasks.Decode("push", queued(t, rdb, tickets[i]).Payload)
		require.NoError(t, err)
		assert.Equal(t, tasks.Push{
			To: []string{alice, bob}[i%2], Messages: says(text), NotificationDisabled: true,
		}, e.Task, "a test isn't counted with the campaign")
	}
	_, err = q.CampaignSummary(t.Context(), "c")
	require.ErrorIs(t, err, campaign.ErrNotFound)
}

func TestWhatCanNotBeTried(t *testing.T) {
	_, rdb := redistest.Mini(t)
	q := newClient(t, rdb)
	broken := audienceOf(row{err: errors.New("the cursor is broken")})
	one, hi, dear := []string{alice}, says("Hi"), says("{{name}}")
	for name, c := range map[string]struct {
		cp   producer.Campaign
		to   []string
		text string
	}{
		"nobody":             {producer.Campaign{Messages: hi}, nil, "nobody to send it to"},
		"a wrong message":    {producer.Campaign{Messages: says("")}, one, "messages[0].text"},
		"an empty audience":  {producer.Campaign{Messages: dear, To: users(0)}, one, "no recipient is for it"},
		"no audience":        {producer.Campaign{Messages: dear}, one, "no recipient is for it"},
		"no values":          {producer.Campaign{Messages: dear, To: users(2)}, one, "has no value for {{name}}"},
		"a broken audience":  {producer.Campaign{Messages: dear, To: broken}, one, "the cursor"},
		"a wrong test group": {producer.Campaign{Messages: hi}, []string{"x"}, "id "},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := q.TestCampaign(t.Context(), c.cp, c.to)
			require.ErrorContains(t, err, c.text)
		})
	}
	tickets, err := q.TestCampaign(t.Context(), producer.Campaign{Messages: hi}, one)
	require.NoError(t, err, "without placeholders it needs no audience")
	assert.Len(t, tickets, 1)
}
