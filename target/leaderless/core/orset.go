package core

import (
	"cmp"
	"slices"
	"strings"
)

// A set to which several replicas may add and from which they may remove at
// once, and where a removal takes away only what whoever removed had seen: an
// observed-remove set (Shapiro et al., INRIA 2011, §3.3.5), without tombstones
// as in Bieniusa et al. (An Optimized Conflict-free Replicated Set, INRIA 2012)
// and Riak's sets.
//
// Under a union of what two replicas hold, an element that was removed at one
// of them comes back from the other (the shopping cart of DDIA, p. 191). Here
// each addition has a dot of its own (see dots.go) and an element is in the set
// as long as a dot of it is. A removal names the dots that it has seen, by the
// context of the read that it follows, or else those that the replica holds
// which carries it out. An addition that came at the same time has another dot,
// and survives: add wins.
//
// A removal may be told to a replica that has not heard of the addition yet,
// because its context comes from a read of another one. It is kept (deferred)
// until all that the context stands for has come, and takes effect on what
// comes. Riak does so, too.
//
// The price: a dot or more for each element, a vector for each set, and an
// addition that is repeated after somebody removed the element puts it back.

// setElement is an element with the dots of its additions.
type setElement struct {
	value string
	dots  []dotted[struct{}]
}

func sameDot(*struct{}, *struct{}) bool { return true }

func findElement(elements []setElement, value string) (int, bool) {
	return slices.BinarySearchFunc(elements, value, func(e setElement, value string) int { return strings.Compare(e.value, value) })
}

// insertElement returns the elements with that one, whose only dot is now the
// given one: the earlier additions that were seen are superseded.
func insertElement(elements []setElement, value string, dot Dot) []setElement {
	i, found := findElement(elements, value)
	e := setElement{value, replaceDotted(dot, struct{}{})}
	out := slices.Clone(elements)
	if found {
		out[i] = e
		return out
	}
	return slices.Insert(out, i, e)
}

// removeElement returns the elements without the additions of that one that were seen.
func removeElement(elements []setElement, value string, seen Vector) []setElement {
	i, found := findElement(elements, value)
	if !found {
		return elements
	}
	left := unseen(elements[i].dots, seen)
	if len(left) == len(elements[i].dots) {
		return elements
	}
	out := slices.Clone(elements)
	if len(left) == 0 {
		return slices.Delete(out, i, i+1)
	}
	out[i].dots = left
	return out
}

// removeElements returns what was not seen.
func removeElements(elements []setElement, seen Vector) (out []setElement) {
	for _, e := range elements {
		if left := unseen(e.dots, seen); len(left) > 0 {
			out = append(out, setElement{e.value, left})
		}
	}
	return out
}

// joinElements joins the elements of two states that have seen those vectors.
func joinElements(a, b []setElement, seenA, seenB Vector) (out []setElement) {
	for len(a) > 0 || len(b) > 0 {
		var x, y setElement
		c := 0
		switch {
		case len(b) == 0:
			c = -1
		case len(a) == 0:
			c = 1
		default:
			c = strings.Compare(a[0].value, b[0].value)
		}
		if c <= 0 {
			x, a = a[0], a[1:]
		}
		if c >= 0 {
			y, b = b[0], b[1:]
		}
		if dots := joinDotted(x.dots, y.dots, seenA, seenB, sameDot); len(dots) > 0 {
			out = append(out, setElement{cmp.Or(x.value, y.value), dots})
		}
	}
	return out
}

func equalElements(a, b []setElement) bool {
	return slices.EqualFunc(a, b, func(x, y setElement) bool { return x.value == y.value && slices.Equal(x.dots, y.dots) })
}

func appendElements(buf []byte, elements []setElement) []byte {
	buf = appendUvarint(buf, uint64(len(elements)))
	for i := range elements {
		buf = appendString(buf, elements[i].value)
		buf = appendDotted(buf, elements[i].dots, func(buf []byte, _ *struct{}) []byte { return buf })
	}
	return buf
}

func decodeElements(d *decoder, seen Vector) []setElement {
	n := d.count(5)
	elements := make([]setElement, 0, n)
	for range n {
		e := setElement{value: d.string(MaxElementBytes)}
		e.dots = decodeDotted(d, seen, func(*decoder) (x struct{}) { return x })
		if d.ok() && (len(e.dots) == 0 || len(elements) > 0 && elements[len(elements)-1].value >= e.value) {
			d.fail("elements out of order, or without an addition")
		}
		if !d.ok() {
			return nil
		}
		elements = append(elements, e)
	}
	return elements
}
