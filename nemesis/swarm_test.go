package nemesis

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/plan"
)

// everyKind are the kinds of the simulation.
var everyKind = SimulationCaps().Kinds()

// A finding is quoted by its seed: a change of this file is a change that users must be told of.
func TestGoldenSwarm(t *testing.T) {
	got := map[string][]plan.Fault{}
	for seed := range uint64(12) {
		got[fmt.Sprint("seed ", seed)] = Swarm(seed, everyKind, plan.NodeNames(5), 20*time.Second, SwarmOptions{})
	}
	golden(t, "swarm.json", got)
}

func TestSwarmsAreSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := plan.NodeNames(rapid.IntRange(1, 9).Draw(t, "nodes"))
		length := time.Duration(rapid.Int64Range(int64(10*time.Millisecond), int64(2*time.Minute)).Draw(t, "length"))
		kinds := rapid.SliceOfNDistinct(rapid.SampledFrom(everyKind), 1, len(everyKind), rapid.ID[string]).Draw(t, "kinds")
		seed := rapid.Uint64().Draw(t, "seed")
		o := SwarmOptions{
			Faults:   rapid.IntRange(0, 40).Draw(t, "faults"),
			Shortest: time.Duration(rapid.Int64Range(0, int64(length/2)).Draw(t, "shortest")),
			Longest:  time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "longest")),
			Skew:     time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "skew")),
			NoHold:   rapid.Bool().Draw(t, "no hold"),
		}
		faults := Swarm(seed, kinds, nodes, length, o)
		assert.Equal(t, faults, Swarm(seed, kinds, nodes, length, o), "deterministic")
		slices.Reverse(kinds)
		assert.Equal(t, faults, Swarm(seed, kinds, nodes, length, o), "the order of the kinds does not matter")

		require.NoError(t, Validate(faults, nodes))
		for i, f := range faults {
			assert.Equal(t, fmt.Sprint("f", i+1), f.ID)
			assert.Contains(t, kinds, f.Kind)
			assert.Less(t, end(f), plan.Duration(length))
			assert.True(t, i == 0 || faults[i-1].At <= f.At)
			assert.GreaterOrEqual(t, time.Duration(f.Duration), max(o.Shortest, 1).Truncate(time.Microsecond), "%+v", f)
			if o.Longest > 0 {
				assert.LessOrEqual(t, time.Duration(f.Duration), max(o.Longest, o.Shortest, 5*time.Millisecond))
			}
			assert.False(t, o.NoHold && f.Hold)
			assert.True(t, slices.IsSorted(f.Targets))
		}
		if len(kinds) > 1 || kinds[0] != Partition || len(nodes) > 1 {
			assert.NotEmpty(t, faults)
		}
		if o.Faults > 0 {
			assert.Less(t, len(faults), o.Faults+max(1, len(nodes)))
		}
		limit := o.Skew
		if limit == 0 {
			limit = 10 * time.Second
		}
		assert.LessOrEqual(t, greatestSkew(faults, nodes), max(limit, time.Microsecond))
	})
}

// greatestSkew bounds from the faults themselves by how much any clock is off
// at any time: at each start, all that are in force count with all they can do.
func greatestSkew(faults []plan.Fault, nodes []string) time.Duration {
	greatest := time.Duration(0)
	for _, node := range nodes {
		for _, first := range faults {
			sum := time.Duration(0)
			for _, f := range faults {
				if f.Clock != nil && slices.Contains(f.Targets, node) && f.At <= first.At && first.At <= end(f) {
					rate := max(f.Clock.RatePPM, -f.Clock.RatePPM)
					sum += time.Duration(f.Clock.Offset).Abs() + time.Duration(f.Clock.Delta).Abs() +
						time.Duration(int64(f.Duration)/1000*rate/1000)
				}
			}
			greatest = max(greatest, sum)
		}
	}
	return greatest
}

// Seeds differ in what they have, and all together have everything.
func TestSwarmsCoverEverything(t *testing.T) {
	const seeds = 4000
	nodes := plan.NodeNames(5)
	subsets, numbers := map[string]int{}, map[int]int{}
	seen := map[string]int{}
	note := func(name string, condition bool) {
		if condition {
			seen[name]++
		} else if _, known := seen[name]; !known {
			seen[name] = 0
		}
	}
	var durations, offsets [4]int // by decade from 1 ms on
	decade := func(d time.Duration) int {
		n := 0
		for d = d.Abs(); d >= 10*time.Millisecond && n < 3; d /= 10 {
			n++
		}
		return n
	}
	for seed := range uint64(seeds) {
		faults := Swarm(seed, everyKind, nodes, time.Minute, SwarmOptions{})
		var kinds []string
		for _, f := range faults {
			kinds = append(kinds, f.Kind)
			durations[decade(time.Duration(f.Duration))]++
			note(f.Kind+" "+f.Shape, true)
			note("hold", f.Hold)
			note("one link", f.Kind == Partition && len(f.Cuts) == 1)
			note("both ways of one link", f.Kind == Partition && len(f.Cuts) == 2 && f.Cuts[0].From == f.Cuts[1].To && f.Cuts[0].To == f.Cuts[1].From)
			note("deaf or mute", f.Shape == OneWay && len(f.Cuts) == 4)
			note("loss and delay", f.Network != nil && f.Network.LossPPM > 0 && f.Network.Delay > 0)
			if f.Clock != nil && f.Shape == Bump {
				offsets[decade(time.Duration(f.Clock.Offset))]++
				note("back", f.Clock.Offset < 0)
			}
			if f.Network != nil {
				assert.LessOrEqual(t, f.Network.LossPPM, int64(300_000))
				assert.LessOrEqual(t, f.Network.Delay, ms(500))
			}
		}
		for i, f := range faults {
			together, downAll := map[string]bool{}, len(f.Targets) == len(nodes)
			for _, g := range faults[i:] {
				if len(g.Targets) == 1 && (g.Kind == Kill || g.Kind == Power) && g.At-f.At <= ms(50) {
					together[g.Targets[0]] = true
				}
			}
			if f.Kind == Kill || f.Kind == Power {
				note("all crash at once", downAll)
				note("all crash together", len(together) == len(nodes))
				note("some crash together", len(together) > 1 && len(together) < len(nodes))
			}
		}
		numbers[len(faults)]++
		slices.Sort(kinds)
		subsets[fmt.Sprint(slices.Compact(kinds))]++
	}
	for _, k := range Kinds() {
		for _, shape := range k.Shapes {
			if k.Named || shape.Name == Datacenters {
				continue // these nodes are in one
			}
			note(k.Name+" "+shape.Name, false)
		}
	}
	for name, n := range seen {
		assert.Greater(t, n, seeds/60, name)
	}
	assert.Greater(t, len(subsets), 100, "of 127 there are")
	for n := 1; n <= 25; n++ {
		assert.Positive(t, numbers[n], "%d faults", n)
	}
	assert.InDelta(t, seeds/5, numbers[1], seeds/20, "as many seeds have one fault as 2…3, as 4…7, and so on")
	for i := range 4 {
		assert.Greaterf(t, offsets[i], (offsets[0]+offsets[1]+offsets[2]+offsets[3])/8, "offsets %v", offsets)
	}
	for i := range 3 { // the first decade has 5…10 ms only
		assert.Greaterf(t, durations[i+1], (durations[1]+durations[2]+durations[3])/5, "durations %v", durations)
	}
	assert.Positive(t, durations[0])
}

// A single event may be a burst of crashes: of different nodes, of both kinds, in a short time.
func TestBursts(t *testing.T) {
	nodes := plan.NodeNames(5)
	bursts, mixed, atOnce, alike := 0, 0, 0, 0
	for seed := range uint64(1000) {
		faults := Swarm(seed, []string{Kill, Power}, nodes, time.Minute, SwarmOptions{Faults: 1})
		if len(faults) == 1 {
			continue
		}
		bursts++
		targets, kinds, durations := map[string]bool{}, map[string]bool{}, map[plan.Duration]bool{}
		for _, f := range faults {
			require.Len(t, f.Targets, 1)
			targets[f.Targets[0]], kinds[f.Kind], durations[f.Duration] = true, true, true
			assert.LessOrEqual(t, f.At-faults[0].At, ms(50))
		}
		assert.Len(t, targets, len(faults), "each node crashes once")
		if len(kinds) > 1 {
			mixed++
		}
		if faults[0].At == faults[len(faults)-1].At {
			atOnce++
		}
		if len(durations) == 1 {
			alike++
		}
	}
	// In none, one, two or all of four cases, by the seed's habit.
	assert.InDelta(t, 440, bursts, 80)
	assert.InDelta(t, bursts/4, atOnce, float64(bursts)/10)
	assert.InDelta(t, bursts/2, alike, float64(bursts)/8)
	assert.Greater(t, mixed, bursts/20)
}

// Whether a kind is among a seed's does not depend on which others were asked for.
func TestSwarmKindsAreIndependent(t *testing.T) {
	kept := func(seed uint64, names []string, kind string) bool {
		return slices.ContainsFunc(Swarm(seed, names, plan.NodeNames(3), time.Minute, SwarmOptions{Faults: 60}),
			func(f plan.Fault) bool { return f.Kind == kind })
	}
	both, with := 0, 0
	for seed := range uint64(400) {
		if kept(seed, []string{Pause, Disk}, Disk) && kept(seed, everyKind, Disk) {
			both++
		}
		if kept(seed, everyKind, Disk) {
			with++
		}
	}
	assert.InDelta(t, 200, with, 70)
	assert.Greater(t, both, with*8/10)
}

func TestSwarmLeavesOutWhatCannotBe(t *testing.T) {
	nodes := plan.NodeNames(5)
	assert.Equal(t, []plan.Fault{}, Swarm(1, nil, nodes, time.Minute, SwarmOptions{}))
	assert.Equal(t, []plan.Fault{}, Swarm(1, []string{"flood"}, nodes, time.Minute, SwarmOptions{}))
	assert.Equal(t, []plan.Fault{}, Swarm(1, []string{Partition}, nodes[:1], time.Minute, SwarmOptions{}))
	assert.Equal(t, []plan.Fault{}, Swarm(1, everyKind, nil, time.Minute, SwarmOptions{}))
	assert.Equal(t, []plan.Fault{}, Swarm(1, everyKind, nodes, 9*time.Millisecond, SwarmOptions{}))
	assert.Equal(t, []plan.Fault{}, Swarm(1, everyKind, nodes, -time.Second, SwarmOptions{}))
	assert.NotEmpty(t, Swarm(1, []string{Partition}, nodes[:2], time.Minute, SwarmOptions{}))
	assert.NotEmpty(t, Swarm(1, everyKind, nodes, 10*time.Millisecond, SwarmOptions{}))
}

// Faults share memory: growing the list of one must not change another's.
func TestSwarmsListsAreApart(t *testing.T) {
	for seed := range uint64(50) {
		faults := Swarm(seed, everyKind, plan.NodeNames(5), time.Minute, SwarmOptions{})
		want := Swarm(seed, everyKind, plan.NodeNames(5), time.Minute, SwarmOptions{})
		for i := range faults {
			_ = append(faults[i].Targets, "x")
			_ = append(faults[i].Cuts, OneWayCuts([]string{"x"}, []string{"y"})...)
		}
		require.Equal(t, want, faults)
	}
}

func BenchmarkSwarm(b *testing.B) {
	b.ReportAllocs()
	nodes := plan.NodeNames(5)
	faults := 0
	for seed := uint64(0); b.Loop(); seed++ {
		faults += len(Swarm(seed, everyKind, nodes, time.Minute, SwarmOptions{}))
	}
	b.ReportMetric(float64(faults)/float64(b.N), "faults/op")
}
