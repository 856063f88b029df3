package checker

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// maximumFacts is of how many operations of the witness' key, the latest
// before its last one, the evidence is looked at. It is read from a file.
const maximumFacts = 400

// fact is one operation of the witness' key with what the target told about it.
type fact struct {
	position int32
	o        *history.Operation
	e        *history.Evidence
}

// facts are what is known about a key around a finding.
type facts struct {
	t       *timeline
	f       finding
	options *Options
	// all are in order of invocation.
	all []fact
	// order maps a version to its place in the target's own order, as far as it was told.
	order map[string]int64
	// beats has the pairs of versions of which a read counted both and returned the first.
	beats map[[2]string]bool
	// clocks says that the order is by timestamps of clocks, not by counters.
	clocks bool
	// orderGiven says that the order was concluded from vectors and is all there is to know.
	orderGiven bool
	// told says that there is evidence for the finding's own operations, or, of
	// replicas that differ, for any of the key.
	told bool
}

// gatherFacts looks up the evidence of the finding's operations and of those
// of the same key before its last one ended.
func gatherFacts(t *timeline, f finding, o Options) *facts {
	k := &facts{t: t, f: f, options: &o, order: map[string]int64{}, beats: map[[2]string]bool{}}
	last := int32(0)
	for _, p := range f.positions {
		last = max(last, p)
	}
	var positions []int32
	if n, found := t.numbers[f.key]; found {
		positions = t.keys[n].positions
		end, _ := slices.BinarySearch(positions, last+1)
		positions = positions[max(0, end-maximumFacts):end]
	}
	positions = append(slices.Clone(positions), f.positions...)
	slices.Sort(positions)
	evidence := o.lookup(t, positions)
	for _, p := range slices.Compact(positions) {
		op := &t.operations[p]
		if op.F == history.FDump {
			continue
		}
		x := fact{position: p, o: op}
		if op.Completion >= 0 {
			x.e = evidence(op.Completion)
		}
		k.learn(&x)
		k.all = append(k.all, x)
	}
	return k
}

// lookup is o.Evidence for the operations at the positions, read at once if possible.
func (o *Options) lookup(t *timeline, positions []int32) func(completion int64) *history.Evidence {
	if o.Evidences == nil {
		return o.Evidence
	}
	completions := make([]int64, 0, len(positions))
	for _, p := range positions {
		if c := t.operations[p].Completion; c >= 0 && t.operations[p].F != history.FDump {
			completions = append(completions, c)
		}
	}
	found := o.Evidences(completions)
	if found == nil {
		return o.Evidence
	}
	return func(completion int64) *history.Evidence { return found[completion] }
}

// learn notes the place of the operation's version in the target's order.
func (k *facts) learn(x *fact) {
	if x.e == nil {
		return
	}
	if len(k.f.held) > 0 || k.f.class == classTooManySiblings || slices.Contains(k.f.positions, x.position) {
		k.told = true
	}
	switch {
	case x.e.Version == "", x.e.Causal != nil: // no clock orders siblings
	case x.e.Timestamp != 0:
		k.order[x.e.Version], k.clocks = x.e.Timestamp, true
	case x.e.Counter != 0:
		k.order[x.e.Version] = x.e.Counter
	}
	if x.o.F == history.FRead && x.o.Type == history.Ok && x.e.Causal == nil {
		for i := range x.e.Replicas {
			if r := &x.e.Replicas[i]; r.Counted && r.Version != x.e.Version {
				k.beats[[2]string{x.e.Version, r.Version}] = true
			}
		}
	}
}

// of is the fact about the operation at the position; its evidence may be nil.
func (k *facts) of(p int32) *fact {
	for i := range k.all {
		if k.all[i].position == p {
			return &k.all[i]
		}
	}
	return &fact{position: p, o: &k.t.operations[p]}
}

// compare compares two versions by the target's own order; known is false
// where their places were not told, or are equal and no read chose between
// the two. Nothing is older than everything.
func (k *facts) compare(a, b string) (c int, known bool) {
	if a == b {
		return 0, true
	}
	if a == "" || b == "" {
		return cmp.Compare(a, b), true
	}
	x, hasX := k.order[a]
	y, hasY := k.order[b]
	switch {
	case hasX && hasY && x != y:
		return cmp.Compare(x, y), true
	case k.beats[[2]string{a, b}]:
		return 1, !k.beats[[2]string{b, a}]
	case k.beats[[2]string{b, a}]:
		return -1, true
	}
	if k.orderGiven {
		return 0, false
	}
	return k.compareCausally(a, b)
}

// tied says that two versions carry one timestamp, and that nothing tells how
// the store decides between them.
func (k *facts) tied(a, b string) bool {
	x, hasX := k.order[a]
	y, hasY := k.order[b]
	return k.clocks && a != b && hasX && hasY && x == y
}

// versionOf is the version under which the write at the position is stored:
// as its own evidence tells it, or that of a read that returned its value.
func (k *facts) versionOf(write int32) string {
	w := k.of(write)
	own := ""
	if w.e != nil {
		own = w.e.Version
	}
	// A compare-and-set that its coordinator gave up may have been finished
	// by another, under a ballot of that one.
	if own != "" && (w.o.Type == history.Ok || !balloted(w)) {
		return own
	}
	value, ok := written(w.o)
	if !ok {
		return own
	}
	for i := range k.all {
		if x := &k.all[i]; x.o.F == history.FRead && x.o.Type == history.Ok && x.e != nil && x.e.Version != "" && x.o.Output == value {
			return x.e.Version
		}
	}
	return own
}

// written is the integer that a write, or a compare-and-set, writes.
func written(o *history.Operation) (history.Value, bool) {
	switch o.F {
	case history.FWrite:
		return o.Input, o.Input.Kind() == history.Int
	case history.FCAS:
		_, value, err := casArguments(o.Input)
		return value, err == nil && value.Kind() == history.Int
	}
	return history.Value{}, false
}

// ended says whether the operation had completed, in whatever way, before the other was invoked.
func ended(o, other *history.Operation) bool {
	return o.Completion >= 0 && o.Completion < other.Index
}

// holder is a replica that certainly held a version, or a newer one.
type holder struct {
	node string
	// by is the operation that shows it, did how.
	by  *fact
	did string
}

// holders are the home replicas that showed before the operation was invoked
// that they held the version: they acknowledged its write, or returned it to a
// read, or acknowledged that a read wrote it back. A stand-in is none of them:
// it gives its copy up once the home replica has it.
func (k *facts) holders(write int32, version string, before *history.Operation) (list []holder) {
	add := func(r *history.ReplicaEvidence, by *fact, did string) {
		if r.HintFor == "" && !slices.ContainsFunc(list, func(h holder) bool { return h.node == r.Node }) {
			list = append(list, holder{r.Node, by, did})
		}
	}
	for i := range k.all {
		x := &k.all[i]
		if x.e == nil || !ended(x.o, before) {
			continue
		}
		for j := range x.e.Replicas {
			switch r := &x.e.Replicas[j]; {
			case x.position == write && x.o.F != history.FRead:
				// Of a write that failed for certain only its fetch was answered.
				// Of a compare-and-set by ballots, what is acknowledged before the commit is none of it.
				if r.Answered && x.o.Type != history.Fail && (!balloted(x) || x.e.Phases[len(x.e.Phases)-1] == "commit") {
					add(r, x, "acknowledged")
				}
			case x.o.F != history.FRead || version == "":
			case r.Repaired && x.e.Version == version:
				add(r, x, "acknowledged")
			case r.Answered && r.Version == version:
				add(r, x, "answered a read with")
			}
		}
	}
	return list
}

// replicaAnswer is what one replica told somebody who asked for what it holds.
type replicaAnswer struct {
	node, standsFor, version string
}

// inquiry is a set of answers by which an operation decided: the replies that
// a read counted, or those of the fetch by which a write chose its version.
type inquiry struct {
	by      *fact
	fetch   bool
	answers []replicaAnswer
	// required is how many answers it needed, as far as that was told.
	required int
}

func reading(x *fact) inquiry {
	q := inquiry{by: x}
	if x.e == nil {
		return q
	}
	q.required = x.e.Required
	for _, r := range x.e.Replicas {
		if r.Counted {
			q.answers = append(q.answers, replicaAnswer{r.Node, r.HintFor, r.Version})
		}
	}
	return q
}

func fetching(x *fact) inquiry {
	q := inquiry{by: x, fetch: true}
	if x.e == nil {
		return q
	}
	for _, r := range x.e.Replicas {
		if r.Fetched {
			q.answers = append(q.answers, replicaAnswer{r.Node, r.HintFor, r.Version})
		}
	}
	q.required = len(q.answers)
	return q
}

// asked returns the answer of the node, or nil.
func (q *inquiry) asked(node string) *replicaAnswer {
	for i := range q.answers {
		if q.answers[i].node == node {
			return &q.answers[i]
		}
	}
	return nil
}

// restart is how a node's process ended.
type restart struct {
	at   int64
	what string
	// emptied: it started again with another disk.
	emptied bool
	// down is when the fault was seen to be in force, which it was until the
	// process started again; 0 if nobody looked.
	down int64
}

// mayHaveLost lists the ends of a node's process between the two times by which
// it may have lost something that nobody sent it before the first. A node that
// was down by then, or whose full disk took nothing, got none of it before it
// started again.
func (k *facts) mayHaveLost(node string, from, to int64) []restart {
	return slices.DeleteFunc(k.restarts(node, from, to), func(r restart) bool { return r.down > 0 && r.down < from })
}

// ends names the faults that end a process or take its memory, as nemeses call them.
var ends = map[string]string{"kill": "was killed", "power": "lost its power", "disk full": "stopped because its disk was full", "disk-loss": "lost its disk"}

// restarts lists how the node's process ended between the two times, in order
// of time. A fault that was already in force at the first counts if it was
// still in force then.
func (k *facts) restarts(node string, from, to int64) (list []restart) {
	for i := range k.t.faults {
		f := &k.t.faults[i]
		what, does := ends[f.Kind]
		if !does {
			what, does = ends[f.Kind+" "+f.Shape]
		}
		if does && f.Start <= to && f.End >= from && slices.Contains(f.Targets, node) {
			list = append(list, restart{at: f.Start, what: what + " at " + clock(f.Start) + " (" + f.ID + ")",
				emptied: f.Kind == "disk-loss", down: f.inForce})
		}
	}
	for i := range k.t.operations {
		o := &k.t.operations[i]
		if o.F == history.FCrash && o.Process == history.Nemesis && o.Node == node && from <= o.Start && o.Start <= to {
			list = append(list, restart{at: o.Start, what: "ended by itself at " + clock(o.Start)})
		}
	}
	slices.SortStableFunc(list, func(a, b restart) int { return cmp.Compare(a.at, b.at) })
	return list
}

// hints is what a dump tells of the writes that a node keeps for another.
type hints struct {
	told bool
	// version is that of the hint for the home replica and key; "" if there is none.
	version string
}

// hintsOf is what the last dump of the keeper before the time tells of hints
// for the home replica.
func (k *facts) hintsOf(keeper, home string, before int64) (h hints) {
	for _, p := range k.t.dumps {
		o := &k.t.operations[p]
		if o.Node != keeper || o.Start > before {
			continue
		}
		var dump history.Dump
		if json.Unmarshal(o.Output.Raw(), &dump) != nil {
			continue
		}
		h = hints{told: dump.Hints != nil}
		for _, d := range dump.Hints {
			if d.Key == k.f.key && d.For == home {
				h.version = d.Version
			}
		}
	}
	return h
}
