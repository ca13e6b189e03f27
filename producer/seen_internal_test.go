package producer

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/lineq/lineq/tasks/campaign/chunk"
)

func TestSeenIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, model := newSeen(), map[chunk.ID]bool{}
		seed, most := rapid.Uint64().Draw(t, "seed"), rapid.Uint64Range(1, 20_000).Draw(t, "ids")
		r := rand.New(rand.NewPCG(seed, 0))
		for range 3 * most / 2 {
			var id chunk.ID
			binary.BigEndian.PutUint64(id[:], r.Uint64N(most))
			require.Equal(t, !model[id], s.add(id))
			model[id] = true
		}
		require.Len(t, model, int(s.n))
	})
}

func TestSeenKeepsAMillion(t *testing.T) {
	s := newSeen()
	for round := range 2 {
		var id chunk.ID
		for n := range uint32(1_000_000) {
			binary.BigEndian.PutUint32(id[12:], n)
			if s.add(id) != (round == 0) {
				t.Fatalf("round %d, id %d", round, n)
			}
		}
	}
	assert.EqualValues(t, 1_000_000, s.n)
	assert.Len(t, s.table, 1<<21)
}

func BenchmarkSeen(b *testing.B) {
	for _, n := range []int{1_000_000, 10_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				s := newSeen()
				r := rand.New(rand.NewPCG(1, 2))
				var id chunk.ID
				for range n {
					binary.BigEndian.PutUint64(id[:], r.Uint64())
					s.add(id)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/id")
		})
	}
}
