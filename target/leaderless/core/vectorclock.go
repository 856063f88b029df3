package core

// resolver=vector-clock: one vector for the key as a whole, entries by replica.
// Riak did it so from 1.0 (vnode_vclocks) until dotted version vectors came,
// and does it still for its default bucket type (riak_object:update/5 and
// merge/2 with dvv_enabled=false).
//
// The replica that carries a write out compares the writer's context with its
// own vector. If the context descends from that, the writer has seen all there
// is, and the value takes its place. If not, something is there that the writer
// has not seen; which of the siblings, the one vector can't tell, so all of
// them stay, and the new value beside them.
//
// There lies the flaw, sibling explosion: two clients that read and write in
// turns, each time with the context of a read that is one write old. Neither's
// context ever descends from the replica's vector, so every write adds its
// value and removes nothing, not even the values that its writer has read, for
// ever (the catalogue's item 16; "Sibling explosion" in Riak's documentation).
//
// A vector clock of the key is no join semilattice of its values: a merge of
// two concurrent states keeps a value that one of them had already replaced,
// and whether it does depends on the order of the merges. Replicas converge
// all the same, because with equal vectors the union of the values is left.

func (out *versions) writeVectorClock(have *versions, w *versionWrite) versionProblem {
	dot, ok := w.next(have.clock)
	if !ok {
		return versionExhausted
	}
	add := w.value
	add.dot = dot
	if w.context.Descends(have.clock) {
		out.clock, out.values = w.context, []versionedValue{add}
	} else {
		out.clock, out.values = have.clock.Merge(w.context), insertValue(have.values, add)
	}
	out.clock = out.clock.with(dot, add.version.Time)
	return versionWritten
}

func (v *versions) mergeVectorClock(o *versions) *versions {
	switch v.clock.Order(o.clock) {
	case OrderAfter:
		return v
	case OrderBefore:
		return o
	}
	return &versions{resolver: v.resolver, single: v.single, keepEqual: v.keepEqual,
		clock: v.clock.Merge(o.clock), values: unionOfValues(v.values, o.values)}
}
