package checker

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/anishathalye/porcupine"
	"github.com/refute-lab/refute/harness/history"
)

// The classes of counters that are not linearizable, beside phantom-read (a
// sum that no part of the additions makes).
const (
	classCounterLow  = "counter-too-low"   // less than what had certainly been added
	classCounterHigh = "counter-too-high"  // more than could have been added
	classCounterBack = "counter-went-back" // less than an earlier read, although nothing negative was added
)

// counterHistory decides counters: additions of integers, and reads of the sum.
//
// In general that is as hard as finding a part of the additions with a given
// sum. Sound and cheap are the bounds of each read (what had certainly been
// added before it, and what could have been), and that reads of a counter to
// which nothing negative is added never go back. If all additions are of the
// same number, a counter only counts, and the decision is exact: see
// scheduled. All else is searched.
type counterHistory struct {
	key         string
	operations  []history.Operation
	adds, reads []counterCall
	// nothing negative was added (perhaps); all additions are of unit.
	rising  bool
	unit    int64
	divisor uint64 // greatest common divisor of what was added
}

// counterCall is an addition or a read with the number added or read.
type counterCall struct {
	start, end int64
	number     int64
	position   int32
	add        bool
}

func (c *counterCall) at() int32 { return c.position }

func (c *counterHistory) method() string { return "bounds and schedules of additions" }

func (c *counterHistory) observations() int { return len(c.reads) }

// greatestTotal keeps all sums within 64 bits.
const greatestTotal = math.MaxInt64 / 4

func (c *counterHistory) load(operations []history.Operation, key string, positions []int32) error {
	*c = counterHistory{key: key, operations: operations, rising: true}
	total := uint64(0)
	for _, p := range positions {
		o := &operations[p]
		switch o.F {
		case history.FRead:
			if !observed(o) {
				continue
			}
			sum, ok := o.Output.Int()
			if !ok && o.Output.Kind() != history.Nil { // a counter that is not found was never added to
				return fmt.Errorf("operation %d reads %s, which is no sum", o.Index, showValue(o.Output))
			}
			c.reads = append(c.reads, counterCall{o.Start, o.End, sum, p, false})
		case history.FAdd:
			delta, ok := o.Input.Int()
			if !ok {
				return fmt.Errorf("operation %d adds %s, which is no integer", o.Index, showValue(o.Input))
			}
			if o.Type == history.Fail || delta == 0 {
				continue
			}
			size := magnitude(delta)
			if total += min(size, greatestTotal+1); total > greatestTotal {
				return fmt.Errorf("operation %d: the additions together are too large to be summed up", o.Index)
			}
			c.adds = append(c.adds, counterCall{o.Start, certainly(o), delta, p, true})
			c.rising = c.rising && delta > 0
			c.divisor = commonDivisor(c.divisor, size)
			c.unit = delta
		default:
			return misfit(o, "counter")
		}
	}
	for i := range c.adds {
		if c.adds[i].number != c.unit {
			c.unit = 0
		}
	}
	return nil
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

func commonDivisor(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (c *counterHistory) decide() (found []finding, proved bool) {
	found = c.outOfBounds(nil)
	found = c.indivisible(found)
	if c.rising {
		found = c.backwards(found)
	}
	if len(found) > 0 {
		return found, false
	}
	if len(c.adds) == 0 || len(c.reads) == 0 {
		return nil, true // the reads, if any, are within the bounds, which are 0
	}
	if c.unit == 0 {
		return nil, false
	}
	if c.scheduled() {
		return nil, true
	}
	f := newFinding(classOther, c.key)
	for _, calls := range [][]counterCall{c.adds, c.reads} {
		for i := range calls {
			f.positions = append(f.positions, calls[i].position)
		}
	}
	slices.Sort(f.positions)
	return []finding{f}, false
}

// total answers how much had been added in all by (or before) a time.
type total struct {
	times []int64
	sums  []int64 // sums[i] is that of the first i
}

func totalOf(adds []counterCall, when func(*counterCall) (int64, bool)) total {
	type entry struct{ time, number int64 }
	var entries []entry
	for i := range adds {
		if time, ok := when(&adds[i]); ok {
			entries = append(entries, entry{time, adds[i].number})
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.time, b.time) })
	t := total{sums: make([]int64, 1, len(entries)+1)}
	for _, e := range entries {
		t.times = append(t.times, e.time)
		t.sums = append(t.sums, t.sums[len(t.sums)-1]+e.number)
	}
	return t
}

// before is the sum of what has a time less than this.
func (t total) before(time int64) int64 {
	i, _ := slices.BinarySearch(t.times, time)
	return t.sums[i]
}

// outOfBounds finds reads of sums that are too low or too high: what had ended
// before a read began is in it, what began after it ended is not, and of the
// rest all that helps may be.
func (c *counterHistory) outOfBounds(found []finding) []finding {
	sign := func(s int64, end bool) total {
		return totalOf(c.adds, func(a *counterCall) (int64, bool) {
			if end {
				return a.end, a.number*s > 0 && a.end != history.Infinity
			}
			return a.start, a.number*s > 0
		})
	}
	moreDone, moreBegun, lessDone, lessBegun := sign(1, true), sign(1, false), sign(-1, true), sign(-1, false)
	for i := range c.reads {
		r := &c.reads[i]
		after := r.end
		if after < math.MaxInt64 {
			after++
		}
		if low := moreDone.before(r.start) + lessBegun.before(after); r.number < low {
			found = append(found, c.tooLow(r, low))
		} else if high := moreBegun.before(after) + lessDone.before(r.start); r.number > high {
			f := newFinding(classCounterHigh, c.key)
			f.second, f.element = r.position, high
			f.gather(c.begunBy(r.end)...)
			found = append(found, f)
		}
	}
	return found
}

// tooLow is the finding that the read's sum is below the least possible one.
// Of a counter that only rises, so many additions suffice as exceed the sum;
// any others taken out of a legal order leave these in every later sum.
func (c *counterHistory) tooLow(r *counterCall, low int64) finding {
	f := newFinding(classCounterLow, c.key)
	f.second, f.element = r.position, low
	if !c.rising {
		f.gather(c.begunBy(r.end)...)
		return f
	}
	var done []*counterCall
	for i := range c.adds {
		if c.adds[i].end < r.start {
			done = append(done, &c.adds[i])
		}
	}
	slices.SortStableFunc(done, func(a, b *counterCall) int { return cmp.Compare(b.number, a.number) })
	sum, needed := int64(0), []int32{}
	for _, a := range done {
		if sum > r.number {
			break
		}
		sum += a.number
		needed = append(needed, a.position)
	}
	f.gather(needed...)
	f.element = sum
	return f
}

// begunBy are the positions of the additions that were invoked by that time.
func (c *counterHistory) begunBy(time int64) (positions []int32) {
	for i := range c.adds {
		if c.adds[i].start <= time {
			positions = append(positions, c.adds[i].position)
		}
	}
	return positions
}

// indivisible finds reads of sums that are no multiple of a number that
// divides everything that was added.
func (c *counterHistory) indivisible(found []finding) []finding {
	for i := range c.reads {
		if r := &c.reads[i]; c.divisor > 1 && magnitude(r.number)%c.divisor != 0 {
			f := newFinding(classPhantom, c.key)
			f.second = r.position
			f.gather(c.begunBy(r.end)...)
			found = append(found, f)
		}
	}
	return found
}

// backwards finds reads of less than a read returned that had ended before they began.
func (c *counterHistory) backwards(found []finding) []finding {
	byEnd := make([]*counterCall, len(c.reads))
	for i := range c.reads {
		byEnd[i] = &c.reads[i]
	}
	slices.SortStableFunc(byEnd, func(a, b *counterCall) int { return cmp.Compare(a.end, b.end) })
	var greatest *counterCall
	next := 0
	for i := range c.reads { // in order of invocation
		r := &c.reads[i]
		for ; next < len(byEnd) && byEnd[next].end < r.start; next++ {
			if greatest == nil || byEnd[next].number > greatest.number {
				greatest = byEnd[next]
			}
		}
		if greatest != nil && r.number < greatest.number {
			f := newFinding(classCounterBack, c.key)
			f.first, f.second = greatest.position, r.position
			f.gather()
			found = append(found, f)
		}
	}
	return found
}

// without drops any reads, but of the additions only those that were invoked
// after all reads that stay had ended: an order without reads stays one, and
// such additions can come last; any other changes what the reads should find.
func (c *counterHistory) without(set, drop []int32) []int32 {
	rest := dropped(set, drop)
	last := never
	for _, p := range rest {
		if o := &c.operations[p]; o.F == history.FRead && observed(o) {
			last = max(last, o.End)
		}
	}
	out := make([]int32, 0, len(set))
	for _, p := range set {
		o := &c.operations[p]
		_, stays := slices.BinarySearch(rest, p)
		if stays && o.F == history.FRead || o.F == history.FAdd && o.Start <= last {
			out = append(out, p)
		}
	}
	return out
}

func (c *counterHistory) search() (porcupine.Model, []porcupine.Operation) {
	var calls []porcupine.Operation
	for _, list := range [][]counterCall{c.adds, c.reads} {
		for i := range list {
			calls = append(calls, porcupine.Operation{Input: &list[i], Call: list[i].start, Return: list[i].end})
		}
	}
	return porcupine.Model{
		Init: func() any { return int64(0) },
		StepContext: func(_ context.Context, state, in, _ any) (bool, any) {
			sum, call := state.(int64), in.(*counterCall)
			if call.add {
				return true, sum + call.number
			}
			return sum == call.number, state
		},
		Equal:         func(a, b any) bool { return a.(int64) == b.(int64) },
		Hash:          func(state any) uint64 { return scatter(uint64(state.(int64))) },
		DescribeState: func(state any) string { return fmt.Sprintf("sum %d", state.(int64)) },
	}, calls
}
