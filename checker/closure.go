package checker

import (
	"math"
	"slices"
)

// missingWrite is about the mutations that are outside: their least start and greatest end.
type missingWrite struct {
	epoch      uint32
	start, end int64
}

func (m *missingWrite) lose(o *registerOperation, epoch uint32) {
	if m.epoch != epoch {
		*m = missingWrite{epoch, o.start, o.end}
		return
	}
	m.start, m.end = min(m.start, o.start), max(m.end, o.end)
}

// without returns the set less the dropped operations and all that would
// prove nothing without them. Mutations that began after the horizon are
// outside the set already. When the time is over it is the set as it was, which
// is no smaller and so is not tried.
func (s *shrinker) without(set, drop []int32, horizon int64) []int32 {
	r := s.register
	s.unmark() // marked: gone
	var any missingWrite
	lose := func(o *registerOperation) {
		if !o.mutates() {
			return
		}
		any.lose(o, s.epoch)
		s.missing[o.value].lose(o, s.epoch)
	}
	if horizon != math.MaxInt64 {
		for i := range r.operations {
			if o := &r.operations[i]; o.start > horizon {
				lose(o)
			}
		}
	}
	for _, i := range drop {
		s.marked[i] = s.epoch
		lose(&r.operations[i])
	}
	for changed := true; changed; {
		if s.late() {
			return set
		}
		changed = false
		for _, i := range set {
			o := &r.operations[i]
			if s.marked[i] == s.epoch {
				continue
			}
			m := &any
			if v := o.dependsOn(); v != none {
				m = &s.missing[v]
			} else if o.outcome != mismatch {
				continue
			}
			lost := m.epoch == s.epoch && m.start <= o.end
			if a := s.anchor(o); a != none {
				// What was outside before may be only because of the anchor.
				lost = s.marked[a] == s.epoch || lost && m.end >= r.operations[a].start
			}
			if lost {
				s.marked[i], changed = s.epoch, true
				lose(o)
			}
		}
	}
	rest := make([]int32, 0, len(set))
	for _, i := range set {
		if s.marked[i] != s.epoch {
			rest = append(rest, i)
		}
	}
	return rest
}

// closeOver adds the writes without which a finding would prove nothing: an
// observation is a refutation only beside every write of the observed value
// that could have come before it. When the time is over it is all operations,
// which is such a set too.
func (s *shrinker) closeOver(set []int32) []int32 {
	r := s.register
	s.unmark() // marked: in the set
	s.queue = s.queue[:0]
	add := func(i int32) {
		if s.marked[i] != s.epoch {
			s.marked[i] = s.epoch
			s.queue = append(s.queue, i)
		}
	}
	for _, i := range set {
		add(i)
	}
	for next := 0; next < len(s.queue); next++ {
		o := &r.operations[s.queue[next]]
		v := o.dependsOn()
		switch {
		case o.outcome != mismatch && (v == none || r.values[v].writers == 0):
		case v != none && r.single(v):
			if w := r.values[v].writer; r.operations[w].start <= o.end {
				add(w)
			}
		default:
			since := never
			if a := s.anchor(o); a != none {
				add(a)
				since = r.operations[a].start
			}
			s.reach(v, since, o.end)
		}
		if next == len(s.queue)-1 {
			if s.further && s.late() {
				return s.all()
			}
			s.addReached(add)
		}
	}
	closed := slices.Clone(s.queue)
	slices.Sort(closed)
	return closed
}

// reached is the time within which all mutations that write a value must be kept.
type reached struct {
	epoch     uint32
	low, high int64
}

// extend makes the time longer and says whether it was shorter.
func (x *reached) extend(epoch uint32, low, high int64) bool {
	if x.epoch != epoch {
		*x = reached{epoch, low, high}
		return true
	}
	longer := low < x.low || high > x.high
	x.low, x.high = min(x.low, low), max(x.high, high)
	return longer
}

// reach notes that all mutations that write the value, or any if it is none,
// and began by high and ended at low or later must be kept. To keep more does
// no harm, so that of one value only the whole time is noted.
func (s *shrinker) reach(value int32, low, high int64) {
	x := &s.reachedAny
	if value != none {
		if len(s.reached) < len(s.register.values) {
			s.reached = make([]reached, len(s.register.values))
		}
		x = &s.reached[value]
	}
	s.further = x.extend(s.epoch, low, high) || s.further
}

// addReached adds what reach noted since the last time.
func (s *shrinker) addReached(add func(i int32)) {
	if !s.further {
		return
	}
	s.further = false
	keeps := func(x *reached, w *registerOperation) bool {
		return x.epoch == s.epoch && w.start <= x.high && w.end >= x.low
	}
	for i := range s.register.operations {
		w := &s.register.operations[i]
		if w.mutates() && (keeps(&s.reachedAny, w) || int(w.value) < len(s.reached) && keeps(&s.reached[w.value], w)) {
			add(int32(i))
		}
	}
}

// dependsOn is the value whose writers must be kept wherever the operation is
// kept: what it observed, or would have observed had it taken effect. It is
// none for a write, and for a mismatch, which depends on all.
func (o *registerOperation) dependsOn() int32 {
	if o.kind == compareAndSet && o.mutates() {
		return o.expected
	}
	return o.observes()
}
