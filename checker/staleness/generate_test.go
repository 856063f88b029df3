package staleness

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// store makes histories of one key: an atomic register, of whose reads some
// return what was current some time before.
type store struct {
	operations, clients int
	// unknown is the share of writes without known outcome, stale that of the
	// reads that lag, by lag nanoseconds on average.
	unknown, stale float64
	lag            float64
}

// run makes a history of about a millisecond an operation of each client.
func (s store) run(r *rand.Rand) (values int, list []Operation) {
	type point struct {
		at    int64
		value int32
	}
	var effects []point
	values = 1
	free := make([]int64, s.clients)
	at := make([]int64, 0, s.operations)
	for i := range s.operations {
		c := i % s.clients
		start := free[c] + 1 + r.Int64N(200_000)
		o := Operation{Start: start, End: start + 1 + r.Int64N(1_800_000), Write: r.IntN(4) == 0}
		free[c] = o.End
		effect := o.Start + r.Int64N(o.End-o.Start+1)
		if o.Write {
			o.Value = int32(values)
			values++
			effects = append(effects, point{effect, o.Value})
			o.Unknown = r.Float64() < s.unknown
		}
		list, at = append(list, o), append(at, effect)
	}
	slices.SortFunc(effects, func(a, b point) int { return cmp.Compare(a.at, b.at) })
	for i := range list {
		o := &list[i]
		if o.Write {
			continue
		}
		when := at[i]
		if r.Float64() < s.stale {
			when -= int64(r.ExpFloat64() * s.lag)
		}
		n, _ := slices.BinarySearchFunc(effects, when, func(p point, t int64) int {
			if p.at <= t {
				return -1
			}
			return 1
		})
		if n > 0 {
			o.Value = effects[n-1].value
		}
	}
	slices.SortStableFunc(list, func(a, b Operation) int { return cmp.Compare(a.Start, b.Start) })
	for i := range list {
		list[i].Index = int64(i)
	}
	return values, list
}
