package staleness

import (
	"cmp"
	"slices"
)

// zone is what the time of a value's operations pins down: m, the least end of
// them, and M, the greatest start, which is that of the write or of a read
// (Gibbons and Korach, Testing Shared Memories, SIAM Journal on Computing 1997).
type zone struct {
	known, start, late int64
	value              int32
}

// zonesOf makes the zones, in the order of their least ends. future says
// whether reads that ended before their write began count, which only Γ can mend.
func (m *Meter) zonesOf(future bool) []zone {
	m.zones = m.zones[:0]
	for _, i := range m.byKnown {
		w := &m.writes[i]
		z := zone{w.known, w.start, w.late, w.value}
		if v := &m.values[w.value]; future && v.place == none {
			z.known, z.late = min(v.end, v.seen), max(v.late, v.start)
		}
		m.zones = append(m.zones, z)
	}
	if future {
		m.unknownFuture()
		slices.SortFunc(m.zones, func(a, b zone) int {
			return cmp.Or(cmp.Compare(a.known, b.known), cmp.Compare(a.value, b.value))
		})
	}
	return m.zones
}

// unknownFuture adds the zones of the values that were read before their write
// was invoked and whose write has no known outcome.
func (m *Meter) unknownFuture() {
	for i := range m.operations {
		o := &m.operations[i]
		if !o.Write {
			continue
		}
		if v := &m.values[o.Value]; v.place == none && v.first != none && v.end == Infinity {
			m.zones = append(m.zones, zone{v.seen, v.start, max(v.late, v.start), o.Value})
		}
	}
}

// conflict finds two zones that no order of the writes allows, when reads
// begin earlier by back and all operations end later by on; -1 if there are
// none: the history is then atomic. The zones are in the order of known.
//
// Two values conflict iff the least end of each is before the greatest start
// of the other. Of a zone with m < M, a forward one, everything in between
// belongs to its value: two of them must not overlap, and no other (a backward
// zone [M, m]) may lie strictly inside. Since the zones come in the order of m,
// only the last forward zone has to be remembered.
func conflict(zones []zone, back, on int64) (a, b int) {
	last, low, high := -1, never, never
	for i := range zones {
		z := &zones[i]
		known, late := z.known, max(z.start, z.late-back)
		if known != never {
			known += on
		}
		switch {
		case known < late:
			if known < high {
				return last, i
			}
			last, low, high = i, known, late
		case low < late && known < high:
			return last, i
		}
	}
	return -1, -1
}

// leastDelta finds the least Δ, at least low, and the two zones that conflict at Δ-1.
func leastDelta(zones []zone, low int64) (delta int64, a, b int) {
	least, most := Infinity, never
	for i := range zones {
		if z := &zones[i]; z.known != never {
			least = min(least, z.known)
		}
		most = max(most, zones[i].late)
	}
	// Once every read begins by the time at which the first value was known, none is too late.
	high := low
	if most > least {
		high = max(low, most-least)
	}
	return bisect(low, high, func(d int64) (int, int) { return conflict(zones, d, 0) })
}

// leastGamma finds the least Γ, from low to high.
func leastGamma(zones []zone, low, high int64) (gamma int64, a, b int) {
	return bisect(low, max(low, high), func(g int64) (int, int) { return conflict(zones, 0, g) })
}

// bisect finds the least number from low to high without a conflict, of which
// there is none at high, and what conflicts at the number before it.
func bisect(low, high int64, conflict func(int64) (int, int)) (least int64, a, b int) {
	if a, b = conflict(low); a < 0 {
		if low > 0 {
			a, b = conflict(low - 1)
		}
		return low, a, b
	}
	for high-low > 1 { // a conflict at low, none at high
		middle := low + (high-low)/2
		if x, y := conflict(middle); x >= 0 {
			low, a, b = middle, x, y
		} else {
			high = middle
		}
	}
	return high, a, b
}

// pair names the operations that pin the two zones down.
func (m *Meter) pair(zones []zone, a, b int) []int64 {
	if a < 0 {
		return nil
	}
	var list []int64
	for _, z := range []zone{zones[a], zones[b]} {
		v := &m.values[z.value]
		for _, i := range []int32{v.writer, v.first, v.last} {
			if i != none {
				list = append(list, m.operations[i].Index)
			}
		}
	}
	return sortedSet(list)
}
