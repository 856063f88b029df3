package checker

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// The classes of queues that are not linearizable.
const (
	classDequeuedPhantom = "dequeued-phantom"        // an element that nobody enqueued
	classDequeuedFailed  = "dequeued-failed-enqueue" // one whose enqueue certainly failed
	classDequeuedEarly   = "dequeued-before-enqueue" // one whose enqueue began only later
	classDequeuedTwice   = "dequeued-twice"          // more often than it was enqueued
	classOutOfOrder      = "out-of-order"            // the later of two was dequeued first, or alone
	classQueueLost       = "lost-from-queue"         // the queue was empty, though an element had been enqueued that nobody ever dequeued
	classFalseEmpty      = "false-empty"             // the queue was empty, though at each instant something was certainly in it
)

// queueHistory decides queues, ordered (first in, first out) or not.
//
// If every element is enqueued once and no dequeue has an unknown outcome, the
// decision is exact and takes O(n log n). Henzinger, Sezgin and Vafeiadis
// (Aspect-Oriented Linearizability Proofs, CONCUR 2013, theorem 1) show that a
// history of a first-in-first-out queue has a legal order iff it has none of
// four patterns: an element dequeued that was not enqueued, or not yet (VFresh);
// dequeued twice (VRepet); a enqueued before b, b dequeued but a never or only
// later (VOrd); the queue found empty in an operation during all of which
// elements were certainly in it (VWit). See also Bouajjani, Emmi, Enea and Hamza
// (On Reducing Linearizability to State Reachability, ICALP 2015). What is
// never dequeued may be thought to be dequeued at the end, all at once. For an
// unordered queue VOrd falls away, and the rest is exact too: let each element
// be enqueued as late and dequeued as early as real time allows.
//
// What is left out or narrowed changes nothing:
//
//   - An enqueue whose outcome is unknown and whose element nobody dequeued need
//     not have happened. Taking it out of a legal order, together with the
//     dequeue of unknown outcome that took it if one did, leaves one: nothing
//     else found that element.
//   - One whose element was dequeued has happened, before that dequeue ended.
//   - Elements that were enqueued several times are left out with all their
//     operations, which refutes if the rest does, but proves nothing.
//   - A dequeue whose outcome is unknown need not have happened. So a history
//     that has no pattern without it is linearizable. It may have taken any
//     element that nobody else dequeued, though; patterns that rest on an
//     element's never being dequeued then refute nothing by themselves. See settle.
type queueHistory struct {
	ordered    bool
	key        string
	operations []history.Operation
	values     []queueValue
	numbers    map[string]int32
	empties    []queueCall
	unknown    []queueCall // dequeues of unknown outcome
	dequeues   int
	repeated   bool
	lists      bool // elements are lists
}

// queueValue is an element with its operations, of those that may have taken effect.
type queueValue struct {
	name               string
	enqueues, dequeues []queueCall
	failed             int32 // position of an enqueue that certainly failed, or none
}

type queueKind uint8

const (
	enqueue queueKind = iota
	dequeue
	dequeueEmpty
	dequeueUnknown
)

type queueCall struct {
	start, end int64
	position   int32
	value      int32
	kind       queueKind
}

func (c *queueCall) at() int32 { return c.position }

func (q *queueHistory) method() string { return "patterns of queues" }

func (q *queueHistory) observations() int { return q.dequeues + len(q.empties) }

func (q *queueHistory) load(operations []history.Operation, key string, positions []int32) error {
	*q = queueHistory{ordered: q.ordered, key: key, operations: operations, numbers: map[string]int32{}}
	q.lists = slices.ContainsFunc(positions, func(p int32) bool {
		return operations[p].F == history.FEnqueue && operations[p].Input.Kind() == history.List
	})
	for _, p := range positions {
		o := &operations[p]
		c := queueCall{start: o.Start, end: certainly(o), position: p, value: none}
		switch o.F {
		case history.FEnqueue:
			if kind := o.Input.Kind(); kind == history.Absent || kind == history.Nil {
				return fmt.Errorf("operation %d enqueues nothing", o.Index)
			}
			c.value = q.number(o.Input)
			v := &q.values[c.value]
			if o.Type == history.Fail {
				v.failed = p
				continue
			}
			v.enqueues = append(v.enqueues, c)
			q.repeated = q.repeated || len(v.enqueues) > 1
		case history.FDequeue:
			switch {
			case o.Type == history.Fail:
			case o.Type == history.Info:
				c.kind = dequeueUnknown
				q.unknown = append(q.unknown, c)
			case o.Output.Kind() == history.Absent:
				return fmt.Errorf("operation %d is a dequeue that does not tell what it found", o.Index)
			case o.Output.Kind() == history.Nil:
				c.kind = dequeueEmpty
				q.empties = append(q.empties, c)
			case o.Output.Kind() == history.List && !q.lists:
				return fmt.Errorf("operation %d dequeues %s; only one element at a time can be followed", o.Index, showValue(o.Output))
			default:
				c.kind, c.value = dequeue, q.number(o.Output)
				q.values[c.value].dequeues = append(q.values[c.value].dequeues, c)
				q.dequeues++
			}
		default:
			return misfit(o, "queue")
		}
	}
	return nil
}

func (q *queueHistory) number(v history.Value) int32 {
	name := showValue(v)
	i, found := q.numbers[name]
	if !found {
		i = int32(len(q.values))
		q.numbers[name] = i
		q.values = append(q.values, queueValue{name: name, failed: none})
	}
	return i
}

func (q *queueHistory) decide() (found []finding, proved bool) {
	if found = q.unexplained(nil); len(found) > 0 {
		return found, false
	}
	spans, sure := q.spans(), !q.repeated
	if q.ordered {
		order, doubtful := q.outOfOrder(spans)
		found, sure = append(found, order...), sure && !doubtful
	}
	empty, doubtful := q.falselyEmpty(spans)
	found, sure = append(found, empty...), sure && !doubtful
	if len(found) > 0 || sure {
		return found, sure && len(found) == 0
	}
	return q.settle(spans)
}

// without drops elements only whole, with all their operations: a legal order
// less an element is legal, for the others keep their order, and where the
// queue was empty it still is. Dequeues that found it empty can go as they
// like. A dequeue of unknown outcome that took a dropped element did not happen
// then; but it can go only if nothing stays that it may have taken, which is
// so if of each element as many were dequeued as enqueued.
func (q *queueHistory) without(set, drop []int32) []int32 {
	gone := map[int32]bool{}
	for _, p := range drop {
		if v := q.valueAt(p); v != none {
			gone[v] = true
		}
	}
	balance := map[int32]int{}
	for _, p := range set {
		if v := q.valueAt(p); v != none && !gone[v] && q.operations[p].Type != history.Fail {
			if q.operations[p].F == history.FEnqueue {
				balance[v]++
			} else {
				balance[v]--
			}
		}
	}
	left := false
	for _, n := range balance {
		left = left || n > 0
	}
	out := make([]int32, 0, len(set))
	for _, p := range set {
		_, dropped := slices.BinarySearch(drop, p)
		v := q.valueAt(p)
		unknown := q.operations[p].F == history.FDequeue && q.operations[p].Type == history.Info
		if v != none && gone[v] || v == none && dropped && !(unknown && left) {
			continue
		}
		out = append(out, p)
	}
	return out
}

// valueAt is the number of the element of the operation at the position, or none.
func (q *queueHistory) valueAt(p int32) int32 {
	o := &q.operations[p]
	v := o.Input
	if o.F == history.FDequeue {
		if v = o.Output; !observed(o) || v.Kind() == history.Nil {
			return none
		}
	}
	if i, found := q.numbers[showValue(v)]; found {
		return i
	}
	return none
}

// search hands over what can matter: see queueHistory for what is left out.
func (q *queueHistory) search() (porcupine.Model, []porcupine.Operation) {
	var calls []*queueCall
	for i := range q.values {
		v := &q.values[i]
		for k := range v.enqueues {
			c := &v.enqueues[k]
			if c.end == history.Infinity && len(v.dequeues) == 0 {
				continue
			}
			if len(v.enqueues) == 1 && len(v.dequeues) == 1 { // the dequeue came after it
				d := &v.dequeues[0]
				c.end = min(c.end, max(c.start, d.end))
				d.start = max(d.start, min(c.start, d.end))
			}
			calls = append(calls, c)
		}
		for k := range v.dequeues {
			calls = append(calls, &v.dequeues[k])
		}
	}
	for _, list := range [][]queueCall{q.empties, q.unknown} {
		for k := range list {
			if list[k].kind != dequeueUnknown || q.ordered || len(q.empties) > 0 {
				calls = append(calls, &list[k])
			}
		}
	}
	out := make([]porcupine.Operation, len(calls))
	for i, c := range calls {
		out[i] = porcupine.Operation{Input: c, Call: c.start, Return: c.end}
	}
	if q.ordered {
		return orderedQueueModel(q.values), out
	}
	return bagModel(q.values), out
}
