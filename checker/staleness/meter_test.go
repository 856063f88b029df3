package staleness

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestAtomicHistoriesHaveNoStaleness, however long and concurrent.
func TestAtomicHistoriesHaveNoStaleness(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	for _, s := range []store{{operations: 5_000, clients: 5}, {operations: 5_000, clients: 60, unknown: 0.3}} {
		values, list := s.run(r)
		got := one(t, values, list)
		assert.Equal(t, KAtomicity{Least: 1, Most: 1}, got.K)
		assert.Equal(t, [3]int64{0, 0, 0}, [3]int64{got.Delta.Nanoseconds, got.Gamma.Nanoseconds, int64(got.Stale.Count)})
		assert.Nil(t, got.Age)
		assert.Greater(t, got.Stale.High, 0.0, "none of so many is not none at all")
		for _, b := range got.Visibility {
			assert.Equal(t, b.Fresh.Of, b.Fresh.Count)
		}
	}
}

// TestMeasuresAreInOrder: what holds between the measures of any history.
func TestMeasuresAreInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	wide, exact := 0, 0
	for range 400 {
		s := store{operations: 20 + r.IntN(150), clients: 2 + r.IntN(12), unknown: r.Float64() * .3, stale: r.Float64() * .4, lag: 1e6 * r.Float64() * 10}
		values, list := s.run(r)
		got := one(t, values, list)
		require.LessOrEqual(t, got.Gamma.Nanoseconds, got.Delta.Nanoseconds)
		require.LessOrEqual(t, got.Oldest.Nanoseconds, got.Delta.Nanoseconds)
		require.LessOrEqual(t, got.K.Least, got.K.Most)
		require.Less(t, got.MostVersions.Versions, got.K.Least)
		if got.K.Exact() {
			exact++
		} else {
			wide++
		}
		reads := 0
		for _, b := range got.Versions {
			reads += b.Reads
		}
		require.Equal(t, got.Reads, reads)

		// With one read less a history is no further from being atomic.
		i := slices.IndexFunc(list, func(o Operation) bool { return !o.Write })
		rest := one(t, values, slices.Delete(slices.Clone(list), i, i+1))
		require.LessOrEqual(t, rest.Delta.Nanoseconds, got.Delta.Nanoseconds)
		require.LessOrEqual(t, rest.Gamma.Nanoseconds, got.Gamma.Nanoseconds)
		require.LessOrEqual(t, rest.K.Least, got.K.Most)

		// When the clock was started makes no difference, nor does its unit.
		moved := slices.Clone(list)
		for i := range moved {
			moved[i].Start, moved[i].End = 3*moved[i].Start-1e12, 3*moved[i].End-1e12
		}
		later := one(t, values, moved)
		require.Equal(t, got.K, later.K)
		require.Equal(t, got.Versions, later.Versions)
		require.InDelta(t, 3*got.Delta.Nanoseconds, later.Delta.Nanoseconds, 2)
		require.Equal(t, 3*got.Oldest.Nanoseconds, later.Oldest.Nanoseconds)
	}
	assert.Greater(t, exact, 20*wide, "the bracket of k is rarely open")
}

// TestShownOperationsShowIt: the operations named by a measure have it by themselves.
func TestShownOperationsShowIt(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	seen := 0
	for range 300 {
		values, list := store{operations: 60, clients: 6, unknown: .1, stale: .2, lag: 3e6}.run(r)
		got := one(t, values, list)
		part := func(indexes []int64) *Report {
			var some []Operation
			for _, i := range indexes {
				some = append(some, list[i])
			}
			return one(t, values, some)
		}
		if got.Delta.Nanoseconds == 0 {
			continue
		}
		seen++
		assert.LessOrEqual(t, len(got.Delta.Operations), 6)
		assert.Equal(t, got.Delta.Nanoseconds, part(got.Delta.Operations).Delta.Nanoseconds)
		assert.Equal(t, got.Gamma.Nanoseconds, part(got.Gamma.Operations).Gamma.Nanoseconds)
		if got.Stale.Count > 0 {
			assert.LessOrEqual(t, len(got.Oldest.Operations), 5)
			assert.Equal(t, got.Oldest.Nanoseconds, part(got.Oldest.Operations).Oldest.Nanoseconds)
			assert.Positive(t, part(got.MostVersions.Operations).MostVersions.Versions)
		}
	}
	assert.Greater(t, seen, 100)
}

// TestTheWorstKeyIsNamed, and a meter says of a key what a new one would.
func TestTheWorstKeyIsNamed(t *testing.T) {
	fresh := []Operation{{Start: 0, End: 1, Value: 1, Write: true, Index: 1}, {Start: 5, End: 6, Value: 1, Index: 2}}
	behind := func(by int64) []Operation {
		return []Operation{
			{Start: 0, End: 1, Value: 1, Write: true, Index: 10}, {Start: 2, End: 3, Value: 2, Write: true, Index: 11},
			{Start: 3 + by, End: 100, Value: 1, Index: 12},
		}
	}
	var m Meter
	for _, k := range []struct {
		key        string
		operations []Operation
	}{{"a", fresh}, {"b", behind(7)}, {"c", behind(40)}, {"d", fresh}, {"e", behind(20)}} {
		require.NoError(t, m.Measure(context.Background(), k.key, 3, k.operations))
	}
	got := m.Report(nil)
	assert.Equal(t, 5, got.Keys)
	assert.Equal(t, Duration{40, "c", []int64{10, 11, 12}}, got.Oldest)
	assert.Equal(t, Duration{40, "c", []int64{10, 11, 12}}, got.Delta)
	assert.Equal(t, "b", got.MostVersions.Key, "the first of equals")
	assert.Equal(t, KAtomicity{2, 2, "b", []int64{10, 11, 12}}, got.K)
	assert.Equal(t, &Quantiles{20, 40, 40, 40}, got.Age)
	assert.Equal(t, 3, got.Stale.Count)

	// A value that nobody wrote leaves no k, whatever comes after it.
	require.NoError(t, m.Measure(context.Background(), "f", 3, []Operation{{Start: 0, End: 1, Value: 2, Index: 20}}))
	require.NoError(t, m.Measure(context.Background(), "g", 3, behind(80)))
	got = m.Report(nil)
	assert.Equal(t, [4]int64{None, None, None, None}, [4]int64{int64(got.K.Least), int64(got.K.Most), got.Delta.Nanoseconds, got.Gamma.Nanoseconds})
	assert.Equal(t, "f", got.Delta.Key)
	assert.Equal(t, "g", got.Oldest.Key)
}

func TestWhatCannotBeMeasuredIsRefusedAndAddsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	var m Meter
	write := Operation{Start: 5, End: 6, Value: 1, Write: true}
	for name, c := range map[string]struct {
		operations []Operation
		err        error
	}{
		"written twice":         {[]Operation{write, write}, ErrRepeated},
		"perhaps written twice": {[]Operation{write, {Start: 7, Value: 1, Write: true, Unknown: true}}, ErrRepeated},
		"writes the initial":    {[]Operation{{Start: 1, End: 2, Write: true}}, ErrRepeated},
		"out of order":          {[]Operation{write, {Start: 1, End: 2}}, ErrMalformed},
		"ends before it begins": {[]Operation{{Start: 2, End: 1}}, ErrMalformed},
		"no such value":         {[]Operation{{Start: 1, End: 2, Value: 3}}, ErrMalformed},
		"a negative value":      {[]Operation{{Start: 1, End: 2, Value: -1}}, ErrMalformed},
	} {
		assert.ErrorIs(t, m.Measure(ctx, "k", 3, c.operations), c.err, name)
	}
	cancel()
	assert.ErrorIs(t, m.Measure(ctx, "k", 3, []Operation{write}), context.Canceled)
	assert.Equal(t, (&Meter{}).Report(nil), m.Report(nil))
	require.NoError(t, m.Measure(context.Background(), "k", 0, nil), "no operations")
}

// expiring is a context that is over after having been asked some times.
type expiring struct {
	context.Context
	left int
}

func (e *expiring) Err() error {
	if e.left--; e.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// TestTimeThatEndsLeavesTheBracketOpen, and honest.
func TestTimeThatEndsLeavesTheBracketOpen(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	open := 0
	for range 200 {
		values, list := store{operations: 80, clients: 10, stale: .3, lag: 2e6}.run(r)
		whole := one(t, values, list)
		for left := range 6 {
			var m Meter
			require.NoError(t, m.Measure(&expiring{context.Background(), left + 1}, "key", values, list))
			got := m.Report(nil)
			require.LessOrEqual(t, got.K.Least, whole.K.Least)
			require.GreaterOrEqual(t, got.K.Most, whole.K.Most)
			require.Equal(t, whole.Delta, got.Delta)
			if got.Partial {
				open++
				require.False(t, got.K.Exact())
			}
		}
	}
	assert.Positive(t, open)
}

func TestShareOf(t *testing.T) {
	// Wilson (1927); the figures of Brown, Cai and DasGupta (Statistical Science 2001) for n=10.
	got := ShareOf(0, 10)
	assert.InDelta(t, 0, got.Low, 1e-9)
	assert.InDelta(t, .2775, got.High, 5e-4)
	got = ShareOf(5, 10)
	assert.InDelta(t, .2366, got.Low, 5e-4)
	assert.InDelta(t, .7634, got.High, 5e-4)
	assert.Equal(t, Share{High: 1}, ShareOf(0, 0))
	assert.Equal(t, 1.0, ShareOf(7, 7).High)
	// The interval holds the true share about 95 times of 100.
	r, held := rand.New(rand.NewPCG(1, 1)), 0
	for range 4_000 {
		n := 0
		for range 200 {
			if r.Float64() < .03 {
				n++
			}
		}
		if s := ShareOf(n, 200); s.Low <= .03 && .03 <= s.High {
			held++
		}
	}
	assert.InDelta(t, .95, float64(held)/4_000, .02)
}

// TestAReadThatTouchesAWriteIsConcurrentWithIt: intervals are closed.
func TestAReadThatTouchesAWriteIsConcurrentWithIt(t *testing.T) {
	got := one(t, 2, []Operation{{Start: 0, End: 10, Value: 1, Write: true}, {Start: 10, End: 20, Value: 0}})
	assert.Zero(t, got.Stale.Count)
	assert.Empty(t, got.Visibility, "no write had ended")
	got = one(t, 2, []Operation{{Start: 0, End: 10, Value: 1, Write: true}, {Start: 11, End: 20, Value: 0}})
	assert.Equal(t, 1, got.Stale.Count)
	assert.Equal(t, []Bucket{{From: 0, To: 10_000, Fresh: ShareOf(0, 1)}}, got.Visibility)
}

func TestBuckets(t *testing.T) {
	for at, want := range map[int64][2]int64{0: {0, 10_000}, 9_999: {0, 10_000}, 10_000: {10_000, 20_000}, 4_999_999: {2_000_000, 5_000_000},
		99_999_999_999: {50_000_000_000, mostEdge}, mostEdge: {mostEdge, None}, math.MaxInt64: {mostEdge, None}} {
		var x trend
		x.add(at, true)
		list := x.list(nil)
		require.Len(t, list, 1)
		assert.Equal(t, want, [2]int64{list[0].From, list[0].To}, "%d", at)
	}
	var bins versionBins
	for _, v := range []int{0, 15, 16, 31, 32, 1 << 20} {
		bins.add(v)
	}
	assert.Equal(t, []VersionBin{{0, 0, 1}, {15, 15, 1}, {16, 31, 2}, {32, 63, 1}, {1 << 20, 1<<21 - 1, 1}}, bins.list())
}
