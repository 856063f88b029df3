package checker

import (
	"context"
	"fmt"

	"github.com/refute-lab/refute/harness/history"
)

// The classes of reads of values that should not exist.
const (
	classFailedElement  = "failed-add-read" // an element whose add certainly failed
	classPhantomElement = "phantom-element" // an element that nobody tried to add
	// classIndeterminate counts values and elements that were read although
	// nobody knows whether their writes took effect: they did, and were allowed to.
	classIndeterminate = "observed-indeterminate"
)

// origin is where a value that was read comes from.
type origin uint8

const (
	fromWrite   origin = iota // somebody wrote it, perhaps
	fromFailure               // somebody tried to, which certainly failed
	fromNobody                // nobody tried to
)

// originChecker decides a claim about where values come from. It looks at what
// each read and each successful compare-and-set found, value by value: what
// clients tried to write is known completely, so no order is needed and other
// operations can change nothing. "Not found" comes from nobody.
type originChecker struct {
	claim, checker string
	bad            origin
	// classes of the values of registers and of the elements of sets.
	value, element string
	// refuted and holds follow the count of the observations.
	refuted, holds string
	// needsFailure says that only a failed write could be read wrongly.
	needsFailure bool
	missing      string
}

// dirtyReads decides no-dirty-reads. A dirty read (Adya's G1a, "aborted read",
// in Weak Consistency, MIT 1999) returns what a write left that certainly
// failed. A value that another write may have left is none. The value of a
// write of unknown outcome may be read: that is counted as
// observed-indeterminate. A failed delete whose effect is seen cannot be told
// from a stale read of the time before the first write; it is left to no-stale-reads.
func dirtyReads() originChecker {
	return originChecker{
		claim: NoDirtyReads, checker: "dirty-reads", bad: fromFailure, value: classFailed, element: classFailedElement,
		refuted: "returned a value whose write certainly failed", holds: "that found a value returned one whose write certainly failed",
		needsFailure: true, missing: "no write of a key that was read certainly failed",
	}
}

// phantomValues decides no-phantom-values: what is read was at some time given
// to the store by a client. A read that ended before its value's write began
// is not meant (linearizable shows it), nor a row that is put together from
// several (row-atomicity does).
func phantomValues() originChecker {
	return originChecker{
		claim: NoPhantomValues, checker: "phantom-values", bad: fromNobody, value: classPhantom, element: classPhantomElement,
		refuted: "returned a value that nobody ever tried to write", holds: "that found a value returned one that nobody tried to write",
		missing: "no read found a value",
	}
}

func (c originChecker) run(ctx context.Context, t *timeline, o Options) Result {
	result := Result{Claim: c.claim, Checker: c.checker}
	all := newTally()
	examined, keys, indeterminate := 0, 0, 0
	note := func(n int) {
		if n > 0 {
			examined += n
			keys++
		}
	}
	var cells rowCells
	skipped := t.visit(ctx, c.claim, o, visitor{
		register: func(r *register, key *keyOperations) {
			indeterminate += r.observedIndeterminate()
			cells.load(t, key)
			note(c.register(t, r, key, &cells, all))
		},
		set: func(s *setHistory, key *keyOperations) {
			indeterminate += s.observedIndeterminate()
			note(c.set(t, s, key, all))
		},
	})
	if c.bad == fromFailure && indeterminate > 0 {
		all.classes[classIndeterminate] = indeterminate
	}
	holds := fmt.Sprintf("None of %s %s", plural(examined, "observation"), c.holds)
	if c.bad == fromFailure && indeterminate > 0 {
		holds += fmt.Sprintf("; %s of unknown outcome turned out to have happened, which is allowed", plural(indeterminate, "write"))
	}
	result.conclude(t, o, outcomeOfKeys{
		all: all, skipped: skipped, examined: examined, missing: c.missing, holds: holds,
		refuted: fmt.Sprintf("%s, on %s, %s", plural(all.found, "observation"), plural(len(all.best), "key"), c.refuted),
	})
	return result
}

// register looks at what the operations found in the register. It returns how
// many of them could have violated the claim.
func (c originChecker) register(t *timeline, r *register, key *keyOperations, cells *rowCells, all *tally) int {
	if c.needsFailure && !r.anyFailed() {
		return 0
	}
	examined := 0
	for i := range r.operations {
		x := &r.operations[i]
		value := x.observes()
		if value == none || value == initial {
			continue
		}
		examined++
		if key.lists && x.kind == read && t.operations[x.position].Output.Kind() == history.List {
			if key.keepsSiblings() {
				c.siblings(t, r, x.position, all)
				continue
			}
			if r.origin(value) == fromNobody && cells.mixed(t.operations[x.position].Output.List()) {
				continue
			}
		}
		if r.origin(value) == c.bad {
			c.count(t, finding{class: c.value, key: r.key, older: r.failedWrite(value, c.bad), second: x.position}, "", all)
		}
	}
	return examined
}

// siblings looks at each of the values that a read returned.
func (c originChecker) siblings(t *timeline, r *register, p int32, all *tally) {
	for _, n := range t.operations[p].Output.List() {
		value := r.numbers.get(n)
		if from := r.origin(value); from == c.bad {
			c.count(t, finding{class: c.value, key: r.key, older: r.failedWrite(value, from), second: p, element: n}, "value", all)
			return
		}
	}
}

// origin is where the value with that number comes from; none has no number.
func (r *register) origin(value int32) origin {
	switch {
	case value == none:
		return fromNobody
	case value == initial || r.values[value].writers > 0:
		return fromWrite
	case r.values[value].failed != none:
		return fromFailure
	}
	return fromNobody
}

func (r *register) failedWrite(value int32, from origin) int32 {
	if from == fromFailure {
		return r.values[value].failed
	}
	return none
}

// anyFailed says whether the write of some value certainly failed and no other was attempted.
func (r *register) anyFailed() bool {
	for v := range r.values {
		if v != int(initial) && r.origin(int32(v)) == fromFailure {
			return true
		}
	}
	return false
}

// observedIndeterminate counts the values that were found although no write of them was acknowledged.
func (r *register) observedIndeterminate() int {
	n := 0
	for v := range r.values {
		f := &r.values[v]
		if v != int(initial) && f.observers > 0 && f.writers == 1 && r.operations[f.writer].outcome == possible {
			n++
		}
	}
	return n
}

// set looks at the elements that each read shows.
func (c originChecker) set(t *timeline, s *setHistory, key *keyOperations, all *tally) int {
	if c.needsFailure && !s.anyFailed() {
		return 0
	}
	examined := 0
	for _, p := range s.reads {
		list := t.operations[p].Output.List()
		if len(list) > 0 {
			examined++
		}
		for _, value := range list {
			e := &s.elements[s.numbers.get(value)]
			if e.origin() != c.bad {
				continue
			}
			c.count(t, finding{class: c.element, key: key.name, older: e.failed, second: p, element: value}, "element", all)
			break
		}
	}
	return examined
}

func (e *element) origin() origin {
	switch {
	case !e.attempted:
		return fromNobody
	case e.failedOnly:
		return fromFailure
	}
	return fromWrite
}

func (s *setHistory) anyFailed() bool {
	for i := range s.elements {
		if s.elements[i].origin() == fromFailure {
			return true
		}
	}
	return false
}

func (s *setHistory) observedIndeterminate() int {
	n := 0
	for i := range s.elements {
		if e := &s.elements[i]; e.present != none && e.trusted() && !e.acknowledged {
			n++
		}
	}
	return n
}

// count counts a violation. noun is empty where the whole result is meant, else
// what the finding's element is one of.
func (c originChecker) count(t *timeline, f finding, noun string, all *tally) {
	f.shown, f.newer, f.first = none, none, none
	f.gather()
	if !all.count(f.class, f.key, len(f.positions)) {
		return
	}
	n := t.narrate(f)
	o := n.at(f.second)
	what := n.got(f.second)
	if noun != "" {
		what = fmt.Sprintf("Process %d read %s%s at %s with %s %d in it", o.Process, keyName(o.Key), n.through(f.second), clock(o.Start), noun, f.element)
	} else if o.F == history.FCAS {
		expected, _, _ := casArguments(o.Input)
		what = fmt.Sprintf("%s and so found %s in it", what, showValue(expected))
	}
	if c.bad == fromNobody {
		f.told = what + ", which nobody had ever tried to write."
	} else {
		w := n.at(f.older)
		f.told = fmt.Sprintf("%s, although the %s of that value by process %d%s had certainly failed%s.", what, w.F, w.Process, n.through(f.older), reason(w.Error))
	}
	all.best[f.key] = f
}
