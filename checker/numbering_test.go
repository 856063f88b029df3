package checker

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestNumberingIsAMap compares it with a map that is emptied from time to time.
func TestNumberingIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var n numbering
		if rapid.Bool().Draw(t, "epochs begin again") {
			n.epoch = 1<<32 - 2
		}
		for range rapid.IntRange(1, 4).Draw(t, "uses") {
			n.clear()
			want := map[int64]int32{}
			for i, key := range rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(-50, 50), rapid.Int64()), 0, 300).Draw(t, "keys") {
				old, known := want[key]
				number, found := n.number(key, int32(i))
				require.Equal(t, known, found)
				if !known {
					want[key], old = int32(i), int32(i)
				}
				require.Equal(t, old, number)
			}
			for key, number := range want {
				require.Equal(t, number, n.get(key))
			}
			if _, known := want[1<<40]; !known {
				require.Equal(t, none, n.get(1<<40))
			}
		}
	})
}

func TestSortNearlySorts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SliceOfN(rapid.IntRange(0, 1000), 0, 100).Draw(t, "elements")
		if rapid.Bool().Draw(t, "nearly sorted") {
			slices.Sort(s)
			for range min(len(s), 3) {
				i := rapid.IntRange(0, len(s)-1).Draw(t, "swapped")
				s[0], s[i] = s[i], s[0]
			}
		}
		want := slices.Clone(s)
		slices.Sort(want)
		sortNearly(s, func(a, b int) bool { return a < b })
		assert.Equal(t, want, s)
	})
}
