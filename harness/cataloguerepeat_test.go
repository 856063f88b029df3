package harness

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/docker"
	"github.com/refute-lab/refute/target/leaderless/catalogue"
)

// seriesOf makes a series of repetitions of a claim: "r" refutes it by the
// cause, "h" holds, "u" is undecided, "x" is invalid though it refutes.
func seriesOf(text, claim, cause, reads string) *Series {
	s := newSeries(len(text))
	for _, c := range text {
		one := &Repetition{Verdict: checker.Holds, Reads: reads}
		switch c {
		case 'r', 'x':
			one.Verdict, one.Refuted = checker.Refuted, []Refutation{{claim, []string{"stale-read"}, cause}}
		case 'u':
			one.Verdict, one.Undecided = checker.Unknown, []string{claim}
		}
		if c == 'x' {
			one.Verdict, one.Invalid = checker.Invalid, []string{"fault f1 was not verified"}
		}
		s.add(one)
	}
	return &s
}

// An item is judged on containers by what its repetitions have shown, and what
// is not as the catalogue says is called so, with the exit code that it deserves.
func TestAnItemOnContainersIsJudged(t *testing.T) {
	refutable, err := catalogue.Lookup("8")
	require.NoError(t, err)
	legal, err := catalogue.Lookup("6")
	require.NoError(t, err)
	legal.Reads, legal.TwinReads = "1 2", "1 1"
	judged := func(item catalogue.Item, plan, twin *Series) *ItemRepeated {
		s := &ItemRepeated{ItemName: nameOf(item), Plan: plan, Twin: twin, item: item}
		s.judge()
		return s
	}
	claim, cause := refutable.Claim, refutable.Cause
	for name, c := range map[string]struct {
		shown   *ItemRepeated
		code    int
		problem string
	}{
		"as described":        {judged(refutable, seriesOf("rrr", claim, cause, ""), seriesOf("hhh", claim, "", "")), 0, ""},
		"most":                {judged(refutable, seriesOf("rrh", claim, cause, ""), seriesOf("hhh", claim, "", "")), 0, ""},
		"half":                {judged(refutable, seriesOf("rh", claim, cause, ""), seriesOf("hh", claim, "", "")), 1, "in 1 of 2 repetitions only"},
		"invalid is left out": {judged(refutable, seriesOf("xxr", claim, cause, ""), seriesOf("h", claim, "", "")), 0, ""},
		"all invalid":         {judged(refutable, seriesOf("xx", claim, cause, ""), seriesOf("hh", claim, "", "")), 3, "every repetition of the plan is invalid: fault f1 was not verified"},
		"twin invalid":        {judged(refutable, seriesOf("rr", claim, cause, ""), seriesOf("xx", claim, "", "")), 3, "every repetition of the twin is invalid"},
		"twin refuted":        {judged(refutable, seriesOf("rr", claim, cause, ""), seriesOf("hr", claim, cause, "")), 1, "the twin refutes read-your-writes in 1 of 2 repetitions"},
		"twin undecided":      {judged(refutable, seriesOf("rr", claim, cause, ""), seriesOf("uu", claim, "", "")), 2, "of the twin read-your-writes stayed undecided"},
		"no twin":             {judged(refutable, seriesOf("rr", claim, cause, ""), nil), 3, "the twin was not performed"},
		"cause":               {judged(refutable, seriesOf("rr", claim, checker.CauseUnknown, ""), seriesOf("hh", claim, "", "")), 1, `in 2 repetitions the cause is "cause not determined"`},
		"legal":               {judged(legal, seriesOf("hh", legal.Claim, "", "1 2"), seriesOf("hh", legal.Claim, "", "1 1")), 0, ""},
		"legal and refuted":   {judged(legal, seriesOf("hr", legal.Claim, "no-overlap", "1 2"), seriesOf("hh", legal.Claim, "", "1 1")), 1, "what is legal was refuted in 1 of 2"},
		"other reads":         {judged(legal, seriesOf("hh", legal.Claim, "", "1 1"), seriesOf("hh", legal.Claim, "", "1 1")), 1, "in 0 of 2 repetitions only do the reads of the plan return 1 2"},
		"wrong and invalid":   {judged(refutable, seriesOf("h", claim, "", ""), seriesOf("x", claim, "", "")), 1, "every repetition of the twin is invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.code, c.shown.ExitCode(), "%v", c.shown.Problems)
			assert.Equal(t, c.problem == "", len(c.shown.Problems) == 0, "%v", c.shown.Problems)
			assert.Contains(t, strings.Join(c.shown.Problems, "; "), c.problem)
			var text bytes.Buffer
			c.shown.WriteText(&text, false)
			assert.Equal(t, len(c.shown.Problems), strings.Count(text.String(), "NOT AS DESCRIBED"))
			assert.Equal(t, c.problem != "", strings.Contains(c.shown.Line(), "NOT AS DESCRIBED"))
		})
	}
}

// What containers cannot do is said with its reason, and no item is listed for
// a backend that would refuse it.
func TestWhyItemsAreNotOnContainers(t *testing.T) {
	register()
	for _, item := range catalogue.Items() {
		if item.Missing != "" {
			continue
		}
		performed, _, err := ItemPlans(item, OnDocker)
		if why := NotOnContainers(item); why != "" {
			assert.Error(t, err, item.Name)
			assert.Equal(t, []string{OnSim}, ItemBackends(item), item.Name)
			assert.Contains(t, why, "only the simulation can do it (", item.Name)
			continue
		}
		require.NoError(t, err, item.Name)
		assert.Equal(t, OnDocker, performed.Plan.Backend)
		assert.Equal(t, []string{OnSim, OnDocker}, ItemBackends(item), item.Name)
	}
}

// Two items with faults of their own kinds, one with siblings, on containers.
func TestItemsAreShownOnContainers(t *testing.T) {
	register()
	for _, number := range []string{"8", "18"} {
		t.Run(number, func(t *testing.T) {
			item, err := catalogue.Lookup(number)
			require.NoError(t, err)
			shown, err := RepeatItem(t.Context(), item, Repetitions{Repetitions: 1, Performance: Performance{Out: t.TempDir()}})
			if missing := (*docker.EngineError)(nil); errors.As(err, &missing) {
				t.Skip(err)
			}
			require.NoError(t, err)
			assert.Empty(t, shown.Problems)
			assert.Equal(t, 1, shown.Plan.refuted(item.Claim).Refuted)
			require.NotNil(t, shown.Twin)
			assert.Equal(t, 1, shown.Twin.Holds)
			assert.FileExists(t, shown.Report)
		})
	}
}
