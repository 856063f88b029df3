package core

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
//   - Each update has a dot: its actor and its number among those (see
//     actor.go).
//   - A state is a store of dots, each with what its update left behind, and a
//     version vector (see vector.go) of all dots that were ever seen. An actor's dots come one
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

// dotted is what one update left behind.
type dotted[T any] struct {
	dot   Dot
	value T
}

// joinDotted joins two stores, which are in order of dots, of states that have
// seen those vectors. choose decides between two values of one dot, which are
// the same unless an actor forgot what it had done.
func joinDotted[T any](a, b []dotted[T], seenA, seenB Vector, choose func(a, b *T) bool) []dotted[T] {
	var out []dotted[T]
	for len(a) > 0 || len(b) > 0 {
		c := 0
		switch {
		case len(b) == 0:
			c = -1
		case len(a) == 0:
			c = 1
		default:
			c = a[0].dot.Compare(b[0].dot)
		}
		switch {
		case c < 0:
			if !seenB.Has(a[0].dot) {
				out = append(out, a[0])
			}
			a = a[1:]
		case c > 0:
			if !seenA.Has(b[0].dot) {
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
func unseen[T any](store []dotted[T], seen Vector) (left []dotted[T]) {
	for i := range store {
		if !seen.Has(store[i].dot) {
			left = append(left, store[i])
		}
	}
	return left
}

// replaceDotted returns the store with what the update left behind instead of
// everything in it: it has seen all of that.
func replaceDotted[T any](dot Dot, value T) []dotted[T] { return []dotted[T]{{dot, value}} }

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
		buf = item(store[i].dot.appendTo(buf), &store[i].value)
	}
	return buf
}

// decodeDotted reads a store whose dots must be in order and have been seen.
func decodeDotted[T any](d *decoder, seen Vector, item func(*decoder) T) []dotted[T] {
	n := d.count(3)
	store := make([]dotted[T], 0, n)
	for range n {
		x := dotted[T]{dot: d.dot()}
		x.value = item(d)
		if !d.ok() {
			return nil
		}
		if !seen.Has(x.dot) || len(store) > 0 && store[len(store)-1].dot.Compare(x.dot) >= 0 {
			d.fail("dots out of order, or not seen")
			return nil
		}
		store = append(store, x)
	}
	return store
}
