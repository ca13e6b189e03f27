package gateway

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/lineq/lineq/lineapi"
)

// Whoever is turned away takes nobody's place, and gives none back that it never had.
func TestPressureCountsWhatItLetsIn(t *testing.T) {
	p := newPressure()
	p.full.Store(true)
	for range 10 {
		assert.False(t, p.enter(minWeight))
		assert.False(t, p.enterLong())
	}
	p.full.Store(false)
	for range maxLong {
		assert.True(t, p.enterLong())
	}
	for range 10 {
		assert.False(t, p.enterLong())
	}
	p.leaveLong()
	assert.True(t, p.enterLong())
	assert.False(t, p.enterLong())

	const most = maxWeight / lineapi.MaxRequestBytes
	for range most {
		assert.True(t, p.enter(lineapi.MaxRequestBytes))
	}
	assert.False(t, p.enter(minWeight))
	p.leave(lineapi.MaxRequestBytes)
	assert.True(t, p.enter(minWeight))
}

func TestWeightOf(t *testing.T) {
	for length, want := range map[int64]int64{
		-1: lineapi.MaxRequestBytes, 0: minWeight, 100: minWeight, minWeight + 1: minWeight + 1, 64 << 20: lineapi.MaxRequestBytes,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.ContentLength = length
		assert.Equal(t, want, weightOf(r), length)
	}
}
