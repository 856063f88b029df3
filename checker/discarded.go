package checker

import (
	"context"
	"fmt"

	"github.com/refute-lab/refute/harness/history"
)

// checkDiscardedWrites decides no-discarded-writes, the promise of stores that
// keep siblings (version vectors): of two acknowledged writes that did not
// know of each other, neither is thrown away, and the final reads return both.
// A store in which the last write wins does not make this promise, and a
// register may order concurrent writes as it likes; for them the losses are
// only counted (class discarded-concurrent of no-lost-writes).
//
// A write is discarded if it is acknowledged, no final read returns its value,
// some final read returns the value of a write that was concurrent with it,
// and nothing can have replaced it knowingly: whoever replaces a value
// knowingly began to write after it was known. So no final value, no
// acknowledged write and no deletion may have been invoked after that; an
// unacknowledged write that replaced it would be among the final values, or
// replaced in turn by a write that began later still. Values written more than
// once are passed over.
//
// A read may return several values at once: a list, where integers were written.
func checkDiscardedWrites(ctx context.Context, t *timeline, o Options) Result {
	result := Result{Claim: NoDiscardedWrites, Checker: "discarded-writes"}
	all := newTally()
	examined, keys := 0, 0
	var finals finalReads
	skipped := t.visit(ctx, NoDiscardedWrites, o, visitor{register: func(r *register, key *keyOperations) {
		finals.load(t, r, key.keepsSiblings())
		n := finals.discarded(r, func(write, instead int32) {
			f := finals.discardedFinding(r, write, instead)
			if all.count(classDiscarded, r.key, len(f.positions)) {
				f.told = t.tellDiscarded(f)
				all.best[r.key] = f
			}
		})
		if n > 0 {
			examined += n
			keys++
		}
	}})
	missing := "no key with an acknowledged write has a successful final read"
	if !t.phases[history.PhaseFinals].ok {
		missing = "the history has no phase of final reads, and an earlier read cannot tell a discarded write from a late one"
	}
	result.conclude(t, o, outcomeOfKeys{
		all: all, skipped: skipped, examined: examined, missing: missing,
		refuted: fmt.Sprintf("%s, on %s, gave way to a concurrent one", plural(all.found, "acknowledged write"), plural(len(all.best), "key")),
		holds:   fmt.Sprintf("None of %s, on %s, certainly gave way to a concurrent one", plural(examined, "acknowledged write"), plural(keys, "key")),
	})
	return result
}

// discarded calls yield for each discarded write; instead is the value that
// the final reads return. The result is how many acknowledged writes there are to judge.
func (f *finalReads) discarded(r *register, yield func(write, instead int32)) (examined int) {
	if f.count == 0 {
		return 0
	}
	latest := f.latestReplacement(r)
	for i := range r.operations {
		w := &r.operations[i]
		if !w.mutates() || w.outcome != certain || w.value == initial || w.end >= f.begin {
			continue
		}
		examined++
		if known, _ := r.knownBy(w.value); f.returned[w.value] == none && latest < known && known != history.Infinity {
			if instead := f.concurrentValue(r, w.start); instead != none {
				yield(int32(i), instead)
			}
		}
	}
	return examined
}

// discardedFinding puts a discarded write together, with the writes of all
// that a final read returns in its stead: none of them began late enough to replace it.
func (f *finalReads) discardedFinding(r *register, write, instead int32) finding {
	out := newFinding(classDiscarded, r.key)
	out.newer, out.older = r.operations[write].position, r.operations[r.values[instead].writer].position
	by := f.by[f.returned[instead]]
	out.second = r.operations[by].position
	var writers []int32
	for i, u := range f.order {
		if f.by[i] == by && u != initial {
			writers = append(writers, r.operations[r.values[u].writer].position)
		}
	}
	out.gather(writers...)
	return out
}

// latestReplacement is when the last operation began that may have replaced a
// value knowingly; Infinity where a final value does not say whose it is.
func (f *finalReads) latestReplacement(r *register) int64 {
	latest := never
	for i := range r.operations {
		if x := &r.operations[i]; x.mutates() && (x.outcome == certain || x.value == initial) {
			latest = max(latest, x.start)
		}
	}
	for _, u := range f.order {
		switch {
		case u == initial:
		case r.values[u].writers != 1:
			return history.Infinity
		default:
			latest = max(latest, r.operations[r.values[u].writer].start)
		}
	}
	return latest
}

// concurrentValue is a final value that is not provably older than a write which began at the time, or none.
func (f *finalReads) concurrentValue(r *register, start int64) int32 {
	for _, u := range f.order {
		if at, _ := r.knownBy(u); u != initial && at >= start {
			return u
		}
	}
	return none
}

func (t *timeline) tellDiscarded(f finding) string {
	n := t.narrate(f)
	return fmt.Sprintf("%s. %s; neither had seen the other. The final reads return only one of them: %s.", n.wrote(f.newer), n.wrote(f.older), lower(n.got(f.second)))
}
