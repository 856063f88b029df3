package checker

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/refute-lab/refute/harness/history"
)

// The classes of reads of a counter.
const (
	classUndercount = "undercount" // an acknowledged add is missing
	classOvercount  = "overcount"  // an add took effect twice, or nobody made it
)

// counterWitnessMost is how many operations a counter's witness lists. Each
// add moves the sum by its amount only, so many may be needed; beyond this
// number the explanation tells their sum, and the witness is the read alone.
const counterWitnessMost = 1_000

// checkCounterBounds decides counter-bounds, Jepsen's counter checker with
// decrements: a counter begins at 0, which is also what "not found" means, and
// a read returns at least
//
//   - all positive acknowledged adds that ended before it began,
//   - and all negative adds that did not certainly fail and began before it ended;
//
// at most all positive adds that did not certainly fail and began before it
// ended, and all negative acknowledged ones that ended before it began. An add
// of unknown outcome takes effect once at most. Where two times are equal the
// operations overlap. A lost update of a counter shows as an undercount, an add
// that was repeated after a timeout as an overcount. Linearizability of the
// counter implies the claim.
func checkCounterBounds(ctx context.Context, t *timeline, o Options) Result {
	result := Result{Claim: CounterBounds, Checker: "counter-bounds"}
	all := newTally()
	examined, keys, open, farthest := 0, 0, 0, int64(0)
	var c counterSums
	skipped := t.visit(ctx, CounterBounds, o, visitor{counter: func(key *keyOperations) error {
		if err := c.load(t.operations, key); err != nil {
			return err
		}
		c.bounds()
		if len(c.reads) > 0 {
			examined += len(c.reads)
			keys++
		}
		for i := range c.reads {
			r := &c.reads[i]
			if r.lower != r.upper {
				open++
			}
			if magnitude(r.value) < 1<<62 { // the bounds are smaller
				farthest = max(farthest, r.lower-r.value, r.value-r.upper)
			}
		}
		c.count(t, key.name, all)
		return nil
	}})
	result.conclude(t, o, outcomeOfKeys{
		all: all, skipped: skipped, examined: examined, missing: "no counter (adds, and reads that return a sum) was read",
		refuted: fmt.Sprintf("%s, of %s, %s outside what the adds allow: %d too low, %d too high, by %d at most",
			plural(all.found, "read"), plural(len(all.best), "counter"), isOrAre(all.found), all.classes[classUndercount], all.classes[classOvercount], farthest),
		holds: fmt.Sprintf("Each of %s, of %s, lies within what the adds allow (%d of them had more than one legal sum)", plural(examined, "read"), plural(keys, "counter"), open),
	})
	return result
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// counterSums is one counter: what was or may have been added, and what was read.
type counterSums struct {
	adds  []counterAdd  // that did not certainly fail, in order of invocation
	ended []int32       // the acknowledged adds, by their end
	reads []counterRead // in order of invocation
	order []int32       // of the reads, by their end
}

type counterAdd struct {
	start, end   int64
	amount       int64
	position     int32
	acknowledged bool
}

type counterRead struct {
	start, end   int64
	value        int64
	lower, upper int64
	position     int32
}

// load keeps its storage from one use to the next. It fails on adds that are
// no integers, and where the sums could exceed 64 bits.
func (c *counterSums) load(operations []history.Operation, key *keyOperations) error {
	c.adds, c.ended, c.reads, c.order = c.adds[:0], c.ended[:0], c.reads[:0], c.order[:0]
	total := uint64(0)
	for _, p := range key.positions {
		o := &operations[p]
		if o.F == history.FRead {
			value, ok := o.Output.Int()
			if o.Type == history.Ok && (ok || o.Output.Kind() == history.Nil) {
				c.order = append(c.order, int32(len(c.reads)))
				c.reads = append(c.reads, counterRead{start: o.Start, end: o.End, value: value, position: p})
			}
			continue
		}
		amount, ok := o.Input.Int()
		if !ok {
			return fmt.Errorf("operation %d adds no integer to a counter", o.Index)
		}
		if o.Type == history.Fail {
			continue
		}
		if total += magnitude(amount); total >= 1<<62 || magnitude(amount) >= 1<<62 {
			return fmt.Errorf("the sums of its adds do not fit 64 bits")
		}
		a := counterAdd{start: o.Start, end: o.End, amount: amount, position: p, acknowledged: o.Type == history.Ok}
		if a.acknowledged {
			c.ended = append(c.ended, int32(len(c.adds)))
		}
		c.adds = append(c.adds, a)
	}
	slices.SortFunc(c.ended, func(a, b int32) int {
		return cmp.Or(cmp.Compare(c.adds[a].end, c.adds[b].end), cmp.Compare(a, b))
	})
	slices.SortFunc(c.order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(c.reads[a].end, c.reads[b].end), cmp.Compare(a, b))
	})
	return nil
}

// signed holds sums of positive and of negative amounts.
type signed struct{ positive, negative int64 }

func (s *signed) add(amount int64) {
	if amount > 0 {
		s.positive += amount
	} else {
		s.negative += amount
	}
}

// bounds finds what each read may return, by two sweeps: over the ends of the
// adds beside the beginnings of the reads, and the other way round.
func (c *counterSums) bounds() {
	var sure, perhaps signed
	k := 0
	for i := range c.reads {
		r := &c.reads[i]
		for ; k < len(c.ended) && c.adds[c.ended[k]].end < r.start; k++ {
			sure.add(c.adds[c.ended[k]].amount)
		}
		r.lower, r.upper = sure.positive, sure.negative
	}
	k = 0
	for _, i := range c.order {
		r := &c.reads[i]
		for ; k < len(c.adds) && c.adds[k].start <= r.end; k++ {
			perhaps.add(c.adds[k].amount)
		}
		r.lower += perhaps.negative
		r.upper += perhaps.positive
	}
}

// count counts the reads outside their bounds. To show are, of each class, the
// lowest read and the earliest, which take the fewest adds.
func (c *counterSums) count(t *timeline, key string, all *tally) {
	low, high := none, none
	for i := range c.reads {
		r := &c.reads[i]
		switch {
		case r.value < r.lower:
			if low == none || r.value < c.reads[low].value {
				low = int32(i)
			}
		case r.value > r.upper:
			if high == none || r.end < c.reads[high].end {
				high = int32(i)
			}
		default:
			continue
		}
		all.found++
		all.classes[c.class(int32(i))]++
	}
	for _, i := range []int32{low, high} {
		if i == none {
			continue
		}
		f := c.finding(t, key, i)
		if old, found := all.best[key]; !found || len(f.positions) < len(old.positions) {
			all.best[key] = f
		}
	}
}

func (c *counterSums) class(read int32) string {
	if c.reads[read].value < c.reads[read].lower {
		return classUndercount
	}
	return classOvercount
}

// finding puts a read outside its bounds together with the fewest adds that
// show it: for an undercount the greatest acknowledged ones that it must
// contain, and all that may have made it smaller; for an overcount the reverse.
func (c *counterSums) finding(t *timeline, key string, read int32) finding {
	r := &c.reads[read]
	f := newFinding(c.class(read), key)
	f.second = r.position
	sign := int64(1) // what the bound consists of is positive, what widens it negative; for an overcount the reverse
	if f.class == classOvercount {
		sign = -1
	}
	sum := int64(0)
	var needed, shown []int32
	for i := range c.adds {
		a := &c.adds[i]
		switch amount := sign * a.amount; {
		case amount < 0 && a.start <= r.end:
			sum += a.amount
			shown = append(shown, a.position)
		case amount > 0 && a.acknowledged && a.end < r.start:
			needed = append(needed, int32(i))
		}
	}
	slices.SortStableFunc(needed, func(a, b int32) int { return cmp.Compare(sign*c.adds[b].amount, sign*c.adds[a].amount) })
	for _, i := range needed {
		if sign*sum > sign*r.value {
			break
		}
		sum += c.adds[i].amount
		shown = append(shown, c.adds[i].position)
	}
	if len(shown) < counterWitnessMost {
		f.gather(shown...)
	} else {
		f.gather()
	}
	f.told = t.tellCounter(f, r, len(shown), sum)
	return f
}

func (t *timeline) tellCounter(f finding, r *counterRead, adds int, sum int64) string {
	n := t.narrate(f)
	got := n.got(f.second)
	if f.class == classUndercount {
		return fmt.Sprintf("%s, but the adds that were acknowledged before it began, or may lower it, make at least %d (%d of them); all its adds allow %d to %d.", got, sum, adds, r.lower, r.upper)
	}
	return fmt.Sprintf("%s, but the adds that were attempted before it ended, or certainly lower it, make at most %d (%d of them); all its adds allow %d to %d.", got, sum, adds, r.lower, r.upper)
}
