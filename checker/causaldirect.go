package checker

import (
	"context"
	"sort"
)

// directOrder finds violations of monotonic writes or of PRAM. Both speak of
// what a session has read itself, of the order of the sessions whose writes
// these were, and of nothing that follows from the two.
//
// Monotonic writes: session p has read a write w2 of session a; then it must
// not read the state before a's earlier write w1, which is the initial state or
// an earlier write by a of the same key.
//
// PRAM: the process sees the writes of each session in its order, as if one
// after the other. So p must not read the state before a write of a session
// that it has read from, up to the latest write that it has read; nor what it
// has known before its last access of the key, if that was of another value.
type directOrder struct {
	h    *causalHistory
	out  *violations
	pram bool
	// pairs numbers the pairs of a reading session and one that it has read
	// from, known is what the first knows of the second.
	pairs numbering
	known [][]knownSince
	// read are the sessions that a session has read from.
	read [][]int32
	// last is the last access of a key by a session, by number of that pair.
	accesses numbering
	last     []int32
	// informed says that a session has read a write with an earlier one in its session.
	informed []bool
	e        int32
	session  int32
}

// knownSince says that from the event on, all writes of a session before the bound are known.
type knownSince struct{ event, bound int32 }

// checkDirect decides monotonic writes, or PRAM.
func (h *causalHistory) checkDirect(ctx context.Context, o Options, out *violations, pram bool) error {
	d := &directOrder{h: h, out: out, pram: pram, read: make([][]int32, len(h.first)), informed: make([]bool, len(h.first))}
	d.pairs.clear()
	d.accesses.clear()
	w, err := h.walk(ctx, o, d.visit)
	if err != nil {
		return err
	}
	w.rest(d.visit)
	if pram {
		for _, e := range h.invented {
			out.add(violation{class: classThinAir, read: e, older: none, newer: none})
		}
	}
	return nil
}

func (d *directOrder) visit(e int32) {
	event := &d.h.events[e]
	d.e, d.session = e, event.session
	switch event.kind {
	case causalWrite:
		if s := d.h.keys[event.key].siblings; s != nil {
			s.visited(e)
			return
		}
		d.access(event)
	case causalRead:
		found := d.out.found
		d.check(event)
		if event.source >= 0 {
			d.learn(event.source)
		}
		if d.out.found == found { // one that has no place cannot put others in the wrong
			d.access(event)
		}
	case versionsRead:
		d.out.examine(d.informed[d.session])
		for _, w := range d.h.siblings[event.source].writes {
			d.learn(w)
		}
		if w := d.h.uncovered(event, d.before); w != none {
			d.out.add(violation{class: d.out.names.missing, read: e, older: none, newer: w})
		}
		if d.pram {
			d.informed[d.session] = true
		}
	}
}

// before says whether the present session knows the write, as the claim counts it.
func (d *directOrder) before(write int32) bool {
	session := d.h.events[write].session
	if session == d.session {
		return d.pram && write < d.e
	}
	return d.bound(session, d.e+1) > write
}

// bound is what the present session knew of the other just before the event.
func (d *directOrder) bound(session, event int32) int32 {
	pair := d.pairs.get(int64(d.session)<<32 | int64(session))
	if pair == none {
		return 0
	}
	known := d.known[pair]
	if last := known[len(known)-1]; last.event < event {
		return last.bound
	}
	i := sort.Search(len(known), func(i int) bool { return known[i].event >= event })
	if i == 0 {
		return 0
	}
	return known[i-1].bound
}

// learn takes a write into account that the present event returned.
func (d *directOrder) learn(write int32) {
	session := d.h.events[write].session
	if session == d.session {
		return
	}
	bound := write
	if d.pram {
		bound++
	}
	if d.pram || d.h.first[session] != write {
		d.informed[d.session] = true
	}
	pair, found := d.pairs.number(int64(d.session)<<32|int64(session), int32(len(d.known)))
	if !found {
		d.known = append(d.known, []knownSince{{d.e, bound}})
		d.read[d.session] = append(d.read[d.session], session)
		return
	}
	known := d.known[pair]
	if known[len(known)-1].bound < bound {
		if !d.pram { // what it knew before is not asked for
			known = known[:0]
		}
		d.known[pair] = append(known, knownSince{d.e, bound})
	}
}

// access notes that the session has written the key, or read it.
func (d *directOrder) access(event *causalEvent) {
	if !d.pram || event.kind == causalRead && event.source < 0 {
		return
	}
	d.informed[d.session] = true
	i, found := d.accesses.number(int64(d.session)<<32|int64(event.key), int32(len(d.last)))
	if !found {
		d.last = append(d.last, d.e)
		return
	}
	d.last[i] = d.e
}

// check looks at a read of one value.
func (d *directOrder) check(event *causalEvent) {
	if event.source == passedOver || event.source == fromNowhere {
		return
	}
	d.out.examine(d.informed[d.session])
	if d.pram && event.source > d.e && d.h.events[event.source].session == d.session {
		d.out.add(violation{class: classCyclic, read: d.e, older: none, newer: none})
		return
	}
	if w := d.overwritten(event); w != none {
		d.out.add(violation{class: d.out.overwrittenClass(event.source), read: d.e, older: event.source, newer: w})
		return
	}
	if d.pram {
		d.checkReturn(event)
	}
}

// overwritten is a write that followed the state that was read, in the order
// of its session, and that the present session knows; or none.
func (d *directOrder) overwritten(event *causalEvent) int32 {
	if event.source >= 0 {
		if w := d.h.overwritten[event.source]; w != none && d.before(w) {
			return w
		}
		return none
	}
	groups := d.h.keys[event.key].groups
	if len(d.read[d.session]) < len(groups) {
		for _, session := range d.read[d.session] {
			if g := groupOf(groups, session); g != nil && d.before(d.h.grouped[g.begin]) {
				return d.h.grouped[g.begin]
			}
		}
		if g := groupOf(groups, d.session); g != nil && d.before(d.h.grouped[g.begin]) {
			return d.h.grouped[g.begin]
		}
		return none
	}
	for i := range groups {
		if w := d.h.grouped[groups[i].begin]; d.before(w) {
			return w
		}
	}
	return none
}

// groupOf finds the group of the session, or nil.
func groupOf(groups []causalGroup, session int32) *causalGroup {
	i := firstGroup(groups, session)
	if i == len(groups) || groups[i].session != session {
		return nil
	}
	return &groups[i]
}

// checkReturn looks whether the session's last access of the key was of
// another value although it knew this one already. The initial state is known
// from the start.
func (d *directOrder) checkReturn(event *causalEvent) {
	i := d.accesses.get(int64(d.session)<<32 | int64(event.key))
	if i == none {
		return
	}
	last := d.last[i]
	between := last
	if l := &d.h.events[last]; l.kind == causalRead {
		between = l.source
	}
	if between == event.source {
		return
	}
	if event.source >= 0 {
		known := d.bound(d.h.events[event.source].session, last) > event.source
		if d.h.events[event.source].session == d.session {
			known = event.source < last
		}
		if !known {
			return
		}
	}
	d.out.add(violation{class: classReturned, read: d.e, older: event.source, newer: between, between: last})
}
