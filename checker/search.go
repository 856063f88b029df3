package checker

import (
	"fmt"

	"github.com/refute-lab/refute/harness/history"
)

// searcher decides prepared registers by trying orders: Wing and Gong's search
// (Testing and Verifying Concurrent Objects, 1993) with Lowe's memory of
// what was tried (Testing for Linearizability, 2017), made for a register:
//
//   - What was tried is a set of operations and the value that they leave. Of it
//     128 bits of a hash are kept (Zobrist 1970), so that it takes 24 bytes
//     whatever the size of the set. That two of a billion sets have the same has a
//     probability below 10⁻²⁰.
//   - An observation that is possible now is carried out now: it changes nothing,
//     so that no order is lost by that.
//   - A value is not overwritten while somebody is still to observe it whom no
//     write that is still to come can serve.
//   - An operation that may have taken effect has no end by which it must have,
//     and is tried only where somebody can still notice.
//
// It keeps its storage from one history to the next.
type searcher struct {
	operations []registerOperation
	// entries are the beginnings and ends of operations in order of time, as a list
	// from which those of operations that were carried out are taken out. The last is its head.
	entries    []entry
	order      []int32
	next, prev []int32
	finish     []int32 // by operation: the entry of its end, or none
	// Of each value: the operations still to be carried out that certainly
	// observe it, that can write it, and that observe or expect it.
	observers, writers, interested []int32
	mismatches                     int
	certain                        int // operations still to be carried out that certainly took effect
	stack                          []choice
	state                          int32
	low, high                      uint64 // the hash of the set that was carried out
	seen                           hashSet
	steps                          int64
}

type entry struct {
	time      int64
	operation int32
	end       bool
}

// choice is an operation that was carried out, and the value before. Those
// that left no choice are marked, and undone with the one before them.
type choice struct {
	entry, state int32
	forced       bool
}

// stepsBetweenChecks is how often a search looks whether it is to stop.
const stepsBetweenChecks = 1024

type searchResult uint8

const (
	searchLegal searchResult = iota
	searchIllegal
	searchStopped
)

// decide decides the prepared register. stop, if not nil, is asked from time to
// time, with the steps taken so far, whether to give up; grow whether the
// memory of what was tried may grow to that many bytes.
func (s *searcher) decide(p prepared, stop func(steps int64) bool, grow func(bytes uint64) bool) searchResult {
	s.load(p)
	s.observe()
	e := s.next[len(s.entries)]
	head := int32(len(s.entries))
	for {
		if s.steps++; s.steps%stepsBetweenChecks == 0 && stop != nil && stop(s.steps) {
			return searchStopped
		}
		if s.certain == 0 {
			return searchLegal
		}
		if e != head && !s.entries[e].end {
			after, allowed := s.try(e)
			if !allowed {
				e = s.next[e]
				continue
			}
			k := uint64(s.entries[e].operation)
			a, b := s.low^scatter(2*k), s.high^scatter(2*k+1)
			state := uint64(uint32(after))
			fresh, full := s.seen.add(a^scatter(state^0xa5a5<<40), b^scatter(state^0x5a5a<<44), grow)
			if full {
				return searchStopped
			}
			if !fresh {
				e = s.next[e]
				continue
			}
			s.stack = append(s.stack, choice{e, s.state, false})
			s.take(e)
			s.state = after
			s.observe()
			e = s.next[head]
			continue
		}
		// Nothing is left to be tried here: back to the last choice.
		if e = s.back(); e == none {
			return searchIllegal
		}
	}
}

// back undoes the last choice and returns the entry to be tried after it, or none.
func (s *searcher) back() int32 {
	for len(s.stack) > 0 {
		last := s.stack[len(s.stack)-1]
		s.stack = s.stack[:len(s.stack)-1]
		s.untake(last.entry)
		s.state = last.state
		if !last.forced {
			return s.next[last.entry]
		}
	}
	return none
}

// load prepares the search.
func (s *searcher) load(p prepared) {
	s.operations = p.operations
	n := len(p.operations)
	s.observers, s.writers, s.interested = resize(s.observers, p.values), resize(s.writers, p.values), resize(s.interested, p.values)
	clear(s.observers)
	clear(s.writers)
	clear(s.interested)
	s.mismatches, s.certain, s.steps = 0, 0, 0
	s.stack, s.state, s.low, s.high = s.stack[:0], initial, 0, 0
	s.seen.clear()
	for i := range p.operations {
		o := &p.operations[i]
		if o.outcome == mismatch {
			s.mismatches++
		}
		if o.outcome != possible {
			s.certain++
		}
		s.count(o, 1)
	}
	s.list(n)
}

// list puts the beginnings and ends into order: at one time the beginnings
// first, for such operations overlap.
func (s *searcher) list(n int) {
	s.entries, s.order, s.finish = resize(s.entries, 0), resize(s.order, n), resize(s.finish, n)
	for i := range s.order {
		s.order[i], s.finish[i] = int32(i), none
	}
	sortNearly(s.order, func(a, b int32) bool { return s.operations[a].start < s.operations[b].start })
	begins := s.entries
	for _, i := range s.order {
		begins = append(begins, entry{s.operations[i].start, i, false})
	}
	for _, i := range s.order {
		if o := &s.operations[i]; o.outcome != possible {
			begins = append(begins, entry{o.end, i, true})
		}
	}
	s.entries = begins
	sortNearly(s.entries[n:], func(a, b entry) bool { return a.time < b.time })
	// The two halves are each in order: link them as one list.
	total := int32(len(s.entries))
	s.next, s.prev = resize(s.next, int(total)+1), resize(s.prev, int(total)+1)
	last, b, f := total, int32(0), int32(n)
	for b < int32(n) || f < total {
		var e int32
		if f == total || b < int32(n) && s.entries[b].time <= s.entries[f].time {
			e = b
			b++
		} else {
			e = f
			s.finish[s.entries[e].operation] = e
			f++
		}
		s.next[last], s.prev[e] = e, last
		last = e
	}
	s.next[last], s.prev[total] = total, last
}

// count adds to what is still to come on the operation's values.
func (s *searcher) count(o *registerOperation, by int32) {
	if seen := o.observes(); seen != none {
		s.observers[seen] += by
	}
	if v := o.dependsOn(); v != none {
		s.interested[v] += by
	}
	if o.mutates() {
		s.writers[o.value] += by
	}
}

// try says whether the operation that begins with the entry can be carried out
// now, to any use, and the value that it leaves.
func (s *searcher) try(e int32) (after int32, allowed bool) {
	o := &s.operations[s.entries[e].operation]
	if !o.mutates() {
		return s.state, s.holds(o)
	}
	if o.kind == compareAndSet && s.state != o.expected {
		return none, false // it must not be now, or would change nothing
	}
	if o.value == s.state {
		return s.state, o.outcome != possible
	}
	waiting := s.observers[s.state]
	if o.observes() == s.state {
		waiting--
	}
	if waiting > 0 && s.writers[s.state] == 0 {
		return none, false
	}
	if o.outcome == possible && s.mismatches == 0 && s.interested[o.value] == 0 {
		return none, false
	}
	return o.value, true
}

// holds says whether what the operation observed, which changes nothing, is so now.
func (s *searcher) holds(o *registerOperation) bool {
	if o.outcome == mismatch {
		return s.state != o.expected
	}
	return s.state == o.value
}

// observe carries out the observations that are possible now.
func (s *searcher) observe() {
	head := int32(len(s.entries))
	for e := s.next[head]; e != head && !s.entries[e].end; {
		following := s.next[e]
		if o := &s.operations[s.entries[e].operation]; !o.mutates() && s.holds(o) {
			s.stack = append(s.stack, choice{e, s.state, true})
			s.take(e)
		}
		e = following
	}
}

// take carries an operation out, all but the change of the value.
func (s *searcher) take(e int32) {
	k := s.entries[e].operation
	s.unlink(e)
	if f := s.finish[k]; f != none {
		s.unlink(f)
	}
	s.note(k, -1)
}

// untake undoes what was carried out last.
func (s *searcher) untake(e int32) {
	k := s.entries[e].operation
	if f := s.finish[k]; f != none {
		s.relink(f)
	}
	s.relink(e)
	s.note(k, 1)
}

func (s *searcher) note(k, by int32) {
	o := &s.operations[k]
	s.low ^= scatter(2 * uint64(k))
	s.high ^= scatter(2*uint64(k) + 1)
	s.count(o, by)
	if o.outcome != possible {
		s.certain += int(by)
	}
	if o.outcome == mismatch {
		s.mismatches += int(by)
	}
}

func (s *searcher) unlink(e int32) {
	s.next[s.prev[e]], s.prev[s.next[e]] = s.next[e], s.prev[e]
}

func (s *searcher) relink(e int32) {
	s.next[s.prev[e]], s.prev[s.next[e]] = e, e
}

// hashSet is a set of 128-bit hashes that is emptied in constant time.
type hashSet struct {
	slots []hashSlot // a power of two of them, at most three quarters taken
	used  int
	epoch uint32
}

type hashSlot struct {
	a, b  uint64
	epoch uint32
}

// hashSlotBytes is what a slot takes.
const hashSlotBytes = 24

func (h *hashSet) clear() {
	h.used = 0
	h.epoch++
	// What a long search needed is not kept for the short ones after it, nor
	// does a number of an epoch come again.
	if len(h.slots) > 1<<16 || h.epoch == 0 {
		h.slots, h.epoch = nil, 1
	}
}

// add adds the hash. fresh: it was not there. full: it could not be added, since
// the set must not grow.
func (h *hashSet) add(a, b uint64, grow func(bytes uint64) bool) (fresh, full bool) {
	if 4*h.used >= 3*len(h.slots) && !h.grow(grow) {
		return false, true
	}
	mask := uint64(len(h.slots) - 1)
	for i := a & mask; ; i = (i + 1) & mask {
		slot := &h.slots[i]
		if slot.epoch != h.epoch {
			*slot = hashSlot{a, b, h.epoch}
			h.used++
			return true, false
		}
		if slot.a == a && slot.b == b {
			return false, false
		}
	}
}

func (h *hashSet) grow(allowed func(bytes uint64) bool) bool {
	size := max(64, 2*len(h.slots))
	// Old and new are there at the same time.
	if allowed != nil && size > 64 && !allowed(uint64(size)*hashSlotBytes) {
		return false
	}
	old := h.slots
	h.slots = make([]hashSlot, size)
	mask := uint64(size - 1)
	for _, s := range old {
		if s.epoch != h.epoch {
			continue
		}
		i := s.a & mask
		for h.slots[i].epoch == h.epoch {
			i = (i + 1) & mask
		}
		h.slots[i] = s
	}
	return true
}

// difficulty says what makes a search long, with numbers.
type difficulty struct{ operations, concurrent, unknown int }

func (d difficulty) String() string {
	return fmt.Sprintf(" (%s, up to %d at a time, and %d of unknown outcome)", plural(d.operations, "operation"), d.concurrent, d.unknown)
}

// difficultyOf looks at the operations of a key as they were recorded. Those of
// unknown outcome are not counted as concurrent with what comes long after them.
func difficultyOf(operations []registerOperation) difficulty {
	d := difficulty{operations: len(operations)}
	var ends []int64
	for i := range operations {
		o := &operations[i]
		if o.outcome == possible {
			d.unknown++
			continue
		}
		ends = append(ends, o.end)
	}
	sortNearly(ends, func(a, b int64) bool { return a < b })
	open, k := 0, 0
	for i := range operations {
		o := &operations[i]
		if o.outcome == possible || o.end == history.Infinity {
			continue
		}
		for k < len(ends) && ends[k] < o.start {
			open--
			k++
		}
		open++
		d.concurrent = max(d.concurrent, open)
	}
	return d
}
