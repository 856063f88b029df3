package core

// resolver=dotted: dotted version vectors (Preguiça, Baquero, Almeida, Fonte
// and Gonçalves, Dotted Version Vectors: Logical Clocks for Optimistic
// Replication, arXiv:1011.5808, 2010; the form for a set of siblings in one
// container is of Almeida, Baquero, Gonçalves, Preguiça and Fonte, Scalable and
// Accurate Causality Tracking for Eventually Consistent Stores, DAIS 2014, and
// is what Riak keeps since 2.0).
//
// A vector stands for a prefix of each actor's events and so can't say "this
// one event, but not the one before it", which is what a write through a
// replica that holds something newer than its writer has read amounts to. A
// dot can: it names one event. So each value carries the dot of its write, and
// the key one vector for all that is known to have happened. Four operations:
//
//	event    a new dot: one more than all that the replica and the context know of
//	discard  of the values, those go whose dots the context has seen
//	write    discard with the writer's context, then add the value with its dot
//	sync     a value stays if both have it, or if only one has it and the other's
//	         vector doesn't know its dot; if it does, the value was replaced there
//
// That is exact: after any exchange a replica holds those values, and only
// those, that no write which it knows of had read (a test holds it against sets
// of events). Two clients in turns cause no explosion: each replaces what it
// has read. The price over a plain vector is one dot a value.
//
// An actor that gives out a dot twice breaks the exactness (see actor.go). Two
// values with one dot are both kept, as Riak does (riak_object:fold_contents/3);
// one whose dot a vector has seen, as an earlier value's, is dropped.

func (out *versions) writeDotted(have *versions, w *versionWrite) versionProblem {
	dot, ok := w.next(have.clock) // event
	if !ok {
		return versionExhausted
	}
	add := w.value
	add.dot = dot
	out.clock = have.clock.Merge(w.context).with(dot, add.version.Time)
	out.values = insertValue(discard(have.values, w.context), add)
	return versionWritten
}

// discard returns the values whose dots the context has not seen.
func discard(values []versionedValue, seen Vector) (left []versionedValue) {
	for i := range values {
		if !seen.Has(values[i].dot) {
			left = append(left, values[i])
		}
	}
	return left
}

// mergeDotted is sync.
func (v *versions) mergeDotted(o *versions) *versions {
	out := &versions{resolver: v.resolver, single: v.single, keepEqual: v.keepEqual, clock: v.clock.Merge(o.clock)}
	out.values = unionOfValues(v.surviving(o), o.surviving(v))
	if len(out.values) == 0 {
		// Only with siblings=last-modified, where "not there but known" may also
		// mean "was older than another": each side has dropped what the other
		// side kept, because clocks are skewed. Nothing would be left; the last modified is.
		out.values = newestOnly(unionOfValues(v.values, o.values))
	}
	return out
}

// surviving returns the values that stay in the join with the other state.
func (v *versions) surviving(o *versions) (left []versionedValue) {
	for i := range v.values {
		if a := &v.values[i]; !o.clock.Has(a.dot) || o.holds(a.dot) {
			left = append(left, *a)
		}
	}
	return left
}

func (v *versions) holds(d Dot) bool {
	for i := range v.values {
		if v.values[i].dot == d {
			return true
		}
	}
	return false
}
