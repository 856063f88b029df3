package core

import (
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDatacentersAreBlocksOfEqualSize(t *testing.T) {
	blocks := func(nodes, datacenters int) (of []int) {
		for i := range nodes {
			of = append(of, datacenterOf(NodeID(i), nodes, datacenters))
		}
		return of
	}
	assert.Equal(t, []int{0, 0, 0, 1, 1, 1}, blocks(6, 2))
	assert.Equal(t, []int{0, 0, 0, 1, 1}, blocks(5, 2))
	assert.Equal(t, []int{0, 0, 1, 1, 2, 2}, blocks(6, 3))
	assert.Equal(t, []int{0, 0, 0}, blocks(3, 1))
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(1, MaxNodes).Draw(t, "nodes")
		datacenters := rapid.IntRange(1, nodes).Draw(t, "data centres")
		of := blocks(nodes, datacenters)
		require.True(t, slices.IsSorted(of))
		sizes := make([]int, datacenters)
		for _, dc := range of {
			sizes[dc]++
		}
		require.LessOrEqual(t, slices.Max(sizes)-slices.Min(sizes), 1)
		require.Equal(t, smallestDatacenter(nodes, datacenters), slices.Min(sizes))
	})
}

// The definition: go around the ring and take a node if its data centre still
// lacks one; whoever was not taken follows in the order of the walk.
func TestPlacementTakesNodesOfEveryDatacenter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := drawNames(t, 1, 12)
		datacenters := rapid.IntRange(1, len(names)).Draw(t, "data centres")
		n := rapid.IntRange(1, smallestDatacenter(len(names), datacenters)).Draw(t, "n")
		asked := rapid.IntRange(0, len(names)).Draw(t, "n of a request")
		key := rapid.String().Draw(t, "key")
		ring := NewRing(names, rapid.IntRange(1, 8).Draw(t, "virtual nodes"))
		walk := slices.Clone(ring.Order(key))
		ring.spreadOver(datacenters, n, len(names))
		require.Equal(t, walk, ring.Order(key), "the walk stays as it was")
		for _, n := range []int{n, asked} {
			var homes, rest []NodeID
			taken := map[int]int{}
			for _, node := range walk {
				if dc := datacenterOf(node, len(names), datacenters); taken[dc] < n {
					taken[dc]++
					homes = append(homes, node)
				} else {
					rest = append(rest, node)
				}
			}
			order, count := ring.placed(key, n)
			require.Equal(t, len(homes), count)
			require.Equal(t, append(slices.Clone(homes), rest...), order)
			require.ElementsMatch(t, homes, ring.PreferenceList(key, n))
		}
	})
}

// What a data centre holds does not depend on the others: its home replicas
// are those that it would have if its nodes were alone on the ring.
func TestPlacementOfADatacenterIsItsOwn(t *testing.T) {
	names := make([]string, 12)
	for i := range names {
		names[i] = "n" + strconv.Itoa(i+1)
	}
	ring := NewRing(names, 16)
	ring.spreadOver(3, 2, len(names))
	for k := range 200 {
		key := "key" + strconv.Itoa(k)
		homes := ring.PreferenceList(key, 2)
		require.Len(t, homes, 6)
		for dc := range 3 {
			first := NodeID(4 * dc)
			var own []NodeID
			for _, node := range homes {
				if node/4 == NodeID(dc) {
					own = append(own, node-first)
				}
			}
			require.Equal(t, NewRing(names[first:first+4], 16).PreferenceList(key, 2), own)
		}
	}
}

// A ring that holds some of the nodes only, as while nodes join.
func TestPlacementOnARingOfSomeNodes(t *testing.T) {
	ring := NewRing([]string{"a", "b", "c"}, 4)
	ring.spreadOver(2, 2, 6) // of six nodes, the first three: all of dc1
	order, homes := ring.placed("k", 2)
	assert.Equal(t, 2, homes, "dc2 has no node on the ring")
	assert.Len(t, order, 3)
}
