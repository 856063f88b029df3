package checker

import (
	"fmt"
	"math"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// never is the time of what never happened before: earlier than every operation.
const never int64 = math.MinInt64

// object says what kind of thing a key names.
type object uint8

const (
	registerObject object = iota
	setObject
	counterObject // adds, and reads of sums
	queueObject   // enqueue, dequeue; first in, first out
	bagObject     // enqueue, dequeue, in any order; only where Options.Model says so
	textObject    // append, write, read of texts
	// transactionObject is a key of transactions, or a register that they use.
	transactionObject
	// siblingObject is a register whose reads return history.Versions.
	siblingObject
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
	// surveyed is what a survey knows of a register that it decided, in whose
	// place there may be no positions; nil without one.
	surveyed *keySurvey

	// What classify goes by: how many operations there are, of which kinds,
	// and the first kind that no checker here knows.
	count                 int32
	register, adds, queue bool
	appends, transactions bool
	lists, integers       bool // were read
	versions              bool // were told: see history.Versions
	rows                  bool // lists were written
	foreign               string
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
	// versioned are the operations as they were before listed left dots and
	// contexts out; nil where it did not.
	versioned []history.Operation
	// keys are in the order of their first invocation.
	keys []keyOperations
	// dumps are the positions of the ok dump operations.
	dumps []int32
	// phases by name.
	phases map[string]span
	// finals is the phase of the final reads.
	finals span
	faults []FaultInterval
	// session numbers, for each operation, the session it belongs to, from 0;
	// none where its process has had an indeterminate operation before.
	session []int32
	// sessions is how many there are.
	sessions int32
	// last is the latest finite time of the history.
	last int64
	// total is how many operations the history has, of which a survey may have
	// left out those of the keys that it decided; traffic is what it knows of them all, or nil.
	total   int
	traffic *surveyedTraffic

	// The rest is storage of load: the keys' numbers by name, each operation's
	// key (or none), what all keys' positions are cut from, and the sessions of the processes.
	numbers   map[string]int32
	recent    [recentKeys]int32
	keyOf     []int32
	positions []int32
	current   sessionTable
	// essences of the operations of clients, at their positions, are gathered if distil is set.
	distil   bool
	essences []essence
}

// newTimeline indexes a history, with its faults.
func newTimeline(operations []history.Operation) (*timeline, error) {
	t := &timeline{}
	if err := t.load(operations); err != nil {
		return nil, err
	}
	t.keyOf, t.current = nil, sessionTable{}
	t.faults = faultIntervals(operations, t.last)
	return t, nil
}

// load indexes a history in one pass, without its faults. It keeps its storage
// from one use to the next. It fails if the operations are not in the order of
// their invocation, on which every checker relies.
func (t *timeline) load(operations []history.Operation) error {
	if len(operations) > math.MaxInt32 {
		return fmt.Errorf("the history has %d operations, more than the %d that can be checked at once", len(operations), math.MaxInt32)
	}
	t.begin(operations)
	for i := range operations {
		o := &operations[i]
		if err := outOfOrder(o, &operations[max(i-1, 0)], i == 0); err != nil {
			return err
		}
		t.saw(o)
		t.keyOf[i] = none
		switch {
		case o.F == history.FDump:
			if o.Type == history.Ok {
				t.dumps = append(t.dumps, int32(i))
			}
		case o.Process == history.Nemesis:
			if o.F == history.FPhase {
				t.phase(o)
			}
		default:
			k := t.number(o.Key)
			t.keyOf[i] = k
			t.keys[k].note(o)
			if t.distil {
				t.essences[i] = essenceOf(o)
			}
			current := t.current.of(o.Process)
			if *current == unstarted {
				*current = t.sessions
				t.sessions++
			}
			t.session[i] = *current
			if o.Type == history.Info {
				*current = none
			}
		}
	}
	t.finals = t.phases[history.PhaseFinals]
	t.fill()
	return nil
}

// outOfOrder says why the operation cannot come after the last one, if it cannot.
func outOfOrder(o, last *history.Operation, first bool) error {
	if !first && (o.Start < last.Start || o.Index <= last.Index) {
		return fmt.Errorf("operation %d comes after operation %d but was invoked before it: the history is not in order of invocation", o.Index, last.Index)
	}
	if o.End < o.Start {
		return fmt.Errorf("operation %d ends at %d ns, before its invocation at %d ns", o.Index, o.End, o.Start)
	}
	return nil
}

// saw notes the operation's times.
func (t *timeline) saw(o *history.Operation) {
	t.last = max(t.last, o.Start)
	if o.End != history.Infinity {
		t.last = max(t.last, o.End)
	}
}

// phase notes a phase of the run.
func (t *timeline) phase(o *history.Operation) {
	t.phases[o.Key] = span{start: o.Start, end: o.End, complete: o.Completion >= 0, ok: true}
}

// begin empties the timeline and makes room for the operations.
func (t *timeline) begin(operations []history.Operation) {
	t.operations, t.total = operations, len(operations)
	t.keys, t.dumps = t.keys[:0], t.dumps[:0]
	t.sessions, t.last, t.faults = 0, 0, nil
	t.session = resize(t.session, len(operations))
	clear(t.session)
	t.keyOf = resize(t.keyOf, len(operations))
	if t.distil {
		t.essences = resize(t.essences, len(operations))
	}
	if t.phases == nil {
		t.phases, t.numbers = map[string]span{}, map[string]int32{}
	}
	clear(t.phases)
	clear(t.numbers)
	t.current.reset(len(operations))
}

// resize returns a slice of that length, the same one if it is long enough.
// What it holds is not defined.
func resize[E any](s []E, length int) []E {
	return slices.Grow(s[:0], length)[:length]
}

// recentKeys is how many keys are remembered by the end of their name.
const recentKeys = 4096

// number returns the key's number. Most histories have few keys, told apart by
// their last letters, so that the map need not be asked.
func (t *timeline) number(key string) int32 {
	slot := uint(0)
	for i := max(0, len(key)-4); i < len(key); i++ {
		slot = 10*slot + uint(key[i]-'0')
	}
	slot %= recentKeys
	if k := t.recent[slot]; int(k) < len(t.keys) && t.keys[k].name == key {
		return k
	}
	k, found := t.numbers[key]
	if !found {
		k = int32(len(t.keys))
		t.numbers[key] = k
		t.keys = append(t.keys, keyOperations{name: key})
	}
	t.recent[slot] = k
	return k
}

// name is the name as a string, without an allocation if it is one of the keys.
func (t *timeline) name(key []byte) string {
	if k, found := t.numbers[string(key)]; found {
		return t.keys[k].name
	}
	return string(key)
}

// fill distributes the positions over the keys: one allocation for all.
func (t *timeline) fill() {
	total := 0
	for k := range t.keys {
		total += int(t.keys[k].count)
	}
	t.positions = resize(t.positions, total)
	all := t.positions
	for k := range t.keys {
		key := &t.keys[k]
		key.positions = all[:0:key.count]
		all = all[key.count:]
		key.classify()
	}
	for i, k := range t.keyOf {
		if k != none {
			key := &t.keys[k]
			key.positions = append(key.positions, int32(i))
		}
	}
	t.shareKinds()
}

// note takes the operation into account for classify.
func (k *keyOperations) note(o *history.Operation) {
	k.count++
	switch o.F {
	case history.FRead:
		k.lists = k.lists || o.Output.Kind() == history.List
		k.integers = k.integers || o.Output.Kind() == history.Int
		k.noteVersions(o)
	case history.FWrite, history.FCAS, history.FDelete:
		k.register = true
		k.noteVersions(o)
		k.rows = k.rows || o.F == history.FWrite && o.Input.Kind() == history.List
	case history.FAdd:
		k.adds = true
	case history.FEnqueue, history.FDequeue:
		k.queue = true
	case history.FAppend:
		k.appends = true
	case history.FTransaction:
		k.transactions = true
	default:
		if k.foreign == "" {
			k.foreign = fmt.Sprintf("operations of the kind %q", o.F)
		}
	}
}

// noteVersions notes that the operation tells the versions of a register with siblings.
func (k *keyOperations) noteVersions(o *history.Operation) {
	if !k.versions && o.Output.Kind() == history.Raw {
		_, err := history.ParseVersions(o.Output)
		k.versions = err == nil
	}
}

// classify says what kind of object the key names, by its operations.
func (k *keyOperations) classify() {
	switch {
	case k.foreign != "":
		k.object, k.why = foreignObject, k.foreign
	case k.transactions && (k.adds || k.queue || k.appends):
		k.object, k.why = foreignObject, "transactions and operations of another kind"
	case k.transactions:
		k.object = transactionObject
	case k.appends && (k.adds || k.queue):
		k.object, k.why = foreignObject, "appends and operations of another kind"
	case k.appends:
		k.object = textObject
	case k.register && k.adds:
		k.object, k.why = foreignObject, "both writes and adds"
	case k.queue && (k.register || k.adds || k.lists || k.integers):
		k.object, k.why = foreignObject, "operations of a queue and others"
	case k.queue:
		k.object = queueObject
	case k.versions && k.register && k.integers:
		k.object, k.why = foreignObject, "reads of versions and reads of single values"
	case k.versions && k.register:
		k.object = siblingObject
	case k.adds && k.integers && !k.lists:
		k.object = counterObject
	case k.adds, k.lists && !k.register:
		k.object = setObject
	}
}

// keepsSiblings says whether the key is a register whose reads return several
// values at once, of which each was written by itself.
func (k *keyOperations) keepsSiblings() bool {
	return k.object == registerObject && k.lists && !k.rows
}

// unstarted is the session of a process that has had no operation yet.
const unstarted int32 = -2

// sessionTable holds the present session of each process: none after an
// indeterminate operation, unstarted before the first. The harness numbers
// processes from 0 with few gaps, which makes a slice do; others go into a map.
type sessionTable struct {
	dense  []int32
	sparse map[history.Process]*int32
	limit  history.Process
}

// reset forgets all processes. operations is how many a history will have.
func (s *sessionTable) reset(operations int) {
	s.dense = s.dense[:0]
	clear(s.sparse)
	s.limit = history.Process(16*operations + 1024)
}

// of returns the place of the process's session, valid until the next call.
func (s *sessionTable) of(p history.Process) *int32 {
	if p >= 0 && p < s.limit {
		for int(p) >= len(s.dense) {
			s.dense = append(s.dense, unstarted)
		}
		return &s.dense[p]
	}
	session, found := s.sparse[p]
	if !found {
		if s.sparse == nil {
			s.sparse = map[history.Process]*int32{}
		}
		session = new(int32)
		*session = unstarted
		s.sparse[p] = session
	}
	return session
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
