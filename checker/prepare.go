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

// prepare appends to scratch[:0].
func (r *register) prepare(scratch []registerOperation) prepared {
	p := prepared{operations: scratch[:0], values: len(r.values)}
	if r.mismatches > 0 {
		p.operations = append(p.operations, r.operations...)
		return p
	}
	if !r.unambiguous() {
		observed := make([]bool, len(r.values))
		for i := range r.operations {
			if o := &r.operations[i]; o.kind == compareAndSet {
				observed[o.expected] = true
			} else if o.kind == read {
				observed[o.value] = true
			}
		}
		for i := range r.operations {
			if o := r.operations[i]; o.kind == read || o.outcome == certain || observed[o.value] {
				p.operations = append(p.operations, o)
			}
		}
		return p
	}
	p.counted = true
	happened, end := r.happened()
	for i := range r.operations {
		o := r.operations[i]
		if o.mutates() {
			if o.outcome == possible && !happened[o.value] {
				continue
			}
			o.outcome = certain
			o.end = min(o.end, max(end[o.value], o.start))
		}
		if seen := o.observes(); seen > initial {
			if w := r.values[seen].writer; w != none && r.operations[w].start <= o.end {
				o.start = max(o.start, r.operations[w].start)
			}
		}
		p.operations = append(p.operations, o)
	}
	return p
}

// happened finds the values that were certainly written because they were
// observed, through chains of compare-and-sets too, and for each the time by
// which it must have been written.
func (r *register) happened() (happened []bool, end []int64) {
	happened = make([]bool, len(r.values))
	end = make([]int64, len(r.values))
	var stack []int32
	for v := range r.values {
		end[v] = history.Infinity
		if f := r.values[v].first; f != none {
			end[v] = r.operations[f].end
			happened[v] = true
			stack = append(stack, int32(v))
		}
	}
	for len(stack) > 0 {
		v := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		w := r.values[v].writer
		if w == none || r.operations[w].kind != compareAndSet || r.operations[w].outcome != possible {
			continue
		}
		expected := r.operations[w].expected
		if earlier := end[v] < end[expected]; earlier || !happened[expected] {
			end[expected] = min(end[expected], end[v])
			happened[expected] = true
			stack = append(stack, expected)
		}
	}
	return happened, end
}
