package checker

import (
	"fmt"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// apart is rule 3: the write was acknowledged, and no home replica was in both sets.
func (k *facts) apart(w *fact, version string, seen int32, q inquiry, older bool) deduction {
	var acknowledged []replicaAnswer
	if w.e != nil {
		for _, r := range w.e.Replicas {
			if r.Counted {
				acknowledged = append(acknowledged, replicaAnswer{node: r.Node, standsFor: r.HintFor})
			}
		}
	}
	if len(acknowledged) == 0 {
		return undetermined("the store did not tell which replicas acknowledged %s", k.name(w))
	}
	wrote, asked := needed(w.e.Required, acknowledged), needed(q.required, q.answers)
	homes := homesOf(w.e, q.by.e)
	sets := fmt.Sprintf("%s was acknowledged by %s, and %s counted the answers of %s", k.name(w), names(acknowledged), k.inquirer(q), names(q.answers))
	doubt := k.restartedSince(w, q)
	if empty := k.emptyStandIn(q); empty != nil {
		return deduction{CauseFalseNotFound, fmt.Sprintf("%s; of these %s stood in for %s, had nothing of the key, and its “not found” was needed to make up the r=%d answers",
			sets, empty.node, empty.standsFor, q.required)}
	}
	for _, a := range acknowledged {
		if a.standsFor != "" && q.asked(a.node) != nil && len(k.restarts(a.node, w.o.Start, finish(q.by.o))) > 0 {
			return undetermined("%s; %s was restarted in between and may have handed the write over or lost it", sets, a.node)
		}
	}
	if d, found := k.hintCounted(w, version, q, older, acknowledged, sets); found {
		return d
	}
	if d, found := k.twoRings(w, q, wrote, asked, sets); found {
		return d
	}
	if d, found := locally(w, q, acknowledged, sets); found {
		return d
	}
	if wrote+asked > len(homes) {
		standIns := slices.ContainsFunc(slices.Concat(acknowledged, q.answers), func(a replicaAnswer) bool { return a.standsFor != "" })
		// A read may ask fewer than all; a write never does.
		if len(homesOf(w.e)) != len(homes) {
			return undetermined("%s; the store did not tell how many home replicas the key has", sets)
		}
		if !standIns {
			return undetermined("%s: of the home replicas %s these sets should have shared one", sets, list(homes))
		}
		if d, found := k.hinted(w, version, q, older); found {
			return d
		}
		return deduction{CauseSloppyQuorum, fmt.Sprintf("%s: w=%d and r=%d of n=%d home replicas would have shared one, but stand-ins were counted and no home replica is in both%s", sets, wrote, asked, len(homes), doubt)}
	}
	if !q.fetch && asked == 1 && k.sameSession(seen, q) {
		return deduction{CauseSessionMoved, fmt.Sprintf("%s: with r=1 each operation of the client may be answered by another replica%s", sets, doubt)}
	}
	return deduction{CauseNoOverlap, fmt.Sprintf("%s: no home replica is in both, and w=%d + r=%d ≤ n=%d allows that%s", sets, wrote, asked, len(homes), doubt)}
}

// hintCounted: the write was acknowledged by nothing but hints of its
// coordinator, as the level any allows. At the end of the run it is more telling
// that such a hint was lost, or never delivered.
func (k *facts) hintCounted(w *fact, version string, q inquiry, older bool, acknowledged []replicaAnswer, sets string) (d deduction, found bool) {
	if w.e.Level != "any" || slices.ContainsFunc(acknowledged, func(a replicaAnswer) bool { return a.standsFor == "" }) {
		return d, false
	}
	if d, found = k.hinted(w, version, q, older); found {
		return d, true
	}
	return deduction{CauseHintCounted, fmt.Sprintf("%s: at the level any, the hint that %s kept for %s was enough, and no home replica had the write", sets, acknowledged[0].node, acknowledged[0].standsFor)}, true
}

// restartedSince tells of a home replica that was asked and had been restarted
// since the write began. The sets were apart all the same, and nothing
// promised that it had the write; but if it had got it later, it also lost it.
func (k *facts) restartedSince(w *fact, q inquiry) string {
	for _, a := range q.answers {
		if list := k.restarts(a.node, w.o.Start, finish(q.by.o)); a.standsFor == "" && len(list) > 0 {
			return fmt.Sprintf("; %s %s, so that it may also have got the write meanwhile and lost it", a.node, list[len(list)-1].what)
		}
	}
	return ""
}

// needed is how many answers made up a quorum.
func needed(required int, counted []replicaAnswer) int {
	if required > 0 {
		return required
	}
	return len(counted)
}

// emptyStandIn is a stand-in that has nothing of the key, without whose answer a
// read that found nothing would not have had its quorum.
func (k *facts) emptyStandIn(q inquiry) (empty *replicaAnswer) {
	if q.fetch || q.by.o.Output.Kind() != history.Nil {
		return nil
	}
	rest := len(q.answers)
	for i := range q.answers {
		if a := &q.answers[i]; a.standsFor != "" && a.version == "" {
			rest--
			if empty == nil {
				empty = a
			}
		}
	}
	if rest >= q.required {
		return nil
	}
	return empty
}

// sameSession says whether the finding is about one client: the process that
// asked had itself written what it missed, which is what is found fault with, or had seen it.
func (k *facts) sameSession(seen int32, q inquiry) bool {
	return k.f.class == classOwnWrite || seen != none && k.t.operations[seen].Process == q.by.o.Process
}

// hinted finds, for a read at the end of the run, a stand-in that acknowledged
// the write for a home replica which was asked and still had not got it. Not
// where that home replica was restarted: it may have got it and lost it.
func (k *facts) hinted(w *fact, version string, q inquiry, older bool) (d deduction, found bool) {
	if !older || !k.t.finals.contains(q.by.o.Start) {
		return d, false
	}
	for _, r := range w.e.Replicas {
		if r.HintFor == "" || !r.Answered || q.asked(r.HintFor) == nil || len(k.mayHaveLost(r.HintFor, w.o.Start, finish(q.by.o))) > 0 {
			continue
		}
		return k.undelivered(w, version, r.Node, r.HintFor, "acknowledged "+k.name(w)+" as a stand-in for", q.by.o.Start), true
	}
	return d, false
}

// undelivered tells of a hint that its keeper had not delivered by the time:
// it still kept it, or had it no more. That the home replica had got it and
// lost it again must have been excluded.
func (k *facts) undelivered(w *fact, version, keeper, home, kept string, by int64) deduction {
	text := fmt.Sprintf("%s %s %s, which had not got it by %s", keeper, kept, home, clock(by))
	h := k.hintsOf(keeper, home, by)
	if !h.told {
		return deduction{CauseHintUndelivered, text}
	}
	if order, known := k.compare(h.version, version); !known {
		return undetermined("%s; what %s keeps for %s is version %s, and the store did not tell whether that is newer", text, keeper, home, h.version)
	} else if order >= 0 {
		return deduction{CauseHintUndelivered, fmt.Sprintf("%s: %s still kept it then", text, keeper)}
	}
	lost := fmt.Sprintf("%s; by then %s had no such hint any more", text, keeper)
	if list := k.restarts(keeper, w.o.Start, by); len(list) > 0 {
		lost += ": it " + list[len(list)-1].what
	}
	return deduction{CauseHintLost, lost}
}
