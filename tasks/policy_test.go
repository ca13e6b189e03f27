package tasks_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/endpoint"
	"github.com/lineq/lineq/tasks"
)

func TestEveryKindHasAPolicy(t *testing.T) {
	for _, k := range tasks.Kinds() {
		t.Run(string(k), func(t *testing.T) {
			p, err := tasks.PolicyOf(k)
			require.NoError(t, err)
			assert.Contains(t, endpoint.All, p.Endpoint)
			assert.Contains(t, tasks.Lines(), p.Line)
			assert.GreaterOrEqual(t, p.CallTimeout, 5*time.Second, "LINE may take seconds")
			assert.LessOrEqual(t, p.CallTimeout, time.Minute, "an attempt of a dead worker blocks its task for so long")
			if p.Endpoint.Limit.Per == time.Hour {
				assert.Equal(t, tasks.LineSlow, p.Line, "nobody may wait behind a permit that takes minutes")
			} else {
				assert.NotEqual(t, tasks.LineSlow, p.Line, "it need not wait behind those that take minutes")
			}
		})
	}
	_, err := tasks.PolicyOf("telepathy")
	assert.ErrorIs(t, err, tasks.ErrUnknownKind)
}

// https://developers.line.biz/en/docs/messaging-api/pricing/ counts what is sent to people
// unasked; a reply is free.
func TestWhatCostsQuota(t *testing.T) {
	var costs []tasks.Kind
	for _, k := range tasks.Kinds() {
		if p, _ := tasks.PolicyOf(k); p.CostsQuota {
			costs = append(costs, k)
		}
	}
	assert.ElementsMatch(t, []tasks.Kind{
		tasks.KindPush, tasks.KindMulticast, tasks.KindBroadcast, tasks.KindNarrowcast,
	}, costs)
}

// The kinds with a key are those that may be repeated for as long as the horizon, which must end while LINE still
// remembers the key: https://developers.line.biz/en/docs/messaging-api/retrying-api-request/, and for the resume key
// https://developers.line.biz/en/reference/messaging-api/#batch-control-rich-menus-of-users.
func TestKeyedKinds(t *testing.T) {
	keyed := map[endpoint.Class][]tasks.Kind{}
	remembered := map[endpoint.Class]time.Duration{endpoint.RetryKey: 24 * time.Hour, endpoint.ResumeKey: 14 * 24 * time.Hour}
	for _, k := range tasks.Kinds() {
		p, _ := tasks.PolicyOf(k)
		if memory, ok := remembered[p.Endpoint.Class]; ok {
			keyed[p.Endpoint.Class] = append(keyed[p.Endpoint.Class], k)
			assert.Less(t, tasks.Horizon+p.CallTimeout, memory)
		}
	}
	assert.ElementsMatch(t, []tasks.Kind{
		tasks.KindPush, tasks.KindMulticast, tasks.KindBroadcast, tasks.KindNarrowcast,
	}, keyed[endpoint.RetryKey])
	assert.Equal(t, []tasks.Kind{tasks.KindBatchRichMenu}, keyed[endpoint.ResumeKey])
}

func TestWhatNobodyWaitsForHasALifetime(t *testing.T) {
	lifetimes := map[tasks.Kind]time.Duration{}
	for _, k := range tasks.Kinds() {
		if p, _ := tasks.PolicyOf(k); p.Lifetime > 0 {
			lifetimes[k] = p.Lifetime
			assert.Equal(t, tasks.LineUrgent, p.Line, k)
		}
	}
	assert.Equal(t, map[tasks.Kind]time.Duration{
		tasks.KindReply: tasks.ReplyLifetime, tasks.KindShowLoading: tasks.LoadingLifetime,
	}, lifetimes)
	assert.Less(t, tasks.ReplyLifetime, time.Minute, "LINE takes a reply token for a minute")
}
