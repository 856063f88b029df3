package checker

import (
	"math/rand/v2"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// counterTrial is a correct counter with decrements.
func counterTrial() trial {
	return trial{
		operations: 12, processes: 4, state: int64(0),
		next: func(r *rand.Rand, n int64) history.Operation {
			if r.IntN(5) < 2 || n == 1 {
				return history.Operation{F: history.FRead, Key: "c"}
			}
			return history.Operation{F: history.FAdd, Key: "c", Input: history.IntValue(r.Int64N(9) - 2)}
		},
		apply: func(state any, o *history.Operation) any {
			if o.F == history.FAdd {
				amount, _ := o.Input.Int()
				return state.(int64) + amount
			}
			if o.Type == history.Ok {
				o.Output = history.IntValue(state.(int64))
			}
			return state
		},
	}
}

// naiveBounds follows the definition operation by operation.
func naiveBounds(all []history.Operation, r *history.Operation) (lower, upper int64) {
	for i := range all {
		amount, _ := all[i].Input.Int()
		if all[i].F != history.FAdd || all[i].Type == history.Fail {
			continue
		}
		must := all[i].Type == history.Ok && all[i].End < r.Start
		may := all[i].Start <= r.End
		if must || may && amount < 0 {
			lower += amount
		}
		if must || may && amount > 0 {
			upper += amount
		}
	}
	return lower, upper
}

func TestCounterBoundsAgreeWithTheirDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 12))
	refuted, counters := map[string]int{}, 0
	for i := range 12_000 {
		operations := counterTrial().run(r)
		if i%4 > 0 {
			for range 1 + r.IntN(2) {
				if o := &operations[r.IntN(len(operations))]; o.F == history.FRead && o.Type == history.Ok {
					n, _ := o.Output.Int()
					o.Output = history.IntValue(n + r.Int64N(9) - 4)
				}
			}
		}
		tl, err := newTimeline(operations)
		require.NoError(t, err)
		if tl.keys[0].object != counterObject {
			continue
		}
		counters++
		want := map[string]int{}
		for k := range operations {
			o := &operations[k]
			if value, ok := o.Output.Int(); ok && o.F == history.FRead {
				switch lower, upper := naiveBounds(operations, o); {
				case value < lower:
					want[classUndercount]++
				case value > upper:
					want[classOvercount]++
				}
			}
		}
		if requireClasses(t, operations, CounterBounds, want, classUndercount, classOvercount) {
			require.NotZero(t, i%4, "a correct counter was accused:\n%s", describeHistory(operations))
			for class := range want {
				refuted[class]++
			}
		}
	}
	t.Log(counters, refuted)
	assert.Greater(t, counters, 10_000)
	assert.Greater(t, refuted[classUndercount], 500)
	assert.Greater(t, refuted[classOvercount], 500)
}

// TestCounterWitnessIsSmall: of many adds the greatest show that a read is too low.
func TestCounterWitnessIsSmall(t *testing.T) {
	var all []simulated
	for i := range int64(50) {
		o := setAdd(history.Process(i), 1+i, 10*i, 10*i+5, history.Ok)
		o.Key = "c"
		all = append(all, o)
	}
	all = append(all, simulated{Operation: history.Operation{F: history.FRead, Key: "c", Process: 99, Start: 1000, End: 1001, Type: history.Ok, Output: history.IntValue(140)}})
	result := resultOf(t, order(all), CounterBounds, Options{})
	require.Equal(t, Refuted, result.Verdict)
	assert.Len(t, result.Witnesses[0].Operations, 4) // 50 + 49 + 48 > 140
	assert.Contains(t, result.Witnesses[0].Explanation, "make at least 147 (3 of them); all its adds allow 1275 to 1275")
}

// TestCounterSumsThatDoNotFit are no reason to accuse a counter.
func TestCounterSumsThatDoNotFit(t *testing.T) {
	add := func(p history.Process, amount, at int64) simulated {
		o := setAdd(p, amount, at, at+1, history.Ok)
		o.Key = "c"
		return o
	}
	read := simulated{Operation: history.Operation{F: history.FRead, Key: "c", Process: 9, Start: 100, End: 101, Type: history.Ok, Output: history.IntValue(1)}}
	for _, amounts := range [][]int64{{1 << 62, 1 << 62}, {-1 << 63, 1}, {1<<62 - 1, 1<<62 - 1}} {
		operations := order([]simulated{add(1, amounts[0], 0), add(2, amounts[1], 10), read})
		result := resultOf(t, operations, CounterBounds, Options{})
		assert.Equal(t, Unknown, result.Verdict)
		assert.Contains(t, result.Explanation, "do not fit 64 bits")
		assert.False(t, result.Vacuous)
	}
}
