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
	// of zones
	bounds            []bounds
	forward, backward []zone
	// of certificate
	places []place
	chains chains
}

// decision is what a decider says of a register: conflicts if it is certainly
// not linearizable, proved if it certainly is, neither if it takes a search
// through the prepared operations. It is valid until the decider's next use.
type decision struct {
	conflicts []conflict
	proved    bool
	prepared  prepared
}

// decide decides the register: by conflicts, then by an order made from the zones.
func (d *decider) decide(r *register) decision {
	found, _ := d.conflicts(r)
	if len(found) > 0 {
		return decision{conflicts: found}
	}
	p := d.prepare(r)
	return decision{proved: p.counted && d.certificate(p), prepared: p}
}

// conflicts finds the values that cannot have been read, or else the pairs of
// values that exclude each other. Where complete is true and there are none,
// the register is linearizable: of reads and writes of different values that
// is Gibbons and Korach's theorem.
func (d *decider) conflicts(r *register) (found []conflict, complete bool) {
	d.found = r.impossible(d.found[:0])
	switch {
	case len(d.found) > 0:
		return d.found, false
	case r.plain():
		d.plainZones(r)
		complete = true
	default:
		p := d.prepare(r)
		if !p.counted {
			return nil, false
		}
		d.zones(p)
	}
	d.found = zoneConflicts(d.found, d.forward, d.backward)
	return d.found, complete
}
