package checker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// Rules for stores that keep siblings. There neither timestamps nor counters
// order versions, but what each writer had seen; so the rules go by what the
// store tells of causality: the writers' contexts, the vectors and the numbers
// of the writes (history.CausalEvidence), and which versions a read found.

// causal is what the store told of causality, nil for nothing.
func (x *fact) causal() *history.CausalEvidence {
	if x == nil || x.e == nil {
		return nil
	}
	return x.e.Causal
}

// stamped says that the operation wrote a value with a number of its own. A
// client that found nothing to take out has only read.
func (x *fact) stamped() bool {
	c := x.causal()
	return c != nil && c.Context != nil && c.Dot != "" && x.e.Version != ""
}

// dotOf takes a number apart: "n1/1.1:4".
func dotOf(text string) (d history.Dot, ok bool) { return d, d.UnmarshalText([]byte(text)) == nil }

// counts says that a vector has the write of that number in it.
func counts(vector map[string]int64, dot string) bool {
	d, ok := dotOf(dot)
	return ok && d.Counter <= vector[d.Node]
}

// stampedAs is the write that the version belongs to, or nil.
func (k *facts) stampedAs(version string) *fact {
	for i := range k.all {
		if x := &k.all[i]; x.stamped() && x.e.Version == version {
			return x
		}
	}
	return nil
}

// compareCausally orders two versions of a store with siblings: the one whose
// writer, by its vector, came after the other is the newer one. Not where one
// vector stands for all values of a key: it does not tell which of them are out of date.
func (k *facts) compareCausally(a, b string) (c int, known bool) {
	x, y := k.stampedAs(a), k.stampedAs(b)
	if x == nil || y == nil || x.causal().Clocks == "vector-clock" || y.causal().Clocks == "vector-clock" {
		return 0, false
	}
	after, before := counts(x.causal().Clock, y.causal().Dot), counts(y.causal().Clock, x.causal().Dot)
	switch {
	case after && !before:
		return 1, true
	case before && !after:
		return -1, true
	}
	return 0, false
}

// outnumbered is the rule for a write that is taken for one which had already
// been replaced: a version that the read returned was written before it began,
// and its vector counts the number that the write was given. No vector can
// count a write that is not made yet, so the number was given twice.
func (k *facts) outnumbered(w *fact, r *fact) (d deduction, found bool) {
	if !w.stamped() || r.causal() == nil {
		return d, false
	}
	own := w.causal().Dot
	for _, version := range r.causal().Versions {
		u := k.stampedAs(version)
		if u == nil || u.position == w.position || !ended(u.o, w.o) || !counts(u.causal().Clock, own) {
			continue
		}
		why := fmt.Sprintf("%s was given the number %s, although %s, which had ended before it began, has the vector %s: its actor counts from an earlier number again",
			k.name(w), own, k.name(u), vectorText(u.causal().Clock))
		if u.o.F == history.FDelete {
			standIn := ""
			for _, a := range u.e.Replicas {
				if a.HintFor != "" && a.Answered {
					standIn = fmt.Sprintf(" (%s kept it for %s)", a.Node, a.HintFor)
				}
			}
			return deduction{CauseDoomstone, fmt.Sprintf("%s; so the old tombstone%s covers the newer value, which %s no longer found", why, standIn, k.name(r))}, true
		}
		return deduction{CauseActorAmnesia, why + k.forgot(own, w) + "; for replicas that hold that vector the write is one that was replaced long ago"}, true
	}
	return d, false
}

// forgot tells what ended the actor's process before the write, if that is known.
func (k *facts) forgot(dot string, w *fact) string {
	d, _ := dotOf(dot)
	node, _, _ := strings.Cut(d.Node, "/")
	if list := k.restarts(node, 0, w.o.Start); len(list) > 0 {
		return ", as " + node + " " + list[len(list)-1].what
	}
	return ""
}

// vectorText writes a vector as {n1:2 n2:1}.
func vectorText(vector map[string]int64) string {
	var entries []string
	for _, actor := range slices.Sorted(maps.Keys(vector)) {
		entries = append(entries, actor+":"+strconv.FormatInt(vector[actor], 10))
	}
	return "{" + strings.Join(entries, " ") + "}"
}

// lacking says that nothing of what the read returned can have been written by
// somebody who knew of the write: then no replica that it counted had the write any more, or yet.
func (k *facts) lacking(w, r *fact) bool {
	for _, version := range r.causal().Versions {
		u := k.stampedAs(version)
		if u == nil || version == w.e.Version || counts(u.causal().Clock, w.causal().Dot) {
			return false
		}
	}
	return true
}

// missedCausally derives why a read of a store with siblings did not show the write.
func (k *facts) missedCausally(m miss, w, r *fact) deduction {
	if d, found := k.outnumbered(w, r); found {
		return d
	}
	if !w.stamped() || r.causal() == nil && r.e.Version != "" {
		return undetermined("the store did not tell what the writers of these versions had seen")
	}
	q := reading(r)
	if r.causal() != nil && !k.lacking(w, r) {
		return undetermined("by the vectors that the store told, what %s returned may have been written after %s", k.name(r), k.name(w))
	}
	// All that was counted is older than the write, or concurrent with it, and without it.
	k.order = map[string]int64{w.e.Version: 1}
	for _, a := range q.answers {
		if a.version != "" && a.version != w.e.Version {
			k.order[a.version] = 0
		}
	}
	k.orderGiven = true
	return k.unreached(m.newer, w.e.Version, m.seen, q, true)
}

// sameClock finds two values that replicas hold in each other's place although
// the vectors of both are the same: then neither ever takes the other's place.
func (k *facts) sameClock() (d deduction, found bool) {
	for i, a := range k.f.held {
		for _, b := range k.f.held[:i] {
			x, y := k.stampedAs(a.version), k.stampedAs(b.version)
			if x == nil || y == nil || x == y {
				continue
			}
			one, other := x.causal(), y.causal()
			switch {
			case one.Clocks == "version-vector" && len(one.Clock) > 0 && maps.Equal(one.Clock, other.Clock):
				return deduction{CauseSameClock, fmt.Sprintf("%s holds %s and %s holds %s, two writes under one vector, %s: to each replica what the other one has is nothing new",
					b.node, k.value(y), a.node, k.value(x), vectorText(one.Clock))}, true
			case one.Dot == other.Dot:
				return deduction{CauseActorAmnesia, fmt.Sprintf("%s and %s were both given the number %s", k.name(y), k.name(x), one.Dot)}, true
			}
		}
	}
	return d, false
}

// exploded derives why so many versions stand side by side.
func (k *facts) exploded() deduction {
	versions, bound := k.beside(), k.f.element
	if len(versions) == 0 {
		return undetermined("the store did not tell which versions these are")
	}
	var writes []*fact
	for _, v := range versions {
		w := k.stampedAs(v)
		if w == nil {
			return undetermined("the store did not tell what the writer of version %s had seen", v)
		}
		writes = append(writes, w)
	}
	left := int64(len(writes))
	var seen, by, pruned, prunedBy *fact // a version that a writer had seen, and still is there
	var blind *fact
	for _, w := range writes {
		replaced, after := false, false
		for _, other := range k.all {
			if !other.stamped() || other.position == w.position {
				continue
			}
			// Only who is certainly in the state can have taken something's place in it.
			in := slices.Contains(versions, other.e.Version)
			if in && counts(other.causal().Context, w.causal().Dot) {
				replaced = true
				seen, by = w, &other
				if entry := cut(&other); entry != "" && !counts(other.causal().Clock, w.causal().Dot) {
					pruned, prunedBy = w, &other
				}
			}
			after = after || in && other.o.Type == history.Ok && ended(other.o, w.o)
		}
		if replaced || after && w.o.F != history.FDelete && len(w.causal().Context) == 0 {
			left--
		}
		if !replaced && after && len(w.causal().Context) == 0 {
			blind = w
		}
	}
	count := len(writes)
	switch {
	case left > bound:
		return undetermined("%d of the %d versions were written by clients none of which had seen another one's, with what they had read", left, count)
	case pruned != nil:
		return deduction{CausePruned, fmt.Sprintf("the writer of %s had seen %s (number %s), and the vector of what it wrote was cut to %s, without %s: so it does not look newer than that, which stays beside it",
			k.value(prunedBy), k.value(pruned), pruned.causal().Dot, vectorText(prunedBy.causal().Clock), cut(prunedBy))}
	case seen != nil && seen.causal().Clocks == "vector-clock":
		return deduction{CauseNoDots, fmt.Sprintf("the writer of %s had seen %s (number %s), which stays beside it all the same: the key has one vector for all its values, and the writer had not seen all that it counts",
			k.value(by), k.value(seen), seen.causal().Dot)}
	case seen != nil:
		return undetermined("the writer of %s had seen %s, which stays beside it, and nothing that the store told says why", k.value(by), k.value(seen))
	case blind != nil:
		return deduction{CauseBlindPuts, fmt.Sprintf("%s began after others of these %d had been acknowledged, and told the store nothing of what its writer had seen; like %d others it replaces nothing",
			k.name(blind), count, max(int64(count)-left-1, 0))}
	}
	return undetermined("the bound is %d, and each of the %d versions has a reason to be there", bound, count)
}

// cut is an entry of what the writer had seen that the vector of its value does
// not have any more, or "": a vector is cut by pruning only.
func cut(w *fact) string {
	for _, actor := range slices.Sorted(maps.Keys(w.causal().Context)) {
		if n := w.causal().Context[actor]; w.causal().Clock[actor] < n {
			return actor + ":" + strconv.FormatInt(n, 10)
		}
	}
	return ""
}

// beside are the versions of the key that the read or the dump of the finding shows.
func (k *facts) beside() []string {
	o := &k.t.operations[k.f.second]
	if o.F == history.FDump {
		return dumpedVersions(o, k.f.key)
	}
	if c := k.of(k.f.second).causal(); c != nil {
		return c.Versions
	}
	return nil
}
