package checker

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// contended is what is hardest to decide: fifty clients that compare and set a
// few values over and over, a third of the outcomes unknown, failures that do not say
// what they found; and a read at the end that only two compare-and-sets of
// unknown outcome could explain, the first of which expects what was never there.
func contended(operations int) []history.Operation {
	all := simulation{operations: operations, processes: 50, keys: 1, cas: 0.5, unknown: 0.3, values: 6, mismatches: true}.run(rand.New(rand.NewPCG(6, 6)))
	var more []simulated
	end := int64(0)
	for i := range all {
		o := all[i]
		end = max(end, o.Start)
		if o.End != history.Infinity {
			end = max(end, o.End)
		}
		more = append(more, simulated{Operation: o})
	}
	add := func(o history.Operation) {
		o.Key = "r0"
		o.Process = history.Process(1_000_000 + len(more))
		more = append(more, simulated{Operation: o})
	}
	add(history.Operation{F: history.FCAS, Input: history.ListValue([]int64{10, 9}), Start: 1, End: history.Infinity, Type: history.Info})
	add(history.Operation{F: history.FCAS, Input: history.ListValue([]int64{9, 8}), Start: 1, End: history.Infinity, Type: history.Info})
	add(history.Operation{F: history.FRead, Output: history.IntValue(8), Start: end + 1, End: end + 2, Type: history.Ok})
	return order(more)
}

func TestContentionEndsUnknownInTime(t *testing.T) {
	operations := contended(1500)
	var result Result
	// On a busy machine the first limit may be over before the search begins, which is no fault.
	for limit := time.Second; limit <= 16*time.Second; limit *= 4 {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		begin := time.Now()
		report, err := Check(ctx, operations, Options{Claims: []string{Linearizable}})
		cancel()
		require.NoError(t, err)
		assert.Less(t, time.Since(begin), limit+10*time.Second)
		result = report.Claims[0]
		require.Equal(t, Unknown, result.Verdict)
		if strings.Contains(result.Explanation, "tried") {
			break
		}
	}
	assert.False(t, result.Vacuous)
	assert.Regexp(t, `key r0: .*(time for checking was over|longer than its share of .*,) after \d+ steps tried`, result.Explanation)
	assert.Regexp(t, `\(1\d\d\d operations, up to \d\d at a time, and \d\d\d of unknown outcome\)`, result.Explanation)
	assert.Contains(t, result.Explanation, "would help")
	assert.Equal(t, "gibbons-korach, wing-gong-lowe", result.Checker)
}

// TestLongWitnessEndsInTime: repeated values, a contradiction that only a search
// finds, and no time to make the witness small. What making it, putting it into
// words and asking Porcupine about it take is bounded all the same.
func TestLongWitnessEndsInTime(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 4))
	operations := simulation{operations: 50_000, processes: 10, keys: 1, values: 20}.run(r)
	mutate(operations, r)
	tl, err := newTimeline(operations)
	require.NoError(t, err)
	j := &judge{timeline: tl, limiter: newLimiter(context.Background(), 0)}
	defer j.limiter.close()
	require.NoError(t, j.register.load(operations, "r0", tl.keys[0].positions))
	begin := time.Now()
	out := j.refuted(nil, time.Millisecond)
	w := tl.witness(*out.finding, Options{})
	assert.Less(t, time.Since(begin), 2*confirmTime+10*time.Second)
	assert.Greater(t, len(w.Operations), 10*recognizable, "it was made small after all, so that this tests nothing")
	assert.Equal(t, classOther, w.Class)
}

// TestLateClosureIsWhole: a set of operations that could not be closed in time
// would prove nothing; all of them still do.
func TestLateClosureIsWhole(t *testing.T) {
	operations := simulation{operations: 2_000, processes: 10, keys: 1, values: 5}.run(rand.New(rand.NewPCG(2, 4)))
	tl, err := newTimeline(operations)
	require.NoError(t, err)
	var x register
	require.NoError(t, x.load(operations, "r0", tl.keys[0].positions))
	s := newShrinker(operations, &x, 0, -time.Second)
	defer s.close()
	last := int32(len(x.operations) - 1)
	for x.operations[last].kind != read {
		last--
	}
	assert.Len(t, s.closeOver([]int32{last}), len(x.operations))
	set := []int32{0, 1, 2}
	assert.Equal(t, set, s.without(set, set[:1], math.MaxInt64))
}

func TestContentionEndsUnknownWithinItsMemory(t *testing.T) {
	operations := contended(1500)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	peak := watchHeap()
	bound := int64(heap()) + 24<<20
	report, err := Check(ctx, operations, Options{Claims: []string{Linearizable}, Memory: bound})
	most := peak()
	require.NoError(t, err)
	require.NoError(t, ctx.Err(), "the time was over before the memory bound was reached")
	assert.Equal(t, Unknown, report.Claims[0].Verdict)
	assert.Contains(t, report.Claims[0].Explanation, "memory bound")
	assert.Regexp(t, `of unknown outcome\)`, report.Claims[0].Explanation)
	assert.Less(t, most, uint64(48<<20), "what was tried must fit the bound, garbage aside")
}

// TestSearchDecidesRepeatedValues: legal histories of ten clients that only a search decides.
func TestSearchDecidesRepeatedValues(t *testing.T) {
	for _, s := range []simulation{
		{operations: 20_000, processes: 10, keys: 1, cas: 0.2, values: 1000, unknown: 0.01},
		{operations: 20_000, processes: 10, keys: 1, cas: 0.2, values: 100, mismatches: true, found: true},
		{operations: 5_000, processes: 10, keys: 1, cas: 0.3, unknown: 0.02, deletes: 0.2, conditional: 0.3, mismatches: true},
	} {
		operations := s.run(rand.New(rand.NewPCG(3, 3)))
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		report, err := Check(ctx, operations, Options{Claims: []string{Linearizable}})
		cancel()
		require.NoError(t, err)
		assert.Equal(t, Holds, report.Claims[0].Verdict, report.Claims[0].Explanation)
		assert.Equal(t, "gibbons-korach, wing-gong-lowe", report.Claims[0].Checker)
		t.Log(report.Claims[0].Seconds)
	}
}

// TestSearchForgets: one searcher decides history after history as a new one would.
func TestSearchForgets(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	var old searcher
	var x register
	var d decider
	legal := map[searchResult]int{}
	for range 2_000 {
		operations := mixes["jepsen"].run(r)
		mutate(operations, r)
		tl, err := newTimeline(operations)
		require.NoError(t, err)
		require.NoError(t, x.load(operations, "r0", tl.keys[0].positions))
		p := d.prepare(&x)
		var fresh searcher
		want := fresh.decide(p, nil, nil)
		require.Equal(t, want, old.decide(p, nil, nil), describeHistory(operations))
		require.Equal(t, oracleLegal(operations, "r0"), want == searchLegal, describeHistory(operations))
		legal[want]++
	}
	assert.Greater(t, legal[searchLegal], 100)
	assert.Greater(t, legal[searchIllegal], 100)
}

// TestHashSet against a map, through growth and clearing.
func TestHashSet(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var h hashSet
	for range 50 {
		h.clear()
		known := map[[2]uint64]bool{}
		for range r.IntN(3000) {
			k := [2]uint64{r.Uint64N(40), r.Uint64N(40)}
			fresh, full := h.add(k[0], k[1], nil)
			require.False(t, full)
			require.Equal(t, !known[k], fresh)
			known[k] = true
		}
	}
	var small hashSet
	small.clear()
	full := false
	for i := uint64(0); !full; i++ {
		require.Less(t, i, uint64(1000))
		_, full = small.add(i, i, func(bytes uint64) bool { return bytes <= 256*hashSlotBytes })
	}
	assert.Len(t, small.slots, 256)
}
