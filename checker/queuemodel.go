package checker

import (
	"context"
	"fmt"
	"math/bits"
	"slices"

	"github.com/anishathalye/porcupine"
)

// queueItem is an element in a queue, linked to the one enqueued before it.
// States share their items, so that an enqueue costs one of them.
type queueItem struct {
	before *queueItem
	value  int32
	// number counts the items up to this one; hash is that of all their values.
	number int32
	hash   uint64
}

// queueState is a queue: the items up to last, less those up to the number taken.
type queueState struct {
	last  *queueItem
	taken int32
	// below is the hash of what was taken.
	below uint64
}

func (s queueState) length() int32 {
	if s.last == nil {
		return 0
	}
	return s.last.number - s.taken
}

const queueBase uint64 = 0x9e3779b97f4a7c15

// hash is that of the values in the queue: a polynomial in their order.
func (s queueState) hash() uint64 {
	if s.length() == 0 {
		return 0
	}
	shift, base := uint64(1), queueBase
	for n := s.length(); n > 0; n >>= 1 {
		if n&1 == 1 {
			shift *= base
		}
		base *= base
	}
	return s.last.hash - s.below*shift
}

func (s queueState) with(value int32) queueState {
	if s.length() == 0 { // nothing that was taken matters any more
		s = queueState{}
	}
	item := &queueItem{before: s.last, value: value, number: 1}
	item.hash = scatter(uint64(uint32(value)))
	if s.last != nil {
		item.number, item.hash = s.last.number+1, s.last.hash*queueBase+item.hash
	}
	return queueState{last: item, taken: s.taken, below: s.below}
}

// head is the item that is the next to be taken.
func (s queueState) head() *queueItem {
	item := s.last
	for item.number > s.taken+1 {
		item = item.before
	}
	return item
}

func (s queueState) less(head *queueItem) queueState {
	if s.length() == 1 {
		return queueState{}
	}
	return queueState{last: s.last, taken: head.number, below: head.hash}
}

func (s queueState) equal(other queueState) bool {
	if s.length() != other.length() {
		return false
	}
	a, b := s.last, other.last
	for n := s.length(); n > 0 && a != b; n-- {
		if a.value != b.value {
			return false
		}
		a, b = a.before, b.before
	}
	return true
}

// orderedQueueModel is a queue, first in, first out. A dequeue of unknown
// outcome takes the head, whatever it is, or nothing from an empty queue: there
// is only one thing it can do, so it needs no choice between states.
func orderedQueueModel(values []queueValue) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return queueState{} },
		StepContext: func(_ context.Context, state, in, _ any) (bool, any) {
			s, c := state.(queueState), in.(*queueCall)
			switch {
			case c.kind == enqueue:
				return true, s.with(c.value)
			case s.length() == 0:
				return c.kind != dequeue, state
			case c.kind == dequeueEmpty:
				return false, state
			}
			head := s.head()
			if c.kind == dequeue && head.value != c.value {
				return false, state
			}
			return true, s.less(head)
		},
		Equal: func(a, b any) bool { return a.(queueState).equal(b.(queueState)) },
		Hash:  func(state any) uint64 { return state.(queueState).hash() },
		DescribeState: func(state any) string {
			s := state.(queueState)
			var names []string
			for item, n := s.last, s.length(); n > 0; item, n = item.before, n-1 {
				names = append(names, values[item.value].name)
			}
			slices.Reverse(names)
			return fmt.Sprintf("queue %v", names)
		},
	}
}

// bagState is an unordered queue: a bit for each enqueue whose element is in
// it, of the enqueues of one value always the first ones. That is as much
// memory as Porcupine itself needs to remember a state.
type bagState struct {
	bits []uint64
	size int32
	// credit counts the dequeues of unknown outcome that have not been needed yet.
	credit int32
	hash   uint64
}

// bagModel is a queue without order.
//
// A dequeue of unknown outcome may take any element, which would be a choice.
// But nobody sees what it took; it can only help a dequeue that finds the
// queue empty. And as it never returns, it can always be put off until just
// before that one: in between nothing needs it, for having an element more
// hinders only those that find nothing. So it becomes a credit, and a dequeue
// that finds nothing spends as many credits as there are elements.
func bagModel(values []queueValue) porcupine.Model {
	first := make([]int, len(values)+1) // bit of each value's first enqueue
	for i := range values {
		first[i+1] = first[i] + len(values[i].enqueues)
	}
	words := (first[len(values)] + 63) / 64
	count := func(s bagState, value int32) int {
		n := 0
		for i := first[value]; i < first[value+1] && s.bits[i/64]>>(i%64)&1 == 1; i++ {
			n++
		}
		return n
	}
	change := func(s bagState, value int32, by int) bagState {
		bit := first[value] + count(s, value)
		if by < 0 {
			bit--
		}
		s.bits = slices.Clone(s.bits)
		s.bits[bit/64] ^= 1 << (bit % 64)
		s.hash ^= scatter(uint64(bit))
		s.size += int32(by)
		return s
	}
	return porcupine.Model{
		Init: func() any { return bagState{bits: make([]uint64, words)} },
		StepContext: func(_ context.Context, state, in, _ any) (bool, any) {
			s, c := state.(bagState), in.(*queueCall)
			switch c.kind {
			case enqueue:
				return true, change(s, c.value, 1)
			case dequeue:
				if count(s, c.value) == 0 {
					return false, state
				}
				return true, change(s, c.value, -1)
			case dequeueEmpty:
				if s.size > s.credit {
					return false, state
				}
				if s.size == 0 {
					return true, state
				}
				return true, bagState{bits: make([]uint64, words), credit: s.credit - s.size}
			}
			s.credit++
			return true, s
		},
		Equal: func(a, b any) bool {
			x, y := a.(bagState), b.(bagState)
			return x.hash == y.hash && x.size == y.size && x.credit == y.credit && slices.Equal(x.bits, y.bits)
		},
		Hash: func(state any) uint64 {
			s := state.(bagState)
			return s.hash ^ scatter(uint64(uint32(s.credit)))
		},
		DescribeState: func(state any) string {
			s := state.(bagState)
			var names []string
			for w, word := range s.bits {
				for ; word != 0; word &= word - 1 {
					bit := 64*w + bits.TrailingZeros64(word)
					value, _ := slices.BinarySearchFunc(first, bit, func(f, bit int) int {
						if f <= bit {
							return -1
						}
						return 1
					})
					names = append(names, values[value-1].name)
				}
			}
			if s.credit > 0 {
				return fmt.Sprintf("queue %v, of which %d may have been taken", names, s.credit)
			}
			return fmt.Sprintf("queue %v", names)
		},
	}
}
