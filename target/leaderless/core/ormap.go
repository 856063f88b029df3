package core

import (
	"cmp"
	"slices"
	"strings"
)

// A map whose members are data types themselves: counters, sets and registers
// (Riak's maps; DotMap of Almeida, Shoker, Baquero 2018). A name may have one
// member of each kind, as in Riak, so that two clients that disagree about the
// kind of a member both get theirs instead of an error.
//
// All members share the map's one version vector. An update of a member gives
// it a dot; removing a member removes the dots that were seen of it, at any
// depth, so that a concurrent update keeps the member alive with what it
// changed. A member that has no dot is not there: a set of the map that loses
// its last element is gone, where Riak would show an empty one.
//
// A register of a map has the value of its newest assignment by write version:
// last write wins among those that did not see each other, while an assignment
// that has seen others takes their place whatever its clock says.

// memberKind is the data type of a member.
type memberKind uint8

const (
	memberCounter memberKind = iota + 1
	memberSet
	memberRegister
)

// memberSuffix is what tells members of one name apart in the map's value.
var memberSuffix = [...]string{memberCounter: "_counter", memberSet: "_set", memberRegister: "_register"}

// member is one data type within an object. Only the field of its kind is used.
type member struct {
	name     string
	kind     memberKind
	counter  []dotted[contribution]
	set      []setElement
	register []dotted[assignment]
}

// assignment is what a register was given.
type assignment struct {
	version Version
	value   string
}

func (a *assignment) compare(b *assignment) int {
	return cmp.Or(a.version.Compare(b.version), strings.Compare(a.value, b.value))
}

// newestOf is the value of a register that has one.
func newestOf(store []dotted[assignment]) string {
	best := &store[0].value
	for i := range store {
		if store[i].value.compare(best) > 0 {
			best = &store[i].value
		}
	}
	return best.value
}

func compareMembers(a, b *member) int {
	return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.kind, b.kind))
}

func (m *member) empty() bool { return len(m.counter)+len(m.set)+len(m.register) == 0 }

func (m *member) equal(o *member) bool {
	return m.name == o.name && m.kind == o.kind && equalElements(m.set, o.set) && slices.Equal(m.register, o.register) &&
		slices.EqualFunc(m.counter, o.counter, func(x, y dotted[contribution]) bool { return x.dot == y.dot && x.value.compare(&y.value) == 0 })
}

// unseen is the member without what the vector stands for.
func (m *member) unseen(seen Vector) member {
	return member{m.name, m.kind, unseen(m.counter, seen), removeElements(m.set, seen), unseen(m.register, seen)}
}

// joinMembers joins the members of two states that have seen those vectors.
func joinMembers(a, b []member, seenA, seenB Vector) (out []member) {
	var none member
	for len(a) > 0 || len(b) > 0 {
		x, y, c := &none, &none, 0
		switch {
		case len(b) == 0:
			c = -1
		case len(a) == 0:
			c = 1
		default:
			c = compareMembers(&a[0], &b[0])
		}
		if c <= 0 {
			x, a = &a[0], a[1:]
		}
		if c >= 0 {
			y, b = &b[0], b[1:]
		}
		joined := member{
			name: cmp.Or(x.name, y.name), kind: cmp.Or(x.kind, y.kind),
			counter:  joinDotted(x.counter, y.counter, seenA, seenB, func(a, b *contribution) bool { return a.compare(b) >= 0 }),
			set:      joinElements(x.set, y.set, seenA, seenB),
			register: joinDotted(x.register, y.register, seenA, seenB, func(a, b *assignment) bool { return a.compare(b) >= 0 }),
		}
		if !joined.empty() {
			out = append(out, joined)
		}
	}
	return out
}

func appendMember(buf []byte, m *member) []byte {
	buf = append(appendString(buf, m.name), byte(m.kind))
	switch m.kind {
	case memberCounter:
		return appendDotted(buf, m.counter, appendContribution)
	case memberSet:
		return appendElements(buf, m.set)
	}
	return appendDotted(buf, m.register, func(buf []byte, a *assignment) []byte {
		return appendString(appendVersion(buf, a.version), a.value)
	})
}

func decodeMember(d *decoder, seen Vector) member {
	m := member{name: d.string(MaxElementBytes), kind: memberKind(d.byte())}
	switch m.kind {
	case memberCounter:
		m.counter = decodeDotted(d, seen, decodeContribution)
	case memberSet:
		m.set = decodeElements(d, seen)
	case memberRegister:
		m.register = decodeDotted(d, seen, func(d *decoder) assignment {
			return assignment{d.version(), d.string(MaxValueBytes)}
		})
	default:
		d.fail("unknown kind of member")
	}
	if d.ok() && m.empty() {
		d.fail("a member without an update")
	}
	return m
}
