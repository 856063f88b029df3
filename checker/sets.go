package checker

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// The set classes that count elements without refuting anything.
const (
	classAttempted    = "attempted"
	classAcknowledged = "acknowledged"
	classNeverRead    = "never-read"
	classStaleElement = "stale"      // absent from a read after it was known, present later
	classRecovered    = "recovered"  // its add was never acknowledged, yet it was read
	classUnexpected   = "unexpected" // read without having been added, or although its add certainly failed
	classDuplicated   = "duplicated" // more than once in one read
)

// element is the timeline of one element of a grow-only set, after Jepsen's
// set-full. Positions are in the history, or none.
type element struct {
	value int64
	// adds, by outcome.
	attempted, acknowledged, failedOnly bool
	add                                 int32 // the acknowledged add, or else the first
	added                               int64 // when the first add was invoked
	// known is when it was certainly in the set: the end of the first
	// acknowledged add or of the first read that shows it. by is that operation.
	known int64
	by    int32
	// present and absent are the reads with, and without it, that began last.
	present, absent int32
	duplicated      bool
}

// setHistory is one set: its elements, and its ok reads in order of invocation.
type setHistory struct {
	operations []history.Operation
	elements   []element
	reads      []int32
	index      map[int64]int32
}

// newSetHistory gathers the timelines. Its time is linear in the length of
// all lists that were read.
func newSetHistory(operations []history.Operation, key *keyOperations) *setHistory {
	s := &setHistory{operations: operations, index: map[int64]int32{}}
	for _, p := range key.positions {
		o := &operations[p]
		if o.F == history.FRead {
			// Not found is the empty set.
			if o.Type == history.Ok && (o.Output.Kind() == history.List || o.Output.Kind() == history.Nil) {
				s.reads = append(s.reads, p)
			}
			continue
		}
		value, ok := o.Input.Int()
		if o.F != history.FAdd || !ok {
			continue
		}
		e := s.element(value)
		e.attempted = true
		switch {
		case o.Type == history.Fail:
			continue
		case o.Type == history.Ok:
			if !e.acknowledged || o.End < e.known {
				e.acknowledged, e.known, e.by, e.add = true, o.End, p, p
			}
		case e.add == none:
			e.add = p
		}
		if e.failedOnly {
			e.failedOnly, e.added = false, o.Start
		}
	}
	for _, p := range s.reads {
		s.see(p)
	}
	s.absences()
	return s
}

func (s *setHistory) element(value int64) *element {
	i, found := s.index[value]
	if !found {
		i = int32(len(s.elements))
		s.index[value] = i
		s.elements = append(s.elements, element{
			value: value, failedOnly: true, add: none, added: history.Infinity, known: history.Infinity, by: none, present: none, absent: none,
		})
	}
	return &s.elements[i]
}

// see notes what the read shows. Reads come in order of invocation.
func (s *setHistory) see(p int32) {
	o := &s.operations[p]
	for _, value := range o.Output.List() {
		e := s.element(value)
		if e.present == p {
			e.duplicated = true
			continue
		}
		e.present = p
		if o.End < e.known {
			e.known, e.by = o.End, p
		}
	}
}

// absences finds for each element the last read without it. From the last
// read backwards, an element is looked for only until one lacks it.
func (s *setHistory) absences() {
	remaining := make([]int32, len(s.elements))
	for i := range remaining {
		remaining[i] = int32(i)
	}
	seen := make([]int32, len(s.elements))
	for i := range seen {
		seen[i] = none
	}
	for k := len(s.reads) - 1; k >= 0 && len(remaining) > 0; k-- {
		p := s.reads[k]
		for _, value := range s.operations[p].Output.List() {
			seen[s.index[value]] = p
		}
		kept := remaining[:0]
		for _, i := range remaining {
			if seen[i] == p {
				kept = append(kept, i)
			} else {
				s.elements[i].absent = p
			}
		}
		remaining = kept
	}
}

// absentAfter says whether the last read without the element began after it was known.
func (s *setHistory) absentAfter(e *element) bool {
	return e.absent != none && e.trusted() && s.operations[e.absent].Start > e.known
}

// trusted says whether the element may be in the set at all: somebody added
// it, and it was not seen before that.
func (e *element) trusted() bool {
	return e.attempted && !e.failedOnly && e.known >= e.added
}

// lost is set-full's definition: known, and absent from a read that began
// after it was known and after every read that shows it.
func (s *setHistory) lost(e *element) bool {
	return s.absentAfter(e) && (e.present == none || s.operations[e.present].Start < s.operations[e.absent].Start)
}

func lostElements(t *timeline, key *keyOperations, all *tally, counts *lostCounts) {
	s := newSetHistory(t.operations, key)
	last := never
	for _, p := range s.reads {
		last = max(last, t.operations[p].Start)
	}
	for i := range s.elements {
		e := &s.elements[i]
		note := func(class string, is bool) {
			if is {
				all.classes[class]++
			}
		}
		note(classAttempted, e.attempted)
		note(classAcknowledged, e.acknowledged)
		note(classDuplicated, e.duplicated)
		note(classUnexpected, e.present != none && !e.trusted())
		note(classRecovered, e.present != none && e.trusted() && !e.acknowledged)
		note(classNeverRead, e.acknowledged && e.present == none && !s.lost(e))
		note(classStaleElement, s.absentAfter(e) && !s.lost(e))
		if s.absentAfter(e) && !s.lost(e) {
			counts.latest = max(counts.latest, t.operations[e.absent].Start-e.known)
		}
		if e.acknowledged {
			if e.known < last {
				counts.elements++
			} else {
				counts.uncovered++
			}
		}
		if s.lost(e) {
			f := s.missing(classLostElement, key.name, e, e.absent)
			if all.count(classLostElement, key.name, len(f.positions)) {
				f.confirmed = s.confirm(e, f.positions)
				all.best[key.name] = f
			}
		}
	}
}

// missing puts together that the element is absent from the read although it was known before.
func (s *setHistory) missing(class, key string, e *element, absent int32) finding {
	f := newFinding(class, key)
	f.newer, f.second, f.element = e.add, absent, e.value
	if e.by != e.add {
		f.first = e.by
	}
	f.gather()
	return f
}

// confirm asks Porcupine whether the operations have an order in which the element is never removed.
func (s *setHistory) confirm(e *element, positions []int32) bool {
	out := elementOperations(s.operations, positions, e.value)
	return porcupine.CheckOperationsTimeout(elementModel(), out, confirmTime) == porcupine.Illegal
}

// elementOperations hands the operations to Porcupine as seen by one element.
func elementOperations(operations []history.Operation, positions []int32, value int64) []porcupine.Operation {
	var out []porcupine.Operation
	for _, p := range positions {
		o := &operations[p]
		in := elementInput{add: o.F == history.FAdd, text: describeCall(o)}
		if n, _ := o.Input.Int(); o.Type == history.Fail || in.add && n != value {
			continue
		}
		in.present = slices.Contains(o.Output.List(), value)
		out = append(out, porcupine.Operation{ClientId: int(o.Process), Input: in, Call: o.Start, Return: o.End})
	}
	return out
}

// staleSets counts the reads that lack an element that was known before they began.
func staleSets(t *timeline, key *keyOperations, all *tally) int {
	s := newSetHistory(t.operations, key)
	byKnown := s.trustedByKnown()
	eligible := 0
	in := make([]int32, len(s.elements))
	for _, p := range s.reads {
		o := &t.operations[p]
		for _, value := range o.Output.List() {
			in[s.index[value]] = p + 1
		}
		counted := false
		for _, i := range byKnown {
			e := &s.elements[i]
			if e.known >= o.Start {
				break
			}
			if !counted {
				counted = true
				eligible++
			}
			if in[i] != p+1 {
				s.countMissing(classMissing, key.name, e, p, all)
				break // one violation for each read
			}
		}
	}
	return eligible
}

func (s *setHistory) countMissing(class, key string, e *element, p int32, all *tally) {
	f := s.missing(class, key, e, p)
	if all.count(class, key, len(f.positions)) {
		f.confirmed = s.confirm(e, f.positions)
		all.best[key] = f
	}
}

func (s *setHistory) trustedByKnown() []int32 {
	var order []int32
	for i := range s.elements {
		if e := &s.elements[i]; e.trusted() && e.known != history.Infinity {
			order = append(order, int32(i))
		}
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(s.elements[a].known, s.elements[b].known) })
	return order
}

// expectation is an element that a process must find in the set, and the operation from which it knows.
type expectation struct{ element, since int32 }

// ownElements counts the reads by a process that lack an element which the
// process had added itself, with an acknowledgement.
func ownElements(t *timeline, key *keyOperations, all *tally) int {
	s := newSetHistory(t.operations, key)
	return s.sessions(t, key, classOwnWrite, all, func(own []expectation, o *history.Operation, p int32) []expectation {
		if value, ok := o.Input.Int(); ok && o.F == history.FAdd {
			own = append(own, expectation{s.index[value], p})
		}
		return own
	})
}

// shrinkingSets counts the reads by a process that lack an element which the
// process's read before showed.
func shrinkingSets(t *timeline, key *keyOperations, all *tally) int {
	s := newSetHistory(t.operations, key)
	return s.sessions(t, key, classInversion, all, func(seen []expectation, o *history.Operation, p int32) []expectation {
		if o.F == history.FRead {
			seen = seen[:0]
			for _, value := range o.Output.List() {
				if i := s.index[value]; s.elements[i].trusted() {
					seen = append(seen, expectation{i, p})
				}
			}
		}
		return seen
	})
}

// sessions walks the set process by process and counts the reads that lack an
// element which their process must find. learn returns the expectations after
// an ok operation, given those before. The result is how many reads had
// something to find.
func (s *setHistory) sessions(t *timeline, key *keyOperations, class string, all *tally,
	learn func(old []expectation, o *history.Operation, p int32) []expectation,
) int {
	sessions := map[int32][]expectation{}
	in := make([]int32, len(s.elements))
	eligible := 0
	for _, p := range key.positions {
		o := &t.operations[p]
		session := t.session[p]
		if session == none || o.Type != history.Ok {
			continue
		}
		expected := sessions[session]
		if o.F == history.FRead && len(expected) > 0 {
			eligible++
			for _, value := range o.Output.List() {
				in[s.index[value]] = p + 1
			}
			for _, x := range expected {
				if in[x.element] != p+1 && t.operations[x.since].End < o.Start {
					s.countExpected(class, key.name, x, p, all)
					break // one violation for each read
				}
			}
		}
		sessions[session] = learn(expected, o, p)
	}
	return eligible
}

func (s *setHistory) countExpected(class, key string, x expectation, p int32, all *tally) {
	e := &s.elements[x.element]
	f := newFinding(class, key)
	f.newer, f.second, f.element = x.since, p, e.value
	if s.operations[x.since].F == history.FRead {
		f.newer, f.first = e.add, x.since
	}
	f.gather()
	if all.count(class, key, len(f.positions)) {
		f.confirmed = s.confirm(e, f.positions)
		all.best[key] = f
	}
}

// describeShort is an operation in the notation of a call.
func describeShort(o *history.Operation) string {
	switch {
	case o.F == history.FRead:
		return fmt.Sprintf("read() → %s", showValue(o.Output))
	case o.Type == history.Ok:
		return fmt.Sprintf("%s(%s)", o.F, showValue(o.Input))
	}
	return fmt.Sprintf("%s(%s) → %s", o.F, showValue(o.Input), o.Type)
}
