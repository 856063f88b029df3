package checker

import (
	"cmp"
	"fmt"
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
	// visited is the last of them that a walk has visited, or none.
	visited int32
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

// causalBuilder builds a causalHistory.
type causalBuilder struct {
	h *causalHistory
	// start is the number of each position's first event; the next one's is its end.
	start    []int32
	sessions int32
	register register // numbers the values of a key
	facts    []causalValue
}

// causalValue is who wrote a value of the present key.
type causalValue struct {
	writers, writer int32
	tried           bool
}

// place counts the events of each position.
func (b *causalBuilder) place() {
	operations := b.h.t.operations
	b.start = make([]int32, len(operations)+1)
	n := int32(0)
	for i := range operations {
		b.start[i] = n
		o := &operations[i]
		if o.Process != history.Nemesis {
			n += b.count(o, b.h.t.session[i])
		}
	}
	b.start[len(operations)] = n
	b.h.events = make([]causalEvent, n)
	for i := range b.h.events {
		b.h.events[i].key = none
	}
}

// count is how many events the operation is.
func (b *causalBuilder) count(o *history.Operation, session int32) int32 {
	switch o.F {
	case history.FRead:
		if o.Type == history.Ok && o.Output.Kind() != history.Absent && session != none {
			return 1
		}
	case history.FWrite, history.FDelete:
		if o.Type != history.Fail {
			return 1
		}
	case history.FCAS:
		if o.Type == history.Ok {
			return 2
		}
		if o.Type != history.Fail {
			return 1
		}
	}
	return 0
}

// key makes the events of one key.
func (b *causalBuilder) key(k int32) {
	key := &b.h.t.keys[k]
	switch key.object {
	case registerObject:
		if err := b.writes(k, key); err != nil {
			b.h.skipped = fmt.Errorf("key %s: %w", key.name, err)
			return
		}
		b.reads(k, key)
	case siblingObject:
		b.siblings(k, key)
	case setObject, counterObject, queueObject: // left to other claims
	default:
		b.h.skipped = fmt.Errorf("key %s has %s", key.name, key.why)
	}
}

// event fills in one event of the operation.
func (b *causalBuilder) event(e, k, position, source int32, kind causalKind) {
	session := b.h.t.session[position]
	if session == none {
		if kind == causalWrite && b.start[position] < e { // the second half of a compare-and-set
			session = b.h.events[e-1].session
		} else {
			session = b.sessions
			b.sessions++
		}
	}
	b.h.events[e] = causalEvent{position: position, session: session, key: k, source: source, kind: kind}
}

// fact is what is known of the writers of the value.
func (b *causalBuilder) fact(v history.Value) *causalValue {
	id := b.register.number(v)
	for int(id) >= len(b.facts) {
		b.facts = append(b.facts, causalValue{writer: none})
	}
	return &b.facts[id]
}

// writes gathers who wrote which value of a register.
func (b *causalBuilder) writes(k int32, key *keyOperations) error {
	b.register.begin(key.name)
	b.facts = append(b.facts[:0], causalValue{writer: none})
	operations := b.h.t.operations
	for _, p := range key.positions {
		o := &operations[p]
		var value history.Value
		switch o.F {
		case history.FWrite:
			value = o.Input
			if value.Kind() == history.Absent {
				return fmt.Errorf("operation %d writes no value", o.Index)
			}
		case history.FDelete:
			value = history.NilValue()
		case history.FCAS:
			var err error
			if _, value, err = casArguments(o.Input); err != nil {
				return fmt.Errorf("operation %d: %w", o.Index, err)
			}
		default:
			continue
		}
		f := b.fact(value)
		f.tried = true
		if o.Type == history.Fail {
			continue
		}
		f.writers++
		f.writer = b.start[p+1] - 1
	}
	return nil
}

// reads makes the events of a register, once its writers are known.
func (b *causalBuilder) reads(k int32, key *keyOperations) {
	operations := b.h.t.operations
	for _, p := range key.positions {
		first, end := b.start[p], b.start[p+1]
		if first == end {
			continue
		}
		o := &operations[p]
		switch {
		case o.F == history.FRead:
			b.event(first, k, p, b.source(o.Output), causalRead)
		case o.F == history.FCAS && end == first+2:
			expected, _, _ := casArguments(o.Input)
			b.event(first, k, p, b.source(expected), causalRead)
			b.event(first+1, k, p, passedOver, causalWrite)
		default:
			b.event(first, k, p, passedOver, causalWrite)
		}
		if e := &b.h.events[first]; e.kind == causalRead && e.source == fromNowhere {
			b.h.invented = append(b.h.invented, first)
		}
	}
}

// source is the write that a read of the value returned.
func (b *causalBuilder) source(v history.Value) int32 {
	f := b.fact(v)
	switch {
	case f.writers == 1 && v.Kind() != history.Nil:
		return f.writer
	case f.writers > 0:
		return passedOver
	case v.Kind() == history.Nil:
		return fromStart
	case f.tried:
		return passedOver
	}
	return fromNowhere
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
				groups[k] = append(groups[k], causalGroup{session, begin, i + 1, none})
				begin = i + 1
			}
		}
	}
	return groups, sorted
}

// latest is the last write of the group before the event, or none.
func (h *causalHistory) latest(g *causalGroup, before int32) int32 {
	writes := h.grouped[g.begin:g.end]
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
