package checker

import (
	"cmp"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// unexplained finds dequeues of elements that were not enqueued, not yet, or not so often.
func (q *queueHistory) unexplained(found []finding) []finding {
	for i := range q.values {
		v := &q.values[i]
		if len(v.dequeues) == 0 {
			continue
		}
		f := newFinding("", q.key)
		f.second = v.dequeues[0].position
		earliest := &v.dequeues[0]
		for k := range v.dequeues {
			if v.dequeues[k].end < earliest.end {
				earliest = &v.dequeues[k]
			}
		}
		switch {
		case len(v.enqueues) == 0 && v.failed != none:
			f.class, f.older = classDequeuedFailed, v.failed
			f.gather()
		case len(v.enqueues) == 0:
			f.class = classDequeuedPhantom
			f.gather()
		case earliest.end < v.enqueues[0].start: // they are in order of invocation
			f.class, f.second, f.older = classDequeuedEarly, earliest.position, v.enqueues[0].position
			f.gather(positionsOf(v.enqueues)...)
		case len(v.dequeues) > len(v.enqueues):
			f.class, f.first, f.second = classDequeuedTwice, v.dequeues[0].position, v.dequeues[1].position
			f.gather(append(positionsOf(v.enqueues), positionsOf(v.dequeues[:len(v.enqueues)+1])...)...)
		default:
			continue
		}
		found = append(found, f)
	}
	return found
}

func positionsOf(calls []queueCall) (positions []int32) {
	for i := range calls {
		positions = append(positions, calls[i].position)
	}
	return positions
}

// presence is an element's enqueue, and its dequeue or nil. In is when it had
// certainly been enqueued, out when its dequeue began: Infinity for never.
type presence struct {
	enqueue, dequeue *queueCall
	begun, in, out   int64
	// settled says that it is known, or supposed, which dequeue took the element.
	settled bool
}

// spans returns the elements that were certainly enqueued, by the beginning of
// their enqueues. Each has one enqueue and at most one dequeue.
func (q *queueHistory) spans() (spans []presence) {
	for i := range q.values {
		v := &q.values[i]
		if len(v.enqueues) != 1 { // an order of a queue is one of any part of its elements
			continue
		}
		p := presence{enqueue: &v.enqueues[0], begun: v.enqueues[0].start, in: v.enqueues[0].end, out: history.Infinity}
		if len(v.dequeues) > 0 {
			p.dequeue = &v.dequeues[0]
			p.in, p.out = min(p.in, p.dequeue.end), p.dequeue.start
		} else if p.in == history.Infinity {
			continue
		}
		spans = append(spans, p)
	}
	slices.SortStableFunc(spans, func(a, b presence) int { return cmp.Compare(a.begun, b.begun) })
	return spans
}

// mayBeTaken says whether the element may have been taken by a dequeue of unknown outcome.
func (q *queueHistory) mayBeTaken(p *presence) bool {
	return p.dequeue == nil && !p.settled && len(q.unknown) > 0
}

// outOfOrder finds elements that were dequeued although one that had certainly
// been enqueued before them was certainly not dequeued before them.
func (q *queueHistory) outOfOrder(spans []presence) (found []finding, doubtful bool) {
	byIn := make([]*presence, len(spans))
	for i := range spans {
		byIn[i] = &spans[i]
	}
	slices.SortStableFunc(byIn, func(a, b *presence) int { return cmp.Compare(a.in, b.in) })
	// Of those enqueued before: the one dequeued last, and the same of those that nobody else may have taken.
	var latest, certain *presence
	next := 0
	for i := range spans {
		b := &spans[i]
		for ; next < len(byIn) && byIn[next].in < b.begun; next++ {
			a := byIn[next]
			if latest == nil || a.out > latest.out {
				latest = a
			}
			if !q.mayBeTaken(a) && (certain == nil || a.out > certain.out) {
				certain = a
			}
		}
		switch {
		case b.dequeue == nil:
		case certain != nil && b.dequeue.end < certain.out:
			f := newFinding(classOutOfOrder, q.key)
			f.older, f.newer, f.second = certain.enqueue.position, b.enqueue.position, b.dequeue.position
			if certain.dequeue != nil {
				f.first = certain.dequeue.position
			}
			f.gather()
			found = append(found, f)
		case latest != nil && b.dequeue.end < latest.out:
			doubtful = true
		}
	}
	return found, doubtful
}

// falselyEmpty finds dequeues that found the queue empty although at each
// instant of them some element had been enqueued for certain and not yet dequeued.
func (q *queueHistory) falselyEmpty(spans []presence) (found []finding, doubtful bool) {
	if len(q.empties) == 0 {
		return nil, false
	}
	all := make([]*presence, 0, len(spans))
	var certain []*presence
	for i := range spans {
		if p := &spans[i]; p.in < p.out {
			all = append(all, p)
			if !q.mayBeTaken(p) {
				certain = append(certain, p)
			}
		}
	}
	byIn := func(a, b *presence) int { return cmp.Compare(a.in, b.in) }
	slices.SortStableFunc(all, byIn)
	slices.SortStableFunc(certain, byIn)
	widest, widestCertain := farthest(all), farthest(certain)
	for i := range q.empties {
		e := &q.empties[i]
		if chain := cover(certain, widestCertain, e.start, e.end); chain != nil {
			found = append(found, q.emptyFinding(e, chain))
		} else if cover(all, widest, e.start, e.end) != nil {
			doubtful = true
		}
	}
	return found, doubtful
}

// farthest gives for each place in the list the element up to there that stays longest.
func farthest(list []*presence) []*presence {
	out := make([]*presence, len(list))
	for i, p := range list {
		out[i] = p
		if i > 0 && out[i-1].out >= p.out {
			out[i] = out[i-1]
		}
	}
	return out
}

// cover returns the fewest elements such that at each instant from start to end
// one of them is certainly present, strictly between its in and out; nil if
// there is an instant without. The list is sorted by in.
func cover(list, farthest []*presence, start, end int64) (chain []*presence) {
	for at := start; ; {
		i, _ := slices.BinarySearchFunc(list, at, func(p *presence, at int64) int {
			if p.in < at {
				return -1
			}
			return 1
		})
		if i == 0 || farthest[i-1].out <= at {
			return nil
		}
		chain = append(chain, farthest[i-1])
		if at = farthest[i-1].out; at > end {
			return chain
		}
	}
}

func (q *queueHistory) emptyFinding(e *queueCall, chain []*presence) finding {
	f := newFinding(classFalseEmpty, q.key)
	f.second, f.older = e.position, chain[0].enqueue.position
	var more []int32
	for _, p := range chain {
		more = append(more, p.enqueue.position)
		if p.dequeue != nil {
			more = append(more, p.dequeue.position)
		}
	}
	if len(chain) == 1 && chain[0].dequeue == nil {
		f.class = classQueueLost
	}
	f.gather(more...)
	return f
}
