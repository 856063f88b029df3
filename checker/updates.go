package checker

import (
	"context"
	"fmt"
)

// The classes of lost updates.
const (
	// classUpdateFork: two compare-and-sets succeeded from one value that was there once.
	classUpdateFork = "update-fork"
	// classUpdateOverwritten: a compare-and-set succeeded from a value that an
	// acknowledged write had certainly replaced before, which is now overwritten unseen.
	classUpdateOverwritten = "update-overwritten"
)

// checkLostUpdates decides no-lost-updates (P4 of Berenson et al., A Critique
// of ANSI SQL Isolation Levels, SIGMOD 1995) for updates that the store itself
// carries out as one step, which are the compare-and-sets: u was read and a new
// value written on condition that it still was u. Such an update is lost if
// another one succeeds from the same u, or if a later one succeeds from a
// value that was certainly older.
//
// A client that reads u and later writes w by two operations makes no update in
// this sense: a register promises nothing about what happens in between, so
// two clients that do so are not accused. The acknowledged adds of a set are
// judged by no-lost-writes, those of a counter by counter-bounds; each loss is
// told once.
//
// A value counts only if it was in the register during one piece of time at
// most: it has one writer, or is "not found" and nothing deletes. Linearizable
// implies the claim.
func checkLostUpdates(ctx context.Context, t *timeline, o Options) Result {
	result := Result{Claim: NoLostUpdates, Checker: "lost-updates"}
	all := newTally()
	examined, keys := 0, 0
	var u updates
	skipped := t.visit(ctx, NoLostUpdates, o, visitor{register: func(r *register, _ *keyOperations) {
		if r.observing == 0 {
			return
		}
		updates := u.lost(r, func(class string, lost, by int32) {
			f := r.lostUpdate(class, lost, by)
			if all.count(class, r.key, len(f.positions)) {
				f.told = t.tellLostUpdate(f)
				all.best[r.key] = f
			}
		})
		if updates > 0 {
			examined += updates
			keys++
		}
	}})
	if all.found > 0 {
		all.confirm(t)
	}
	result.conclude(t, o, outcomeOfKeys{
		all: all, skipped: skipped, examined: examined,
		missing: "no compare-and-set was acknowledged (adds are judged by no-lost-writes and counter-bounds)",
		refuted: fmt.Sprintf("%s, on %s, %s lost to a compare-and-set that had not seen it", plural(all.found, "acknowledged update"), plural(len(all.best), "key"), verb(all.found)),
		holds:   fmt.Sprintf("None of %s, on %s, certainly overwrote an update that it had not seen", plural(examined, "acknowledged compare-and-set"), plural(keys, "key")),
	})
	return result
}

// updates is storage of the search for lost updates.
type updates struct {
	index writeIndex
	// taken is the first compare-and-set that succeeded from each value, or none.
	taken []int32
}

// lost calls yield for each acknowledged compare-and-set (by) that cannot have
// seen an acknowledged update before it (lost). It returns how many
// compare-and-sets were acknowledged and changed something.
func (u *updates) lost(r *register, yield func(class string, lost, by int32)) (acknowledged int) {
	u.index.load(r)
	u.taken = resize(u.taken, len(r.values))
	for v := range u.taken {
		u.taken[v] = none
	}
	for i := range r.operations {
		x := &r.operations[i]
		if x.kind != compareAndSet || x.outcome != certain {
			continue
		}
		acknowledged++
		if r.thereOnce(x.expected) {
			if first := u.taken[x.expected]; first != none {
				yield(classUpdateFork, first, int32(i))
				continue
			}
			u.taken[x.expected] = int32(i)
		}
		at, _ := r.knownBy(x.expected)
		if w := u.index.after(at); w != none && r.operations[w].end < x.start {
			yield(classUpdateOverwritten, w, int32(i))
		}
	}
	return acknowledged
}

// thereOnce says whether the value was in the register during one piece of time at most.
func (r *register) thereOnce(value int32) bool {
	if value == initial {
		return r.values[value].writers == 0
	}
	return r.values[value].writers == 1
}

// lostUpdate puts a lost update together.
func (r *register) lostUpdate(class string, lost, by int32) finding {
	f := newFinding(class, r.key)
	expected := r.operations[by].expected
	if class == classUpdateFork {
		if w := r.values[expected].writer; w != none {
			f.older = r.operations[w].position
		}
	} else {
		f.older, f.shown = r.provenance(expected)
	}
	f.newer, f.second = r.operations[lost].position, r.operations[by].position
	f.gather()
	return f
}

func (t *timeline) tellLostUpdate(f finding) string {
	n := t.narrate(f)
	expected, _, _ := casArguments(n.at(f.second).Input)
	if f.class == classUpdateFork {
		return fmt.Sprintf("%s. %s too, although %s was there only once: one of the two was made without having seen the other, which is lost.",
			n.wrote(f.newer), n.wrote(f.second), showValue(expected))
	}
	return fmt.Sprintf("%s. %s later, at %s, process %d%s still found %s and changed it: %s. The update before it was not seen and is lost.%s",
		n.wrote(f.newer), n.gap(f.newer, f.second), clock(n.at(f.second).Start), n.at(f.second).Process, n.through(f.second), showValue(expected),
		describeShort(n.at(f.second)), n.whyOlder())
}
