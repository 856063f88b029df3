package checker

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

const (
	// confirmTime bounds Porcupine on one witness.
	confirmTime = 2 * time.Second
	// The search for a smaller witness of one key takes as long as the key's
	// share, but not more nor less than this: a contradiction gets its witness
	// even when the time is over.
	shrinkMost  = 5 * time.Second
	shrinkLeast = 50 * time.Millisecond
	// conflictsTried is for how many conflicts of a key a witness is made, to show the smallest.
	conflictsTried = 8
	// secondOpinion is the number of operations of a key up to which
	// Porcupine is asked although a certificate already proves it
	// linearizable. Beyond, its memory (quadratic in the operations of a key)
	// would be spent on what is known.
	secondOpinion = 2000
	// secondOpinionTotal is the number of operations of the whole history up
	// to which second opinions are asked for at all: what Porcupine leaves to
	// the garbage collector would otherwise rival a long history itself.
	secondOpinionTotal = 100_000
	// secondOpinionTime bounds the search then: its answer is not needed.
	secondOpinionTime = time.Second
)

// judgement is what was found out about one key.
type judgement struct {
	decided   bool
	checked   bool   // there was something to check
	searched  bool   // it took a search for an order
	porcupine bool   // Porcupine decided or agreed, or confirmed the witness
	method    string // of an object that is no register: how it was decided, if Porcupine was not asked
	why       string
	// conflicts are the contradictions found; a key without any was legal, if decided.
	conflicts int
	classes   map[string]int
	finding   *finding
	timedOut  bool
	// unfit: the operations are not those of one object of a known kind.
	unfit bool
	tried bool // a search took steps before it gave up
}

// checkLinearizable decides each object by itself: a history is linearizable
// iff it is so for each object (Herlihy and Wing's locality).
func checkLinearizable(ctx context.Context, t *timeline, o Options) Result {
	l := newLimiter(ctx, o.Memory)
	defer l.close()
	objects := t.objects()
	judgements := make([]judgement, len(objects))
	pending := make([]int32, 0, len(objects))
	decidable := 0
	for k := range objects {
		switch s := objects[k].surveyed; {
		case s != nil:
			judgements[k] = judgement{decided: true, checked: s.reads > 0}
			decidable++
		case objects[k].object == foreignObject:
			judgements[k] = judgement{checked: true, unfit: true, why: "it has " + objects[k].why}
		case objects[k].object == siblingObject || objects[k].keepsSiblings():
			// There is no one value that it holds: other claims speak of it.
		default:
			pending = append(pending, int32(k))
		}
	}
	decidable += len(pending)
	// The second pass gives the keys that ran out of their share what the others left.
	for range 2 {
		judgeAll(ctx, t, l, objects, pending, judgements, o.Progress)
		pending = slices.DeleteFunc(pending, func(k int32) bool { return !judgements[k].timedOut })
		if _, bounded := ctx.Deadline(); len(pending) == 0 || !bounded || ctx.Err() != nil {
			break
		}
	}
	return summarizeLinearizable(t, objects, judgements, decidable, o)
}

// objects are what can be judged apart: the keys, but of those that
// transactions connect, one for all.
func (t *timeline) objects() []keyOperations {
	if t.count(transactionObject) == 0 {
		return t.keys
	}
	var out []keyOperations
	for k := range t.keys {
		if t.keys[k].object != transactionObject {
			out = append(out, t.keys[k])
		}
	}
	return append(out, t.components()...)
}

// judgeAll works through the keys with one worker for each processor.
func judgeAll(ctx context.Context, t *timeline, l *limiter, objects []keyOperations, pending []int32, judgements []judgement, progress func(string)) {
	workers := min(runtime.GOMAXPROCS(0), len(pending))
	var mu sync.Mutex
	var group sync.WaitGroup
	next, done := 0, 0
	take := func() (k int32, share time.Duration, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == len(pending) {
			return 0, 0, false
		}
		k = pending[next]
		next++
		if deadline, bounded := ctx.Deadline(); bounded {
			left := time.Until(deadline)
			// Never 0, which would mean without bound.
			share = max(left*time.Duration(workers)/time.Duration(len(pending)-next+workers), time.Millisecond)
		}
		return k, share, true
	}
	for range workers {
		group.Add(1)
		go func() {
			defer group.Done()
			j := &judge{timeline: t, limiter: l}
			for {
				k, share, ok := take()
				if !ok {
					return
				}
				// A second try for which there is no time left says less than the first.
				if out := j.safely(ctx, &objects[k], share); out.decided || out.tried || !judgements[k].tried {
					judgements[k] = out
				}
				mu.Lock()
				done++
				if progress != nil && (done%16 == 0 || done == len(pending)) {
					progress(fmt.Sprintf("%s: %d of %d keys", Linearizable, done, len(pending)))
				}
				mu.Unlock()
			}
		}()
	}
	group.Wait()
}

// judge decides keys, one at a time, and keeps its storage between them.
type judge struct {
	timeline *timeline
	limiter  *limiter
	register register
	decider  decider
	searcher searcher
}

// safely is key, but a defect of the checker costs the verdict on one key only.
func (j *judge) safely(ctx context.Context, key *keyOperations, share time.Duration) (out judgement) {
	defer func() {
		if r := recover(); r != nil {
			out = judgement{checked: true, why: fmt.Sprintf("the checker failed (%v), which is a defect of this program: please report it with the history", r)}
		}
	}()
	if key.object == registerObject {
		return j.key(ctx, key, share)
	}
	return j.object(ctx, key, share)
}

// key decides one register within its share of time (0: unbounded).
func (j *judge) key(ctx context.Context, key *keyOperations, share time.Duration) judgement {
	r := &j.register
	if err := r.load(j.timeline.operations, key.name, key.positions); err != nil {
		return judgement{checked: true, unfit: true, why: err.Error()}
	}
	if r.observations() == 0 {
		return judgement{decided: true}
	}
	d := j.decider.decide(r)
	if len(d.conflicts) > 0 {
		return j.refuted(d.conflicts, share)
	}
	out := judgement{decided: true, checked: true}
	if !d.proved {
		a := j.limiter.search(&j.searcher, d.prepared, share)
		switch a.result {
		case porcupine.Illegal:
			return j.refuted(nil, share)
		case porcupine.Unknown:
			return judgement{checked: true, searched: true, why: a.why + difficultyOf(r.operations).String(), timedOut: a.timedOut, tried: j.searcher.steps > 0}
		}
		out.searched = true
	}
	if len(d.prepared.operations) > secondOpinion || j.timeline.total > secondOpinionTotal || ctx.Err() != nil {
		return out
	}
	limit := secondOpinionTime
	if share > 0 {
		limit = min(limit, share)
	}
	switch a := j.limiter.prepared(d.prepared, limit); a.result {
	case porcupine.Illegal:
		return judgement{checked: true, why: "Porcupine and this program's own method contradict each other, which is a defect of one of them: please report it with the history"}
	case porcupine.Ok:
		out.porcupine = true
	}
	return out
}

// refuted makes the smallest witness it can of the contradictions, or, without
// any (a search found the history illegal), of the whole key.
func (j *judge) refuted(found []conflict, share time.Duration) judgement {
	r := &j.register
	out := judgement{decided: true, checked: true, searched: len(found) == 0, conflicts: max(len(found), 1), classes: map[string]int{}}
	if share == 0 {
		share = shrinkMost
	}
	s := newShrinker(j.timeline.operations, r, int64(j.limiter.memory), min(max(share, shrinkLeast), shrinkMost))
	defer s.close()
	f := s.finding(s.smallest(found))
	out.finding, out.porcupine = &f, f.confirmed
	for _, c := range found {
		if c.impossible() {
			out.classes[c.class]++
		}
	}
	if len(out.classes) == 0 {
		out.classes[f.class] += out.conflicts
	}
	return out
}

// observations is how many operations say what they found in the register.
func (r *register) observations() int { return r.reads + r.mismatches + r.observing }

// impossible finds reads that no order of the writes can explain. It appends to found.
func (r *register) impossible(found []conflict) []conflict {
	for v := 1; v < len(r.values); v++ {
		if class := r.impossibleValue(int32(v)); class != "" {
			found = append(found, conflict{class: class, a: int32(v), b: int32(v), at: r.operations[r.values[v].first].start})
		}
	}
	return found
}

// impossibleValue is the class of a value that was read but cannot have been, or empty.
func (r *register) impossibleValue(value int32) string {
	v := &r.values[value]
	switch {
	case value == initial || v.observers == 0:
		return ""
	case v.writers == 0 && v.failed != none:
		return classFailed
	case v.writers == 0:
		return classPhantom
	// Of several writers, the first in the history is the first invoked.
	case v.ended < r.operations[v.writer].start:
		return classFuture
	}
	return ""
}

// impossibleFinding describes the first impossible read, if there is one.
func (r *register) impossibleFinding() finding {
	for v := range r.values {
		class := r.impossibleValue(int32(v))
		if class == "" {
			continue
		}
		f := r.impossibleRead(int32(v), class)
		f.gather()
		return f
	}
	return finding{}
}

// impossibleRead names the operations that show that the value was read although it cannot have been.
func (r *register) impossibleRead(value int32, class string) finding {
	f := newFinding(class, r.key)
	v := &r.values[value]
	f.second = r.operations[v.first].position
	switch class {
	case classFailed:
		f.older = v.failed
	case classFuture:
		f.older = r.operations[v.writer].position
	}
	return f
}

// summarizeLinearizable puts the judgements of all keys together.
func summarizeLinearizable(t *timeline, objects []keyOperations, judgements []judgement, decidable int, o Options) Result {
	all := newTally()
	var undecided []string
	methods := map[string]bool{}
	checked, operations, bad, unfit := 0, 0, 0, 0
	for k := range judgements {
		j := &judgements[k]
		if !j.checked {
			continue
		}
		checked++
		operations += max(len(objects[k].positions), int(objects[k].count))
		switch {
		case !j.decided:
			if j.unfit {
				unfit++
			}
			undecided = append(undecided, fmt.Sprintf("key %s: %s", objects[k].name, j.why))
		case j.finding != nil:
			bad++
			all.found += j.conflicts
			for class, n := range j.classes {
				all.classes[class] += n
			}
			all.best[objects[k].name] = *j.finding
		}
		if objects[k].object == registerObject {
			methods[methodZones] = true
		} else if j.method != "" {
			methods[j.method] = true
		}
		methods[methodSearch] = methods[methodSearch] || j.searched
		methods[methodPorcupine] = methods[methodPorcupine] || j.porcupine
	}
	result := Result{Claim: Linearizable, Checker: methodNames(methods)}
	switch {
	case all.found > 0:
		result.Verdict = Refuted
		result.fill(t, o, all)
		result.Explanation = fmt.Sprintf("%s of %s no order of the operations explains what was read; %s found.",
			capital(fmt.Sprintf("for %d", bad)), plural(checked, "key"), plural(all.found, "contradiction"))
	case checked == 0:
		result.Verdict = Unknown
		result.Vacuous = true
		result.Explanation = "There was nothing to check: no key has an operation that tells what it found."
		if decidable == 0 {
			result.Explanation = "There was nothing to check: the history has no operations of clients on registers, sets, counters, queues or texts, and no transactions."
		}
	case len(undecided) > 0:
		result.Verdict = Unknown
		help := "A longer time or more memory for the check, fewer operations a key, fewer clients a key, values that are written only once, or a store that says what a failed cas found would help."
		if unfit == len(undecided) {
			help = "A model that fits the operations, or only one kind of object under each key, would help."
		}
		result.Explanation = fmt.Sprintf("%d of %s could not be decided, the others are linearizable: %s. %s",
			len(undecided), plural(checked, "key"), strings.Join(undecided[:min(len(undecided), 3)], "; "), help)
	default:
		result.Verdict = Holds
		result.Explanation = fmt.Sprintf("%s on %s have a legal order for each key.", plural(operations, "operation"), plural(checked, "key"))
	}
	return result
}

// The methods that a result names, beside those of the objects that are no registers.
const (
	methodZones     = "gibbons-korach"
	methodSearch    = "wing-gong-lowe"
	methodPorcupine = "porcupine"
)

// methodNames lists the methods that decided something, Porcupine at the end.
func methodNames(methods map[string]bool) string {
	var names []string
	for name, used := range methods {
		if used && name != methodPorcupine && name != methodSearch {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range []string{methodSearch, methodPorcupine} {
		if methods[name] {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// fill writes counts and witnesses into the result.
func (r *Result) fill(t *timeline, o Options, all *tally) {
	r.Found, r.Classes = all.found, all.classes
	for _, f := range all.show() {
		r.Witnesses = append(r.Witnesses, t.witness(f, o))
	}
}

// witness puts a finding into the form of the report.
func (t *timeline) witness(f finding, o Options) Witness {
	w := Witness{Class: f.class, Key: f.key, Confirmed: f.confirmed}
	for _, p := range f.positions {
		w.Operations = append(w.Operations, t.operations[p].Index)
	}
	for _, fault := range inForce(t.faults, t.operations, f.positions) {
		w.Faults = append(w.Faults, fault.ID)
	}
	d := t.deduce(f, o)
	w.Cause, w.Why = d.cause, d.why
	w.Explanation, w.Summary = explain(t, f, d.sentence(), o)
	return w
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
