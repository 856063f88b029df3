package checker

import (
	"cmp"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// A compare-and-set that failed and did not say what it found observed "not
// this value". Where it found it by the clock inside the time for which the
// value certainly was in the register, there is no legal order. Otherwise a few
// orders of the blocks are tried. For an order of the mutations the decision is
// exact: with b(i) the instant at which the i-th value gives way to the next,
// an operation over [s, e] did not find the i-th value iff s <= b(i-1) or
// b(i) <= e, so that taking each b as late as it may be, from first to last, is
// best. What no order explains is left to the search.

// unlike is an observation of "not the value", over the time from start to end.
type unlike struct {
	value      int32
	start, end int64
	// least is the least end of this observation and those of the value that begin later.
	least int64
}

// segment is a time for which the register holds a value.
type segment struct {
	value  int32
	writer int32 // of the prepared history; none for what was there before everything
	// least and greatest are the least end and the greatest start of the
	// segment's operations, its writer included.
	least, greatest int64
	// until is when the next one begins.
	until int64
}

// ordersTried is for how many orders of the blocks mismatches are tried.
const ordersTried = 6

// ordersBesideMismatches says whether one of some orders of the prepared
// history, which has no mismatches, explains those of the register too. It
// appends to d.found what is certainly a contradiction.
func (d *decider) ordersBesideMismatches(r *register, p prepared) bool {
	if p.optional {
		return false
	}
	d.loadUnlike(r)
	d.chains.load(p)
	for k := range ordersTried {
		if !p.deletes {
			d.arrange(p, choosers[k])
		}
		d.segment(p)
		if d.spread(p) && d.explains(p) {
			return true
		}
		if p.deletes {
			break // the sweep has made one order
		}
	}
	d.pinned(r, p)
	return false
}

// choosers are as early as possible, as late as possible, and some places between.
var choosers = [ordersTried]chooser{earliest, latest, between(1), between(2), between(3), between(4)}

func latest(z zone, _ int) int64 {
	if z.high == history.Infinity {
		return z.low
	}
	return z.high
}

func between(seed uint64) chooser {
	return func(z zone, i int) int64 {
		if z.high == history.Infinity || z.high == z.low {
			return z.low
		}
		return z.low + int64(scatter(seed<<32+uint64(i))%uint64(z.high-z.low))
	}
}

func (d *decider) loadUnlike(r *register) {
	d.unlike = d.unlike[:0]
	for i := range r.operations {
		if o := &r.operations[i]; o.outcome == mismatch {
			d.unlike = append(d.unlike, unlike{o.expected, o.start, o.end, o.end})
		}
	}
	slices.SortFunc(d.unlike, func(a, b unlike) int { return cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(a.start, b.start)) })
	for i := len(d.unlike) - 2; i >= 0; i-- {
		if u, next := &d.unlike[i], d.unlike[i+1]; u.value == next.value {
			u.least = min(u.least, next.least)
		}
	}
}

// mustGive is the time by which the value, which is there since the instant, must have given way.
func (d *decider) mustGive(value int32, since int64) int64 {
	i, _ := slices.BinarySearchFunc(d.unlike, since, func(u unlike, since int64) int {
		if u.value < value || u.value == value && u.start <= since {
			return -1
		}
		return 1
	})
	if i < len(d.unlike) && d.unlike[i].value == value {
		return d.unlike[i].least
	}
	return history.Infinity
}

// segment writes the order of the pieces as an order of values.
func (d *decider) segment(p prepared) {
	d.segments = append(d.segments[:0], segment{initial, none, history.Infinity, never, 0})
	for _, x := range d.sweeper.order {
		if x.root == none {
			o := &p.operations[x.operation]
			if o.mutates() {
				d.begin(p, x.operation)
			} else {
				d.segments[len(d.segments)-1].note(o)
			}
			continue
		}
		d.chain(p, x.root)
	}
}

// begin begins the segment of the mutation.
func (d *decider) begin(p prepared, i int32) {
	o := &p.operations[i]
	// What writes the value that is there already leaves it there.
	if last := &d.segments[len(d.segments)-1]; last.value == o.value {
		last.note(o)
		return
	}
	d.segments = append(d.segments, segment{o.value, i, o.end, o.start, 0})
}

func (s *segment) note(o *registerOperation) {
	s.least, s.greatest = min(s.least, o.end), max(s.greatest, o.start)
}

// chain appends the segments of a block.
func (d *decider) chain(p prepared, value int32) {
	if w := d.chains.writer[value]; w != none {
		d.begin(p, w)
	}
	for {
		last := &d.segments[len(d.segments)-1]
		for _, i := range d.chains.readsOf(value) {
			last.note(&p.operations[i])
		}
		next := d.chains.successor[value]
		if next == none {
			return
		}
		d.begin(p, next)
		if value = p.operations[next].value; value == initial {
			return
		}
	}
}

// spread finds the instants at which the values give way to one another, each
// as late as it may be. It is false if there are none.
func (d *decider) spread(p prepared) bool {
	limit := history.Infinity
	for i := len(d.segments) - 1; i >= 0; i-- {
		s := &d.segments[i]
		s.until = limit // for now, when the next must have begun
		limit = min(limit, s.least)
	}
	since := never
	for i := range d.segments {
		s := &d.segments[i]
		low, high := max(since, s.greatest), min(s.until, d.mustGive(s.value, since))
		if i == len(d.segments)-1 {
			if high != history.Infinity {
				return false
			}
			s.until = history.Infinity
			return true
		}
		low = max(low, p.operations[d.segments[i+1].writer].start)
		if high < low {
			return false
		}
		s.until, since = high, high
	}
	return true
}

// explains says whether the segments and their instants are a legal order of
// everything. It is what the answer rests on, however they were found.
func (d *decider) explains(p prepared) bool {
	steps, since, held := 0, never, initial
	overlaps := func(o *registerOperation, s *segment, since int64) bool {
		return max(o.start, since) <= min(o.end, s.until)
	}
	for i := range d.segments {
		s := &d.segments[i]
		if s.writer != none {
			w := &p.operations[s.writer]
			if since < w.start || since > w.end || w.kind == compareAndSet && w.expected != held || w.value != s.value {
				return false
			}
		}
		held = s.value
		if s.until < since {
			return false
		}
		since = s.until
	}
	for i := range p.operations {
		o := &p.operations[i]
		if o.outcome == possible {
			continue
		}
		steps++
		k := d.segmentAt(o.start)
		ok := false
		begin := never
		if k > 0 {
			begin = d.segments[k-1].until
		}
		for ; k < len(d.segments) && begin <= o.end && !ok; k++ {
			s := &d.segments[k]
			switch {
			case o.mutates() && s.value == initial && o.value == initial && o.kind == write:
				ok = overlaps(o, s, begin) // a delete while there is nothing, or the one that began it
			case o.mutates():
				ok = s.writer == int32(i)
			default:
				ok = s.value == o.value && overlaps(o, s, begin)
			}
			begin = s.until
		}
		if !ok {
			return false
		}
	}
	for _, u := range d.unlike {
		k := d.segmentAt(u.start)
		if d.segments[k].value != u.value {
			continue
		}
		for k++; k < len(d.segments) && d.segments[k].value == u.value; k++ {
		}
		if k == len(d.segments) || d.segments[k-1].until > u.end {
			return false
		}
	}
	return steps == d.chains.certain
}

// segmentAt is the first segment that lasts until the time or longer.
func (d *decider) segmentAt(time int64) int {
	low, high := 0, len(d.segments)-1
	for low < high {
		if middle := int(uint(low+high) / 2); d.segments[middle].until < time {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// pinned finds the mismatches within the time for which their value certainly
// was in the register: from the end of an operation that shows that it had come,
// to the beginning of one that shows that it had not gone.
func (d *decider) pinned(r *register, p prepared) {
	d.come, d.gone = resize(d.come, p.values), resize(d.gone, p.values)
	for v := range d.come {
		d.come[v], d.gone[v] = none, none
	}
	if !p.deletes {
		d.certainTimes(p, initial)
	}
	for v := 1; v < p.values; v++ {
		if w := d.links[v].writer; w != none {
			if o := &p.operations[w]; o.kind == write || p.deletes && o.expected == initial {
				d.certainTimes(p, int32(v))
			}
		}
	}
	for i := range r.operations {
		o := &r.operations[i]
		if o.outcome != mismatch {
			continue
		}
		low, high := d.come[o.expected], d.gone[o.expected]
		if high == none || p.operations[high].start <= o.end {
			continue
		}
		shown := []int32{o.position, p.operations[high].position}
		if o.expected != initial { // which was there from the beginning
			if low == none || p.operations[low].end >= o.start {
				continue
			}
			shown = append(shown, p.operations[low].position)
		}
		d.found = append(d.found, conflict{class: classPinned, a: o.expected, b: none, at: o.start, shown: shown})
	}
}

// certainTimes finds, for each value of a block, the operations that show for
// how long it certainly was there: what is later in the chain shows that it had
// come, what is earlier or took it away that it had not gone.
func (d *decider) certainTimes(p prepared, root int32) {
	chain := d.stack[:0]
	began := none
	begins := func(i int32) {
		if i != none && (began == none || p.operations[i].start > p.operations[began].start) {
			began = i
		}
	}
	for v := root; ; {
		chain = append(chain, v)
		l := &d.links[v]
		begins(l.writer)
		begins(l.latest)
		begins(l.successor)
		d.gone[v] = began
		if l.successor == none {
			break
		}
		if v = p.operations[l.successor].value; v == initial {
			break
		}
	}
	ended := none
	ends := func(i int32) {
		if i != none && (ended == none || p.operations[i].end < p.operations[ended].end) {
			ended = i
		}
	}
	for k := len(chain) - 1; k >= 0; k-- {
		l := &d.links[chain[k]]
		ends(l.successor)
		ends(l.first)
		ends(l.writer)
		d.come[chain[k]] = ended
	}
	d.stack = chain
}
