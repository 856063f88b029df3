package harness

import (
	"context"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/checker/staleness"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/workloads"
)

// measuredStaleness runs the simulated store without faults and judges its history file.
func measuredStaleness(t *testing.T, seed uint64, clients int, settings map[string]string) *staleness.Report {
	t.Helper()
	system, err := leaderless.New().Configure(5, settings)
	require.NoError(t, err)
	workload, err := workloads.Resolve(workloads.Register{}, nil)
	require.NoError(t, err)
	p := &plan.Plan{Format: plan.Format, Name: "test", Seed: seed, Backend: "sim",
		Target:   plan.Target{Name: "leaderless", Nodes: 5, Settings: system.Settings()},
		Workload: plan.Workload{Name: "register", Concurrency: clients, Rate: 300, Settings: workload},
		Claims:   []string{checker.NoStaleReads},
		Limits: plan.Limits{Time: plan.Duration(2 * time.Minute), Operation: plan.Duration(time.Second), Quiet: plan.Duration(10 * time.Second),
			Finals: plan.Duration(15 * time.Second), Check: plan.Duration(time.Minute), CheckMemory: 1 << 30},
	}
	require.NoError(t, p.Validate())
	path := filepath.Join(t.TempDir(), "history.jsonl")
	writer, err := history.Create(path)
	require.NoError(t, err)
	_, err = sim.Run(context.Background(), p, system, sim.Options{Record: writer.Append})
	require.NoError(t, err)
	require.NoError(t, writer.Close())
	file, err := history.Open(path)
	require.NoError(t, err)
	defer file.Close()
	report, _, err := judge(context.Background(), file, p.Claims, p.Limits, checker.Options{}, nil)
	require.NoError(t, err)
	require.NotNil(t, report.Staleness)
	return report.Staleness
}

// TestMeasuredStalenessIsAsPredicted: without faults, repair and concurrent
// writes nothing but latency makes reads stale, so that what is measured must
// agree with what the model makes of the latencies. One client, since the
// model knows no concurrent writes. All reads together agree within 0.3
// percentage points, their stale ones over three seeds within a quarter, and each bucket of at least 300 reads within a point
// beside its 95 % interval.
func TestMeasuredStalenessIsAsPredicted(t *testing.T) {
	for name, c := range map[string]struct {
		w, r  string
		seeds uint64
	}{"w=1, r=1": {"1", "1", 3}, "w=1, r=2": {"1", "2", 1}, "w=2, r=1": {"2", "1", 1}} {
		t.Run(name, func(t *testing.T) {
			stale, expected := 0.0, 0.0
			for seed := range c.seeds {
				s := measuredStaleness(t, seed, 1, map[string]string{"n": "3", "w": c.w, "r": c.r, "repair": "off", "hints": "off", "fetch": "off"})
				require.NotNil(t, s.Prediction, s.NoPrediction)
				assert.Greater(t, s.Prediction.Writes, 1_000)
				measured, predicted, reads, compared := 0.0, 0.0, 0.0, 0
				for _, b := range s.Visibility {
					n := float64(b.Fresh.Of)
					measured, predicted, reads = measured+b.Fresh.Share*n, predicted+*b.Predicted*n, reads+n
					if b.Fresh.Of < 300 {
						continue
					}
					compared++
					assert.True(t, b.Fresh.Low-.01 < *b.Predicted && *b.Predicted < b.Fresh.High+.01,
						"seed %d, from %v: %.4f to %.4f measured, %.4f predicted", seed, time.Duration(b.From), b.Fresh.Low, b.Fresh.High, *b.Predicted)
				}
				t.Logf("seed %d: %.4f measured, %.4f predicted", seed, measured/reads, predicted/reads)
				assert.Less(t, math.Abs(measured-predicted)/reads, .003)
				stale, expected = stale+reads-measured, expected+reads-predicted
				assert.GreaterOrEqual(t, compared, 5)
				assert.Less(t, s.Visibility[0].Fresh.Count, s.Visibility[0].Fresh.Of, "no read was stale: there was nothing to predict")
			}
			if c.seeds > 1 { // elsewhere there are too few stale reads for that
				assert.InEpsilon(t, expected, stale, .25, "stale reads")
			}
		})
	}
}

// TestQuorumsThatOverlapAreFreshAsPredicted.
func TestQuorumsThatOverlapAreFreshAsPredicted(t *testing.T) {
	s := measuredStaleness(t, 1, 4, map[string]string{"n": "3", "w": "2", "r": "2", "repair": "off", "hints": "off", "fetch": "on"})
	require.NotNil(t, s.Prediction, s.NoPrediction)
	for _, b := range s.Visibility {
		assert.Equal(t, 1.0, *b.Predicted)
		assert.Equal(t, 1.0, b.Fresh.Share)
	}
	assert.Equal(t, int64(0), s.Prediction.Within)
}
