package worker

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi"
	"github.com/lineq/lineq/tasks"
	"github.com/lineq/lineq/tasks/campaign"
	"github.com/lineq/lineq/tasks/campaign/chunk"
	"github.com/lineq/lineq/tasks/redistest"
)

// What a worker has read of a campaign goes when the campaign is over, also when another worker has seen to its end: else it
// would keep some chunks of each campaign for as long as it runs.
func TestACampaignThatAnotherEndedIsForgotten(t *testing.T) {
	t.Parallel()
	_, rdb := redistest.Mini(t)
	client, err := lineapi.New(lineapi.Config{Token: lineapi.StaticToken("token"), Origin: "http://127.0.0.1:1"})
	require.NoError(t, err)
	w, err := New(Config{Redis: rdb, Channels: map[string]*lineapi.Client{tasks.DefaultChannel: client}})
	require.NoError(t, err)
	plan := campaign.Plan{
		Mode: campaign.Push, Templates: []campaign.Template{{Messages: []lineapi.Message{lineapi.Text("hi")}}},
	}
	for _, id := range []string{"over", "goes-on"} {
		d, err := w.campaigns.Draft(t.Context(), tasks.DefaultChannel, id, plan)
		require.NoError(t, err)
		one := chunk.Chunk{Prefix: 'U', IDs: make([]byte, 16)}
		b, err := one.Append(nil)
		require.NoError(t, err)
		require.NoError(t, d.Append(t.Context(), 0, b))
		_, err = d.Seal(t.Context(), 1, 1, nil, campaign.Totals{Recipients: 1})
		require.NoError(t, err)
		p, err := w.prepare(t.Context(), tasks.DefaultChannel, id)
		require.NoError(t, err)
		_, err = p.chunk(t.Context(), w.campaigns, 0)
		require.NoError(t, err)
	}
	require.NoError(t, w.lookAtCampaigns(t.Context()))
	assert.Len(t, w.known.prepared, 2)
	assert.Len(t, w.known.heard, 2)

	_, err = w.campaigns.Cancel(t.Context(), "over", campaign.Operator, "")
	require.NoError(t, err)
	version, err := w.campaigns.Version(t.Context(), "over")
	require.NoError(t, err)
	require.NoError(t, w.campaigns.Told(t.Context(), campaign.Ref{Channel: tasks.DefaultChannel, ID: "over"}, version))
	require.NoError(t, w.lookAtCampaigns(t.Context()))
	assert.NotContains(t, w.known.prepared, "over")
	assert.NotContains(t, w.known.heard, "over")
	assert.Len(t, w.known.prepared, 1)
	assert.Len(t, w.known.heard, 1)
}
