package checker

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/refute-lab/refute/harness/history"
)

// Rules for findings that are not about one read that missed one write: rows,
// counters, carts, tombstones, compare-and-sets, and what is read of two keys.

// mixed: the rows that a row is put together from carry one timestamp, so that
// each cell was decided by itself.
func (k *facts) mixed() deduction {
	read := k.of(k.f.second)
	row := read.o.Output.List()
	var rows [][]int64
	var stamps []string
	var first *fact
	for _, p := range k.f.positions {
		w := k.of(p)
		if w.o.F != history.FWrite {
			continue
		}
		if w.e == nil || w.e.Timestamp == 0 {
			return undetermined("the store did not tell the timestamp of %s", k.name(w))
		}
		if first == nil {
			first = w
		}
		if w.e.Timestamp != first.e.Timestamp {
			return undetermined("%s and %s carry different timestamps (%d and %d)", k.name(first), k.name(w), first.e.Timestamp, w.e.Timestamp)
		}
		rows, stamps = append(rows, w.o.Input.List()), append(stamps, fmt.Sprintf("%s (stamped by %s)", k.name(w), stamper(w)))
	}
	if len(rows) < 2 {
		return undetermined("there are no two rows that it is put together from")
	}
	signed, unsigned := true, true
	for column, cell := range row {
		for _, other := range rows {
			if column < len(other) {
				signed, unsigned = signed && cell >= other[column], unsigned && uint64(cell) >= uint64(other[column])
			}
		}
	}
	if !signed && !unsigned {
		return undetermined("%s carry one timestamp, but the cells that were read are not the larger ones", list(stamps))
	}
	return deduction{CauseEqualTimestamps, fmt.Sprintf("%s carry one timestamp, %d, and of two cells of one timestamp the larger value stays, in each column by itself", list(stamps), first.e.Timestamp)}
}

// overcounted: additions that their client asked for several times took effect several times.
func (k *facts) overcounted() deduction {
	n, found := k.t.numbers[k.f.key]
	var c counterSums
	if !found || c.load(k.t.operations, &k.t.keys[n]) != nil {
		return undetermined("the sum of the additions is not known")
	}
	c.bounds()
	excess := int64(0)
	for i := range c.reads {
		if c.reads[i].position == k.f.second {
			excess = c.reads[i].value - c.reads[i].upper
		}
	}
	proved, possible := int64(0), int64(0)
	var shown *fact
	times := 0
	for i := range k.all {
		x := &k.all[i]
		amount, _ := x.o.Input.Int()
		if x.o.F != history.FAdd || x.e == nil || len(x.e.Repeated) == 0 || x.o.Start > k.t.operations[k.f.second].End || amount <= 0 {
			continue
		}
		held := made(x.e)
		for j := range x.e.Repeated {
			held += made(&x.e.Repeated[j])
		}
		possible += amount * int64(len(x.e.Repeated))
		if held > 1 {
			proved += amount * int64(held-1)
			if held > times {
				shown, times = x, held
			}
		}
	}
	switch {
	case shown == nil:
		return undetermined("the store did not tell of an addition that it carried out twice")
	case excess <= 0 || possible < excess:
		return undetermined("additions that were asked for several times explain at most %d of the %d too many", possible, excess)
	}
	return deduction{CauseRepeatedAdd, fmt.Sprintf("%s by process %d at %s was asked for %d times, and %d of them were carried out (%s), each as an addition of its own; of the %d too many such additions make %d, and %d at most",
		k.name(shown), shown.o.Process, clock(shown.o.Start), 1+len(shown.e.Repeated), times, list(attemptVersions(shown.e)), excess, min(proved, excess), min(possible, excess))}
}

// made says whether a replica carried the attempt out: 1 or 0.
func made(e *history.Evidence) int {
	if e.Version != "" && slices.ContainsFunc(e.Replicas, func(r history.ReplicaEvidence) bool { return r.Answered }) {
		return 1
	}
	return 0
}

func attemptVersions(e *history.Evidence) (all []string) {
	for i := range e.Repeated {
		if made(&e.Repeated[i]) == 1 {
			all = append(all, "version "+e.Repeated[i].Version)
		}
	}
	if made(e) == 1 {
		all = append(all, "version "+e.Version)
	}
	return all
}

// united: the element that was taken out is there again because a client put
// carts together of which one is that without it. Either it read both, or it
// wrote what it had put together and that was read.
func (k *facts) united() (d deduction, found bool) {
	if k.f.older == none || k.f.second == none {
		return d, false
	}
	removal, added, read := k.of(k.f.newer), k.of(k.f.older), k.of(k.f.second)
	if !removal.stamped() || !added.stamped() || read.causal() == nil || !counts(removal.causal().Context, added.causal().Dot) {
		return d, false
	}
	versions := read.causal().Versions
	if slices.Contains(versions, added.e.Version) {
		return d, false // the store still shows the value that was removed
	}
	what := fmt.Sprintf("%s had seen what it took out (number %s) and wrote version %s", k.name(removal), added.causal().Dot, removal.e.Version)
	if slices.Contains(versions, removal.e.Version) && len(versions) > 1 {
		others := slices.DeleteFunc(slices.Clone(versions), func(v string) bool { return v == removal.e.Version })
		return deduction{CauseUnionMerge, fmt.Sprintf("%s; %s found that version beside %s, which was written without knowing of it, and its client took the union of both",
			what, k.name(read), list(others))}, true
	}
	if len(versions) != 1 {
		return d, false
	}
	for _, u := range k.relatives() {
		if u.stamped() && u.e.Version == versions[0] && u.position != k.f.older && counts(u.causal().Context, removal.causal().Dot) && !(u.o.F == history.FWrite && u.o.Key == k.f.key) {
			return deduction{CauseUnionMerge, fmt.Sprintf("%s; the client of %s on %s had read that version beside another one and wrote the union of both, version %s, which %s returned",
				what, k.name(&u), u.o.Key, versions[0], k.name(read))}, true
		}
	}
	return d, false
}

// relatives are the latest facts about all keys that share the first part of
// the finding's key, "x" of "x/1": the elements of one cart, which a store keeps as one value.
func (k *facts) relatives() (all []fact) {
	whole, _, parts := strings.Cut(k.f.key, "/")
	if !parts {
		return nil
	}
	var positions []int32
	for i := range k.t.keys {
		if strings.HasPrefix(k.t.keys[i].name, whole+"/") {
			positions = append(positions, k.t.keys[i].positions...)
		}
	}
	slices.Sort(positions)
	end, _ := slices.BinarySearch(positions, k.f.second)
	positions = positions[max(0, end-maximumFacts):end]
	evidence := k.options.lookup(k.t, positions)
	for _, p := range positions {
		x := fact{position: p, o: &k.t.operations[p]}
		if x.o.Completion >= 0 {
			x.e = evidence(x.o.Completion)
		}
		all = append(all, x)
	}
	return all
}

// purged: a replica had the tombstone and answered, later than the store keeps
// such, with something older or nothing. It said itself that it purges them.
func (k *facts) purged(w *fact, h holder, a *replicaAnswer, q inquiry, had string) (d deduction, found bool) {
	if w.o.F != history.FDelete || w.e == nil || w.e.Grace == 0 || finish(q.by.o)-h.by.o.Start < w.e.Grace {
		return d, false
	}
	since := fmt.Sprintf("%s and %s later %s; the store keeps tombstones for %s only", had, milliseconds(finish(q.by.o)-finish(h.by.o)), k.answered(q, a.version), milliseconds(w.e.Grace))
	if list := k.restarts(h.node, h.by.o.Start, finish(q.by.o)); len(list) > 0 {
		return undetermined("%s, and %s %s: it may also have lost it", since, h.node, list[len(list)-1].what), true
	}
	return deduction{CausePurgedTombstone, since + ": it was purged before every replica had it, and nothing tells any more that the older value is deleted"}, true
}

// swapped derives why a compare-and-set found what another one had replaced: a
// plain write with the greater timestamp hid that one's outcome.
func (k *facts) swapped() deduction {
	for _, p := range k.f.positions {
		c := k.of(p)
		if c.o.F != history.FCAS || c.e == nil {
			continue
		}
		u := k.foundBy(c)
		if u == nil || u.o.F != history.FWrite || balloted(u) {
			continue
		}
		for i := range k.all {
			w := &k.all[i]
			if w.o.F != history.FCAS || w.o.Type != history.Ok || w.position == c.position || !balloted(w) || !ended(w.o, c.o) || !ended(u.o, w.o) || u.o.Type != history.Ok {
				continue
			}
			newer, older := k.versionOf(w.position), k.versionOf(u.position)
			if order, known := k.compare(older, newer); known && order > 0 && k.clocks {
				return k.overruled(miss{newer: w.position, older: u.position, shown: none, seen: none, read: p}, older, newer)
			}
		}
	}
	return undetermined("the store did not tell of a plain write that hid the outcome of a compare-and-set")
}

// foundBy is the write whose value the compare-and-set found, or nil.
func (k *facts) foundBy(c *fact) *fact {
	if c.o.Type == history.Fail {
		return k.writeOf(c.e.Version)
	}
	expected, _, err := casArguments(c.o.Input)
	if err != nil || expected.Kind() != history.Int {
		return nil
	}
	for i := range k.all {
		if v, ok := written(k.all[i].o); ok && v == expected && k.all[i].o.Type != history.Fail {
			return &k.all[i]
		}
	}
	return nil
}

// across says more of a read that missed a write which something seen under
// another key was made of: the store brought the one without the other.
func (k *facts) across(d deduction) deduction {
	if d.cause != CauseNoOverlap && d.cause != CauseWriteOnItsWay {
		return d
	}
	for _, p := range k.f.chain {
		x := &k.t.operations[p]
		if x.Key != k.f.key && (x.F == history.FWrite || x.F == history.FCAS) {
			return deduction{CauseWithoutQuestion, fmt.Sprintf("%s was written to %s by who knew of the value of %s, and was seen before that had reached the replicas that were asked for it: the store sends each write by itself. %s",
				showValue(x.Input), keyName(x.Key), keyName(k.f.key), capital(d.why))}
		}
	}
	return d
}

// dumpedVersions are the versions of the key that the dump shows.
func dumpedVersions(o *history.Operation, key string) (versions []string) {
	var dump history.Dump
	if json.Unmarshal(o.Output.Raw(), &dump) != nil {
		return nil
	}
	for i := range dump.Entries {
		if e := &dump.Entries[i]; e.Key == key {
			versions = append(versions, e.Version)
			for _, s := range e.Siblings {
				versions = append(versions, s.Version)
			}
		}
	}
	return versions
}
