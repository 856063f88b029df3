package staleness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Infinity is the end of an operation that may take effect at any later time.
const Infinity int64 = math.MaxInt64

// never is before every time: when the initial value was written.
const never int64 = math.MinInt64

// none is the place of what is not there.
const none int32 = -1

// Operation is one read or write of the register that is measured. Failed
// operations and reads without a result are no operations here.
type Operation struct {
	// Start and End are its invocation and its completion on one clock, in
	// nanoseconds. End is not looked at where Unknown is set.
	Start, End int64
	// Index is the caller's name for it; the report names operations by it.
	Index int64
	// Value is the number of the value that was read or written. 0 is the
	// initial value, which no operation writes: a read of it found nothing.
	Value int32
	// Write tells writes from reads.
	Write bool
	// Unknown says that the outcome of a write is not known: it may have taken
	// effect at any time after Start, or not at all.
	Unknown bool
}

// The reasons why a key cannot be measured.
var (
	// ErrRepeated says that a value was (perhaps) written twice, or that the
	// initial value was written: a read does not tell then which write it saw.
	ErrRepeated = errors.New("a value was written more than once")
	// ErrMalformed says that the operations are not in order of invocation, end
	// before they begin, or have numbers of values out of range.
	ErrMalformed = errors.New("malformed operations")
)

// value is what is known of one value.
type value struct {
	start, end int64 // of its write; end is Infinity if the outcome is not known
	seen       int64 // least end of a read of it; Infinity if there is none
	late       int64 // greatest start of a read of it; never if there is none
	// writer, first and last are the operations of these times, or none.
	writer, first, last int32
	// place is where it is in Meter.writes, or none: it has no write that could have taken effect.
	place int32
}

// write is a value that was, or may have been, in the register.
type write struct {
	start, end int64
	// known is when the value had certainly been written: the end of its
	// acknowledged write or of the first read that returned it.
	known int64
	// late is the greatest start of a read of it; start if there is none.
	late  int64
	value int32
	// newer is the place of the first write that is definitely newer.
	newer int32
	// firstKnown and firstEnd are the least known and the least end of an
	// acknowledged write, of those that are definitely newer. Infinity: none.
	firstKnown, firstEnd int64
	// position in an order of the writes that is tried for k-atomicity.
	position int32
}

// Meter measures the keys of one history, one after the other, and reuses its
// storage. The zero Meter is ready. It is not for concurrent use.
type Meter struct {
	report Report
	ages   []int64
	bins   versionBins
	trend  trend

	operations []Operation
	values     []value
	// writes are in order of invocation. The initial value is the first if it was read.
	writes []write
	// byKnown are the places of the writes in the order in which they became known.
	byKnown []int32
	zones   []zone
	ends    []int64
	tree    []int32
	search  search
	// unexplained says that some read returned a value without a write, future
	// that one returned a value before its write was invoked.
	unexplained, future bool
	// gap is by how long a read preceded its write at the most.
	gap int64
}

// Measure adds one key: its operations in order of invocation, and how many
// values there are, of which every Operation.Value is one. The operations are
// read during the call only.
//
// It returns an error, and adds nothing, if the key cannot be measured
// (ErrRepeated, ErrMalformed) or the context is done when it begins. A context
// that ends later leaves the bracket of k wider than it had to be, which the
// report says.
func (m *Meter) Measure(ctx context.Context, key string, values int, operations []Operation) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := m.load(values, operations); err != nil {
		return err
	}
	m.order()
	m.report.Keys++
	worst := m.reads(key)
	m.atomicity(ctx, key, worst)
	m.operations = nil
	return nil
}

// load finds the values of the key.
func (m *Meter) load(values int, operations []Operation) error {
	m.operations = operations
	m.unexplained, m.future, m.gap = false, false, 0
	m.values = resize(m.values, max(values, 1))
	for i := range m.values {
		m.values[i] = value{end: Infinity, seen: Infinity, late: never, writer: none, first: none, last: none, place: none}
	}
	before := never
	for i := range operations {
		o := &operations[i]
		if o.Start < before || !o.Unknown && o.End < o.Start {
			return fmt.Errorf("%w: operation %d is out of order", ErrMalformed, o.Index)
		}
		if o.Value < 0 || int(o.Value) >= len(m.values) {
			return fmt.Errorf("%w: operation %d has the value number %d of %d", ErrMalformed, o.Index, o.Value, len(m.values))
		}
		before = o.Start
		v := &m.values[o.Value]
		if !o.Write {
			if o.End < v.seen {
				v.seen, v.first = o.End, int32(i)
			}
			if o.Start > v.late || v.last == none {
				v.late, v.last = o.Start, int32(i)
			}
			continue
		}
		if v.writer != none || o.Value == 0 {
			return fmt.Errorf("%w: operation %d", ErrRepeated, o.Index)
		}
		v.writer, v.start = int32(i), o.Start
		if !o.Unknown {
			v.end = o.End
		}
	}
	return nil
}

// order finds the writes that took effect, and what is definitely newer than each.
func (m *Meter) order() {
	m.writes = m.writes[:0]
	if initial := &m.values[0]; initial.first != none {
		initial.start, initial.end = never, never
		m.place(0)
	}
	for i := range m.operations {
		if o := &m.operations[i]; o.Write {
			m.place(o.Value)
		}
	}
	for i := range m.values {
		if v := &m.values[i]; v.first != none && i > 0 && v.writer == none {
			m.unexplained = true
		}
	}
	m.byKnown = resize(m.byKnown, len(m.writes))
	for i := range m.byKnown {
		m.byKnown[i] = int32(i)
	}
	slices.SortFunc(m.byKnown, func(a, b int32) int {
		return cmp.Or(cmp.Compare(m.writes[a].known, m.writes[b].known), cmp.Compare(a, b))
	})
	// The writes from each place on, the first of them to be known and to be acknowledged.
	knownFrom, endFrom := Infinity, Infinity
	next := len(m.writes)
	for i := len(m.byKnown) - 1; i >= 0; i-- {
		w := &m.writes[m.byKnown[i]]
		for next > 0 && m.writes[next-1].start > w.known {
			next--
			knownFrom = min(knownFrom, m.writes[next].known)
			endFrom = min(endFrom, m.writes[next].end)
		}
		w.newer, w.firstKnown, w.firstEnd = int32(next), knownFrom, endFrom
	}
}

// place adds the value to the writes, unless its write may as well not have
// happened. A pending operation may be left out of a history (Herlihy and
// Wing), and a write that nobody read changes no read.
func (m *Meter) place(number int32) {
	v := &m.values[number]
	w := write{start: v.start, end: v.end, known: min(v.end, v.seen), late: max(v.late, v.start), value: number}
	if w.known < w.start { // read before it was written: of that read no order can tell
		m.future, m.gap = true, max(m.gap, w.start-w.known)
		w.known, w.late = v.end, w.start
		if v.end == Infinity {
			return
		}
	} else if w.known == Infinity {
		return
	} else {
		v.place = int32(len(m.writes))
	}
	m.writes = append(m.writes, w)
}

// resize returns a slice of that length, the same one if it is long enough.
// What it holds is not defined.
func resize[E any](s []E, length int) []E {
	return slices.Grow(s[:0], length)[:length]
}
