package staleness

import (
	"cmp"
	"context"
	"slices"
)

// atomicity measures how far the key is from being atomic: k, Δ and Γ.
func (m *Meter) atomicity(ctx context.Context, key string, worst worstRead) {
	r := &m.report
	if m.unexplained {
		r.K.merge(None, None, key, nil)
		r.Delta.merge(None, key, nil)
		r.Gamma.merge(None, key, nil)
		return
	}
	if m.future {
		zones := m.zonesOf(true)
		gamma, a, b := leastGamma(zones, m.gap, m.longest())
		r.K.merge(None, None, key, nil)
		r.Delta.merge(None, key, nil)
		r.Gamma.merge(gamma, key, m.pair(zones, a, b))
		return
	}
	zones := m.zonesOf(false)
	if a, _ := conflict(zones, 0, 0); a < 0 {
		r.K.merge(1, 1, key, nil)
		r.Delta.merge(0, key, nil)
		r.Gamma.merge(0, key, nil)
		return
	}
	delta, a, b := leastDelta(zones, worst.age)
	shown := m.pair(zones, a, b)
	r.Delta.merge(delta, key, shown)
	// What a shift of the reads by Γ mends, stretching everything by Γ mends
	// too: the reads begin as early relative to all ends.
	gamma, a, b := leastGamma(zones, 0, delta)
	r.Gamma.merge(gamma, key, m.pair(zones, a, b))
	least, most := m.bracket(ctx, worst.versions+1)
	if least == worst.versions+1 {
		shown = worst.operations
	}
	r.K.merge(least, most, key, shown)
	if least < most && ctx.Err() != nil {
		r.Partial = true
	}
}

// longest is a Γ that suffices whatever the operations are: all of them overlap.
func (m *Meter) longest() int64 {
	latest := never
	for i := range m.operations {
		o := &m.operations[i]
		latest = max(latest, o.Start)
		if !o.Unknown {
			latest = max(latest, o.End)
		}
	}
	return latest - m.operations[0].Start + 1
}

// search is what the search for k needs besides the writes.
type search struct {
	order    []int32 // of the writes, by their places
	byStart  []int32 // places in descending order of start
	deadline []int32
	placed   []bool
	pool     []int32
	highest  []int32 // in byKnown up to each place, the highest position
	reads    []readOf
	trail    []int32
	served   []bool
	undone   []int32
	ofWrite  []int32 // reads of each write, one after the other
	from     []int32 // where those of a write begin in ofWrite
}

// readOf is a read and the place of its write.
type readOf struct {
	start int64
	write int32
}

// The greedy order is tried for so many k at the most, with so many steps for each write.
const (
	triesMost = 8
	stepsMost = 256
)

// bracket returns bounds of the least k for which the key is k-atomic: there
// is an order of its operations that respects real time, in which every read
// returns one of the last k values written before it (Aiyer, Alvisi and Bazzi,
// On the Availability of Non-strict Quorum Systems, DISC 2005). It is known
// that 1 is too little. least is the lower bound from the single reads.
//
// To find k in general is not known to be easy. The lower bound counts the
// writes that stand between a read and its write in every order. For the upper
// bound some orders are tried, and measured. Two versions are decided exactly.
func (m *Meter) bracket(ctx context.Context, least int) (low, high int) {
	low, s := max(least, 2), &m.search
	m.gather()
	high = len(m.writes)
	for _, sorted := range []func(){
		func() { s.order = append(s.order[:0], m.byKnown...) },
		func() { s.order = append(s.order[:0], s.byStart...); slices.Reverse(s.order) },
		m.byMiddle,
	} {
		sorted()
		high = min(high, m.versionsUnder(s.order))
		if high <= low || ctx.Err() != nil {
			return low, high
		}
	}
	for k := low; k < high && k < low+triesMost && ctx.Err() == nil; k++ {
		if m.greedy(ctx, k) {
			high = min(high, m.versionsUnder(s.order))
		}
	}
	if low == 2 && high > 2 && ctx.Err() == nil {
		switch m.twoVersions(ctx) {
		case possible:
			high = 2
		case impossible:
			low = 3
		}
	}
	return low, high
}

// byMiddle orders the writes by the middle of the time in which each may have taken effect.
func (m *Meter) byMiddle() {
	slices.SortFunc(m.search.order, func(a, b int32) int {
		x, y := &m.writes[a], &m.writes[b]
		return cmp.Or(cmp.Compare(x.start/2+x.known/2, y.start/2+y.known/2), cmp.Compare(a, b))
	})
}

// gather makes the lists that all tries go through.
func (m *Meter) gather() {
	s := &m.search
	s.reads = s.reads[:0]
	for i := len(m.operations) - 1; i >= 0; i-- {
		if o := &m.operations[i]; !o.Write {
			s.reads = append(s.reads, readOf{o.Start, m.values[o.Value].place})
		}
	}
	s.byStart = s.byStart[:0]
	for i := len(m.writes) - 1; i >= 0; i-- { // they are in order of start
		s.byStart = append(s.byStart, int32(i))
	}
	s.placed = resize(s.placed, len(m.writes))
	s.deadline = resize(s.deadline, len(m.writes))
	s.highest = resize(s.highest, len(m.writes)+1)
}

// versionsUnder is the least k if the writes took effect in that order, which
// respects real time. Each read takes place as early as it may: right after
// its own write and the writes that were known before it was invoked. That
// respects real time too, since whatever an earlier operation had to follow,
// a later one has to follow as well.
func (m *Meter) versionsUnder(order []int32) int {
	s := &m.search
	for position, place := range order {
		m.writes[place].position = int32(position)
	}
	s.highest[0] = -1
	for i, place := range m.byKnown {
		s.highest[i+1] = max(s.highest[i], m.writes[place].position)
	}
	known, k := len(m.byKnown), 1
	for _, r := range s.reads { // the last first
		for known > 0 && m.writes[m.byKnown[known-1]].known >= r.start {
			known--
		}
		k = max(k, 1+int(s.highest[known]-m.writes[r.write].position))
	}
	return k
}

// greedy makes an order of the writes, from the last to the first, in which
// every read returns one of the last k values if it is lucky: of the writes
// that may come last it takes the one that must come soonest so that no read
// misses more than k-1 writes. It says whether it got to an order.
func (m *Meter) greedy(ctx context.Context, k int) bool {
	s := &m.search
	n := len(m.writes)
	clear(s.placed)
	for i := range s.deadline {
		s.deadline[i] = int32(n + k)
	}
	s.pool, s.order = s.pool[:0], s.order[:0]
	top, known, read, steps := 0, n, 0, 0
	for step := range n {
		for s.placed[s.byStart[top]] {
			top++
		}
		// A write may come last of the rest iff none of the rest was invoked after it was known.
		for known > 0 && m.writes[m.byKnown[known-1]].known >= m.writes[s.byStart[top]].start {
			known--
			s.pool = append(s.pool, m.byKnown[known])
		}
		best := 0
		for i := range s.pool {
			if m.sooner(s.pool[i], s.pool[best]) {
				best = i
			}
		}
		if steps += len(s.pool); steps > stepsMost*n || ctx.Err() != nil {
			return false
		}
		chosen := s.pool[best]
		if int(s.deadline[chosen]) < step {
			return false
		}
		s.pool[best] = s.pool[len(s.pool)-1]
		s.pool = s.pool[:len(s.pool)-1]
		s.placed[chosen] = true
		s.order = append(s.order, chosen)
		for ; read < len(s.reads) && s.reads[read].start > m.writes[chosen].known; read++ {
			if w := s.reads[read].write; !s.placed[w] {
				s.deadline[w] = min(s.deadline[w], int32(step+k-1))
			}
		}
	}
	slices.Reverse(s.order)
	return true
}

// sooner says which of two writes greedy takes first.
func (m *Meter) sooner(a, b int32) bool {
	s, x, y := &m.search, &m.writes[a], &m.writes[b]
	return cmp.Or(cmp.Compare(s.deadline[a], s.deadline[b]), cmp.Compare(y.late, x.late), cmp.Compare(y.known, x.known), cmp.Compare(a, b)) < 0
}
