package checker

import (
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// zone is the time that the operations on one value pin down (Gibbons and
// Korach, 1997). With m the least end and M the greatest start among the
// value's write and its observers, a forward zone (m < M) is a time all
// through which the register certainly held the value; a backward zone
// [M, m] is a time that all of them share, so that any instant of it will do.
type zone struct {
	low, high int64
	value     int32 // of a block (see blocks): its first
	// creates says that the block begins with a compare-and-set from not-found
	// in a register with deletes; deletes that it ends with a conditional delete.
	creates, deletes bool
}

// conflict is a proof that a history is not linearizable: the two values
// cannot both have been in the register, each in one piece.
type conflict struct {
	class string
	a, b  int32
	at    int64
	// shown are the positions of the operations that show it; empty where
	// those on the two values do.
	shown []int32
}

// impossible says whether it is about one value that cannot have been read,
// rather than about operations that exclude each other.
func (c conflict) impossible() bool { return c.a == c.b && len(c.shown) == 0 }

// bounds are the least end and the greatest start of the operations on a value.
type bounds struct {
	least, greatest int64
	any             bool
}

func (b *bounds) note(o *registerOperation) {
	b.least, b.greatest, b.any = min(b.least, o.end), max(b.greatest, o.start), true
}

// zones finds the zones of those values of a prepared history that a single
// operation can have written. For a register with other values too they are
// only a sound test: such values are seldom, and what excludes two of them
// excludes the whole.
func (d *decider) zones(r *register, p prepared) {
	d.bounds = resize(d.bounds, p.values)
	all := d.bounds
	for v := range all {
		all[v] = bounds{least: history.Infinity, greatest: never}
	}
	for i := range p.operations {
		o := &p.operations[i]
		if o.mutates() && o.outcome == certain {
			all[o.value].note(o)
		}
		if seen := o.observes(); seen != none {
			all[seen].note(o)
		}
	}
	all[initial].least = never // written before everything
	d.forward, d.backward = d.forward[:0], d.backward[:0]
	for v := range all {
		if b := &all[v]; b.any && (r.single(int32(v)) || v == int(initial) && r.values[v].writers == 0) {
			d.addZone(int32(v), b.least, b.greatest)
		}
	}
	sortNearly(d.forward, zone.before)
}

// plainZones finds the zones of a plain register without impossible reads.
// They are those of its prepared history, which need not be made for it: a
// write ends with the first read of its value at the latest, and no read of
// the value begins before it.
func (d *decider) plainZones(r *register) {
	d.forward, d.backward = d.forward[:0], d.backward[:0]
	if v := &r.values[initial]; v.observers > 0 {
		d.addZone(initial, never, v.began)
	}
	for i := 1; i < len(r.values); i++ {
		v := &r.values[i]
		if v.writer == none {
			continue
		}
		if w := &r.operations[v.writer]; v.observers > 0 || w.outcome == certain {
			d.addZone(int32(i), min(w.end, v.ended), max(w.start, v.began))
		}
	}
	sortNearly(d.forward, zone.before)
}

// addZone adds the zone of the value on which the operations have that least end and greatest start.
func (d *decider) addZone(value int32, least, greatest int64) {
	if least < greatest {
		d.forward = append(d.forward, zone{low: least, high: greatest, value: value})
	} else {
		d.backward = append(d.backward, zone{low: greatest, high: least, value: value})
	}
}

func (z zone) before(other zone) bool {
	return z.low < other.low || z.low == other.low && z.high < other.high
}

// sortNearly sorts what is nearly in order: by insertion, unless that takes too many moves.
func sortNearly[E any](s []E, before func(a, b E) bool) {
	moves := 8 * len(s)
	for i := 1; i < len(s); i++ {
		if !before(s[i], s[i-1]) {
			continue
		}
		x, k := s[i], i
		for ; k > 0 && before(x, s[k-1]); k-- {
			s[k] = s[k-1]
			moves--
		}
		s[k] = x
		if moves < 0 {
			slices.SortStableFunc(s, func(a, b E) int {
				switch {
				case before(a, b):
					return -1
				case before(b, a):
					return 1
				}
				return 0
			})
			return
		}
	}
}

// zoneConflicts finds the pairs of zones that exclude each other: two forward
// zones that overlap, or a backward zone strictly inside a forward one.
//
// For the zones of all blocks of a register of different values without deletes
// the test is complete (see blocks), for any part of them it is sound.
//
// It appends to found.
func zoneConflicts(found []conflict, forward, backward []zone) []conflict {
	widest := 0
	for i := 1; i < len(forward); i++ {
		if w := forward[widest]; forward[i].low < w.high {
			found = append(found, conflict{class: conflictZones, a: w.value, b: forward[i].value, at: forward[i].low})
		}
		if forward[i].high > forward[widest].high {
			widest = i
		}
	}
	if len(found) > 0 {
		// Overlapping forward zones have no order to search backward ones in.
		return found
	}
	for _, b := range backward {
		if i := lastBelow(forward, b.low); i >= 0 && b.high < forward[i].high {
			found = append(found, conflict{class: conflictZones, a: forward[i].value, b: b.value, at: b.low})
		}
	}
	return found
}

// lastBelow is the index of the last zone that begins before the time, or -1.
func lastBelow(sorted []zone, time int64) int {
	low, high := 0, len(sorted)
	for low < high {
		if middle := int(uint(low+high) / 2); sorted[middle].low < time {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low - 1
}
