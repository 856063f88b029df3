package checker

import (
	"fmt"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// A cause is derived from what the store told about single operations, and
// each rule is a proof from these premises only:
//
//   - a replica that acknowledged a write said that it holds that version or a
//     newer one durably, and one that answered with a version had it then;
//   - what a replica holds only grows newer, in the store's own order;
//   - a read returns the newest version among the answers that it counted;
//   - a stand-in gives its copy up once the home replica has it.
//
// A store that breaks one of the first two has lost data, which is a cause of its own.
//
// A finding says that a read returned u although it should have shown the
// write w, or something newer. The rules are asked in this order, the first
// that applies is the cause:
//
//  1. In the store's own order u is newer than w. Then every replica that gets
//     both keeps u, so that w was lost the moment it was made, whatever else
//     went wrong. If the order is that of clocks and u was certainly written
//     first, the clocks disagreed; if neither was first, the last write won. If
//     the order is that of counters which writers read first, w's writer did
//     not see u: the rules below are asked about its fetch instead of the read.
//  2. A replica whose answer the read counted had held w before, and answered
//     with less. It lost data, or never had what it acknowledged. That the
//     sets overlapped excludes all causes below.
//  3. No home replica was in both sets and w was acknowledged before the read.
//     Either w + r ≤ n, or stand-ins were counted: by counting, one of the two
//     must be so. An empty stand-in without which the read of nothing would
//     not have had its quorum, a hint that never arrived before the end of the
//     run and a session at r = 1 are these cases by a more telling name.
//     Where the store tells that they asked by two rings, or in two data
//     centres, that is why. Where the store has no order at all, a replica that
//     had w and answers with something else has been overwritten.
//  4. No home replica was in both sets, w was not acknowledged when the read
//     began, and an earlier read had returned it: w was still on its way, or had
//     failed. Not if one of the replicas that the read asked was restarted
//     since: it may have had w and lost it.
//
// A store that keeps siblings has no order of versions but what each writer had
// seen: see mechanismsiblings.go. Findings that are no missed writes, or where
// the store says itself that it removes things, have the rules of
// mechanismobjects.go.
//
// Where the evidence is not enough the cause is not determined.

// deduction is a cause with the sentences that prove it, or CauseUnknown with what is missing.
type deduction struct{ cause, why string }

func undetermined(format string, arguments ...any) deduction {
	return deduction{CauseUnknown, fmt.Sprintf(format, arguments...)}
}

// deduce derives the cause of a finding. It is empty where the finding does
// not say what was read instead of what, or the target told nothing. What goes
// wrong here must not take the verdict with it.
func (t *timeline) deduce(f finding, o Options) (d deduction) {
	defer func() {
		if r := recover(); r != nil {
			d = undetermined("the derivation failed (%v), which is a defect of this program: please report it with the history", r)
		}
	}()
	if o.Evidence == nil {
		return deduction{}
	}
	rule := t.ruleOf(&f)
	if rule == nil && !t.dotted(&f) {
		return deduction{}
	}
	k := gatherFacts(t, f, o)
	if !k.told {
		return deduction{}
	}
	if d, found := k.sameClock(); found {
		return d
	}
	if d, found := k.forgotten(); found {
		return d
	}
	if rule == nil {
		return deduction{}
	}
	return rule(k)
}

// ruleOf is what derives the cause of such a finding; nil where the rules do not speak of it.
func (t *timeline) ruleOf(f *finding) func(*facts) deduction {
	swaps := func() bool {
		return slices.ContainsFunc(f.positions, func(p int32) bool { return t.operations[p].F == history.FCAS })
	}
	switch f.class {
	case classTooManySiblings:
		return (*facts).exploded
	case classMixedRow:
		return (*facts).mixed
	case classOvercount, classCounterHigh:
		return (*facts).overcounted
	case classStaleSwap, classFork, classPinned, classUpdateFork:
		if swaps() {
			return (*facts).swapped
		}
	}
	if !t.explicable(f) {
		return nil
	}
	switch {
	case len(f.held) > 0:
		return (*facts).diverged
	case f.class == classFailed:
		return (*facts).failed
	case f.class == classReturned:
		return (*facts).returned
	case f.class == classOther:
		return (*facts).nameless
	}
	return (*facts).overlooked
}

// overlooked: the finding's read did not show the newer write.
func (k *facts) overlooked() deduction {
	f := &k.f
	if f.newer != none && k.t.operations[f.newer].F == history.FDelete {
		if d, found := k.united(); found {
			return d
		}
	}
	m := miss{newer: f.newer, older: f.older, shown: f.shown, seen: f.first, read: f.second}
	if f.class == classResurrected || f.class == classDiscarded {
		m.seen = none // f.first is a read of nothing
	}
	return k.across(k.missed(m))
}

// explicable says whether the finding is one that the rules speak of.
func (t *timeline) explicable(f *finding) bool {
	if len(f.held) > 0 {
		return true
	}
	writes := func(p int32) bool {
		return p != none && (t.operations[p].F == history.FWrite || t.operations[p].F == history.FCAS || t.operations[p].F == history.FDelete)
	}
	if f.class == classOther {
		return !slices.ContainsFunc(f.positions, func(p int32) bool {
			o := &t.operations[p]
			return o.F != history.FRead && o.F != history.FWrite || o.Output.Kind() == history.List
		})
	}
	if f.second == none || t.operations[f.second].F != history.FRead {
		return false
	}
	// A list of siblings is what the rules speak of, rows and sets are not.
	if t.operations[f.second].Output.Kind() == history.List && (f.newer == none || t.operations[f.newer].Input.Kind() == history.List) {
		return false
	}
	if f.class == classFailed {
		return writes(f.older)
	}
	return writes(f.newer) || f.class == classReturned && writes(f.older)
}

// miss is a read that did not show a write that it should have shown. The
// fields are positions in the history, or none.
type miss struct {
	// newer is the write that was missed, older the one whose value was read
	// instead, shown the read that proves when that was there.
	newer, older, shown int32
	// seen is an earlier read that did show the newer write.
	seen int32
	read int32
}

func (k *facts) missed(m miss) deduction {
	r := k.of(m.read)
	q := reading(r)
	if len(q.answers) == 0 {
		return undetermined("the store did not tell which replicas answered %s", k.name(r))
	}
	if w := k.of(m.newer); w.causal() != nil || r.causal() != nil {
		return k.missedCausally(m, w, r)
	}
	newer := k.versionOf(m.newer)
	if newer == "" {
		return undetermined("the store did not tell the version of %s", k.name(k.of(m.newer)))
	}
	order, known := k.compare(r.e.Version, newer)
	if known && order > 0 {
		return k.overruled(m, r.e.Version, newer)
	}
	if known && order == 0 {
		return undetermined("%s returned the version of %s itself", k.name(r), k.name(k.of(m.newer)))
	}
	return k.unreached(m.newer, newer, m.seen, q, known)
}

// overruled is rule 1: the store's own order puts what was read after what was missed.
func (k *facts) overruled(m miss, older, newer string) deduction {
	if m.older == none {
		return undetermined("the write of version %s is not known", older)
	}
	w, u := k.of(m.newer), k.of(m.older)
	a, b := k.order[older], k.order[newer]
	switch {
	case !k.earlier(m, w.o) && k.clocks:
		return deduction{CauseConcurrentWrites, fmt.Sprintf("%s and %s ran at the same time; the first one carries the timestamp that is %s lower, so the second one replaced it",
			k.name(w), k.name(u), milliseconds(a-b))}
	case !k.earlier(m, w.o):
		return undetermined("%s and %s ran at the same time", k.name(w), k.name(u))
	case k.clocks && balloted(w) && !balloted(u) && u.o.F == history.FWrite:
		return deduction{CausePlainOverCAS, fmt.Sprintf("%s was decided by ballots after %s was there, but its timestamp is %s lower (%d against %d, stamped by %s): the plain write took part in no ballot, and the greater timestamp won",
			k.name(w), k.name(u), milliseconds(a-b), b, a, stamper(u))}
	case k.clocks:
		return deduction{CauseClockSkew, fmt.Sprintf("%s was invoked after %s was there, but its timestamp is %s lower (%d, stamped by %s, against %d, stamped by %s): the clocks disagreed, and the greater timestamp won",
			k.name(w), k.name(u), milliseconds(a-b), b, stamper(w), a, stamper(u))}
	}
	q := fetching(w)
	if len(q.answers) == 0 {
		return undetermined("%s took the version %s although %s, older in real time, had %s; the store did not tell which replicas were asked for the greatest version",
			k.name(w), newer, k.name(k.of(m.older)), older)
	}
	return k.unreached(m.older, older, m.shown, q, true)
}

// earlier says whether the older value was certainly there before the newer write was invoked.
func (k *facts) earlier(m miss, newer *history.Operation) bool {
	u := &k.t.operations[m.older]
	return u.Type == history.Ok && ended(u, newer) || m.shown != none && ended(&k.t.operations[m.shown], newer)
}

// unreached asks rules 2 to 4: those who asked got no answer with the version
// of the write. seen is a read that had shown it, or none. older says that the
// answers are known to be older, in the store's own order.
func (k *facts) unreached(write int32, version string, seen int32, q inquiry, older bool) deduction {
	w := k.of(write)
	d, found := k.lost(w, version, q)
	switch {
	case found:
		return d
	case w.o.Type == history.Ok && ended(w.o, q.by.o):
		return k.apart(w, version, seen, q, older)
	case seen == none || !ended(&k.t.operations[seen], q.by.o):
		return undetermined("%s was not acknowledged when %s began", k.name(w), k.inquirer(q))
	case !older:
		return undetermined("the store did not tell whether what %s returned is older than version %s", k.inquirer(q), version)
	}
	return k.onItsWay(w, k.of(seen), q)
}

// lost is rule 2. found says that the sets overlapped.
func (k *facts) lost(w *fact, version string, q inquiry) (d deduction, found bool) {
	for _, h := range k.holders(w.position, version, q.by.o) {
		a := q.asked(h.node)
		if a == nil {
			continue
		}
		if unordered(w, q.by) && a.version != "" && a.version != version {
			return k.overwritten(w, version, h, a, q), true
		}
		order, known := k.compare(a.version, version)
		if !known && q.by.e != nil {
			// What the asking ended in is no older than any answer to it.
			order, known = k.compare(q.by.e.Version, version)
			known = known && order < 0
		}
		if u := k.writeOf(a.version); !known && u != nil && k.tied(a.version, version) && !ended(w.o, u.o) && !ended(u.o, w.o) {
			return deduction{CauseConcurrentWrites, fmt.Sprintf("%s and %s ran at the same time and carry the same timestamp; the store broke the tie for the second one, which replaced the first", k.name(w), k.name(u))}, true
		}
		if !known {
			d, found = undetermined("%s %s %s (version %s) and later %s; the store did not tell which of the two is the newer one",
				h.node, h.did, k.name(w), version, k.answered(q, a.version)), true
			continue
		}
		if order >= 0 {
			d, found = undetermined("%s answered with a version that is not older than that of %s", h.node, k.name(w)), true
			continue
		}
		var last, disk string
		for _, r := range k.restarts(h.node, h.by.o.Start, finish(q.by.o)) {
			if r.at >= h.by.o.Start && r.emptied {
				disk = r.what
			} else if r.at >= h.by.o.Start {
				last = r.what
			}
		}
		had := fmt.Sprintf("%s %s %s (%s) by %s", h.node, h.did, k.name(w), versionOrNothing(version), clock(finish(h.by.o)))
		if p, applies := k.purged(w, h, a, q, had); applies {
			if d, found = p, true; p.cause != CauseUnknown {
				return d, true
			}
			continue
		}
		if disk != "" {
			return deduction{CauseLostData, fmt.Sprintf("%s, %s, and then %s", had, disk, k.answered(q, a.version))}, true
		}
		if last != "" {
			return deduction{CauseNotDurable, fmt.Sprintf("%s, %s, and then %s: what it had promised was not on its disk", had, last, k.answered(q, a.version))}, true
		}
		d, found = deduction{CauseLostData, fmt.Sprintf("%s and later %s, although nothing is known to have restarted it in between", had, k.answered(q, a.version))}, true
	}
	return d, found
}

// onItsWay is rule 4: the write was not acknowledged when the asking began,
// though a read had shown it.
func (k *facts) onItsWay(w, seen *fact, q inquiry) deduction {
	for _, a := range q.answers {
		if list := k.mayHaveLost(a.node, w.o.Start, finish(q.by.o)); len(list) > 0 {
			return undetermined("%s, which was asked, %s: it may have had version %s and lost it", a.node, list[len(list)-1].what, k.versionOf(w.position))
		}
	}
	before := reading(seen)
	if len(before.answers) == 0 {
		return undetermined("the store did not tell which replicas answered %s", k.name(seen))
	}
	had := before.answers[:0:0]
	for _, a := range before.answers {
		if a.version == seen.e.Version {
			had = append(had, a)
		}
	}
	if len(had) == 0 {
		return undetermined("%s returned a version that none of the answers that it counted had", k.name(seen))
	}
	sets := fmt.Sprintf("%s got it from %s; %s counted the answers of %s, which had not got it", k.name(seen), names(had), k.inquirer(q), names(q.answers))
	switch {
	case balloted(w) && balloted(seen) && !balloted(q.by):
		return deduction{CauseUncommittedCAS, fmt.Sprintf("%s had not been acknowledged as committed when %s began, which asked for no ballot; %s", k.name(w), k.inquirer(q), sets)}
	case !q.fetch && q.required == 1 && k.sameSession(seen.position, q):
		return deduction{CauseSessionMoved, fmt.Sprintf("%s: with r=1 each operation of the client may be answered by another replica", sets)}
	case w.o.Type != history.Ok && ended(w.o, q.by.o):
		return deduction{CauseFailedWrite, fmt.Sprintf("%s had failed%s without being undone; %s", k.name(w), reason(w.o.Error), sets)}
	}
	return deduction{CauseWriteOnItsWay, fmt.Sprintf("%s had not been acknowledged yet when %s began; %s", k.name(w), k.inquirer(q), sets)}
}

// nameless: no order explains the operations, and none of the patterns that
// have a name fits, because no value is older than another for certain. The
// store's own order knows which is: a read of an older version than that of a
// write which was acknowledged before it began, or of a read which ended before.
func (k *facts) nameless() deduction {
	for _, second := range k.f.positions {
		r := k.of(second)
		if r.o.F != history.FRead || r.e == nil {
			continue
		}
		for _, first := range k.f.positions {
			x := k.of(first)
			if x.e == nil || x.o.Type != history.Ok || !ended(x.o, r.o) {
				continue
			}
			w, seen := x, none
			if x.o.F == history.FRead {
				w, seen = k.writeOf(x.e.Version), first
			}
			if order, known := k.compare(r.e.Version, x.e.Version); w == nil || !known || order >= 0 {
				continue
			}
			return k.missed(miss{newer: w.position, older: none, shown: none, seen: seen, read: second})
		}
	}
	return undetermined("the store did not tell of any two of these operations that the later one returned an older version")
}

// failed: the read shows a write that its client was told is not done.
func (k *facts) failed() deduction {
	r, w := k.of(k.f.second), k.of(k.f.older)
	q := reading(r)
	for _, a := range q.answers {
		if r.e.Version != "" && a.version == r.e.Version {
			return deduction{CauseFailedWrite, fmt.Sprintf("%s had failed%s, yet %s kept its version %s and answered %s with it", k.name(w), reason(w.o.Error), a.node, a.version, k.inquirer(q))}
		}
	}
	return undetermined("the store did not tell which replica answered %s", k.name(r))
}

// returned: u, then v, then u again was read. In the store's own order one of
// them is the newer; the read that shows the other one after it is the one that missed something.
func (k *facts) returned() deduction {
	between := none
	for _, p := range k.f.positions {
		if p != k.f.first && p != k.f.second && k.t.operations[p].F == history.FRead {
			between = p
		}
	}
	if between == none {
		return k.missed(miss{newer: k.f.newer, older: k.f.older, shown: k.f.shown, seen: k.f.first, read: k.f.second})
	}
	u, v := k.of(k.f.second), k.of(between)
	if u.e == nil || v.e == nil {
		return undetermined("the store did not tell what versions the reads returned")
	}
	order, known := k.compare(u.e.Version, v.e.Version)
	switch {
	case known && order < 0 && k.f.newer != none:
		return k.missed(miss{newer: k.f.newer, older: k.f.older, shown: k.f.shown, seen: between, read: k.f.second})
	case known && order > 0 && k.f.older != none:
		return k.missed(miss{newer: k.f.older, older: k.f.newer, shown: none, seen: k.f.first, read: between})
	}
	return undetermined("the store did not tell which of the two is the newer one: %s or %s", versionOrNothing(u.e.Version), versionOrNothing(v.e.Version))
}
