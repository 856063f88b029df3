package staleness

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var histories = flag.Int("histories", 12_000, "how many random histories are measured by definition too")

// randomKey makes a small history of one key. Reads return what was in the
// register, or some older value, or now and then any.
func randomKey(r *rand.Rand, operations int, wild bool) (values int, list []Operation) {
	values = 1
	for range operations {
		start := r.Int64N(int64(3 * operations))
		list = append(list, Operation{Start: start, End: start + r.Int64N(9), Write: r.IntN(5) < 2})
	}
	slices.SortStableFunc(list, func(a, b Operation) int { return cmp.Compare(a.Start, b.Start) })
	for i := range list {
		list[i].Index = int64(i)
		if list[i].Write {
			list[i].Value = int32(values)
			values++
			list[i].Unknown = r.IntN(6) == 0
		}
	}
	for i := range list {
		if o := &list[i]; !o.Write {
			var begun []int32
			for j := range list {
				if w := &list[j]; w.Write && (w.Start <= o.End || wild && r.IntN(4) == 0) {
					begun = append(begun, w.Value)
				}
			}
			back := r.IntN(1 + r.IntN(4))
			if back < len(begun) {
				o.Value = begun[len(begun)-1-back]
			}
			if wild && r.IntN(40) == 0 {
				o.Value = int32(values)
			}
		}
	}
	return values + 1, list
}

// atomic searches for an order of the operations that respects real time, in
// which every read returns one of the last k values. Writes of unknown outcome
// may be left out.
func atomic(list []Operation, k int) bool {
	done := make([]bool, len(list))
	var written []int32
	var search func() bool
	search = func() bool {
		finished := true
		first := Infinity // the least end of what is left
		for i := range list {
			if !done[i] && !list[i].Unknown {
				finished = false
				first = min(first, list[i].End)
			}
		}
		if finished {
			return true
		}
		for i := range list {
			o := &list[i]
			if done[i] || o.Start > first {
				continue
			}
			if !o.Write {
				missed := 0
				for missed < len(written) && written[len(written)-1-missed] != o.Value {
					missed++
				}
				if missed >= k || missed == len(written) && o.Value != 0 {
					continue
				}
			}
			done[i] = true
			if o.Write {
				written = append(written, o.Value)
			}
			if search() {
				return true
			}
			if o.Write {
				written = written[:len(written)-1]
			}
			done[i] = false
		}
		return false
	}
	return search()
}

// leastThat is the least number up to most for which the property holds, or None.
func leastThat(from, most int, holds func(int) bool) int {
	for n := from; n <= most; n++ {
		if holds(n) {
			return n
		}
	}
	return None
}

func naiveDelta(list []Operation, most int) int {
	return leastThat(0, most, func(d int) bool {
		moved := slices.Clone(list)
		for i := range moved {
			if !moved[i].Write {
				moved[i].Start -= int64(d)
			}
		}
		return atomic(moved, 1)
	})
}

func naiveGamma(list []Operation, most int) int {
	return leastThat(0, most, func(g int) bool {
		moved := slices.Clone(list)
		for i := range moved {
			moved[i].Start = 2*moved[i].Start - int64(g)
			moved[i].End = 2*moved[i].End + int64(g)
		}
		return atomic(moved, 1)
	})
}

// naiveReads measures every read by definition: -1 versions where nothing explains it.
func naiveReads(list []Operation) (versions []int, ages []int64) {
	known := func(w *Operation) int64 { // of the write, or Infinity
		at := w.End
		if w.Unknown {
			at = Infinity
		}
		end := at
		for i := range list {
			if r := &list[i]; !r.Write && r.Value == w.Value {
				at = min(at, r.End)
			}
		}
		if at < w.Start {
			return end
		}
		return at
	}
	for i := range list {
		r := &list[i]
		if r.Write {
			continue
		}
		source := never
		explained := r.Value == 0
		for j := range list {
			w := &list[j]
			if w.Write && w.Value == r.Value {
				source, explained = known(w), true
				for x := range list { // no read of the value before its write
					if !list[x].Write && list[x].Value == r.Value && list[x].End < w.Start {
						explained = false
					}
				}
			}
		}
		if !explained {
			versions, ages = append(versions, -1), append(ages, -1)
			continue
		}
		n, first := 0, Infinity
		for j := range list {
			if w := &list[j]; w.Write && source < w.Start && known(w) < r.Start {
				n++
				first = min(first, known(w))
			}
		}
		age := int64(0)
		if n > 0 {
			age = r.Start - first
		}
		versions, ages = append(versions, n), append(ages, age)
	}
	return versions, ages
}

func describe(list []Operation) string {
	var b strings.Builder
	for _, o := range list {
		what := "read"
		if o.Write {
			what = "write"
		}
		if o.Unknown {
			what = "perhaps write"
		}
		fmt.Fprintf(&b, "%s %d [%d, %d]\n", what, o.Value, o.Start, o.End)
	}
	return b.String()
}

// one measures a single key.
func one(t testing.TB, values int, list []Operation) *Report {
	t.Helper()
	var m Meter
	require.NoError(t, m.Measure(context.Background(), "key", values, list))
	return m.Report(nil)
}

// TestAgreesWithTheDefinitions measures random histories and compares with the
// definitions, carried out word by word.
func TestAgreesWithTheDefinitions(t *testing.T) {
	var m Meter
	for _, wild := range []bool{false, true} {
		t.Run(fmt.Sprintf("wild=%v", wild), func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, 6))
			exact, ks, nothing, stale, gammas := 0, map[int]int{}, 0, 0, 0
			for range *histories / 2 {
				values, list := randomKey(r, 3+r.IntN(6), wild)
				m = Meter{values: m.values, writes: m.writes, byKnown: m.byKnown, zones: m.zones, ends: m.ends, tree: m.tree, search: m.search}
				require.NoError(t, m.Measure(context.Background(), "key", values, list))
				got := m.Report(nil)
				most := 4 * 9 * len(list)

				versions, ages := naiveReads(list)
				worst, oldest, unexplained := 0, int64(0), 0
				var bins versionBins
				for i := range versions {
					if versions[i] < 0 {
						unexplained++
						continue
					}
					bins.add(versions[i])
					worst, oldest = max(worst, versions[i]), max(oldest, ages[i])
					if versions[i] > 0 {
						stale++
					}
				}
				require.Equal(t, bins.list(), got.Versions, describe(list))
				require.Equal(t, [3]int64{int64(worst), oldest, int64(unexplained)},
					[3]int64{int64(got.MostVersions.Versions), got.Oldest.Nanoseconds, int64(got.Unexplained)}, describe(list))

				require.Equal(t, naiveDelta(list, most), int(got.Delta.Nanoseconds), "Δ of\n%s", describe(list))
				gamma := naiveGamma(list, most)
				require.Equal(t, gamma, int(got.Gamma.Nanoseconds), "Γ of\n%s", describe(list))
				if gamma > 0 {
					gammas++
				}
				k := leastThat(1, len(list)+1, func(k int) bool { return atomic(list, k) })
				if k == None {
					nothing++
				} else {
					ks[k]++
				}
				require.True(t, got.K.Least <= k && k <= got.K.Most, "k=%d, got %v:\n%s", k, got.K, describe(list))
				if k <= 2 {
					require.True(t, got.K.Exact(), "k=%d, got %v:\n%s", k, got.K, describe(list))
				}
				if got.K.Exact() {
					exact++
				}
				require.Equal(t, k == 1, got.Delta.Nanoseconds == 0, describe(list))
				require.Equal(t, k == 1, got.Gamma.Nanoseconds == 0, describe(list))
			}
			t.Logf("k by number of histories: %v; no k: %d; bracket closed in %d; stale reads: %d; Γ > 0: %d", ks, nothing, exact, stale, gammas)
			assert.Greater(t, ks[1], *histories/20)
			assert.Greater(t, ks[2], *histories/50)
			assert.Positive(t, ks[3])
			assert.Equal(t, wild, nothing > 0)
		})
	}
}
