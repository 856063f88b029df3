package core

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawNames(t *rapid.T, least, most int) []string {
	return rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,3}[0-9]{0,2}`), least, most, rapid.ID[string]).Draw(t, "names")
}

func TestRingOrderHasEveryNodeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := drawNames(t, 1, 20)
		ring := NewRing(names, rapid.IntRange(1, 32).Draw(t, "virtual nodes"))
		key := rapid.String().Draw(t, "key")
		order := slices.Clone(ring.Order(key))
		n := rapid.IntRange(1, len(names)).Draw(t, "n")
		require.Equal(t, order[:n], ring.PreferenceList(key, n))
		slices.Sort(order)
		for i, node := range order {
			require.Equal(t, NodeID(i), node)
		}
		require.Len(t, order, len(names))
	})
}

// The orders come out of a recurrence; this is the definition.
func TestRingOrderIsTheWalkAroundTheCircle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := drawNames(t, 1, 8)
		virtual := rapid.IntRange(1, 8).Draw(t, "virtual nodes")
		key := rapid.String().Draw(t, "key")
		var want []NodeID
		from := hashString(key)
		for len(want) < len(names) {
			nearest, distance := NodeID(0), ^uint64(0)
			for i, name := range names {
				for v := range virtual {
					if d := hashString(name+"#"+strconv.Itoa(v)) - from; !slices.Contains(want, NodeID(i)) && d <= distance {
						nearest, distance = NodeID(i), d
					}
				}
			}
			want = append(want, nearest)
		}
		require.Equal(t, want, NewRing(names, virtual).Order(key))
	})
}

// A node that is added takes its share and moves nothing between the others.
func TestRingIsStableWhenNodesAreAdded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := drawNames(t, 2, 12)
		virtual := rapid.IntRange(1, 16).Draw(t, "virtual nodes")
		before, after := NewRing(names[:len(names)-1], virtual), NewRing(names, virtual)
		key := rapid.String().Draw(t, "key")
		added := NodeID(len(names) - 1)
		without := slices.DeleteFunc(slices.Clone(after.Order(key)), func(n NodeID) bool { return n == added })
		require.Equal(t, before.Order(key), without)
	})
}

func TestRingBalance(t *testing.T) {
	for virtual, most := range map[int]float64{16: 1.9, 256: 1.25} {
		names := make([]string, 8)
		for i := range names {
			names[i] = "n" + strconv.Itoa(i+1)
		}
		ring := NewRing(names, virtual)
		const keys = 40000
		share := make([]int, len(names))
		for k := range keys {
			for _, node := range ring.PreferenceList("key"+strconv.Itoa(k), 3) {
				share[node]++
			}
		}
		fair := float64(3*keys) / float64(len(names))
		assert.Less(t, float64(slices.Max(share))/fair, most, "%d virtual nodes", virtual)
		assert.Greater(t, float64(slices.Min(share))/fair, 2-most, "%d virtual nodes", virtual)
	}
}

// Placement is part of the durable format: nodes of different builds must
// agree. The expected values were computed by another program.
func TestRingIsTheSameEverywhere(t *testing.T) {
	ring := NewRing([]string{"n1", "n2", "n3", "n4", "n5"}, 16)
	assert.Equal(t, uint64(0xf52a15e9a9b5e89b), hashString(""))
	var got []NodeID
	for _, key := range []string{"a", "b", "key", "x/1"} {
		got = append(got, ring.PreferenceList(key, 3)...)
	}
	assert.Equal(t, []NodeID{2, 0, 1, 0, 2, 4, 1, 2, 3, 2, 4, 1}, got)
}
