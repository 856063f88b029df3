package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/results"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
)

// forgetful is a system of which n3 finds nothing to read whenever it forgets.
type forgetful struct {
	target.System
	forgets func() bool
	// asked, if not nil, is told of each read of n3.
	asked func()
}

type forgetfulClient struct {
	target.Client
	of *forgetful
}

func (f *forgetful) Connect(node, address string) (target.Client, error) {
	client, err := f.System.Connect(node, address)
	if node != "n3" {
		return client, err
	}
	return forgetfulClient{client, f}, err
}

func (c forgetfulClient) Read(ctx context.Context, key string) (target.Reading, error) {
	if c.of.asked != nil {
		c.of.asked()
	}
	if c.of.forgets() {
		return target.Reading{}, nil
	}
	return c.Client.(target.Register).Read(ctx, key)
}

func (c forgetfulClient) Write(ctx context.Context, key string, value int64) (*history.Evidence, error) {
	return c.Client.(target.Register).Write(ctx, key, value)
}

func (c forgetfulClient) Clock(ctx context.Context) (time.Time, error) {
	return c.Client.(target.Clock).Clock(ctx)
}

// controlled is a system whose control is another.
type controlled struct {
	*forgetful
	control target.System
}

func (c controlled) Control() (target.System, error) { return c.control, nil }

func always() bool { return true }

// repetition is a plan of a write, and a read through n3 that must see it. On a
// busy machine too the write is done when the read begins, and the read begins
// before the end.
func repetition(t *testing.T, settings map[string]string) (*plan.Plan, target.System) {
	t.Helper()
	p, system, err := NewPlan(Request{Target: leaderless.New(), Nodes: 3, Concurrency: 2, Nemesis: []string{}, Seed: 5, Settings: settings,
		Claims: []string{checker.Linearizable}})
	require.NoError(t, err)
	value := int64(7)
	p.Limits.Time = plan.Duration(600 * time.Millisecond)
	p.Operations = []plan.Operation{
		{Worker: 0, At: plan.Duration(10 * time.Millisecond), F: history.FWrite, Key: "x", Value: &value, Node: "n1"},
		{Worker: 1, At: plan.Duration(300 * time.Millisecond), F: history.FRead, Key: "x", Node: "n3"},
	}
	require.NoError(t, p.Validate())
	return p, system
}

// pauseOf is a fault around the read of repetition's plan.
func pauseOf(node string) []plan.Fault {
	return []plan.Fault{{ID: "f1", Kind: "pause", Shape: "one", Targets: []string{node},
		At: plan.Duration(100 * time.Millisecond), Duration: plan.Duration(500 * time.Millisecond)}}
}

// rehearsal repeats plans on servers in this process.
type rehearsal struct {
	repeater
	clusters []*loopback
	output   bytes.Buffer
}

func rehearse(t *testing.T, p *plan.Plan, system target.System, repetitions, controls int) *rehearsal {
	t.Helper()
	folder, err := results.Create(t.TempDir(), p.Name, time.Now())
	require.NoError(t, err)
	log, err := os.Create(folder.Log())
	require.NoError(t, err)
	t.Cleanup(func() { _ = log.Close() })
	r := &rehearsal{}
	r.repeater = repeater{folder: folder, live: NewLive(&r.output, log, false, 0),
		Repetitions: Repetitions{Performance: Performance{Plan: p, System: system}, Repetitions: repetitions, Controls: controls},
		cluster: func(_ context.Context, system target.System, nodes int, _, _ string) (reusable, error) {
			c := newLoopback(t, nodes, system.Settings())
			r.clusters = append(r.clusters, c)
			return c, nil
		}}
	require.NoError(t, r.fill())
	return r
}

// lines are those of the progress, without their times.
func (r *rehearsal) lines() (lines []string) {
	for line := range strings.Lines(r.output.String()) {
		_, text, _ := strings.Cut(strings.TrimSpace(line), "  ")
		lines = append(lines, text)
	}
	return lines
}

func TestARefutationIsRepeatedAndHeldAgainstTheControl(t *testing.T) {
	p, clean := repetition(t, map[string]string{"w": "3"})
	control, err := leaderless.New().Configure(3, map[string]string{"w": "2", "repair": "abd"})
	require.NoError(t, err)
	system := controlled{&forgetful{System: clean, forgets: always}, control}
	r := rehearse(t, p, system, 3, 2)
	repeated, err := r.repeat(t.Context())
	require.NoError(t, err)

	assert.Equal(t, []string{"1/3 refuted linearizable (stale-read)", "2/3 refuted linearizable (stale-read)", "3/3 refuted linearizable (stale-read)",
		"control 1/2 holds", "control 2/2 holds"}, r.lines())
	require.Len(t, r.clusters, 2, "one cluster for the plan and one for the control")
	assert.Equal(t, []int{2, 1}, []int{r.clusters[0].resets, r.clusters[1].resets}, "each is started once and then reset")
	assert.Equal(t, "2", r.clusters[1].settings["w"])

	d := repeated.Document
	assert.Equal(t, checker.Refuted, d.Verdict)
	assert.Equal(t, 1, repeated.ExitCode())
	assert.Equal(t, []string{"The schedule refuted linearizable (stale-read) in 3 of 3 repetitions; " +
		"the control (the same operations and faults, the target made safe: repair=abd w=2) in 0 of 2."}, d.Statement)

	// All that is said can be read up, and judged again.
	for i, one := range append(d.Runs, d.Control.Runs...) {
		folder, err := results.Open(filepath.Join(repeated.Folder.Path, one.Folder))
		require.NoError(t, err)
		outcome, err := CheckFile(t.Context(), folder.Path, nil, time.Minute)
		require.NoError(t, err)
		assert.Equal(t, one.Verdict, outcome.Report.Verdict, one.Folder)
		written, err := results.ReadDocument(folder.Document())
		require.NoError(t, err)
		assert.Equal(t, outcome.Run.Document.HistorySHA256, written.HistorySHA256)
		assert.Equal(t, outcome.Run.Document.PlanSHA256, written.PlanSHA256)
		_, err = os.Stat(folder.Report())
		assert.Equal(t, i == 0, err == nil, "only the first refutation has the whole report, not %s", one.Folder)
	}
	assert.Equal(t, "repetitions/01/report.html", d.Report)
	text, err := os.ReadFile(filepath.Join(repeated.Folder.Path, RepeatedFile))
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, repeated.WriteJSON(&out))
	assert.Equal(t, out.String(), string(text))
	var counts struct {
		Verdict                       string
		Repetitions, Refuted, Invalid int
		Claims                        []struct{ Classes map[string]int }
		Control                       struct{ Repetitions, Refuted int }
	}
	require.NoError(t, json.Unmarshal(text, &counts))
	assert.Equal(t, "refuted", counts.Verdict)
	assert.Equal(t, []int{3, 3, 0, 2, 0}, []int{counts.Repetitions, counts.Refuted, counts.Invalid, counts.Control.Repetitions, counts.Control.Refuted})
	assert.Equal(t, map[string]int{"stale-read": 3}, counts.Claims[0].Classes)
	summary, err := os.ReadFile(repeated.Folder.Summary())
	require.NoError(t, err)
	assert.Contains(t, string(summary), "[control/02](control/02) | holds")
}

func TestATwinTakesThePlaceOfTheControl(t *testing.T) {
	p, clean := repetition(t, map[string]string{"w": "3"})
	p.Expect = []string{"refuted:linearizable"}
	twin, system := repetition(t, map[string]string{"w": "3", "r": "3"})
	r := rehearse(t, p, &forgetful{System: clean, forgets: always}, 2, 1)
	r.Twin = &Performance{Plan: twin, System: system}
	repeated, err := r.repeat(t.Context())
	require.NoError(t, err)
	require.Len(t, r.clusters, 2)
	assert.Equal(t, "3", r.clusters[1].settings["r"])
	assert.Equal(t, ControlTwin, repeated.Document.Control.Kind)
	assert.Equal(t, []string{"The schedule refuted linearizable (stale-read) in 2 of 2 repetitions; " +
		"the control (the same operations and faults with r=3) in 0 of 1."}, repeated.Document.Statement)
	assert.Zero(t, repeated.ExitCode(), "what is expected happened")
	saved, err := plan.Load(filepath.Join(repeated.Folder.Path, "control", "01", "plan.json"))
	require.NoError(t, err)
	assert.Equal(t, "3", saved.Target.Settings["r"])
}

func TestAControlThatIsRefutedTooLeavesNothingToConclude(t *testing.T) {
	p, clean := repetition(t, map[string]string{"w": "3"})
	safe, err := leaderless.New().Configure(3, map[string]string{"repair": "abd"})
	require.NoError(t, err)
	system := controlled{&forgetful{System: clean, forgets: always}, &forgetful{System: safe, forgets: always}}
	repeated, err := rehearse(t, p, system, 1, 1).repeat(t.Context())
	require.NoError(t, err)
	assert.Equal(t, checker.Invalid, repeated.Document.Verdict)
	assert.Equal(t, 3, repeated.ExitCode())
	assert.Contains(t, strings.Join(repeated.Document.Statement, "\n"), "Nothing can be concluded: the control was refuted too")
}

func TestATargetWithoutASafeFormIsControlledWithoutFaults(t *testing.T) {
	p, clean := repetition(t, nil)
	p.Schedule = pauseOf("n2")
	p.Limits.Time = plan.Duration(800 * time.Millisecond)
	system := &forgetful{System: clean}
	r := rehearse(t, p, system, 1, 1)
	// It forgets while a node is paused, until the faults are healed.
	system.forgets = func() bool { return r.clusters[len(r.clusters)-1].anyPaused() }
	repeated, err := r.repeat(t.Context())
	require.NoError(t, err)
	d := repeated.Document
	assert.Equal(t, checker.Refuted, d.Verdict, "%+v", d.Runs)
	require.NotNil(t, d.Control)
	assert.Equal(t, ControlNoFaults, d.Control.Kind)
	assert.Equal(t, 1, d.Control.Holds)
	assert.Contains(t, d.Statement[0], "the control (the same operations without faults) in 0 of 1")
	again, err := plan.Load(filepath.Join(repeated.Folder.Path, "control", "01", "plan.json"))
	require.NoError(t, err)
	assert.Empty(t, again.Schedule)
	assert.Equal(t, p.Operations, again.Operations)
}

func TestASafeTargetWithoutFaultsHasNoControl(t *testing.T) {
	p, safe := repetition(t, map[string]string{"repair": "abd"})
	system := controlled{&forgetful{System: safe, forgets: always}, safe}
	repeated, err := rehearse(t, p, system, 1, 1).repeat(t.Context())
	require.NoError(t, err)
	assert.Nil(t, repeated.Document.Control, "it would be the same plan once more")
	assert.Equal(t, checker.Refuted, repeated.Document.Verdict)
	assert.Contains(t, repeated.Document.Statement[0], "there is no control")
}

func TestWhatHoldsNeedsNoControl(t *testing.T) {
	p, system := repetition(t, nil)
	r := rehearse(t, p, system, 2, 2)
	repeated, err := r.repeat(t.Context())
	require.NoError(t, err)
	assert.Len(t, r.clusters, 1)
	assert.Zero(t, repeated.ExitCode())
	assert.Equal(t, []string{"The schedule refuted no claim in 2 repetitions."}, repeated.Document.Statement)
	assert.Empty(t, repeated.Document.Report)
	repeated.expect = []string{"refuted:linearizable"}
	assert.Equal(t, 1, repeated.ExitCode(), "an expected refutation that did not happen")
}

// TestARefutationUnderAFaultThatNobodySawDoesNotCount has agents that lie:
// they say of a partition that packets still pass.
func TestARefutationUnderAFaultThatNobodySawDoesNotCount(t *testing.T) {
	p, clean := repetition(t, nil)
	p.Schedule = []plan.Fault{{ID: "f1", Kind: "partition", Cuts: []history.Cut{{From: "n1", To: "n2"}},
		At: plan.Duration(20 * time.Millisecond), Duration: plan.Duration(50 * time.Millisecond)}}
	r := rehearse(t, p, &forgetful{System: clean, forgets: always}, 1, 1)
	repeated, err := r.repeat(t.Context())
	require.NoError(t, err)
	d := repeated.Document
	assert.Equal(t, 3, repeated.ExitCode())
	assert.Equal(t, []int{0, 1}, []int{d.Refuted, d.Invalid})
	assert.Empty(t, d.Claims)
	assert.Equal(t, checker.Linearizable, d.Runs[0].Refuted[0].Claim, "what its history shows is told all the same")
	assert.Contains(t, r.lines()[0], "1/1 invalid: fault f1")
	assert.Len(t, r.clusters, 1, "there is nothing to control")
}

func TestACrashMakesARepetitionInvalid(t *testing.T) {
	p, clean := repetition(t, nil)
	system := &forgetful{System: clean, forgets: always}
	r := rehearse(t, p, system, 2, 1)
	var reads atomic.Int64
	system.asked = func() {
		if reads.Add(1) == 1 {
			r.clusters[0].crashes <- Crash{Node: "n2", Status: "exit status 2"}
		}
	}
	repeated, err := r.repeat(t.Context())
	require.NoError(t, err)
	d := repeated.Document
	assert.Equal(t, []int{1, 1}, []int{d.Refuted, d.Invalid}, "%v", d.Runs)
	assert.Equal(t, checker.Refuted, d.Verdict)
	require.Len(t, d.Statement, 2)
	assert.Contains(t, d.Statement[0], "in 1 of 1 repetition;")
	assert.Contains(t, d.Statement[1], "Not counted: 1 repetition")
}

func TestAnInterruptEndsTheRepetitions(t *testing.T) {
	p, clean := repetition(t, nil)
	system := &forgetful{System: clean, forgets: always}
	r := rehearse(t, p, system, 5, 5)
	interrupt := make(chan struct{})
	r.Interrupt = interrupt
	p.Limits.Finals = plan.Duration(time.Second)
	var reads atomic.Int64
	perRepetition := int64(2) // n3 is read once in the main phase and once in the end
	system.asked = func() {
		if reads.Add(1) == perRepetition+1 {
			close(interrupt)
		}
	}
	repeated, err := r.repeat(t.Context())
	require.NoError(t, err)
	d := repeated.Document
	assert.Equal(t, []int{5, 1, 1}, []int{d.Asked, d.Repetitions, d.Refuted}, "%v", r.lines())
	assert.Nil(t, d.Control)
	assert.Equal(t, []string{"The schedule refuted linearizable (stale-read) in 1 of 1 repetition; the control was not performed.",
		"Only 1 of 5 repetitions were performed."}, d.Statement)
	assert.Equal(t, 1, repeated.ExitCode(), "what was found counts")
}

func TestTheNumberOfRepetitionsIsBounded(t *testing.T) {
	p, system := repetition(t, nil)
	for _, r := range []Repetitions{{}, {Repetitions: -1}, {Repetitions: MostRepetitions + 1}, {Repetitions: 1, Controls: -1}} {
		r.Performance = Performance{Plan: p, System: system}
		_, err := Repeat(t.Context(), r)
		require.ErrorAs(t, err, new(*UsageError))
		assert.ErrorContains(t, err, "want 1…1000")
	}
}

// outcomes makes a series of repetitions: "r" refutes linearizable by a stale
// read, "i" by an inversion, "l" no-lost-writes, "h" holds, "u" is unknown,
// "x" is invalid though it refutes.
func outcomes(text string) Series {
	s := newSeries(len(text))
	for _, c := range text {
		one := &Repetition{Verdict: checker.Refuted}
		switch c {
		case 'r', 'x':
			one.Refuted = []Refutation{{checker.Linearizable, []string{"stale-read"}, checker.CauseUnknown}}
		case 'i':
			one.Refuted = []Refutation{{checker.Linearizable, []string{"new-old-inversion"}, checker.CauseUnknown}}
		case 'l':
			one.Refuted = []Refutation{{checker.NoLostWrites, []string{"vanished"}, checker.CauseUnknown}}
		case 'h':
			one.Verdict = checker.Holds
		case 'u':
			one.Verdict = checker.Unknown
		}
		if c == 'x' {
			one.Verdict = checker.Invalid
		}
		s.add(one)
	}
	return s
}

func TestWhatMayBeSaid(t *testing.T) {
	const made = "the control (the same operations and faults, the target made safe: repair=abd)"
	for _, test := range []struct {
		runs, control string
		expect        []string
		verdict       checker.Verdict
		code          int
		says          []string
	}{
		{"rrrr", "hhhh", nil, checker.Refuted, 1, []string{"refuted linearizable (stale-read) in 4 of 4 repetitions; " + made + " in 0 of 4."}},
		{"rrih", "hh", nil, checker.Refuted, 1, []string{"linearizable (new-old-inversion in 1, stale-read in 2) in 3 of 4"}},
		{"rrxx", "hx", nil, checker.Refuted, 1, []string{"in 2 of 2 repetitions", "in 0 of 1.", "Not counted: 2 repetitions, which are invalid.",
			"Not counted: 1 repetition of the control, which is invalid."}},
		{"rrrr", "hrrh", nil, checker.Invalid, 3, []string{"in 2 of 4.", "Nothing can be concluded: the control"}},
		{"rl", "hr", nil, checker.Refuted, 1, []string{"Only of no-lost-writes can anything be concluded"}},
		{"rr", "ll", nil, checker.Refuted, 1, []string{"refuted no-lost-writes in none of 2 repetitions, but the control did, no-lost-writes (vanished), in 2 of 2"}},
		{"rr", "xx", nil, checker.Refuted, 1, []string{made + " says nothing, for each of its 2 repetitions was invalid"}},
		{"xxx", "", nil, checker.Invalid, 3, []string{"Nothing can be concluded: every repetition was invalid."}},
		{"", "", nil, checker.Invalid, 3, []string{"no repetition was completed"}},
		{"hhu", "", nil, checker.Unknown, 2, []string{"refuted no claim in 3 repetitions.", "In 1 repetition a claim stayed undecided."}},
		{"hhx", "", nil, checker.Holds, 0, []string{"refuted no claim in 2 repetitions."}},
		{"ruh", "h", nil, checker.Refuted, 1, []string{"in 1 of 3"}},
		{"rr", "hh", []string{"refuted:linearizable"}, checker.Refuted, 0, nil},
		{"rl", "hh", []string{"refuted:linearizable"}, checker.Refuted, 1, nil},
		{"ll", "hh", []string{"refuted:linearizable"}, checker.Refuted, 1, nil},
		{"rr", "rr", []string{"refuted:linearizable"}, checker.Invalid, 3, nil},
	} {
		d := &RepeatedDocument{Series: outcomes(test.runs)}
		if test.control != "" {
			d.Control = &Control{Kind: ControlSafeTarget, Settings: map[string]string{"repair": "abd"}, Series: outcomes(test.control)}
		}
		d.conclude([]string{checker.Linearizable, checker.NoLostWrites})
		name := fmt.Sprintf("%s against %s: %v", test.runs, test.control, d.Statement)
		assert.Equal(t, test.verdict, d.Verdict, name)
		for _, text := range test.says {
			assert.Contains(t, strings.Join(d.Statement, "\n"), text, name)
		}
		repeated := &Repeated{Folder: &results.Folder{Path: "run"}, Document: d, expect: test.expect}
		assert.Equal(t, test.code, repeated.ExitCode(), name)
		var text bytes.Buffer
		repeated.WriteText(&text, false)
		assert.Contains(t, text.String(), "Verdict: "+string(test.verdict)+"\n")
	}
}
