package sim_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/workloads"
)

// twoDatacenters is a plan of six nodes in two data centres, 40 ms apart, for
// ten seconds, with the given faults.
func twoDatacenters(t testing.TB, settings map[string]string, schedule ...plan.Fault) (*plan.Plan, target.System) {
	t.Helper()
	given := map[string]string{"datacenters": "2"}
	for name, value := range settings {
		given[name] = value
	}
	system, err := leaderless.New().Configure(6, given)
	require.NoError(t, err)
	workload, err := workloads.Resolve(workloads.Register{}, nil)
	require.NoError(t, err)
	p := &plan.Plan{Format: plan.Format, Name: "test", Seed: 5, Backend: "sim",
		Target:       plan.Target{Name: "leaderless", Nodes: 6, Settings: system.Settings()},
		Workload:     plan.Workload{Name: "register", Concurrency: 6, Rate: 60, Settings: workload},
		Claims:       []string{"linearizable"},
		Schedule:     schedule,
		Surroundings: &plan.Surroundings{Latency: plan.Duration(time.Millisecond), Sync: plan.Duration(time.Millisecond), WANLatency: plan.Duration(40 * time.Millisecond), WANJitter: plan.Duration(5 * time.Millisecond)},
		Limits: plan.Limits{Time: plan.Duration(10 * time.Second), Operation: plan.Duration(time.Second), Quiet: plan.Duration(10 * time.Second),
			Finals: plan.Duration(15 * time.Second), Check: plan.Duration(time.Minute), CheckMemory: 1 << 30},
	}
	require.NoError(t, p.Validate())
	return p, system
}

// mainPhase runs the plan and returns what clients did between the two times.
func mainPhase(t testing.TB, p *plan.Plan, system target.System, from, to time.Duration) (operations []history.Operation) {
	t.Helper()
	r, err := sim.Run(t.Context(), p, system, sim.Options{})
	require.NoError(t, err)
	for _, o := range r.Operations {
		if o.Process >= 0 && (o.F == history.FRead || o.F == history.FWrite) && o.Start >= int64(from) && o.End < int64(to) {
			operations = append(operations, o)
		}
	}
	require.NotEmpty(t, operations)
	return operations
}

// What waits for the other data centre takes a round trip to it; what does not, does not.
func TestLevelsCostTheRoundTripsThatTheyWaitFor(t *testing.T) {
	for _, c := range []struct {
		write, read string
		far         bool
	}{{"local-quorum", "local-quorum", false}, {"one", "one", false}, {"quorum", "quorum", true}, {"each-quorum", "each-quorum", true}, {"all", "all", true}} {
		t.Run(c.write, func(t *testing.T) {
			p, system := twoDatacenters(t, map[string]string{"write-level": c.write, "read-level": c.read})
			var took []time.Duration
			for _, o := range mainPhase(t, p, system, 0, 10*time.Second) {
				require.Equal(t, history.Ok, o.Type)
				took = append(took, time.Duration(o.End-o.Start))
			}
			slices.Sort(took)
			least, median, most := took[0], took[len(took)/2], took[len(took)-1]
			if c.far {
				assert.Greater(t, least, 80*time.Millisecond, "twice the latency at least")
				assert.Less(t, median, 110*time.Millisecond)
				return
			}
			assert.Less(t, median, 10*time.Millisecond)
			assert.Less(t, most, 80*time.Millisecond, "none went to the other data centre and back")
		})
	}
}

// While the link between the data centres is cut, each goes on by itself at
// the local levels, and what needs both fails.
func TestLevelsWhileDatacentersAreApart(t *testing.T) {
	nodes := plan.NodeNames(6)
	cut := plan.Fault{ID: "f1", Kind: nemesis.Partition, Shape: nemesis.Datacenters, Targets: nodes[:3],
		Cuts: nemesis.SplitCuts(nodes[:3], nodes[3:]), At: plan.Duration(time.Second), Duration: plan.Duration(8 * time.Second)}
	for level, works := range map[string]bool{"local-quorum": true, "local-one": true, "one": true, "quorum": false, "each-quorum": false} {
		t.Run(level, func(t *testing.T) {
			p, system := twoDatacenters(t, map[string]string{"write-level": level, "read-level": level}, cut)
			want := history.Fail // definite: nothing was sent
			if works {
				want = history.Ok
			}
			// Two seconds later everybody has noticed.
			for _, o := range mainPhase(t, p, system, 3*time.Second, 9*time.Second) {
				require.Equal(t, want, o.Type, "%s of %s: %s", o.F, o.Node, o.Error)
			}
		})
	}
}

func TestSlowLinksNeedSeveralDatacenters(t *testing.T) {
	p, system := setUp(t, 1, time.Second, 10, nil, nil)
	p.Surroundings = &plan.Surroundings{Latency: 1, Sync: 1, WANLatency: 1}
	_, err := sim.Run(t.Context(), p, system, sim.Options{})
	var unsupported *sim.UnsupportedError
	require.ErrorAs(t, err, &unsupported)
	assert.Contains(t, err.Error(), "the target has one data centre only")
}

// With routing=client the simulated clients ask home replicas; with any, whomever the operation names.
func TestClientsRoute(t *testing.T) {
	for routing, forwarded := range map[string]bool{"any": false, "replica": true, "client": true} {
		t.Run(routing, func(t *testing.T) {
			p, system := twoDatacenters(t, map[string]string{"n": "2", "w": "2", "r": "2", "routing": routing})
			names := map[string]bool{}
			elsewhere := 0
			_, err := sim.Run(t.Context(), p, system, sim.Options{Record: func(e *history.Event) error {
				if e.Evidence == nil || e.Evidence.Coordinator == "" {
					return nil
				}
				names[e.Evidence.Coordinator] = true
				if e.Evidence.Coordinator != e.Node {
					elsewhere++
				}
				home := false
				for _, r := range e.Evidence.Replicas {
					home = home || r.Node == e.Evidence.Coordinator
				}
				if forwarded {
					require.True(t, home, "%s coordinated by %s", e.Key, e.Evidence.Coordinator)
				}
				return nil
			}})
			require.NoError(t, err)
			assert.Equal(t, forwarded, elsewhere > 0)
			assert.Greater(t, len(names), 3)
		})
	}
}
