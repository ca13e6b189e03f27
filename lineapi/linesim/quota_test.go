package linesim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

const monthlyLimit = "You have reached your monthly limit."

func limited(t *testing.T, limit, used int64) line {
	t.Helper()
	channel := linesim.DefaultChannel
	channel.Quota = linesim.Quota{Limit: limit, Used: used}
	return start(t, linesim.Config{Channels: []linesim.Channel{channel}, Limits: linesim.Limits{Off: true}})
}

func TestQuota(t *testing.T) {
	t.Run("is shown", func(t *testing.T) {
		l := limited(t, 500, 3)
		assert.JSONEq(t, `{"type":"limited","value":500}`, l.get("/v2/bot/message/quota").Body.String())
		assert.JSONEq(t, `{"totalUsage":3}`, l.get("/v2/bot/message/quota/consumption").Body.String())
		assert.JSONEq(t, `{"type":"none"}`, start(t, unlimited).get("/v2/bot/message/quota").Body.String())
	})
	t.Run("stops what costs, whole requests at a time", func(t *testing.T) {
		l := limited(t, 3, 0)
		assertRefused(t, 429, monthlyLimit, l.post(multicastPath, multicast("a", user(1), user(2), user(3), user(4))))
		assert.Zero(t, l.Ledger().Totals())
		assert.Equal(t, 200, l.post(multicastPath, multicast("a", user(1), user(2))).Code)
		assert.Equal(t, 200, l.post(pushPath, push(user(1), "a")).Code)
		assertRefused(t, 429, monthlyLimit, l.post(pushPath, push(user(1), "a")))
		assertRefused(t, 429, monthlyLimit, l.post(broadcastPath, `{"messages":`+text("a")+`}`))
		assert.Zero(t, l.Stats().RateLimited)
	})
	t.Run("lets replies through", func(t *testing.T) {
		l := limited(t, 1, 1)
		token, err := l.NewReplyToken("1234567890", user(1))
		require.NoError(t, err)
		assert.Equal(t, 200, l.post(replyPath, `{"replyToken":"`+token+`","messages":`+text("a")+`}`).Code)
	})
	t.Run("lets through what reaches nobody", func(t *testing.T) {
		l := limited(t, 1, 1)
		require.NoError(t, l.AddUser(linesim.User{ID: user(1), State: linesim.Blocked}))
		assert.Equal(t, 200, l.post(pushPath, push(user(1), "a")).Code)
	})
	t.Run("returns with the month in UTC+9", func(t *testing.T) {
		l := limited(t, 1, 1)
		l.clock.advance(time.Date(2026, 8, 31, 15, 0, 0, 0, time.UTC).Sub(l.clock.Now()) - 1)
		assert.Equal(t, 429, l.post(pushPath, push(user(1), "a")).Code)
		l.clock.advance(1)
		assert.Equal(t, 200, l.post(pushPath, push(user(1), "a")).Code)
	})
}

func TestDeliveryCounts(t *testing.T) {
	l := start(t, unlimited)
	require.Equal(t, 200, l.post(multicastPath, multicast("a", user(1), user(2))).Code)
	token, err := l.NewReplyToken("1234567890", user(1))
	require.NoError(t, err)
	require.Equal(t, 200, l.post(replyPath, `{"replyToken":"`+token+`","messages":`+text("a")+`}`).Code)

	get := func(kind, date string) string {
		return l.get("/v2/bot/message/delivery/" + kind + "?date=" + date).Body.String()
	}
	assert.JSONEq(t, `{"status":"unready"}`, get("multicast", "20260820"))
	l.clock.advance(24 * time.Hour)
	assert.JSONEq(t, `{"status":"ready","success":2}`, get("multicast", "20260820"))
	assert.JSONEq(t, `{"status":"ready","success":1}`, get("reply", "20260820"))
	assert.JSONEq(t, `{"status":"ready","success":0}`, get("push", "20260820"))
	assert.JSONEq(t, `{"status":"out_of_service"}`, get("broadcast", "20180330"))
	for _, date := range []string{"", "2026-08-20", "20260231"} {
		assertRefused(t, 400, "The value for the 'date' parameter is invalid", l.get("/v2/bot/message/delivery/push?date="+date))
	}
}

func TestAggregationUnits(t *testing.T) {
	l := start(t, unlimited)
	send := func(unit string) int {
		return l.post(pushPath, `{"to":"`+user(1)+`","messages":`+text("a")+`,"customAggregationUnits":`+unit+`}`).Code
	}
	assert.Equal(t, 400, send(`["a","b"]`))
	assert.Equal(t, 400, send(`["a-b"]`))
	assert.Equal(t, 400, send(`"a"`))
	for i := range 1001 {
		require.Equal(t, 200, send(fmt.Sprintf(`["unit_%d"]`, i)))
		require.Equal(t, 200, send(`["unit_0"]`))
	}
	assert.EqualValues(t, 1000, l.get("/v2/bot/message/aggregation/info").object["numOfCustomAggregationUnits"], "the 1,001st is dropped without a word")
	page := l.get("/v2/bot/message/aggregation/list?limit=60")
	assert.Len(t, page.object["customAggregationUnits"], 60)
	page = l.get("/v2/bot/message/aggregation/list?start=" + page.object["next"].(string))
	assert.Len(t, page.object["customAggregationUnits"], 100)
	assert.Equal(t, "unit_60", texts(page.object["customAggregationUnits"])[0])
	l.clock.advance(31 * 24 * time.Hour)
	assert.EqualValues(t, 0, l.get("/v2/bot/message/aggregation/info").object["numOfCustomAggregationUnits"])
}

func befriend(t *testing.T, l line, people int) {
	t.Helper()
	for i := range people {
		require.NoError(t, l.AddUser(linesim.User{ID: user(i)}))
	}
}

func TestNarrowcast(t *testing.T) {
	narrow := func(l line, more string) response { return l.post(narrowcastPath, `{"messages":`+text("n")+more+`}`) }
	progress := func(l line, sent response) map[string]any {
		return l.get("/v2/bot/message/progress/narrowcast?requestId=" + sent.id()).object
	}
	t.Run("goes through its phases", func(t *testing.T) {
		l := limited(t, 100, 0)
		befriend(t, l, 60)
		sent := narrow(l, "")
		require.Equal(t, 202, sent.Code)
		assert.JSONEq(t, `{}`, sent.Body.String())
		assert.Equal(t, map[string]any{"phase": "waiting", "acceptedTime": "2026-08-20T03:00:00.000Z"}, progress(l, sent))
		assert.Zero(t, l.Ledger().Totals())
		assert.Equal(t, 429, l.post(broadcastPath, `{"messages":`+text("a")+`}`).Code, "its quota is reserved")
		assert.EqualValues(t, 0, l.get("/v2/bot/message/quota/consumption").object["totalUsage"])

		l.clock.advance(time.Second)
		assert.Equal(t, "sending", progress(l, sent)["phase"])
		l.clock.advance(time.Second)
		got := progress(l, sent)
		assert.Equal(t, "succeeded", got["phase"])
		assert.EqualValues(t, 60, got["successCount"])
		assert.EqualValues(t, 0, got["failureCount"])
		assert.EqualValues(t, 60, got["targetCount"])
		assert.Equal(t, "2026-08-20T03:00:02.000Z", got["completedTime"])
		assert.Equal(t, linesim.Totals{Requests: 1, Deliveries: 60, Recipients: 60}, l.Ledger().Totals())
		assert.Equal(t, sent.id(), l.Ledger().Received(user(0))[0].RequestID)
		assert.EqualValues(t, 60, l.get("/v2/bot/message/quota/consumption").object["totalUsage"])
		assert.Equal(t, 200, l.post(pushPath, push(user(1), "a")).Code, "nothing is reserved any more")

		l.clock.advance(14 * 24 * time.Hour)
		assert.Equal(t, "Not found", progress(l, sent)["message"])
	})
	t.Run("the ledger settles it", func(t *testing.T) {
		l := start(t, unlimited)
		befriend(t, l, 50)
		require.Equal(t, 202, narrow(l, "").Code)
		l.clock.advance(2 * time.Second)
		assert.Equal(t, 1, l.Ledger().Count(user(49)))
	})
	t.Run("arrives even when the clock went back", func(t *testing.T) {
		l := start(t, unlimited)
		befriend(t, l, 50)
		l.clock.advance(time.Hour)
		require.Equal(t, 202, narrow(l, "").Code)
		l.clock.advance(-time.Hour)
		require.Equal(t, 202, narrow(l, "").Code)
		l.clock.advance(2 * time.Second)
		assert.Equal(t, 1, l.Ledger().Totals().Requests)
		l.clock.advance(time.Hour)
		assert.Equal(t, 2, l.Ledger().Totals().Requests)
	})
	t.Run("fails later with too few", func(t *testing.T) {
		l := start(t, unlimited)
		befriend(t, l, 49)
		sent := narrow(l, "")
		require.Equal(t, 202, sent.Code)
		l.clock.advance(time.Second)
		got := progress(l, sent)
		assert.Equal(t, "failed", got["phase"])
		assert.EqualValues(t, 2, got["errorCode"])
		l.clock.advance(time.Hour)
		assert.Zero(t, l.Ledger().Totals())
	})
	t.Run("needs 100 friends for a demographic filter", func(t *testing.T) {
		l := start(t, unlimited)
		befriend(t, l, 99)
		const filter = `,"filter":{"demographic":{"type":"gender","oneOf":["male"]}}`
		assertRefused(t, 403, "Your account does not have enough friends", narrow(l, filter))
		befriend(t, l, 100)
		assert.Equal(t, 202, narrow(l, filter).Code)
		assert.Equal(t, 400, narrow(l, `,"filter":{"demographic":{"type":"height"}}`).Code)
	})
	t.Run("to an audience, without another, and to whom an earlier one went", func(t *testing.T) {
		l := start(t, unlimited)
		befriend(t, l, 60)
		require.NoError(t, l.SetAudience("1234567890", 7, []string{user(1), user(2)}))
		audience := narrow(l, `,"recipient":{"type":"audience","audienceGroupId":7}`)
		require.Equal(t, 202, audience.Code, audience.Body)
		require.Equal(t, 202, narrow(l, `,"recipient":{"type":"operator","not":{"type":"audience","audienceGroupId":7}}`).Code)
		l.clock.advance(2 * time.Second)
		assert.Equal(t, 60, l.Ledger().Totals().Deliveries)
		assert.Equal(t, "succeeded", progress(l, audience)["phase"])

		require.Equal(t, 202, narrow(l, "").Code)
		assertRefused(t, 400, "Invalid audience group id: 8", narrow(l, `,"recipient":{"type":"audience","audienceGroupId":8}`))
		assertRefused(t, 400, "Invalid request id: x", narrow(l, `,"recipient":{"type":"redelivery","requestId":"x"}`))
		assert.Equal(t, 202, narrow(l, `,"recipient":{"type":"redelivery","requestId":"`+audience.id()+`"}`).Code)
		assert.Equal(t, 400, narrow(l, `,"recipient":{"type":"operator"}`).Code)
	})
	t.Run("limits", func(t *testing.T) {
		l := limited(t, 55, 0)
		befriend(t, l, 60)
		assertRefused(t, 400, "The option forbidPartialDelivery must be used with upToRemainingQuota.",
			narrow(l, `,"limit":{"forbidPartialDelivery":true}`))
		assertRefused(t, 429, monthlyLimit, narrow(l, ""))
		partial := narrow(l, `,"limit":{"upToRemainingQuota":true,"forbidPartialDelivery":true}`)
		l.clock.advance(time.Second)
		assert.EqualValues(t, 5, progress(l, partial)["errorCode"])

		upTo := narrow(l, `,"limit":{"upToRemainingQuota":true,"max":52}`)
		l.clock.advance(2 * time.Second)
		assert.EqualValues(t, 52, progress(l, upTo)["targetCount"])
		assert.Equal(t, 400, narrow(l, `,"limit":{"max":0}`).Code)
	})
}
