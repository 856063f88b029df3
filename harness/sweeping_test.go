package harness

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/sweep"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/target/leaderless/core"
)

func axis(setting string, values ...string) sweep.Axis {
	return sweep.Axis{Setting: setting, Values: values}
}

func swept(t *testing.T, s Sweeping) *Swept {
	t.Helper()
	if s.Target == nil {
		s.Target = leaderless.New()
	}
	s.Rate, s.Seed, s.Out = -1, 1, t.TempDir()
	out, err := Sweep(t.Context(), s)
	require.NoError(t, err)
	return out
}

// Theory and the store agree where quorums, repair and clocks make a difference.
func TestTheStoreIsAsTheoryExpects(t *testing.T) {
	s := swept(t, Sweeping{Axes: []sweep.Axis{axis("w", "1", "2"), axis("r", "2", "3"), axis("repair", "off", "blocking", "abd")}, Seeds: 200})
	assert.Equal(t, checker.Holds, s.Grid.Verdict, "%v", s.Grid.Statement())
	assert.Zero(t, s.ExitCode())
	require.Len(t, s.Grid.Cells, 12)
	counts := map[target.Expected]int{}
	for _, c := range s.Grid.Cells {
		assert.EqualValues(t, 200, c.Seeds)
		for _, o := range c.Outcomes {
			counts[o.Expected]++
		}
	}
	assert.Greater(t, counts[target.ExpectHolds], 20)
	assert.Greater(t, counts[target.ExpectRefuted], 20)

	// The same without skewed clocks: only what overlaps too little falls.
	s = swept(t, Sweeping{Axes: []sweep.Axis{axis("w", "1", "2"), axis("repair", "async", "blocking")}, Seeds: 60, Request: Request{Nemesis: []string{"partition", "pause"}}})
	assert.Equal(t, checker.Holds, s.Grid.Verdict, "%v", s.Grid.Statement())
}

// The grid is written down in all its forms, and is the same whatever the number of workers.
func TestAGridIsWrittenDown(t *testing.T) {
	request := Sweeping{Axes: []sweep.Axis{axis("n", "2", "3"), axis("w", "2", "3")}, Seeds: 20, Workers: 1,
		Request: Request{Settings: map[string]string{"r": "1"}, Nemesis: []string{"partition"}, Claims: []string{"no-stale-reads"}}}
	s := swept(t, request)
	require.Len(t, s.Grid.Cells, 3)
	assert.Equal(t, map[string]int{"w > n": 1}, s.Grid.LeftOut)
	assert.Equal(t, map[string]string{"r": "1"}, s.Grid.Fixed)
	text, err := os.ReadFile(filepath.Join(s.Folder, SweepFile))
	require.NoError(t, err)
	var read sweep.Grid
	require.NoError(t, json.Unmarshal(text, &read))
	assert.Equal(t, *s.Grid, read)
	var table bytes.Buffer
	s.WriteText(&table, false)
	assert.Regexp(t, `(?m)^2  2  holds$`, table.String())
	assert.Regexp(t, `(?m)^3  2  refuted \d+$`, table.String())
	assert.Contains(t, table.String(), "Left out: 1 combination, for w > n.")
	for _, file := range []string{"summary.md", "report.html"} {
		written, err := os.ReadFile(filepath.Join(s.Folder, file))
		require.NoError(t, err)
		assert.Contains(t, string(written), "no-stale-reads")
		assert.NotContains(t, string(written), "http", "%s stands by itself", file)
	}

	request.Workers = 3
	again := swept(t, request)
	again.Grid.Elapsed = s.Grid.Elapsed
	assert.Equal(t, s.Grid, again.Grid)
}

// opinionated is the store with a theory of its own.
type opinionated struct{ expected target.Expected }

func (o opinionated) Name() string               { return "opinionated" }
func (o opinionated) Describe() []target.Setting { return leaderless.New().Describe() }
func (o opinionated) Configure(nodes int, settings map[string]string) (target.System, error) {
	system, err := leaderless.New().Configure(nodes, settings)
	if err != nil {
		return nil, err
	}
	return opinion{system.(simulable), o.expected}, nil
}

type simulable interface {
	target.System
	Core() core.Settings
}

type opinion struct {
	simulable
	expected target.Expected
}

func (o opinion) Expect(string, []string) target.Expectation {
	return target.Expectation{Expected: o.expected, Reason: "somebody said so"}
}

// A theorem that is refuted is a refutation; a refutation that is not seen leaves the sweep undecided.
func TestAGridThatDisagreesSaysSo(t *testing.T) {
	for _, c := range []struct {
		expected target.Expected
		verdict  checker.Verdict
		code     int
		says     string
	}{
		{target.ExpectHolds, checker.Refuted, 1, "r=1: no-stale-reads is refuted in"},
		{target.ExpectRefuted, checker.Unknown, 2, "r=2: no-stale-reads is refuted in none of 20 seeds, although somebody said so; more seeds may show it."},
		{target.ExpectPossible, checker.Holds, 0, "All 2 outcomes are as expected."},
	} {
		s := swept(t, Sweeping{Axes: []sweep.Axis{axis("r", "1", "2")}, Seeds: 20,
			Request: Request{Target: opinionated{c.expected}, Nemesis: []string{"partition"}, Claims: []string{"no-stale-reads"}}})
		assert.Equal(t, c.verdict, s.Grid.Verdict)
		assert.Equal(t, c.code, s.ExitCode())
		var text, page bytes.Buffer
		s.WriteText(&text, false)
		assert.Contains(t, text.String(), c.says)
		require.NoError(t, s.Grid.WriteHTML(&page))
		assert.Contains(t, page.String(), "somebody said so")
		if c.verdict != checker.Holds {
			assert.Contains(t, text.String(), "≠ "+string(c.expected))
		}
	}
}

func TestAnInterruptedSweepIsUndecided(t *testing.T) {
	interrupt := make(chan struct{})
	close(interrupt)
	s := swept(t, Sweeping{Axes: []sweep.Axis{axis("r", "1", "2")}, Seeds: 20, Interrupt: interrupt})
	assert.Empty(t, s.Grid.Cells)
	assert.Equal(t, 2, s.ExitCode())
}

func TestAGridThatMakesNoSenseIsRefused(t *testing.T) {
	for want, s := range map[string]Sweeping{
		"r=4 is in no configuration of the grid": {Axes: []sweep.Axis{axis("r", "1", "4")}},
		"no combination of these values":         {Axes: []sweep.Axis{axis("r", "4", "5")}},
		"repair=of is in no configuration":       {Axes: []sweep.Axis{axis("repair", "of", "abd")}},
		"has no values":                          {Axes: []sweep.Axis{{Setting: "r"}}},
		"no profile":                             {Axes: []sweep.Axis{axis("r", "1", "2")}, Request: Request{Profile: "mongo"}},
		"unknown nemesis":                        {Axes: []sweep.Axis{axis("r", "1", "2")}, Request: Request{Nemesis: []string{"moon"}}},
		"cannot decide":                          {Axes: []sweep.Axis{axis("r", "1", "2")}, Request: Request{Workload: "set", Claims: []string{"linearizable"}}},
	} {
		s.Target, s.Seeds = leaderless.New(), 5
		_, err := Sweep(t.Context(), s)
		assert.ErrorContains(t, err, want)
		assert.ErrorAs(t, err, new(*UsageError))
	}
	_, err := Sweep(t.Context(), Sweeping{Request: Request{Target: leaderless.New()}, Axes: []sweep.Axis{axis("r", "1", "2")}})
	assert.ErrorContains(t, err, "0 seeds")
}
