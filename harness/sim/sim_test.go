package sim_test

import (
	"runtime/debug"
	"syscall"
	"testing"
	"time"

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

// BenchmarkSeeds is what exploring costs a seed: loading, running and screening
// five nodes and ten clients that ask ten times a second each, for sixty
// seconds of virtual time.
func BenchmarkSeeds(b *testing.B) {
	for name, settings := range map[string]map[string]string{
		"default":  nil,
		"majority": {"n": "5", "w": "3", "r": "3", "repair": "off", "fetch": "off"},
		"abd":      {"n": "5", "w": "3", "r": "3", "repair": "abd"},
	} {
		b.Run(name, func(b *testing.B) {
			p, system := setUp(b, 1, time.Minute, 100, nil, settings)
			w := sim.NewWorld()
			screener, err := checker.NewScreener([]string{checker.Linearizable, checker.NoLostWrites, checker.ReadYourWrites, checker.MonotonicReads})
			require.NoError(b, err)
			defer debug.SetGCPercent(debug.SetGCPercent(800)) // as explorations do
			b.ReportAllocs()
			operations, events, began := 0, 0, processorTime()
			for b.Loop() {
				p.Seed++
				require.NoError(b, w.Load(p, system))
				r, err := w.Run(b.Context(), sim.Options{Brief: true})
				require.NoError(b, err)
				_, _, err = screener.Screen(r.Operations)
				require.NoError(b, err)
				operations += r.Clients
				events += r.Events
			}
			busy := (processorTime() - began).Seconds()
			b.ReportMetric(float64(b.N)/busy, "seeds/cpu-s")
			b.ReportMetric(float64(operations)/busy, "operations/cpu-s")
			b.ReportMetric(float64(events)/busy, "events/cpu-s")
			b.ReportMetric(float64(operations)/float64(b.N), "operations/seed")
		})
	}
}

// Runs with every kind of fault come to their end, and most of what clients ask is answered.
func TestRunsEndWhateverHappens(t *testing.T) {
	for seed := range uint64(50) {
		p, system := setUp(t, seed, 20*time.Second, 100, allKinds, nil)
		r, err := sim.Run(t.Context(), p, system, sim.Options{})
		require.NoError(t, err)
		require.Greater(t, r.Clients, 1500, "seed %d", seed)
		require.Less(t, r.Virtual, time.Minute, "seed %d", seed)
		ok := 0
		for _, o := range r.Operations {
			if o.Process != history.Nemesis && o.Type == history.Ok {
				ok++
			}
		}
		require.Greater(t, ok, r.Clients/2, "seed %d", seed)
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
