package checker

import (
	"fmt"
	"math"

	"github.com/refute-lab/refute/harness/history"
)

// never is the time of what never happened before: earlier than every operation.
const never int64 = math.MinInt64

// object says what kind of thing a key names.
type object uint8

const (
	registerObject object = iota
	setObject
	// foreignObject is a key with operations that no checker here knows.
	foreignObject
)

// keyOperations are the client operations of one key, as positions in the
// history: four bytes an operation, so that a million operations of the
// caller need not be copied.
type keyOperations struct {
	name   string
	object object
	// why says what is foreign about a foreignObject.
	why       string
	positions []int32
}

// span is a phase of the run. Where ok is false the phase is not in the history.
type span struct {
	start, end int64
	complete   bool
	ok         bool
}

func (s span) contains(time int64) bool { return s.ok && s.start <= time && time <= s.end }

// timeline is what all checkers need to know of a history.
type timeline struct {
	operations []history.Operation
	// keys are in the order of their first invocation.
	keys []keyOperations
	// dumps are the positions of the ok dump operations.
	dumps []int32
	// phases by name.
	phases map[string]span
	faults []FaultInterval
	// session numbers, for each operation, the session it belongs to, from 0;
	// none where its process has had an indeterminate operation before.
	session []int32
	// sessions is how many there are.
	sessions int32
	// last is the latest finite time of the history.
	last int64
}

// newTimeline indexes a history in one pass. It fails if the operations are
// not in the order of their invocation, on which every checker relies.
func newTimeline(operations []history.Operation) (*timeline, error) {
	if len(operations) > math.MaxInt32 {
		return nil, fmt.Errorf("the history has %d operations, more than the %d that can be checked at once", len(operations), math.MaxInt32)
	}
	t := &timeline{operations: operations, phases: map[string]span{}, session: make([]int32, len(operations))}
	keys := map[string]int32{}
	counts := []int32{}
	current := map[history.Process]int32{}
	for i := range operations {
		o := &operations[i]
		if i > 0 && (o.Start < operations[i-1].Start || o.Index <= operations[i-1].Index) {
			return nil, fmt.Errorf("operation %d comes after operation %d but was invoked before it: the history is not in order of invocation", o.Index, operations[i-1].Index)
		}
		if o.End < o.Start {
			return nil, fmt.Errorf("operation %d ends at %d ns, before its invocation at %d ns", o.Index, o.End, o.Start)
		}
		t.last = max(t.last, o.Start)
		if o.End != history.Infinity {
			t.last = max(t.last, o.End)
		}
		switch {
		case o.F == history.FDump:
			if o.Type == history.Ok {
				t.dumps = append(t.dumps, int32(i))
			}
		case o.Process == history.Nemesis:
			if o.F == history.FPhase {
				t.phases[o.Key] = span{start: o.Start, end: o.End, complete: o.Completion >= 0, ok: true}
			}
		default:
			k, found := keys[o.Key]
			if !found {
				k = int32(len(t.keys))
				keys[o.Key] = k
				t.keys = append(t.keys, keyOperations{name: o.Key})
				counts = append(counts, 0)
			}
			counts[k]++
			session, found := current[o.Process]
			if !found {
				session = t.sessions
				t.sessions++
				current[o.Process] = session
			}
			t.session[i] = session
			if o.Type == history.Info {
				current[o.Process] = none
			}
		}
	}
	t.fill(keys, counts)
	t.faults = faultIntervals(operations, t.last)
	return t, nil
}

// fill distributes the positions over the keys: one allocation for all.
func (t *timeline) fill(keys map[string]int32, counts []int32) {
	total := 0
	for _, n := range counts {
		total += int(n)
	}
	all := make([]int32, total)
	for k := range t.keys {
		t.keys[k].positions = all[:0:counts[k]]
		all = all[counts[k]:]
	}
	for i := range t.operations {
		o := &t.operations[i]
		if o.Process == history.Nemesis || o.F == history.FDump {
			continue
		}
		key := &t.keys[keys[o.Key]]
		key.positions = append(key.positions, int32(i))
	}
	for k := range t.keys {
		t.classify(&t.keys[k])
	}
}

func (t *timeline) classify(key *keyOperations) {
	var register, set, lists bool
	for _, p := range key.positions {
		o := &t.operations[p]
		switch o.F {
		case history.FRead:
			lists = lists || o.Output.Kind() == history.List
		case history.FWrite, history.FCAS:
			register = true
		case history.FAdd:
			set = true
		default:
			key.object, key.why = foreignObject, fmt.Sprintf("operations of the kind %q", o.F)
			return
		}
	}
	switch {
	case register && set:
		key.object, key.why = foreignObject, "both writes and adds"
	case set, lists && !register:
		key.object = setObject
	}
}

// final says whether the operation was invoked in the phase of the final reads.
func (t *timeline) final(o *history.Operation) bool {
	return t.phases[history.PhaseFinals].contains(o.Start)
}

// isRun says whether the history has the phases of a run of the harness. A
// history from elsewhere has none, and its traffic is not judged.
func (t *timeline) isRun() bool { return t.phases[history.PhaseMain].ok }

// cut says whether the history of a run ends before all faults could be healed.
func (t *timeline) cut() bool {
	return t.isRun() && (!t.phases[history.PhaseMain].complete || !t.phases[history.PhaseHeal].complete)
}

// count is how many keys name that kind of object.
func (t *timeline) count(kind object) int {
	n := 0
	for k := range t.keys {
		if t.keys[k].object == kind {
			n++
		}
	}
	return n
}
