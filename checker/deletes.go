package checker

import (
	"cmp"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// A register with deletes holds not-found several times, and a read of it does
// not tell when. The sweep decides such registers all the same, exactly and in
// O(n log n), as long as every delete certainly took effect or is a blind one,
// and all other values are written once:
//
// Each forward block holds the register all through its zone, so the windows
// of everything else (backward blocks, deletes, reads of not-found) are clipped
// to the time between those zones; a window of which nothing is left is a
// contradiction. What remains happens at instants. The sweep goes through the
// ends of windows in order of time and keeps whether the register holds
// nothing. It places a thing as late as it can, except where placing it now
// costs nothing: reads of not-found while there is nothing, blocks while there
// is something. A read that must not wait any longer takes the open delete whose
// window closes first, for that one can help the fewest others. A block that
// begins with a compare-and-set from not-found takes away the nothing, and is
// therefore put where the next thing to come would end it anyway.
//
// The sweep writes down the order in which it places things, and that order is
// replayed: nothing rests on this argument where the answer is yes. The tests hold
// the answer no against search and Porcupine.

// piece is a part of an order: a block, by its root, or one operation of the
// prepared history.
type piece struct {
	root      int32 // none: the operation
	operation int32
}

// window is when something must have its instant.
type window struct {
	piece
	high  int64
	kind  windowKind
	taken bool
}

type windowKind uint8

const (
	forwardWindow windowKind = iota
	blockWindow              // leaves a value behind
	deleteWindow             // leaves nothing behind; so does a block that ends with a delete
	nothingWindow            // needs nothing before it and leaves nothing: a read, or a block
	createWindow             // a block that needs nothing before it and leaves a value
)

// event is an end of a window. At one time they are worked off by rank.
type event struct {
	at     int64
	rank   eventRank
	window int32 // of d.windows, or of d.forward
}

type eventRank uint8

const (
	forwardEnds eventRank = iota
	opens
	closesDelete
	closesNothing
	closesBlock
	closesCreate
	forwardBegins
)

var closing = [...]eventRank{blockWindow: closesBlock, deleteWindow: closesDelete, nothingWindow: closesNothing, createWindow: closesCreate}

// sweeper is the state of a sweep.
type sweeper struct {
	windows []window
	events  []event
	order   []piece
	// nothing says that the register holds nothing now.
	nothing bool
	// What is open: blocks and reads of not-found wait for the register to
	// change; deletes and creations are heaps by the end of their window.
	blocks, reads    []int32
	deletes, creates []int32
}

// sweep decides the register from the zones of its blocks, which exclude no
// other by themselves. It appends a conflict to d.found, or leaves an order in d.sweeper.
func (d *decider) sweep(p prepared) {
	s := &d.sweeper
	s.windows, s.events, s.order = s.windows[:0], s.events[:0], s.order[:0]
	s.blocks, s.reads, s.deletes, s.creates = s.blocks[:0], s.reads[:0], s.deletes[:0], s.creates[:0]
	s.nothing = true
	if i, ok := d.openWindows(p); !ok {
		d.conflict(p, classDeleted, initial, initial, d.shownBy(i)...)
		return
	}
	slices.SortFunc(s.events, func(a, b event) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		return cmp.Compare(a.rank, b.rank)
	})
	for _, e := range s.events {
		if !d.handle(e) {
			w := piece{d.forwardRoot(e), none}
			if e.rank != forwardBegins {
				w = s.windows[e.window].piece
			}
			d.conflict(p, classDeleted, initial, initial, d.shownBy(w)...)
			return
		}
	}
}

func (d *decider) forwardRoot(e event) int32 {
	if e.rank == forwardBegins {
		return d.forward[e.window].value
	}
	return none
}

// shownBy are the operations by which a piece is recognized.
func (d *decider) shownBy(w piece) []int32 {
	if w.root == none {
		return []int32{w.operation}
	}
	x := d.extremes[w.root]
	return []int32{d.links[w.root].writer, x.first, x.latest}
}

// openWindows makes the windows and their events. ok is false if nothing is
// left of a window, that of w.
func (d *decider) openWindows(p prepared) (w piece, ok bool) {
	s := &d.sweeper
	for i := range d.forward {
		s.events = append(s.events, event{d.forward[i].low, forwardBegins, int32(i)}, event{d.forward[i].high, forwardEnds, int32(i)})
	}
	for _, z := range d.backward {
		kind := blockWindow
		switch {
		case z.creates && z.deletes:
			kind = nothingWindow
		case z.deletes:
			kind = deleteWindow
		case z.creates:
			kind = createWindow
		}
		if w = (piece{z.value, none}); !d.openWindow(w, kind, z.low, z.high) {
			return w, false
		}
	}
	for i := range p.operations {
		o := &p.operations[i]
		kind := nothingWindow
		switch {
		case o.kind == write && o.value == initial:
			kind = deleteWindow
		case o.mutates() || o.value != initial:
			continue
		}
		if w = (piece{none, int32(i)}); !d.openWindow(w, kind, o.start, o.end) {
			return w, false
		}
	}
	return w, true
}

// openWindow clips the window to the time outside forward zones. A delete that may
// not have taken effect never closes.
func (d *decider) openWindow(w piece, kind windowKind, low, high int64) bool {
	s := &d.sweeper
	if i := lastBelow(d.forward, low); i >= 0 && low < d.forward[i].high {
		low = d.forward[i].high
	}
	if i := lastBelow(d.forward, high); i >= 0 && high < d.forward[i].high {
		high = d.forward[i].low
	}
	if low > high {
		return false
	}
	id := int32(len(s.windows))
	s.windows = append(s.windows, window{w, high, kind, false})
	s.events = append(s.events, event{low, opens, id})
	if high != history.Infinity {
		s.events = append(s.events, event{high, closing[kind], id})
	}
	return true
}

// handle takes an event into account. It is false if something that must
// happen now cannot.
func (d *decider) handle(e event) bool {
	s := &d.sweeper
	switch e.rank {
	case forwardEnds:
		if s.nothing = d.forward[e.window].deletes; s.nothing {
			s.satisfyReads()
		} else {
			s.placeBlocks() // those still open across a block that began with a creation
		}
		return true
	case forwardBegins:
		f := &d.forward[e.window]
		if f.creates {
			// It takes the nothing away: nothing may be slipped in just before it.
			if !s.nothing && !s.takeDelete() {
				return false
			}
		} else {
			s.nothingEnds()
			s.placeBlocks()
		}
		s.order = append(s.order, piece{f.value, none})
		s.nothing = false
		return true
	case opens:
		s.open(e.window)
		return true
	}
	if s.windows[e.window].taken {
		return true
	}
	switch e.rank {
	case closesDelete:
		s.delete(e.window)
	case closesNothing:
		return s.takeDelete()
	case closesBlock:
		s.nothingEnds()
		s.placeBlocks()
		s.nothing = false
	case closesCreate:
		if !s.nothing && !s.takeDelete() {
			return false
		}
		s.place(e.window)
		s.nothing = false
		s.placeBlocks()
	}
	return true
}

func (s *sweeper) open(id int32) {
	switch s.windows[id].kind {
	case blockWindow:
		if s.nothing {
			s.blocks = append(s.blocks, id)
		} else {
			s.place(id)
		}
	case nothingWindow:
		if s.nothing {
			s.place(id)
		} else {
			s.reads = append(s.reads, id)
		}
	case deleteWindow:
		s.deletes = s.push(s.deletes, id)
	case createWindow:
		s.creates = s.push(s.creates, id)
	}
}

func (s *sweeper) place(id int32) {
	s.windows[id].taken = true
	s.order = append(s.order, s.windows[id].piece)
}

// placeBlocks places the open blocks that leave a value behind.
func (s *sweeper) placeBlocks() {
	for _, b := range s.blocks {
		s.place(b)
	}
	s.blocks = s.blocks[:0]
}

// satisfyReads places what waits for nothing.
func (s *sweeper) satisfyReads() {
	for _, r := range s.reads {
		s.place(r)
	}
	s.reads = s.reads[:0]
}

// nothingEnds places the creation whose window closes first where the nothing,
// if there is any, is about to end anyway.
func (s *sweeper) nothingEnds() {
	if !s.nothing {
		return
	}
	if c := s.pop(&s.creates); c != none {
		s.place(c)
		s.nothing = false
	}
}

// takeDelete carries out the open delete whose window closes first, if there is one.
func (s *sweeper) takeDelete() bool {
	c := s.pop(&s.deletes)
	if c != none {
		s.delete(c)
	}
	return c != none
}

// delete carries the delete out, after everything that can be put before it.
func (s *sweeper) delete(id int32) {
	s.nothingEnds()
	s.placeBlocks()
	s.place(id)
	s.nothing = true
	s.satisfyReads()
}

// push adds a window to a heap by the end of the windows.
func (s *sweeper) push(heap []int32, id int32) []int32 {
	heap = append(heap, id)
	i := len(heap) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if s.windows[heap[parent]].high <= s.windows[heap[i]].high {
			break
		}
		heap[parent], heap[i] = heap[i], heap[parent]
		i = parent
	}
	return heap
}

// pop takes the window that ends first and has not been taken out of a heap, or none.
func (s *sweeper) pop(heap *[]int32) int32 {
	for len(*heap) > 0 {
		h := *heap
		first, n := h[0], len(h)-1
		h[0] = h[n]
		h = h[:n]
		*heap = h
		for i := 0; ; {
			child := 2*i + 1
			if child >= n {
				break
			}
			if child+1 < n && s.windows[h[child+1]].high < s.windows[h[child]].high {
				child++
			}
			if s.windows[h[i]].high <= s.windows[h[child]].high {
				break
			}
			h[i], h[child] = h[child], h[i]
			i = child
		}
		if !s.windows[first].taken {
			return first
		}
	}
	return none
}
