package linesim_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lineq/lineq/lineapi/linesim"
)

func TestLedger(t *testing.T) {
	l := start(t, unlimited)
	require.Equal(t, 200, l.post(pushPath, push(user(1), "a")).Code)
	require.Equal(t, 200, l.post(multicastPath, multicast("b", user(1), user(2))).Code)
	require.Equal(t, 200, l.post(pushPath, push(user(1), "b")).Code)
	require.NoError(t, l.AddUser(linesim.User{ID: user(3), State: linesim.Blocked}))
	require.Equal(t, 200, l.post(pushPath, push(user(3), "c")).Code)
	ledger := l.Ledger()

	assert.Equal(t, linesim.Totals{Requests: 4, Deliveries: 4, Recipients: 2}, ledger.Totals())

	counts := map[string]int{}
	for recipient, n := range ledger.Counts() {
		counts[recipient] = n
	}
	assert.Equal(t, map[string]int{user(1): 3, user(2): 1}, counts)

	var order []string
	for recipient, deliveries := range ledger.Each() {
		order = append(order, recipient)
		assert.Equal(t, ledger.Received(recipient), deliveries)
		assert.Len(t, deliveries, counts[recipient])
	}
	assert.Equal(t, []string{user(1), user(2)}, order)

	var operations []string
	var recipients []int
	for a := range ledger.Requests() {
		operations, recipients = append(operations, a.Operation), append(recipients, a.Recipients)
	}
	assert.Equal(t, []string{"pushMessage", "multicast", "pushMessage", "pushMessage"}, operations)
	assert.Equal(t, []int{1, 2, 1, 0}, recipients)

	duplicates := ledger.Duplicates()
	require.Len(t, duplicates, 1)
	assert.Equal(t, user(1), duplicates[0].Recipient)
	require.Len(t, duplicates[0].Deliveries, 2)
	assert.Equal(t, "multicast", duplicates[0].Deliveries[0].Operation)
	assert.Equal(t, "pushMessage", duplicates[0].Deliveries[1].Operation)

	assert.Nil(t, ledger.Received(user(9)))
	assert.Nil(t, ledger.Received("nobody"))

	ledger.Reset()
	assert.Zero(t, ledger.Totals())
	assert.Empty(t, ledger.Received(user(1)))
	require.Equal(t, 200, l.post(pushPath, push(user(2), "a")).Code)
	assert.Equal(t, 1, ledger.Count(user(2)))
	assert.Equal(t, 0, ledger.Count(user(1)))
}

// An iteration sees one moment, whatever arrives meanwhile, and no request in parts.
func TestLedgerIsRead(t *testing.T) {
	l := start(t, unlimited)
	const people = 3000
	for i := range people / 500 {
		ids := make([]string, 500)
		for j := range ids {
			ids[j] = user(i*500 + j)
		}
		require.Equal(t, 200, l.post(multicastPath, multicast("a", ids...)).Code)
	}
	t.Run("at one moment", func(t *testing.T) {
		seen := 0
		for _, n := range l.Ledger().Counts() {
			assert.Equal(t, 1, n)
			if seen == 0 {
				require.Equal(t, 200, l.post(pushPath, push(user(people-1), "late")).Code)
				require.Equal(t, 200, l.post(pushPath, push(user(people), "later")).Code)
			}
			seen++
		}
		assert.Equal(t, people, seen)
		for recipient, n := range l.Ledger().Counts() {
			if recipient == user(people-1) {
				assert.Equal(t, 2, n)
			}
		}
	})
	t.Run("through a reset", func(t *testing.T) {
		seen := 0
		for range l.Ledger().Each() {
			if seen == 0 {
				l.Ledger().Reset()
			}
			seen++
		}
		assert.Equal(t, people+1, seen)
	})
	t.Run("whole requests only", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() { l.post(multicastPath, multicast(fmt.Sprint(i), user(1), user(2), user(3), user(4))) })
		}
		for range 50 {
			assert.Zero(t, l.Ledger().Totals().Deliveries%4)
		}
		wg.Wait()
		assert.Equal(t, 200, l.Ledger().Totals().Deliveries)
	})
}

// A million recipients fit into some 100 MB, their number included in no request twice.
func TestLedgerOfAMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("allocates for a million recipients")
	}
	l := start(t, unlimited)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	const people = 1_000_000
	ids := make([]string, 500)
	for i := range people / len(ids) {
		for j := range ids {
			ids[j] = user(i*len(ids) + j)
		}
		require.Equal(t, 200, l.post(multicastPath, multicast("to all", ids...)).Code)
	}
	after := heap()
	assert.Equal(t, linesim.Totals{Requests: 2000, Deliveries: people, Recipients: people}, l.Ledger().Totals())
	assert.Less(t, after-before, uint64(200<<20), "bytes for a million recipients")
	t.Logf("%d MB", (after-before)>>20)
	once := 0
	for _, n := range l.Ledger().Counts() {
		if n == 1 {
			once++
		}
	}
	assert.Equal(t, people, once)
	runtime.KeepAlive(l)
}
