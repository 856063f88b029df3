package checker

import (
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// prepared is a register's history made small and strict without changing
// whether it is linearizable.
//
//   - A mutation that may have taken effect and whose value nobody observed,
//     nor could have (a compare-and-set that expects it), is dropped: Herlihy
//     and Wing let a pending operation be left out, and taking a write that
//     nobody saw out of a legal order changes no observation. Not so beside
//     mismatches: a write that nobody read can matter to them ("it was not 3
//     any more").
//   - One whose value only it can have written, and which was observed, has
//     happened, so it becomes certain. A compare-and-set that has happened
//     observed its expected value.
//   - Such a write happened before the first of its observers ended, so that is
//     its end at the latest; an observation happened after its write began.
//
// Where a value has several writers an observation does not tell which of them
// it saw, and they stay as they were. Not-found is such a value as soon as
// something (perhaps) deletes: it has been there before everything, too.
type prepared struct {
	operations []registerOperation
	values     int
	// counted says that every value has one writer, every mutation is certain,
	// and there are no mismatches: countingModel decides it.
	counted bool
	// deletes says that some mutation writes not-found; optional that some,
	// blind deletes left out, may not have taken effect.
	deletes, optional bool
}

// prepare prepares the register in the decider's storage.
func (d *decider) prepare(r *register) prepared { return d.prepareAll(r, r.mismatches > 0) }

// prepareAll is prepare, where keep says that no mutation may be dropped. If it
// is false the mismatches are, since what is left is legal if the whole is.
func (d *decider) prepareAll(r *register, keep bool) prepared {
	d.operations = slices.Grow(d.operations[:0], len(r.operations))
	p := prepared{values: len(r.values)}
	wanted, end := d.happened(r)
	for i := range r.operations {
		o := &r.operations[i]
		if o.outcome == mismatch && !keep || o.mutates() && o.outcome == possible && !keep && !wanted[o.value] {
			continue
		}
		d.operations = append(d.operations, *o)
		x := &d.operations[len(d.operations)-1]
		if o.mutates() {
			if r.single(o.value) && end[o.value] < history.Infinity {
				x.outcome = certain
				x.end = min(x.end, max(end[o.value], o.start))
			}
			p.deletes = p.deletes || x.value == initial
			p.optional = p.optional || x.outcome == possible && (x.kind != write || x.value != initial)
		}
		if seen := x.observes(); seen > initial && r.single(seen) {
			if w := r.values[seen].writer; r.operations[w].start <= x.end {
				x.start = max(x.start, r.operations[w].start)
			}
		}
	}
	p.operations = d.operations
	p.counted = r.repeated == 0 && !p.deletes && !p.optional && (r.mismatches == 0 || !keep)
	return p
}

// single says whether exactly one operation can have written the value, which
// is not the one that every register begins with.
func (r *register) single(value int32) bool { return value != initial && r.values[value].writers == 1 }

// happened finds the values that were observed or could have been: wanted. For
// those that a single operation can have written it finds the time by which
// it must have done so, through chains of compare-and-sets too, or Infinity:
// end. d.proof is then, for a value that is known to have been there only
// since a compare-and-set took it away, the value that this one wrote.
func (d *decider) happened(r *register) (wanted []bool, end []int64) {
	d.flags, d.ends, d.stack = resize(d.flags, len(r.values)), resize(d.ends, len(r.values)), d.stack[:0]
	d.proof = resize(d.proof, len(r.values))
	wanted, end = d.flags, d.ends
	for v := range r.values {
		f := r.values[v].first
		wanted[v], end[v], d.proof[v] = f != none, history.Infinity, none
		if f != none {
			end[v] = r.operations[f].end
			if r.conditional > 0 {
				d.stack = append(d.stack, int32(v))
			}
		}
	}
	for len(d.stack) > 0 {
		v := d.stack[len(d.stack)-1]
		d.stack = d.stack[:len(d.stack)-1]
		if !r.single(v) {
			continue
		}
		w := &r.operations[r.values[v].writer]
		if w.kind != compareAndSet || w.outcome != possible {
			continue
		}
		if e := w.expected; end[v] < end[e] || !wanted[e] {
			if !wanted[e] {
				d.proof[e] = v
			}
			end[e], wanted[e] = min(end[e], end[v]), true
			d.stack = append(d.stack, e)
		}
	}
	if r.conditional > 0 && (r.repeated > 0 || r.values[initial].writers > 0) {
		r.couldBeObserved(wanted)
	}
	return wanted, end
}

// couldBeObserved adds the values that a compare-and-set expects which may have
// taken effect and writes a wanted value.
func (r *register) couldBeObserved(wanted []bool) {
	for changed := true; changed; {
		changed = false
		// Backwards: a chain is mostly written in the order of its values.
		for i := len(r.operations) - 1; i >= 0; i-- {
			o := &r.operations[i]
			if o.kind == compareAndSet && o.outcome == possible && wanted[o.value] && !wanted[o.expected] {
				wanted[o.expected], changed = true, true
			}
		}
	}
}
