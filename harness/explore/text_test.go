package explore

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
)

// smallPlan is a plan of three operations and a partition, and the history of its run.
func smallPlan() (*plan.Plan, []history.Operation) {
	p := base()
	p.Workload.Concurrency = 2
	seven := int64(7)
	p.Operations = []plan.Operation{
		{Worker: 0, Index: 4, At: plan.Duration(210 * time.Millisecond), F: history.FWrite, Key: "r0", Value: &seven, Node: "n1"},
		{Worker: 1, Index: 3, At: plan.Duration(300 * time.Millisecond), F: history.FRead, Key: "r0", Node: "n2"},
		{Worker: 0, Index: 9, At: plan.Duration(29 * time.Second), F: history.FRead, Key: "r0", Node: "n1"},
	}
	p.Schedule = []plan.Fault{{ID: "f2", Kind: nemesis.Partition, Targets: []string{"n1"}, At: 0, Duration: plan.Duration(1200 * time.Millisecond),
		Cuts: []history.Cut{{From: "n1", To: "n2"}, {From: "n1", To: "n3"}, {From: "n1", To: "n4"}, {From: "n1", To: "n5"},
			{From: "n2", To: "n1"}, {From: "n3", To: "n1"}, {From: "n4", To: "n1"}, {From: "n5", To: "n1"}}}}
	const begin = int64(5 * time.Second)
	at := func(d time.Duration) int64 { return begin + int64(d) }
	operations := []history.Operation{
		{Index: 0, Start: begin, Process: history.Nemesis, F: history.FPhase, Key: history.PhaseMain, Type: history.Ok},
		{Index: 1, Start: at(210 * time.Millisecond), Process: 0, F: history.FWrite, Key: "r0", Node: "n1", Type: history.Info, Error: "timeout"},
		{Index: 2, Start: at(310 * time.Millisecond), End: at(1310 * time.Millisecond), Process: 1, F: history.FRead, Key: "r0", Node: "n2", Type: history.Ok, Output: history.NilValue()},
		{Index: 3, Start: at(10 * time.Second), Process: history.Nemesis, F: history.FPhase, Key: history.PhaseHeal, Type: history.Ok},
		{Index: 4, Start: at(11 * time.Second), End: at(11*time.Second + 2345*time.Microsecond), Process: 2, F: history.FRead, Key: "r0", Node: "n3", Type: history.Ok, Output: history.IntValue(7)},
		{Index: 5, Start: at(12 * time.Second), End: at(13 * time.Second), Process: 1, F: history.FRead, Key: "r0", Node: "n4", Type: history.Ok, Output: history.IntValue(7)},
	}
	return p, operations
}

func TestStepsTellWhatHappens(t *testing.T) {
	p, operations := smallPlan()
	lines := stepLines(steps(p, operations, &checker.Witness{Operations: []int64{1, 4}}))
	assert.Equal(t, []string{
		" 0.000 s  partition {n1} | {n2 n3 n4 n5} for 1.2 s",
		" 0.210 s  worker 0 writes 7 to r0 through n1 → unknown (timeout)",
		" 0.310 s  worker 1 reads r0 through n2 → nothing after 1 s",
		"29.000 s  worker 0 reads r0 through n1 (the run ends before that)",
		"10.000 s  every fault is ended, and the target is given time to become quiet",
		"11.000 s  finally, worker 0 reads r0 through n3 → 7 after 2.35 ms",
	}, lines)
}

func TestTimesAreAsFineAsTheyMustBe(t *testing.T) {
	lines := stepLines([]Step{{0, "a"}, {plan.Duration(1200 * time.Microsecond), "b"}, {plan.Duration(1300 * time.Microsecond), "c"}})
	assert.Equal(t, []string{"0.000000 s  a", "0.001200 s  b", "0.001300 s  c"}, lines)
}

func summary() *Summary {
	p, operations := smallPlan()
	minimal := &Reduced{Plan: p, Size: sizeOf(p), Runs: 111, Elapsed: plan.Duration(43 * time.Millisecond), Complete: true,
		Rate: wilson(96, 100), Steps: steps(p, operations, nil), Explanation: "A read returned what had been overwritten."}
	return &Summary{Verdict: checker.Refuted, Statement: "Said.", FirstSeed: 1, Seeds: 1000, Ending: EndedBySeeds, Failing: 998,
		Rate: wilson(998, 1000), Operations: 5_025_000, Virtual: plan.Duration(1000 * time.Minute), Explored: plan.Duration(9200 * time.Millisecond),
		SeedsPerSecond: 108.7, OperationsPerSecond: 546196,
		Claims: []ClaimSummary{{Claim: checker.Linearizable, Verdict: checker.Refuted, Failing: 998, Rate: wilson(998, 1000)},
			{Claim: checker.NoLostWrites, Verdict: checker.Unknown, Undecided: 1, Rate: noneOf(999)}},
		Findings: []*Finding{{Claim: checker.Linearizable, Class: "stale-read", Seed: 1, Seeds: 998, Plan: p, Original: Size{5025, 19},
			Minimal: minimal, Files: []string{"results/runs/x/plan.json"}}}}
}

func TestTheTextSaysItAll(t *testing.T) {
	var out, coloured bytes.Buffer
	s := summary()
	require.NoError(t, s.WriteText(&out, false))
	assert.Equal(t, `claim           verdict  failing seeds          at 95 %
linearizable    REFUTED  998 of 1,000           99.3–99.9 %
no-lost-writes  unknown  0 of 999, 1 undecided  at most 0.299 %

claim         class       first seed  seeds         shrunk to                 under other networks
linearizable  stale-read  1           998 of 1,000  3 operations and 1 fault  96 of 100

linearizable: stale-read, seed 1
  Shrunk from 5,025 operations and 19 faults to 3 operations and 1 fault in 111 runs, 43 ms.
     0.000 s  partition {n1} | {n2 n3 n4 n5} for 1.2 s
     0.210 s  worker 0 writes 7 to r0 through n1 → unknown (timeout)
     0.310 s  worker 1 reads r0 through n2 → nothing after 1 s
    29.000 s  worker 0 reads r0 through n1 (the run ends before that)
  Seen: A read returned what had been overwritten.
  Under 100 other networks it fails 96 times (90.2–98.4 % at 95 %).
  results/runs/x/plan.json

1,000 seeds, 5.03 M operations, 16.7 h of virtual time in 9.2 s: 109 seeds/s, 546 k operations/s.
Verdict: REFUTED
Said.
`, out.String())
	require.NoError(t, s.WriteText(&coloured, true))
	assert.Contains(t, coloured.String(), "\x1b[")
	plain := strings.NewReplacer(ansiRed, "", ansiGreen, "", ansiYellow, "", ansiBold, "", ansiReset, "").Replace(coloured.String())
	assert.Equal(t, out.String(), plain, "colours change nothing else")
}

func TestTheDocumentCanBeReadBack(t *testing.T) {
	s := summary()
	var out bytes.Buffer
	require.NoError(t, s.WriteJSON(&out))
	var back Summary
	require.NoError(t, json.Unmarshal(out.Bytes(), &back))
	assert.Equal(t, s, &back)
	assert.Contains(t, out.String(), `"virtual": "16h40m0s"`)
	assert.Contains(t, out.String(), `"operations": 3,`)
}

func TestProgressIsOneLine(t *testing.T) {
	p := Progress{Stage: StageExploring, Seeds: 1234, Bound: 10000, Operations: 6_210_000, SeedsPerSecond: 108.7, OperationsPerSecond: 546196}
	assert.Equal(t, "1,234 of 10,000 seeds (109/s)  6.21 M operations (546 k/s)  nothing refuted", p.String())
	p.Found = []Found{{Claim: "linearizable", Class: "stale-read", Seeds: 12, Shrinking: true, Operations: 3, Faults: 1, Runs: 111}, {Claim: "convergence", Class: "divergent", Seeds: 1}}
	p.Doubtful = 2
	assert.Equal(t, "1,234 of 10,000 seeds (109/s)  6.21 M operations (546 k/s)  2 undecided  refuted: linearizable/stale-read 12, convergence/divergent 1", p.String())
	p.Stage = StageShrinking
	assert.Equal(t, "shrinking linearizable/stale-read: 3 operations, 1 fault (111 runs); convergence/divergent: waits", p.String())
}

func TestAnswersOfEveryKind(t *testing.T) {
	versions := func(values ...int64) history.Value {
		v := history.Versions{Values: values}
		for i := range values {
			v.Dots = append(v.Dots, history.Dot{Node: "n1", Counter: int64(i + 1)})
		}
		value, err := v.Value()
		require.NoError(t, err)
		return value
	}
	for want, output := range map[string]history.Value{
		"7": history.IntValue(7), "1 2": history.ListValue([]int64{1, 2}), "nothing": history.NilValue(), "3 | 4": versions(3, 4),
		"6 values side by side": versions(1, 2, 3, 4, 5, 6), `{"x":1}`: history.RawValue([]byte(`{"x":1}`)),
	} {
		assert.Equal(t, want, answerText(&history.Operation{F: history.FRead, Type: history.Ok, Output: output}))
	}
	assert.Equal(t, "worker 1 deletes d", operationText(1, history.FDelete, "d", nil, ""))
}
