package checker

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker/staleness"
	"github.com/refute-lab/refute/harness/history"
)

// expectedStaleness is what staleness-expect.json says of a history, counted by hand.
type expectedStaleness struct {
	// Stale and Reads count the stale reads and all that could be measured.
	Stale, Reads int
	// Versions is the most that a read missed, Age its greatest age.
	Versions int
	Age      string
	// K has its bounds.
	K [2]int
	// Delta and Gamma are durations or "none".
	Delta, Gamma string
	// Key is the worst one.
	Key         string
	Unexplained int
	LeftOut     string `json:"left_out"`
	// Visibility has the fresh reads and all reads of the buckets, by their lower bound.
	Visibility map[string][2]int
}

func text(nanoseconds int64) string {
	if nanoseconds == staleness.None {
		return "none"
	}
	return time.Duration(nanoseconds).String()
}

// TestGoldenStaleness: the measures of the golden histories are those that one finds by hand.
func TestGoldenStaleness(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("testdata", "staleness", "staleness-expect.json"))
	require.NoError(t, err)
	var expected map[string]expectedStaleness
	require.NoError(t, json.Unmarshal(content, &expected))
	histories, err := filepath.Glob(filepath.Join("testdata", "staleness", "*.jsonl"))
	require.NoError(t, err)
	require.Len(t, expected, len(histories))
	for name, want := range expected {
		t.Run(name, func(t *testing.T) {
			report := goldenReport(t, name, Options{Claims: []string{Linearizable}})
			s := report.Staleness
			require.NotNil(t, s)
			got := expectedStaleness{Stale: s.Stale.Count, Reads: s.Stale.Of, Versions: s.MostVersions.Versions, Age: text(s.Oldest.Nanoseconds),
				K: [2]int{s.K.Least, s.K.Most}, Delta: text(s.Delta.Nanoseconds), Gamma: text(s.Gamma.Nanoseconds), Key: s.Delta.Key, Unexplained: s.Unexplained}
			if len(s.LeftOut) > 0 {
				got.LeftOut = s.LeftOut[0].Why
			}
			if want.Visibility != nil {
				got.Visibility = map[string][2]int{}
				for _, b := range s.Visibility {
					got.Visibility[text(b.From)] = [2]int{b.Fresh.Count, b.Fresh.Of}
				}
			}
			assert.Equal(t, want, got)
			for _, b := range s.Versions {
				got.Reads -= b.Reads
			}
			assert.Zero(t, got.Reads, "every read is in one bin")
			if s.Keys > 0 {
				assert.Equal(t, report.Claims[0].Verdict == Holds, s.Delta.Nanoseconds == 0)
			}
			if s.Delta.Nanoseconds > 0 {
				requireNotAtomic(t, name, s.Delta.Operations)
			}
			if s.Oldest.Nanoseconds > 0 {
				requireNotAtomic(t, name, s.Oldest.Operations)
			}
		})
	}
}

// requireNotAtomic checks that the operations that show a measure are not linearizable by themselves.
func requireNotAtomic(t *testing.T, name string, indexes []int64) {
	t.Helper()
	var shown []history.Operation
	for _, o := range golden(t, name) {
		for _, i := range indexes {
			if o.Index == i {
				shown = append(shown, o)
			}
		}
	}
	require.Len(t, shown, len(indexes))
	report, err := Check(context.Background(), shown, Options{Claims: []string{Linearizable}})
	require.NoError(t, err)
	assert.Equal(t, Refuted, report.Claims[0].Verdict)
}

// TestStalenessAgreesWithTheClaims: over random histories a register has k = 1
// and Δ = 0 iff it is linearizable, and the reads that were stale in spite of
// an acknowledged write are those that no-stale-reads finds.
func TestStalenessAgreesWithTheClaims(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	stale, refuted := 0, 0
	for i := range 4_000 {
		operations := simulation{operations: 30, processes: 4, keys: 2, unknown: 0.1, failed: 0.05}.run(r)
		if i%4 > 0 {
			mutate(operations, r)
		}
		report, err := Check(context.Background(), operations, Options{Claims: []string{Linearizable, NoStaleReads}})
		require.NoError(t, err)
		s := report.Staleness
		require.NotNil(t, s)
		if len(s.LeftOut) > 0 || report.Claims[0].Vacuous {
			continue
		}
		atomic := report.Claims[0].Verdict == Holds
		if !atomic {
			refuted++
		}
		require.Equal(t, atomic, s.K.Least == 1 && s.K.Exact(), describeHistory(operations))
		require.Equal(t, atomic, s.Delta.Nanoseconds == 0, describeHistory(operations))
		require.Equal(t, atomic, s.Gamma.Nanoseconds == 0, describeHistory(operations))
		if s.Unexplained > 0 {
			continue // no-stale-reads judges some of these
		}
		found := 0
		for _, b := range s.Visibility {
			found += b.Fresh.Of - b.Fresh.Count
		}
		require.Equal(t, report.Claims[1].Found, found, describeHistory(operations))
		require.GreaterOrEqual(t, s.Stale.Count, found)
		stale += found
	}
	assert.Greater(t, stale, 500)
	assert.Greater(t, refuted, 500)
}

func TestStalenessIsOptionalAndNeedsRegisters(t *testing.T) {
	assert.Nil(t, goldenReport(t, "stale-read", Options{NoStaleness: true}).Staleness)
	sets := slices.DeleteFunc(golden(t, "lost-element"), func(o history.Operation) bool { return o.F == history.FWrite || o.Key == "bg" })
	report, err := Check(context.Background(), sets, Options{Claims: []string{Linearizable}})
	require.NoError(t, err)
	assert.Nil(t, report.Staleness, "a set has no versions")
	assert.Equal(t, "there is no evidence of the target's replicas", goldenReport(t, "stale-read", Options{}).Staleness.NoPrediction)
}

// TestStalenessWithoutTime says that it is incomplete.
func TestStalenessWithoutTime(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	report, err := Check(ctx, golden(t, "stale-read"), Options{Claims: []string{NoStaleReads}})
	require.NoError(t, err)
	assert.True(t, report.Staleness.Partial)
	assert.Zero(t, report.Staleness.Keys)
}
