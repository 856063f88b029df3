package shrink_test

import (
	"context"
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

// trial is a plan under other surroundings, as those of real clusters: each
// time is shifted by up to 5 ms, and the edges of faults come up to 60 ms late.
type trial struct {
	plan    *plan.Plan
	number  uint64
	latency plan.Duration
}

// rate counts in how many trials an anomaly shows.
func rate(shows func(t trial) bool) shrink.Rate {
	return func(p *plan.Plan, trials int) int {
		failing := 0
		for i := range uint64(trials) {
			if shows(trial{p, i, plan.Duration(1+plan.Draw(1, "latency", i)%10) * millisecond}) {
				failing++
			}
		}
		return failing
	}
}

func (t trial) at(i int) plan.Duration {
	return t.plan.Operations[i].At + plan.Duration(plan.Draw(t.number, "jitter", uint64(i))%10)*millisecond - 5*millisecond
}

// covers says whether the i-th fault is surely in force from one time to another.
func (t trial) covers(i int, from, to plan.Duration) bool {
	f := &t.plan.Schedule[i]
	late := func(edge uint64) plan.Duration {
		return plan.Duration(plan.Draw(t.number, "edge", uint64(i), edge)%60) * millisecond
	}
	return f.At+late(0) <= from && to <= f.At+f.Duration+late(1)
}

// order returns the places of the first write, the first write after it and
// the last read; -1 for those that are missing.
func (t trial) order() (first, second, read int) {
	first, second, read = -1, -1, -1
	for i := range t.plan.Operations {
		switch o := &t.plan.Operations[i]; {
		case o.F == history.FRead:
			read = i
		case first < 0:
			first = i
		case second < 0:
			second = i
		}
	}
	return first, second, read
}

// skewed: the clock of the node of the first write is so far ahead that the
// second write, which comes after the first is done, is lost, and a read shows it.
func skewed(t trial) bool {
	first, second, read := t.order()
	if first < 0 || second < 0 || read < 0 {
		return false
	}
	for i := range t.plan.Schedule {
		f := &t.plan.Schedule[i]
		a, b := t.at(first), t.at(second)
		if f.Clock != nil && slices.Contains(f.Targets, t.plan.Operations[first].Node) && !slices.Contains(f.Targets, t.plan.Operations[second].Node) &&
			t.covers(i, a, a) && b-a > t.latency && f.Clock.Offset > b-a && t.at(read)-b > t.latency {
			return true
		}
	}
	return false
}

// stale: a read at another node than the write's comes before the write got
// there: because it comes just then, or because the link is cut.
func stale(t trial) bool {
	write, _, read := t.order()
	if write < 0 || read < 0 || t.plan.Operations[write].Node == t.plan.Operations[read].Node {
		return false
	}
	w, r := t.at(write), t.at(read)
	if r < w+t.latency {
		return false
	}
	for i := range t.plan.Schedule {
		f := &t.plan.Schedule[i]
		link := history.Cut{From: t.plan.Operations[write].Node, To: t.plan.Operations[read].Node}
		if slices.Contains(f.Cuts, link) && t.covers(i, w, r) {
			return true
		}
	}
	return r < w+t.latency*3/2
}

func operation(worker int, f string, at plan.Duration, node string) plan.Operation {
	o := plan.Operation{Worker: worker, F: f, Key: "r0", At: at, Node: node}
	if f == history.FWrite {
		value := int64(worker + 1)
		o.Value = &value
	}
	return o
}

func smallPlan(schedule []plan.Fault, operations ...plan.Operation) *plan.Plan {
	p := large(1, 1, 0)
	p.Operations, p.Schedule = operations, schedule
	p.Nemesis = []string{}
	for _, f := range schedule {
		p.Nemesis = append(p.Nemesis, f.Kind)
	}
	p.Limits.Time = operations[len(operations)-1].At + second
	return p
}

func skewPlan() *plan.Plan {
	return smallPlan([]plan.Fault{{ID: "f1", Kind: "clock", Shape: "bump", Targets: []string{"n1"}, Duration: 2 * millisecond, Clock: &plan.Clock{Offset: 10 * millisecond}}},
		operation(0, history.FWrite, 0, "n1"), operation(1, history.FWrite, 5*millisecond, "n2"), operation(2, history.FRead, 9*millisecond, "n3"))
}

func stalePlan() *plan.Plan {
	return smallPlan(nil, operation(0, history.FWrite, 0, "n1"), operation(1, history.FRead, millisecond, "n2"))
}

// requireRoomy wants a plan that real clusters can follow.
func requireRoomy(t *testing.T, p *plan.Plan) {
	t.Helper()
	require.NoError(t, p.Validate())
	for _, f := range p.Schedule {
		require.GreaterOrEqual(t, f.At, second)
		for _, o := range p.Operations {
			require.GreaterOrEqual(t, max(o.At-f.At, f.At-o.At), 300*millisecond, "the start of %s", f.ID)
			end := f.At + f.Duration
			require.GreaterOrEqual(t, max(o.At-end, end-o.At), 300*millisecond, "the end of %s", f.ID)
		}
	}
	for _, o := range p.Operations {
		require.Zero(t, o.At%millisecond, "round times")
		require.Greater(t, p.Limits.Time, o.At)
	}
}

func TestRobustifyWidensSkew(t *testing.T) {
	p := skewPlan()
	original := p.Clone()
	robust, err := shrink.Robustify(t.Context(), p, rate(skewed), shrink.Options{})
	require.NoError(t, err)
	assert.Equal(t, original, p)
	assert.Less(t, robust.Before.Failing, 40)
	assert.GreaterOrEqual(t, robust.After.Failing, 85)
	assert.Equal(t, 100, robust.After.Trials)
	assert.Len(t, robust.Plan.Operations, 3)
	require.Len(t, robust.Plan.Schedule, 1)
	assert.Greater(t, robust.Plan.Schedule[0].Clock.Offset, 10*millisecond)
	requireRoomy(t, robust.Plan)
	t.Logf("%s → %s in %d trials", robust.Before, robust.After, robust.Trials)
}

func TestRobustifyAddsTheFaultThatALuckyDelayStoodFor(t *testing.T) {
	robust, err := shrink.Robustify(t.Context(), stalePlan(), rate(stale), shrink.Options{})
	require.NoError(t, err)
	assert.Less(t, robust.Before.Failing, 40)
	assert.GreaterOrEqual(t, robust.After.Failing, 85)
	assert.Len(t, robust.Plan.Operations, 2)
	require.Len(t, robust.Plan.Schedule, 1, "no more faults than needed")
	assert.Contains(t, robust.Plan.Schedule[0].Cuts, history.Cut{From: "n1", To: "n2"})
	assert.LessOrEqual(t, len(robust.Plan.Schedule[0].Cuts), 2, "no more links than needed")
	assert.Equal(t, []string{"partition"}, robust.Plan.Nemesis)
	requireRoomy(t, robust.Plan)
	t.Logf("%s → %s in %d trials", robust.Before, robust.After, robust.Trials)
}

func TestRobustifyLeavesOutWhatIsNotNeeded(t *testing.T) {
	p := skewPlan()
	p.Schedule = append(p.Schedule, plan.Fault{ID: "f2", Kind: "kill", Targets: []string{"n5"}, At: 0, Duration: second})
	p.Operations = append(p.Operations, operation(3, history.FWrite, 20*millisecond, "n4"))
	robust, err := shrink.Robustify(t.Context(), p, rate(skewed), shrink.Options{})
	require.NoError(t, err)
	assert.Len(t, robust.Plan.Operations, 3)
	assert.Len(t, robust.Plan.Schedule, 1)
	assert.Equal(t, "clock", robust.Plan.Schedule[0].Kind)
	assert.GreaterOrEqual(t, robust.After.Failing, 85)
}

func TestRobustifyRepeatsReadsOrAsksOtherNodes(t *testing.T) {
	// One read alone hits the node by luck, one of three rather surely.
	lucky := func(t trial) bool {
		_, _, read := t.order()
		if read < 0 {
			return false
		}
		for i, o := range t.plan.Operations {
			if o.F == history.FRead && plan.Draw(t.number, "luck", uint64(i))%3 == 0 {
				return true
			}
		}
		return false
	}
	p := stalePlan()
	robust, err := shrink.Robustify(t.Context(), p, rate(lucky), shrink.Options{})
	require.NoError(t, err)
	assert.Greater(t, robust.After.Failing, robust.Before.Failing+20)
	assert.LessOrEqual(t, len(robust.Plan.Operations), len(p.Operations)+2)
	require.NoError(t, robust.Plan.Validate(), "no operation has another's worker and index")
}

// inverted: a write is with one node only, as its coordinator is heard by that
// one alone; a read there sees it, and a later one elsewhere does not.
func inverted(t trial) bool {
	for w, write := range t.plan.Operations {
		for a, seen := range t.plan.Operations {
			for b, missed := range t.plan.Operations {
				if write.F == history.FRead || seen.F != history.FRead || missed.F != history.FRead ||
					t.at(a) < t.at(w)+t.latency || t.at(b) < t.at(a)+t.latency || seen.Node == write.Node || missed.Node == write.Node {
					continue
				}
				for i := range t.plan.Schedule {
					cuts := t.plan.Schedule[i].Cuts
					cut := func(from, to string) bool { return slices.Contains(cuts, history.Cut{From: from, To: to}) }
					if !cut(write.Node, seen.Node) && cut(write.Node, missed.Node) && cut(write.Node, "n5") && t.covers(i, t.at(w), t.at(b)) {
						return true
					}
				}
			}
		}
	}
	return false
}

func TestRobustifyLeavesAWriteHalfway(t *testing.T) {
	// Not even the order is right: what was seen was asked for before it was written.
	p := smallPlan(nil, operation(2, history.FRead, 0, "n2"), operation(0, history.FWrite, millisecond/3, "n1"), operation(1, history.FRead, millisecond, "n2"))
	robust, err := shrink.Robustify(t.Context(), p, rate(inverted), shrink.Options{})
	require.NoError(t, err)
	assert.Zero(t, robust.Before.Failing)
	assert.GreaterOrEqual(t, robust.After.Failing, 85)
	assert.Len(t, robust.Plan.Operations, 3)
	assert.Len(t, robust.Plan.Schedule, 1)
	requireRoomy(t, robust.Plan)
	t.Logf("%s → %s in %d trials", robust.Before, robust.After, robust.Trials)
}

func TestRobustifyKeepsAPlanThatNothingMakesMoreProbable(t *testing.T) {
	p := skewPlan()
	robust, err := shrink.Robustify(t.Context(), p, func(*plan.Plan, int) int { return 0 }, shrink.Options{})
	require.NoError(t, err)
	assert.Equal(t, p, robust.Plan, "not even made smaller: that would lose what it shows")
	assert.Equal(t, shrink.Probability{Failing: 0, Trials: 100}, robust.After)
}

func TestRobustifyPrefersAnyProbabilityToNone(t *testing.T) {
	// The little that a further fault gains weighs less than the fault itself.
	rare := func(t trial) bool { return t.number%60 == 0 && len(t.plan.Schedule) > 0 && len(t.plan.Operations) == 3 }
	p := skewPlan()
	p.Schedule = []plan.Fault{}
	p.Nemesis = []string{}
	robust, err := shrink.Robustify(t.Context(), p, rate(rare), shrink.Options{})
	require.NoError(t, err)
	assert.Zero(t, robust.Before.Failing)
	assert.Equal(t, 2, robust.After.Failing)
	assert.Len(t, robust.Plan.Schedule, 1)
}

func TestRobustifyMeasuresWithFreshTrials(t *testing.T) {
	// Half of the plans fail in the first 50 trials and no other: chosen for
	// them, a plan looks certain, and measured by others it is worth nothing.
	flattered := func(t trial) bool { return t.number < 50 && t.plan.Operations[0].At > second/2 }
	robust, err := shrink.Robustify(t.Context(), stalePlan(), rate(flattered), shrink.Options{})
	require.NoError(t, err)
	assert.Equal(t, shrink.Probability{Failing: 0, Trials: 100}, robust.After)
}

func TestRobustifyProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := large(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(1, 5).Draw(t, "operations"), rapid.IntRange(0, 3).Draw(t, "faults"))
		salt := rapid.Uint64().Draw(t, "salt")
		trials := 0
		counting := func(p *plan.Plan, n int) int {
			require.NoError(t, p.Validate(), "no plan is tried that is none")
			for i := range p.Schedule {
				require.Positive(t, p.Schedule[i].Duration)
			}
			trials += n
			// A rough landscape: how probable a plan is hangs on all of it.
			height := plan.Draw(salt, p.SHA256()) % 100
			return rate(func(t trial) bool { return plan.Draw(t.number, "chance", height)%100 < height })(p, n)
		}
		o := shrink.Options{Trials: rapid.SampledFrom([]int{1, 100, 2000}).Draw(t, "trials")}
		original := p.Clone()
		robust, err := shrink.Robustify(t.Context(), p, counting, o)
		require.NoError(t, err)
		require.Equal(t, original, p, "the plan that was given is not changed")
		require.Equal(t, trials, robust.Trials)
		require.LessOrEqual(t, trials, o.Trials+2*200+100, "the search with its first and last question, two measurements")
		require.GreaterOrEqual(t, robust.After.Failing, robust.Before.Failing-5, "never worse, but for chance")
		require.LessOrEqual(t, len(robust.Plan.Operations), len(p.Operations)+2)
		require.NotEmpty(t, robust.Plan.Operations)

		again, err := shrink.Robustify(t.Context(), p, counting, o)
		require.NoError(t, err)
		require.Equal(t, robust, again, "the same every time")
	})
}

func TestRobustifyStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	asked := 0
	robust, err := shrink.Robustify(ctx, skewPlan(), func(p *plan.Plan, n int) int {
		if asked++; asked == 30 {
			cancel()
		}
		return rate(skewed)(p, n)
	}, shrink.Options{Budget: time.Hour})
	require.NoError(t, err)
	assert.LessOrEqual(t, asked, 32, "what it has is measured, no more")
	assert.GreaterOrEqual(t, robust.After.Failing, robust.Before.Failing)
}

func TestRobustifyRefuses(t *testing.T) {
	never := func(*plan.Plan, int) int { return 0 }
	_, err := shrink.Robustify(t.Context(), large(1, 0, 2), never, shrink.Options{})
	require.ErrorIs(t, err, shrink.ErrNotMaterialised)
	broken := skewPlan()
	broken.Limits.Time = 0
	_, err = shrink.Robustify(t.Context(), broken, never, shrink.Options{})
	var invalid *plan.InvalidError
	require.ErrorAs(t, err, &invalid)
}

// The figures are those of R's binom.confint(k, n, methods = "wilson").
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		failing, trials int
		low, high       float64
	}{
		{0, 100, 0, 0.03699}, {100, 100, 0.96301, 1}, {50, 100, 0.40383, 0.59617}, {3, 10, 0.10779, 0.60322}, {1, 1000, 0.000177, 0.00564},
	} {
		low, high := shrink.Probability{Failing: c.failing, Trials: c.trials}.Wilson()
		assert.InDelta(t, c.low, low, 5e-5, "%d of %d", c.failing, c.trials)
		assert.InDelta(t, c.high, high, 5e-5, "%d of %d", c.failing, c.trials)
	}
	low, high := shrink.Probability{}.Wilson()
	assert.Equal(t, []float64{0, 1}, []float64{low, high})
	assert.Equal(t, "50 of 100 (40…60 %)", shrink.Probability{Failing: 50, Trials: 100}.String())
	assert.Equal(t, "not measured", shrink.Probability{}.String())
}
