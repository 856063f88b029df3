package checker

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The golden histories in testdata are small, each named by what is wrong with
// it. Beside the key with the anomaly each has a key with healthy traffic.

func allClaims() []string {
	var names []string
	for _, c := range Claims() {
		names = append(names, c.Name)
	}
	return names
}

func golden(t *testing.T, name string) []history.Operation {
	t.Helper()
	operations, summary, err := history.ReadFile(context.Background(), filepath.Join("testdata", name+".jsonl"))
	require.NoError(t, err)
	require.Empty(t, summary.Warnings)
	return operations
}

func goldenReport(t *testing.T, name string, o Options) Report {
	t.Helper()
	if o.Claims == nil {
		o.Claims = allClaims()
	}
	report, err := Check(context.Background(), golden(t, name), o)
	require.NoError(t, err)
	return report
}

// refutations lists, for each bad history, exactly the claims it refutes and the class of the witness.
var refutations = map[string]map[string]string{
	"stale-read":                         {Linearizable: "stale-read", NoStaleReads: "stale-read"},
	"stale-read-not-found":               {Linearizable: "stale-read", NoStaleReads: "stale-read"},
	"stale-read-of-unknown-write":        {Linearizable: "stale-read", NoStaleReads: "stale-read"},
	"own-write-missing":                  {Linearizable: "stale-read", NoStaleReads: "stale-read", ReadYourWrites: "own-write-missing"},
	"non-monotonic-reads":                {Linearizable: "new-old-inversion", MonotonicReads: "new-old-inversion"},
	"new-old-inversion-across-processes": {Linearizable: "new-old-inversion"},
	"value-returned":                     {Linearizable: "value-returned", MonotonicReads: "value-returned"},
	"phantom-read":                       {Linearizable: "phantom-read"},
	"failed-write-read":                  {Linearizable: "failed-write-read"},
	"read-before-write":                  {Linearizable: "read-before-write"},
	"lost-sequential":                    {Linearizable: "stale-read", NoStaleReads: "stale-read", NoLostWrites: "lost-sequential"},
	"vanished":                           {Linearizable: "stale-read", NoStaleReads: "stale-read", NoLostWrites: "vanished"},
	"lost-element":                       {NoStaleReads: "element-missing", NoLostWrites: "lost-element"},
	"stale-element":                      {NoStaleReads: "element-missing"},
	"own-element-missing":                {NoStaleReads: "element-missing", ReadYourWrites: "own-write-missing"},
	"shrinking-set":                      {NoStaleReads: "element-missing", MonotonicReads: "new-old-inversion"},
	"divergent-replicas":                 {Convergence: "divergent-replicas"},
	"divergent-versions":                 {Convergence: "divergent-replicas"},
	"replica-missing":                    {Convergence: "divergent-replicas"},
	"cas-fork":                           {Linearizable: "not-linearizable"},
}

func TestBadHistoriesRefuteExactlyTheirClaims(t *testing.T) {
	for name, want := range refutations {
		t.Run(name, func(t *testing.T) {
			operations := golden(t, name)
			report := goldenReport(t, name, Options{})
			assert.Empty(t, report.Validity)
			assert.Equal(t, Refuted, report.Verdict)
			got := map[string]string{}
			for _, c := range report.Claims {
				assert.NotEmpty(t, c.Explanation, c.Claim)
				if c.Verdict != Refuted {
					assert.Empty(t, c.Witnesses, c.Claim)
					assert.Zero(t, c.Found, c.Claim)
					continue
				}
				require.Len(t, c.Witnesses, 1, c.Claim)
				w := c.Witnesses[0]
				got[c.Claim] = w.Class
				assert.Positive(t, c.Found)
				assert.Equal(t, c.Found, c.Classes[w.Class], c.Claim)
				assert.NotEmpty(t, w.Explanation)
				assert.LessOrEqual(t, len(w.Operations), 6)
				assert.True(t, slices.IsSorted(w.Operations))
				assert.Equal(t, c.Claim != Convergence, w.Confirmed, c.Claim)
				for _, index := range w.Operations {
					assert.True(t, slices.ContainsFunc(operations, func(o history.Operation) bool { return o.Index == index }))
				}
				t.Logf("%s: %s\n\t%s", c.Claim, c.Explanation, w.Explanation)
			}
			assert.Equal(t, want, got)
		})
	}
}

func TestGoodHistoriesRefuteNothing(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "good-*.jsonl"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		t.Run(name, func(t *testing.T) {
			report := goldenReport(t, name, Options{})
			assert.Empty(t, report.Validity)
			assert.Equal(t, Holds, report.Verdict)
			for _, c := range report.Claims {
				assert.Equal(t, Holds, c.Verdict, "%s: %s", c.Claim, c.Explanation)
			}
		})
	}
}

func TestEveryGoldenHistoryIsTested(t *testing.T) {
	files, err := os.ReadDir("testdata")
	require.NoError(t, err)
	for _, file := range files {
		name := strings.TrimSuffix(file.Name(), ".jsonl")
		_, bad := refutations[name]
		_, invalid := invalidRuns[name]
		if !bad && !invalid && !strings.HasPrefix(name, "good-") && name != "cut-during-fault" && name != "elsewhere-no-phases" {
			t.Errorf("%s is in no test", file.Name())
		}
	}
}

// invalidRuns lists what is wrong with each run that proves nothing.
var invalidRuns = map[string]string{
	"invalid-fault-unverified":     "was not verified",
	"invalid-fault-never-healed":   "never seen to be healed",
	"invalid-heal-unverified":      "never seen to be healed",
	"invalid-idle":                 "only 5 operations",
	"invalid-kind-never-succeeded": "cas (2 attempts)",
	"invalid-crash":                "the process of n3 ended by itself at 0.062 s (exit status 2)",
}

func TestInvalidRuns(t *testing.T) {
	for name, want := range invalidRuns {
		t.Run(name, func(t *testing.T) {
			report := goldenReport(t, name, Options{})
			assert.Equal(t, Invalid, report.Verdict)
			require.Len(t, report.Validity, 1)
			assert.Contains(t, report.Validity[0], want)
			for _, c := range report.Claims {
				assert.Equal(t, Holds, c.Verdict, "%s: %s", c.Claim, c.Explanation)
			}
		})
	}
}

func TestCutHistoryIsWarnedAboutButJudged(t *testing.T) {
	report := goldenReport(t, "cut-during-fault", Options{Claims: []string{Linearizable, NoLostWrites, Convergence}})
	assert.Empty(t, report.Validity)
	assert.Len(t, report.Warnings, 2)
	assert.Equal(t, Unknown, report.Verdict)
	assert.Equal(t, Holds, report.Claims[0].Verdict)
	assert.Equal(t, Unknown, report.Claims[1].Verdict)
	assert.Contains(t, report.Claims[1].Explanation, "final reads")
	assert.Equal(t, Unknown, report.Claims[2].Verdict)
	require.Len(t, report.Faults, 1)
	assert.False(t, report.Faults[0].Verified)
	assert.Greater(t, report.Faults[0].End, report.Faults[0].Start)
}

func TestHistoryFromElsewhereIsNotJudgedAsARun(t *testing.T) {
	report := goldenReport(t, "elsewhere-no-phases", Options{Claims: []string{Linearizable}, MinimumOk: 1_000_000})
	assert.Empty(t, report.Validity)
	assert.Equal(t, Holds, report.Verdict)
	assert.Equal(t, 17, report.Stats.Operations)
	assert.Equal(t, 17, report.Stats.Ok)
	assert.Equal(t, map[string]int{"read": 9, "write": 8}, report.Stats.OkByF)
}

// TestExplanation pins the words, since people act on them.
func TestExplanation(t *testing.T) {
	file, err := history.OpenEvidence(filepath.Join("testdata", "stale-read.jsonl"))
	require.NoError(t, err)
	defer file.Close()
	report := goldenReport(t, "stale-read", Options{Claims: []string{NoStaleReads}, Evidence: file.Lookup})
	w := report.Claims[0].Witnesses[0]
	assert.Equal(t, "Process 1 wrote 2 to r1 through n1 and got ok at 0.210 s; 40 ms later process 3 read r1 through n4 at 0.250 s and got 1. "+
		"1 was the older value: its write by process 1 through n1 had been acknowledged at 0.110 s, before the newer one's was invoked at 0.200 s. "+
		"The write of 2, coordinated by n1, was acknowledged by n1 and n2 (w=2) with version 200@n1; not yet by n3. "+
		"The read by process 3 at 0.250 s, coordinated by n4, asked n3 (version 100@n1) and n4 (not found) (r=2). "+
		"In force during these operations: fault f1 (partition: {n1 n2} | {n3 n4 n5}).", w.Explanation)
	assert.Equal(t, []string{"f1"}, w.Faults)
	assert.Equal(t, "1 read, on 1 key, returned a state certainly older than an acknowledged write that had ended before the read began.", report.Claims[0].Explanation)
}

func TestTimestampsAgainstRealTimeAreTold(t *testing.T) {
	file, err := history.OpenEvidence(filepath.Join("testdata", "lost-sequential.jsonl"))
	require.NoError(t, err)
	defer file.Close()
	report := goldenReport(t, "lost-sequential", Options{Claims: []string{NoLostWrites}, Evidence: file.Lookup})
	assert.Contains(t, report.Claims[0].Witnesses[0].Explanation,
		"By the nodes' clocks the order was the reverse: the later write of 2 carries a timestamp 3.1 s lower than the earlier write of 1,")
}

func TestClockFaultIsNamed(t *testing.T) {
	report := goldenReport(t, "lost-sequential", Options{Claims: []string{NoLostWrites}})
	assert.Contains(t, report.Claims[0].Witnesses[0].Explanation, "the clock of n2 was 3.2 s ahead")
	assert.Equal(t, []string{"f4"}, report.Claims[0].Witnesses[0].Faults)
}
