package checker

import "math/bits"

// numbering maps integers to small numbers: a hash table that is emptied in
// constant time, since it is used anew for each of many keys.
type numbering struct {
	slots []numberSlot // a power of two of them, at most half of them taken
	shift uint
	used  int
	epoch uint32
}

// numberSlot is taken if its epoch is the table's.
type numberSlot struct {
	key    int64
	number int32
	epoch  uint32
}

// leastSlots is how many a table has at first.
const leastSlots = 64

// clear empties the table.
func (n *numbering) clear() {
	n.used = 0
	n.epoch++
	if n.epoch == 0 { // every 2³² times the numbers of epochs begin again
		clear(n.slots)
		n.epoch = 1
	}
}

// number returns the number of the key. Where it has none yet, found is false
// and it is given the number fresh.
func (n *numbering) number(key int64, fresh int32) (number int32, found bool) {
	if 2*n.used >= len(n.slots) {
		n.grow()
	}
	slot := n.slot(key)
	if slot.epoch == n.epoch {
		return slot.number, true
	}
	*slot = numberSlot{key, fresh, n.epoch}
	n.used++
	return fresh, false
}

// get returns the number of the key, or none.
func (n *numbering) get(key int64) int32 {
	if n.used == 0 {
		return none
	}
	if slot := n.slot(key); slot.epoch == n.epoch {
		return slot.number
	}
	return none
}

// slot is where the key is, or would be put.
func (n *numbering) slot(key int64) *numberSlot {
	mask := len(n.slots) - 1
	// Fibonacci hashing (Knuth, The Art of Computer Programming 3, 6.4).
	for i := int(uint64(key) * 0x9e3779b97f4a7c15 >> n.shift); ; i = (i + 1) & mask {
		slot := &n.slots[i]
		if slot.epoch != n.epoch || slot.key == key {
			return slot
		}
	}
}

func (n *numbering) grow() {
	old, epoch := n.slots, n.epoch
	n.slots = make([]numberSlot, max(leastSlots, 2*len(old)))
	n.shift = uint(64 - bits.TrailingZeros(uint(len(n.slots))))
	n.epoch = 1
	for _, s := range old {
		if s.epoch == epoch && epoch != 0 {
			s.epoch = n.epoch
			*n.slot(s.key) = s
		}
	}
}
