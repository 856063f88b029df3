package checker

import "github.com/refute-lab/refute/harness/history"

// prepared is a register's history made small and strict without changing
// whether it is linearizable.
//
// Of an unambiguous history without mismatches ("counted" is true):
//
//   - A mutation that may have taken effect and whose value nobody observed is
//     dropped: Herlihy and Wing let a pending operation be left out, and taking
//     a write that nobody saw out of a legal order changes no observation.
//   - One whose value was observed has happened, so it becomes certain. A
//     compare-and-set that has happened observed its expected value.
//   - A write happened before the first of its observers ended, so that is its
//     end at the latest; an observation happened after its write began.
//
// With repeated values an observation does not tell which write it saw, and
// with mismatches a write that nobody read can still matter ("it was not 3
// any more"): then only unobserved possible writes are dropped, and with
// mismatches nothing is.
type prepared struct {
	operations []registerOperation
	counted    bool
	values     int
}

// prepare prepares the register in the decider's storage.
func (d *decider) prepare(r *register) prepared {
	d.operations = d.operations[:0]
	p := prepared{values: len(r.values)}
	switch {
	case r.mismatches > 0:
		d.operations = append(d.operations, r.operations...)
	case !r.unambiguous():
		d.dropUnobserved(r)
	default:
		p.counted = true
		d.tighten(r)
	}
	p.operations = d.operations
	return p
}

// dropUnobserved leaves out the possible writes of values that nobody observed.
func (d *decider) dropUnobserved(r *register) {
	d.flags = resize(d.flags, len(r.values))
	observed := d.flags
	clear(observed)
	for i := range r.operations {
		if o := &r.operations[i]; o.kind == compareAndSet {
			observed[o.expected] = true
		} else if o.kind == read {
			observed[o.value] = true
		}
	}
	for i := range r.operations {
		if o := &r.operations[i]; o.kind == read || o.outcome == certain || observed[o.value] {
			d.operations = append(d.operations, *o)
		}
	}
}

// tighten leaves out what did not happen as far as anybody saw, and narrows the time of the rest.
func (d *decider) tighten(r *register) {
	happened, end := d.happened(r)
	for i := range r.operations {
		o := &r.operations[i]
		if o.mutates() && o.outcome == possible && !happened[o.value] {
			continue
		}
		d.operations = append(d.operations, *o)
		x := &d.operations[len(d.operations)-1]
		if o.mutates() {
			x.outcome = certain
			x.end = min(x.end, max(end[o.value], o.start))
		}
		if seen := x.observes(); seen > initial {
			if w := r.values[seen].writer; w != none && r.operations[w].start <= x.end {
				x.start = max(x.start, r.operations[w].start)
			}
		}
	}
}

// happened finds the values that were certainly written because they were
// observed, through chains of compare-and-sets too, and for each the time by
// which it must have been written.
func (d *decider) happened(r *register) (happened []bool, end []int64) {
	d.flags, d.ends, d.stack = resize(d.flags, len(r.values)), resize(d.ends, len(r.values)), d.stack[:0]
	happened, end = d.flags, d.ends
	for v := range r.values {
		f := r.values[v].first
		happened[v], end[v] = f != none, history.Infinity
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
		w := r.values[v].writer
		if w == none || r.operations[w].kind != compareAndSet || r.operations[w].outcome != possible {
			continue
		}
		expected := r.operations[w].expected
		if earlier := end[v] < end[expected]; earlier || !happened[expected] {
			end[expected] = min(end[expected], end[v])
			happened[expected] = true
			d.stack = append(d.stack, expected)
		}
	}
	return happened, end
}
