package checker

import (
	"context"
	"errors"
	"fmt"

	"github.com/refute-lab/refute/harness/history"
)

// The claims about what becomes of writes, and about replicas.
const (
	// NoLostUpdates: see checkLostUpdates.
	NoLostUpdates = "no-lost-updates"
	// NoDirtyReads: see dirtyReads.
	NoDirtyReads = "no-dirty-reads"
	// NoPhantomValues: see phantomValues.
	NoPhantomValues = "no-phantom-values"
	// NoResurrectedDeletes: see checkResurrectedDeletes.
	NoResurrectedDeletes = "no-resurrected-deletes"
	// NoDiscardedWrites: see checkDiscardedWrites.
	NoDiscardedWrites = "no-discarded-writes"
	// NoDuplicates: see checkDuplicates.
	NoDuplicates = "no-duplicates"
	// CounterBounds: see checkCounterBounds.
	CounterBounds = "counter-bounds"
	// RowAtomicity: see checkRowAtomicity.
	RowAtomicity = "row-atomicity"
	// BoundedSiblings: see checkBoundedSiblings.
	BoundedSiblings = "bounded-siblings"
)

// claimsOfWrites are the claims about writes and replicas beside the lost
// writes and convergence. Each needs operations of its own kind, without which
// it does not apply.
func claimsOfWrites() []claim {
	return []claim{
		{
			Claim{NoLostUpdates, "No acknowledged compare-and-set is overwritten by another that did not see it."},
			func(k kinds) bool { return k.conditional },
			checkLostUpdates,
		},
		{
			Claim{NoDirtyReads, "No read returns a value whose write certainly failed."},
			func(k kinds) bool { return k.failed && k.reads && (k.registers || k.sets) },
			ofLists(dirtyReads().run),
		},
		{
			Claim{NoPhantomValues, "No read returns a value that nobody ever tried to write."},
			func(k kinds) bool { return k.reads && (k.registers || k.sets) },
			ofLists(phantomValues().run),
		},
		{
			Claim{NoResurrectedDeletes, "A value that was deleted and found to be gone does not come back."},
			func(k kinds) bool { return k.reads && k.deletes },
			checkResurrectedDeletes,
		},
		{
			Claim{NoDiscardedWrites, "No acknowledged write gives way to a concurrent one: the final reads return both (for stores that keep siblings)."},
			func(k kinds) bool { return k.reads && k.registers && k.siblings },
			ofLists(checkDiscardedWrites),
		},
		{
			Claim{NoDuplicates, "No read of a set returns an element twice."},
			func(k kinds) bool { return k.reads && k.sets },
			checkDuplicates,
		},
		{
			Claim{CounterBounds, "A counter is never below what its acknowledged adds make it, nor above what all attempted adds could."},
			func(k kinds) bool { return k.reads && k.counters },
			checkCounterBounds,
		},
		{
			Claim{RowAtomicity, "A row that was written as one is never read as a mix of several."},
			func(k kinds) bool { return k.reads && k.rows },
			checkRowAtomicity,
		},
		{
			Claim{BoundedSiblings, "No replica keeps more versions of a key side by side than the bound."},
			func(k kinds) bool { return k.siblings || k.dumpedSiblings },
			ofLists(checkBoundedSiblings),
		},
	}
}

// visitor looks at the keys of a history, each by its kind. Kinds without a function are passed over.
type visitor struct {
	register func(r *register, key *keyOperations)
	set      func(s *setHistory, key *keyOperations)
	counter  func(key *keyOperations) error
}

// visit shows the keys to the visitor. The error says why not all of them could be looked at.
func (t *timeline) visit(ctx context.Context, claim string, o Options, v visitor) error {
	var r register
	var s setHistory
	var skipped error
	for k := range t.keys {
		if ctx.Err() != nil {
			return errors.New("the time for checking was over; a longer time would help")
		}
		key := &t.keys[k]
		var err error
		switch {
		case key.object == foreignObject:
			err = fmt.Errorf("it has %s", key.why)
		case key.object == registerObject && v.register != nil:
			if err = r.load(t.operations, key.name, key.positions); err == nil {
				v.register(&r, key)
			}
		case key.object == setObject && v.set != nil:
			s.load(t.operations, key)
			v.set(&s, key)
		case key.object == counterObject && v.counter != nil:
			err = v.counter(key)
		}
		if err != nil {
			skipped = fmt.Errorf("key %s: %w", key.name, err)
		}
		if o.Progress != nil && k%4096 == 4095 {
			o.Progress(fmt.Sprintf("%s: %d of %d keys", claim, k+1, len(t.keys)))
		}
	}
	return skipped
}

// outcomeOfKeys is what was found by looking at all keys, and in which words it is told.
type outcomeOfKeys struct {
	all *tally
	// skipped says why not all could be looked at, or is nil.
	skipped error
	// examined is how many operations could have violated the claim.
	examined int
	// refuted, holds and missing are sentences without their full stop:
	// missing says what the history would need.
	refuted, holds, missing string
}

// conclude writes the verdict into the result: a violation refutes whatever
// could not be looked at; where nothing could have violated the claim, it is unknown.
func (r *Result) conclude(t *timeline, o Options, x outcomeOfKeys) {
	switch {
	case x.all.found > 0:
		r.Verdict = Refuted
		r.fill(t, o, x.all)
		r.Explanation = x.refuted + "."
		return
	case x.skipped != nil:
		r.Verdict = Unknown
		r.Explanation = "Not everything could be checked: " + x.skipped.Error() + "."
	case x.examined == 0:
		r.Verdict, r.Vacuous = Unknown, true
		r.Explanation = "There was nothing to check: " + x.missing + "."
	default:
		r.Verdict = Holds
		r.Explanation = x.holds + "."
	}
	if len(x.all.classes) > 0 {
		r.Classes = x.all.classes
	}
}

// narrate returns a narrator for the words of a finding.
func (t *timeline) narrate(f finding) narrator { return narrator{t: t, f: f} }

// deletes says whether the operation is a compare-and-set to nothing.
func deletes(o *history.Operation) bool {
	if o.F != history.FCAS || o.Input.Kind() != history.Raw {
		return false
	}
	_, value, err := casArguments(o.Input)
	return err == nil && value.Kind() == history.Nil
}
