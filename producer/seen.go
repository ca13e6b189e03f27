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
	// atOnce is how many ids are looked for together. Of a large table hardly a slot is in the processor's cache, and it
	// waits for many as long as for one.
	atOnce = 256
)

// seen is a set of ids, exact, in 16 bytes for each and 6 to 11 of a table. Nothing in it is a pointer that a garbage
// collection would follow. It holds as many ids as there are uint32s.
type seen struct {
	seed  maphash.Seed
	slabs [][]chunk.ID
	n     uint32
	// table finds an id by its hash, in open addressing. A slot holds one more than the id's number, zero being free, and
	// above that as many bits of its hash as there is room for: only where they agree the id itself is looked at.
	table   []uint32
	touched uint32 // without a use, which a compiler mustn't know
}

func newSeen() *seen { return &seen{seed: maphash.MakeSeed(), table: make([]uint32, minSlots)} }

// add tells of at most atOnce ids whether each wasn't there before.
func (s *seen) add(ids []chunk.ID, isNew *[atOnce]bool) {
	for uint64(int(s.n)+len(ids))*4 > uint64(len(s.table))*3 {
		s.grow()
	}
	var spots [atOnce]spot
	s.find(ids, &spots)
	for i := range ids {
		isNew[i] = s.addOne(&ids[i], spots[i])
	}
}

// spot is where to look for an id first, and the bits that stand above its number.
type spot struct{ slot, tag uint32 }

// find finds the spots of ids, and brings their slots into the processor's cache.
func (s *seen) find(ids []chunk.ID, spots *[atOnce]spot) {
	mask := uint32(len(s.table) - 1)
	touched := uint32(0)
	for i := range ids {
		h := maphash.Bytes(s.seed, ids[i][:])
		spots[i] = spot{uint32(h) & mask, uint32(h>>32) &^ mask}
		touched |= s.table[spots[i].slot]
	}
	s.touched = touched
}

func (s *seen) addOne(id *chunk.ID, p spot) bool {
	mask := uint32(len(s.table) - 1)
	for ; s.table[p.slot] != 0; p.slot = (p.slot + 1) & mask {
		if entry := s.table[p.slot]; entry&^mask == p.tag && *s.at(entry&mask - 1) == *id {
			return false
		}
	}
	if s.n%slabIDs == 0 {
		s.slabs = append(s.slabs, make([]chunk.ID, slabIDs))
	}
	*s.at(s.n) = *id
	s.n++
	s.table[p.slot] = p.tag | s.n
	return true
}

func (s *seen) at(n uint32) *chunk.ID { return &s.slabs[n/slabIDs][n%slabIDs] }

// grow doubles the table.
func (s *seen) grow() {
	size := 2 * len(s.table)
	s.table = nil // it isn't needed for the new one
	s.table = make([]uint32, size)
	mask := uint32(size - 1)
	var spots [atOnce]spot
	for n := uint32(0); n < s.n; {
		ids := s.slabs[n/slabIDs][n%slabIDs:]
		ids = ids[:min(len(ids), atOnce, int(s.n-n))]
		s.find(ids, &spots)
		for _, p := range spots[:len(ids)] {
			for s.table[p.slot] != 0 {
				p.slot = (p.slot + 1) & mask
			}
			n++
			s.table[p.slot] = p.tag | n
		}
	}
}
