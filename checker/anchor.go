package checker

import (
	"cmp"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// anchors finds, for an operation, a mutation that certainly came before it and
// after as much as possible: of those that had ended when it began, the one that
// began last. Whatever had ended before the anchor began cannot be what the
// operation observed, in no order.
type anchors struct {
	ends []int64 // of certain mutations, sorted
	best []int32 // of those that ended by then, the one that began last
	// leastEnd is when the first mutation of each value ended; of any value: any.
	leastEnd []int64
	any      int64
}

// load keeps its storage from one use to the next.
func (a *anchors) load(r *register) {
	a.best, a.ends = a.best[:0], a.ends[:0]
	a.leastEnd = resize(a.leastEnd, len(r.values))
	a.any = history.Infinity
	for v := range a.leastEnd {
		a.leastEnd[v] = history.Infinity
	}
	for i := range r.operations {
		o := &r.operations[i]
		if !o.mutates() || o.outcome != certain {
			continue
		}
		a.best = append(a.best, int32(i))
		a.leastEnd[o.value] = min(a.leastEnd[o.value], o.end)
		a.any = min(a.any, o.end)
	}
	slices.SortStableFunc(a.best, func(x, y int32) int { return cmp.Compare(r.operations[x].end, r.operations[y].end) })
	for k, i := range a.best {
		a.ends = append(a.ends, r.operations[i].end)
		if k > 0 && r.operations[a.best[k-1]].start > r.operations[i].start {
			a.best[k] = a.best[k-1]
		}
	}
}

// anchor is the operation's anchor, or none if it would be of no use: if the
// operation tells what it observed, or nothing that it could have observed had ended before the anchor began.
func (s *shrinker) anchor(o *registerOperation) int32 {
	v := o.dependsOn()
	if v != none && s.register.values[v].writers < 2 && (v != initial || s.register.values[v].writers == 0) || v == none && o.outcome != mismatch {
		return none
	}
	if s.anchored != s.register || len(s.anchors.leastEnd) != len(s.register.values) {
		s.anchors.load(s.register)
		s.anchored = s.register
	}
	a := &s.anchors
	k, _ := slices.BinarySearch(a.ends, o.start) // those before k had ended before it began
	if k == 0 {
		return none
	}
	best := a.best[k-1]
	least := a.any
	if v != none {
		least = a.leastEnd[v]
	}
	if least >= s.register.operations[best].start {
		return none
	}
	return best
}
