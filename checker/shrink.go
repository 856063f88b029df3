package checker

import (
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
// Porcupine calls illegal proves that the whole history is.
type shrinker struct {
	operations []history.Operation
	register   *register
	limiter    *limiter
	cancel     context.CancelFunc
	deadline   time.Time
	sub        register
	scratch    []registerOperation
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

func (s *shrinker) close() {
	s.limiter.close()
	s.cancel()
}

// illegal says whether Porcupine calls exactly these operations illegal.
func (s *shrinker) illegal(set []int32) bool {
	left := time.Until(s.deadline)
	if left <= 0 || len(set) == 0 {
		return false
	}
	if err := s.sub.load(s.operations, s.register.key, s.positions(set)); err != nil {
		return false
	}
	p := s.sub.prepare(s.scratch)
	s.scratch = p.operations
	if p.counted {
		model, operations := countingOperations(p.operations, p.values)
		return s.limiter.run(model, operations, left).result == porcupine.Illegal
	}
	return s.limiter.run(plainModel(), plainOperations(p.operations), left).result == porcupine.Illegal
}

func (s *shrinker) positions(set []int32) []int32 {
	positions := make([]int32, len(set))
	for i, x := range set {
		positions[i] = s.register.operations[x].position
	}
	return positions
}

// fromConflict makes a witness of two values that exclude each other: their
// writes and the observers that span their zones, then what of it is needed.
func (s *shrinker) fromConflict(c conflict) []int32 {
	r := s.register
	var set []int32
	for _, v := range []int32{c.a, c.b} {
		set = append(set, s.span(v)...)
	}
	slices.Sort(set)
	set = slices.Compact(set)
	set = closeOver(r, set)
	switch {
	case s.illegal(set):
		return s.shrink(set)
	case !time.Now().Before(s.deadline):
		return set // the zones prove it, only Porcupine had no time to agree
	}
	return s.fromAll()
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
	// A compare-and-set that may have taken effect observed its value if its own was observed.
	for i := range r.operations {
		if o := &r.operations[i]; o.kind == compareAndSet && o.outcome == possible && o.expected == value && r.values[o.value].observers > 0 {
			set = append(set, int32(i))
		}
	}
	return set
}

// fromAll makes a witness of the whole register: first the shortest prefix
// that is illegal, then what of it is needed.
func (s *shrinker) fromAll() []int32 {
	all := make([]int32, len(s.register.operations))
	for i := range all {
		all[i] = int32(i)
	}
	ends := make([]int64, 0, len(all))
	for i := range s.register.operations {
		if end := s.register.operations[i].end; end != history.Infinity {
			ends = append(ends, end)
		}
	}
	slices.Sort(ends)
	best := all
	low, high := 0, len(ends)-1
	for low < high {
		middle := (low + high) / 2
		if set := s.prefix(ends[middle]); s.illegal(set) {
			best, high = set, middle
		} else {
			low = middle + 1
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

// shrink takes out operations, ever smaller portions of them (delta
// debugging, Zeller and Hildebrandt 2002), as long as the rest is illegal.
func (s *shrinker) shrink(set []int32) []int32 {
	for portion := (len(set) + 1) / 2; portion >= 1; {
		removed := false
		// From the end: what came last is needed least.
		for end := len(set); end > 0; end -= portion {
			begin := max(0, end-portion)
			if begin >= len(set) {
				continue
			}
			drop := set[begin:min(end, len(set))]
			if rest := s.without(set, drop, math.MaxInt64); len(rest) < len(set) && s.illegal(rest) {
				set, removed = rest, true
			}
		}
		if portion == 1 && !removed {
			break
		}
		if !removed || portion > len(set) {
			portion = max(1, min(portion, len(set))/2)
		}
	}
	return set
}

// without returns the set less the dropped operations and all that would
// prove nothing without them. Mutations that began after the horizon are
// outside the set already.
func (s *shrinker) without(set, drop []int32, horizon int64) []int32 {
	r := s.register
	gone := make(map[int32]bool, len(drop))
	// earliest start of a mutation that is outside: of each value, and of any.
	missing := map[int32]int64{}
	any := int64(math.MaxInt64)
	lose := func(o *registerOperation) {
		if !o.mutates() {
			return
		}
		any = min(any, o.start)
		if at, found := missing[o.value]; !found || o.start < at {
			missing[o.value] = o.start
		}
	}
	if horizon != math.MaxInt64 {
		for i := range r.operations {
			if o := &r.operations[i]; o.start > horizon {
				lose(o)
			}
		}
	}
	for _, i := range drop {
		gone[i] = true
		lose(&r.operations[i])
	}
	for changed := true; changed; {
		changed = false
		for _, i := range set {
			o := &r.operations[i]
			if gone[i] {
				continue
			}
			at, found := missing[o.dependsOn()]
			if o.outcome == mismatch {
				at, found = any, true
			}
			if found && at <= o.end {
				gone[i], changed = true, true
				lose(o)
			}
		}
	}
	rest := make([]int32, 0, len(set))
	for _, i := range set {
		if !gone[i] {
			rest = append(rest, i)
		}
	}
	return rest
}

// finding describes the witness and has Porcupine confirm it by the plain model.
func (s *shrinker) finding(set []int32) finding {
	positions := s.positions(set)
	f := newFinding(classOther, s.register.key)
	if s.sub.load(s.operations, s.register.key, positions) == nil {
		f = s.sub.recognize()
	}
	// The write that should explain the read, but cannot, belongs to the story.
	if f.class == classPhantom {
		if class, write := s.unusable(f.second); write != none {
			f.class, f.older = class, write
			positions = append(positions, write)
		}
	}
	slices.Sort(positions)
	f.positions = slices.Compact(positions)
	f.confirm(s.limiter, s.operations)
	if !f.confirmed { // the plain model may be too slow for a long witness
		s.deadline = time.Now().Add(confirmTime)
		f.confirmed = s.illegal(set)
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
		v := &r.values[r.operations[i].observes()]
		switch {
		case v.failed != none:
			return classFailed, v.failed
		case v.writer != none:
			return classFuture, r.operations[v.writer].position
		}
	}
	return classPhantom, none
}
