package sim_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/workloads"
)

// setUp makes a plan of five nodes and ten clients.
func setUp(t testing.TB, seed uint64, length time.Duration, rate float64, kinds []string, settings map[string]string) (*plan.Plan, target.System) {
	t.Helper()
	system, err := leaderless.New().Configure(5, settings)
	require.NoError(t, err)
	workload, err := workloads.Resolve(workloads.Register{}, nil)
	require.NoError(t, err)
	p := &plan.Plan{Format: plan.Format, Name: "test", Seed: seed, Backend: "sim",
		Target:   plan.Target{Name: "leaderless", Nodes: 5, Settings: system.Settings()},
		Workload: plan.Workload{Name: "register", Concurrency: 10, Rate: rate, Settings: workload},
		Nemesis:  kinds,
		Claims:   []string{"linearizable"},
		Schedule: nemesis.Swarm(seed, kinds, plan.NodeNames(5), length, nemesis.SwarmOptions{}),
		Limits: plan.Limits{Time: plan.Duration(length), Operation: plan.Duration(time.Second), Quiet: plan.Duration(10 * time.Second),
			Finals: plan.Duration(15 * time.Second), Check: plan.Duration(time.Minute), CheckMemory: 1 << 30},
	}
	require.NoError(t, p.Validate())
	return p, system
}

var allKinds = []string{nemesis.Partition, nemesis.Pause, nemesis.Kill, nemesis.Clock, nemesis.Power, nemesis.Network, nemesis.Disk}

func BenchmarkRun(b *testing.B) {
	p, system := setUp(b, 1, time.Minute, 100, nil, nil)
	w := sim.NewWorld()
	b.ReportAllocs()
	operations, events, began := 0, 0, processorTime()
	for b.Loop() {
		require.NoError(b, w.Load(p, system))
		r, err := w.Run(b.Context(), sim.Options{})
		require.NoError(b, err)
		operations += r.Clients
		events += r.Events
	}
	busy := (processorTime() - began).Seconds()
	b.ReportMetric(float64(operations)/busy, "operations/cpu-s")
	b.ReportMetric(float64(events)/busy, "events/cpu-s")
	b.ReportMetric(float64(b.N)/busy, "runs/cpu-s")
	b.ReportMetric(float64(operations)/float64(b.N), "operations/run")
}

func TestRuns(t *testing.T) {
	for seed := range uint64(50) {
		p, system := setUp(t, seed, 20*time.Second, 100, allKinds, nil)
		r, err := sim.Run(t.Context(), p, system, sim.Options{})
		require.NoError(t, err)
		t.Log(seed, len(p.Schedule), r.Clients, r.Events, r.Virtual, r.Hash)
	}
}

// processorTime is the time that this process has spent on processors: what
// else the machine does then matters less.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
