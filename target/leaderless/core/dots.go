package core

import (
	"cmp"
	"slices"
)

// Dots: what replicated data types remember of updates instead of the updates.
//
// A replica that merges two states of a set finds an element in one of them
// only. Was it added there, or removed in the other one? The states alone don't
// tell, and remembering everything that was ever removed (tombstones) grows
// without end. The answer of Almeida, Shoker and Baquero (Delta State
// Replicated Data Types, Journal of Parallel and Distributed Computing 2018,
// §7, "causal CRDTs"; the set of it is Bieniusa et al., An Optimized
// Conflict-free Replicated Set, 2012, and Riak's riak_dt_orswot):
//
//   - Each update has a dot: who made it (an actor), and how many updates of
//     the object that actor had made by then.
//   - A state is a store of dots, each with what its update left behind, and a
//     version vector of all dots that were ever seen. An actor's dots come one
//     after the other and states travel whole, so that the vector has no gaps.
//   - A dot that is seen but not in the store was removed. So a join keeps the
//     dots that both stores have, and of the others those which the other state
//     has not seen.
//
// The price: each state has an entry for each actor that ever updated it, and
// what is sent is the whole state, however small the update.
//
// It all rests on an actor never giving out a dot twice. One that forgets its
// own updates and keeps its name does (see actor epochs); then two different
// things have one dot, and joins keep the greater of the two: replicas agree,
// and an update is lost.

// updateActor is who made an update: a node, in one of the epochs of its memory.
type updateActor struct {
	node  NodeID
	epoch uint64
}

func (a updateActor) compare(b updateActor) int {
	return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.epoch, b.epoch))
}

// updateDot names an update: the counter-th of its actor, from 1.
type updateDot struct {
	actor   updateActor
	counter uint64
}

func (d updateDot) compare(e updateDot) int {
	return cmp.Or(d.actor.compare(e.actor), cmp.Compare(d.counter, e.counter))
}

// updateVector has for each actor, in order, its newest update that was seen.
// It stands for all of the actor's updates up to that one. Never changed.
type updateVector []updateDot

func (v updateVector) find(a updateActor) (int, bool) {
	return slices.BinarySearchFunc(v, a, func(d updateDot, a updateActor) int { return d.actor.compare(a) })
}

// saw says that the update is among those that the vector stands for.
func (v updateVector) saw(d updateDot) bool {
	i, found := v.find(d.actor)
	return found && d.counter <= v[i].counter
}

// covers says that v stands for all that u stands for.
func (v updateVector) covers(u updateVector) bool {
	for _, d := range u {
		if !v.saw(d) {
			return false
		}
	}
	return true
}

// merge returns a vector for what either of the two stands for.
func (v updateVector) merge(u updateVector) updateVector {
	if v.covers(u) {
		return v
	}
	if u.covers(v) {
		return u
	}
	out := make(updateVector, 0, len(v)+len(u))
	for len(v) > 0 && len(u) > 0 {
		switch c := v[0].actor.compare(u[0].actor); {
		case c < 0:
			out, v = append(out, v[0]), v[1:]
		case c > 0:
			out, u = append(out, u[0]), u[1:]
		default:
			out = append(out, updateDot{v[0].actor, max(v[0].counter, u[0].counter)})
			v, u = v[1:], u[1:]
		}
	}
	return append(append(out, v...), u...)
}

// next returns the actor's next dot, and the vector with it.
func (v updateVector) next(a updateActor) (updateVector, updateDot) {
	i, found := v.find(a)
	d := updateDot{a, 1}
	if found {
		d.counter = v[i].counter + 1
		v = slices.Clone(v)
		v[i] = d
		return v, d
	}
	return slices.Insert(slices.Clone(v), i, d), d
}

// dotted is what one update left behind.
type dotted[T any] struct {
	dot   updateDot
	value T
}

// joinDotted joins two stores, which are in order of dots, of states that have
// seen those vectors. choose decides between two values of one dot, which are
// the same unless an actor forgot what it had done.
func joinDotted[T any](a, b []dotted[T], seenA, seenB updateVector, choose func(a, b *T) bool) []dotted[T] {
	var out []dotted[T]
	for len(a) > 0 || len(b) > 0 {
		c := 0
		switch {
		case len(b) == 0:
			c = -1
		case len(a) == 0:
			c = 1
		default:
			c = a[0].dot.compare(b[0].dot)
		}
		switch {
		case c < 0:
			if !seenB.saw(a[0].dot) {
				out = append(out, a[0])
			}
			a = a[1:]
		case c > 0:
			if !seenA.saw(b[0].dot) {
				out = append(out, b[0])
			}
			b = b[1:]
		default:
			if choose(&a[0].value, &b[0].value) {
				out = append(out, a[0])
			} else {
				out = append(out, b[0])
			}
			a, b = a[1:], b[1:]
		}
	}
	return out
}

// unseen returns what the vector does not stand for: the store after a removal
// of all that had been seen there.
func unseen[T any](store []dotted[T], seen updateVector) (left []dotted[T]) {
	for i := range store {
		if !seen.saw(store[i].dot) {
			left = append(left, store[i])
		}
	}
	return left
}

// replaceDotted returns the store with what the update left behind instead of
// everything in it: it has seen all of that.
func replaceDotted[T any](dot updateDot, value T) []dotted[T] { return []dotted[T]{{dot, value}} }

func appendActor(buf []byte, a updateActor) []byte {
	return appendUvarint(append(buf, byte(a.node)), a.epoch)
}

func appendDot(buf []byte, d updateDot) []byte {
	return appendUvarint(appendActor(buf, d.actor), d.counter)
}

func (d *decoder) updateDot() updateDot {
	dot := updateDot{updateActor{NodeID(d.byte()), d.uvarint()}, d.uvarint()}
	if d.ok() && dot.counter == 0 {
		d.fail("a dot with counter 0")
	}
	return dot
}

func appendVector(buf []byte, v updateVector) []byte {
	buf = appendUvarint(buf, uint64(len(v)))
	for _, d := range v {
		buf = appendDot(buf, d)
	}
	return buf
}

func (d *decoder) updateVector() updateVector {
	n := d.count(3)
	v := make(updateVector, 0, n)
	for range n {
		dot := d.updateDot()
		if d.ok() && len(v) > 0 && v[len(v)-1].actor.compare(dot.actor) >= 0 {
			d.fail("a version vector out of order")
		}
		if !d.ok() {
			return nil
		}
		v = append(v, dot)
	}
	return v
}

// count reads how many items follow, of at least that many bytes each: a lie
// about it must not cost memory.
func (d *decoder) count(least int) int {
	n := d.uvarint()
	if d.ok() && n > uint64(len(d.rest)/least) {
		d.fail("cut short")
		return 0
	}
	return int(n)
}

func appendDotted[T any](buf []byte, store []dotted[T], item func([]byte, *T) []byte) []byte {
	buf = appendUvarint(buf, uint64(len(store)))
	for i := range store {
		buf = item(appendDot(buf, store[i].dot), &store[i].value)
	}
	return buf
}

// decodeDotted reads a store whose dots must be in order and have been seen.
func decodeDotted[T any](d *decoder, seen updateVector, item func(*decoder) T) []dotted[T] {
	n := d.count(3)
	store := make([]dotted[T], 0, n)
	for range n {
		x := dotted[T]{dot: d.updateDot()}
		x.value = item(d)
		if !d.ok() {
			return nil
		}
		if !seen.saw(x.dot) || len(store) > 0 && store[len(store)-1].dot.compare(x.dot) >= 0 {
			d.fail("dots out of order, or not seen")
			return nil
		}
		store = append(store, x)
	}
	return store
}
