package core

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strings"
)

// Vectors: which events a state is the outcome of, without listing them.
//
// Two values of a key meet. Either one was written by somebody who had seen
// the other, then that one is out of date; or neither was, then they are
// concurrent and no rule can know which of them the users want. Wall clocks
// can't tell the two cases apart. A vector can: it has, for each actor, how
// many of its events are in a state's past. One state's past includes the
// other's iff none of its entries is smaller (Parker et al., Detection of
// Mutual Inconsistency in Distributed Systems, 1983, "version vectors"; the
// vector clocks of Fidge and Mattern, 1988, are the same vectors for messages).
// It stands for all events of an actor up to the number, so the events of one
// actor must reach everybody as a prefix; dots (see dotted.go) are the
// exception that makes concurrent events of one actor visible.
//
// The price is an entry for each actor that ever wrote the key. Actors are
// therefore replicas, of which there are few, and not clients; and still a
// vector grows with every node that replaces another. Dynamo (§4.4) drops the
// oldest entry beyond about ten, Riak (vclock:prune/3) beyond 50, and so does
// prune below: a forgotten entry can only make what was ordered look
// concurrent, never the reverse, so what it costs is siblings that are none
// (the catalogue's item 17).

// VectorEntry says that all events of an actor up to a number are in the past.
type VectorEntry struct {
	Actor Actor
	// Counter is the number of the actor's newest event, at least 1.
	Counter uint64
	// Time is when that event happened by the clock of who made it, in
	// nanoseconds. It has no part in the order; pruning goes by it.
	Time int64
}

// Vector is a version vector: entries of different actors, in the actors'
// order. The empty one is nothing's past. A Vector is never changed.
type Vector []VectorEntry

func (v Vector) find(a Actor) (int, bool) {
	return slices.BinarySearchFunc(v, a, func(e VectorEntry, a Actor) int { return e.Actor.Compare(a) })
}

// Counter returns the number of the actor's newest event in the past, 0 if there is none.
func (v Vector) Counter(a Actor) uint64 {
	if i, found := v.find(a); found {
		return v[i].Counter
	}
	return 0
}

// Has says that the event is in the past.
func (v Vector) Has(d Dot) bool { return d.Counter <= v.Counter(d.Actor) }

// Descends says that everything in u's past is in v's: also if both are equal.
func (v Vector) Descends(u Vector) bool {
	if len(u) > len(v) {
		return false
	}
	i := 0
	for _, e := range u {
		for i < len(v) && v[i].Actor.Compare(e.Actor) < 0 {
			i++
		}
		if i == len(v) || v[i].Actor != e.Actor || v[i].Counter < e.Counter {
			return false
		}
	}
	return true
}

// Order is how two vectors stand to each other.
type Order uint8

// The orders of two vectors.
const (
	OrderEqual Order = iota
	OrderBefore
	OrderAfter
	OrderConcurrent
)

// Order says how v stands to u.
func (v Vector) Order(u Vector) Order {
	switch down, up := v.Descends(u), u.Descends(v); {
	case down && up:
		return OrderEqual
	case down:
		return OrderAfter
	case up:
		return OrderBefore
	}
	return OrderConcurrent
}

// Merge returns the least vector that descends from both: their past together.
// Of two times of one event, which differ only if an actor gave out a number
// twice, the later one stays.
func (v Vector) Merge(u Vector) Vector {
	if len(u) == 0 {
		return v
	}
	if len(v) == 0 {
		return u
	}
	out := make(Vector, 0, len(v)+len(u))
	for len(v) > 0 && len(u) > 0 {
		switch c := v[0].Actor.Compare(u[0].Actor); {
		case c < 0:
			out, v = append(out, v[0]), v[1:]
		case c > 0:
			out, u = append(out, u[0]), u[1:]
		default:
			newer := v[0]
			if c := cmp.Or(cmp.Compare(u[0].Counter, newer.Counter), cmp.Compare(u[0].Time, newer.Time)); c > 0 {
				newer = u[0]
			}
			out, v, u = append(out, newer), v[1:], u[1:]
		}
	}
	return append(append(out, v...), u...)
}

// with returns v with the event in its past, and with it all of the actor's up to it.
func (v Vector) with(d Dot, time int64) Vector {
	i, found := v.find(d.Actor)
	e := VectorEntry{d.Actor, d.Counter, time}
	if !found {
		return slices.Insert(slices.Clone(v), i, e)
	}
	if v[i].Counter >= d.Counter {
		return v
	}
	out := slices.Clone(v)
	out[i] = e
	return out
}

// pruning says when vectors lose entries, after vclock:prune/3 of Riak.
type pruning struct {
	// small and big are the entries that a vector may have in any case and
	// those that it may have at most; 0: there is no pruning.
	small, big int
	// An entry younger than that is never dropped, however many there are; one
	// that is older than the other is dropped from a vector that is not small.
	younger, older int64
}

// prune returns v without the entries that are too many or too old at the
// given time: the oldest first, and of two equally old ones that of the lesser
// actor, so that replicas which prune the same vector agree.
func (v Vector) prune(p *pruning, now int64) Vector {
	if p.big == 0 || len(v) <= p.small {
		return v
	}
	byAge := slices.Clone(v)
	slices.SortFunc(byAge, func(a, b VectorEntry) int { return cmp.Or(cmp.Compare(a.Time, b.Time), a.Actor.Compare(b.Actor)) })
	dropped := 0
	for len(byAge)-dropped > p.small {
		age := elapsed(byAge[dropped].Time, now)
		if age < p.younger || len(byAge)-dropped <= p.big && age <= p.older {
			break
		}
		dropped++
	}
	if dropped == 0 {
		return v
	}
	left := byAge[dropped:]
	slices.SortFunc(left, func(a, b VectorEntry) int { return a.Actor.Compare(b.Actor) })
	return left
}

// elapsed is now - then for then ≤ now, and else 0; it does not overflow.
func elapsed(then, now int64) int64 {
	if then >= now {
		return 0
	}
	if d := now - then; d > 0 {
		return d
	}
	return math.MaxInt64
}

// String writes the vector as {ACTOR:COUNTER …}.
func (v Vector) String() string {
	var b strings.Builder
	b.WriteByte('{')
	for i, e := range v {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(Dot{e.Actor, e.Counter}.String())
	}
	b.WriteByte('}')
	return b.String()
}

// maxVectorEntries bounds what a vector from outside may hold.
const maxVectorEntries = 1 << 14

// appendTo appends the number of entries (uvarint) and of each its dot and its time (zig-zag varint).
func (v Vector) appendTo(buf []byte) []byte {
	buf = appendUvarint(buf, uint64(len(v)))
	for _, e := range v {
		buf = Dot{e.Actor, e.Counter}.appendTo(buf)
		buf = binary.AppendVarint(buf, e.Time)
	}
	return buf
}

// vector reads what Vector.appendTo wrote.
func (d *decoder) vector() Vector {
	n := d.uvarint()
	// An entry has at least four bytes: a lie about their number must not cost memory.
	if d.ok() && (n > maxVectorEntries || n > uint64(len(d.rest)/4)) {
		d.fail("too many entries of a vector")
	}
	if !d.ok() || n == 0 {
		return nil
	}
	v := make(Vector, 0, n)
	for range n {
		dot := d.dot()
		e := VectorEntry{dot.Actor, dot.Counter, d.varint()}
		if d.ok() && len(v) > 0 && v[len(v)-1].Actor.Compare(e.Actor) >= 0 {
			d.fail("a vector out of order")
		}
		if !d.ok() {
			return nil
		}
		v = append(v, e)
	}
	return v
}
