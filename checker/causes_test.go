package checker

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/refute-lab/refute/harness/history"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// causeExpectations are, for each golden history of the causes, the cause of
// the witness by claim: "" where the target told nothing.
func causeExpectations(t *testing.T) map[string]map[string]string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", "causes", "causes-expect.json"))
	require.NoError(t, err)
	var all map[string]map[string]string
	require.NoError(t, json.Unmarshal(content, &all))
	return all
}

// TestGoldenCauses: each history's witnesses have the cause that is written beside it.
func TestGoldenCauses(t *testing.T) {
	shown := map[string]bool{}
	for name, want := range causeExpectations(t) {
		t.Run(name, func(t *testing.T) {
			file, err := history.OpenEvidence(goldenFile(t, name))
			require.NoError(t, err)
			defer file.Close()
			report := goldenReport(t, name, Options{Evidence: file.Lookup, MaximumSiblings: goldenSiblings})
			many := goldenReport(t, name, Options{Evidence: file.Lookup, MaximumSiblings: goldenSiblings, Evidences: func(completions []int64) map[int64]*history.Evidence {
				found, err := file.Read(t.Context(), completions)
				require.NoError(t, err)
				return found
			}})
			got := map[string]string{}
			for i, c := range report.Claims {
				if c.Verdict != Refuted {
					continue
				}
				w := c.Witnesses[0]
				got[c.Claim] = w.Cause
				shown[w.Cause] = true
				assert.Equal(t, w, many.Claims[i].Witnesses[0], "however the evidence is read")
				assert.Equal(t, w.Cause == "", w.Why == "")
				switch w.Cause {
				case "":
					assert.NotContains(t, w.Explanation, "Why:")
				case CauseUnknown:
					assert.Contains(t, w.Explanation, "Why: the cause is not determined, for "+w.Why+".")
				default:
					assert.Contains(t, w.Explanation, "Why: "+w.Why+" ("+w.Cause+").")
				}
				t.Logf("%s: %s", c.Claim, w.Summary)
			}
			assert.Equal(t, want, got)
		})
	}
	for _, c := range Causes() {
		if c.Name != CauseConcurrentWrites { // of a claim that lets no acknowledged write give way
			assert.True(t, shown[c.Name], "no golden history shows %s", c.Name)
		}
	}
}

// TestWithoutEvidenceNothingIsSaidOfCauses: a cause is never made up.
func TestWithoutEvidenceNothingIsSaidOfCauses(t *testing.T) {
	for name := range causeExpectations(t) {
		for _, c := range goldenReport(t, name, Options{}).Claims {
			for _, w := range c.Witnesses {
				assert.Empty(t, w.Cause, name)
				assert.Empty(t, w.Why, name)
			}
		}
	}
}

func TestTheCatalogueIsWhole(t *testing.T) {
	names := map[string]bool{CauseUnknown: true}
	for _, c := range Causes() {
		assert.False(t, names[c.Name], c.Name)
		names[c.Name] = true
		for _, text := range []string{c.Description, c.Remedy} {
			assert.True(t, strings.HasSuffix(text, "."), text)
			assert.Greater(t, len(text), 40, text)
		}
		found, known := DescribeCause(c.Name)
		assert.True(t, known)
		assert.Equal(t, c, found)
	}
	_, known := DescribeCause(CauseUnknown)
	assert.False(t, known, "it has no remedy")
}

// TestConcurrentWritesOfWhichTheLastWins: a claim under which an acknowledged
// write must not give way to a concurrent one puts its findings down to that.
func TestConcurrentWritesOfWhichTheLastWins(t *testing.T) {
	evidence := map[int64]*history.Evidence{
		2: {Version: "20@n2", Timestamp: 20, Coordinator: "n2"},
		3: {Version: "10@n1", Timestamp: 10, Coordinator: "n1"},
		5: {Version: "20@n2", Timestamp: 20, Required: 1, Replicas: []history.ReplicaEvidence{{Node: "n1", Answered: true, Counted: true, Version: "20@n2"}}},
	}
	for _, c := range []struct {
		older  int64 // when the older one's write ended
		clocks bool
		want   string
	}{{200, true, CauseConcurrentWrites}, {200, false, CauseUnknown}} {
		line, err := newTimeline([]history.Operation{
			{Index: 0, Completion: 3, Start: 100, End: 300, Process: 1, F: history.FWrite, Key: "r", Input: history.IntValue(1), Type: history.Ok},
			{Index: 1, Completion: 2, Start: 100, End: c.older, Process: 2, F: history.FWrite, Key: "r", Input: history.IntValue(2), Type: history.Ok},
			{Index: 4, Completion: 5, Start: 400, End: 500, Process: 3, F: history.FRead, Key: "r", Output: history.IntValue(2), Type: history.Ok},
		})
		require.NoError(t, err)
		f := newFinding(classSequential, "r")
		f.newer, f.older, f.second = 0, 1, 2
		f.gather()
		d := line.deduce(f, Options{Evidence: func(i int64) *history.Evidence {
			e := *evidence[i]
			if !c.clocks {
				e.Timestamp, e.Counter = 0, e.Timestamp
			}
			return &e
		}})
		assert.Equal(t, c.want, d.cause)
		assert.Contains(t, d.why, "the write of 1 and the write of 2 ran at the same time")
	}
}

// TestEvidenceChangesNoVerdict: whatever a target tells, even nonsense, the
// verdicts are those of the history alone, and nothing goes wrong.
func TestEvidenceChangesNoVerdict(t *testing.T) {
	words := []string{"", "n1", "n2", "n3", "n4"}
	versions := []string{"", "1", "2", "3"}
	causes := map[string]int{}
	for seed := range uint64(3000) {
		r := rand.New(rand.NewPCG(seed, 1))
		operations := simulation{operations: 12, processes: 3, keys: 1, unknown: 0.1, failed: 0.1, finals: seed%2 == 0}.run(r)
		for range 2 {
			mutate(operations, r)
		}
		evidence := map[int64]*history.Evidence{}
		for _, o := range operations {
			if r.IntN(5) == 0 || o.Process == history.Nemesis {
				continue
			}
			e := &history.Evidence{Coordinator: words[r.IntN(5)], Required: r.IntN(4), Version: versions[r.IntN(4)], Hints: []string{words[r.IntN(5)]}}
			if r.IntN(2) == 0 {
				e.Timestamp = r.Int64N(4)
			} else {
				e.Counter = r.Int64N(4)
			}
			if r.IntN(4) == 0 {
				e.Phases = [][]string{{"prepare"}, {"prepare", "propose"}, {"prepare", "propose", "commit"}}[r.IntN(3)]
			}
			if r.IntN(4) == 0 {
				e.Level, e.Arrival = "local-quorum", r.IntN(2) == 0
			}
			if r.IntN(3) == 0 {
				e.Causal = &history.CausalEvidence{Clocks: []string{"dotted", "vector-clock", "version-vector", ""}[r.IntN(4)], Versions: versions[:r.IntN(4)]}
				if r.IntN(2) == 0 {
					e.Causal.Context, e.Causal.Clock = map[string]int64{"n1": r.Int64N(3)}, map[string]int64{"n1": r.Int64N(3), "n2": r.Int64N(3)}
					e.Causal.Dot = []string{"", "n1:1", "n1:2", "n2:1", "nonsense"}[r.IntN(5)]
				}
			}
			if r.IntN(5) == 0 {
				e.Grace, e.Repeated = r.Int64N(9), []history.Evidence{{Version: versions[r.IntN(4)]}}
			}
			for range r.IntN(4) {
				e.Replicas = append(e.Replicas, history.ReplicaEvidence{Node: words[r.IntN(5)], Answered: r.IntN(2) == 0, Counted: r.IntN(2) == 0,
					Version: versions[r.IntN(4)], Repaired: r.IntN(4) == 0, Fetched: r.IntN(4) == 0, HintFor: words[max(0, r.IntN(9)-4)], Datacenter: []string{"", "dc1", "dc2"}[r.IntN(3)]})
			}
			evidence[o.Completion] = e
		}
		options := Options{Claims: screenedClaims()}
		want, err := Check(t.Context(), operations, options)
		require.NoError(t, err)
		options.Evidence = func(i int64) *history.Evidence { return evidence[i] }
		got, err := Check(t.Context(), operations, options)
		require.NoError(t, err)
		for i := range want.Claims {
			require.Equal(t, want.Claims[i].Verdict, got.Claims[i].Verdict, "seed %d: %s", seed, got.Claims[i].Explanation)
			require.Equal(t, want.Claims[i].Classes, got.Claims[i].Classes, "seed %d", seed)
			for k, w := range got.Claims[i].Witnesses {
				require.Equal(t, want.Claims[i].Witnesses[k].Operations, w.Operations, "seed %d", seed)
				require.NotContains(t, w.Why, "the derivation failed", "seed %d", seed)
				causes[w.Cause]++
			}
		}
	}
	t.Log(causes)
	assert.Greater(t, len(causes), 5)
}
