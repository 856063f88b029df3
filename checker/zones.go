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
	value     int32
}

// conflict is a proof that a history is not linearizable: the two values
// cannot both have been in the register, each in one piece.
type conflict struct {
	class string
	a, b  int32
	at    int64
}

// impossible says whether it is about one value that cannot have been read,
// rather than about two that exclude each other.
func (c conflict) impossible() bool { return c.a == c.b }

// bounds are the least end and the greatest start of the operations on a value.
type bounds struct {
	least, greatest int64
	any             bool
}

func (b *bounds) note(o *registerOperation) {
	b.least, b.greatest, b.any = min(b.least, o.end), max(b.greatest, o.start), true
}

// zones finds the forward zones, sorted by time, and the backward zones. ends
// are those of the prepared history, which are what a value's own operations
// allow; a value that was certainly never in the register has none.
func (d *decider) zones(p prepared) {
	d.bounds = resize(d.bounds, p.values)
	all := d.bounds
	for v := range all {
		all[v] = bounds{least: history.Infinity, greatest: never}
	}
	for i := range p.operations {
		o := &p.operations[i]
		if o.mutates() {
			all[o.value].note(o)
		}
		if seen := o.observes(); seen != none {
			all[seen].note(o)
		}
	}
	all[initial].least = never // written before everything
	d.forward, d.backward = d.forward[:0], d.backward[:0]
	for v := range all {
		if b := &all[v]; b.any {
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
		d.forward = append(d.forward, zone{least, greatest, value})
	} else {
		d.backward = append(d.backward, zone{greatest, least, value})
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
// It is a sound test for histories with compare-and-sets too (such an
// operation belongs to the zones of both its values), and for reads and
// writes alone a complete one.
//
// It appends to found.
func zoneConflicts(found []conflict, forward, backward []zone) []conflict {
	widest := 0
	for i := 1; i < len(forward); i++ {
		if w := forward[widest]; forward[i].low < w.high {
			found = append(found, conflict{"zone-overlap", w.value, forward[i].value, forward[i].low})
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
			found = append(found, conflict{"zone-contained", forward[i].value, b.value, b.low})
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

// place is when a value that a backward zone allows many times has its turn
// in an order of all values.
type place struct {
	at    int64
	value int32
}

// certificate builds an order of the prepared operations that follows the
// zones and returns whether it proves the history linearizable: the order is
// replayed step by step against the definition, so nothing rests on how it
// was built. Where compare-and-sets chain values it may miss an order that
// exists; then it proves nothing.
func (d *decider) certificate(p prepared) bool {
	d.places = d.places[:0]
	for _, z := range d.backward {
		at := z.low
		if i := lastBelow(d.forward, at); i >= 0 && at < d.forward[i].high {
			at = d.forward[i].high
		}
		d.places = append(d.places, place{at, z.value})
	}
	sortNearly(d.places, func(a, b place) bool { return a.at < b.at || a.at == b.at && a.value < b.value })
	d.chains.load(p)
	replay := replayer{at: never, value: initial}
	for b, f := 0, 0; b < len(d.places) || f < len(d.forward); {
		var value int32
		if b < len(d.places) && (f == len(d.forward) || d.places[b].at <= d.forward[f].low) {
			value = d.places[b].value
			b++
		} else {
			value = d.forward[f].value
			f++
		}
		// A value that a compare-and-set wrote comes with the head of its chain.
		if d.chains.head(value) && !d.chains.replay(value, &replay) {
			return false
		}
	}
	return replay.steps == len(p.operations)
}

// replayer carries out operations one after the other, each at the earliest
// instant that its interval and its predecessors allow.
type replayer struct {
	at    int64
	value int32
	steps int
}

func (y *replayer) step(o *registerOperation) bool {
	y.at = max(y.at, o.start)
	if y.at > o.end {
		return false
	}
	if seen := o.observes(); seen != none && seen != y.value {
		return false
	}
	if o.mutates() {
		y.value = o.value
	}
	y.steps++
	return true
}

// chains groups the prepared operations by value and ties together values
// that compare-and-sets made from one another.
type chains struct {
	operations []registerOperation
	writer     []int32 // by value
	successor  []int32 // by value: the compare-and-set that replaced it, or none
	ends       []int32 // by value: where its part of reads ends, and the next one's begins
	reads      []int32 // in the order of their start, for each value
}

// load keeps its storage from one use to the next.
func (c *chains) load(p prepared) {
	c.operations = p.operations
	c.writer, c.successor, c.ends = resize(c.writer, p.values), resize(c.successor, p.values), resize(c.ends, p.values)
	for v := range c.writer {
		c.writer[v], c.successor[v], c.ends[v] = none, none, 0
	}
	total := int32(0)
	for i := range p.operations {
		o := &p.operations[i]
		if o.kind == read {
			c.ends[o.value]++
			total++
			continue
		}
		c.writer[o.value] = int32(i)
		if o.kind == compareAndSet {
			c.successor[o.expected] = int32(i)
		}
	}
	begin := int32(0)
	for v := range c.ends {
		begin, c.ends[v] = begin+c.ends[v], begin
	}
	c.reads = resize(c.reads, int(total))
	for i := range p.operations {
		if o := &p.operations[i]; o.kind == read {
			c.reads[c.ends[o.value]] = int32(i)
			c.ends[o.value]++
		}
	}
	before := func(a, b int32) bool { return p.operations[a].start < p.operations[b].start }
	for v := range c.writer {
		sortNearly(c.readsOf(int32(v)), before)
	}
}

// readsOf are the reads of the value.
func (c *chains) readsOf(value int32) []int32 {
	begin := int32(0)
	if value > 0 {
		begin = c.ends[value-1]
	}
	return c.reads[begin:c.ends[value]]
}

func (c *chains) head(value int32) bool {
	w := c.writer[value]
	return w == none || c.operations[w].kind != compareAndSet
}

// replay carries out the value's write and reads and those of all values that follow in its chain.
func (c *chains) replay(value int32, y *replayer) bool {
	if w := c.writer[value]; w != none && !y.step(&c.operations[w]) {
		return false
	}
	for {
		for _, i := range c.readsOf(value) {
			if !y.step(&c.operations[i]) {
				return false
			}
		}
		next := c.successor[value]
		if next == none {
			return true
		}
		if !y.step(&c.operations[next]) || y.steps > len(c.operations) {
			return false
		}
		value = c.operations[next].value
	}
}
