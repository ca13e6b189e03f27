package linesim_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

// Everything at once: no race, no deadlock, and the books agree afterwards.
func TestEverythingAtOnce(t *testing.T) {
	l := start(t, unlimited)
	befriend(t, l, 60)
	menu := l.menuWithImage(t)
	var wg sync.WaitGroup
	repeat := func(do func(i int)) {
		wg.Go(func() {
			for i := range 100 {
				do(i)
			}
		})
	}
	key := func(i int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", i) }
	for range 2 { // both send the same, so that one of each pair is a 409
		repeat(func(i int) { l.post(pushPath, push(user(i), "p"), "X-Line-Retry-Key", key(i)) })
		repeat(func(i int) { l.post(multicastPath, multicast("m", user(i), user(i+1)), "X-Line-Retry-Key", key(i)) })
		repeat(func(i int) { l.post(narrowcastPath, `{"messages":`+text("n")+`}`, "X-Line-Retry-Key", key(i%5)) })
	}
	repeat(func(i int) {
		token, err := l.NewReplyToken("1234567890", user(i))
		assert.NoError(t, err)
		l.post(replyPath, `{"replyToken":"`+token+`","messages":`+text("r")+`}`)
	})
	repeat(func(int) { l.clock.advance(100 * time.Millisecond) })
	repeat(func(i int) {
		l.post("/v2/bot/user/"+user(i)+"/richmenu/"+menu, "")
		l.get("/v2/bot/followers/ids")
		assert.NoError(t, l.AddUser(linesim.User{ID: user(1000 + i), State: linesim.Blocked}))
	})
	repeat(func(i int) {
		l.control("GET", "/ledger/recipients", "")
		l.control("GET", "/stats", "")
		assert.NoError(t, l.SetFaults([]linesim.Fault{{Kind: linesim.FaultRefuse, Operation: "getProfile", Share: 0.5}}))
		assert.NoError(t, l.SetLimits(linesim.Limits{Off: true}))
	})
	wg.Wait()
	l.clock.advance(time.Hour)

	replies, cost := 0, 0
	for a := range l.Ledger().Requests() {
		if a.Operation == "replyMessage" {
			replies++
		} else {
			cost += a.Recipients
		}
	}
	assert.Equal(t, 100, replies)
	q, err := l.Quota("1234567890")
	require.NoError(t, err)
	assert.EqualValues(t, cost, q.Used, "the quota has paid for what the ledger shows")
	stats := l.Stats()
	assert.Equal(t, map[int]int64{200: 100, 409: 100}, stats.Requests["pushMessage"])
	assert.Equal(t, map[int]int64{200: 100, 409: 100}, stats.Requests["multicast"])
	assert.Equal(t, map[int]int64{202: 5, 409: 195}, stats.Requests["narrowcast"])
}
