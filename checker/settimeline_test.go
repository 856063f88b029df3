package checker

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// setTrial is a correct set.
func setTrial() trial {
	return trial{
		operations: 12, processes: 4, state: []int64(nil),
		next: func(r *rand.Rand, n int64) history.Operation {
			if r.IntN(2) == 0 {
				return history.Operation{F: history.FRead, Key: "s"}
			}
			return history.Operation{F: history.FAdd, Key: "s", Input: history.IntValue(n)}
		},
		apply: func(state any, o *history.Operation) any {
			if n, ok := o.Input.Int(); ok {
				return append(slices.Clone(state.([]int64)), n)
			}
			if o.Type == history.Ok {
				o.Output = history.ListValue(state.([]int64))
			}
			return state
		},
	}
}

// damageSet takes elements out of reads, repeats some and invents others.
func damageSet(operations []history.Operation, r *rand.Rand) {
	for range 1 + r.IntN(3) {
		o := &operations[r.IntN(len(operations))]
		if o.F != history.FRead || o.Type != history.Ok {
			continue
		}
		list := slices.Clone(o.Output.List())
		if len(list) > 0 {
			switch i := r.IntN(len(list)); r.IntN(4) {
			case 0:
				list = append(list, list[i])
			default:
				list = slices.Delete(list, i, i+1)
			}
		}
		if r.IntN(4) == 0 {
			list = append(list, r.Int64N(14))
		}
		o.Output = history.ListValue(list)
	}
}

// naiveTimeline follows set-full's definitions element by element, over all operations.
func naiveTimeline(all []history.Operation) SetTimeline {
	out := SetTimeline{Sets: 1}
	var stable, lost []int64
	for value := range int64(20) {
		var attempted, acknowledged, possible, duplicated bool
		added, known := history.Infinity, history.Infinity
		present, absent := never, never
		for i := range all {
			o := &all[i]
			if n, ok := o.Input.Int(); ok && n == value {
				attempted = true
				if o.Type != history.Fail {
					possible, added = true, min(added, o.Start)
				}
				if o.Type == history.Ok {
					acknowledged, known = true, min(known, o.End)
				}
			}
			if o.F != history.FRead || o.Type != history.Ok {
				continue
			}
			if slices.Contains(o.Output.List(), value) {
				present, known = max(present, o.Start), min(known, o.End)
				first := slices.Index(o.Output.List(), value)
				duplicated = duplicated || slices.Contains(o.Output.List()[first+1:], value)
			} else {
				absent = max(absent, o.Start)
			}
		}
		trusted := possible && known >= added
		isLost := trusted && absent > known && absent > present
		isStable := trusted && present > absent
		for _, c := range []struct {
			is bool
			n  *int
		}{
			{attempted, &out.Attempted},
			{acknowledged, &out.Acknowledged},
			{isStable, &out.Stable},
			{isStable && absent > known, &out.Stale},
			{isLost, &out.Lost},
			{acknowledged && present == never && !isLost, &out.NeverRead},
			{present != never && trusted && !acknowledged, &out.Recovered},
			{present != never && !trusted, &out.Unexpected},
			{duplicated, &out.Duplicated},
		} {
			if c.is {
				*c.n++
			}
		}
		if isStable {
			stable = append(stable, max(0, absent-min(known, max(absent, 0))))
		}
		if isLost {
			lost = append(lost, max(0, present-min(known, max(present, 0))))
		}
	}
	quantiles := func(times []int64) map[string]float64 {
		if len(times) == 0 {
			return nil
		}
		slices.Sort(times)
		at := func(percent int) float64 { return float64(times[(percent*len(times)+99)/100-1]) / 1e6 }
		return map[string]float64{"p50": at(50), "p95": at(95), "p99": at(99), "max": at(100)}
	}
	out.StableLatency, out.LostLatency = quantiles(stable), quantiles(lost)
	return out
}

func TestSetTimelineAgreesWithItsDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 12))
	sets, seen, duplicates := 0, SetTimeline{}, 0
	for i := range 10_000 {
		operations := setTrial().run(r)
		if i%4 > 0 {
			damageSet(operations, r)
		}
		tl, err := newTimeline(operations)
		require.NoError(t, err)
		if tl.keys[0].object != setObject {
			continue
		}
		sets++
		got := setTimeline(context.Background(), tl)
		want := naiveTimeline(operations)
		worst := got.WorstStale
		got.WorstStale = nil
		require.Equal(t, want, *got, describeHistory(operations))
		require.Len(t, worst, min(want.Stale, worstShown))
		if len(worst) > 0 {
			require.Equal(t, got.StableLatency["max"], worst[0].Milliseconds, "the worst comes first")
		}
		twice := 0
		for k := range operations {
			list := slices.Clone(operations[k].Output.List())
			slices.Sort(list)
			if len(slices.Compact(slices.Clone(list))) < len(list) {
				twice++
			}
		}
		if n := resultOf(t, operations, NoDuplicates, Options{}).Found; n > 0 || twice > 0 {
			require.Equal(t, twice, n)
			duplicates++
			require.NotZero(t, i%4)
		}
		seen.Lost += want.Lost
		seen.Stale += want.Stale
		seen.Recovered += want.Recovered
		seen.NeverRead += want.NeverRead
	}
	t.Logf("%d sets, %+v, %d with duplicates", sets, seen, duplicates)
	assert.Greater(t, sets, 9_000)
	for _, n := range []int{seen.Lost, seen.Stale, seen.Recovered, seen.NeverRead, duplicates} {
		assert.Greater(t, n, 200)
	}
}

// TestSetTimelineInTheReport: it is there whatever is claimed, and says when elements became visible.
func TestSetTimelineInTheReport(t *testing.T) {
	const ms = 1_000_000
	operations := order([]simulated{
		setAdd(1, 1, 0, 1*ms, history.Ok), // absent at 31 ms: 30 ms late
		setAdd(1, 2, 2*ms, 3*ms, history.Ok),
		setAdd(1, 3, 4*ms, 5*ms, history.Ok), // lost after 15 ms
		setRead(2, 20*ms, 21*ms, 2, 3),
		setRead(2, 31*ms, 32*ms, 2),
		setRead(2, 40*ms, 41*ms, 1, 2),
	})
	report, err := Check(context.Background(), operations, Options{Claims: []string{Convergence, NoLostWrites}})
	require.NoError(t, err)
	raw, err := json.Marshal(report.Sets)
	require.NoError(t, err)
	assert.JSONEq(t, `{"sets":1,"attempted":3,"acknowledged":3,"stable":2,"stale":1,"lost":1,"never_read":0,"recovered":0,"unexpected":0,"duplicated":0,
		"stable_latency_ms":{"p50":0,"p95":30,"p99":30,"max":30},"lost_latency_ms":{"p50":15,"p95":15,"p99":15,"max":15},
		"worst_stale":[{"key":"s","element":1,"ms":30,"known":0,"lacking":8}]}`, string(raw))
	assert.Nil(t, report.Replicas)
	assert.Nil(t, report.Siblings)
}
