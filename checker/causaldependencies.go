package checker

import "context"

// dependencies finds violations of writes follow reads.
//
// A write w2 depends on a write w1 if the session of w2 had read w1 before it
// wrote w2, or if a chain of such steps leads from w1 to w2. Whoever has read
// w2 must not read the state before w1 afterwards: the initial state, or a
// write of the same key on which w1 depends.
//
// What a session learns by reading w2 is what w2's session had read until
// then, not what that session had written. So the clocks say of each session
// up to where its reads count, and a write is known to be overwritten once one
// of the reads that returned its overwriter counts.
type dependencies struct {
	h         *causalHistory
	out       *violations
	clocks    []sessionClock
	snapshots snapshots
	// direct are, for each write that will still be read, the writes that it
	// overwrites, unless another write on which it depends does too. They lie
	// where the snapshots do.
	direct [][]int32
	// over lists the reads that returned an overwriter of a state.
	over overwriters
	// reads are the reads of each key by session, in groups as the writes are.
	reads  [][]causalGroup
	sorted []int32
	// marked are the writes that were found for the present event.
	marked  []int32
	bases   bases
	e       int32
	session int32
}

// checkDependencies decides writes follow reads.
func (h *causalHistory) checkDependencies(ctx context.Context, o Options, out *violations) error {
	n := len(h.events)
	d := &dependencies{
		h: h, out: out, clocks: make([]sessionClock, len(h.first)), snapshots: newSnapshots(h),
		over: newOverwriters(h), marked: make([]int32, n), bases: newBases(h),
	}
	for i := range d.marked {
		d.marked[i] = none
	}
	d.reads, d.sorted = h.groupsOf(func(e *causalEvent) bool { return e.kind == causalRead && e.source >= 0 })
	w, err := h.walk(ctx, o, d.visit)
	if err != nil {
		return err
	}
	if e := w.cycle(); e != none {
		out.add(violation{class: classCyclic, read: e, older: none, newer: none})
	}
	return nil
}

func (d *dependencies) visit(e int32) {
	event := &d.h.events[e]
	d.e, d.session = e, event.session
	switch event.kind {
	case causalWrite:
		if s := d.h.keys[event.key].siblings; s != nil {
			s.visited(e)
		}
		if d.snapshots.unread[e] > 0 {
			d.snapshots.keep(e, d.clocks[d.session].snapshot())
			d.direct = append(d.direct, nil)[:len(d.snapshots.clocks)]
			d.direct[d.snapshots.slot[e]] = d.overwrites(event)
		}
	case causalRead:
		d.check(event)
		if event.source >= 0 {
			d.learn(event.source)
			d.observe(event.source, event.key)
			d.snapshots.read(event.source)
		}
	case versionsRead:
		d.out.examine(len(d.clocks[d.session].causalClock) > 0)
		for _, w := range d.h.siblings[event.source].writes {
			d.learn(w)
			if d.over.write.find(w, d.countsHere) == none {
				d.over.write.add(w, e)
			}
			d.snapshots.read(w)
		}
		if w := d.h.uncovered(event, func(w int32) bool { return d.observers(w) != none }); w != none {
			d.out.add(violation{class: d.out.names.missing, read: e, older: none, newer: w, between: d.observers(w)})
		}
	}
	if d.h.following[e] == none {
		d.clocks[d.session] = sessionClock{}
		d.bases.forget(d.session)
	}
}

// counts says whether the read counts for the present session by what it has
// read; own reads count only for what the session writes.
func (d *dependencies) counts(read int32) bool {
	return d.clocks[d.session].of(d.h.events[read].session) > read
}

// countsHere is counts, for what the session writes.
func (d *dependencies) countsHere(read int32) bool {
	return d.h.events[read].session == d.session || d.counts(read)
}

func (d *dependencies) check(event *causalEvent) {
	if event.source == passedOver || event.source == fromNowhere {
		return
	}
	d.out.examine(len(d.clocks[d.session].causalClock) > 0)
	if k := d.over.find(event.source, event.key, d.counts); k != none {
		d.out.add(violation{class: d.out.overwrittenClass(event.source), read: d.e, older: event.source, newer: d.h.events[k].source, between: k})
	}
}

// observers is a read that counts and returned the write of a sibling
// register, or none. Of those, over holds the reads of the write itself.
func (d *dependencies) observers(write int32) int32 { return d.over.write.find(write, d.counts) }

// learn takes a write into account that the present event returned.
func (d *dependencies) learn(write int32) {
	if session := d.h.events[write].session; session != d.session {
		d.clocks[d.session].learn(d.snapshots.of(write), session, write)
	}
}

// observe notes the present read as one that returned an overwriter of what
// the write overwrites.
func (d *dependencies) observe(write, key int32) {
	for _, u := range d.direct[d.snapshots.slot[write]] {
		if d.over.write.find(u, d.countsHere) == none {
			d.over.write.add(u, d.e)
		}
	}
	if !d.observed(key) {
		d.over.start.add(key, d.e)
	}
	d.bases.read(d.session, base{key, write, d.snapshots.of(write), d.e})
}

// observed says whether a read of the key before the present one counts for what
// the session writes. It asks the clock, for the reads by sessions that knew
// nothing when they began may be many.
func (d *dependencies) observed(key int32) bool {
	groups := d.reads[key]
	if own := groupOf(groups, d.session); d.sorted[own.begin] < d.e {
		return true
	}
	observed := false
	known := d.clocks[d.session].causalClock
	known.news(nil, groups, func(g *causalGroup) bool {
		observed = known.of(g.session) > d.sorted[g.begin]
		return !observed
	})
	return observed
}

// overwrites finds the writes of the key on which the present one depends,
// except those for which another one does as well.
func (d *dependencies) overwrites(event *causalEvent) []int32 {
	var found []int32
	known := &d.clocks[d.session]
	base := d.base(event.key)
	var below causalClock
	if base != nil {
		below = base.clock.causalClock
	}
	look := func(g *causalGroup) {
		bound, from := known.of(g.session), below.of(g.session)
		if g.session == d.session {
			bound = d.e
		}
		if base != nil && g.session == d.h.events[base.write].session {
			from = base.write
		}
		if bound <= from || bound <= d.sorted[g.begin] {
			return
		}
		for j := position(d.sorted[g.begin:g.end], bound) - 1; j >= 0; j-- {
			read := d.sorted[g.begin+j]
			if read < from {
				break
			}
			found = d.overwritten(found, d.h.events[read].source)
		}
	}
	own := groupOf(d.reads[event.key], d.session)
	if own != nil {
		look(own)
	}
	known.news(below, d.reads[event.key], func(g *causalGroup) bool {
		if g != own {
			look(g)
		}
		return true
	})
	if base != nil {
		found = d.overwritten(found, base.write)
	}
	return found
}

// overwritten adds the write to those found, once.
func (d *dependencies) overwritten(found []int32, write int32) []int32 {
	if d.marked[write] == d.e {
		return found
	}
	d.marked[write] = d.e
	if d.over.write.find(write, d.countsHere) != none {
		return found
	}
	return append(found, write)
}

// base is a write of the key that was read lately and on which the present
// event depends, or nil.
func (d *dependencies) base(key int32) *base {
	return d.bases.find(d.session, key, func(b *base) bool { return d.countsHere(b.read) })
}
