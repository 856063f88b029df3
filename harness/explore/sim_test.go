package explore_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/explore"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/workloads"
)

var everyClaim = []string{checker.Linearizable, checker.NoLostWrites, checker.NoStaleReads, checker.ReadYourWrites, checker.MonotonicReads, checker.Convergence}

var everyKind = []string{nemesis.Partition, nemesis.Pause, nemesis.Kill, nemesis.Clock, nemesis.Power, nemesis.Network, nemesis.Disk}

// setUp makes a base plan for five nodes of the bundled store.
func setUp(t testing.TB, settings map[string]string, claims ...string) (*plan.Plan, target.System) {
	t.Helper()
	system, err := leaderless.New().Configure(5, settings)
	require.NoError(t, err)
	workload, err := workloads.Resolve(workloads.Register{}, nil)
	require.NoError(t, err)
	p := &plan.Plan{Format: plan.Format, Name: "explored", Seed: 1, Backend: "sim",
		Target:   plan.Target{Name: "leaderless", Nodes: 5, Settings: system.Settings()},
		Workload: plan.Workload{Name: "register", Concurrency: 10, Rate: 1000, Settings: workload},
		Claims:   claims,
		Limits: plan.Limits{Time: plan.Duration(20 * time.Second), Operation: plan.Duration(time.Second), Quiet: plan.Duration(10 * time.Second),
			Finals: plan.Duration(15 * time.Second), Check: plan.Duration(time.Minute), CheckMemory: 1 << 30},
	}
	return p, system
}

// R1W1 in a cluster of replicas that are told asynchronously: a read that
// asks another replica than the write misses it.
func TestAStoreWithoutQuorumsIsRefutedWithinAFewSeeds(t *testing.T) {
	p, system := setUp(t, map[string]string{"w": "1", "r": "1"}, checker.NoStaleReads, checker.NoLostWrites)
	var documents [2]bytes.Buffer
	for i, workers := range []int{1, 3} {
		s, err := explore.Run(t.Context(), explore.Config{Base: p, System: system, Kinds: everyKind, FirstSeed: 1, Seeds: 20, Workers: workers})
		require.NoError(t, err)
		require.Equal(t, checker.Refuted, s.Verdict)
		f := s.Findings[0]
		require.Equal(t, checker.NoStaleReads, f.Claim)
		require.NotNil(t, f.Minimal)
		assert.LessOrEqual(t, f.Minimal.Operations, 3)
		assert.LessOrEqual(t, f.Minimal.Faults, 2)
		require.True(t, f.Minimal.Complete)
		assert.Len(t, f.Minimal.Steps, f.Minimal.Operations+f.Minimal.Faults)
		assert.NotEmpty(t, f.Minimal.Explanation)
		// What is written down can be run again, and is the same run.
		for plan, hash := range map[*plan.Plan]string{f.Plan: f.Hash, f.Minimal.Plan: f.Minimal.Hash} {
			assert.Equal(t, hash, runFile(t, plan, system))
		}
		// Times alone may differ with the number of workers.
		s.Explored, s.Elapsed, s.SeedsPerSecond, s.OperationsPerSecond = 0, 0, 0, 0
		for _, f := range s.Findings {
			f.Minimal.Elapsed = 0
		}
		require.NoError(t, s.WriteJSON(&documents[i]))
	}
	assert.Equal(t, documents[0].String(), documents[1].String())
}

// runFile runs the plan as it is read from a file, and returns the hash.
func runFile(t *testing.T, p *plan.Plan, system target.System) string {
	t.Helper()
	text, err := p.Bytes()
	require.NoError(t, err)
	read, err := plan.Parse(text)
	require.NoError(t, err)
	r, err := sim.Run(t.Context(), read, system, sim.Options{})
	require.NoError(t, err)
	return fmt.Sprintf("%016x", r.Hash)
}

// The register of Attiya, Bar-Noy and Dolev keeps what it claims, whatever the faults.
func TestAStoreThatKeepsItsClaimsIsNotRefuted(t *testing.T) {
	p, system := setUp(t, map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd"}, everyClaim[:5]...)
	s, err := explore.Run(t.Context(), explore.Config{Base: p, System: system, Kinds: everyKind, FirstSeed: 1, Seeds: 40})
	require.NoError(t, err)
	assert.Equal(t, checker.Holds, s.Verdict)
	assert.EqualValues(t, 40, s.Seeds)
	assert.Empty(t, s.Findings)
}

// A store that acknowledges what it has not logged yet loses it to a crash at the wrong moment.
func TestAPlantedFlawIsFoundAndExamined(t *testing.T) {
	p, system := setUp(t, map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd", "acknowledge": "before-log"}, checker.ReadYourWrites)
	s, err := explore.Run(t.Context(), explore.Config{Base: p, System: system, Kinds: []string{nemesis.Kill, nemesis.Power}, FirstSeed: 1, Seeds: 200, ShrinkBudget: -1})
	require.NoError(t, err)
	require.Equal(t, checker.Refuted, s.Verdict)
	require.Nil(t, s.Findings[0].Minimal)
	// The plan of the seed, by itself, is shrunk to crashes around one write.
	s, err = explore.Examine(t.Context(), s.Findings[0].Plan, explore.Config{System: system})
	require.NoError(t, err)
	minimal := s.Findings[0].Minimal
	assert.LessOrEqual(t, minimal.Operations, 3)
	assert.Positive(t, minimal.Faults)
}

func TestATargetThatCannotBeSimulatedIsRefused(t *testing.T) {
	p, system := setUp(t, nil, checker.Linearizable)
	_, err := explore.Run(t.Context(), explore.Config{Base: p, System: struct{ target.System }{system}, Seeds: 3})
	var unsupported *sim.UnsupportedError
	assert.ErrorAs(t, err, &unsupported)
}

func ExampleRun() {
	system, err := leaderless.New().Configure(5, map[string]string{"w": "1", "r": "1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	base := &plan.Plan{Format: plan.Format, Name: "example", Backend: "sim",
		Target: plan.Target{Name: "leaderless", Nodes: 5, Settings: system.Settings()},
		Workload: plan.Workload{Name: "register", Concurrency: 10,
			Settings: map[string]string{"keys": "5", "operations-per-key": "200", "writes": "20", "session": "none"}},
		Claims: []string{checker.NoStaleReads},
		Limits: plan.Limits{Time: plan.Duration(10 * time.Second), Operation: plan.Duration(time.Second),
			Quiet: plan.Duration(10 * time.Second), Finals: plan.Duration(15 * time.Second), Check: plan.Duration(time.Minute)},
	}
	summary, err := explore.Run(context.Background(), explore.Config{Base: base, System: system,
		Kinds: []string{nemesis.Partition, nemesis.Kill}, FirstSeed: 1, Seeds: 100})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(summary.Verdict, summary.Findings[0].Class)
	// Output: refuted stale-read
}
