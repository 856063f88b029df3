package checker

// decider decides registers without a search where that is possible, and keeps
// its storage from one to the next.
type decider struct {
	found []conflict
	// of prepare
	operations []registerOperation
	flags      []bool
	ends       []int64
	stack      []int32
	proof      []int32
	// of zones and blocks
	bounds            []bounds
	links             []link
	extremes          []extremes
	written           int32
	forward, backward []zone
	// of sweep, whose order is also that of certificate
	sweeper sweeper
	// of certificate
	places []place
	chains chains
	// of mismatches
	unlike     []unlike
	segments   []segment
	come, gone []int32
}

// decision is what a decider says of a register: conflicts if it is certainly
// not linearizable, proved if it certainly is, neither if it takes a search
// through the prepared operations. It is valid until the decider's next use.
type decision struct {
	conflicts []conflict
	proved    bool
	prepared  prepared
}

// decide decides the register: by conflicts, or else by an order that is replayed.
func (d *decider) decide(r *register) decision {
	p, complete := d.examine(r)
	if len(d.found) > 0 {
		return decision{conflicts: d.found}
	}
	if r.plain() {
		p = d.prepare(r)
		return decision{proved: d.certificate(p), prepared: p}
	}
	proved := false
	switch {
	case r.repeated > 0:
	case r.mismatches > 0:
		proved = d.ordersBesideMismatches(r, p)
	case p.deletes:
		if !complete {
			break
		}
		d.chains.load(p)
		proved = d.replays(p)
	case complete:
		proved = d.certificate(p)
	}
	if len(d.found) > 0 {
		return decision{conflicts: d.found}
	}
	if r.mismatches > 0 {
		p = d.prepare(r)
	}
	return decision{proved: proved, prepared: p}
}

// conflicts finds the values that cannot have been read, or else the operations
// that exclude each other. Where complete is true and there are none, the
// register is linearizable: by Gibbons and Korach's theorem on reads and writes
// of different values, and by what blocks and sweep make of it.
func (d *decider) conflicts(r *register) (found []conflict, complete bool) {
	_, complete = d.examine(r)
	return d.found, complete
}

// examine is conflicts, with the prepared history if the register is not plain.
// It has no mismatches: they can only forbid more.
func (d *decider) examine(r *register) (p prepared, complete bool) {
	d.found = r.impossible(d.found[:0])
	switch {
	case len(d.found) > 0:
		return p, false
	case r.plain():
		d.plainZones(r)
		d.found = zoneConflicts(d.found, d.forward, d.backward)
		return p, true
	case r.repeated > 0:
		p = d.prepare(r)
		d.zones(r, p)
		d.found = zoneConflicts(d.found, d.forward, d.backward)
		return p, false
	}
	p = d.prepareAll(r, false)
	d.blocks(p)
	if len(d.found) > 0 {
		return p, false
	}
	d.found = zoneConflicts(d.found, d.forward, d.backward)
	for i := range d.found {
		c := &d.found[i]
		for _, root := range []int32{c.a, c.b} {
			c.shown = d.positions(c.shown, p, d.extremes[root])
		}
	}
	if len(d.found) > 0 || !p.deletes {
		return p, !p.optional && r.mismatches == 0
	}
	d.sweep(p)
	complete = !p.optional && r.mismatches == 0
	if len(d.found) > 0 && p.optional {
		// What may not have taken effect could explain it.
		d.found = d.found[:0]
		return p, false
	}
	// An order that needs nothing of what may not have taken effect is one.
	return p, complete || len(d.found) == 0 && r.mismatches == 0
}

// positions appends the positions of the operations that make a block's zone.
func (d *decider) positions(to []int32, p prepared, x extremes) []int32 {
	for _, i := range []int32{x.first, x.latest} {
		if i != none {
			to = append(to, p.operations[i].position)
		}
	}
	return to
}
