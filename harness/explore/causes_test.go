package explore_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/explore"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/nemesis"
)

// planted is a way for the store to fail that was put there on purpose.
type planted struct {
	settings map[string]string
	kinds    []string
	skew     time.Duration
	// schedule, if not nil, makes the faults instead, for a main phase of that length.
	schedule func(length plan.Duration) []plan.Fault
	claims   []string
	// causes are those that the findings may be put down to: the one that was
	// planted, and those that come with it. Others would be wrong.
	causes []string
	// findings is how many are wanted, seeds among how many they must be found.
	findings, seeds int
	// share is the least share of findings whose cause is derived.
	share float64
}

var plantedCauses = map[string]planted{
	"no overlap": {settings: map[string]string{"w": "1", "r": "1"}, kinds: everyKind,
		claims: []string{checker.NoStaleReads}, causes: []string{checker.CauseNoOverlap}, findings: 40, seeds: 60, share: 0.9},
	"no overlap, seen by sessions": {settings: map[string]string{"w": "1", "r": "1"}, kinds: []string{nemesis.Partition, nemesis.Network},
		claims: []string{checker.ReadYourWrites, checker.MonotonicReads}, causes: []string{checker.CauseSessionMoved}, findings: 40, seeds: 60, share: 0.9},
	"no overlap, asked of as few as are needed": {settings: map[string]string{"w": "1", "r": "1", "read-set": "level", "digest-reads": "on"}, kinds: everyKind,
		claims: []string{checker.NoStaleReads}, causes: []string{checker.CauseNoOverlap}, findings: 40, seeds: 60, share: 0.9},
	"no overlap, coordinated by home replicas": {settings: map[string]string{"w": "1", "r": "1", "routing": "replica"}, kinds: everyKind,
		claims: []string{checker.NoStaleReads}, causes: []string{checker.CauseNoOverlap}, findings: 40, seeds: 60, share: 0.9},
	"two data centres by themselves": {settings: map[string]string{"n": "2", "datacenters": "2", "write-level": "local-quorum", "read-level": "local-quorum"}, kinds: []string{nemesis.Partition},
		claims: []string{checker.NoStaleReads}, causes: []string{checker.CauseLocalQuorum}, findings: 40, seeds: 100, share: 0.9},
	"hints that count": {settings: map[string]string{"n": "2", "r": "2", "write-level": "any", "heartbeat": "20ms", "suspect-after": "100ms"},
		schedule: cutOffAndKill([]string{"n4", "n5"}),
		claims:   []string{checker.NoStaleReads}, causes: []string{checker.CauseHintCounted, checker.CauseNoOverlap}, findings: 20, seeds: 100, share: 0.8},
	"skewed clocks": {kinds: []string{nemesis.Clock}, skew: 50 * time.Millisecond,
		claims: []string{checker.NoStaleReads, checker.NoLostWrites}, causes: []string{checker.CauseClockSkew}, findings: 40, seeds: 200, share: 0.9},
	"skewed clocks, blocking repair": {settings: map[string]string{"n": "5", "w": "3", "r": "3", "repair": "blocking"}, kinds: []string{nemesis.Clock}, skew: 50 * time.Millisecond,
		claims: everyClaim[:5], causes: []string{checker.CauseClockSkew}, findings: 40, seeds: 200, share: 0.9},
	"sloppy quorums": {settings: map[string]string{"sloppy": "on"}, kinds: []string{nemesis.Partition, nemesis.Pause},
		claims: []string{checker.NoStaleReads}, causes: []string{checker.CauseSloppyQuorum, checker.CauseFalseNotFound}, findings: 20, seeds: 200, share: 0.9},
	"Fig. 9-6 without repair": {settings: map[string]string{"n": "5", "w": "3", "r": "3", "fetch": "on", "repair": "off"}, kinds: everyKind,
		claims: []string{checker.Linearizable}, causes: []string{checker.CauseWriteOnItsWay, checker.CauseFailedWrite}, findings: 20, seeds: 200, share: 0.8},
	"Fig. 9-6 with repair after the reply": {settings: map[string]string{"n": "5", "w": "3", "r": "3", "fetch": "on", "repair": "async"}, kinds: everyKind,
		claims: []string{checker.Linearizable}, causes: []string{checker.CauseWriteOnItsWay, checker.CauseFailedWrite}, findings: 20, seeds: 200, share: 0.8},
	"acknowledged before synced": {settings: map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd", "fsync": "never"}, kinds: []string{nemesis.Power, nemesis.Partition},
		claims: everyClaim[:5], causes: []string{checker.CauseNotDurable}, findings: 20, seeds: 400, share: 0.8},
	"lost disks": {settings: map[string]string{"repair": "abd"}, kinds: []string{nemesis.DiskLoss, nemesis.Partition},
		claims: everyClaim[:5], causes: []string{checker.CauseLostData}, findings: 20, seeds: 600, share: 0.8},
	"acknowledged before logged": {settings: map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd", "acknowledge": "before-log"}, kinds: []string{nemesis.Kill, nemesis.Power},
		claims: everyClaim[:5], causes: []string{checker.CauseNotDurable}, findings: 20, seeds: 400, share: 0.8},
	"superseded, successor not synced": {settings: map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd", "acknowledge": "superseded-early"}, kinds: everyKind,
		claims: everyClaim[:5], causes: []string{checker.CauseNotDurable, checker.CauseLostData}, findings: 10, seeds: 400, share: 0.8},
	"hints that die with their keepers": {settings: map[string]string{"n": "2", "w": "1", "r": "2", "sloppy": "on", "hint-log": "off"},
		schedule: cutOffAndKill([]string{"n4", "n5"}, "n4", "n5"),
		claims:   []string{checker.NoLostWrites}, causes: []string{checker.CauseHintLost}, findings: 20, seeds: 300, share: 0.8},
	"hints that nobody delivers": {settings: map[string]string{"n": "2", "w": "1", "r": "2", "sloppy": "on", "hints": "off", "repair": "off"},
		schedule: cutOffAndKill([]string{"n4", "n5"}),
		claims:   []string{checker.NoLostWrites}, causes: []string{checker.CauseHintUndelivered, checker.CauseSloppyQuorum}, findings: 20, seeds: 300, share: 0.8},
	"replicas that nobody repairs": {settings: map[string]string{"w": "1", "r": "1", "repair": "off", "hints": "off"}, kinds: []string{nemesis.Partition},
		claims: []string{checker.Convergence}, causes: []string{checker.CauseUnrepaired}, findings: 40, seeds: 100, share: 0.8},
	"replicas whose hints are lost": {settings: map[string]string{"repair": "off", "hint-log": "off"},
		schedule: cutOffAndKill([]string{"n1"}, "n2", "n3", "n4", "n5"),
		claims:   []string{checker.Convergence}, causes: []string{checker.CauseHintLost, checker.CauseUnrepaired}, findings: 20, seeds: 200, share: 0.8},
}

// cutOffAndKill cuts the nodes off for the last seconds of the main phase and
// kills others just before its end, so that what those know is not handed over any more.
func cutOffAndKill(minority []string, killed ...string) func(plan.Duration) []plan.Fault {
	return func(length plan.Duration) []plan.Fault {
		begin, end := max(0, length-plan.Duration(1800*time.Millisecond)), length-plan.Duration(30*time.Millisecond)
		cut := plan.Fault{ID: "f1", Kind: nemesis.Partition, Targets: minority, At: begin, Duration: 2 * length}
		for _, node := range plan.NodeNames(5) {
			for _, m := range minority {
				if !slices.Contains(minority, node) {
					cut.Cuts = append(cut.Cuts, history.Cut{From: node, To: m}, history.Cut{From: m, To: node})
				}
			}
		}
		faults := []plan.Fault{cut}
		if len(killed) > 0 {
			faults = append(faults, plan.Fault{ID: "f2", Kind: nemesis.Kill, Targets: killed, At: end, Duration: length})
		}
		return faults
	}
}

// TestPlantedCausesAreDerived: findings are put down to what was planted, or to nothing.
func TestPlantedCausesAreDerived(t *testing.T) {
	for name, c := range plantedCauses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			counts, examples, seeds := map[string]int{}, map[string]string{}, 0
			total := 0
			for seed := uint64(1); total < c.findings && int(seed) <= c.seeds; seed++ {
				seeds++
				for _, w := range c.witnesses(t, seed) {
					total++
					counts[w.Cause]++
					if _, have := examples[w.Cause]; !have {
						examples[w.Cause] = fmt.Sprintf("seed %d: %s", seed, w.Explanation)
					}
				}
			}
			for _, cause := range slices.Sorted(maps.Keys(examples)) {
				t.Logf("%s: %d of %d in %d seeds\n\t%s", cause, counts[cause], total, seeds, examples[cause])
				if cause != checker.CauseUnknown {
					assert.Contains(t, c.causes, cause)
				}
			}
			assert.GreaterOrEqual(t, total, c.findings)
			assert.GreaterOrEqual(t, float64(total-counts[checker.CauseUnknown]), c.share*float64(total), "%v", counts)
		})
	}
}

// witnesses are those of the seed's run, each violation once however many claims it refutes.
func (c *planted) witnesses(t *testing.T, seed uint64) (list []checker.Witness) {
	t.Helper()
	base, system := setUp(t, c.settings, c.claims...)
	p := explore.Draw(base, seed, c.kinds, explore.DrawOptions{Skew: c.skew})
	if c.schedule != nil {
		p.Schedule = c.schedule(p.Limits.Time)
	}
	evidence := map[int64]*history.Evidence{}
	result, err := sim.Run(t.Context(), p, system, sim.Options{Record: func(e *history.Event) error {
		if e.Evidence != nil {
			evidence[e.Index] = e.Evidence
		}
		return nil
	}})
	require.NoError(t, err)
	report, err := checker.Check(t.Context(), result.Operations, checker.Options{Claims: c.claims, Memory: 1 << 30,
		Evidence: func(i int64) *history.Evidence { return evidence[i] }})
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, claim := range report.Claims {
		for _, w := range claim.Witnesses {
			if id := fmt.Sprint(w.Operations); !seen[id] {
				seen[id] = true
				require.NotEmpty(t, w.Cause, "seed %d: %s", seed, w.Explanation)
				require.NotEmpty(t, w.Why)
				require.True(t, strings.Contains(w.Summary, w.Why), w.Summary)
				list = append(list, w)
			}
		}
	}
	return list
}
