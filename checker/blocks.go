package checker

import "github.com/refute-lab/refute/harness/history"

// A compare-and-set that took effect ties two values together: nothing can
// have been in the register between what it expected and what it wrote. A
// block is a chain of such values with all the operations on them, or a single
// value. In a legal order the operations of a block come one after the other,
// which makes Gibbons and Korach's theorem on the zones of values one on the
// zones of blocks (the argument is the same: a forward block holds the register
// all through its zone, a backward one fits into an instant of its own):
//
// a history of different values is linearizable iff each value that was
// observed has a writer, no two compare-and-sets took effect on one value, every
// chain has a beginning, within a block what must come earlier does not begin
// after the end of what must come later, and no two zones exclude each other.
//
// That presumes that not-found is there only before everything. See sweep
// for registers with deletes.

// link is what a value is tied to.
type link struct {
	// writer and successor are operations of the prepared history, or none:
	// what wrote the value, and the compare-and-set that replaced it.
	writer, successor int32
	// first and latest are the observer that ended first and the one that began
	// last, compare-and-sets that replaced the value not counted; or none.
	first, latest int32
}

// extremes are the operations of a block, by index in the prepared history,
// that make its zone: the one that ended first and the one that began last, or none.
type extremes struct{ first, latest int32 }

// The internal names of conflicts that a block has with itself.
const (
	conflictOrder = "chain-order"
	conflictZones = "zones"
)

// blocks finds the zones of the blocks of prepared operations of different
// values, forward ones sorted, or else what a block cannot be. Operations that
// may not have taken effect make no block.
func (d *decider) blocks(p prepared) {
	d.link(p)
	if len(d.found) > 0 {
		return
	}
	d.forward, d.backward = d.forward[:0], d.backward[:0]
	d.extremes = resize(d.extremes, p.values)
	reached := int32(0)
	if !p.deletes {
		d.block(p, initial, &reached)
	}
	for v := 1; v < p.values; v++ {
		w := d.links[v].writer
		if w == none {
			continue
		}
		if o := &p.operations[w]; o.kind == write || p.deletes && o.expected == initial {
			d.block(p, int32(v), &reached)
		}
	}
	if len(d.found) == 0 && reached < d.written {
		d.rootless(p)
	}
	sortNearly(d.forward, zone.before)
}

// link finds what each value is tied to. d.written is how many values have a writer.
func (d *decider) link(p prepared) {
	d.links, d.written = resize(d.links, p.values), 0
	for v := range d.links {
		d.links[v] = link{none, none, none, none}
	}
	for i := range p.operations {
		o := &p.operations[i]
		switch {
		case o.outcome == mismatch || o.mutates() && o.outcome == possible:
		case !o.mutates():
			l := &d.links[o.value]
			if l.first == none || o.end < p.operations[l.first].end {
				l.first = int32(i)
			}
			if l.latest == none || o.start > p.operations[l.latest].start {
				l.latest = int32(i)
			}
		default:
			if o.value != initial {
				d.links[o.value].writer = int32(i)
				d.written++
			}
			if o.kind == compareAndSet && (o.expected != initial || !p.deletes) {
				l := &d.links[o.expected]
				if l.successor != none {
					d.conflict(p, classFork, o.expected, o.expected, l.successor, int32(i))
				}
				l.successor = int32(i)
			}
		}
	}
}

// conflict notes a conflict that these operations show.
func (d *decider) conflict(p prepared, class string, a, b int32, shown ...int32) {
	c := conflict{class: class, a: a, b: b, at: never}
	for _, i := range shown {
		if i != none {
			c.shown = append(c.shown, p.operations[i].position)
			c.at = max(c.at, p.operations[i].start)
		}
	}
	d.found = append(d.found, c)
}

// block follows the chain that begins with the value and notes its zone.
// reached counts the values with a writer.
func (d *decider) block(p prepared, root int32, reached *int32) {
	z := zone{low: history.Infinity, high: never, value: root}
	x := extremes{none, none}
	// early takes in an operation that comes after all so far; the last one so
	// far that began must not have begun after its end.
	take := func(i int32) bool {
		o := &p.operations[i]
		if o.end < z.high {
			d.conflict(p, conflictOrder, root, root, x.latest, i)
			return false
		}
		if o.end <= z.low {
			z.low, x.first = o.end, i
		}
		return true
	}
	began := func(i int32) {
		if o := &p.operations[i]; o.start > z.high {
			z.high, x.latest = o.start, i
		}
	}
	for v := root; ; {
		l := &d.links[v]
		if l.writer != none {
			*reached++
			if !take(l.writer) {
				return
			}
			began(l.writer)
		} else {
			z.low = never // there before everything
		}
		if l.first != none {
			if !take(l.first) {
				return
			}
			began(l.latest)
		}
		if l.successor == none {
			break
		}
		if v = p.operations[l.successor].value; v == initial { // a conditional delete
			if !take(l.successor) {
				return
			}
			began(l.successor)
			z.deletes = true
			break
		}
	}
	if p.deletes {
		z.creates = root != initial && p.operations[d.links[root].writer].kind == compareAndSet
	}
	d.extremes[root] = x
	switch {
	case root == initial && z.high == never: // nobody looked
	case z.low < z.high:
		d.forward = append(d.forward, z)
	default:
		d.backward = append(d.backward, zone{z.high, z.low, root, z.creates, z.deletes})
	}
}

// rootless finds the chains that have no beginning: their values were made from
// one another in a circle, or from one that nobody wrote.
func (d *decider) rootless(p prepared) {
	d.stack = resize(d.stack, p.values)
	const unseen, onPath, done = 0, 1, 2
	seen := d.stack
	clear(seen)
	for v := 1; v < p.values; v++ {
		if d.links[v].writer == none {
			continue
		}
		// Follow the writers back to where it begins.
		path := int32(v)
		for u := path; ; {
			w := d.links[u].writer
			if w == none {
				if u != initial { // it was expected, but never there
					d.conflict(p, classPhantom, u, none, d.links[u].successor)
				}
				break
			}
			if seen[u] == done {
				break
			}
			if seen[u] == onPath {
				d.circle(p, u)
				break
			}
			seen[u] = onPath
			o := &p.operations[w]
			if o.kind == write || o.expected == initial {
				break
			}
			u = o.expected
		}
		for u := path; d.links[u].writer != none && seen[u] == onPath; {
			seen[u] = done
			o := &p.operations[d.links[u].writer]
			if o.kind == write || o.expected == initial {
				break
			}
			u = o.expected
		}
	}
}

// circle notes the chain that leads from the value back to it.
func (d *decider) circle(p prepared, value int32) {
	var shown []int32
	for u := value; ; {
		w := d.links[u].writer
		shown = append(shown, w)
		if u = p.operations[w].expected; u == value {
			break
		}
	}
	d.conflict(p, classCycle, value, value, shown...)
}
