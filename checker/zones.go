package checker

import (
	"cmp"
	"slices"
	"sort"

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

// zones returns the forward zones sorted by time and the backward zones. ends
// are those of the prepared history, which are what a value's own operations
// allow; a value that was certainly never in the register has none.
func zones(p prepared) (forward, backward []zone) {
	type bounds struct {
		least, greatest int64
		any             bool
	}
	all := make([]bounds, p.values)
	for v := range all {
		all[v] = bounds{least: history.Infinity, greatest: never}
	}
	note := func(v int32, o *registerOperation) {
		b := &all[v]
		b.least, b.greatest, b.any = min(b.least, o.end), max(b.greatest, o.start), true
	}
	for i := range p.operations {
		o := &p.operations[i]
		if o.mutates() {
			note(o.value, o)
		}
		if seen := o.observes(); seen != none {
			note(seen, o)
		}
	}
	all[initial].least = never // written before everything
	for v := range all {
		b := &all[v]
		switch {
		case !b.any:
		case b.least < b.greatest:
			forward = append(forward, zone{b.least, b.greatest, int32(v)})
		default:
			backward = append(backward, zone{b.greatest, b.least, int32(v)})
		}
	}
	slices.SortFunc(forward, func(a, b zone) int {
		return cmp.Or(cmp.Compare(a.low, b.low), cmp.Compare(a.high, b.high))
	})
	return forward, backward
}

// zoneConflicts finds the pairs of zones that exclude each other: two forward
// zones that overlap, or a backward zone strictly inside a forward one.
//
// It is a sound test for histories with compare-and-sets too (such an
// operation belongs to the zones of both its values), and for reads and
// writes alone a complete one.
func zoneConflicts(forward, backward []zone) []conflict {
	var found []conflict
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
	return sort.Search(len(sorted), func(i int) bool { return sorted[i].low >= time }) - 1
}

// certificate builds an order of the prepared operations that follows the
// zones and returns whether it proves the history linearizable: the order is
// replayed step by step against the definition, so nothing rests on how it
// was built. Where compare-and-sets chain values it may miss an order that
// exists; then it proves nothing.
func certificate(p prepared, forward, backward []zone) bool {
	type place struct {
		at      int64
		forward bool
		value   int32
	}
	places := make([]place, 0, len(forward)+len(backward))
	for _, z := range forward {
		places = append(places, place{z.low, true, z.value})
	}
	for _, z := range backward {
		at := z.low
		if i := lastBelow(forward, at); i >= 0 && at < forward[i].high {
			at = forward[i].high
		}
		places = append(places, place{at, false, z.value})
	}
	slices.SortFunc(places, func(a, b place) int {
		if c := cmp.Compare(a.at, b.at); c != 0 {
			return c
		}
		if a.forward != b.forward {
			if b.forward {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.value, b.value)
	})
	chains := newChains(p)
	replay := replayer{at: never, value: initial}
	for _, pl := range places {
		// A value that a compare-and-set wrote comes with the head of its chain.
		if !chains.head(pl.value) {
			continue
		}
		if !chains.replay(pl.value, &replay) {
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
	offsets    []int32 // by value, into reads
	reads      []int32 // in the order of their start, for each value
}

func newChains(p prepared) *chains {
	c := &chains{operations: p.operations, writer: make([]int32, p.values), successor: make([]int32, p.values), offsets: make([]int32, p.values+1)}
	for v := range c.writer {
		c.writer[v], c.successor[v] = none, none
	}
	for i := range p.operations {
		o := &p.operations[i]
		if o.kind == read {
			c.offsets[o.value+1]++
			continue
		}
		c.writer[o.value] = int32(i)
		if o.kind == compareAndSet {
			c.successor[o.expected] = int32(i)
		}
	}
	for v := 1; v <= p.values; v++ {
		c.offsets[v] += c.offsets[v-1]
	}
	next := slices.Clone(c.offsets)
	c.reads = make([]int32, c.offsets[p.values])
	for i := range p.operations {
		if o := &p.operations[i]; o.kind == read {
			c.reads[next[o.value]] = int32(i)
			next[o.value]++
		}
	}
	for v := range c.writer {
		slices.SortFunc(c.reads[c.offsets[v]:c.offsets[v+1]], func(a, b int32) int {
			return cmp.Compare(p.operations[a].start, p.operations[b].start)
		})
	}
	return c
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
		for _, i := range c.reads[c.offsets[value]:c.offsets[value+1]] {
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
