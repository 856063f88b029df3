package checker

import (
	"cmp"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// What a read returned, where it is no write's number.
const (
	// passedOver: it tells nothing. Its value was written several times, or
	// only by writes that certainly failed, or it is "not found" and a delete
	// may have made it so.
	passedOver int32 = -1
	// fromStart is the initial state of a register.
	fromStart int32 = -2
	// fromNowhere is a value that nobody tried to write.
	fromNowhere int32 = -3
)

type causalKind uint8

const (
	causalRead causalKind = iota
	causalWrite
	// versionsRead is a read of a sibling register: see siblingKey.
	versionsRead
)

// causalEvent is what one client did to one register. A compare-and-set that
// succeeded is two events, a read and a write.
type causalEvent struct {
	position, session, key int32
	// source is the write that a read returned, or one of the constants above.
	// Of a versionsRead it is the number of what it returned in siblings.
	source int32
	kind   causalKind
}

// causalHistory is all that the claims about sessions and causality look at:
// for each session the events in its order, and which write each read
// returned. Times are left out. Events are numbered in the order of their
// invocation, which agrees with that of each session.
//
// A session is a process until its first indeterminate operation. That
// operation belongs to it, as its last: if it is a write that somebody read, it
// happened, and its client had seen before what it had seen. What a process
// does afterwards tells nothing about the session; each write of that kind is a
// session of its own, since others may have read it.
type causalHistory struct {
	t      *timeline
	events []causalEvent
	// following is the next event of the same session, or none; overwritten
	// the session's next write of the same key, or none; readers is how many
	// reads return the write. By event.
	following, overwritten, readers []int32
	// first is the first event of each session, or none.
	first []int32
	keys  []causalKey
	// grouped holds the keys' writes by session: see causalGroup.
	grouped []int32
	// invented are the reads of values that nobody tried to write.
	invented []int32
	siblings []siblingRead
	// skipped says why a part of the history was left out, if one was.
	skipped error
}

// causalKey is one register.
type causalKey struct {
	groups   []causalGroup
	siblings *siblingKey // nil for a register of single values
}

// causalGroup is the writes of one key by one session: grouped[begin:end]. The
// groups of a key are in the order of the sessions' numbers.
type causalGroup struct {
	session, begin, end int32
	// visited is the last of them that a walk has visited, or none; next is the
	// place of the one after it, or begin.
	visited, next int32
}

// visit notes that a walk has visited the next write of the group.
func (g *causalGroup) visit(write int32) {
	g.visited = write
	g.next++
}

// newCausalHistory gathers the events of a history.
func newCausalHistory(t *timeline) *causalHistory {
	h := &causalHistory{t: t, keys: make([]causalKey, len(t.keys))}
	var b causalBuilder
	b.h, b.sessions = h, t.sessions
	b.place()
	for k := range t.keys {
		b.key(int32(k))
	}
	h.link(b.sessions)
	return h
}

// part is the history of those operations alone, in ascending order, with the
// sessions that they belong to in the whole. Its positions are places in the list.
func (t *timeline) part(positions []int32) *timeline {
	p := &timeline{operations: make([]history.Operation, len(positions)), session: make([]int32, len(positions))}
	sessions := map[int32]int32{none: none}
	for i, position := range positions {
		p.operations[i] = t.operations[position]
		session, found := sessions[t.session[position]]
		if !found {
			session = p.sessions
			sessions[t.session[position]] = session
			p.sessions++
		}
		p.session[i] = session
		k := slices.IndexFunc(p.keys, func(k keyOperations) bool { return k.name == p.operations[i].Key })
		if k < 0 {
			k = len(p.keys)
			whole := t.keys[slices.IndexFunc(t.keys, func(k keyOperations) bool { return k.name == p.operations[i].Key })]
			p.keys = append(p.keys, keyOperations{name: whole.name, object: whole.object})
		}
		p.keys[k].positions = append(p.keys[k].positions, int32(i))
	}
	return p
}

// link connects the events of each session, and groups the writes of each key.
func (h *causalHistory) link(sessions int32) {
	h.compact()
	n := len(h.events)
	h.following, h.overwritten, h.readers = make([]int32, n), make([]int32, n), make([]int32, n)
	h.first = make([]int32, sessions)
	last := make([]int32, sessions)
	for s := range h.first {
		h.first[s], last[s] = none, none
	}
	for i := range h.events {
		e := &h.events[i]
		h.following[i], h.overwritten[i] = none, none
		if l := last[e.session]; l != none {
			h.following[l] = int32(i)
		} else {
			h.first[e.session] = int32(i)
		}
		last[e.session] = int32(i)
		h.eachSource(e, func(w int32) { h.readers[w]++ })
	}
	groups, grouped := h.groupsOf(func(e *causalEvent) bool { return e.kind == causalWrite })
	h.grouped = grouped
	for k := range groups {
		h.keys[k].groups = groups[k]
		for _, g := range groups[k] {
			for i := g.begin; i < g.end-1; i++ {
				h.overwritten[grouped[i]] = grouped[i+1]
			}
		}
	}
}

// compact takes out the events that were left empty, those of keys that are
// left to others. Numbers that events refer to are put right.
func (h *causalHistory) compact() {
	if !slices.ContainsFunc(h.events, func(e causalEvent) bool { return e.key == none }) {
		return
	}
	number := make([]int32, len(h.events))
	n := int32(0)
	for i := range h.events {
		number[i] = n
		if h.events[i].key != none {
			h.events[n] = h.events[i]
			n++
		}
	}
	h.events = h.events[:n]
	for i := range h.events {
		if e := &h.events[i]; e.kind == causalRead && e.source >= 0 {
			e.source = number[e.source]
		}
	}
	for i := range h.invented {
		h.invented[i] = number[h.invented[i]]
	}
	for i := range h.siblings {
		h.siblings[i].renumber(number)
	}
	for k := range h.keys {
		if s := h.keys[k].siblings; s != nil {
			s.renumber(number)
		}
	}
}

// eachSource calls yield for each write that the read returned.
func (h *causalHistory) eachSource(e *causalEvent, yield func(write int32)) {
	switch {
	case e.kind == versionsRead:
		for _, w := range h.siblings[e.source].writes {
			yield(w)
		}
	case e.kind == causalRead && e.source >= 0:
		yield(e.source)
	}
}

// groupsOf sorts the chosen events of each key by session. Groups are parts of
// the second result.
func (h *causalHistory) groupsOf(chosen func(e *causalEvent) bool) (groups [][]causalGroup, sorted []int32) {
	place := make([]int32, len(h.keys)+1)
	for i := range h.events {
		if e := &h.events[i]; chosen(e) {
			place[e.key+1]++
		}
	}
	for k := range h.keys {
		place[k+1] += place[k]
	}
	sorted, groups = make([]int32, place[len(h.keys)]), make([][]causalGroup, len(h.keys))
	begins := slices.Clone(place)
	for i := range h.events {
		if e := &h.events[i]; chosen(e) {
			sorted[place[e.key]] = int32(i)
			place[e.key]++
		}
	}
	for k := range h.keys {
		begin, end := begins[k], begins[k+1]
		slices.SortFunc(sorted[begin:end], func(a, b int32) int {
			return cmp.Or(cmp.Compare(h.events[a].session, h.events[b].session), cmp.Compare(a, b))
		})
		for i := begin; i < end; i++ {
			session := h.events[sorted[i]].session
			if i+1 == end || h.events[sorted[i+1]].session != session {
				groups[k] = append(groups[k], causalGroup{session, begin, i + 1, none, begin})
				begin = i + 1
			}
		}
	}
	return groups, sorted
}

// latest is the last visited write of the group before the event, or none. It
// is mostly one of the last few.
func (h *causalHistory) latest(g *causalGroup, before int32) int32 {
	end := g.next
	for range 4 {
		if end == g.begin {
			return none
		}
		if w := h.grouped[end-1]; w < before {
			return w
		}
		end--
	}
	writes := h.grouped[g.begin:end]
	if i := position(writes, before); i > 0 {
		return writes[i-1]
	}
	return none
}

// position is how many of the ascending events are before the given one.
func position(events []int32, before int32) int32 {
	low, high := 0, len(events)
	for low < high {
		if middle := int(uint(low+high) / 2); events[middle] < before {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return int32(low)
}

// name is the key's name.
func (h *causalHistory) name(key int32) string { return h.t.keys[key].name }
