package checker

import (
	"context"
	"fmt"

	"github.com/refute-lab/refute/harness/history"
)

// The classes of reads of deleted values.
const (
	classResurrected = "resurrected" // deleted, found to be gone, and there again
	// classStaleDelete counts reads of a deleted value that nobody had found to
	// be gone: each is a stale read, and no-stale-reads tells it.
	classStaleDelete = "stale-delete"
)

// checkResurrectedDeletes decides no-resurrected-deletes: a value u was known
// to be there before an acknowledged delete began, a read that began after
// the delete's end found nothing, and a read that began after that one's end
// returned u, which was written only once. A write of nothing by
// compare-and-set is a delete too.
//
// Only a store that forgets a delete (a replica that missed it repairs the
// others, after their tombstones are gone) does that for good, but one that
// answers from replicas of different age looks the same to its clients; whether
// the value stays is told by the final reads. Without the read that found
// nothing the value may never have been gone, and the late read is stale, not
// resurrected. Linearizable implies the claim.
func checkResurrectedDeletes(ctx context.Context, t *timeline, o Options) Result {
	result := Result{Claim: NoResurrectedDeletes, Checker: "resurrected-deletes"}
	all := newTally()
	examined, keys, stale := 0, 0, 0
	var d deletions
	skipped := t.visit(ctx, NoResurrectedDeletes, o, visitor{register: func(r *register, _ *keyOperations) {
		d.load(r)
		n := d.resurrected(r, func(removal, absent, again int32) {
			if absent == none {
				stale++
				return
			}
			f := r.resurrection(removal, absent, again)
			if all.count(classResurrected, r.key, len(f.positions)) {
				f.told = t.tellResurrection(f)
				all.best[r.key] = f
			}
		})
		if n > 0 {
			examined += n
			keys++
		}
	}})
	if all.found > 0 {
		all.confirm(t)
	}
	if stale > 0 {
		all.classes[classStaleDelete] = stale
	}
	holds := fmt.Sprintf("None of %s, on %s, after a deletion that had been seen brought back a value from before it", plural(examined, "read"), plural(keys, "key"))
	if stale > 0 {
		holds += fmt.Sprintf("; %s returned a deleted value that nobody had found to be gone, which makes %s stale", plural(stale, "read"), itOrThem(stale))
	}
	result.conclude(t, o, outcomeOfKeys{
		all: all, skipped: skipped, examined: examined,
		missing: "no read followed a read that had found a deleted key empty",
		refuted: fmt.Sprintf("%s, on %s, returned a value that had been deleted and found to be gone", plural(all.found, "read"), plural(len(all.best), "key")),
		holds:   holds,
	})
	return result
}

func itOrThem(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// deletions are the acknowledged deletes of a register, in order of
// invocation, and who saw them first. All numbers are of operations.
type deletions struct {
	deletes []int32
	// ended[i] is the delete, and seen[i] and by[i] the read of nothing that
	// began after the end of the delete by[i], that ended first of those from i on; or none.
	ended, seen, by []int32

	absent, first []int32
}

// load keeps its storage from one use to the next.
func (d *deletions) load(r *register) {
	d.deletes, d.absent = d.deletes[:0], d.absent[:0]
	for i := range r.operations {
		switch x := &r.operations[i]; {
		case x.mutates() && x.value == initial && x.outcome == certain:
			d.deletes = append(d.deletes, int32(i))
		case x.kind == read && x.value == initial:
			d.absent = append(d.absent, int32(i))
		}
	}
	earlier := func(a, b int32) int32 { // the one that ended first
		if a == none || b != none && r.operations[b].end < r.operations[a].end {
			return b
		}
		return a
	}
	d.first = resize(d.first, len(d.absent))
	for i, best := len(d.absent)-1, none; i >= 0; i-- {
		best = earlier(best, d.absent[i])
		d.first[i] = best
	}
	n := len(d.deletes)
	d.ended, d.seen, d.by = resize(d.ended, n), resize(d.seen, n), resize(d.by, n)
	ended, seen, by := none, none, none
	for i := n - 1; i >= 0; i-- {
		ended = earlier(ended, d.deletes[i])
		if k := afterStart(r, d.absent, r.operations[d.deletes[i]].end); k < len(d.absent) {
			if x := earlier(seen, d.first[k]); x != seen {
				seen, by = x, d.deletes[i]
			}
		}
		d.ended[i], d.seen[i], d.by[i] = ended, seen, by
	}
}

// afterStart is the place of the first of the operations, which are in order of invocation, that began after the time.
func afterStart(r *register, operations []int32, time int64) int {
	low, high := 0, len(operations)
	for low < high {
		if middle := int(uint(low+high) / 2); r.operations[operations[middle]].start <= time {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

// resurrected calls yield for each read of a value that had been deleted;
// absent is the read that found it gone, or none. The result is how many reads
// began after a deletion had been seen.
func (d *deletions) resurrected(r *register, yield func(removal, absent, again int32)) (eligible int) {
	if len(d.deletes) == 0 {
		return 0
	}
	for i := range r.operations {
		x := &r.operations[i]
		if x.kind != read {
			continue
		}
		if d.seen[0] != none && r.operations[d.seen[0]].end < x.start {
			eligible++
		}
		at, _ := r.knownBy(x.value)
		if x.value == initial || at == history.Infinity {
			continue
		}
		k := afterStart(r, d.deletes, at)
		switch {
		case k == len(d.deletes):
		case d.seen[k] != none && r.operations[d.seen[k]].end < x.start:
			yield(d.by[k], d.seen[k], int32(i))
		case r.operations[d.ended[k]].end < x.start:
			yield(d.ended[k], none, int32(i))
		}
	}
	return eligible
}

// resurrection puts a finding together.
func (r *register) resurrection(removal, absent, again int32) finding {
	f := newFinding(classResurrected, r.key)
	f.older, f.shown = r.provenance(r.operations[again].value)
	f.newer = r.operations[removal].position
	f.first, f.second = r.operations[absent].position, r.operations[again].position
	f.gather()
	return f
}

func (t *timeline) tellResurrection(f finding) string {
	n := t.narrate(f)
	return fmt.Sprintf("%s; then %s; %s later %s.%s", n.wrote(f.newer), lower(n.got(f.first)), n.gap(f.first, f.second), n.sameOr(f.first, f.second), n.whyOlder())
}
