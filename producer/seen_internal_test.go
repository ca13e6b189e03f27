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

// addMany adds n ids that next makes, and calls each with what is told of them.
func addMany(s *seen, n int, next func() chunk.ID, each func(id chunk.ID, isNew bool)) {
	var isNew [atOnce]bool
	ids := make([]chunk.ID, 0, atOnce)
	for i := range n {
		ids = append(ids, next())
		if len(ids) < atOnce && i < n-1 {
			continue
		}
		s.add(ids, &isNew)
		for k, id := range ids {
			each(id, isNew[k])
		}
		ids = ids[:0]
	}
}

func TestSeenIsASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, model := newSeen(), map[chunk.ID]bool{}
		seed, most := rapid.Uint64().Draw(t, "seed"), rapid.Uint64Range(1, 20_000).Draw(t, "ids")
		r := rand.New(rand.NewPCG(seed, 0))
		next := func() (id chunk.ID) {
			binary.BigEndian.PutUint64(id[:], r.Uint64N(most))
			return id
		}
		addMany(s, 3*int(most)/2, next, func(id chunk.ID, isNew bool) {
			require.Equal(t, !model[id], isNew)
			model[id] = true
		})
		require.Len(t, model, int(s.n))
	})
}

func TestSeenKeepsAMillion(t *testing.T) {
	s := newSeen()
	for round := range 2 {
		n := uint32(0)
		next := func() (id chunk.ID) {
			binary.BigEndian.PutUint32(id[12:], n)
			n++
			return id
		}
		addMany(s, 1_000_000, next, func(id chunk.ID, isNew bool) {
			if isNew != (round == 0) {
				t.Fatalf("round %d, id %x", round, id)
			}
		})
	}
	assert.EqualValues(t, 1_000_000, s.n)
	assert.Len(t, s.table, 1<<21)
}

func BenchmarkSeen(b *testing.B) {
	for _, n := range []int{1_000_000, 10_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				r := rand.New(rand.NewPCG(1, 2))
				next := func() (id chunk.ID) {
					binary.BigEndian.PutUint64(id[:], r.Uint64())
					return id
				}
				addMany(newSeen(), n, next, func(chunk.ID, bool) {})
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/id")
		})
	}
}
