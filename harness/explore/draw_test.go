package explore

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/workloads"
)

var everyKind = []string{nemesis.Partition, nemesis.Pause, nemesis.Kill, nemesis.Clock, nemesis.Power, nemesis.Network, nemesis.Disk}

func TestDrawnPlansAreValidAndLeaveTheTargetAlone(t *testing.T) {
	nodes := plan.NodeNames(5)
	rapid.Check(t, func(t *rapid.T) {
		b := base()
		b.Workload.Settings["session"] = "none" // a whole plan has all settings
		b.Limits.Time = plan.Duration(rapid.Int64Range(1, int64(2*time.Minute)).Draw(t, "length"))
		before := b.Clone()
		kinds := rapid.SliceOfNDistinct(rapid.SampledFrom(everyKind), 0, len(everyKind), rapid.ID).Draw(t, "kinds")
		seed := rapid.Uint64().Draw(t, "seed")
		p := Draw(b, seed, kinds, DrawOptions{})
		require.NoError(t, p.Validate())
		require.NoError(t, nemesis.Validate(p.Schedule, nodes))
		assert.Equal(t, before, b, "the base plan is not changed")
		assert.Equal(t, b.Target, p.Target)
		assert.Equal(t, b.Claims, p.Claims)
		assert.Equal(t, seed, p.Seed)
		assert.Equal(t, "sim", p.Backend)
		assert.LessOrEqual(t, p.Limits.Time, b.Limits.Time)
		assert.Equal(t, p, Draw(b, seed, kinds, DrawOptions{}), "the same seed is the same plan")

		w, err := workloads.Lookup(p.Workload.Name)
		require.NoError(t, err)
		_, err = w.Main(workloads.NewConfig(p.Seed, nodes, p.Workload.Concurrency, p.Workload.Settings))
		require.NoError(t, err)
		assert.Equal(t, "200", p.Workload.Settings["operations-per-key"], "what is not drawn stays")
		assert.LessOrEqual(t, p.Workload.Rate*time.Duration(p.Limits.Time).Seconds(), float64(mostOperations))

		// What is done to the plan is not done to the base plan.
		p.Target.Settings["n"], p.Workload.Settings["keys"], p.Claims[0] = "1", "1", "x"
		assert.Equal(t, before, b)
	})
}

// Whatever a seed draws, each workload can make of it what its clients do.
func TestDrawnPlansAreValidForEveryWorkload(t *testing.T) {
	nodes := plan.NodeNames(6)
	for _, w := range workloads.All() {
		settings, err := workloads.Resolve(w, nil)
		require.NoError(t, err)
		b := base()
		b.Workload.Name, b.Workload.Settings = w.Name(), settings
		for seed := range uint64(2000) {
			p := Draw(b, seed, nil, DrawOptions{})
			_, err := w.Main(workloads.NewConfig(seed, nodes, p.Workload.Concurrency, p.Workload.Settings))
			require.NoError(t, err, "%s, seed %d", w.Name(), seed)
		}
	}
}

// Each quantity that is drawn reaches both ends of its range, or nearly.
func TestSeedsDifferInEverythingThatIsDrawn(t *testing.T) {
	const seeds = 3000
	ranges := map[string]struct{ low, high float64 }{
		"latency ms": {0.2, 20}, "sync ms": {0.1, 20}, "clients": {2, 10}, "rate": {1, 100},
		"keys": {1, 8}, "writes": {10, 90}, "length s": {2, 30},
	}
	seen := map[string][]float64{}
	lossy, networks := 0, map[uint64]bool{}
	for seed := range uint64(seeds) {
		p := Draw(base(), seed, everyKind, DrawOptions{})
		s := p.Surroundings
		seen["latency ms"] = append(seen["latency ms"], float64(s.Latency)/1e6)
		seen["sync ms"] = append(seen["sync ms"], float64(s.Sync)/1e6)
		seen["clients"] = append(seen["clients"], float64(p.Workload.Concurrency))
		seen["rate"] = append(seen["rate"], p.Workload.Rate/float64(p.Workload.Concurrency))
		seen["keys"] = append(seen["keys"], number(t, p.Workload.Settings["keys"]))
		seen["writes"] = append(seen["writes"], number(t, p.Workload.Settings["writes"]))
		seen["length s"] = append(seen["length s"], time.Duration(p.Limits.Time).Seconds())
		if s.LossPPM > 0 {
			lossy++
		}
		networks[s.Seed] = true
	}
	for name, want := range ranges {
		low, high := slices.Min(seen[name]), slices.Max(seen[name])
		assert.GreaterOrEqual(t, low, want.low, name)
		assert.LessOrEqual(t, high, want.high, name)
		assert.Less(t, low, want.low*1.6, name)
		assert.Greater(t, high, want.high*0.8, name)
	}
	assert.InDelta(t, seeds/rareDisturbance, lossy, seeds/20)
	assert.Len(t, networks, seeds)
	// Doublings are about equally likely: a range of 0.2…20 has its middle at 2.
	slices.Sort(seen["latency ms"])
	assert.InDelta(t, 2, seen["latency ms"][seeds/2], 0.5)
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	var d plan.Duration
	require.NoError(t, d.UnmarshalJSON([]byte(text)))
	return float64(d)
}

// A seed must mean the same in later versions, or recorded seeds are worth nothing.
func TestTheDrawsOfASeedDoNotChange(t *testing.T) {
	p := Draw(base(), 42, nil, DrawOptions{})
	assert.Equal(t, golden, p.SHA256())
}

const golden = "fa71f081e3b3c1d23dd87a4d979bd6438a936acd0c72862e1d5ff5cd07c11dcc"

func TestSkewIsBounded(t *testing.T) {
	for seed := range uint64(300) {
		p := Draw(base(), seed, []string{nemesis.Clock}, DrawOptions{Skew: 5 * time.Millisecond})
		for _, f := range p.Schedule {
			assert.LessOrEqual(t, f.Clock.Offset, plan.Duration(5*time.Millisecond))
			assert.GreaterOrEqual(t, f.Clock.Offset, -plan.Duration(5*time.Millisecond))
		}
	}
}

// materialised is a plan with operations of two workers, each of which pauses so long at least.
func materialised(t *rapid.T, shortest time.Duration) *plan.Plan {
	p := Draw(base(), rapid.Uint64().Draw(t, "seed"), everyKind, DrawOptions{})
	var at [3]time.Duration
	for i := range rapid.IntRange(1, 40).Draw(t, "operations") {
		worker := rapid.IntRange(0, 1).Draw(t, "worker")
		at[worker] += time.Duration(rapid.Int64Range(int64(shortest), int64(20*time.Millisecond)).Draw(t, "pause"))
		if at[worker] > time.Duration(p.Limits.Time) {
			break
		}
		p.Operations = append(p.Operations, plan.Operation{Worker: worker, Index: i, At: plan.Duration(at[worker]), F: history.FRead, Key: "r0", Node: "n1"})
	}
	slices.SortStableFunc(p.Operations, func(a, b plan.Operation) int { return int(a.At - b.At) })
	return p
}

func TestPerturbedPlansAreValidAndNear(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := materialised(t, 0)
		before := p.Clone()
		trial := rapid.Uint64().Draw(t, "trial")
		q := Perturb(p, trial)
		require.NoError(t, q.Validate())
		require.NoError(t, nemesis.Validate(q.Schedule, plan.NodeNames(5)))
		assert.Equal(t, before, p, "the plan is not changed")
		assert.Equal(t, q, Perturb(p, trial))
		assert.NotEqual(t, p.Surroundings.Seed, q.Surroundings.Seed)
		assert.InDelta(t, 1.65, float64(q.Surroundings.Latency)/float64(p.Surroundings.Latency), 1.36)

		order := func(operations []plan.Operation, worker int) (list []int, at map[int]plan.Duration) {
			at = map[int]plan.Duration{}
			for _, o := range operations {
				if o.Worker == worker {
					list, at[o.Index] = append(list, o.Index), o.At
				}
			}
			return list, at
		}
		for worker := range 2 {
			was, then := order(p.Operations, worker)
			is, now := order(q.Operations, worker)
			assert.Equal(t, was, is, "a worker's operations keep their order")
			for index, at := range now {
				assert.InDelta(t, int64(then[index]), int64(at), float64(operationJitter))
			}
		}
		for _, f := range q.Schedule {
			i := slices.IndexFunc(p.Schedule, func(other plan.Fault) bool { return other.ID == f.ID })
			assert.InDelta(t, int64(p.Schedule[i].At), int64(f.At), float64(edgeJitter))
			assert.InDelta(t, int64(p.Schedule[i].At+p.Schedule[i].Duration), int64(f.At+f.Duration), float64(2*edgeJitter))
		}
	})
}

// Taking a fault or an operation away moves no other one.
func TestPerturbationsHaveIdentities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Far enough apart that none is held back by the one before it.
		p := materialised(t, 2*operationJitter)
		if len(p.Schedule) == 0 {
			return
		}
		whole := Perturb(p, 7)
		less := p.Clone()
		f := p.Schedule[rapid.IntRange(0, len(p.Schedule)-1).Draw(t, "fault")].ID
		o := p.Operations[rapid.IntRange(0, len(p.Operations)-1).Draw(t, "operation")]
		noFault := func(other plan.Fault) bool { return other.ID == f }
		noOperation := func(other plan.Operation) bool { return other.Worker == o.Worker && other.Index == o.Index }
		less.Schedule, less.Operations = slices.DeleteFunc(less.Schedule, noFault), slices.DeleteFunc(less.Operations, noOperation)
		q := Perturb(less, 7)
		assert.Equal(t, slices.DeleteFunc(whole.Schedule, noFault), q.Schedule)
		assert.Equal(t, slices.DeleteFunc(whole.Operations, noOperation), q.Operations)
	})
}

func BenchmarkDraw(b *testing.B) {
	p := base()
	b.ReportAllocs()
	for i := range b.N {
		Draw(p, uint64(i), everyKind, DrawOptions{})
	}
}

// Plain writes beside compare-and-sets are as the base plan says: no seed adds them.
func TestPlainWritesBesideCompareAndSetsAreNotDrawn(t *testing.T) {
	b := base()
	b.Workload.Name = "cas"
	settings, err := workloads.Resolve(workloads.CAS{}, nil)
	require.NoError(t, err)
	b.Workload.Settings = settings
	keys := map[string]bool{}
	for seed := range uint64(50) {
		p := Draw(b, seed, everyKind, DrawOptions{})
		_, err := workloads.CAS{}.Main(workloads.Config{Seed: p.Seed, Nodes: plan.NodeNames(5), Concurrency: p.Workload.Concurrency, Settings: p.Workload.Settings})
		require.NoError(t, err)
		require.Equal(t, "0", p.Workload.Settings["writes"])
		keys[p.Workload.Settings["keys"]] = true
	}
	assert.Greater(t, len(keys), 3, "the rest is drawn")
}
