package checker

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// shrinker makes small witnesses of one register's history.
//
// A witness must refute the claim by itself. Taking operations out of a
// linearizable history leaves it linearizable as long as every observation
// that stays keeps all writes of the observed value that were invoked before
// it ended; an operation that may have taken effect moves to the end of the
// order where it did not. For an observed mismatch, all mutations invoked
// before it ended must stay. So sets of operations that are closed in that
// sense (see closeOver) are the ones that are tried, and any of them that
// is illegal proves that the whole history is.
//
// A value that was written several times (not-found, where there are deletes)
// and a mismatch need not keep what certainly was overwritten before they
// began, if the overwriting stays: see anchor.
//
// Most sets are decided without a search (see decider); Porcupine has the last
// word on the witness that is shown (see finding.confirm).
type shrinker struct {
	operations []history.Operation
	register   *register
	limiter    *limiter
	cancel     context.CancelFunc
	// deadline ends the search; zero: never, which is for short histories.
	deadline time.Time
	// unsure says that a set could not be decided, so that a smaller witness, or another, may exist.
	unsure   bool
	sub      register
	decider  decider
	searcher searcher
	// anchors are made when they are needed, for anchored operations.
	anchors  anchors
	anchored *register
	// reached are, by value and for any, what closeOver must keep; further says that there is more since.
	reached    []reached
	reachedAny reached
	further    bool

	queue, places []int32
	// marked are the operations that have been dealt with, missing the least
	// start of each value's mutations that are outside: where the epoch is the present one.
	epoch   uint32
	marked  []uint32
	missing []missingWrite
}

// newShrinker has a bound of its own, so that a contradiction found in the
// last moment still gets its witness.
func newShrinker(operations []history.Operation, r *register, memory int64, limit time.Duration) *shrinker {
	ctx, cancel := context.WithTimeout(context.Background(), limit+2*confirmTime)
	return &shrinker{
		operations: operations, register: r, limiter: newLimiter(ctx, memory), cancel: cancel,
		deadline: time.Now().Add(limit),
	}
}

// begin starts with another register.
func (s *shrinker) begin(operations []history.Operation, r *register) {
	s.operations, s.register, s.unsure, s.anchored = operations, r, false, nil
}

func (s *shrinker) close() {
	s.limiter.close()
	s.cancel()
}

// late says whether the time for the search is over.
func (s *shrinker) late() bool {
	return !s.deadline.IsZero() && !time.Now().Before(s.deadline)
}

// unmark forgets what was marked or missing.
func (s *shrinker) unmark() {
	if len(s.marked) < len(s.register.operations) {
		s.marked = make([]uint32, len(s.register.operations))
	}
	if len(s.missing) < len(s.register.values) {
		s.missing = make([]missingWrite, len(s.register.values))
	}
	s.epoch++
	if s.epoch == 0 { // every 2³² times the numbers of epochs begin again
		clear(s.marked)
		clear(s.missing)
		clear(s.reached)
		s.reachedAny = reached{}
		s.epoch = 1
	}
}

// illegal says whether exactly these operations certainly have no legal order.
func (s *shrinker) illegal(set []int32) bool {
	if len(set) == 0 || s.late() || !s.load(set) {
		return false
	}
	if found, complete := s.decider.conflicts(&s.sub); complete || len(found) > 0 {
		return len(found) > 0
	}
	d := s.decider.decide(&s.sub)
	return !d.proved && s.search(d.prepared)
}

// load makes a register of these operations only. It says whether they make one.
func (s *shrinker) load(set []int32) bool {
	s.places = s.places[:0]
	for _, x := range set {
		s.places = append(s.places, s.register.operations[x].position)
	}
	return s.sub.load(s.operations, s.register.key, s.places) == nil
}

// search says whether the operations certainly have no order, by a search.
func (s *shrinker) search(p prepared) bool {
	left := confirmTime
	if !s.deadline.IsZero() {
		if left = min(left, time.Until(s.deadline)); left <= 0 {
			return false
		}
	}
	a := s.limiter.search(&s.searcher, p, left)
	s.unsure = s.unsure || a.result == porcupine.Unknown
	return a.result == porcupine.Illegal
}

// smallest makes a witness of each of the first conflicts and returns the
// smallest. Without any (a search found the history illegal) it makes
// one of the whole register.
func (s *shrinker) smallest(found []conflict) []int32 {
	if len(found) == 0 {
		return s.fromAll()
	}
	var best []int32
	for i := range min(len(found), conflictsTried) {
		if set := s.fromConflict(found[i]); best == nil || len(set) < len(best) {
			best = set
		}
		if len(best) <= s.least(found[i+1:]) {
			break
		}
	}
	return best
}

// least is a number of operations that no witness of these conflicts is below:
// one where a value is impossible by itself; else two that exclude each other;
// and of plain reads and writes, none of them of the initial value, a read
// with the writes of its value and of the other.
func (s *shrinker) least(found []conflict) int {
	least := 3
	for _, c := range found {
		switch {
		case c.impossible():
			return 1
		case c.a == initial || c.b == initial || s.register.conditional > 0:
			least = 2
		}
	}
	return least
}

// fromConflict makes a witness of what excludes each other: the operations
// that show it, or the writes of two values and the observers that span their
// zones; then what of it is needed.
func (s *shrinker) fromConflict(c conflict) []int32 {
	set := s.shown(c)
	if len(set) == 0 {
		for _, v := range []int32{c.a, c.b} {
			set = append(set, s.span(v)...)
		}
	}
	slices.Sort(set)
	set = slices.Compact(set)
	last := set[len(set)-1]
	set = s.closeOver(set)
	switch {
	case s.illegal(set):
		return s.shrink(set)
	case s.late():
		return set // the zones prove it, there was only no time to try
	}
	if set := s.fromBefore(last); set != nil {
		return set
	}
	return s.fromAll()
}

// shown are the operations that a conflict names, with those that show that
// they have happened.
func (s *shrinker) shown(c conflict) []int32 {
	if len(c.shown) == 0 {
		return nil
	}
	r := s.register
	if r.conditional > 0 {
		s.decider.happened(r)
	}
	var set []int32
	for _, position := range c.shown {
		i, found := slices.BinarySearchFunc(r.operations, position, func(o registerOperation, p int32) int { return cmp.Compare(o.position, p) })
		if !found {
			continue
		}
		set = append(set, int32(i))
		if o := &r.operations[i]; o.mutates() && o.outcome == possible {
			v := o.value
			for n := 0; r.values[v].first == none && r.conditional > 0 && s.decider.proof[v] != none && n < len(r.values); n++ {
				v = s.decider.proof[v]
			}
			if f := r.values[v].first; f != none {
				set = append(set, f)
			}
		}
	}
	return set
}

// fromBefore makes a witness of the operation and of ever more of those invoked
// before its end, the latest first. It is nil if they are not illegal together.
func (s *shrinker) fromBefore(last int32) []int32 {
	r := s.register
	end := int32(len(r.operations)) // operations are in order of their start
	if o := &r.operations[last]; o.end != history.Infinity {
		n, _ := slices.BinarySearchFunc(r.operations, o.end, func(o registerOperation, end int64) int {
			if o.start <= end {
				return -1
			}
			return 1
		})
		end = int32(n)
	}
	for many := int32(8); !s.late(); many *= 4 {
		begin := max(0, end-many)
		set := []int32{last}
		for i := begin; i < end; i++ {
			if i != last {
				set = append(set, i)
			}
		}
		if set = s.closeOver(set); s.illegal(set) {
			return s.shrink(set)
		}
		if begin == 0 {
			break
		}
	}
	return nil
}

// span returns the value's write, its observer that ended first and the one that began last.
func (s *shrinker) span(value int32) []int32 {
	r := s.register
	v := &r.values[value]
	var set []int32
	for _, i := range []int32{v.writer, v.first, v.latest} {
		if i != none {
			set = append(set, i)
		}
	}
	if r.conditional == 0 {
		return set
	}
	// A compare-and-set that may have taken effect observed its value if its own was observed.
	for i := range r.operations {
		if o := &r.operations[i]; o.kind == compareAndSet && o.outcome == possible && o.expected == value && r.values[o.value].observers > 0 {
			set = append(set, int32(i))
		}
	}
	return set
}

// all are all operations of the register.
func (s *shrinker) all() []int32 {
	all := make([]int32, len(s.register.operations))
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// fromAll makes a witness of the whole register: first the shortest prefix
// that is illegal, then what of it is needed.
func (s *shrinker) fromAll() []int32 {
	all := s.all()
	ends := make([]int64, 0, len(all))
	for i := range s.register.operations {
		if end := s.register.operations[i].end; end != history.Infinity {
			ends = append(ends, end)
		}
	}
	slices.Sort(ends)
	if len(ends) == 0 {
		return all
	}
	best, until := all, ends[len(ends)-1]
	low, high := 0, len(ends)-1
	for low < high {
		middle := (low + high) / 2
		if set := s.prefix(ends[middle]); s.illegal(set) {
			best, until, high = set, ends[middle], middle
		} else {
			low = middle + 1
		}
	}
	// What ended last is what is wrong; most of what was long before is not needed.
	for _, i := range best {
		if s.register.operations[i].end == until {
			if set := s.fromBefore(i); set != nil {
				return set
			}
		}
	}
	return s.shrink(best)
}

// prefix is what had happened by that time: the observations that had ended
// and the mutations that had begun.
func (s *shrinker) prefix(time int64) []int32 {
	var set []int32
	for i := range s.register.operations {
		o := &s.register.operations[i]
		if o.end <= time || o.mutates() && o.start <= time {
			set = append(set, int32(i))
		}
	}
	return s.without(set, nil, time)
}

// shrink takes out operations as long as the rest is illegal.
func (s *shrinker) shrink(set []int32) []int32 {
	return shrinkSet(set, func(set, drop []int32) []int32 { return s.without(set, drop, math.MaxInt64) }, s.illegal, s.late)
}

// finding describes the witness and has Porcupine confirm it by the plain model.
func (s *shrinker) finding(set []int32) finding {
	f := s.describe(set)
	f.confirm(s.limiter, s.operations)
	if !f.confirmed && s.load(set) { // the plain model may be too slow for a long witness
		f.confirmed = s.limiter.prepared(s.decider.prepare(&s.sub), confirmTime).result == porcupine.Illegal
	}
	return f
}

// describe says what the witness shows.
func (s *shrinker) describe(set []int32) finding {
	f := newFinding(classOther, s.register.key)
	if s.load(set) {
		f = s.recognize()
	}
	positions := slices.Clone(s.places)
	// The write that should explain the read, but cannot, belongs to the story.
	if f.class == classPhantom {
		if class, write := s.unusable(f.second); write != none {
			f.class, f.older = class, write
			positions = append(positions, write)
		}
	}
	slices.Sort(positions)
	f.positions = slices.Compact(positions)
	return f
}

// recognize names the pattern of the loaded witness.
func (s *shrinker) recognize() finding {
	named := func(class string, shown []int32) finding {
		f := newFinding(class, s.register.key)
		if class == classPhantom && len(shown) > 0 {
			f.second = shown[0]
		}
		return f
	}
	class, shown := "", []int32(nil)
	if found := s.decider.decide(&s.sub).conflicts; len(found) > 0 && !found[0].impossible() {
		class, shown = found[0].class, found[0].shown
	}
	if class == classFork || class == classCycle || class == classPhantom {
		return named(class, shown)
	}
	f := s.sub.recognize()
	if f.class == classOther && class == "" && s.sub.mismatches == 1 && len(s.sub.operations) <= recognizable {
		// Nothing can be left out: without the mismatch there are orders, and
		// in each the register holds the expected value for all of its time.
		class = classPinned
	}
	if f.class == classOther && (class == classPinned || class == classDeleted) {
		return named(class, shown)
	}
	return f
}

// unusable finds why the value that was read is one that nobody wrote: its
// write failed or came too late. write is its position, or none.
func (s *shrinker) unusable(read int32) (class string, write int32) {
	r := s.register
	for i := range r.operations {
		if r.operations[i].position != read {
			continue
		}
		seen := r.operations[i].dependsOn()
		if seen == none {
			break
		}
		v := &r.values[seen]
		switch {
		case v.failed != none:
			return classFailed, v.failed
		case v.writer != none:
			return classFuture, r.operations[v.writer].position
		}
	}
	return classPhantom, none
}
