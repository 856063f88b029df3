package sim_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/harness/sim"
	"github.com/refute-lab/refute/harness/trace"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target"
)

// written is a run of one client that writes through n1 every 10 ms for two
// seconds, on one key whose replicas are all five nodes.
func written(t *testing.T, settings map[string]string, change func(*plan.Plan), faults ...plan.Fault) (*plan.Plan, sim.Result) {
	t.Helper()
	all := map[string]string{"n": "5", "w": "3", "r": "3", "repair": "off", "hints": "off", "request-timeout": "50ms"}
	for name, value := range settings {
		all[name] = value
	}
	p, system := setUp(t, 7, 2*time.Second, 100, nil, all)
	p.Limits.Operation = plan.Duration(100 * time.Millisecond)
	p.Operations = []plan.Operation{}
	for i := range 150 {
		value := int64(i + 1)
		p.Operations = append(p.Operations, plan.Operation{Worker: 0, Index: i, At: plan.Duration(time.Duration(i) * 10 * time.Millisecond),
			F: history.FWrite, Key: "r0.0", Value: &value, Node: "n1"})
	}
	for i := range faults {
		if faults[i].ID == "" {
			faults[i].ID = "f" + string(rune('1'+i))
		}
		if faults[i].Duration == 0 {
			faults[i].At, faults[i].Duration = plan.Duration(500*time.Millisecond), plan.Duration(500*time.Millisecond)
		}
	}
	p.Schedule = faults
	if change != nil {
		change(p)
	}
	require.NoError(t, p.Validate())
	return p, run(t, p, system)
}

func run(t *testing.T, p *plan.Plan, system target.System) sim.Result {
	t.Helper()
	r, err := sim.Run(t.Context(), p, system, sim.Options{})
	require.NoError(t, err)
	return r
}

// outcomes counts how the client's writes ended that began in the fault's middle part.
func outcomes(r sim.Result) map[history.Type]int {
	counts := map[history.Type]int{}
	for _, o := range r.Operations {
		if o.F == history.FWrite && o.Start > int64(550*time.Millisecond) && o.Start < int64(950*time.Millisecond) {
			counts[o.Type]++
		}
	}
	return counts
}

// dumpOf is the value that a replica holds in the end, empty for none.
func dumpOf(t *testing.T, r sim.Result, node string) string {
	t.Helper()
	for _, o := range r.Operations {
		if o.F == history.FDump && o.Node == node {
			var dump history.Dump
			require.NoError(t, json.Unmarshal(o.Output.Raw(), &dump))
			if len(dump.Entries) == 0 {
				return ""
			}
			return dump.Entries[0].Value
		}
	}
	t.Fatalf("no dump of %s", node)
	return ""
}

func isolate(node string, nodes int) []history.Cut {
	var cuts []history.Cut
	for _, other := range plan.NodeNames(nodes) {
		if other != node {
			cuts = append(cuts, history.Cut{From: node, To: other}, history.Cut{From: other, To: node})
		}
	}
	return cuts
}

func TestNothingGoesWrongWithoutFaults(t *testing.T) {
	_, r := written(t, nil, nil)
	assert.Equal(t, map[history.Type]int{history.Ok: 39}, outcomes(r), "one begins at each end and does not count")
	for _, node := range plan.NodeNames(5) {
		assert.Equal(t, "150", dumpOf(t, r, node))
	}
}

// Each fault must show in what clients see or what replicas hold. A fault that
// does nothing would make every "0 of N seeds" worthless.
func TestEveryFaultTakesEffectAndEnds(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]string
		fault    plan.Fault
		ok       bool // whether writes succeed while it lasts
	}{
		"partition":       {nil, plan.Fault{Kind: nemesis.Partition, Cuts: isolate("n1", 5)}, false},
		"one-way cut":     {nil, plan.Fault{Kind: nemesis.Partition, Cuts: nemesis.OneWayCuts([]string{"n1"}, []string{"n2", "n3", "n4", "n5"})}, false},
		"minority cut":    {nil, plan.Fault{Kind: nemesis.Partition, Cuts: isolate("n5", 5)}, true},
		"held messages":   {nil, plan.Fault{Kind: nemesis.Partition, Hold: true, Cuts: isolate("n1", 5)}, false},
		"pause":           {nil, plan.Fault{Kind: nemesis.Pause, Targets: []string{"n1"}}, false},
		"pause majority":  {nil, plan.Fault{Kind: nemesis.Pause, Targets: []string{"n2", "n3", "n4"}}, false},
		"kill":            {nil, plan.Fault{Kind: nemesis.Kill, Targets: []string{"n1"}}, false},
		"kill a minority": {nil, plan.Fault{Kind: nemesis.Kill, Targets: []string{"n4", "n5"}}, true},
		"power":           {nil, plan.Fault{Kind: nemesis.Power, Targets: []string{"n1"}}, false},
		"loss": {nil, plan.Fault{Kind: nemesis.Network, Targets: []string{"n1"},
			Network: &plan.Network{LossPPM: 1_000_000}}, false},
		"delay": {nil, plan.Fault{Kind: nemesis.Network, Targets: []string{"n1"},
			Network: &plan.Network{Delay: plan.Duration(100 * time.Millisecond)}}, false},
		"disks stall": {nil, plan.Fault{Kind: nemesis.Disk, Shape: nemesis.Stall, Targets: []string{"n2", "n3", "n4"}}, false},
		"slow disks": {nil, plan.Fault{Kind: nemesis.Disk, Shape: nemesis.Slow,
			Targets: []string{"n2", "n3", "n4"}, Delay: plan.Duration(100 * time.Millisecond)}, false},
		"full disks": {nil, plan.Fault{Kind: nemesis.Disk, Shape: nemesis.Full, Targets: []string{"n2", "n3", "n4"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, r := written(t, c.settings, nil, c.fault)
			counts := outcomes(r)
			if c.ok {
				assert.Positive(t, counts[history.Ok])
				assert.Zero(t, counts[history.Info]+counts[history.Fail], counts)
			} else {
				assert.Zero(t, counts[history.Ok], counts)
				assert.Positive(t, counts[history.Info]+counts[history.Fail], counts)
			}
			late := map[history.Type]int{}
			for _, o := range r.Operations {
				if o.F == history.FWrite && o.Start > int64(1300*time.Millisecond) {
					late[o.Type]++
				}
			}
			assert.Positive(t, late[history.Ok], "it is over in time")
			assert.Zero(t, late[history.Info]+late[history.Fail], late)
		})
	}
}

func TestAClockFaultDecidesWhichWriteWins(t *testing.T) {
	change := func(p *plan.Plan) {
		one, two := int64(1), int64(2)
		p.Operations = []plan.Operation{
			{Worker: 0, Index: 0, At: plan.Duration(600 * time.Millisecond), F: history.FWrite, Key: "r0.0", Value: &one, Node: "n1"},
			{Worker: 0, Index: 1, At: plan.Duration(700 * time.Millisecond), F: history.FWrite, Key: "r0.0", Value: &two, Node: "n2"},
		}
	}
	for _, c := range []struct {
		clock plan.Clock
		want  string
	}{
		{plan.Clock{Offset: plan.Duration(time.Second)}, "1"},
		{plan.Clock{Offset: plan.Duration(-time.Second)}, "2"},
		{plan.Clock{Offset: plan.Duration(10 * time.Millisecond)}, "2"},
		{plan.Clock{RatePPM: 5_000_000}, "1"}, // after 100 ms it is half a second ahead
		{plan.Clock{Period: plan.Duration(time.Hour), Delta: plan.Duration(time.Second)}, "1"},
	} {
		_, r := written(t, nil, change, plan.Fault{Kind: nemesis.Clock, Targets: []string{"n1"}, Clock: &c.clock})
		assert.Equal(t, c.want, dumpOf(t, r, "n3"), "%+v", c.clock)
	}
}

// What was not synced dies with the power and survives a kill; what was synced survives both.
func TestPowerLosesWhatWasNotSynced(t *testing.T) {
	every := plan.NodeNames(5)
	at := func(kind string) plan.Fault {
		return plan.Fault{Kind: kind, Targets: every, At: plan.Duration(1600 * time.Millisecond), Duration: plan.Duration(100 * time.Millisecond)}
	}
	for _, c := range []struct {
		fsync, kind string
		lost        bool
	}{{"never", nemesis.Power, true}, {"never", nemesis.Kill, false}, {"always", nemesis.Power, false}, {"always", nemesis.Kill, false},
		{"1h", nemesis.Power, true}, {"1h", nemesis.Kill, false}, {"group:5ms", nemesis.Power, false}, {"group:5ms", nemesis.Kill, false}} {
		_, r := written(t, map[string]string{"fsync": c.fsync}, nil, at(c.kind))
		newest := ""
		for _, node := range every {
			newest = max(newest, dumpOf(t, r, node))
		}
		assert.Equal(t, c.lost, newest != "150" && dumpOf(t, r, "n3") != "150", "fsync=%s, %s: the replicas hold up to %s", c.fsync, c.kind, newest)
	}
}

// With fsync=group an acknowledgement waits for the next of its replica's ticks,
// with fsync=DURATION it does not.
func TestGroupsWaitForTheirTick(t *testing.T) {
	median := map[string]time.Duration{}
	for _, fsync := range []string{"always", "30ms", "group:30ms"} {
		_, r := written(t, map[string]string{"fsync": fsync, "w": "5", "request-timeout": "90ms"}, nil)
		var took []time.Duration
		for _, o := range r.Operations {
			if o.F == history.FWrite {
				require.Equal(t, history.Ok, o.Type)
				took = append(took, time.Duration(o.End-o.Start))
			}
		}
		require.Greater(t, len(took), 40)
		slices.Sort(took)
		median[fsync] = took[len(took)/2]
	}
	assert.Less(t, median["30ms"], 10*time.Millisecond)
	assert.Less(t, median["always"], 10*time.Millisecond)
	// The last of five ticks that have nothing to do with each other.
	assert.Greater(t, median["group:30ms"], 15*time.Millisecond)
	assert.Less(t, median["group:30ms"], 40*time.Millisecond)
}

// Messages that a link keeps arrive when it is whole again; those that it drops never do.
func TestHeldMessagesArriveLater(t *testing.T) {
	for hold, want := range map[bool]string{true: "150", false: ""} {
		cut := plan.Fault{Kind: nemesis.Partition, Hold: hold, Cuts: isolate("n5", 5), At: 0, Duration: plan.Duration(1900 * time.Millisecond)}
		_, r := written(t, nil, nil, cut)
		assert.Equal(t, want, dumpOf(t, r, "n5"), "hold %t", hold)
	}
}

func TestDuplicatesAndReorderingChangeNothingThatIsPromised(t *testing.T) {
	for _, network := range []plan.Network{{DuplicatePPM: 1_000_000}, {Jitter: plan.Duration(30 * time.Millisecond)}} {
		_, plain := written(t, nil, nil)
		_, r := written(t, nil, nil, plan.Fault{Kind: nemesis.Network, Targets: plan.NodeNames(5), Network: &network})
		assert.NotEqual(t, plain.Events, r.Events, "it happened")
		for _, node := range plan.NodeNames(5) {
			assert.Equal(t, "150", dumpOf(t, r, node))
		}
	}
}

// Faults are counted: one that ends leaves the others in force.
func TestOverlappingFaultsOfAKindDoNotEndEachOther(t *testing.T) {
	at := func(from, length int) plan.Fault {
		return plan.Fault{Kind: nemesis.Kill, Targets: []string{"n1"}, At: plan.Duration(time.Duration(from) * time.Millisecond), Duration: plan.Duration(time.Duration(length) * time.Millisecond)}
	}
	_, r := written(t, nil, nil, at(400, 100), at(450, 700))
	assert.Zero(t, outcomes(r)[history.Ok])
}

// A plan with its operations written out gives the history of the plan that it was made from.
func TestMaterialisedPlansGiveTheSameHistory(t *testing.T) {
	for seed := range uint64(20) {
		p, system := setUp(t, seed, 5*time.Second, 100, allKinds, nil)
		first, err := sim.Run(t.Context(), p, system, sim.Options{})
		require.NoError(t, err)
		m, err := sim.Materialise(t.Context(), p, system)
		require.NoError(t, err)
		require.NoError(t, m.Validate())
		require.NotEmpty(t, m.Operations)
		second, err := sim.Run(t.Context(), m, system, sim.Options{})
		require.NoError(t, err)
		require.Equal(t, clients(first), clients(second), "seed %d", seed)
	}
}

func clients(r sim.Result) (all []history.Operation) {
	for _, o := range r.Operations {
		if o.Process != history.Nemesis {
			all = append(all, o)
		}
	}
	return all
}

// Taking operations out leaves those that remain as they were, as long as
// they do not touch: that is what shrinking lives on.
func TestOperationsDoNotDependOnOthersThatAreTakenOut(t *testing.T) {
	p, whole := written(t, nil, func(p *plan.Plan) {
		p.Operations = p.Operations[:16]
		for i := range p.Operations { // far enough apart that no replica is busy with the one before
			p.Operations[i].At = plan.Duration(time.Duration(i) * 100 * time.Millisecond)
		}
	})
	half := p.Clone()
	half.Operations = nil
	for i := range p.Operations {
		if i%2 == 0 {
			half.Operations = append(half.Operations, p.Operations[i])
		}
	}
	_, system := setUp(t, 7, 2*time.Second, 100, nil, map[string]string{"n": "5", "w": "3", "r": "3", "repair": "off", "hints": "off", "request-timeout": "50ms"})
	r := run(t, half, system)
	took := map[int64]int64{}
	for _, o := range clients(whole) {
		if value, ok := o.Input.Int(); ok {
			took[value] = o.End - o.Start
		}
	}
	compared := 0
	for _, o := range clients(r) {
		if value, ok := o.Input.Int(); ok {
			require.Equal(t, took[value], o.End-o.Start, "write %d", value)
			compared++
		}
	}
	assert.Equal(t, 8, compared)
}

func TestRecordedEventsAreAValidHistory(t *testing.T) {
	for seed := range uint64(10) {
		p, system := setUp(t, seed, 3*time.Second, 100, allKinds, nil)
		var events []history.Event
		recorded, err := sim.Run(t.Context(), p, system, sim.Options{Record: func(e *history.Event) error {
			events = append(events, *e)
			return nil
		}})
		require.NoError(t, err)
		last := int64(0)
		evidence := 0
		for i, e := range events {
			require.EqualValues(t, i, e.Index)
			require.GreaterOrEqual(t, e.Time, last)
			last = e.Time
			if e.Evidence != nil {
				evidence++
			}
		}
		assert.Positive(t, evidence)
		plain, err := sim.Run(t.Context(), p, system, sim.Options{})
		require.NoError(t, err)
		assert.Equal(t, recorded.Hash, plain.Hash, "being recorded changes nothing")
		brief, err := sim.Run(t.Context(), p, system, sim.Options{Brief: true})
		require.NoError(t, err)
		assert.Equal(t, recorded.Hash, brief.Hash)
	}
}

func TestTheTraceTellsWhatBecameOfMessages(t *testing.T) {
	p, _ := written(t, nil, nil, plan.Fault{Kind: nemesis.Partition, Cuts: isolate("n5", 5)},
		plan.Fault{Kind: nemesis.Kill, Targets: []string{"n4"}})
	_, system := setUp(t, 7, 2*time.Second, 100, nil, map[string]string{"n": "5", "w": "3", "r": "3", "repair": "off", "hints": "off", "request-timeout": "50ms"})
	fates := map[trace.Fate]int{}
	kinds := map[trace.Kind]int{}
	traced, err := sim.Run(t.Context(), p, system, sim.Options{Trace: func(e *trace.Event) {
		require.NoError(t, e.Validate())
		kinds[e.Kind]++
		if e.Kind == trace.Message {
			fates[e.Fate]++
		}
	}})
	require.NoError(t, err)
	assert.Positive(t, fates[trace.Delivered])
	assert.Positive(t, fates[trace.Cut])
	assert.Positive(t, fates[trace.Dead])
	assert.Equal(t, 1, kinds[trace.Down])
	assert.Equal(t, 1, kinds[trace.Up])
	assert.Positive(t, kinds[trace.State])
	assert.Equal(t, run(t, p, system).Hash, traced.Hash, "being traced changes nothing")
	for key, want := range map[string]int{"r0.0": kinds[trace.State], "other": 0} {
		states := 0
		_, err := sim.Run(t.Context(), p, system, sim.Options{TraceKeys: []string{key}, Trace: func(e *trace.Event) {
			if e.Kind == trace.State {
				states++
			}
		}})
		require.NoError(t, err)
		assert.Equal(t, want, states, key)
	}
}

func TestAnOperationForANodeThatDoesNotExistIsAnError(t *testing.T) {
	p, system := setUp(t, 1, time.Second, 100, nil, nil)
	p.Operations = []plan.Operation{{F: history.FRead, Key: "r0.0", Node: "n9"}}
	_, err := sim.Run(t.Context(), p, system, sim.Options{})
	assert.ErrorContains(t, err, `"n9"`)
	_, err = sim.Run(t.Context(), p, struct{ target.System }{system}, sim.Options{})
	var unsupported *sim.UnsupportedError
	assert.ErrorAs(t, err, &unsupported)
}
