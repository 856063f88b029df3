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
	failed                              int32 // the last add that certainly failed
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
	numbers    numbering

	// The rest is storage: of absences, of the walks through the reads (which
	// read showed each element last), and of sessions.
	remaining, seen []int32
	sorted          []int32
	expected        [][]expectation
}

// load gathers the timelines. Its time is linear in the length of all lists
// that were read. It keeps its storage from one use to the next.
func (s *setHistory) load(operations []history.Operation, key *keyOperations) {
	s.operations = operations
	s.elements, s.reads = s.elements[:0], s.reads[:0]
	s.numbers.clear()
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
			e.failed = p
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
}

func (s *setHistory) element(value int64) *element {
	i, found := s.numbers.number(value, int32(len(s.elements)))
	if !found {
		s.elements = append(s.elements, element{
			value: value, failedOnly: true, add: none, failed: none, added: history.Infinity, known: history.Infinity, by: none, present: none, absent: none,
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
	s.remaining = resize(s.remaining, len(s.elements))
	remaining, seen := s.remaining, s.nothingSeen()
	for i := range remaining {
		remaining[i] = int32(i)
	}
	for k := len(s.reads) - 1; k >= 0 && len(remaining) > 0; k-- {
		p := s.reads[k]
		for _, value := range s.operations[p].Output.List() {
			seen[s.numbers.get(value)] = p
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

// nothingSeen has a place for the last read seen of each element, all none.
func (s *setHistory) nothingSeen() []int32 {
	s.seen = resize(s.seen, len(s.elements))
	for i := range s.seen {
		s.seen[i] = none
	}
	return s.seen
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

// lastRead is when the last read began, or never.
func (s *setHistory) lastRead() int64 {
	if len(s.reads) == 0 {
		return never
	}
	return s.operations[s.reads[len(s.reads)-1]].Start
}

// lostElements calls yield for each lost element, and counts those that could be lost.
func (s *setHistory) lostElements(counts *lostCounts, yield func(e *element)) {
	last := s.lastRead()
	for i := range s.elements {
		e := &s.elements[i]
		if e.acknowledged && e.known < last {
			counts.elements++
		} else if e.acknowledged {
			counts.uncovered++
		}
		if s.lost(e) {
			yield(e)
		}
	}
}

// count counts the elements by class, and how late they were.
func (s *setHistory) count(classes map[string]int, counts *lostCounts) {
	for i := range s.elements {
		e := &s.elements[i]
		note := func(class string, is bool) {
			if is {
				classes[class]++
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
			counts.late = append(counts.late, s.operations[e.absent].Start-e.known)
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

// stale calls yield for each read that lacks an element which was known before
// it began, once for each read. It returns how many reads had something to show.
func (s *setHistory) stale(yield func(e *element, absent int32)) (eligible int) {
	byKnown := s.trustedByKnown()
	in := s.nothingSeen()
	for _, p := range s.reads {
		o := &s.operations[p]
		for _, value := range o.Output.List() {
			in[s.numbers.get(value)] = p
		}
		if len(byKnown) > 0 && s.elements[byKnown[0]].known < o.Start {
			eligible++
		}
		for _, i := range byKnown {
			e := &s.elements[i]
			if e.known >= o.Start {
				break
			}
			if in[i] != p {
				yield(e, p)
				break
			}
		}
	}
	return eligible
}

func (s *setHistory) trustedByKnown() []int32 {
	s.sorted = s.sorted[:0]
	for i := range s.elements {
		if e := &s.elements[i]; e.trusted() && e.known != history.Infinity {
			s.sorted = append(s.sorted, int32(i))
		}
	}
	slices.SortFunc(s.sorted, func(a, b int32) int { return cmp.Compare(s.elements[a].known, s.elements[b].known) })
	return s.sorted
}

// countMissing counts that the element is missing from the read.
func (s *setHistory) countMissing(class, key string, e *element, p int32, all *tally) {
	f := s.missing(class, key, e, p)
	if all.count(class, key, len(f.positions)) {
		f.confirmed = s.confirm(e, f.positions)
		all.best[key] = f
	}
}

// expectation is an element that a process must find in the set, and the operation from which it knows.
type expectation struct{ element, since int32 }

// own calls yield for each read by a process that lacks an element which the
// process had added itself, with an acknowledgement.
func (s *setHistory) own(t *timeline, key *keyOperations, yield func(x expectation, absent int32)) (eligible int) {
	return s.walk(t, key, yield, func(own []expectation, o *history.Operation, p int32) []expectation {
		if value, ok := o.Input.Int(); ok && o.F == history.FAdd {
			own = append(own, expectation{s.numbers.get(value), p})
		}
		return own
	})
}

// shrinking calls yield for each read by a process that lacks an element which
// the process's read before showed.
func (s *setHistory) shrinking(t *timeline, key *keyOperations, yield func(x expectation, absent int32)) (eligible int) {
	return s.walk(t, key, yield, func(seen []expectation, o *history.Operation, p int32) []expectation {
		if o.F == history.FRead {
			seen = seen[:0]
			for _, value := range o.Output.List() {
				if i := s.numbers.get(value); s.elements[i].trusted() {
					seen = append(seen, expectation{i, p})
				}
			}
		}
		return seen
	})
}

// walk goes through the set process by process and calls yield for the reads
// that lack an element which their process must find, once for each read.
// learn returns the expectations after an ok operation, given those before.
// The result is how many reads had something to find.
func (s *setHistory) walk(t *timeline, key *keyOperations, yield func(x expectation, absent int32),
	learn func(old []expectation, o *history.Operation, p int32) []expectation,
) (eligible int) {
	s.expected = resize(s.expected, int(t.sessions))
	for i := range s.expected {
		s.expected[i] = s.expected[i][:0]
	}
	in := s.nothingSeen()
	for _, p := range key.positions {
		o := &t.operations[p]
		session := t.session[p]
		if session == none || o.Type != history.Ok {
			continue
		}
		expected := s.expected[session]
		if o.F == history.FRead && len(expected) > 0 {
			eligible++
			for _, value := range o.Output.List() {
				in[s.numbers.get(value)] = p
			}
			for _, x := range expected {
				if in[x.element] != p && t.operations[x.since].End < o.Start {
					yield(x, p)
					break
				}
			}
		}
		s.expected[session] = learn(expected, o, p)
	}
	return eligible
}

// expectedFinding puts together that the read lacks what its process must find.
func (s *setHistory) expectedFinding(class, key string, x expectation, p int32) finding {
	e := &s.elements[x.element]
	f := newFinding(class, key)
	f.newer, f.second, f.element = x.since, p, e.value
	if s.operations[x.since].F == history.FRead {
		f.newer, f.first = e.add, x.since
	}
	f.gather()
	return f
}

func (s *setHistory) countExpected(class, key string, x expectation, p int32, all *tally) {
	f := s.expectedFinding(class, key, x, p)
	if all.count(class, key, len(f.positions)) {
		f.confirmed = s.confirm(&s.elements[x.element], f.positions)
		all.best[key] = f
	}
}

// describeShort is an operation in the notation of a call.
func describeShort(o *history.Operation) string {
	switch {
	case o.F == history.FRead:
		return fmt.Sprintf("read() → %s", showValue(o.Output))
	case o.F == history.FDelete && o.Type == history.Ok:
		return "delete()"
	case o.F == history.FDelete:
		return fmt.Sprintf("delete() → %s", o.Type)
	case o.F == history.FCAS && o.Type == history.Fail && o.Error == MismatchError:
		if kind := o.Output.Kind(); kind == history.Int || kind == history.Nil {
			return fmt.Sprintf("cas(%s) → mismatch, found %s", showValue(o.Input), orNothing(o.Output))
		}
		return fmt.Sprintf("cas(%s) → mismatch", showValue(o.Input))
	case o.F == history.FDequeue && o.Type == history.Ok && o.Output.Kind() == history.Nil:
		return "dequeue() → empty"
	case o.F == history.FDequeue && o.Type == history.Ok:
		return fmt.Sprintf("dequeue() → %s", showValue(o.Output))
	case o.F == history.FDequeue:
		return fmt.Sprintf("dequeue() → %s", o.Type)
	case o.F == history.FTransaction && o.Type == history.Ok:
		return fmt.Sprintf("txn → %s", showValue(o.Output))
	case o.Type == history.Ok:
		return fmt.Sprintf("%s(%s)", o.F, showValue(o.Input))
	}
	return fmt.Sprintf("%s(%s) → %s", o.F, showValue(o.Input), o.Type)
}
