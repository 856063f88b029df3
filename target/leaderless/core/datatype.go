package core

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxElementBytes bounds elements of sets and names of members and columns,
// MaxObjectBytes what an update may make of a data type: its replicas travel
// and are logged whole.
const (
	MaxElementBytes = 4 << 10
	MaxObjectBytes  = 256 << 10
)

// dataType is the state of a counter, a set or a map: members in one causal
// context (see dots.go). Counters and sets have a single member, without a
// name. Never changed once it is made.
type dataType struct {
	kind    ObjectKind
	seen    Vector
	members []member // in order
	// deferred are removals of what has not been seen here; in order.
	deferred []removal
}

// removal takes away what had been seen when it was asked for.
type removal struct {
	seen  Vector
	scope removalScope
	// name is the member's, element the set's where the scope says so.
	name, element string
}

type removalScope uint8

const (
	removesAll removalScope = iota + 1
	removesMember
	removesElement

	lastRemovalScope = removesElement
)

// Kind is counter, set or map.
func (t *dataType) Kind() ObjectKind { return t.kind }

// Merge joins: see dots.go. Removals that were deferred in one of the states
// are carried out on what the other brings.
func (t *dataType) Merge(other Object) Object {
	u, ok := other.(*dataType)
	if !ok || u.kind != t.kind {
		return t
	}
	joined := &dataType{kind: t.kind, seen: t.seen.Merge(u.seen), members: joinMembers(t.members, u.members, t.seen, u.seen)}
	if len(t.deferred)+len(u.deferred) > 0 {
		joined.deferred = append(slices.Clone(t.deferred), u.deferred...)
		joined.settle()
	}
	switch {
	case joined.equal(t):
		return t
	case joined.equal(u):
		return u
	}
	return joined
}

// Covers says that a join with the other would change nothing.
func (t *dataType) Covers(other Object) bool {
	u, ok := other.(*dataType)
	return !ok || u == t || u.kind != t.kind || t.seen.Descends(u.seen) && t.Merge(u) == Object(t)
}

func (t *dataType) equal(u *dataType) bool {
	return slices.Equal(t.seen, u.seen) && slices.EqualFunc(t.deferred, u.deferred, func(a, b removal) bool { return a.compare(&b) == 0 }) &&
		slices.EqualFunc(t.members, u.members, func(a, b member) bool { return a.equal(&b) })
}

// settle carries out the deferred removals and forgets those that have seen
// no more than this state, repetitions too.
func (t *dataType) settle() {
	slices.SortFunc(t.deferred, func(a, b removal) int { return a.compare(&b) })
	var left []removal
	for i := range t.deferred {
		r := &t.deferred[i]
		t.members = r.apply(t.members)
		if !t.seen.Descends(r.seen) && (len(left) == 0 || left[len(left)-1].compare(r) != 0) {
			left = append(left, *r)
		}
	}
	t.deferred = left
}

func (r *removal) compare(o *removal) int {
	if c := slices.CompareFunc(r.seen, o.seen, func(a, b VectorEntry) int { return Dot{a.Actor, a.Counter}.Compare(Dot{b.Actor, b.Counter}) }); c != 0 {
		return c
	}
	if r.scope != o.scope {
		return int(r.scope) - int(o.scope)
	}
	if c := strings.Compare(r.name, o.name); c != 0 {
		return c
	}
	return strings.Compare(r.element, o.element)
}

// apply returns the members without what the removal takes away.
func (r *removal) apply(members []member) (out []member) {
	for i := range members {
		m := members[i]
		switch {
		case r.scope != removesAll && m.name != r.name:
		case r.scope == removesElement:
			m.set = removeElement(m.set, r.element, r.seen)
		default:
			m = m.unseen(r.seen)
		}
		if !m.empty() {
			out = append(out, m)
		}
	}
	return out
}

// Siblings is the one value: the decimal sum of a counter, a JSON array of a
// set's elements in order, a JSON object of a map's members.
func (t *dataType) Siblings() []Sibling { return []Sibling{{Value: t.value()}} }

// Context is what had been seen.
func (t *dataType) Context() []byte {
	c := Context{Seen: t.seen}
	return c.Encode()
}

func (t *dataType) value() []byte {
	if t.kind != ObjectMap {
		m := member{kind: memberCounter}
		if t.kind == ObjectSet {
			m.kind = memberSet
		}
		if len(t.members) > 0 {
			m = t.members[0]
		}
		return m.appendValue(nil)
	}
	buf := []byte{'{'}
	for i := range t.members {
		m := &t.members[i]
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(appendJSON(buf, m.name+memberSuffix[m.kind]), ':')
		buf = m.appendValue(buf)
	}
	return append(buf, '}')
}

func (m *member) appendValue(buf []byte) []byte {
	switch m.kind {
	case memberCounter:
		return strconv.AppendInt(buf, totalOf(m.counter), 10)
	case memberRegister:
		return appendJSON(buf, newestOf(m.register))
	}
	buf = append(buf, '[')
	for i := range m.set {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendJSON(buf, m.set[i].value)
	}
	return append(buf, ']')
}

// appendJSON appends a text as a JSON string.
func appendJSON(buf []byte, text string) []byte {
	const hex = "0123456789abcdef"
	buf = append(buf, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			buf = append(buf, '\\', c)
		case c < 0x20:
			buf = append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			buf = append(buf, c)
		}
	}
	return append(buf, '"')
}

// isText says whether the bytes are UTF-8, as what is shown in JSON must be.
func isText(b []byte) bool { return bytes.Equal(bytes.ToValidUTF8(b, nil), b) }

// update returns the state after the operation, carried out by the actor as a
// write of that version. seen is what the client had seen, for removals; nil
// stands for what this replica holds. The result is the receiver where nothing
// changed; problem says why the operation can't be carried out.
func (t *dataType) update(o *Operand, actor Actor, seen Vector, version Version) (_ *dataType, problem string) {
	if problem := o.problem(t.kind); problem != "" {
		return t, problem
	}
	out := &dataType{kind: t.kind, seen: t.seen, members: t.members, deferred: t.deferred}
	switch o.Kind {
	case OperandRemove:
		return out.remove(removal{seen: seen, scope: removesElement, name: o.Field, element: string(o.Element)}), ""
	case OperandDrop:
		return out.remove(removal{seen: seen, scope: removesMember, name: o.Field}), ""
	}
	dot := Dot{actor, t.seen.Counter(actor) + 1}
	out.seen = t.seen.with(dot, 0)
	m := member{name: o.Field, kind: memberCounter}
	switch o.Kind {
	case OperandInsert:
		m.kind = memberSet
	case OperandAssign:
		m.kind = memberRegister
	}
	i, found := slices.BinarySearchFunc(t.members, &m, func(a member, b *member) int { return compareMembers(&a, b) })
	if found {
		m = t.members[i]
	}
	switch o.Kind {
	case OperandAdd:
		store, changed, ok := addTo(m.counter, dot, o.By, o.ID, rememberedOperations)
		if !ok {
			return t, fmt.Sprintf("the sum of what was added through one node must stay below %d", int64(largestSum))
		}
		if !changed {
			return t, ""
		}
		m.counter = store
	case OperandInsert:
		m.set = insertElement(m.set, string(o.Element), dot)
	case OperandAssign:
		m.register = replaceDotted(dot, assignment{version, string(o.Element)})
	}
	out.members = slices.Clone(t.members)
	if found {
		out.members[i] = m
	} else {
		out.members = slices.Insert(out.members, i, m)
	}
	if size := len(out.appendTo(nil)); size > MaxObjectBytes {
		return t, fmt.Sprintf("the %s would take %d bytes, at most %d are allowed: spread it over several keys", objectNames[t.kind], size, MaxObjectBytes)
	}
	return out, ""
}

// remove carries a removal out, as far as it can be yet.
func (t *dataType) remove(r removal) *dataType {
	if r.seen == nil {
		r.seen = t.seen
	}
	t.deferred = append(slices.Clone(t.deferred), r)
	t.settle()
	return t
}

// clear returns the state after the key was deleted.
func (t *dataType) clear(seen Vector) *dataType {
	out := *t
	return out.remove(removal{seen: seen, scope: removesAll})
}

// problem says why the operation makes no sense for that data type, or "".
func (o *Operand) problem(kind ObjectKind) string {
	fits := false
	switch o.Kind {
	case OperandAdd:
		fits = kind == ObjectCounter || kind == ObjectMap
	case OperandInsert, OperandRemove:
		fits = kind == ObjectSet || kind == ObjectMap
	case OperandAssign:
		fits = kind == ObjectMap
	case OperandDrop:
		fits = kind == ObjectMap
	case OperandColumns:
		fits = kind == ObjectRow
	}
	named := kind == ObjectMap
	switch {
	case !fits:
		return "a " + objectNames[kind] + " has no such operation"
	case named && o.Field == "":
		return "an operation on a " + objectNames[kind] + " must name its field"
	case !named && o.Field != "":
		return "a " + objectNames[kind] + " has no fields"
	case len(o.Field) > MaxElementBytes:
		return fmt.Sprintf("a field's name may have %d bytes at most", MaxElementBytes)
	case o.Kind != OperandAssign && len(o.Element) > MaxElementBytes:
		return fmt.Sprintf("an element may have %d bytes at most", MaxElementBytes)
	case !isText([]byte(o.Field)) || !isText(o.Element):
		return "names and values of data types must be UTF-8"
	case o.Kind == OperandColumns:
		return columnsProblem(o.Columns)
	}
	return ""
}

// objectNames are the kinds of objects as the setting data-type and messages to people call them.
var objectNames = [...]string{ObjectVersions: "register", ObjectCounter: "counter", ObjectSet: "set", ObjectMap: "map", ObjectRow: "row"}
