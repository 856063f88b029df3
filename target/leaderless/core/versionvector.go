package core

// resolver=version-vector: each value has a vector of its own, entries by the
// replica that carried its write out, as in Dynamo's paper (§4.4, figure 3) and
// in Voldemort. A value whose vector descends from another's takes its place;
// values whose vectors are concurrent stay side by side.
//
// One entry a replica can't express that two writes through the same replica
// were concurrent: A:2 descends from A:1, whatever the writer of A:2 had read.
// So something must be done about a write through A whose context has not seen
// A's newest, and there are two schools (obsolete-puts):
//
//   - merge: the replica counts on from its own greatest number. The new value
//     takes the place of the one that its writer had never seen: of concurrent
//     writes through one replica the last to arrive wins, and the other one, though
//     acknowledged, is lost (Preguiça et al. 2010, §3, "version vectors with
//     per-server entries"). Only writes through different replicas are siblings.
//   - ignore, refuse: Voldemort's way (VectorClock.incremented). The replica
//     counts on from the context: A:1 again, or less than it holds. It finds
//     such a write obsolete and refuses it with an error (its
//     ObsoleteVersionException); the client is to read again and to retry.
//     Other replicas compare as well. With ignore the coordinator takes their
//     refusal for success, as Voldemort's client does
//     (PerformParallelPutRequests); with refuse it counts it as no answer.
//
// In the second, a number is only as good as the replica's memory. A replica
// that has lost A:2 gives it out again, for another value. The others hold
// their own A:2, answer "obsolete", and that counts as success: the write is
// acknowledged, and replicas that hold different values under equal vectors
// never notice. No read repair and no hint will mend it (the catalogue's item
// 19). With merge both values stay as siblings.
//
// siblings=last-modified leaves the stored values alone here: the reader
// chooses, as Voldemort's resolvers do (VectorClockInconsistencyResolver, then
// TimeBasedInconsistencyResolver).

func (out *versions) writeVersionVector(have *versions, w *versionWrite, s *versioning) versionProblem {
	var known Vector
	if out.keepEqual {
		known = have.past()
	}
	dot, ok := w.next(known)
	if !ok {
		return versionExhausted
	}
	add := w.value
	add.dot = dot
	add.clock = w.context.with(dot, add.version.Time).prune(&s.prune, add.version.Time)
	for i := range have.values {
		v := &have.values[i]
		if v.clock.Descends(add.clock) && !out.keepEqual {
			return versionObsolete
		}
		if !add.clock.Descends(v.clock) {
			out.values = append(out.values, *v)
		}
	}
	out.values = insertValue(out.values, add)
	return versionWritten
}

func (v *versions) mergeVersionVector(o *versions) *versions {
	out := &versions{resolver: v.resolver, single: v.single, keepEqual: v.keepEqual}
	var mine, theirs []versionedValue
	for i := range v.values {
		if !v.values[i].obsoleteIn(o, false) {
			mine = append(mine, v.values[i])
		}
	}
	for i := range o.values {
		if !o.values[i].obsoleteIn(v, !v.keepEqual) {
			theirs = append(theirs, o.values[i])
		}
	}
	out.values = unionOfValues(mine, theirs)
	return out
}

// obsoleteIn says that the state has a value whose past includes this one, or,
// if equal ones count, another value with an equal vector.
func (a *versionedValue) obsoleteIn(v *versions, equal bool) bool {
	for i := range v.values {
		b := &v.values[i]
		switch b.clock.Order(a.clock) {
		case OrderAfter:
			return true
		case OrderEqual:
			if equal && !a.is(b) {
				return true
			}
		}
	}
	return false
}
