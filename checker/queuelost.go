package checker

import (
	"cmp"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// lostElement is an element that was certainly enqueued and that nobody who
// learnt it dequeued.
type lostElement struct {
	presence *presence
	// overtaker is the element enqueued certainly after it that was dequeued
	// first, or nil; deadline is when that dequeue ended.
	overtaker *presence
	deadline  int64
}

// settle supposes which of the lost elements the dequeues of unknown outcome
// took. To do so in time such a dequeue must have been invoked by when the
// first element enqueued after the lost one had been dequeued; it never
// returned, so nothing else is asked of it. If there are too few of them for
// some time, the history is refuted. Otherwise the one with the earliest
// deadline gets the earliest dequeue, and if by the four patterns nothing speaks
// against that, it proves the history linearizable. Only where it found the
// queue empty may it be undecided.
func (q *queueHistory) settle(spans []presence) (found []finding, proved bool) {
	lost := q.lostElements(spans)
	if f, short := q.tooFewDequeues(lost); short {
		return []finding{f}, false
	}
	if q.repeated {
		return nil, false
	}
	// To leave the queue empty an element must be gone by the end of an operation that
	// found it so, at the latest, and for certain if it is gone by the beginning.
	for _, by := range []func(e *queueCall) int64{func(e *queueCall) int64 { return e.end }, func(e *queueCall) int64 { return e.start }} {
		q.suppose(lost, by)
		order, empty, doubtful := []finding(nil), []finding(nil), false
		if q.ordered {
			order, doubtful = q.outOfOrder(spans)
		}
		if len(order) == 0 && !doubtful {
			if empty, doubtful = q.falselyEmpty(spans); len(empty) == 0 && !doubtful {
				return nil, true
			}
		}
	}
	return nil, false
}

// lostElements are those of the spans, which are in the order in which their enqueues began.
func (q *queueHistory) lostElements(spans []presence) (lost []lostElement) {
	// Of each span and those after it, the one dequeued first.
	soonest := make([]*presence, len(spans)+1)
	for i := len(spans) - 1; i >= 0; i-- {
		soonest[i] = soonest[i+1]
		if p := &spans[i]; p.dequeue != nil && (soonest[i] == nil || p.dequeue.end < soonest[i].dequeue.end) {
			soonest[i] = p
		}
	}
	for i := range spans {
		p := &spans[i]
		if p.dequeue != nil {
			continue
		}
		l := lostElement{presence: p, deadline: history.Infinity}
		after, _ := slices.BinarySearchFunc(spans, p.in, func(p presence, in int64) int {
			if p.begun <= in {
				return -1
			}
			return 1
		})
		if b := soonest[after]; q.ordered && b != nil {
			l.overtaker, l.deadline = b, b.dequeue.end
		}
		lost = append(lost, l)
	}
	slices.SortStableFunc(lost, func(a, b lostElement) int { return cmp.Compare(a.deadline, b.deadline) })
	return lost
}

// tooFewDequeues finds that by some time more lost elements had been overtaken
// than dequeues of unknown outcome had been invoked.
func (q *queueHistory) tooFewDequeues(lost []lostElement) (f finding, short bool) {
	for i, l := range lost {
		if l.overtaker == nil {
			break
		}
		if i < len(q.unknown) && q.unknown[i].start <= l.deadline { // they are in order of invocation
			continue
		}
		f = newFinding(classOutOfOrder, q.key)
		f.older, f.newer, f.second = l.presence.enqueue.position, l.overtaker.enqueue.position, l.overtaker.dequeue.position
		var more []int32
		for _, other := range lost[:i] {
			more = append(more, other.presence.enqueue.position, other.overtaker.enqueue.position, other.overtaker.dequeue.position)
		}
		for k := range q.unknown {
			if q.unknown[k].start <= l.deadline {
				more = append(more, q.unknown[k].position)
			}
		}
		f.gather(more...)
		return f, true
	}
	return f, false
}

// suppose gives the lost elements to the dequeues of unknown outcome, the most
// urgent first. by is when an element must be gone for an operation to find the queue empty.
func (q *queueHistory) suppose(lost []lostElement, by func(e *queueCall) int64) {
	type urgent struct {
		p        *presence
		deadline int64
	}
	var list []urgent
	for _, l := range lost {
		u := urgent{l.presence, l.deadline}
		for i := range q.empties {
			if e := &q.empties[i]; l.presence.in < e.start {
				u.deadline = min(u.deadline, by(e))
			}
		}
		u.p.settled, u.p.out = true, history.Infinity
		list = append(list, u)
	}
	slices.SortStableFunc(list, func(a, b urgent) int { return cmp.Compare(a.deadline, b.deadline) })
	for i := range list[:min(len(list), len(q.unknown))] {
		list[i].p.out = q.unknown[i].start
	}
}
