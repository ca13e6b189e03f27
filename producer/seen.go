package producer

import (
	"hash/maphash"

	"github.com/lineq/lineq/tasks/campaign/chunk"
)

const (
	// slabIDs are kept together: 1 MB, which is never copied.
	slabIDs = 1 << 16
	// minSlots of a table: 16 KB.
	minSlots = 1 << 12
)

// seen is a set of ids, exact, in 16 bytes for each and 6 to 11 of a table. Nothing in it is a pointer that a garbage
// collection would follow. It holds as many ids as there are uint32s.
type seen struct {
	seed  maphash.Seed
	slabs [][]chunk.ID
	n     uint32
	// table finds an id by its hash, in open addressing. A slot holds one more than the id's number, zero being free, and
	// above that as many bits of its hash as there is room for: only where they agree the id itself is looked at.
	table []uint32
}

func newSeen() *seen { return &seen{seed: maphash.MakeSeed(), table: make([]uint32, minSlots)} }

// add tells whether an id wasn't there before.
func (s *seen) add(id chunk.ID) bool {
	if uint64(s.n)*4 >= uint64(len(s.table))*3 {
		s.grow()
	}
	slot, tag := s.place(&id)
	mask := uint32(len(s.table) - 1)
	for {
		entry := s.table[slot]
		if entry == 0 {
			break
		}
		if entry&^mask == tag && *s.at(entry&mask - 1) == id {
			return false
		}
		slot = (slot + 1) & mask
	}
	if s.n%slabIDs == 0 {
		s.slabs = append(s.slabs, make([]chunk.ID, slabIDs))
	}
	*s.at(s.n) = id
	s.n++
	s.table[slot] = tag | s.n
	return true
}

func (s *seen) at(n uint32) *chunk.ID { return &s.slabs[n/slabIDs][n%slabIDs] }

// place is where to look for an id first, and the bits that stand above its number.
func (s *seen) place(id *chunk.ID) (slot, tag uint32) {
	h := maphash.Bytes(s.seed, id[:])
	mask := uint32(len(s.table) - 1)
	return uint32(h) & mask, uint32(h>>32) &^ mask
}

// grow doubles the table.
func (s *seen) grow() {
	size := 2 * len(s.table)
	s.table = nil // it isn't needed for the new one
	s.table = make([]uint32, size)
	mask := uint32(size - 1)
	for n := range s.n {
		slot, tag := s.place(s.at(n))
		for s.table[slot] != 0 {
			slot = (slot + 1) & mask
		}
		s.table[slot] = tag | (n + 1)
	}
}
