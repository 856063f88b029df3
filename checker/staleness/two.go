package staleness

import (
	"context"
	"slices"
)

// answer is what an exact decision came to.
type answer uint8

const (
	undecided answer = iota // it took too long
	possible
	impossible
)

// twoVersions decides whether the key is 2-atomic, by the algorithm LBT of
// Golab, Hurwitz and Li (On the k-Atomicity-Verification Problem, ICDCS 2013;
// arXiv:1309.5522). Writes are placed from the last to the first. Once one is
// placed, all reads that must come after it and return another value force that
// value to be the next; two different ones are a contradiction. Where nothing
// is forced any write that may come last of the rest will do: if one leads to a
// point where nothing is forced any more, no other choice can do better.
func (m *Meter) twoVersions(ctx context.Context) answer {
	l := &limited{m: m, s: &m.search, ctx: ctx, steps: stepsMost * (len(m.writes) + len(m.operations))}
	l.begin()
	for len(l.s.order) < len(m.writes) {
		l.advance()
		done := false
		latest := m.writes[l.s.byStart[l.top]].start
		for i := l.known - 1; i >= 0; i-- {
			w := m.byKnown[i]
			if m.writes[w].known < latest {
				break
			}
			if l.s.placed[w] {
				continue
			}
			if done = l.run(w); done {
				break
			}
			l.undo()
			if l.steps <= 0 || ctx.Err() != nil {
				return undecided
			}
		}
		if !done {
			return impossible
		}
	}
	slices.Reverse(l.s.order)
	if m.versionsUnder(l.s.order) > 2 { // cannot be; the bracket stays as wide as it is
		return undecided
	}
	return possible
}

// limited is the state of twoVersions: how far the lists are placed for good.
type limited struct {
	m                *Meter
	s                *search
	ctx              context.Context
	top, known, read int
	steps            int
}

func (l *limited) begin() {
	s, n := l.s, len(l.m.writes)
	clear(s.placed)
	s.order, s.trail, s.undone = s.order[:0], s.trail[:0], s.undone[:0]
	s.served = resize(s.served, len(s.reads))
	clear(s.served)
	s.from = resize(s.from, n+1)
	clear(s.from)
	for _, r := range s.reads {
		s.from[r.write+1]++
	}
	for i := range n {
		s.from[i+1] += s.from[i]
	}
	s.ofWrite = resize(s.ofWrite, len(s.reads))
	fill := slices.Clone(s.from)
	for i, r := range s.reads {
		s.ofWrite[fill[r.write]] = int32(i)
		fill[r.write]++
	}
	l.known = len(l.m.byKnown)
}

// advance passes over what is placed for good.
func (l *limited) advance() {
	s := l.s
	for l.top < len(s.byStart) && s.placed[s.byStart[l.top]] {
		l.top++
	}
	for l.known > 0 && s.placed[l.m.byKnown[l.known-1]] {
		l.known--
	}
	for l.read < len(s.reads) && s.served[l.read] {
		l.read++
	}
	s.trail, s.undone = s.trail[:0], s.undone[:0]
}

// run places the write and all that this forces. It says whether that went
// without a contradiction; if not, undo takes it back.
func (l *limited) run(w int32) bool {
	s := l.s
	for {
		if l.steps <= 0 || !l.mayBeLast(w) {
			return false
		}
		s.placed[w] = true
		s.order, s.trail = append(s.order, w), append(s.trail, w)
		for _, r := range s.ofWrite[s.from[w]:s.from[w+1]] {
			l.serve(r)
		}
		next := none
		for i := l.read; i < len(s.reads) && s.reads[i].start > l.m.writes[w].known; i++ {
			l.steps--
			if s.served[i] {
				continue
			}
			if next != none && next != s.reads[i].write {
				return false
			}
			next = s.reads[i].write
			l.serve(int32(i))
		}
		if next == none {
			return true
		}
		w = next
	}
}

// mayBeLast says whether no other write that is left was invoked after w was known.
func (l *limited) mayBeLast(w int32) bool {
	s := l.s
	for i := l.top; i < len(s.byStart); i++ {
		l.steps--
		if other := s.byStart[i]; !s.placed[other] && other != w {
			return l.m.writes[w].known >= l.m.writes[other].start
		}
	}
	return true
}

func (l *limited) serve(read int32) {
	if s := l.s; !s.served[read] {
		s.served[read] = true
		s.undone = append(s.undone, read)
	}
}

func (l *limited) undo() {
	s := l.s
	for _, w := range s.trail {
		s.placed[w] = false
	}
	for _, r := range s.undone {
		s.served[r] = false
	}
	s.order = s.order[:len(s.order)-len(s.trail)]
	s.trail, s.undone = s.trail[:0], s.undone[:0]
}
