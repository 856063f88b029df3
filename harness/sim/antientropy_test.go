package sim_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// divergent counts the keys of which two home replicas hold different versions in the end, or one none.
func divergent(t *testing.T, r *sim.Result) int {
	t.Helper()
	versions, different := make(map[string]string), make(map[string]bool)
	held, homes := make(map[string]int), make(map[string]int)
	for _, o := range r.Operations {
		if o.F != history.FDump {
			continue
		}
		var dump history.Dump
		require.NoError(t, json.Unmarshal(o.Output.Raw(), &dump))
		for _, e := range dump.Entries {
			for _, home := range e.Home {
				if home != o.Node {
					continue
				}
				if v, ok := versions[e.Key]; ok && v != e.Version {
					different[e.Key] = true
				}
				versions[e.Key] = e.Version
				held[e.Key]++
				homes[e.Key] = len(e.Home)
			}
		}
	}
	for key := range versions {
		if held[key] != homes[key] {
			different[key] = true
		}
	}
	return len(different)
}

// Under every kind of fault, with nothing else that repairs, the nodes say that
// they are quiet within the bound after the last fault, and all replicas are
// equal then. The same seeds without anti-entropy leave divergent replicas.
func TestAntiEntropyConvergesAfterEveryFault(t *testing.T) {
	settings := map[string]string{"w": "1", "hints": "off", "repair": "off", "fsync": "50ms", "anti-entropy": "scheduled", "anti-entropy-every": "3s"}
	parsed, err := core.ParseSettings(plan.NodeNames(5), settings)
	require.NoError(t, err)
	bound := time.Duration(parsed.ConvergenceBound(20, int64(50*time.Millisecond)))
	diverged, longest := 0, time.Duration(0)
	for seed := range uint64(60) {
		for _, mode := range []string{"off", "scheduled"} {
			settings["anti-entropy"] = mode
			p, system := setUp(t, seed, 4*time.Second, 100, allKinds, settings)
			p.Limits.Quiet = plan.Duration(bound)
			r := run(t, p, system)
			if mode == "off" {
				if divergent(t, &r) > 0 {
					diverged++
				}
				continue
			}
			for _, o := range r.Operations {
				if o.F == history.FPhase && o.Key == history.PhaseQuiet {
					require.Equal(t, history.Ok, o.Type, "seed %d: %s", seed, o.Error)
					longest = max(longest, time.Duration(o.End-o.Start))
				}
			}
			require.Zero(t, divergent(t, &r), "seed %d", seed)
		}
	}
	assert.Greater(t, diverged, 3, "nothing was tested")
	t.Logf("without anti-entropy %d of 60 runs ended with divergent replicas; the longest wait was %s of at most %s", diverged, longest, bound)
}

// Comparing and exchanging depend on nothing but the seed.
func TestAntiEntropyIsDeterministic(t *testing.T) {
	settings := map[string]string{"w": "1", "repair-chance": "50", "anti-entropy": "scheduled", "anti-entropy-every": "1s", "gc-grace": "1s", "purge": "repaired", "hint-strategy": "any", "hint-flush": "1s"}
	p, system := setUp(t, 3, 10*time.Second, 100, allKinds, settings)
	first, second := run(t, p, system), run(t, p, system)
	assert.Equal(t, first.Hash, second.Hash)
	assert.Equal(t, first.Events, second.Events)
}
