package checker

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// The classes of sets that are not linearizable, beside element-missing,
// new-old-inversion, phantom-read, failed-write-read and read-before-write.
const (
	// classIncomparable: each of two reads shows an element that the other
	// lacks (of texts: neither is the beginning of the other), so that neither can have come first.
	classIncomparable = "incomparable-reads"
	// classSkipped: a read shows an element but not one whose add had ended
	// before that one's began.
	classSkipped = "element-skipped"
)

// setOrder decides whether a grow-only set is linearizable, exactly and nearly
// in linear time: O(n log n) in the operations and linear in what was read.
//
// An element appears once: at an instant not before the first of its adds was
// invoked, nor after the first acknowledged one of them ended. Any instant
// between is possible (the add invoked first can take effect then), and the
// other adds change nothing. So an element is one operation with that window.
//
// The reads' sets must form a chain by inclusion. Then the order is one of
// blocks: the elements of the smallest read, the reads that show exactly those,
// the further elements of the next larger read, and so on; at the end those
// that no read shows. Everything in a block must come before everything in the
// next, and nothing else is asked, so by misplaced the set is linearizable iff
// nothing in a later block ended before something in an earlier one began. An
// element that was never acknowledged and never read need not appear at all.
type setOrder struct {
	key        string
	operations []history.Operation
	// only are the elements that matter, sorted; nil: all. An order of a set
	// is an order of any part of its elements too, which makes witnesses small.
	only     []int64
	elements []setElement
	reads    []int32 // positions
	numbers  numbering
	seen     []int32 // by element: the last read or mark that has it
}

// setElement is an element with the window in which it first appears.
type setElement struct {
	value      int64
	start, end int64
	// Positions or none: by is the acknowledged add that ended first, first the
	// add invoked first, failed one that certainly failed, shown the read of it that ended first.
	by, first, failed, shown int32
	// repeated are the adds after the first that may have taken effect.
	repeated []int32
	block    int32
}

func (s *setOrder) method() string { return "chain of reads" }

func (s *setOrder) observations() int { return len(s.reads) }

func (s *setOrder) load(operations []history.Operation, key string, positions []int32) error {
	s.key, s.operations = key, operations
	s.elements, s.reads = s.elements[:0], s.reads[:0]
	s.numbers.clear()
	for _, p := range positions {
		o := &operations[p]
		switch o.F {
		case history.FRead:
			if !observed(o) {
				continue
			}
			if kind := o.Output.Kind(); kind != history.List && kind != history.Nil {
				return fmt.Errorf("operation %d reads %s, which is no set", o.Index, showValue(o.Output))
			}
			s.reads = append(s.reads, p)
			s.each(p, func(e *setElement, _ int32) {
				if e.shown == none || o.End < operations[e.shown].End {
					e.shown = p
				}
			})
		case history.FAdd:
			value, ok := o.Input.Int()
			if !ok {
				return fmt.Errorf("operation %d adds %s; only integers can be elements", o.Index, showValue(o.Input))
			}
			if !s.matters(value) {
				continue
			}
			s.add(o, p, value)
		default:
			return misfit(o, "set")
		}
	}
	return nil
}

func (s *setOrder) add(o *history.Operation, p int32, value int64) {
	e := &s.elements[s.number(value)]
	switch {
	case o.Type == history.Fail:
		e.failed = p
		return
	case e.first == none:
		e.first, e.start = p, o.Start
	default:
		e.repeated = append(e.repeated, p)
	}
	if end := certainly(o); end < e.end {
		e.by, e.end = p, end
	}
}

func (s *setOrder) matters(value int64) bool {
	if s.only == nil {
		return true
	}
	_, found := slices.BinarySearch(s.only, value)
	return found
}

func (s *setOrder) number(value int64) int32 {
	i, found := s.numbers.number(value, int32(len(s.elements)))
	if !found {
		s.elements = append(s.elements, setElement{value: value, start: history.Infinity, end: history.Infinity, by: none, first: none, failed: none, shown: none, block: none})
	}
	return i
}

// each calls yield for the elements that the read shows. An element that is
// listed twice may come twice.
func (s *setOrder) each(p int32, yield func(e *setElement, i int32)) {
	for _, value := range s.operations[p].Output.List() {
		if s.matters(value) {
			i := s.number(value)
			yield(&s.elements[i], i)
		}
	}
}

// decide returns the findings of the first of the patterns that there are: one
// fault of the store makes several.
func (s *setOrder) decide() (found []finding, proved bool) {
	if found = s.impossible(nil); len(found) > 0 {
		return found, false
	}
	if found = s.stale(nil); len(found) > 0 {
		return found, false
	}
	sizes := s.sizes()
	if found = s.incomparable(nil); len(found) > 0 {
		return found, false
	}
	found = s.outOfPlace(nil, sizes)
	return found, len(found) == 0
}

// impossible finds elements that were read without having been added.
func (s *setOrder) impossible(found []finding) []finding {
	for i := range s.elements {
		e := &s.elements[i]
		if e.shown == none {
			continue
		}
		f := newFinding("", s.key)
		f.second, f.element = e.shown, e.value
		switch {
		case e.first == none && e.failed != none:
			f.class, f.older = classFailed, e.failed
		case e.first == none:
			f.class = classPhantom
		case s.operations[e.shown].End < e.start:
			f.class, f.older = classFuture, e.first
		default:
			continue
		}
		f.gather(e.repeated...)
		found = append(found, f)
	}
	return found
}

// stale finds reads that lack an element whose add had ended before they began, once for each read.
func (s *setOrder) stale(found []finding) []finding {
	var acknowledged []int32
	for i := range s.elements {
		if s.elements[i].end != history.Infinity {
			acknowledged = append(acknowledged, int32(i))
		}
	}
	slices.SortStableFunc(acknowledged, func(a, b int32) int { return cmp.Compare(s.elements[a].end, s.elements[b].end) })
	s.unsee()
	for _, p := range s.reads {
		s.each(p, func(_ *setElement, i int32) { s.seen[i] = p })
		for _, i := range acknowledged {
			e := &s.elements[i]
			if e.end >= s.operations[p].Start {
				break
			}
			if s.seen[i] != p {
				f := newFinding(classMissing, s.key)
				f.newer, f.second, f.element = e.by, p, e.value
				f.gather()
				found = append(found, f)
				break
			}
		}
	}
	return found
}

func (s *setOrder) unsee() {
	s.seen = resize(s.seen, len(s.elements))
	for i := range s.seen {
		s.seen[i] = none
	}
}

// sizes sorts the reads by the number of elements that they show, which it returns.
func (s *setOrder) sizes() []int {
	s.unsee()
	type sized struct {
		read int32
		size int
	}
	reads := make([]sized, len(s.reads))
	for k, p := range s.reads {
		reads[k].read = p
		s.each(p, func(_ *setElement, i int32) {
			if s.seen[i] != p {
				s.seen[i] = p
				reads[k].size++
			}
		})
	}
	slices.SortStableFunc(reads, func(a, b sized) int { return cmp.Compare(a.size, b.size) })
	sizes := make([]int, len(reads))
	for k := range reads {
		s.reads[k], sizes[k] = reads[k].read, reads[k].size
	}
	return sizes
}

// incomparable finds neighbours of the sorted reads of which the smaller is not
// a part of the larger. If there are none, the reads form a chain.
func (s *setOrder) incomparable(found []finding) []finding {
	s.unsee()
	for k := 1; k < len(s.reads); k++ {
		small, large := s.reads[k-1], s.reads[k]
		s.each(large, func(_ *setElement, i int32) { s.seen[i] = large })
		lacking := none
		s.each(small, func(_ *setElement, i int32) {
			if s.seen[i] != large && lacking == none {
				lacking = i
			}
		})
		if lacking != none {
			found = append(found, s.crossing(small, large, lacking))
		}
	}
	return found
}

// crossing is the finding that the read small shows the element and large does
// not, which shows no fewer elements and so another one that small lacks.
func (s *setOrder) crossing(small, large, element int32) finding {
	a, b := &s.elements[element], s.difference(large, small)
	f := newFinding(classIncomparable, s.key)
	f.first, f.second, f.element, f.newer, f.older = small, large, a.value, a.first, b.first
	f.gather(append(slices.Clone(a.repeated), b.repeated...)...)
	return f
}

// outOfPlace finds what real time puts before something that the chain of reads puts before it.
func (s *setOrder) outOfPlace(found []finding, sizes []int) []finding {
	links, first := s.blocks(sizes)
	element := func(l placement) *setElement { return &s.elements[-1-l.id] }
	misplaced(links, func(earlier, later placement) {
		f := newFinding("", s.key)
		switch {
		case earlier.id >= 0 && later.id >= 0: // a read shows what a later one lacks
			f.class, f.first, f.second = classInversion, later.id, earlier.id
			e := s.difference(later.id, earlier.id)
			f.newer, f.element = e.first, e.value
			f.gather(e.repeated...)
		case earlier.id < 0 && later.id < 0: // an element shows, but not one acknowledged before it was added
			e, missing := element(earlier), element(later)
			f.class, f.second = classSkipped, first[e.block/2]
			f.newer, f.older, f.element = missing.by, e.first, e.value
			f.gather(e.repeated...)
		default: // stale and impossible have said so
			return
		}
		found = append(found, f)
	})
	return found
}

// blocks returns the elements (by -1 - their number) and the reads (by their
// position) in the order of their blocks, and the first read of each group of equal ones.
func (s *setOrder) blocks(sizes []int) (links []placement, first []int32) {
	links = make([]placement, 0, len(s.elements)+len(s.reads))
	for i := range s.elements {
		s.elements[i].block = none
	}
	place := func(e *setElement, i, block int32) {
		if e.block == none {
			e.block = block
			links = append(links, placement{e.start, e.end, block, -1 - i})
		}
	}
	for k, p := range s.reads {
		if k == 0 || sizes[k] != sizes[k-1] {
			first = append(first, p)
			s.each(p, func(e *setElement, i int32) { place(e, i, int32(2*len(first)-2)) })
		}
		o := &s.operations[p]
		links = append(links, placement{o.Start, o.End, int32(2*len(first) - 1), p})
	}
	for i := range s.elements {
		if e := &s.elements[i]; e.end != history.Infinity {
			place(e, int32(i), int32(2*len(first)))
		}
	}
	return links, first
}

// difference is an element that the one read shows and the other lacks.
func (s *setOrder) difference(shows, lacks int32) *setElement {
	var lacking []int64
	s.each(lacks, func(e *setElement, _ int32) { lacking = append(lacking, e.value) })
	slices.Sort(lacking)
	var out *setElement
	s.each(shows, func(e *setElement, _ int32) {
		if _, both := slices.BinarySearch(lacking, e.value); !both && out == nil {
			out = e
		}
	})
	return out
}

// without keeps the adds of each element together. An order of the set is one
// of any part of its elements, but a read must then be seen as showing those only.
func (s *setOrder) without(set, _ []int32) []int32 { return set }

// addedIn are the elements that the operations add, sorted; if there are none,
// those that they failed to add or that they read. They are few.
func addedIn(operations []history.Operation, positions []int32) []int64 {
	var added, failed, shown []int64
	for _, p := range positions {
		o := &operations[p]
		value, _ := o.Input.Int()
		switch {
		case o.F != history.FAdd:
			shown = append(shown, o.Output.List()...)
		case o.Type == history.Fail:
			failed = append(failed, value)
		default:
			added = append(added, value)
		}
	}
	for _, list := range [][]int64{added, failed, shown} {
		if len(list) > 0 {
			slices.Sort(list)
			list = slices.Compact(list)
			return list[:min(len(list), mostElements)]
		}
	}
	return nil
}
