package checker

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func setAdd(process history.Process, value, start, end int64, kind history.Type) simulated {
	o := history.Operation{F: history.FAdd, Key: "s", Input: history.IntValue(value), Process: process, Start: start, End: end, Type: kind}
	if kind == history.Info {
		o.End = history.Infinity
	}
	return simulated{Operation: o}
}

func setRead(process history.Process, start, end int64, list ...int64) simulated {
	return simulated{Operation: history.Operation{F: history.FRead, Key: "s", Output: history.ListValue(list), Process: process, Start: start, End: end, Type: history.Ok}}
}

// TestSetClasses has one element of each class.
func TestSetClasses(t *testing.T) {
	operations := order([]simulated{
		setAdd(1, 1, 0, 5, history.Ok),     // stays
		setAdd(2, 2, 0, 6, history.Ok),     // lost after it was seen
		setAdd(3, 3, 0, 7, history.Ok),     // lost, never seen
		setAdd(4, 4, 0, 8, history.Ok),     // late
		setAdd(5, 5, 0, 0, history.Info),   // recovered
		setAdd(6, 6, 0, 0, history.Info),   // never seen, and need not be
		setAdd(7, 7, 0, 9, history.Fail),   // unexpected
		setAdd(8, 8, 99, 120, history.Ok),  // acknowledged after the last read began
		setAdd(9, 9, 0, 9, history.Fail),   // failed and absent
		setRead(10, 10, 20, 1, 2, 5, 5, 7), // 5 twice
		setRead(10, 100, 110, 1, 4, 77),    // 77: unexpected
	})
	report, err := Check(context.Background(), operations, Options{Claims: []string{NoLostWrites}})
	require.NoError(t, err)
	result := report.Claims[0]
	assert.Equal(t, Refuted, result.Verdict)
	assert.Equal(t, 3, result.Found) // 2, 3 and the recovered 5, which was seen and then was not
	assert.Equal(t, map[string]int{
		"attempted": 9, "acknowledged": 5, "lost-element": 3, "stale": 1, "recovered": 1,
		"unexpected": 2, "duplicated": 1, "never-read": 1,
	}, result.Classes)
}

func TestSetHoldsSaysHowLateElementsWere(t *testing.T) {
	operations := order([]simulated{
		setAdd(1, 1, 0, 1_000_000, history.Ok),
		setRead(2, 31_000_000, 32_000_000),
		setRead(2, 40_000_000, 41_000_000, 1),
	})
	report, err := Check(context.Background(), operations, Options{Claims: []string{NoLostWrites, NoStaleReads}})
	require.NoError(t, err)
	assert.Equal(t, Holds, report.Claims[0].Verdict)
	assert.Contains(t, report.Claims[0].Explanation, "1 element appeared late, the latest after 30 ms")
	assert.Equal(t, Refuted, report.Claims[1].Verdict)
}

// TestNeverAccusesACorrectSet: adds take effect at one instant and stay.
func TestNeverAccusesACorrectSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		var all []simulated
		free := make([]int64, 4)
		id := []history.Process{0, 1, 2, 3}
		for value := range rapid.Int64Range(1, 60).Draw(t, "operations") {
			w := r.IntN(4)
			start := free[w] + 1 + r.Int64N(3)
			end := start + r.Int64N(10)
			free[w] = end
			o := setRead(id[w], start, end)
			o.point = start + r.Int64N(end-start+1)
			if r.IntN(2) == 0 {
				o = setAdd(id[w], value, start, end, history.Ok)
				o.point = start + r.Int64N(end-start+1)
				switch r.IntN(5) {
				case 0:
					o.Type, o.End = history.Info, history.Infinity
					o.point = start + r.Int64N(40)
					id[w] += 4
				case 1:
					o.Type, o.point = history.Fail, -1
				}
			}
			all = append(all, o)
		}
		slices.SortStableFunc(all, func(a, b simulated) int { return int(a.point - b.point) })
		var state []int64
		for i := range all {
			switch {
			case all[i].point < 0:
			case all[i].F == history.FRead:
				all[i].Output = history.ListValue(slices.Clone(state))
			default:
				n, _ := all[i].Input.Int()
				state = append(state, n)
			}
		}
		requireNothingRefuted(t, order(all))
	})
}
