package checker

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The golden histories lie in testdata, in a folder for each topic. Each is
// small and named by what is wrong with it, or begins with "good-". Beside the
// key with the anomaly many have a key with healthy traffic. expect.json of the
// folder lists them all: exactly the claims that each refutes, of all that
// there are, and the class of the witness.

func allClaims() []string {
	var names []string
	for _, c := range Claims() {
		names = append(names, c.Name)
	}
	return names
}

// screenedClaims are those for which a Screener has a way of its own.
func screenedClaims() []string {
	return []string{Linearizable, NoLostWrites, NoStaleReads, ReadYourWrites, MonotonicReads, Convergence}
}

// goldenFile is the path of the golden history of that name.
func goldenFile(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", "*", name+".jsonl"))
	require.NoError(t, err)
	require.Len(t, found, 1, "%s: names of golden histories must be found, and unique", name)
	return found[0]
}

func golden(t *testing.T, name string) []history.Operation {
	t.Helper()
	operations, summary, err := history.ReadFile(context.Background(), goldenFile(t, name))
	require.NoError(t, err)
	require.Empty(t, summary.Warnings)
	return operations
}

// goldenSiblings is how many siblings the golden histories of causes may show:
// those of sibling explosion are short.
const goldenSiblings = 2

// siblingsOf is that bound for the history of that name; 0 is the default.
func siblingsOf(t *testing.T, name string) int {
	if _, isCause := causeExpectations(t)[name]; isCause {
		return goldenSiblings
	}
	return 0
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

// expectations are what each golden history refutes: the class of the witness by claim.
func expectations(t *testing.T) map[string]map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*", "expect.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]map[string]string{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		var folder map[string]map[string]string
		require.NoError(t, json.Unmarshal(content, &folder), file)
		histories, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*.jsonl"))
		require.NoError(t, err)
		assert.Len(t, histories, len(folder), "%s must list every history of its folder", file)
		for name, want := range folder {
			_, twice := all[name]
			assert.False(t, twice, "the name %s is used twice", name)
			assert.Equal(t, len(want) == 0, strings.HasPrefix(name, "good-"), "%s: good histories are called good-…", name)
			all[name] = want
		}
	}
	return all
}

// claimsFor are all claims but two, where these neither apply nor are expected
// to be refuted: one that a correct store need not promise, and linearizability
// of objects that it cannot decide.
func claimsFor(t *testing.T, operations []history.Operation, want map[string]string) []string {
	return slices.DeleteFunc(allClaims(), func(claim string) bool {
		applies, err := Applies(claim, operations)
		require.NoError(t, err)
		return (claim == NoDiscardedWrites || claim == Linearizable) && !applies && want[claim] == ""
	})
}

// confirmable are the claims whose witnesses Porcupine can confirm.
func confirmable(claim string) bool {
	return slices.Contains([]string{Linearizable, NoLostWrites, NoStaleReads, ReadYourWrites, MonotonicReads, NoLostUpdates, NoResurrectedDeletes}, claim)
}

// TestGoldenHistories: each refutes exactly the claims that it is said to, and
// of the others that apply to it holds those that can be decided.
func TestGoldenHistories(t *testing.T) {
	for name, want := range expectations(t) {
		t.Run(name, func(t *testing.T) {
			operations := golden(t, name)
			report := goldenReport(t, name, Options{Claims: claimsFor(t, operations, want), MaximumSiblings: siblingsOf(t, name)})
			assert.Empty(t, report.Validity)
			got, checked := map[string]string{}, 0
			for _, c := range report.Claims {
				assert.NotEmpty(t, c.Explanation, c.Claim)
				if c.Verdict != Refuted {
					assert.Empty(t, c.Witnesses, c.Claim)
					assert.Zero(t, c.Found, c.Claim)
					assert.True(t, c.Verdict == Holds || c.Vacuous, "%s is %s: %s", c.Claim, c.Verdict, c.Explanation)
					if c.Verdict == Holds {
						checked++
					}
					continue
				}
				require.Len(t, c.Witnesses, 1, c.Claim)
				w := c.Witnesses[0]
				got[c.Claim] = w.Class
				assert.Positive(t, c.Found)
				assert.Positive(t, c.Classes[w.Class], c.Claim)
				assert.GreaterOrEqual(t, c.Found, c.Classes[w.Class], c.Claim)
				assert.NotEmpty(t, w.Explanation)
				most := 6
				if slices.Contains(orderClaims, c.Claim) { // a chain is the whole proof
					most = 7
				}
				assert.LessOrEqual(t, len(w.Operations), most)
				assert.True(t, slices.IsSorted(w.Operations))
				if confirmable(c.Claim) && w.Class != classOwnVersion && w.Class != classForgotten {
					assert.True(t, w.Confirmed, c.Claim)
				}
				for _, index := range w.Operations {
					assert.True(t, slices.ContainsFunc(operations, func(o history.Operation) bool { return o.Index == index }))
				}
				t.Logf("%s: %s\n\t%s", c.Claim, c.Explanation, w.Explanation)
			}
			assert.Equal(t, want, got)
			if len(want) == 0 {
				assert.Positive(t, checked, "no claim could be decided")
			}
		})
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
				assert.True(t, c.Verdict == Holds || c.Vacuous, "%s is %s: %s", c.Claim, c.Verdict, c.Explanation)
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
	file, err := history.OpenEvidence(goldenFile(t, "stale-read"))
	require.NoError(t, err)
	defer file.Close()
	report := goldenReport(t, "stale-read", Options{Claims: []string{NoStaleReads}, Evidence: file.Lookup})
	w := report.Claims[0].Witnesses[0]
	assert.Equal(t, "Process 1 wrote 2 to r1 through n1 and got ok at 0.210 s; 40 ms later process 3 read r1 through n4 at 0.250 s and got 1. "+
		"1 was the older value: its write by process 1 through n1 had been acknowledged at 0.110 s, before the newer one's was invoked at 0.200 s. "+
		"Why: the write of 2 was acknowledged by n1 and n2, and the read by process 3 at 0.250 s counted the answers of n3 and n4 (standing in for n1): "+
		"w=2 and r=2 of n=3 home replicas would have shared one, but stand-ins were counted and no home replica is in both (sloppy-quorum). "+
		"The write of 2, coordinated by n1, was acknowledged by n1 and n2 (w=2) with version 200@n1; not yet by n3. "+
		"The read by process 3 at 0.250 s, coordinated by n4, asked n1 (not answered by then), n2 (not answered by then), n3 (version 100@n1) and n4 (standing in for n1, not found) (r=2). "+
		"In force during these operations: fault f1 (partition: {n1 n2} | {n3 n4 n5}).", w.Explanation)
	assert.Equal(t, []string{"f1"}, w.Faults)
	assert.Equal(t, "1 read, on 1 key, returned a state certainly older than an acknowledged write that had ended before the read began.", report.Claims[0].Explanation)
}

func TestTimestampsAgainstRealTimeAreTold(t *testing.T) {
	file, err := history.OpenEvidence(goldenFile(t, "lost-sequential"))
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
