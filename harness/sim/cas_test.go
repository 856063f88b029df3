package sim_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/workloads"
)

// compareAndSets runs the cas workload under a swarm of the faults and returns
// the verdict on linearizability with the causes of its witnesses.
func compareAndSets(t *testing.T, seed uint64, settings, workload map[string]string, kinds ...string) (verdict checker.Verdict, causes []string, swapped int) {
	t.Helper()
	system, err := leaderless.New().Configure(5, settings)
	require.NoError(t, err)
	resolved, err := workloads.Resolve(workloads.CAS{}, workload)
	require.NoError(t, err)
	const length = 6 * time.Second
	p := &plan.Plan{Format: plan.Format, Name: "test", Seed: seed, Backend: "sim",
		Target:   plan.Target{Name: "leaderless", Nodes: 5, Settings: system.Settings()},
		Workload: plan.Workload{Name: "cas", Concurrency: 6, Rate: 150, Settings: resolved},
		Claims:   []string{checker.Linearizable},
		Schedule: nemesis.Swarm(seed, kinds, plan.NodeNames(5), length, nemesis.SwarmOptions{}),
		Limits: plan.Limits{Time: plan.Duration(length), Operation: plan.Duration(time.Second), Quiet: plan.Duration(10 * time.Second),
			Finals: plan.Duration(15 * time.Second), Check: plan.Duration(time.Minute), CheckMemory: 1 << 30},
	}
	require.NoError(t, p.Validate())
	evidence := map[int64]*history.Evidence{}
	r, err := sim.Run(t.Context(), p, system, sim.Options{Record: func(e *history.Event) error {
		if e.Evidence != nil {
			evidence[e.Index] = e.Evidence
		}
		return nil
	}})
	require.NoError(t, err)
	for _, o := range r.Operations {
		if o.F == history.FCAS && o.Type == history.Ok {
			swapped++
		}
	}
	report, err := checker.Check(t.Context(), r.Operations, checker.Options{Claims: p.Claims, Memory: 1 << 30,
		Evidence: func(i int64) *history.Evidence { return evidence[i] }})
	require.NoError(t, err)
	for _, w := range report.Claims[0].Witnesses {
		causes = append(causes, w.Cause)
	}
	return report.Claims[0].Verdict, causes, swapped
}

// Compare-and-sets with serial reads are linearizable, whatever clocks, networks
// and processes do; with plain writes beside them, with reads past the ballots,
// or with a memory that expires, they are not.
func TestCompareAndSetsUnderFaults(t *testing.T) {
	every := []string{nemesis.Partition, nemesis.Pause, nemesis.Kill, nemesis.Clock, nemesis.Power, nemesis.Network, nemesis.Disk}
	for _, c := range []struct {
		name      string
		settings  map[string]string
		writes    string
		kinds     []string
		seeds     uint64
		refutable bool
		cause     string
	}{
		{"paxos-v2", map[string]string{"cas": "paxos-v2", "read-level": "serial"}, "0", every, 15, false, ""},
		{"paxos-v1", map[string]string{"cas": "paxos-v1", "read-level": "serial"}, "0", every, 15, false, ""},
		{"plain writes beside", map[string]string{"cas": "paxos-v2", "read-level": "serial"}, "30", []string{nemesis.Clock}, 12, true, checker.CausePlainOverCAS},
		{"reads past the ballots", map[string]string{"cas": "paxos-v2", "w": "1", "r": "1", "repair": "off"}, "0", every, 5, true, checker.CauseNoOverlap},
		{"a memory that expires", map[string]string{"cas": "paxos-v1", "cas-expiry": "20ms", "read-level": "serial", "w": "1", "hints": "off"}, "0", every, 20, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			refuted, swaps := 0, 0
			causes := map[string]int{}
			for seed := uint64(1); seed <= c.seeds; seed++ {
				verdict, why, swapped := compareAndSets(t, seed, c.settings, map[string]string{"writes": c.writes, "keys": "2"}, c.kinds...)
				swaps += swapped
				if !c.refutable {
					require.Equal(t, checker.Holds, verdict, "seed %d", seed)
				}
				if verdict == checker.Refuted {
					refuted++
				}
				for _, cause := range why {
					causes[cause]++
				}
			}
			t.Logf("%d of %d seeds refuted, %d compare-and-sets succeeded, causes %v", refuted, c.seeds, swaps, causes)
			assert.Greater(t, swaps, int(c.seeds)*20)
			if c.refutable {
				assert.Positive(t, refuted)
			}
			if c.cause != "" {
				assert.Positive(t, causes[c.cause])
			}
		})
	}
}
