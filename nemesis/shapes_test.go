package nemesis

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
)

// hearing is who hears whom under the cuts, oneself included.
func hearing(nodes []string, cuts []history.Cut) map[string][]string {
	result := map[string][]string{}
	for _, to := range nodes {
		for _, from := range nodes {
			if !slices.Contains(cuts, history.Cut{From: from, To: to}) {
				result[to] = append(result[to], from)
			}
		}
	}
	return result
}

func genNodes(t *rapid.T, least int) []string {
	nodes := plan.NodeNames(rapid.IntRange(least, 25).Draw(t, "nodes"))
	return rapid.Permutation(nodes).Draw(t, "order")
}

func TestSplitIsComplete(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := genNodes(t, 2)
		k := rapid.IntRange(1, len(nodes)-1).Draw(t, "k")
		left, right := nodes[:k], nodes[k:]
		cuts := SplitCuts(left, right)
		assert.Len(t, cuts, 2*len(left)*len(right))
		heard := hearing(nodes, cuts)
		for _, node := range nodes {
			side := left
			if slices.Contains(right, node) {
				side = right
			}
			assert.ElementsMatch(t, side, heard[node])
		}
	})
}

func TestOneWayCutsOneDirection(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := genNodes(t, 2)
		k := rapid.IntRange(1, len(nodes)-1).Draw(t, "k")
		heard := hearing(nodes, OneWayCuts(nodes[:k], nodes[k:]))
		for _, sender := range nodes[:k] {
			assert.ElementsMatch(t, nodes, heard[sender], "those whom nobody hears hear everyone")
		}
		for _, receiver := range nodes[k:] {
			assert.ElementsMatch(t, nodes[k:], heard[receiver])
		}
	})
	assert.Empty(t, OneWayCuts([]string{"n1"}, []string{"n1"}))
}

func TestRingOfMajorities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ring := genNodes(t, 4)
		n := len(ring)
		cuts := RingCuts(ring)
		heard := hearing(ring, cuts)
		sets := map[string]bool{}
		for i, node := range ring {
			hears := heard[node]
			assert.GreaterOrEqual(t, len(hears), majority(n), "a majority")
			assert.LessOrEqual(t, len(hears), majority(n)+1)
			assert.Less(t, len(hears), n)
			assert.Contains(t, hears, node)
			assert.Contains(t, hears, ring[(i+1)%n])
			assert.Contains(t, hears, ring[(i+n-1)%n])
			slices.Sort(hears)
			sets[braces(hears)] = true
		}
		assert.Len(t, sets, n, "no two nodes hear the same")
		for _, c := range cuts {
			assert.Contains(t, cuts, history.Cut{From: c.To, To: c.From}, "links are cut both ways")
		}
	})
	for n := range 4 {
		assert.Empty(t, RingCuts(plan.NodeNames(n)))
	}
}

func TestBridgeHearsAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := genNodes(t, 3)
		k := rapid.IntRange(2, len(nodes)-1).Draw(t, "k")
		bridge, left, right := nodes[0], nodes[1:k], nodes[k:]
		heard := hearing(nodes, BridgeCuts(left, right))
		assert.ElementsMatch(t, nodes, heard[bridge])
		for _, node := range left {
			assert.ElementsMatch(t, append([]string{bridge}, left...), heard[node])
		}
		for _, node := range right {
			assert.ElementsMatch(t, append([]string{bridge}, right...), heard[node])
		}
	})
}

// What random partitions are must be what their shapes' names say.
func TestDrawnPartitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := plan.NodeNames(rapid.IntRange(2, 12).Draw(t, "nodes"))
		k := partitionKind()
		shape := rapid.SampledFrom(k.shapes).Filter(func(s shape) bool { return s.nodes <= len(nodes) && s.name != Datacenters }).Draw(t, "shape")
		f := plan.Fault{ID: "f1", Kind: Partition, Shape: shape.name, Duration: s(1)}
		k.draw(plan.NewRand(rapid.Uint64().Draw(t, "seed"), "test"), nodes, false, &f)
		assert.NoError(t, Validate([]plan.Fault{f}, nodes))
		heard := hearing(nodes, f.Cuts)
		sizes := map[int]int{} // how many nodes hear so many
		for _, node := range nodes {
			sizes[len(heard[node])]++
		}
		n := len(nodes)
		switch shape.name {
		case IsolateOne:
			assert.Equal(t, f.Targets, heard[f.Targets[0]])
			assert.Len(t, f.Cuts, 2*(n-1))
		case RandomHalves:
			assert.Len(t, f.Cuts, 2*(n/2)*(n-n/2))
			assert.Len(t, f.Targets, n/2)
		case MajorityMinority:
			assert.Less(t, 2*len(f.Targets), n)
			assert.ElementsMatch(t, f.Targets, heard[f.Targets[0]])
			assert.Len(t, f.Cuts, 2*len(f.Targets)*(n-len(f.Targets)))
		case Bridge:
			assert.Equal(t, 1, sizes[n])
			assert.ElementsMatch(t, nodes, heard[f.Targets[0]])
		case MajoritiesRing:
			assert.Len(t, sizes, 1)
		case OneWay:
			for _, c := range f.Cuts {
				assert.NotContains(t, f.Cuts, history.Cut{From: c.To, To: c.From})
			}
		default:
			t.Fatalf("no property for the shape %s", shape.name)
		}
		// Every drawn partition has a description of its own, not a list of links.
		assert.NotContains(t, Describe(nodes, f), "→")
		assert.True(t, slices.IsSortedFunc(f.Cuts, func(a, b history.Cut) int {
			return (slices.Index(nodes, a.From)-slices.Index(nodes, b.From))*100 + slices.Index(nodes, a.To) - slices.Index(nodes, b.To)
		}))
	})
}

// A partition of data centres cuts no link within one and, between two, either
// all links or none; at least one data centre is on its own.
func TestDrawnPartitionsOfDatacenters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1, 3), 2, 4).Draw(t, "sizes")
		total := 0
		for _, size := range sizes {
			total += size
		}
		nodes := plan.NodeNames(total)
		var datacenters [][]string
		of := map[string]int{}
		for i, first := 0, 0; i < len(sizes); i++ {
			datacenters = append(datacenters, nodes[first:first+sizes[i]])
			for _, node := range datacenters[i] {
				of[node] = i
			}
			first += sizes[i]
		}
		f := plan.Fault{ID: "f1", Kind: Partition, Shape: Datacenters, Duration: s(1)}
		drawDatacenters(plan.NewRand(rapid.Uint64().Draw(t, "seed"), "test"), nodes, datacenters, &f)
		require.NoError(t, Validate([]plan.Fault{f}, nodes))
		cut := map[[2]int]int{}
		for _, c := range f.Cuts {
			cut[[2]int{of[c.From], of[c.To]}]++
		}
		alone := 0
		for i := range sizes {
			require.Zero(t, cut[[2]int{i, i}])
			silent := 0
			for j := range sizes {
				if n := cut[[2]int{i, j}]; i != j && n > 0 {
					require.Equal(t, sizes[i]*sizes[j], n, "all links or none")
					silent++
				}
			}
			if silent == len(sizes)-1 {
				alone++
			}
		}
		require.Positive(t, alone)
		require.NotContains(t, Describe(nodes, f), "→")
	})
}

// Schedules and swarms have such partitions exactly where there are several data centres.
func TestPartitionsOfDatacentersNeedDatacenters(t *testing.T) {
	nodes := plan.NodeNames(6)
	datacenters := [][]string{nodes[:3], nodes[3:]}
	count := func(faults []plan.Fault) (n int) {
		for _, f := range faults {
			if f.Shape == Datacenters {
				n++
			}
		}
		return n
	}
	with, swarmed := 0, 0
	for seed := range uint64(60) {
		with += count(Schedule(seed, []string{Partition}, nodes, 30*time.Second, ScheduleOptions{Datacenters: datacenters}))
		swarmed += count(Swarm(seed, []string{Partition}, nodes, 30*time.Second, SwarmOptions{Datacenters: datacenters}))
		require.Zero(t, count(Schedule(seed, []string{Partition}, nodes, 30*time.Second, ScheduleOptions{})))
		require.Zero(t, count(Swarm(seed, []string{Partition}, nodes, 30*time.Second, SwarmOptions{})))
	}
	assert.Greater(t, with, 60)
	assert.Greater(t, swarmed, 60)
}
