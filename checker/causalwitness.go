package checker

import (
	"fmt"
	"slices"
)

// reach is a way back along the causal order: all events of the session up to
// the bound come before the event that the search began at.
type reach struct {
	session, bound int32
	// write is the write by which the session was reached, read the event that
	// returned it; parent is the place from which, none at the beginning.
	write, read int32
	parent      int
}

// path returns a shortest chain of events that leads to the event in the
// causal order: a breadth-first search backwards, in which a step is a read,
// the write that it returned, and all that came before in that write's
// session. It ends where found says so, and begins the chain with from. If own
// is set, the first step may lead to anything earlier in the event's own
// session; if not, only to what came before a write of another session that
// was read in it. The chain is nil if there is none.
func (h *causalHistory) path(from, to int32, own bool, found func(p *reach) bool) []int32 {
	session := h.events[to].session
	todo := []reach{{session: session, bound: to - 1, write: none, read: none, parent: -1}}
	if own && found(&todo[0]) {
		return []int32{from, to}
	}
	if h.events[to].kind == versionsRead { // its siblings count too
		todo[0].bound = to
	}
	best := map[int32]int32{}
	if own {
		best[session] = to - 1
	}
	for i := 0; i < len(todo); i++ {
		place := todo[i]
		for e := h.first[place.session]; e != none && e <= place.bound; e = h.following[e] {
			event := &h.events[e]
			if event.kind == causalWrite {
				continue
			}
			end := false
			h.eachSource(event, func(w int32) {
				s, upTo := h.events[w].session, w
				if i == 0 && !own {
					upTo-- // what came before the write, not the write itself
				}
				next := reach{s, upTo, w, e, i}
				if end || i == 0 && !own && s == session {
					return
				}
				if bound, seen := best[s]; found(&next) {
					end = true
				} else if seen && bound >= upTo {
					return
				}
				best[s] = upTo
				todo = append(todo, next)
			})
			if end {
				return chain(todo, from, to)
			}
		}
	}
	return nil
}

// chain lists the events from the last place to the end.
func chain(todo []reach, from, to int32) []int32 {
	events := []int32{from}
	for i := len(todo) - 1; todo[i].parent >= 0; i = todo[i].parent {
		if w := todo[i].write; w != events[len(events)-1] {
			events = append(events, w)
		}
		events = append(events, todo[i].read)
	}
	return append(events, to)
}

// upTo finds the event itself, in its session.
func (h *causalHistory) upTo(event int32) func(p *reach) bool {
	session := h.events[event].session
	return func(p *reach) bool { return p.session == session && event <= p.bound }
}

// evidence lists events that prove the violation of the claim, in causal order
// where they have one.
func (h *causalHistory) evidence(claim string, v *violation) (events []int32) {
	switch {
	case v.class == classThinAir:
		return []int32{v.read}
	case v.class == classCyclic:
		source := h.events[v.read].source
		if h.events[v.read].kind == versionsRead {
			source = h.cycleSource(v.read)
		}
		return h.path(v.read, source, true, h.upTo(v.read))
	}
	if v.older >= 0 {
		events = append(events, v.older)
	}
	switch claim {
	case Causal:
		if v.older >= 0 {
			events = append(events, h.path(v.older, v.newer, true, h.upTo(v.older))...)
		}
		return append(events, h.path(v.newer, v.read, true, h.upTo(v.newer))...)
	case ConsistentPrefix:
		if v.older >= 0 {
			events = append(events, h.path(v.older, v.newer, true, h.upTo(v.older))...)
		}
		return append(events, h.path(v.newer, v.read, false, h.upTo(v.newer))...)
	case WritesFollowReads:
		if v.older >= 0 {
			events = append(events, h.path(v.older, v.newer, true, func(p *reach) bool { return p.write == v.older })...)
		}
		events = append(events, v.newer)
		return append(events, h.path(v.between, v.read, false, h.upTo(v.between))...)
	}
	return append(events, h.directEvidence(claim, v)...)
}

// cycleSource is a write returned by the read that comes after it.
func (h *causalHistory) cycleSource(read int32) int32 {
	source := none
	h.eachSource(&h.events[read], func(w int32) {
		if source == none && h.path(read, w, true, h.upTo(read)) != nil {
			source = w
		}
	})
	return source
}

// directEvidence is evidence for the claims that look one step far.
func (h *causalHistory) directEvidence(claim string, v *violation) (events []int32) {
	if v.newer != v.between || v.class != classReturned {
		events = append(events, v.newer)
	}
	if v.class == classReturned {
		if v.older >= 0 {
			events = append(events, h.seen(claim, v.older, v.between)...)
		}
		return append(events, v.between, v.read)
	}
	return append(append(events, h.seen(claim, v.newer, v.read)...), v.read)
}

// seen lists a write and the read before the event by which its session knows
// that the given write happened: a later one of the same session, or itself.
func (h *causalHistory) seen(claim string, write, before int32) (events []int32) {
	session := h.events[before].session
	for e := h.first[session]; e != none && (e < before || e == before && h.events[e].kind == versionsRead); e = h.following[e] {
		h.eachSource(&h.events[e], func(w int32) {
			if events == nil && h.events[w].session == h.events[write].session && h.events[w].session != session &&
				(w > write || w == write && claim == PRAM) {
				events = []int32{w, e}
			}
		})
	}
	return events
}

// find makes the findings to be shown: of each key the smallest of its
// candidates. An error says that a violation could not be confirmed by the
// definition, which is a defect.
func (v *violations) find(t *timeline, claim string, all *tally) error {
	all.found, all.classes = v.found, v.classes
	for i := range v.candidates {
		x := &v.candidates[i]
		f := newFinding(x.class, v.h.name(v.h.events[x.read].key))
		events := v.h.evidence(claim, x)
		f.chain = v.h.positions(events)
		f.second = v.h.events[x.read].position
		f.positions = slices.Compact(slices.Sorted(slices.Values(f.chain)))
		if x.newer != none {
			f.newer = v.h.events[x.newer].position
		}
		if v.h.events[x.read].kind == versionsRead && x.newer != none {
			f.versions = true
			if p, found := v.h.keys[v.h.events[x.read].key].siblings.tellers[f.newer]; found && p != none && !slices.Contains(f.positions, p) {
				f.chain = append([]int32{p}, f.chain...)
				f.positions = slices.Sorted(slices.Values(f.chain))
			}
		}
		if !defineCausally(t, f.positions).violates(claim, f.class) {
			return fmt.Errorf("a violation (%s, key %s) was found that its operations do not prove; that is a defect of this program: please report it with the history", f.class, f.key)
		}
		f.minimize(t, claim)
		if old, found := all.best[f.key]; !found || len(f.positions) < len(old.positions) {
			all.best[f.key] = f
		}
	}
	return nil
}

// positions are the events' operations, in the same order, each once.
func (h *causalHistory) positions(events []int32) []int32 {
	var positions []int32
	for _, e := range events {
		if p := h.events[e].position; !slices.Contains(positions, p) {
			positions = append(positions, p)
		}
	}
	return positions
}

// minimize takes out operations as long as the rest violates the claim in the
// same way. Operations that do prove a violation prove it in the whole history
// too: sessions keep their order, and what a read returned does not change,
// since the writes that the others returned are among the first that were chosen.
func (f *finding) minimize(t *timeline, claim string) {
	for i := 0; i < len(f.positions); {
		p := f.positions[i]
		rest := slices.Delete(slices.Clone(f.positions), i, i+1)
		if p != f.second && p != f.newer && f.sourced(t, rest) && defineCausally(t, rest).violates(claim, f.class) {
			f.positions = rest
			f.chain = slices.DeleteFunc(f.chain, func(q int32) bool { return q == p })
			continue
		}
		i++
	}
}

// sourced says whether the operations still have each write that they
// returned; of siblings some may be left out.
func (f *finding) sourced(t *timeline, positions []int32) bool {
	if f.class == classThinAir {
		return true
	}
	h := newCausalHistory(t.part(positions))
	return !slices.ContainsFunc(h.invented, func(e int32) bool { return h.events[e].kind == causalRead })
}
