package checker

import (
	"cmp"
	"slices"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// maximumWitnesses is how many witnesses a claim's result shows, of different keys.
const maximumWitnesses = 5

// The classes of violations.
const (
	classStale       = "stale-read"            // a value that was certainly overwritten before the read began
	classInversion   = "new-old-inversion"     // a newer value was read, then an older one
	classReturned    = "value-returned"        // a value was read, then another, then the first again
	classPhantom     = "phantom-read"          // a value that nobody wrote
	classFailed      = "failed-write-read"     // a value whose write certainly failed
	classFuture      = "read-before-write"     // a value read before its write began
	classStaleSwap   = "stale-cas"             // a compare-and-set found a value that was certainly overwritten before it began
	classFork        = "cas-fork"              // two compare-and-sets took effect on one value
	classCycle       = "cas-cycle"             // compare-and-sets made values from one another in a circle
	classPinned      = "cas-mismatch"          // a compare-and-set did not find a value that was certainly there
	classDeleted     = "not-found-unexplained" // nothing was found where no delete can explain it
	classOther       = "not-linearizable"      // none of these patterns, yet no legal order exists
	classOwnWrite    = "own-write-missing"     // a process did not read its own write
	classSequential  = "lost-sequential"       // all final reads return certainly older values
	classVanished    = "vanished"              // all final reads find nothing
	classLostElement = "lost-element"          // an acknowledged element is gone from its set
	classMissing     = "element-missing"       // a read of a set lacks an element that it must have
	classDivergent   = "divergent-replicas"    // replicas disagree after the target became quiet
)

// finding is a violation before it is put into words. The fields that name
// operations are positions in the history, or none.
type finding struct {
	class string
	key   string
	// positions are the operations that prove it, in order of invocation.
	positions []int32
	// older wrote the value that was read too late; shown is the read that
	// proves when it was there, if the write itself does not.
	older, shown int32
	// newer wrote the value that should have been read.
	newer int32
	// first and second are the reads: second is the one that is wrong.
	first, second int32
	// element is the element of a set.
	element   int64
	confirmed bool
	// held is what the home replicas hold of the key, where they differ.
	held []held
	// chain is positions in causal order, for findings about sessions and causality.
	chain []int32
	// versions says that it is about the versions of a register with siblings,
	// of which Porcupine knows nothing.
	versions bool
	// told replaces the story of what the clients saw; the evidence and the faults are told beside it.
	told string
	// text replaces the explanation of findings that are not about reads.
	text string
}

func newFinding(class, key string) finding {
	return finding{class: class, key: key, older: none, shown: none, newer: none, first: none, second: none}
}

// gather sets positions to the operations named, each once, in order.
func (f *finding) gather(more ...int32) {
	all := append([]int32{f.older, f.shown, f.newer, f.first, f.second}, more...)
	all = slices.DeleteFunc(all, func(p int32) bool { return p == none })
	slices.Sort(all)
	f.positions = slices.Compact(all)
}

// tally collects the violations of a claim: counts of all, and for each key
// the one that takes the fewest operations to show.
type tally struct {
	found   int
	classes map[string]int
	best    map[string]finding
}

func newTally() *tally { return &tally{classes: map[string]int{}, best: map[string]finding{}} }

// count adds a violation and says whether a proof of that many operations would be the shortest of its key.
func (t *tally) count(class, key string, operations int) bool {
	t.found++
	t.classes[class]++
	old, found := t.best[key]
	return !found || operations < len(old.positions)
}

// show returns the findings to be shown: the shortest, of different keys, in order of time.
func (t *tally) show() []finding {
	findings := make([]finding, 0, len(t.best))
	for _, f := range t.best {
		findings = append(findings, f)
	}
	slices.SortFunc(findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(len(a.positions), len(b.positions)), slices.Compare(a.positions, b.positions), cmp.Compare(a.key, b.key))
	})
	findings = findings[:min(len(findings), maximumWitnesses)]
	slices.SortFunc(findings, func(a, b finding) int { return slices.Compare(a.positions, b.positions) })
	return findings
}

// confirm asks Porcupine about exactly the finding's operations, by the
// plain model, as they were recorded.
func (f *finding) confirm(l *limiter, operations []history.Operation) {
	var r register
	if r.load(operations, f.key, f.positions) != nil {
		return
	}
	f.confirmed = l.run(plainModel(), plainOperations(r.operations), confirmTime).result == porcupine.Illegal
}
