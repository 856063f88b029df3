package checker

import (
	"math"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// The checkers of reads rest on one relation: u is provably older than the
// write w iff u is the initial value or known(u) < start(w), where known(u) is
// the earlier of the end of u's acknowledged write and the end of the first
// ok read of u. In a linearizable history u was then in the register before
// w, and, its value being written once, never again after w. That u happens
// before w by sessions and reads-from says nothing more here: every such
// chain ends in a process that first learnt something and then invoked w, on
// the one clock that stamped the history.

// writeIndex finds, for a time, the acknowledged write that was invoked after
// it and ended first.
type writeIndex struct {
	starts []int64
	// best[i] is the operation that ended first of those from i on.
	best []int32
	// newer is, for each value, the write that shows first that it is overwritten, or none.
	newer    []int32
	erasures erasures
}

func (x *writeIndex) load(r *register) {
	x.starts, x.best = x.starts[:0], x.best[:0]
	for i := range r.operations {
		if o := &r.operations[i]; o.mutates() && o.outcome == certain {
			x.starts = append(x.starts, o.start)
			x.best = append(x.best, int32(i))
		}
	}
	for i := len(x.best) - 2; i >= 0; i-- {
		if r.operations[x.best[i+1]].end <= r.operations[x.best[i]].end {
			x.best[i] = x.best[i+1]
		}
	}
}

// after returns the write invoked after the time that ended first, or none.
func (x *writeIndex) after(time int64) int32 {
	low, high := 0, len(x.starts)
	for low < high {
		if middle := int(uint(low+high) / 2); x.starts[middle] <= time {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low == len(x.best) {
		return none
	}
	return x.best[low]
}

// erasures are the mutations that (perhaps) wrote not-found, for reads of it.
type erasures struct {
	starts []int64
	// ended[i] is when the last of those up to i had ended: Infinity where one may not have taken effect.
	ended []int64
}

// load keeps its storage from one use to the next.
func (e *erasures) load(r *register) {
	e.starts, e.ended = e.starts[:0], e.ended[:0]
	if r.values[initial].writers == 0 {
		return
	}
	last := never
	for i := range r.operations {
		if o := &r.operations[i]; o.mutates() && o.value == initial {
			last = max(last, o.end)
			e.starts, e.ended = append(e.starts, o.start), append(e.ended, last)
		}
	}
}

// knownFor is knownBy for what the operation found. Where that is not-found and
// there are deletes, it is the time by which all had ended that began before
// the operation ended: any mutation that began later, and ended before the operation began, is newer.
func (r *register) knownFor(e *erasures, o *registerOperation) int64 {
	seen := o.observes()
	if seen != initial || r.values[initial].writers == 0 {
		at, _ := r.knownBy(seen)
		return at
	}
	i, found := slices.BinarySearch(e.starts, o.end)
	for found && i < len(e.starts) && e.starts[i] == o.end {
		i++
	}
	if i == 0 {
		return never
	}
	return e.ended[i-1]
}

// replaces says whether the operation certainly took away the value, which can
// have been there once only: it is a compare-and-set from it, so that the value is
// older whenever it was written.
func (r *register) replaces(o *registerOperation, value int32) bool {
	if o.kind != compareAndSet || o.outcome != certain || o.expected != value {
		return false
	}
	if value == initial && r.values[initial].writers > 0 {
		return false // it may have come back
	}
	at, _ := r.knownBy(value)
	return at != history.Infinity
}

// staleReads calls yield for each read r of a value u for which there is an
// acknowledged write w with u provably older than w, or replaced by it, and w
// ended before r began.
func (r *register) staleReads(x *writeIndex, yield func(newer, read int32)) {
	x.load(r)
	x.erasures.load(r)
	x.newer = resize(x.newer, len(r.values))
	for v := range r.values {
		x.newer[v] = none
		if at, _ := r.knownBy(int32(v)); at != history.Infinity && r.values[v].observers > 0 {
			x.newer[v] = x.after(at)
		}
	}
	for i := range r.operations {
		if r.conditional == 0 {
			break
		}
		o := &r.operations[i]
		if o.kind != compareAndSet || !r.replaces(o, o.expected) {
			continue
		}
		if w := x.newer[o.expected]; w == none || o.end < r.operations[w].end {
			x.newer[o.expected] = int32(i)
		}
	}
	for i := range r.operations {
		o := &r.operations[i]
		if o.kind != read {
			continue
		}
		w := x.newer[o.value]
		if o.value == initial && len(x.erasures.starts) > 0 {
			w = x.after(r.knownFor(&x.erasures, o))
		}
		if w != none && r.operations[w].end < o.start {
			yield(w, int32(i))
		}
	}
}

// provenance names the operations that prove when a value was in the
// register: its write, and the read that shows it if the write's own end does not.
func (r *register) provenance(value int32) (written, shown int32) {
	at, by := r.knownBy(value)
	if at == never || at == history.Infinity {
		return none, none // nothing there: the deletes, if any, were before the newer write
	}
	w := r.values[value].writer
	if by != w {
		return r.operations[w].position, r.operations[by].position
	}
	return r.operations[w].position, none
}

// staleFinding puts a stale read together.
func (r *register) staleFinding(class string, newer, late int32) finding {
	f := newFinding(class, r.key)
	seen := r.operations[late].observes()
	f.newer, f.second = r.operations[newer].position, r.operations[late].position
	if at, _ := r.knownBy(seen); at < r.operations[newer].start || seen == initial && at == history.Infinity {
		f.older, f.shown = r.provenance(seen)
		f.gather()
	} else { // older because it was replaced
		written := none
		if w := r.values[seen].writer; w != none {
			written = r.operations[w].position
		}
		f.gather(written)
	}
	return f
}

// sessionState is what one session has written and read of one key.
type sessionState struct {
	// key is the number of the key that the rest is about.
	key int32
	// written is its last acknowledged write, or none.
	written int32
	// newest is its read whose value was written last, or none; since is when that write began.
	newest int32
	since  int64
	// last is its latest read, or none.
	last int32
}

// sessionReads walks the operations of a key session by session. Its states
// are cleared from one key to the next by the number of the key only.
type sessionReads struct {
	states []sessionState
	key    int32
	// seen maps a value that a session has read to the first such read.
	seen     numbering
	erasures erasures
}

// begin starts with a new key.
func (s *sessionReads) begin(t *timeline) {
	if s.key == math.MaxInt32 {
		s.key = 0
		clear(s.states)
	}
	s.key++
	if len(s.states) < int(t.sessions) {
		s.states = make([]sessionState, t.sessions)
	}
	s.seen.clear()
}

// see notes that the session read the value, and returns its first read of it
// where that is another one.
func (s *sessionReads) see(session, value, read int32) (earlier int32, seen bool) {
	return s.seen.number(int64(session)<<32|int64(value), read)
}

// state is what the operation's session has done so far, or nil if the
// operation belongs to no session.
func (s *sessionReads) state(t *timeline, o *registerOperation) *sessionState {
	session := t.session[o.position]
	if session == none {
		return nil
	}
	st := &s.states[session]
	if st.key != s.key {
		*st = sessionState{key: s.key, written: none, newest: none, last: none}
	}
	return st
}

// ownWrites calls yield for each read by a process that had an acknowledged
// write w of its own and read a value provably older than w.
func (s *sessionReads) ownWrites(t *timeline, r *register, yield func(own, read int32)) {
	s.begin(t)
	s.erasures.load(r)
	for i := range r.operations {
		o := &r.operations[i]
		st := s.state(t, o)
		if st == nil {
			continue
		}
		if o.mutates() {
			if o.outcome == certain {
				st.written = int32(i)
			}
			continue
		}
		if o.kind != read || st.written == none {
			continue
		}
		w := &r.operations[st.written]
		if at := r.knownFor(&s.erasures, o); (at < w.start || r.replaces(w, o.value)) && w.end < o.start {
			yield(st.written, int32(i))
		}
	}
}

// backward calls yield for each read by a process that had read a newer value
// before (between is none), or that returns to a value although it had read
// another (between) since.
func (s *sessionReads) backward(t *timeline, r *register, yield func(first, between, second int32)) {
	s.begin(t)
	s.erasures.load(r)
	for i := range r.operations {
		o := &r.operations[i]
		st := s.state(t, o)
		if o.kind != read || st == nil {
			continue
		}
		// A value that was read last has been seen, and did not return.
		earlier, seen := none, false
		if st.last == none || r.operations[st.last].value != o.value {
			earlier, seen = s.see(t.session[o.position], o.value, int32(i))
		}
		at := r.knownFor(&s.erasures, o)
		switch {
		case st.newest != none && at < st.since && r.operations[st.newest].end < o.start:
			yield(st.newest, none, int32(i))
		case seen && r.readOnce(o.value) &&
			r.operations[earlier].end < r.operations[st.last].start && r.operations[st.last].end < o.start:
			yield(earlier, st.last, int32(i))
		}
		if o.value != initial && at != history.Infinity {
			if since := r.operations[r.values[o.value].writer].start; st.newest == none || since > st.since {
				st.newest, st.since = int32(i), since
			}
		}
		st.last = int32(i)
	}
}

// readOnce says whether the value can have been in the register during one
// piece of time only: it has one writer, or is the initial value and has none.
func (r *register) readOnce(value int32) bool {
	if value == initial {
		return r.values[value].writers == 0
	}
	at, _ := r.knownBy(value)
	return at != history.Infinity // nor is it not-found with deletes then
}

// backwardClass is the class of what backward yields.
func backwardClass(between int32) string {
	if between == none {
		return classInversion
	}
	return classReturned
}

// backwardFinding puts a non-monotonic read together.
func (r *register) backwardFinding(first, between, second int32) finding {
	f := newFinding(backwardClass(between), r.key)
	f.older, f.shown = r.provenance(r.operations[second].value)
	f.first, f.second = r.operations[first].position, r.operations[second].position
	newer := first
	extra := none
	if between != none {
		newer = between
		extra = r.operations[between].position
		f.shown = none
	}
	if w := r.values[r.operations[newer].value].writer; w != none {
		f.newer = r.operations[w].position
	}
	f.gather(extra)
	return f
}

// recognizable is up to how many operations a witness is searched for patterns of
// two and three operations. A longer one was left so by the time, and shows
// too much for one of them to be its point.
const recognizable = 200

// recognize names the pattern of a small register history that has no legal order.
func (r *register) recognize() finding {
	f := r.impossibleFinding()
	if f.class != "" {
		return f
	}
	var x writeIndex
	r.staleReads(&x, func(newer, late int32) {
		if f.class == "" {
			f = r.staleFinding(classStale, newer, late)
		}
	})
	if f.class != "" {
		return f
	}
	if len(r.operations) > recognizable {
		return newFinding(classOther, r.key)
	}
	if f := r.staleSwap(&x); f.class != "" {
		return f
	}
	for i := range r.operations {
		first := &r.operations[i]
		if first.kind != read || first.value == initial || !r.readOnce(first.value) {
			continue
		}
		since := r.operations[r.values[first.value].writer].start
		for j := range r.operations {
			second := &r.operations[j]
			if second.kind != read || second.start <= first.end {
				continue
			}
			if at := r.knownFor(&x.erasures, second); at < since {
				return r.backwardFinding(int32(i), none, int32(j))
			}
		}
	}
	return r.recognizeReturn()
}

// staleSwap looks for a compare-and-set that found a value which was certainly
// overwritten before it began.
func (r *register) staleSwap(x *writeIndex) finding {
	for i := range r.operations {
		o := &r.operations[i]
		seen := o.observes()
		if o.kind != compareAndSet || seen == none {
			continue
		}
		at := r.knownFor(&x.erasures, o)
		for k := range r.operations {
			w := &r.operations[k]
			if w.mutates() && w.outcome == certain && w.end < o.start && (at < w.start || r.replaces(w, seen)) {
				return r.staleFinding(classStaleSwap, int32(k), int32(i))
			}
		}
	}
	return finding{}
}

// recognizeReturn looks for u1, u2, u1 in successive reads.
func (r *register) recognizeReturn() finding {
	for i := range r.operations {
		for j := range r.operations {
			for k := range r.operations {
				a, b, c := &r.operations[i], &r.operations[j], &r.operations[k]
				if a.kind == read && b.kind == read && c.kind == read && a.value == c.value && a.value != b.value &&
					a.end < b.start && b.end < c.start && r.readOnce(a.value) {
					return r.backwardFinding(int32(i), int32(j), int32(k))
				}
			}
		}
	}
	return newFinding(classOther, r.key)
}
