package core

import "fmt"

// Object is the state of a key that is more than the newest cell: concurrent
// values with their causal clocks, or a replicated data type. All kinds are
// join semilattices (Shapiro, Preguiça, Baquero, Zawirski: Conflict-free
// Replicated Data Types, SSS 2011): replicas that were told of the same
// updates, in whatever order and however often, hold the same state. An Object
// is never changed once it is in a cell.
type Object interface {
	// Kind says what the object is.
	Kind() ObjectKind
	// Merge returns the join with another object of the same kind. It may
	// return either of the two when that covers the other; of another kind, it
	// returns the receiver.
	Merge(other Object) Object
	// Covers says that everything that is in other is also in this one.
	Covers(other Object) bool
	// Siblings are what a reader is shown, in an order that depends on nothing
	// but the state: several concurrent values, or the one value of a data type.
	Siblings() []Sibling
	// Context is the causal context that a reader is given; see context.go. Nil where there is none.
	Context() []byte

	// appendTo appends the encoding that objectDecoders reads.
	appendTo(buf []byte) []byte
}

// ObjectKind says what an Object is.
type ObjectKind uint8

// The kinds of objects.
const (
	// ObjectVersions are concurrent values; see versioned.go.
	ObjectVersions ObjectKind = iota + 1
	// ObjectCounter is a counter of increments and decrements.
	ObjectCounter
	// ObjectSet is an observed-remove set.
	ObjectSet
	// ObjectMap is a map of data types.
	ObjectMap
	// ObjectRow is a row of columns, each with its newest value.
	ObjectRow

	lastObjectKind = ObjectRow
)

// Sibling is one of the concurrent values of a key.
type Sibling struct {
	// Version is that of the write; it orders siblings where one must be chosen.
	Version Version
	// Dot names the write in causal contexts; zero where the resolver has none.
	Dot       Dot
	Value     []byte
	Tombstone bool
}

// objectDecoders read what appendTo of each kind has written, without the kind
// itself. A nil entry is a kind that this release does not know.
var objectDecoders [lastObjectKind + 1]func(*decoder) Object

// appendObject appends the kind and the object.
func appendObject(buf []byte, o Object) []byte {
	return o.appendTo(append(buf, byte(o.Kind())))
}

// object reads what appendObject wrote. The result shares no memory with the input.
func (d *decoder) object() Object {
	kind := ObjectKind(d.byte())
	if !d.ok() {
		return nil
	}
	if kind > lastObjectKind || objectDecoders[kind] == nil {
		d.fail(fmt.Sprintf("unknown kind of object %d", kind))
		return nil
	}
	o := objectDecoders[kind](d)
	if !d.ok() {
		return nil
	}
	return o
}
