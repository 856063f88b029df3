package sim

import (
	"github.com/refute-lab/refute/target/leaderless/core"
)

// kind says what is going to happen.
type kind uint8

const (
	// What happens to nodes: they are paused, or dead, or another incarnation by then.
	happensMessage   kind = iota + 1 // from another node
	happensRequest                   // from a client
	happensTimer                     // that the node set
	happensSync                      // the disk has finished what it was at
	happensFlush                     // the process hands the disk what it had only in memory
	happensWriteback                 // the operating system syncs by itself, or on the interval of the fsync mode
	happensTick                      // an interval between two syncs of groups is over
	// What happens to clients.
	happensTurn    // a worker asks for its next operation
	happensReply   // a node's reply arrives
	happensHangUp  // the connection to a node turns out to be gone
	happensRefusal // nobody listens at the node
	happensPatience
	// What happens to the run.
	happensFault    // a fault begins
	happensSnapshot // a snapshot is taken for one
	happensHeal     // a fault ends
	happensPoll     // the harness asks the nodes whether they are quiet
	happensMainEnd
)

// occurrence is something that is going to happen.
type occurrence struct {
	kind kind
	// node is whom it happens to; of a message it is the receiver.
	node uint8
	// worker is the client concerned.
	worker uint16
	// life is the incarnation of the node that timers, disks and replies belong to.
	life uint32
	// slot is where the message, the request or the reply is kept, in the world's stores of these.
	slot uint32
	// id is the timer's, the fault's number or the request's.
	id uint64
	// origin is the request on whose behalf it happens, where id is something else.
	origin uint64
}

// entry is an occurrence's place in the queue: by time, then by the order in
// which they were put there. Both are in one number, the order in its lower
// bits, because comparing is most of what a queue does. Times have room for 39
// hours. The order starts again after 131,072 occurrences: two that are due at
// the same nanosecond and were put there so far apart may change places, in
// every run alike.
type entry struct {
	key  uint64
	slot uint32
}

const orderBits = 17

func (e entry) before(f entry) bool { return e.key < f.key }

// store keeps what occurrences are about: messages are several times as large
// as the rest of an occurrence, and half of all occurrences have none.
type store[T any] struct {
	items []T
	free  []uint32
}

func (s *store[T]) reset() {
	clear(s.items)
	s.items, s.free = s.items[:0], s.free[:0]
}

// take reserves a place, to be filled.
func (s *store[T]) take() uint32 {
	if k := len(s.free); k > 0 {
		slot := s.free[k-1]
		s.free = s.free[:k-1]
		return slot
	}
	var empty T
	s.items = append(s.items, empty)
	return uint32(len(s.items) - 1)
}

// release gives the place to others; what was there stays until then.
func (s *store[T]) release(slot uint32) { s.free = append(s.free, slot) }

// parcel is a message on its way, or a client's request, which has the same parts.
type parcel struct {
	message core.Message
	// sent is when it left.
	sent int64
	// request is a client's request that the message's parts do not say whole; else nil.
	request *core.Request
}

// letter is a reply on its way to a client.
type letter struct {
	reply core.Reply
	sent  int64
}

// queue is a heap with four children to a node, which touches less memory than
// one with two, over entries of 16 bytes; what happens is kept beside it.
type queue struct {
	heap  []entry
	slots []occurrence
	free  []uint32
	order uint64
}

func (q *queue) reset() {
	q.heap, q.slots, q.free, q.order = q.heap[:0], q.slots[:0], q.free[:0], 0
}

// add reserves a slot at the time and returns it to be filled. It is valid
// until the next add.
func (q *queue) add(at int64) *occurrence {
	var slot uint32
	if k := len(q.free); k > 0 {
		slot = q.free[k-1]
		q.free = q.free[:k-1]
	} else {
		slot = uint32(len(q.slots))
		q.slots = append(q.slots, occurrence{})
	}
	q.order = (q.order + 1) & (1<<orderBits - 1)
	e := entry{uint64(at)<<orderBits | q.order, slot}
	q.heap = append(q.heap, e)
	h := q.heap
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 4
		if h[parent].before(e) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = e
	return &q.slots[slot]
}

// pop takes the next occurrence off the queue. What it points to is valid
// until release.
func (q *queue) pop() (at int64, slot uint32) {
	h := q.heap
	top := h[0]
	last := len(h) - 1
	e := h[last]
	h = h[:last]
	q.heap = h
	i := 0
	for {
		child := 4*i + 1
		if child >= last {
			break
		}
		least, key := child, h[child].key
		for c, x := range h[child+1 : min(child+4, last)] {
			if x.key < key {
				least, key = child+1+c, x.key
			}
		}
		if key >= e.key {
			break
		}
		h[i] = h[least]
		i = least
	}
	if last > 0 {
		h[i] = e
	}
	return int64(top.key >> orderBits), top.slot
}

func (q *queue) release(slot uint32) {
	q.free = append(q.free, slot)
}
