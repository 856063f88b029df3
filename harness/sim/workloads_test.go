package sim_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/workloads"
)

// trial is a workload against the store in one configuration.
type trial struct {
	workload string
	of       map[string]string // the workload's settings
	store    map[string]string
	nodes    int // 0: 5
	kinds    []string
	rate     float64 // 0: the workload's
}

// load makes a plan of it and loads it.
func (x *trial) load(t testing.TB, w *sim.World, seed uint64, claims []string) (*plan.Plan, target.System) {
	t.Helper()
	if x.nodes == 0 {
		x.nodes = 5
	}
	workload, err := workloads.Lookup(x.workload)
	require.NoError(t, err)
	settings, err := workloads.Resolve(workload, x.of)
	require.NoError(t, err)
	store := map[string]string{}
	if needer, ok := workload.(workloads.Needer); ok {
		for k, v := range needer.Needs(settings) {
			store[k] = v
		}
	}
	for k, v := range x.store {
		store[k] = v
	}
	system, err := leaderless.New().Configure(x.nodes, store)
	require.NoError(t, err)
	rate := x.rate
	if rate == 0 {
		rate = workload.DefaultRate()
	}
	const length = 10 * time.Second
	p := &plan.Plan{Format: plan.Format, Name: "test", Seed: seed, Backend: "sim",
		Target:   plan.Target{Name: "leaderless", Nodes: x.nodes, Settings: system.Settings()},
		Workload: plan.Workload{Name: x.workload, Concurrency: 10, Rate: rate, Settings: settings},
		Nemesis:  x.kinds, Claims: claims,
		Schedule: nemesis.Swarm(seed, x.kinds, plan.NodeNames(x.nodes), length, nemesis.SwarmOptions{}),
		Limits: plan.Limits{Time: plan.Duration(length), Operation: plan.Duration(time.Second), Quiet: plan.Duration(10 * time.Second),
			Finals: plan.Duration(60 * time.Second), Check: plan.Duration(time.Minute), CheckMemory: 1 << 30},
	}
	require.NoError(t, p.Validate())
	require.NoError(t, w.Load(p, system))
	return p, system
}

// verdicts runs the trial and decides the claims.
func (x *trial) verdicts(t testing.TB, w *sim.World, seed uint64, claims []string) (map[string]checker.Result, []history.Operation) {
	t.Helper()
	x.load(t, w, seed, claims)
	r, err := w.Run(t.Context(), sim.Options{})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	report, err := checker.Check(ctx, r.Operations, checker.Options{Claims: claims, NoStaleness: true})
	require.NoError(t, err)
	all := map[string]checker.Result{}
	for _, c := range report.Claims {
		all[c.Claim] = c
	}
	return all, r.Operations
}

// countsOf counts the operations of a history by name and outcome.
func countsOf(operations []history.Operation) map[string]int {
	n := map[string]int{}
	for _, o := range operations {
		if o.Process != history.Nemesis {
			n[fmt.Sprint(o.F, " ", o.Type)]++
		}
	}
	return n
}

// Every claim that a workload names is decided by what it does, even without a fault.
func TestWorkloadsDecideTheirClaims(t *testing.T) {
	for _, workload := range workloads.All() {
		t.Run(workload.Name(), func(t *testing.T) {
			x := trial{workload: workload.Name(), nodes: 6}
			all, operations := x.verdicts(t, sim.NewWorld(), 1, workload.Claims())
			for claim, r := range all {
				assert.NotEqual(t, checker.Unknown, r.Verdict, "%s: %s", claim, r.Explanation)
			}
			t.Log(countsOf(operations))
		})
	}
}

// contrast is a claim that one configuration keeps under faults and another breaks.
type contrast struct {
	name, claim string
	keeps       trial
	// breaks is keeps but for these settings of the workload and of the store.
	of, store map[string]string
	class     string // of the refutation; empty: any
}

var crashes = []string{nemesis.Partition, nemesis.Pause, nemesis.Kill, nemesis.Power, nemesis.Network}

func contrasts() []contrast {
	majority := map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd"}
	one := map[string]string{"n": "3", "w": "1", "r": "1", "repair": "off"}
	return []contrast{
		{name: "the store adds, or clients write back", claim: checker.CounterBounds, class: "undercount",
			keeps: trial{workload: "counter", kinds: allKinds}, of: map[string]string{"how": "read-modify-write"}, store: map[string]string{"data-type": "register"}},
		{name: "counters in quorums that do not overlap", claim: checker.CounterBounds, class: "undercount",
			keeps: trial{workload: "counter", kinds: crashes}, store: one},
		{name: "repeated with or without an identifier", claim: checker.CounterBounds, class: "overcount",
			keeps: trial{workload: "counter", of: map[string]string{"retry": "identified"}, kinds: crashes}, of: map[string]string{"retry": "blind"}},
		{name: "conversations", claim: checker.ConsistentPrefix,
			keeps: trial{workload: "session", store: majority, kinds: crashes}, store: one},
		{name: "what the answerer had read", claim: checker.WritesFollowReads,
			keeps: trial{workload: "session", store: majority, kinds: crashes}, store: one},
		{name: "a remark after its question", claim: checker.MonotonicWrites,
			keeps: trial{workload: "session", store: majority, kinds: crashes}, store: one},
		{name: "reads its own writes by a floor", claim: checker.ReadYourWrites,
			keeps: trial{workload: "register", of: map[string]string{"session": "floor"}, store: one}, of: map[string]string{"session": "none"}},
		{name: "never goes back by a floor", claim: checker.MonotonicReads,
			keeps: trial{workload: "register", of: map[string]string{"session": "floor"}, store: one}, of: map[string]string{"session": "none"}},
		{name: "deletes", claim: checker.Linearizable,
			keeps: trial{workload: "delete", store: majority, kinds: crashes}, store: one},
		{name: "goes on from one node, or from any", claim: checker.MonotonicReads,
			keeps: trial{workload: "register", nodes: 3, of: map[string]string{"session": "sticky"}, store: map[string]string{"n": "3", "w": "1", "r": "1", "repair": "off"}}, of: map[string]string{"session": "none"}},
		{name: "its own copy acknowledges first, or any", claim: checker.ReadYourWrites,
			keeps: trial{workload: "register", nodes: 3, of: map[string]string{"session": "sticky"}, store: map[string]string{"n": "3", "w": "1", "r": "1", "repair": "off", "acknowledge": "before-log"}},
			store: map[string]string{"acknowledge": "after-log"}},
		{name: "deleted values", claim: checker.NoResurrectedDeletes,
			keeps: trial{workload: "delete", store: majority, kinds: crashes}, store: one},
		{name: "columns of one timestamp", claim: checker.RowAtomicity, class: "mixed-row",
			keeps: trial{workload: "row", store: map[string]string{"timestamp-unit": "10ms"}, kinds: crashes}, store: map[string]string{"tie-break": "value"}},
		{name: "a row as columns or as one value", claim: checker.RowAtomicity, class: "mixed-row",
			keeps: trial{workload: "row", of: map[string]string{"as": "blob"}, store: map[string]string{"tie-break": "value", "timestamp-unit": "10ms"}, kinds: crashes},
			of:    map[string]string{"as": "columns"}, store: map[string]string{"data-type": "row"}},
		{name: "carts merged by the store or by clients", claim: checker.NoResurrectedDeletes, class: "resurrected",
			keeps: trial{workload: "cart", of: map[string]string{"merge": "or-set"}, kinds: crashes},
			of:    map[string]string{"merge": "union"}, store: map[string]string{"data-type": "register", "resolver": "dotted"}},
		{name: "items in carts of which the last writer wins", claim: checker.NoLostWrites,
			keeps: trial{workload: "cart", of: map[string]string{"merge": "or-set"}, kinds: crashes},
			of:    map[string]string{"merge": "union"}, store: map[string]string{"data-type": "register", "resolver": "lww"}},
		{name: "concurrent writes kept or not", claim: checker.NoDiscardedWrites,
			keeps: trial{workload: "siblings", kinds: crashes}, store: map[string]string{"siblings": "last-modified"}},
		// With it the checker is held to order what a session wrote after a read, too.
		{name: "siblings in causal order", claim: checker.Causal,
			keeps: trial{workload: "siblings", of: map[string]string{"context": "fresh"}, kinds: crashes, store: map[string]string{"n": "5", "w": "3", "r": "3", "repair": "blocking"}},
			store: map[string]string{"repair": "off"}},
		{name: "blind writes", claim: checker.BoundedSiblings, class: "too-many-siblings",
			keeps: trial{workload: "siblings", of: map[string]string{"operations-per-key": "600"}, rate: 300}, of: map[string]string{"blind": "100"}},
		{name: "dots against the explosion", claim: checker.BoundedSiblings, class: "too-many-siblings",
			keeps: trial{workload: "siblings", of: map[string]string{"operations-per-key": "1000", "keys": "1", "writes": "50"}, rate: 300}, store: map[string]string{"resolver": "vector-clock"}},
		{name: "compare-and-sets", claim: checker.Linearizable,
			keeps: trial{workload: "cas", kinds: crashes}, of: map[string]string{"writes": "20"}, store: map[string]string{"read-level": "quorum"}},
		{name: "levels that stay in one centre", claim: checker.NoStaleReads,
			keeps: trial{workload: "datacenters", nodes: 6, store: map[string]string{"n": "3", "write-level": "each-quorum", "read-level": "local-quorum"}},
			store: map[string]string{"write-level": "local-quorum"}},
		{name: "rows", claim: checker.Linearizable,
			keeps: trial{workload: "row", store: majority, kinds: crashes}, store: one},
	}
}

// For each contrast: no seed refutes the claim of the one, and some seed does of the other.
func TestWorkloadsTellGoodFromBad(t *testing.T) {
	const seeds = 6
	for _, x := range contrasts() {
		t.Run(x.name, func(t *testing.T) {
			w := sim.NewWorld()
			bad := x.keeps
			bad.of, bad.store = overlaid(x.keeps.of, x.of), overlaid(x.keeps.store, x.store)
			refuted, why := 0, ""
			for seed := range uint64(seeds) {
				all, operations := x.keeps.verdicts(t, w, seed, []string{x.claim})
				require.Equal(t, checker.Holds, all[x.claim].Verdict, "seed %d: %s; %v", seed, all[x.claim].Explanation, countsOf(operations))
				all, _ = bad.verdicts(t, w, seed, []string{x.claim})
				r := all[x.claim]
				if r.Verdict == checker.Refuted && (x.class == "" || r.Classes[x.class] > 0) {
					refuted++
					why = r.Explanation
				}
			}
			require.Positive(t, refuted, "%d seeds", seeds)
			t.Logf("%d of %d seeds: %s", refuted, seeds, why)
		})
	}
}

func overlaid(under, over map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range under {
		out[k] = v
	}
	for k, v := range over {
		out[k] = v
	}
	return out
}

// Materialised plans give the same history, of whatever workload, and so does
// each of two worlds: what clients remember, and what they make of it, is decided by the plan.
func TestMaterialisedPlansOfEveryWorkload(t *testing.T) {
	for _, workload := range workloads.All() {
		t.Run(workload.Name(), func(t *testing.T) {
			for seed := range uint64(3) {
				x := trial{workload: workload.Name(), nodes: 6, kinds: crashes}
				w := sim.NewWorld()
				p, system := x.load(t, w, seed, workload.Claims()[:1])
				first, err := w.Run(t.Context(), sim.Options{})
				require.NoError(t, err)
				want := clients(first)
				again, err := sim.Run(t.Context(), p, system, sim.Options{})
				require.NoError(t, err)
				require.Equal(t, first.Hash, again.Hash)
				m, err := sim.Materialise(t.Context(), p, system)
				require.NoError(t, err)
				require.NoError(t, m.Validate())
				second, err := sim.Run(t.Context(), m, system, sim.Options{})
				require.NoError(t, err)
				require.Equal(t, want, clients(second), "seed %d", seed)
			}
		})
	}
}
