package nemesis

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/plan"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The schedule of a seed is a promise: plans are compared and reports quoted
// by their seeds. A change of this file is a change that users must be told of.
func TestGoldenSchedule(t *testing.T) {
	nodes := plan.NodeNames(5)
	golden(t, "schedule-seed-42.json", Schedule(42, allKinds, nodes, 30*time.Second, ScheduleOptions{}))
	golden(t, "schedule-every-kind-seed-42.json", Schedule(42, everyKind, nodes, 40*time.Second, ScheduleOptions{}))
}

// golden compares the value's JSON with a file.
func golden(t *testing.T, name string, value any) {
	t.Helper()
	got, err := json.MarshalIndent(value, "", "  ")
	require.NoError(t, err)
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, append(got, '\n'), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got)+"\n")
}

func end(f plan.Fault) plan.Duration { return f.At + f.Duration }

func holdsProcess(f plan.Fault) bool { return f.Kind == Pause || f.Kind == Kill || f.Kind == Power }

// checkSound checks what holds for every schedule, however short.
func checkSound(t assert.TestingT, schedule []plan.Fault, nodes []string, length time.Duration) {
	assert.NoError(t, Validate(schedule, nodes))
	assert.True(t, slices.IsSortedFunc(schedule, func(a, b plan.Fault) int { return int(a.At - b.At) }))
	margin := plan.Duration(min(time.Second, length/6).Round(time.Millisecond))
	const apart = plan.Duration(500 * time.Millisecond)
	for i, f := range schedule {
		assert.GreaterOrEqual(t, f.At, margin, "%+v", f)
		assert.LessOrEqual(t, end(f), plan.Duration(length)-margin, "%+v", f)
		assert.Zero(t, time.Duration(f.At)%time.Millisecond)
		for j, g := range schedule {
			if i == j || !share(f.Targets, g.Targets) {
				continue
			}
			overlap := f.At < end(g)+apart && g.At < end(f)+apart
			if holdsProcess(f) && holdsProcess(g) || f.Kind == g.Kind && (f.Kind == Clock || f.Kind == Disk) {
				assert.Falsef(t, overlap, "%+v and %+v hold the same node", f, g)
			}
			if f.Kind == Clock && holdsProcess(g) {
				for _, instant := range []plan.Duration{f.At, end(f)} {
					assert.Falsef(t, g.At-apart < instant && instant < end(g)+apart, "%+v changes a clock within %+v", f, g)
				}
			}
		}
		if f.Clock != nil {
			checkMagnitude(t, f)
		}
	}
	assert.LessOrEqual(t, majorityOutage(schedule, nodes), length/4)
}

func checkMagnitude(t assert.TestingT, f plan.Fault) {
	c := *f.Clock
	switch f.Shape {
	case Bump:
		assert.Equal(t, plan.Clock{Offset: c.Offset}, c)
		assert.GreaterOrEqual(t, time.Duration(c.Offset).Abs(), 10*time.Millisecond)
		assert.LessOrEqual(t, time.Duration(c.Offset).Abs(), 10*time.Second)
	case Drift:
		assert.Equal(t, plan.Clock{RatePPM: c.RatePPM}, c)
		rate := max(c.RatePPM, -c.RatePPM)
		assert.GreaterOrEqual(t, rate, int64(1_000))
		assert.LessOrEqual(t, rate, int64(200_000))
		if f.Duration >= s(1) {
			assert.GreaterOrEqual(t, int64(f.Duration)*rate/1_000_000, int64(25*time.Millisecond), "visible at the end: %+v", f)
		}
	case Strobe:
		assert.Equal(t, plan.Clock{Period: c.Period, Delta: c.Delta}, c)
		assert.True(t, c.Period >= ms(1) && c.Period <= ms(200), "%+v", c)
		assert.True(t, c.Delta >= ms(10) && c.Delta <= s(1), "%+v", c)
	}
}

// majorityOutage measures, from edge to edge, for how long a majority is paused or down.
func majorityOutage(schedule []plan.Fault, nodes []string) time.Duration {
	var outages []plan.Fault
	var edges []plan.Duration
	for _, f := range schedule {
		if holdsProcess(f) {
			outages = append(outages, f)
			edges = append(edges, f.At, end(f))
		}
	}
	slices.Sort(edges)
	var total plan.Duration
	for i, edge := range edges[:max(0, len(edges)-1)] {
		out := map[string]bool{}
		for _, f := range outages {
			if f.At <= edge && edge < end(f) {
				for _, node := range f.Targets {
					out[node] = true
				}
			}
		}
		if len(out) >= majority(len(nodes)) {
			total += edges[i+1] - edge
		}
	}
	return time.Duration(total)
}

func genKinds(t *rapid.T) []string {
	kinds := rapid.SliceOfNDistinct(rapid.SampledFrom(everyKind), 1, len(everyKind), rapid.ID[string]).Draw(t, "kinds")
	return kinds
}

func TestSchedulesAreSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := plan.NodeNames(rapid.IntRange(1, 12).Draw(t, "nodes"))
		length := time.Duration(rapid.Int64Range(0, int64(90*time.Second)).Draw(t, "length"))
		kinds := genKinds(t)
		seed := rapid.Uint64().Draw(t, "seed")
		schedule := Schedule(seed, kinds, nodes, length, ScheduleOptions{})
		checkSound(t, schedule, nodes, length)
		for _, f := range schedule {
			assert.Contains(t, kinds, f.Kind)
		}
		assert.Equal(t, schedule, Schedule(seed, kinds, nodes, length, ScheduleOptions{}), "deterministic")
	})
}

// Runs of 15 s and more get everything that was asked for.
func TestSchedulesAreComplete(t *testing.T) {
	seeds := uint64(3000)
	if testing.Short() {
		seeds = 200
	}
	for seed := range seeds {
		nodes := plan.NodeNames(3 + int(seed%7))
		length := []time.Duration{15, 16, 20, 30, 45}[seed%5] * time.Second
		kinds := allKinds
		switch seed % 3 {
		case 0: // any combination
			kinds = nil
			for i, k := range everyKind {
				if (seed/3%127+1)>>i&1 == 1 {
					kinds = append(kinds, k)
				}
			}
		case 1:
			kinds = everyKind
		}
		checkComplete(t, seed, kinds, nodes, length)
		if t.Failed() {
			t.Fatalf("seed %d, %v on %d nodes, %s", seed, kinds, len(nodes), length)
		}
	}
}

func checkComplete(t *testing.T, seed uint64, kinds, nodes []string, length time.Duration) {
	schedule := Schedule(seed, kinds, nodes, length, ScheduleOptions{})
	checkSound(t, schedule, nodes, length)
	count, shapes := map[string]int{}, map[string]int{}
	strongBump, minorityApart, lossy, skewed := false, false, false, time.Duration(0)
	for _, f := range schedule {
		count[f.Kind]++
		shapes[f.Kind+"/"+f.Shape]++
		strongBump = strongBump || f.Shape == Bump && time.Duration(f.Clock.Offset).Abs() >= 500*time.Millisecond
		lossy = lossy || f.Shape == Lossy && f.Network.LossPPM >= 50_000
		minorityApart = minorityApart || f.Shape == IsolateOne || f.Shape == MajorityMinority
		assert.GreaterOrEqual(t, f.Duration, s(1), "%+v", f)
		longest := 5 * time.Second
		if f.Kind == Clock {
			longest = length / 3
			skewed += time.Duration(f.Duration)
		}
		assert.LessOrEqual(t, time.Duration(f.Duration), longest, "%+v", f)
	}
	for _, k := range kinds {
		assert.Positive(t, count[k], k)
	}
	if count[Kill] > 0 {
		assert.Positive(t, shapes["kill/majority"]+shapes["kill/all"])
	}
	if count[Power] > 0 {
		assert.Positive(t, shapes["power/majority"]+shapes["power/all"])
	}
	if count[Disk] > 0 {
		assert.Positive(t, shapes["disk/stall"])
	}
	if count[Network] > 0 {
		assert.True(t, lossy, "a loss that matters")
	}
	if count[Clock] > 0 {
		assert.True(t, strongBump, "a bump that matters")
		assert.Greater(t, skewed/time.Duration(count[Clock]), time.Second, "clock faults last")
	}
	if count[Partition] > 0 {
		assert.True(t, minorityApart, "a minority is isolated")
	}
	assert.True(t, schedule[0].At <= s(2), "the first fault starts after about a second: %s", schedule[0].At)
	if length == 30*time.Second {
		assert.GreaterOrEqual(t, len(schedule), 10)
		assert.LessOrEqual(t, len(schedule), 14)
	}
}

// Over a long run each shape comes about as often as the others of its kind.
func TestEveryShapeGetsItsTurn(t *testing.T) {
	shapes := map[string]map[string]int{}
	options := ScheduleOptions{Datacenters: [][]string{{"n1", "n2", "n3"}, {"n4", "n5"}}}
	for _, f := range Schedule(7, append(slices.Clone(everyKind), Operator, DiskLoss), plan.NodeNames(5), 40*time.Minute, options) {
		if shapes[f.Kind] == nil {
			shapes[f.Kind] = map[string]int{}
		}
		shapes[f.Kind][f.Shape]++
	}
	for _, k := range Kinds() {
		total := 0
		for _, n := range shapes[k.Name] {
			total += n
		}
		assert.Greater(t, total, 50, k.Name)
		for _, shape := range k.Shapes {
			// Faults for whose shape there is no room become the kind's mildest, hence the half.
			assert.Greaterf(t, shapes[k.Name][shape.Name], total/len(k.Shapes)/2, "%s %s of %d", k.Name, shape.Name, total)
		}
	}
}

// The magnitudes reach from the least to the most, evenly on a logarithmic scale.
func TestLogUniform(t *testing.T) {
	r := plan.NewRand(1, "test")
	var decades [3]int
	for range 30_000 {
		n := logUniform(r, 10, 10_000, 1)
		require.True(t, n >= 10 && n <= 10_000)
		switch {
		case n < 100:
			decades[0]++
		case n < 1000:
			decades[1]++
		default:
			decades[2]++
		}
	}
	for _, n := range decades {
		assert.InDelta(t, 10_000, n, 1_000)
	}
	assert.EqualValues(t, 5, logUniform(r, 5, 5, 1))
	for range 1000 {
		assert.Zero(t, logUniform(r, 500, 10_000, 100)%100)
	}
}

// A kind's faults in a slot do not depend on how the other kinds are named or ordered.
func TestOrderOfKindsDoesNotMatter(t *testing.T) {
	nodes := plan.NodeNames(5)
	assert.Equal(t, Schedule(3, []string{Kill, Clock, Pause}, nodes, 20*time.Second, ScheduleOptions{}),
		Schedule(3, []string{Pause, Kill, Clock, Kill}, nodes, 20*time.Second, ScheduleOptions{}))
}

func TestScheduleLeavesOutWhatCannotBe(t *testing.T) {
	assert.Equal(t, []plan.Fault{}, Schedule(1, nil, plan.NodeNames(5), time.Minute, ScheduleOptions{}))
	assert.Equal(t, []plan.Fault{}, Schedule(1, []string{Partition}, plan.NodeNames(1), time.Minute, ScheduleOptions{}))
	assert.Equal(t, []plan.Fault{}, Schedule(1, []string{Kill}, nil, time.Minute, ScheduleOptions{}))
	assert.Equal(t, []plan.Fault{}, Schedule(1, allKinds, plan.NodeNames(5), 0, ScheduleOptions{}))
}

// A day's schedule is drawn whole: the search for room looks at neighbours only.
func TestLongSchedule(t *testing.T) {
	schedule := Schedule(1, allKinds, plan.NodeNames(9), 24*time.Hour, ScheduleOptions{})
	assert.Greater(t, len(schedule), 35_000)
	assert.Greater(t, end(schedule[len(schedule)-1]), plan.Duration(24*time.Hour-10*time.Second))
}

func TestScheduleOptions(t *testing.T) {
	o := ScheduleOptions{Interval: 10 * time.Second, Shortest: 2 * time.Second, Longest: 20 * time.Second}
	schedule := Schedule(1, []string{Partition}, plan.NodeNames(5), 102*time.Second, o)
	assert.Len(t, schedule, 10)
	var longest plan.Duration
	for _, f := range schedule {
		assert.True(t, f.Duration >= s(2) && f.Duration <= s(20))
		longest = max(longest, f.Duration)
	}
	assert.Greater(t, longest, s(5))
}
