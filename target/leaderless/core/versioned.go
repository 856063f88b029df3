package core

import (
	"bytes"
	"cmp"
	"math"
	"slices"
)

// Values side by side. Two clients that write a key at the same time, each on
// its side of a partition, have both been told "ok". Last write wins throws one
// of the two away; here both stay, as siblings, until somebody who has read
// both writes the value that takes their place (Dynamo §4.4; DDIA ch. 5,
// "Detecting Concurrent Writes"). Three ways to tell siblings from values that
// are out of date, each with its own flaw:
//
//	vector-clock    one vector for the key: vectorclock.go (Riak's older way)
//	version-vector  one vector for each value: versionvector.go (Dynamo, Voldemort)
//	dotted          one vector for the key, a dot for each value: dotted.go (Riak)
//
// What all three share: a client gets a context with what it reads (see
// context.go) and hands it back with what it writes. The replica that carries
// the write out (see update.go) makes an event of its own for it, and the value
// takes the place of everything that the context has seen. A write without a
// context has seen nothing and takes the place of nothing: blind writes pile up
// as siblings (the catalogue's item 15). A delete is a write that leaves a
// tombstone, which can be a sibling, too: somebody deletes what somebody else
// overwrites. A delete without a context takes the place of all that its
// replica holds, as Riak's does (riak_kv_delete reads first): nobody who
// deletes a key wants one more version of it.
//
// The price of it all is that the application must merge. If it does not want
// to, siblings=last-modified keeps or shows only the newest of concurrent
// values, as Riak's allow_mult=false and Voldemort's default resolver do; that
// is last write wins again, but only between values that really are concurrent.

// versions is the Object of a key with concurrent values. Never changed once made.
type versions struct {
	resolver Resolver
	// single: of concurrent values only the last modified one is kept; with
	// version-vector it is kept with the others, and shown alone.
	single bool
	// keepEqual: of two values with equal vectors both are kept (version-vector only; see versionvector.go).
	keepEqual bool
	// clock is the past of the key as a whole; empty with version-vector.
	clock Vector
	// values are the siblings by their versions; never none.
	values []versionedValue
}

// versionedValue is one of the siblings.
type versionedValue struct {
	// version is unique to the write. It names the value and tells when it was
	// last modified; causality has nothing to do with it.
	version   Version
	value     []byte
	tombstone bool
	// dot is the event of the write: with vector-clock only told to readers,
	// with dotted what the order goes by.
	dot Dot
	// clock is the past of this value, itself included; version-vector only.
	clock Vector
}

func (a *versionedValue) compare(b *versionedValue) int {
	if c := cmp.Or(a.version.Compare(b.version), a.dot.Compare(b.dot)); c != 0 {
		return c
	}
	if a.tombstone != b.tombstone {
		if a.tombstone {
			return 1
		}
		return -1
	}
	return bytes.Compare(a.value, b.value)
}

func (a *versionedValue) is(b *versionedValue) bool { return a.compare(b) == 0 }

// versioning is what of the settings decides about versions.
type versioning struct {
	resolver Resolver
	siblings Siblings
	obsolete ObsoletePuts
	prune    pruning
	// limit is the greatest number of siblings that a write may leave; 0: there is none.
	limit int
}

// versionWrite is a put or a delete that a replica is to carry out.
type versionWrite struct {
	actor Actor
	// dot is the event that the write became.
	dot Dot
	// context is what the writer has seen.
	context Vector
	value   versionedValue // but for its dot and its vector
}

// versionProblem says why a write was not carried out.
type versionProblem uint8

const (
	versionWritten versionProblem = iota
	// versionObsolete: the replica has a value whose past includes what the write would be.
	versionObsolete
	// versionSiblings: there would be more siblings than the limit.
	versionSiblings
	// versionExhausted: the actor has no number left, because a context says so.
	versionExhausted
)

// write returns the key's state after the write; have is nil if there is none
// so far. Its value becomes part of the state.
func (s *versioning) write(have *versions, w *versionWrite) (*versions, versionProblem) {
	if have == nil {
		have = &versions{}
	}
	out := &versions{resolver: s.resolver, single: s.siblings == SiblingsLastModified, keepEqual: s.obsolete == ObsoletePutsMerge}
	var problem versionProblem
	switch s.resolver {
	case ResolverVectorClock:
		problem = out.writeVectorClock(have, w)
	case ResolverVersionVector:
		problem = out.writeVersionVector(have, w, s)
	default:
		problem = out.writeDotted(have, w)
	}
	if problem != versionWritten {
		return nil, problem
	}
	out.settle()
	if s.limit > 0 && len(out.values) > s.limit && len(out.values) > len(have.values) {
		return nil, versionSiblings
	}
	out.clock = out.clock.prune(&s.prune, w.value.version.Time)
	return out, versionWritten
}

// next is the event of the write: one more than all that its actor, the
// writer and the given vector know of. False: there is no greater number.
func (w *versionWrite) next(known Vector) (Dot, bool) {
	counter := max(w.context.Counter(w.actor), known.Counter(w.actor))
	w.dot = Dot{w.actor, counter + 1}
	return w.dot, counter < math.MaxInt64
}

// settle drops all but the last modified value where only that is kept.
func (v *versions) settle() {
	if v.single && v.resolver != ResolverVersionVector {
		v.values = newestOnly(v.values)
	}
}

// Merge returns the join of both; see Object. An object of another resolver,
// which the settings no longer ask for, gives way to a newer one.
func (v *versions) Merge(other Object) Object {
	o, ok := other.(*versions)
	if !ok || o == v {
		return v
	}
	if o.resolver != v.resolver || o.single != v.single || o.keepEqual != v.keepEqual {
		if o.newest().compare(v.newest()) > 0 {
			return o
		}
		return v
	}
	var out *versions
	switch v.resolver {
	case ResolverVectorClock:
		out = v.mergeVectorClock(o)
	case ResolverVersionVector:
		out = v.mergeVersionVector(o)
	default:
		out = v.mergeDotted(o)
	}
	if out != v && out != o {
		out.settle()
	}
	switch {
	case out.same(v):
		return v
	case out.same(o):
		return o
	}
	return out
}

// Covers says that a merge with the other would change nothing.
func (v *versions) Covers(other Object) bool { return v.Merge(other) == Object(v) }

// same says that both know the same past and hold the same values.
func (v *versions) same(o *versions) bool {
	return v == o || slices.Equal(v.clock, o.clock) &&
		slices.EqualFunc(v.values, o.values, func(a, b versionedValue) bool { return a.is(&b) })
}

// newest is the last modified of the values.
func (v *versions) newest() *versionedValue { return &v.values[len(v.values)-1] }

// past is all that a reader of the values has seen.
func (v *versions) past() Vector {
	past := v.clock
	for i := range v.values {
		past = past.Merge(v.values[i].clock)
	}
	return past
}

// newestOnly keeps the last modified of values in order.
func newestOnly(values []versionedValue) []versionedValue {
	if len(values) > 1 {
		return values[len(values)-1:]
	}
	return values
}

// unionOfValues returns the values of both, which are in order, each once.
func unionOfValues(a, b []versionedValue) []versionedValue {
	out := make([]versionedValue, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := a[0].compare(&b[0]); {
		case c < 0:
			out, a = append(out, a[0]), a[1:]
		case c > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}

// insertValue returns the values, which are in order, with one more.
func insertValue(values []versionedValue, add versionedValue) []versionedValue {
	return unionOfValues(values, []versionedValue{add})
}
