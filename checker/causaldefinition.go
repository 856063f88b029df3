package checker

import "slices"

// causalDefinition decides the claims about sessions and causality for a few
// operations by their definitions as they are written, with the whole causal
// order laid out. It has nothing in common with the fast ways but the reading
// of the operations, and each witness is held against it.
type causalDefinition struct {
	h *causalHistory
	// order holds, for each event, those after it in the causal order; depends
	// for each write those that depend on it by reads followed by writes.
	order, depends [][]bool
}

// defineCausally looks at those operations only.
func defineCausally(t *timeline, positions []int32) *causalDefinition {
	d := &causalDefinition{h: newCausalHistory(t.part(positions))}
	n := len(d.h.events)
	direct, dependent := make([][]int32, n), make([][]int32, n)
	for e := range d.h.events {
		if f := d.h.following[e]; f != none {
			direct[e] = append(direct[e], f)
		}
		event := &d.h.events[e]
		d.h.eachSource(event, func(w int32) {
			direct[w] = append(direct[w], int32(e))
			for f := d.h.following[e]; f != none; f = d.h.following[f] {
				if d.h.events[f].kind == causalWrite {
					dependent[w] = append(dependent[w], f)
				}
			}
		})
	}
	d.order, d.depends = closure(direct), closure(dependent)
	return d
}

// closure is what can be reached from each node in one step or more.
func closure(direct [][]int32) [][]bool {
	reach := make([][]bool, len(direct))
	for from := range direct {
		reach[from] = make([]bool, len(direct))
		todo := slices.Clone(direct[from])
		for len(todo) > 0 {
			to := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if !reach[from][to] {
				reach[from][to] = true
				todo = append(todo, direct[to]...)
			}
		}
	}
	return reach
}

// violates says whether the operations violate the claim in the way of the class.
func (d *causalDefinition) violates(claim, class string) bool {
	switch class {
	case classThinAir:
		return len(d.h.invented) > 0
	case classCyclic:
		return d.cyclic(claim)
	}
	names := causalClaims[claim].classes
	for r := range d.h.events {
		event := &d.h.events[r]
		switch {
		case event.kind == causalWrite:
		case event.kind == versionsRead:
			if class == names.missing && d.h.missed(event, func(w int32) bool { return d.before(claim, w, int32(r)) }) != none {
				return true
			}
		case class == classReturned:
			if d.returned(int32(r)) {
				return true
			}
		case class == names.value && event.source >= 0, class == names.initial && event.source == fromStart:
			if d.overwritten(claim, int32(r)) {
				return true
			}
		}
	}
	return false
}

// cyclic says whether something comes before itself.
func (d *causalDefinition) cyclic(claim string) bool {
	for e := range d.order {
		source := d.h.events[e].source
		switch {
		case claim != PRAM && d.order[e][e]:
			return true
		case claim == PRAM && d.h.events[e].kind == causalRead && source > int32(e) && d.h.events[source].session == d.h.events[e].session:
			return true
		}
	}
	return false
}

// overwritten says whether there is a write w of the key such that the state
// that was read came before w, and w before the read, as the claim counts it.
func (d *causalDefinition) overwritten(claim string, r int32) bool {
	event := &d.h.events[r]
	for w := range d.h.events {
		if x := &d.h.events[w]; x.kind != causalWrite || x.key != event.key || int32(w) == event.source {
			continue
		}
		if (event.source == fromStart || d.older(claim, event.source, int32(w))) && d.before(claim, int32(w), r) {
			return true
		}
	}
	return false
}

// older says whether the write u is older than w for the claim.
func (d *causalDefinition) older(claim string, u, w int32) bool {
	switch claim {
	case MonotonicWrites, PRAM:
		return u < w && d.h.events[u].session == d.h.events[w].session
	case WritesFollowReads:
		return d.depends[u][w]
	}
	return d.order[u][w]
}

// before says whether the reader must have seen the write w when it read r.
func (d *causalDefinition) before(claim string, w, r int32) bool {
	process := d.h.events[r].session
	switch claim {
	case Causal:
		return d.order[w][r]
	case PRAM:
		if d.h.events[w].session == process {
			return w < r
		}
	}
	// The rest: it had read a write w2 of another session, or returns it as a sibling.
	for e := d.h.first[process]; e != none && e <= r; e = d.h.following[e] {
		if e == r && d.h.events[r].kind != versionsRead {
			break
		}
		seen := false
		d.h.eachSource(&d.h.events[e], func(w2 int32) {
			if d.h.events[w2].session == process {
				return
			}
			same := d.h.events[w2].session == d.h.events[w].session
			switch claim {
			case PRAM:
				seen = seen || same && w <= w2
			case MonotonicWrites:
				seen = seen || same && w < w2
			case WritesFollowReads:
				seen = seen || d.depends[w][w2]
			case ConsistentPrefix:
				seen = seen || d.order[w][w2]
			}
		})
		if seen {
			return true
		}
	}
	return false
}

// returned says whether the session knew what it read before an earlier access
// of the key, which was of another value.
func (d *causalDefinition) returned(r int32) bool {
	event := &d.h.events[r]
	for e := d.h.first[event.session]; e != none && e < r; e = d.h.following[e] {
		x := &d.h.events[e]
		value := e
		if x.kind == causalRead {
			value = x.source
		}
		if x.key == event.key && value >= 0 && value != event.source &&
			(event.source == fromStart || event.source >= 0 && d.before(PRAM, event.source, e)) {
			return true
		}
	}
	return false
}
