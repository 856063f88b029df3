package harness

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/docker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/target/leaderless"
)

// skewPlan is the textbook's case against ordering writes by wall clocks: n1's
// clock is ahead when it writes, so that a later write through n2 loses, and
// whoever reads sees the older value.
func skewPlan(t *testing.T) (*plan.Plan, Performance) {
	t.Helper()
	p, system, err := NewPlan(Request{Name: "skew", Target: leaderless.New(), Nodes: 3, Concurrency: 3, Nemesis: []string{}, Seed: 1,
		Settings: map[string]string{"n": "3", "w": "2", "r": "2"}, Claims: []string{checker.Linearizable}, Expect: []string{"refuted:linearizable"}})
	require.NoError(t, err)
	p.Nemesis = []string{"clock"}
	p.Limits.Time = plan.Duration(4500 * time.Millisecond)
	p.Schedule = []plan.Fault{{ID: "f1", Kind: "clock", Shape: "bump", Targets: []string{"n1"}, At: plan.Duration(time.Second),
		Duration: plan.Duration(3500 * time.Millisecond), Clock: &plan.Clock{Offset: plan.Duration(5 * time.Second)}}}
	older, newer := int64(1), int64(2)
	p.Operations = []plan.Operation{
		{Worker: 0, At: plan.Duration(2000 * time.Millisecond), F: history.FWrite, Key: "r0", Value: &older, Node: "n1"},
		{Worker: 1, At: plan.Duration(3000 * time.Millisecond), F: history.FWrite, Key: "r0", Value: &newer, Node: "n2"},
		{Worker: 2, At: plan.Duration(4000 * time.Millisecond), F: history.FRead, Key: "r0", Node: "n3"},
	}
	require.NoError(t, p.Validate())
	return p, Performance{Plan: p, System: system, Out: t.TempDir()}
}

func TestASkewedClockIsRefutedAgainAndAgainOnContainers(t *testing.T) {
	_, performance := skewPlan(t)
	performance.Progress = testWriter{t}
	repeated, err := Repeat(t.Context(), Repetitions{Performance: performance, Repetitions: 2, Controls: 1})
	if missing := (*docker.EngineError)(nil); errors.As(err, &missing) {
		t.Skip(err)
	}
	require.NoError(t, err)
	d := repeated.Document
	assert.Equal(t, checker.Refuted, d.Verdict)
	assert.Equal(t, 2, d.Refuted, "%v", d.Statement)
	require.Len(t, d.Claims, 1)
	assert.Equal(t, ClaimCount{Claim: checker.Linearizable, Refuted: 2, Classes: map[string]int{"stale-read": 2}, Causes: map[string]int{"clock-skew-last-write-wins": 2}}, d.Claims[0])
	require.NotNil(t, d.Control)
	assert.Equal(t, ControlSafeTarget, d.Control.Kind)
	assert.Equal(t, map[string]string{"repair": "abd"}, d.Control.Settings)
	assert.Equal(t, 1, d.Control.Holds, "%v", d.Control.Runs)
	assert.Zero(t, repeated.ExitCode(), "it was expected")

	// Each history has the plan's operations, in their time and no others.
	for _, one := range append(d.Runs, d.Control.Runs...) {
		operations, _, err := history.ReadFile(t.Context(), filepath.Join(repeated.Folder.Path, one.Folder, "history.jsonl"))
		require.NoError(t, err)
		assertPlanned(t, performance.Plan, operations)
	}
	report, err := os.Readlink(repeated.Folder.Report())
	require.NoError(t, err)
	assert.Equal(t, filepath.Join("repetitions", "01", "report.html"), report)
	assert.FileExists(t, filepath.Join(repeated.Folder.Path, report))
	assert.FileExists(t, filepath.Join(repeated.Folder.Path, "control", "nodes", "n1.log"))
}

// testWriter shows progress in the test's log.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// assertPlanned asserts that the clients did in the main phase what the plan says, and not before its time.
func assertPlanned(t *testing.T, p *plan.Plan, operations []history.Operation) {
	t.Helper()
	var start, end int64
	for _, o := range operations {
		if o.F == history.FPhase && o.Key == history.PhaseMain {
			start, end = o.Start, o.End
		}
	}
	require.Positive(t, end)
	var asked []history.Operation
	for _, o := range operations {
		if o.Process != history.Nemesis && o.Start < end {
			asked = append(asked, o)
		}
	}
	require.Len(t, asked, len(p.Operations))
	for i, o := range asked { // the times of these plans are far enough apart to be met in order
		want := p.Operations[i]
		assert.Equal(t, []string{want.F, want.Key, want.Node}, []string{o.F, o.Key, o.Node}, "operation %d", i)
		assert.Equal(t, want.Worker, int(o.Process)%p.Workload.Concurrency, "operation %d", i)
		value, written := o.Input.Int()
		if assert.Equal(t, want.Value != nil, written, "operation %d", i) && written {
			assert.Equal(t, *want.Value, value, "operation %d", i)
		}
		assert.GreaterOrEqual(t, o.Start-start, int64(want.At), "operation %d is not asked before its time", i)
	}
}
