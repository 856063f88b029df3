package shrink_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/shrink"
)

const (
	millisecond = plan.Duration(time.Millisecond)
	second      = plan.Duration(time.Second)
)

// large is a plan like those that an exploration finds: so many operations and
// faults in 60 seconds, by ten clients on eight keys of five nodes.
func large(seed uint64, operations, faults int) *plan.Plan {
	const workers, keys, nodes = 10, 8, 5
	length := 60 * second
	p := &plan.Plan{
		Format: plan.Format, Name: "large", Seed: seed, Backend: "sim",
		Target:       plan.Target{Name: "leaderless", Nodes: nodes},
		Workload:     plan.Workload{Name: "register", Concurrency: workers},
		Nemesis:      []string{"partition", "pause", "kill", "clock", "power", "network", "disk"},
		Surroundings: &plan.Surroundings{Seed: seed, Latency: millisecond, Sync: millisecond, LossPPM: 100},
		Claims:       []string{"linearizable"},
		Limits:       plan.Limits{Time: length, Operation: second},
	}
	for i := range operations {
		r := plan.NewRand(seed, "test.operation", uint64(i))
		o := plan.Operation{
			Worker: i % workers, Index: i / workers, F: history.FRead, Key: fmt.Sprint("r", r.IntN(keys)),
			At: length*plan.Duration(i)/plan.Duration(operations+1) + plan.Duration(r.IntN(1000)), Node: node(r.IntN(nodes)),
		}
		if r.IntN(3) == 0 {
			value := int64(i + 1)
			o.F, o.Value = history.FWrite, &value
		}
		p.Operations = append(p.Operations, o)
	}
	slices.SortStableFunc(p.Operations, func(a, b plan.Operation) int { return cmp.Compare(a.At, b.At) })
	for i := range faults {
		p.Schedule = append(p.Schedule, fault(plan.NewRand(seed, "test.fault", uint64(i)).Uint64(), length))
	}
	slices.SortFunc(p.Schedule, func(a, b plan.Fault) int { return cmp.Compare(a.At, b.At) })
	for i := range p.Schedule {
		p.Schedule[i].ID = fmt.Sprint("f", i+1)
	}
	return p
}

func node(i int) string { return fmt.Sprint("n", i+1) }

// fault draws a fault of any kind.
func fault(seed uint64, length plan.Duration) plan.Fault {
	r := plan.NewRand(seed, "test")
	p := r.Perm(5)
	targets := []string{node(p[0])}
	if r.IntN(2) == 0 {
		targets = append(targets, node(p[1]))
	}
	f := plan.Fault{Targets: targets, At: plan.Duration(r.Int64N(int64(length - second))), Duration: 5*millisecond + plan.Duration(r.Int64N(int64(10*second)))}
	switch kind := r.IntN(10); kind {
	case 0, 1:
		f.Kind, f.Shape, f.Hold = "partition", "isolate-one", kind == 0
		f.Targets = f.Targets[:1]
		for _, other := range p[1:] {
			f.Cuts = append(f.Cuts, history.Cut{From: targets[0], To: node(other)}, history.Cut{From: node(other), To: targets[0]})
		}
	case 2:
		f.Kind, f.Shape = "pause", "one"
	case 3:
		f.Kind, f.Shape = "kill", "minority"
	case 4:
		f.Kind, f.Shape = "power", "minority"
	case 5:
		f.Kind, f.Shape, f.Clock = "clock", "bump", &plan.Clock{Offset: -3*second - plan.Duration(r.IntN(1e9))}
	case 6:
		f.Kind, f.Shape, f.Clock = "clock", "drift", &plan.Clock{RatePPM: 1 + r.Int64N(200_000)}
	case 7:
		f.Kind, f.Shape, f.Clock = "clock", "strobe", &plan.Clock{Period: 7 * millisecond, Delta: 300 * millisecond}
	case 8:
		f.Kind, f.Shape, f.Network = "network", "lossy", &plan.Network{LossPPM: 1 + r.Int64N(300_000), Delay: 3 * millisecond}
	case 9:
		f.Kind, f.Shape = "disk", []string{"stall", "full"}[r.IntN(2)]
	}
	return f
}

// identity is what names an operation.
type identity struct{ worker, index int }

func identityOf(o *plan.Operation) identity { return identity{o.Worker, o.Index} }

func find(p *plan.Plan, id identity) *plan.Operation {
	for i := range p.Operations {
		if identityOf(&p.Operations[i]) == id {
			return &p.Operations[i]
		}
	}
	return nil
}

func findFault(p *plan.Plan, id string) *plan.Fault {
	for i := range p.Schedule {
		if p.Schedule[i].ID == id {
			return &p.Schedule[i]
		}
	}
	return nil
}

// needs is an anomaly that needs some operations in the order in which they
// stand, and that the faults are in force at the first of them for so long.
type needs struct {
	operations []identity
	faults     []string
	least      plan.Duration
}

func (n needs) oracle(p *plan.Plan) (time.Duration, bool) {
	var first, last plan.Duration
	for i, id := range n.operations {
		o := find(p, id)
		if o == nil || i > 0 && o.At < last {
			return 0, false
		}
		if i == 0 {
			first = o.At
		}
		last = o.At
	}
	for _, id := range n.faults {
		f := findFault(p, id)
		if f == nil || f.Duration < n.least || f.At > first || f.At+f.Duration < first {
			return 0, false
		}
	}
	return time.Duration(last), true
}

// drawNeeds chooses operations and a fault of the plan that go together.
func drawNeeds(seed uint64, p *plan.Plan, operations int, within plan.Duration, withFault bool) needs {
	r := plan.NewRand(seed, "test.needs")
	for {
		n := needs{least: 2 * millisecond}
		first := r.IntN(len(p.Operations))
		var near []int
		for i := first; i < len(p.Operations) && p.Operations[i].At <= p.Operations[first].At+within; i++ {
			near = append(near, i)
		}
		if len(near) < operations {
			continue
		}
		chosen := append([]int{near[0]}, nil...)
		for _, i := range r.Perm(len(near) - 1)[:operations-1] {
			chosen = append(chosen, near[i+1])
		}
		slices.Sort(chosen)
		for _, i := range chosen {
			n.operations = append(n.operations, identityOf(&p.Operations[i]))
		}
		if withFault {
			for _, f := range p.Schedule {
				if at := p.Operations[first].At; f.At <= at && at <= f.At+f.Duration {
					n.faults = append(n.faults, f.ID)
				}
			}
			if len(n.faults) == 0 {
				continue
			}
			n.faults = n.faults[:1]
		}
		return n
	}
}

func TestShrinkFindsWhatIsNeeded(t *testing.T) {
	var all, work []int
	for seed := range uint64(40) {
		p := large(seed, 5000, 20)
		n := drawNeeds(seed, p, 2+int(seed%3), 500*millisecond, true)
		asked := 0
		result, err := shrink.Shrink(t.Context(), p, func(p *plan.Plan) (time.Duration, bool) {
			asked += len(p.Operations)
			return n.oracle(p)
		}, shrink.Options{})
		require.NoError(t, err)
		work = append(work, asked)
		assert.Equal(t, shrink.Size{Operations: 5000, Faults: 20}, result.Before)
		assert.Equal(t, shrink.Size{Operations: len(n.operations), Faults: 1}, result.After)
		assert.True(t, result.Minimal)
		require.NoError(t, result.Plan.Validate())
		_, fails := n.oracle(result.Plan)
		assert.True(t, fails)
		all = append(all, result.Runs)
	}
	slices.Sort(all)
	slices.Sort(work)
	t.Logf("runs: median %d, most %d; operations in all of them: median %d, most %d", all[len(all)/2], all[len(all)-1], work[len(work)/2], work[len(work)-1])
	assert.LessOrEqual(t, all[len(all)/2], 200, "runs, the median")
	assert.LessOrEqual(t, all[len(all)-1], 300, "runs, the most")
	assert.LessOrEqual(t, work[len(work)/2], 15_000, "the median costs no more than three runs of the whole plan")
}

func TestShrinkOfAnAnomalyThatIsCompleteAfterTheMainPhase(t *testing.T) {
	for seed := range uint64(20) {
		p := large(seed, 5000, 20)
		n := drawNeeds(seed, p, 2, 60*second, true)
		runs := 0
		result, err := shrink.Shrink(t.Context(), p, func(p *plan.Plan) (time.Duration, bool) {
			runs++
			_, fails := n.oracle(p)
			return time.Duration(p.Limits.Time + 10*second), fails
		}, shrink.Options{})
		require.NoError(t, err)
		assert.Equal(t, shrink.Size{Operations: 2, Faults: 1}, result.After)
		assert.Equal(t, runs, result.Runs)
		assert.LessOrEqual(t, runs, 300)
		assert.Equal(t, time.Duration(result.Plan.Limits.Time+10*second), result.At)
	}
}

// tangled is an anomaly in which leaving one thing out may hide what leaving
// out two shows: beside what it needs, the number that belongs to the set of
// operations and faults must not be unlucky.
func tangled(n needs, whole *plan.Plan) shrink.Oracle {
	return func(p *plan.Plan) (time.Duration, bool) {
		at, fails := n.oracle(p)
		if len(p.Operations) == len(whole.Operations) && len(p.Schedule) == len(whole.Schedule) {
			return at, fails
		}
		var ids []uint64
		for i := range p.Operations {
			ids = append(ids, uint64(p.Operations[i].Worker), uint64(p.Operations[i].Index))
		}
		for i := range p.Schedule {
			ids = append(ids, plan.Draw(0, p.Schedule[i].ID))
		}
		return at, fails && plan.Draw(7, "test.luck", ids...)%3 != 0
	}
}

func TestShrinkProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := large(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 200).Draw(t, "operations"), rapid.IntRange(0, 12).Draw(t, "faults"))
		n := drawNeeds(rapid.Uint64().Draw(t, "choice"), p, rapid.IntRange(1, min(3, len(p.Operations))).Draw(t, "needed"), 60*second, false)
		for _, f := range p.Schedule {
			if at := find(p, n.operations[0]).At; f.At <= at && at <= f.At+f.Duration && len(n.faults) < 2 {
				n.faults = append(n.faults, f.ID)
			}
		}
		oracle := shrink.Oracle(n.oracle)
		if rapid.Bool().Draw(t, "tangled") {
			oracle = tangled(n, p)
		}
		if rapid.Bool().Draw(t, "unknown time") {
			timed := oracle
			oracle = func(p *plan.Plan) (time.Duration, bool) {
				_, fails := timed(p)
				return 0, fails
			}
		}
		o := shrink.Options{Runs: rapid.SampledFrom([]int{1, 2, 10, 50, 5000}).Draw(t, "runs")}
		original := p.Clone()
		runs := 0
		result, err := shrink.Shrink(t.Context(), p, func(p *plan.Plan) (time.Duration, bool) {
			runs++
			require.NoError(t, p.Validate(), "no plan is tried that is none")
			require.NotEmpty(t, p.Operations)
			return oracle(p)
		}, o)
		require.NoError(t, err)
		require.Equal(t, original, p, "the plan that was given is not changed")
		require.Equal(t, runs, result.Runs)
		require.LessOrEqual(t, runs, o.Runs)
		at, fails := oracle(result.Plan)
		require.True(t, fails)
		require.Equal(t, at, result.At)
		require.NoError(t, result.Plan.Validate())
		require.Equal(t, original.Seed, result.Plan.Seed)
		require.Equal(t, original.Surroundings.Seed, result.Plan.Surroundings.Seed)
		require.LessOrEqual(t, result.Plan.Limits.Time, original.Limits.Time)
		for i := range result.Plan.Operations {
			o := result.Plan.Operations[i]
			was := find(original, identityOf(&o))
			require.NotNil(t, was)
			require.LessOrEqual(t, o.At, was.At, "times only get closer")
			o.At = was.At
			require.Equal(t, *was, o)
		}
		for _, f := range result.Plan.Schedule {
			was := findFault(original, f.ID)
			require.NotNil(t, was)
			require.Positive(t, f.Duration)
			require.Subset(t, was.Targets, f.Targets)
			require.Contains(t, result.Plan.Nemesis, f.Kind)
		}
		if result.Minimal {
			requireMinimal(t, result.Plan, oracle)
		}
		if o.Runs == 5000 {
			require.True(t, result.Minimal)
		}

		again, err := shrink.Shrink(t.Context(), p, oracle, o)
		require.NoError(t, err)
		require.Equal(t, result, again, "the same every time")
	})
}

// requireMinimal leaves out every operation and every fault in turn.
func requireMinimal(t require.TestingT, p *plan.Plan, oracle shrink.Oracle) {
	for i := range p.Operations {
		less := p.Clone()
		less.Operations = slices.Delete(less.Operations, i, i+1)
		_, fails := oracle(less)
		require.False(t, fails && len(less.Operations) > 0, "operation %d can be left out", i)
	}
	for i := range p.Schedule {
		less := p.Clone()
		less.Schedule = slices.Delete(less.Schedule, i, i+1)
		_, fails := oracle(less)
		require.False(t, fails, "fault %d can be left out", i)
	}
}

// alone is a plan of one operation and one fault, each second apart.
func alone(f plan.Fault) *plan.Plan {
	p := large(1, 1, 0)
	p.Operations[0].At = 5*second + 1234567
	f.ID = "f1"
	p.Nemesis = []string{"reboot", f.Kind}
	p.Schedule = []plan.Fault{f}
	return p
}

func shrunkFault(t *testing.T, f plan.Fault, fails func(f *plan.Fault, at plan.Duration) bool) plan.Fault {
	t.Helper()
	result, err := shrink.Shrink(t.Context(), alone(f), func(p *plan.Plan) (time.Duration, bool) {
		return 0, len(p.Schedule) == 1 && fails(&p.Schedule[0], p.Operations[0].At)
	}, shrink.Options{})
	require.NoError(t, err)
	require.True(t, result.Minimal)
	require.Equal(t, []string{result.Plan.Schedule[0].Kind}, result.Plan.Nemesis, "the kinds are those that are left")
	return result.Plan.Schedule[0]
}

func TestShrinkWeakensFaults(t *testing.T) {
	isolated := plan.Fault{Kind: "partition", Shape: "isolate-one", Targets: []string{"n1"}, At: 2 * second, Duration: 8 * second, Hold: true}
	for _, other := range []string{"n2", "n3", "n4", "n5"} {
		isolated.Cuts = append(isolated.Cuts, history.Cut{From: "n1", To: other}, history.Cut{From: other, To: "n1"})
	}
	several := []string{"n1", "n2", "n3", "n4"}
	always := func(*plan.Fault, plan.Duration) bool { return true }
	drift := plan.Fault{Kind: "clock", Shape: "drift", Targets: several, At: second, Duration: 8 * second, Clock: &plan.Clock{RatePPM: -100_000}}
	for name, c := range map[string]struct {
		fault plan.Fault
		fails func(f *plan.Fault, at plan.Duration) bool
		want  plan.Fault
	}{
		"cuts": {isolated, func(f *plan.Fault, _ plan.Duration) bool {
			return slices.Contains(f.Cuts, history.Cut{From: "n1", To: "n3"}) && slices.Contains(f.Cuts, history.Cut{From: "n4", To: "n1"})
		}, plan.Fault{Kind: "partition", Targets: []string{"n1"}, Cuts: []history.Cut{{From: "n1", To: "n3"}, {From: "n4", To: "n1"}}}},
		"hold": {isolated, func(f *plan.Fault, _ plan.Duration) bool { return f.Hold },
			plan.Fault{Kind: "partition", Targets: []string{"n1"}, Cuts: []history.Cut{{From: "n1", To: "n5"}}, Hold: true}},
		"targets": {plan.Fault{Kind: "kill", Shape: "majority", Targets: several, At: second, Duration: second},
			func(f *plan.Fault, _ plan.Duration) bool { return slices.Contains(f.Targets, "n3") },
			plan.Fault{Kind: "kill", Targets: []string{"n3"}}},
		"power is not needed": {plan.Fault{Kind: "power", Shape: "one", Targets: several[:1], At: second, Duration: second}, always,
			plan.Fault{Kind: "kill", Shape: "one", Targets: several[:1]}},
		"power is needed": {plan.Fault{Kind: "power", Shape: "one", Targets: several[:1], At: second, Duration: second},
			func(f *plan.Fault, _ plan.Duration) bool { return f.Kind == "power" }, plan.Fault{Kind: "power", Shape: "one", Targets: several[:1]}},
		"a full disk": {plan.Fault{Kind: "disk", Shape: "full", Targets: several[:1], At: second, Duration: second}, always,
			plan.Fault{Kind: "kill", Targets: several[:1]}},
		"a stalling disk": {plan.Fault{Kind: "disk", Shape: "stall", Targets: several[:1], At: second, Duration: second}, always,
			plan.Fault{Kind: "pause", Targets: several[:1]}},
		"a slow disk": {plan.Fault{Kind: "disk", Shape: "slow", Targets: several[:1], At: second, Duration: second, Delay: 77 * millisecond},
			func(f *plan.Fault, _ plan.Duration) bool { return f.Delay >= 3*millisecond },
			plan.Fault{Kind: "disk", Shape: "slow", Targets: several[:1], Delay: 5 * millisecond}},
		"lossy links": {plan.Fault{Kind: "network", Shape: "lossy", Targets: several[:1], At: second, Duration: second, Network: &plan.Network{LossPPM: 123_456, Delay: second}},
			func(f *plan.Fault, _ plan.Duration) bool { return f.Network != nil && f.Network.LossPPM > 30_000 },
			plan.Fault{Kind: "network", Shape: "lossy", Targets: several[:1], Network: &plan.Network{LossPPM: 50_000}}},
		"slow links": {plan.Fault{Kind: "network", Shape: "slow", Targets: several[:1], At: second, Duration: second, Network: &plan.Network{LossPPM: 1, Delay: second, Jitter: 44 * millisecond}},
			func(f *plan.Fault, _ plan.Duration) bool {
				return f.Network != nil && f.Network.Delay >= 20*millisecond
			},
			plan.Fault{Kind: "network", Shape: "slow", Targets: several[:1], Network: &plan.Network{Delay: 20 * millisecond, Jitter: millisecond}}},
		"links that may be cut": {plan.Fault{Kind: "network", Shape: "lossy", Targets: several[:1], At: second, Duration: second, Network: &plan.Network{LossPPM: 1}}, always,
			plan.Fault{Kind: "partition", Targets: several[:1], Cuts: []history.Cut{{From: "n1", To: "n5"}}}},
		"a bump": {plan.Fault{Kind: "clock", Shape: "bump", Targets: several[:1], At: second, Duration: second, Clock: &plan.Clock{Offset: -3214 * millisecond}},
			func(f *plan.Fault, _ plan.Duration) bool { return f.Clock.Offset <= -400*millisecond },
			plan.Fault{Kind: "clock", Shape: "bump", Targets: several[:1], Clock: &plan.Clock{Offset: -500 * millisecond}}},
		"a drift that is a bump": {drift, func(f *plan.Fault, _ plan.Duration) bool {
			return slices.Contains(f.Targets, "n2") && (f.Clock.RatePPM < -50_000 || f.Clock.Offset < -50*millisecond)
		}, plan.Fault{Kind: "clock", Shape: "bump", Targets: []string{"n2"}, Clock: &plan.Clock{Offset: -100 * millisecond}}},
		"a drift that is none": {drift, func(f *plan.Fault, _ plan.Duration) bool { return f.Clock.RatePPM != 0 },
			plan.Fault{Kind: "clock", Shape: "drift", Targets: several[:1], Clock: &plan.Clock{RatePPM: -1000}}},
		"a strobe": {plan.Fault{Kind: "clock", Shape: "strobe", Targets: several[:1], At: second, Duration: second, Clock: &plan.Clock{Period: 7 * millisecond, Delta: 300 * millisecond}}, always,
			plan.Fault{Kind: "clock", Shape: "bump", Targets: several[:1], Clock: &plan.Clock{Offset: millisecond}}},
		"a mixture": {plan.Fault{Kind: "clock", Targets: several[:1], At: second, Duration: second, Clock: &plan.Clock{Offset: second, RatePPM: 9000, Period: 7 * millisecond, Delta: 300 * millisecond}},
			func(f *plan.Fault, _ plan.Duration) bool { return f.Clock.Period != 0 },
			plan.Fault{Kind: "clock", Shape: "strobe", Targets: several[:1], Clock: &plan.Clock{Period: 7 * millisecond, Delta: millisecond}}},
	} {
		t.Run(name, func(t *testing.T) {
			got := shrunkFault(t, c.fault, c.fails)
			c.want.ID, c.want.At, c.want.Duration = "f1", got.At, got.Duration
			assert.Equal(t, c.want, got)
			assert.Zero(t, got.At)
			assert.Equal(t, millisecond, got.Duration)
		})
	}
}

func TestShrinkKeepsWhatTimeTheAnomalyNeeds(t *testing.T) {
	f := plan.Fault{Kind: "pause", Targets: []string{"n1"}, At: 2*second + 7, Duration: 8*second + 7}
	result, err := shrink.Shrink(t.Context(), alone(f), func(p *plan.Plan) (time.Duration, bool) {
		if len(p.Schedule) == 0 {
			return 0, false
		}
		f, at := &p.Schedule[0], p.Operations[0].At
		return time.Duration(at + 30*millisecond), at-f.At >= 90*millisecond && f.At+f.Duration-at >= 15*millisecond && p.Limits.Time >= at+30*millisecond
	}, shrink.Options{})
	require.NoError(t, err)
	got := result.Plan
	assert.Equal(t, plan.Duration(0), got.Schedule[0].At)
	assert.Equal(t, 100*millisecond, got.Operations[0].At)
	assert.Equal(t, 120*millisecond, got.Schedule[0].Duration)
	assert.Equal(t, 130*millisecond, got.Limits.Time)
	assert.Equal(t, 130*time.Millisecond, result.At)
}

func TestShrinkRefuses(t *testing.T) {
	never := func(*plan.Plan) (time.Duration, bool) { return 0, false }
	_, err := shrink.Shrink(t.Context(), large(1, 10, 2), never, shrink.Options{})
	require.ErrorIs(t, err, shrink.ErrNotFailing)
	_, err = shrink.Shrink(t.Context(), large(1, 0, 2), never, shrink.Options{})
	require.ErrorIs(t, err, shrink.ErrNotMaterialised)
	broken := large(1, 10, 2)
	broken.Schedule[1].ID = "f1"
	_, err = shrink.Shrink(t.Context(), broken, never, shrink.Options{})
	var invalid *plan.InvalidError
	require.ErrorAs(t, err, &invalid)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = shrink.Shrink(ended, large(1, 10, 2), never, shrink.Options{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestShrinkReturnsTheBestSoFarWhenItIsStopped(t *testing.T) {
	p := large(3, 5000, 20)
	n := drawNeeds(3, p, 3, 60*second, true)
	ctx, cancel := context.WithCancel(t.Context())
	runs := 0
	result, err := shrink.Shrink(ctx, p, func(p *plan.Plan) (time.Duration, bool) {
		if runs++; runs == 20 {
			cancel()
		}
		return n.oracle(p)
	}, shrink.Options{})
	require.NoError(t, err)
	assert.False(t, result.Minimal)
	assert.Equal(t, 20, result.Runs, "no run after the end")
	assert.Less(t, result.After.Operations, 2000)
	_, fails := n.oracle(result.Plan)
	assert.True(t, fails)
}

func TestShrinkNeverRunsAPlanTwice(t *testing.T) {
	p := large(5, 300, 8)
	n := drawNeeds(5, p, 3, 60*second, true)
	seen := map[string]bool{}
	_, err := shrink.Shrink(t.Context(), p, func(p *plan.Plan) (time.Duration, bool) {
		digest := p.SHA256()
		require.False(t, seen[digest], "run again")
		seen[digest] = true
		return n.oracle(p)
	}, shrink.Options{})
	require.NoError(t, err)
}

func TestShrinkTellsItsProgress(t *testing.T) {
	p := large(5, 300, 8)
	n := drawNeeds(5, p, 3, 60*second, true)
	var all []shrink.Progress
	result, err := shrink.Shrink(t.Context(), p, n.oracle, shrink.Options{Progress: func(p shrink.Progress) { all = append(all, p) }})
	require.NoError(t, err)
	require.Len(t, all, result.Runs)
	for i, progress := range all {
		assert.Equal(t, i+1, progress.Runs)
		assert.NotEmpty(t, progress.Pass)
	}
	assert.Equal(t, result.Before, all[0].Size)
	assert.Equal(t, result.After, all[len(all)-1].Size)
	assert.Equal(t, "3 operations, 1 fault", result.After.String())
}
