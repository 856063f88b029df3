package checker

import (
	"fmt"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// MismatchError is the Error of a failed cas operation that was carried out
// and found another value than the expected one. Such an operation is an
// observation: of the value that its completion carries, if that is an integer
// or null (not found) and not the expected one; else of "not the expected
// value". A cas that failed for any other reason tells nothing about the
// register and is left out, as Knossos does with all failed operations.
const MismatchError = "mismatch"

type kind uint8

const (
	read kind = iota
	write
	compareAndSet
)

type outcome uint8

const (
	certain  outcome = iota // it took effect between its start and its end
	possible                // it may have taken effect at any time after its start
	mismatch                // a compare-and-set that found another value than the expected one, not known which
	found                   // a compare-and-set that changed nothing, and is known to have found its value
)

const (
	none int32 = -1
	// initial is the value number of not-found, which every register holds
	// first, and again after a delete: a delete is a write of it.
	initial int32 = 0
)

// registerOperation is an operation that says something about its register.
// Values are numbered within the key, so that facts about them sit in a slice.
type registerOperation struct {
	start, end int64
	position   int32 // in the history
	value      int32 // read, found or written; none for a mismatch
	expected   int32 // by a compare-and-set, else none
	kind       kind
	outcome    outcome
}

func (o *registerOperation) mutates() bool { return o.kind != read && o.outcome < mismatch }

// observes is the value that the operation certainly found in the register, or none.
func (o *registerOperation) observes() int32 {
	switch {
	case o.kind == read, o.outcome == found:
		return o.value
	case o.kind == compareAndSet && o.outcome == certain:
		return o.expected
	}
	return none
}

// valueFacts is what is known about one value of a register. The fields that
// name an operation are indexes into register.operations.
type valueFacts struct {
	// writers counts the writes and compare-and-sets of the value that may have taken effect.
	writers int32
	// writer is the first of them, or none.
	writer int32
	// failed is the position in the history of a write of it that certainly failed, or none.
	failed int32
	// observers counts the operations that certainly found it.
	observers int32
	// first is the observer that ended first, latest the one that began last;
	// or none. ended and began are those times.
	first, latest int32
	ended, began  int64
	// known and by are what knownBy returns; by is unasked until it is asked.
	by    int32
	known int64
}

const unasked int32 = -2

// unseen is what is known of a value before any operation.
var unseen = valueFacts{writer: none, failed: none, first: none, latest: none, ended: history.Infinity, began: never, by: unasked}

// register is what matters of one key's history. Left out are failed
// operations (except mismatches) and reads without result.
type register struct {
	key        string
	operations []registerOperation
	values     []valueFacts
	// mismatches counts the operations that observed "not this value" and no more.
	mismatches int
	// emptied is the end of the last deletion, or never; Infinity if one may still happen.
	emptied int64
	// emptiedBy is the deletion that ended then, or none.
	emptiedBy int32
	// reads and writes count certain reads and mutations that may have taken effect.
	reads, writes int
	// repeated counts the values with several writers, not-found left out;
	// conditional the compare-and-sets that may have taken effect, and observing
	// those of all compare-and-sets that certainly found a value.
	repeated, conditional, observing int

	numbers numbering
	others  map[string]int32
}

// load reads one key's operations at the given positions. It keeps its
// storage from one use to the next. It fails on operations whose arguments
// make no sense for a register.
func (r *register) load(operations []history.Operation, key string, positions []int32) error {
	r.begin(key, len(positions))
	for _, p := range positions {
		e := essenceOf(&operations[p])
		if err := r.take(&e, operations, p); err != nil {
			return err
		}
	}
	return nil
}

// loadEssences is load where the operations' essences are at hand, at their positions.
func (r *register) loadEssences(essences []essence, operations []history.Operation, key string, positions []int32) error {
	r.begin(key, len(positions))
	for _, p := range positions {
		if err := r.take(&essences[p], operations, p); err != nil {
			return err
		}
	}
	return nil
}

// begin empties the register and makes room for that many operations.
func (r *register) begin(key string, operations int) {
	r.key = key
	r.operations = slices.Grow(r.operations[:0], operations)
	r.values = append(r.values[:0], unseen)
	r.emptied, r.emptiedBy = never, none
	r.mismatches, r.reads, r.writes = 0, 0, 0
	r.repeated, r.conditional, r.observing = 0, 0, 0
	r.numbers.clear()
	clear(r.others)
}

// essence is what an operation says of its register, where that is an integer
// or nothing. Looking at operations in the order of the history and then at
// their essences key by key is faster than looking at the operations key by key.
type essence struct {
	start, end int64
	value      int64
	says       says
}

type says uint8

const (
	saysNothing     says = iota // it failed without a trace, or has no result
	saysRead                    // the register held the value
	saysReadInitial             // the register held nothing
	saysWritten                 // the value was written
	saysPerhaps                 // the value may have been written, at any time after the start
	saysFailed                  // the value was certainly not written
	saysMore                    // something else: see takeWhole
)

// essenceOf looks at an operation of what is taken for a register.
func essenceOf(o *history.Operation) essence {
	e := essence{start: o.Start, end: o.End, says: saysMore}
	switch o.F {
	case history.FRead:
		switch {
		case o.Type != history.Ok || o.Output.Kind() == history.Absent:
			e.says = saysNothing
		case o.Output.Kind() == history.Nil:
			e.says = saysReadInitial
		case o.Output.Kind() == history.Int:
			e.value, _ = o.Output.Int()
			e.says = saysRead
		}
	case history.FWrite:
		n, ok := o.Input.Int()
		if !ok {
			break
		}
		e.value = n
		switch o.Type {
		case history.Ok:
			e.says = saysWritten
		case history.Fail:
			e.says = saysFailed
		default:
			e.says, e.end = saysPerhaps, history.Infinity
		}
	}
	return e
}

// take takes the operation at the position into account.
func (r *register) take(e *essence, operations []history.Operation, p int32) error {
	switch e.says {
	case saysNothing:
	case saysRead:
		r.add(registerOperation{start: e.start, end: e.end, position: p, value: r.integer(e.value), expected: none})
	case saysReadInitial:
		r.add(registerOperation{start: e.start, end: e.end, position: p, value: initial, expected: none})
	case saysWritten:
		r.add(registerOperation{start: e.start, end: e.end, position: p, value: r.integer(e.value), expected: none, kind: write})
	case saysPerhaps:
		r.add(registerOperation{start: e.start, end: e.end, position: p, value: r.integer(e.value), expected: none, kind: write, outcome: possible})
	case saysFailed:
		r.values[r.integer(e.value)].failed = p
	default:
		return r.takeWhole(&operations[p], p)
	}
	return nil
}

// takeWhole takes an operation into account that has more to say than fits an essence.
func (r *register) takeWhole(o *history.Operation, p int32) error {
	x := registerOperation{start: o.Start, end: o.End, position: p, value: none, expected: none}
	if o.Type != history.Ok {
		x.outcome, x.end = possible, history.Infinity
	}
	switch o.F {
	case history.FRead:
		x.value = r.number(o.Output)
	case history.FWrite:
		if o.Input.Kind() == history.Absent {
			return fmt.Errorf("operation %d writes no value", o.Index)
		}
		x.kind, x.value = write, r.number(o.Input)
	case history.FCAS:
		expected, value, err := casArguments(o.Input)
		if err != nil {
			return fmt.Errorf("operation %d: %w", o.Index, err)
		}
		x.kind, x.expected, x.value = compareAndSet, r.number(expected), r.number(value)
		if x.expected == x.value && o.Type != history.Fail {
			// It changes nothing: it found the value, or cannot be seen at all.
			if o.Type != history.Ok {
				return nil
			}
			x.outcome = found
		}
	case history.FDelete:
		x.kind, x.value = write, initial
	default:
		return fmt.Errorf("operation %d is of the kind %q, which no register has", o.Index, o.F)
	}
	if o.Type == history.Fail {
		r.values[x.value].failed = p
		if x.kind != compareAndSet || o.Error != MismatchError {
			return nil
		}
		x.outcome, x.value, x.end = mismatch, none, o.End
		if kind := o.Output.Kind(); kind == history.Int || kind == history.Nil {
			// A store that names the expected value has looked again since.
			if seen := r.number(o.Output); seen != x.expected {
				x.outcome, x.value = found, seen
			}
		}
	}
	r.add(x)
	return nil
}

func (r *register) add(x registerOperation) {
	i := int32(len(r.operations))
	r.operations = append(r.operations, x)
	switch {
	case x.kind == read:
		r.reads++
		r.values[x.value].observe(i, &x)
		return
	case x.outcome == mismatch:
		r.mismatches++
		return
	case x.outcome == found:
		r.observing++
		r.values[x.value].observe(i, &x)
		return
	}
	r.writes++
	v := &r.values[x.value]
	if v.writers == 0 {
		v.writer = i
	}
	v.writers++
	if x.value == initial && x.end > r.emptied {
		r.emptied, r.emptiedBy = x.end, i
	}
	if v.writers == 2 && x.value != initial {
		r.repeated++
	}
	if x.kind == compareAndSet {
		r.conditional++
		if x.outcome == certain {
			r.observing++
			r.values[x.expected].observe(i, &x)
		}
	}
}

// observe notes that the operation i found the value.
func (v *valueFacts) observe(i int32, x *registerOperation) {
	v.observers++
	if v.first == none || x.end < v.ended {
		v.first, v.ended = i, x.end
	}
	if v.latest == none || x.start > v.began {
		v.latest, v.began = i, x.start
	}
}

// number returns the value's number within the key. Any JSON value can be a register's.
func (r *register) number(v history.Value) int32 {
	if v.Kind() == history.Nil {
		return initial
	}
	if n, ok := v.Int(); ok {
		return r.integer(n)
	}
	text := showValue(v)
	id, found := r.others[text]
	if !found {
		if r.others == nil {
			r.others = map[string]int32{}
		}
		id = r.fresh()
		r.others[text] = id
	}
	return id
}

// integer returns the number of the value n.
func (r *register) integer(n int64) int32 {
	id, found := r.numbers.number(n, int32(len(r.values)))
	if !found {
		r.fresh()
	}
	return id
}

func (r *register) fresh() int32 {
	r.values = append(r.values, unseen)
	return int32(len(r.values) - 1)
}

// plain says whether nothing but reads of values that were written at most
// once, and their writes, says something of the register.
func (r *register) plain() bool {
	return r.unambiguous() && r.conditional == 0 && r.mismatches == 0
}

// unambiguous says whether every observation tells which write it saw: no
// value was (perhaps) written twice and nothing wrote "not found".
func (r *register) unambiguous() bool {
	return r.values[initial].writers == 0 && r.repeated == 0
}

// knownBy returns a time by which the value had certainly been written:
// known(u) = min(end of its write if ok, end of its first ok read). It is
// never for the initial value, and Infinity where nothing can be said: the
// value has no writer, several writers, or was read before it was written.
// "Not found" may have been written too, by deletions: what matters of it is
// when the last of them had ended. by is the operation that shows it, or none.
func (r *register) knownBy(value int32) (at int64, by int32) {
	v := &r.values[value]
	if v.by == unasked {
		v.known, v.by = r.whenKnown(value)
	}
	return v.known, v.by
}

// whenKnown finds what knownBy returns, once everything is loaded.
func (r *register) whenKnown(value int32) (at int64, by int32) {
	v := &r.values[value]
	if value == initial {
		// Deleted, it is found by the end of the last deletion at the latest,
		// and never again after a write that was invoked later.
		if r.emptied == history.Infinity {
			return history.Infinity, none
		}
		return r.emptied, r.emptiedBy
	}
	if v.writers != 1 {
		return history.Infinity, none
	}
	w := &r.operations[v.writer]
	at, by = w.end, v.writer
	if v.first != none && v.ended < at {
		at, by = v.ended, v.first
	}
	if at < w.start {
		return history.Infinity, none
	}
	return at, by
}
