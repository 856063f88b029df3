package checker

import "context"

// overwriters lists, for each write and for the initial state of each key,
// the operations that show it to be overwritten: of several that follow one
// another only the first, so that they are few.
type overwriters struct {
	write, start list32
}

// list32 is many lists of numbers that grow at their ends.
type list32 struct {
	head, tail []int32
	links      []link32
}

type link32 struct{ value, next int32 }

func newList32(lists int) list32 {
	l := list32{head: make([]int32, lists), tail: make([]int32, lists)}
	for i := range l.head {
		l.head[i], l.tail[i] = none, none
	}
	return l
}

func (l *list32) add(list, value int32) {
	i := int32(len(l.links))
	l.links = append(l.links, link32{value, none})
	if l.head[list] == none {
		l.head[list] = i
	} else {
		l.links[l.tail[list]].next = i
	}
	l.tail[list] = i
}

// find returns the first element of the list for which the condition holds, or none.
func (l *list32) find(list int32, holds func(value int32) bool) int32 {
	for i := l.head[list]; i != none; i = l.links[i].next {
		if v := l.links[i].value; holds(v) {
			return v
		}
	}
	return none
}

func newOverwriters(h *causalHistory) overwriters {
	return overwriters{newList32(len(h.events)), newList32(len(h.keys))}
}

// find looks among those of the state that a read returned: the write, or
// fromStart. It is none for a state that tells nothing.
func (o *overwriters) find(source, key int32, holds func(value int32) bool) int32 {
	switch {
	case source >= 0:
		return o.write.find(source, holds)
	case source == fromStart:
		return o.start.find(key, holds)
	}
	return none
}

// causalOrder finds violations of causal consistency or of consistent prefix.
//
// The causal order is (session order ∪ reads-from)⁺. A read of u violates
// causal consistency if a write w of its key is between the two: u before w
// (or u is the initial state), w before the read. Each session has a clock of
// what is before its next event. When a write w is visited, it becomes an
// overwriter of the latest write of its key by each session, as far as that is
// before w, unless another overwriter of that is before w as well: whoever has
// w before him has that one too. So a read needs to look at the overwriters of
// what it returned only.
//
// For consistent prefix the same order is used, but of what a session has
// before it only that counts which comes before some write that it has read,
// by another session.
type causalOrder struct {
	h         *causalHistory
	out       *violations
	prefix    bool
	clocks    []sessionClock
	prefixes  []sessionClock // of what counts for consistent prefix
	snapshots snapshots
	over      overwriters
	bases     bases
	// The event that is visited.
	e       int32
	session int32
}

// manyGroups is from how many sessions that write to a key on it pays to look
// for what can be left out.
const manyGroups = 8

// checkOrder decides causal consistency, or consistent prefix.
func (h *causalHistory) checkOrder(ctx context.Context, o Options, out *violations, prefix bool) error {
	c := &causalOrder{
		h: h, out: out, prefix: prefix, clocks: make([]sessionClock, len(h.first)),
		snapshots: newSnapshots(h), over: newOverwriters(h), bases: newBases(h),
	}
	if prefix {
		c.prefixes = make([]sessionClock, len(h.first))
	}
	w, err := h.walk(ctx, o, c.visit)
	if err != nil {
		return err
	}
	if e := w.cycle(); e != none {
		out.add(violation{class: classCyclic, read: e, older: none, newer: none})
	}
	if !prefix {
		for _, e := range h.invented {
			out.add(violation{class: classThinAir, read: e, older: none, newer: none})
		}
	}
	return nil
}

func (c *causalOrder) visit(e int32) {
	event := &c.h.events[e]
	c.e, c.session = e, event.session
	switch event.kind {
	case causalWrite:
		c.written(event)
	case causalRead:
		c.check(event)
		if event.source >= 0 {
			c.learn(event.source, event.key)
		}
	case versionsRead:
		c.out.examine(c.informed())
		for _, w := range c.h.siblings[event.source].writes {
			c.learn(w, event.key)
		}
		c.checkVersions(event)
	}
	if c.h.following[e] == none {
		c.clocks[c.session] = sessionClock{} // nobody asks for it again
		c.bases.forget(c.session)
	}
}

// before says whether the write is before the present event, as the claim counts it.
func (c *causalOrder) before(write int32) bool {
	session := c.h.events[write].session
	if c.prefix {
		return c.prefixes[c.session].of(session) > write
	}
	if session == c.session { // of siblings also writes are asked for that have not been visited
		return write < c.e
	}
	return c.clocks[c.session].of(session) > write
}

// learn takes a write into account that the present event returned.
func (c *causalOrder) learn(write, key int32) {
	session := c.h.events[write].session
	snapshot := c.snapshots.of(write)
	if session != c.session {
		c.clocks[c.session].learn(snapshot, session, write+1)
		if c.prefix {
			c.prefixes[c.session].learn(snapshot, session, write)
		}
	}
	if len(c.h.keys[key].groups) >= manyGroups {
		c.bases.read(c.session, base{key, write, snapshot, c.e})
	}
	c.snapshots.read(write)
}

// check looks whether what the read returned had been overwritten before it.
func (c *causalOrder) check(event *causalEvent) {
	if event.source == passedOver || event.source == fromNowhere {
		return
	}
	c.out.examine(c.informed())
	if w := c.over.find(event.source, event.key, c.before); w != none {
		c.out.add(violation{class: c.out.overwrittenClass(event.source), read: c.e, older: event.source, newer: w})
	}
}

// checkVersions looks for writes that were before the read of a sibling
// register, or before a sibling that it returned, and are not in the context
// that it returned.
func (c *causalOrder) checkVersions(event *causalEvent) {
	if w := c.h.uncovered(event, c.before); w != none {
		c.out.add(violation{class: c.out.names.missing, read: c.e, older: none, newer: w})
	}
}

// informed says whether the present session has anything before it that could be missing.
func (c *causalOrder) informed() bool {
	if c.prefix {
		return len(c.prefixes[c.session].causalClock) > 0
	}
	return c.h.first[c.session] != c.e
}

// written takes a write into account.
func (c *causalOrder) written(event *causalEvent) {
	key := &c.h.keys[event.key]
	known := &c.clocks[c.session]
	if c.snapshots.unread[c.e] > 0 {
		c.snapshots.keep(c.e, known.snapshot())
	}
	if key.siblings != nil {
		key.siblings.visited(c.e)
		return
	}
	var below causalClock
	first := true
	if b := c.base(event.key); b != nil {
		below, first = b.clock.causalClock, false
	}
	overwrite := func(w int32) {
		first = false
		if c.over.write.find(w, c.inPast) == none {
			c.over.write.add(w, c.e)
		}
	}
	own := groupOf(key.groups, c.session)
	if own.visited != none {
		overwrite(own.visited)
	}
	known.news(below, key.groups, func(g *causalGroup) bool {
		if g == own || g.visited == none {
			return true
		}
		w := g.visited
		if bound := known.of(g.session); w >= bound {
			w = c.h.latest(g, bound)
		}
		if w >= below.of(g.session) && w != none { // else all of it is overwritten by the base
			overwrite(w)
		}
		return true
	})
	own.visit(c.e)
	if first {
		c.over.start.add(event.key, c.e)
	}
	if c.snapshots.unread[c.e] > 0 && len(key.groups) >= manyGroups {
		c.bases.own(c.session, base{event.key, c.e, known.snapshot(), none})
	}
}

// inPast says whether the write is before the present event in the causal order.
func (c *causalOrder) inPast(write int32) bool {
	session := c.h.events[write].session
	return session == c.session || c.clocks[c.session].of(session) > write
}

// base is a recent write of the key that is before the present event, or nil:
// whatever was before it is overwritten by it.
func (c *causalOrder) base(key int32) *base {
	if len(c.h.keys[key].groups) < manyGroups {
		return nil
	}
	return c.bases.find(c.session, key, func(b *base) bool { return c.inPast(b.write) })
}
