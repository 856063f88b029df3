package nemesis

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

func TestKindsDescribeEverything(t *testing.T) {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
		assert.NotEmpty(t, k.Help)
		assert.NotEmpty(t, k.Shapes)
		seen := map[string]bool{}
		for _, shape := range k.Shapes {
			assert.NotEmpty(t, shape.Help)
			assert.False(t, seen[shape.Name], shape.Name)
			seen[shape.Name] = true
		}
	}
	assert.Equal(t, []string{Partition, Pause, Kill, Clock}, names)
	// The agents know the kinds by the same names.
	assert.Equal(t, []string{protocol.FaultPartition, protocol.FaultPause, protocol.FaultKill, protocol.FaultClock}, names)
}

func TestParseKinds(t *testing.T) {
	tests := []struct {
		in   []string
		want []string
	}{
		{nil, []string{}},
		{[]string{"none"}, []string{}},
		{[]string{""}, []string{}},
		{[]string{"none", "partition"}, []string{Partition}},
		{[]string{"kill", " pause ", "kill"}, []string{Pause, Kill}},
		{[]string{"clock", "kill", "partition", "pause"}, allKinds},
	}
	for _, test := range tests {
		got, err := ParseKinds(test.in)
		require.NoError(t, err)
		assert.Equal(t, test.want, got)
	}
}

func TestUnknownKinds(t *testing.T) {
	for name, nearest := range map[string]string{
		"partitions": Partition, "part": Partition, "patition": Partition, "Kill": Kill, "kil": Kill, "clocks": Clock,
		"pasue": Pause, "non": None, "earthquake": "", "x": "",
	} {
		_, err := ParseKinds([]string{"kill", name})
		var unknown *UnknownKindError
		require.ErrorAs(t, err, &unknown, name)
		assert.Equal(t, name, unknown.Name)
		assert.Equal(t, nearest, unknown.Nearest, name)
		assert.Contains(t, err.Error(), "want some of partition, pause, kill, clock, or none")
		assert.NotContains(t, err.Error(), "\n")
	}
	_, err := ParseKinds([]string{"partitoin"})
	assert.EqualError(t, err, `unknown nemesis "partitoin" (did you mean partition?): want some of partition, pause, kill, clock, or none`)
}

func TestDescribe(t *testing.T) {
	nodes := plan.NodeNames(5)
	split := func(left, right []string) plan.Fault { return partitionFault("f", 0, s(1), SplitCuts(left, right)) }
	cuts := func(c []history.Cut) plan.Fault { return partitionFault("f", 0, s(1), c) }
	tests := []struct {
		want  string
		fault plan.Fault
	}{
		{"{n1 n2} | {n3 n4 n5}", split([]string{"n2", "n1"}, []string{"n5", "n4", "n3"})},
		{"{n1 n2 n3 n5} | {n4}", split([]string{"n4"}, []string{"n1", "n2", "n3", "n5"})},
		{"{n1} | {n2 n3} | {n4 n5}", cuts(append(split([]string{"n1"}, nodes[1:]).Cuts, SplitCuts([]string{"n2", "n3"}, []string{"n4", "n5"})...))},
		{"n4 hears no one", cuts(OneWayCuts([]string{"n1", "n2", "n3", "n5"}, []string{"n4"}))},
		{"no one hears n4", cuts(OneWayCuts([]string{"n4"}, []string{"n1", "n2", "n3", "n5"}))},
		{"{n3 n4 n5} hear nothing from {n1 n2}", cuts(OneWayCuts([]string{"n1", "n2"}, []string{"n3", "n4", "n5"}))},
		{"n5 hears nothing from n1", cuts(OneWayCuts([]string{"n1"}, []string{"n5"}))},
		{"{n1 n2} | {n4 n5}, n3 hears both", cuts(BridgeCuts([]string{"n1", "n2"}, []string{"n4", "n5"}))},
		{"ring n1 n3 n5 n2 n4: each hears its neighbours only", cuts(RingCuts([]string{"n3", "n5", "n2", "n4", "n1"}))},
		{"cut n1→n2, n2→n3, n3→n1", cuts([]history.Cut{{From: "n1", To: "n2"}, {From: "n2", To: "n3"}, {From: "n3", To: "n1"}})},
		{"no link cut", cuts(nil)},
		{"kill n1 n3 n5", fault("f", Kill, 0, s(1), "n1", "n3", "n5")},
		{"pause n2", fault("f", Pause, 0, s(1), "n2")},
		{"n2's clock +3.2s", clockFaultOf("f", 0, s(1), bump, "n2")},
		{"n2's n4's clocks -1.5s", clockFaultOf("f", 0, s(1), plan.Clock{Offset: ms(-1500)}, "n2", "n4")},
		{"n1's clock drift -20000 ppm", clockFaultOf("f", 0, s(1), drift, "n1")},
		{"n1's clock strobe +300ms every other 7ms", clockFaultOf("f", 0, s(1), strobe, "n1")},
		{"n1's clock unchanged", plan.Fault{Kind: Clock, Targets: []string{"n1"}}},
		{"flood n1", plan.Fault{Kind: "flood", Targets: []string{"n1"}}},
	}
	for _, test := range tests {
		assert.Equal(t, test.want, Describe(nodes, test.fault))
	}
	// With six nodes each fails to hear only the one opposite.
	six := cuts(RingCuts([]string{"n3", "n1", "n4", "n5", "n2", "n6"}))
	assert.Equal(t, "ring n1 n3 n4 n2 n5 n6: each hears its neighbours only", Describe(plan.NodeNames(6), six))
}

func TestValidate(t *testing.T) {
	good := []plan.Fault{
		partitionFault("f1", 0, s(1), SplitCuts([]string{"n1"}, []string{"n2"})),
		fault("f2", Kill, s(2), s(1), "n1"), clockFaultOf("f3", s(3), s(1), strobe, "n2"),
	}
	require.NoError(t, Validate(good, plan.NodeNames(3)))
	require.NoError(t, Validate(nil, nil))
	tests := []struct {
		want  string
		fault plan.Fault
	}{
		{"it has no id", fault("", Kill, 0, s(1), "n1")},
		{"another fault has the same id", fault("f2", Kill, 0, s(1), "n1")},
		{`unknown nemesis "kil" (did you mean kill?)`, fault("f4", "kil", 0, s(1), "n1")},
		{`the shape "bump" is none of a kill's: want one, minority, majority, all`, plan.Fault{ID: "f4", Kind: Kill, Shape: Bump, Duration: s(1), Targets: []string{"n1"}}},
		{"it starts at -1s and lasts 1s", fault("f4", Kill, s(-1), s(1), "n1")},
		{"it starts at 0s and lasts 0s", fault("f4", Kill, 0, 0, "n1")},
		{`there is no node "n4"`, fault("f4", Kill, 0, s(1), "n4")},
		{"no targets", fault("f4", Pause, 0, s(1))},
		{"a partition without cuts", fault("f4", Partition, 0, s(1), "n1")},
		{`the cut n1→n9: there is no node "n9"`, partitionFault("f4", 0, s(1), []history.Cut{{From: "n1", To: "n9"}})},
		{"the cut n1→n1: a node cannot be cut off itself", partitionFault("f4", 0, s(1), []history.Cut{{From: "n1", To: "n1"}})},
		{"a clock fault that changes nothing", fault("f4", Clock, 0, s(1), "n1")},
		{"a clock fault that changes nothing", clockFaultOf("f4", 0, s(1), plan.Clock{}, "n1")},
		{"a strobe wants a period above 0 and a delta", clockFaultOf("f4", 0, s(1), plan.Clock{Period: ms(1)}, "n1")},
		{"a strobe wants a period above 0 and a delta", clockFaultOf("f4", 0, s(1), plan.Clock{Period: ms(-1), Delta: ms(1)}, "n1")},
		{"want at most", clockFaultOf("f4", 0, s(1), plan.Clock{Offset: plan.Duration(-1 << 63)}, "n1")},
		{"a drift of -1000001 ppm", clockFaultOf("f4", 0, s(1), plan.Clock{RatePPM: -1_000_001}, "n1")},
		{"no targets", clockFaultOf("f4", 0, s(1), bump)},
	}
	for _, test := range tests {
		err := Validate(append(good[:3:3], test.fault), plan.NodeNames(3))
		var mistake *ScheduleError
		require.ErrorAs(t, err, &mistake, test.want)
		assert.Equal(t, 4, mistake.Position)
		assert.ErrorContains(t, err, test.want)
	}
}

func TestAvailable(t *testing.T) {
	able := func() map[string]protocol.Capabilities {
		all := map[string]protocol.Capabilities{}
		for _, node := range plan.NodeNames(3) {
			all[node] = protocol.Capabilities{Version: "abc", Faults: map[string]string{Partition: "", Pause: "", Kill: "", Clock: ""}}
		}
		return all
	}
	require.NoError(t, Available(Environment{Capabilities: able(), TargetClock: true}, allKinds))
	require.NoError(t, Available(Environment{Capabilities: able()}, []string{Partition, Pause, Kill}))
	require.NoError(t, Available(Environment{}, []string{None}))

	t.Run("an agent cannot", func(t *testing.T) {
		c := able()
		c["n1"].Faults[Partition] = "nf_tables is not in this kernel: load the module"
		c["n3"].Faults[Partition] = c["n1"].Faults[Partition]
		err := Available(Environment{Capabilities: c, TargetClock: true}, allKinds)
		assert.EqualError(t, err, "the nemesis partition is not available on n1 n3: nf_tables is not in this kernel: load the module; or leave partition out of --nemesis")
		require.NoError(t, Available(Environment{Capabilities: c, TargetClock: true}, []string{Kill}), "what is not asked for does not matter")
	})
	t.Run("an agent does not know", func(t *testing.T) {
		c := able()
		delete(c["n2"].Faults, Clock)
		assert.ErrorContains(t, Available(Environment{Capabilities: c, TargetClock: true}, allKinds), "the nemesis clock is not available on n2: its agent (abc) does not know this fault")
	})
	t.Run("the target has no clock", func(t *testing.T) {
		err := Available(Environment{Capabilities: able(), Target: "redis"}, allKinds)
		var refused *RefusedError
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, Clock, refused.Kind)
		assert.ErrorContains(t, err, "the target redis does not tell its nodes' clocks")
		assert.ErrorContains(t, err, "leave clock out of --nemesis")
	})
	t.Run("too few nodes", func(t *testing.T) {
		c := able()
		delete(c, "n2")
		delete(c, "n3")
		assert.ErrorContains(t, Available(Environment{Capabilities: c}, []string{Partition}), "it needs at least 2 nodes and there are 1")
		require.NoError(t, Available(Environment{Capabilities: c}, []string{Kill, Pause}))
	})
	t.Run("unknown", func(t *testing.T) {
		var unknown *UnknownKindError
		require.ErrorAs(t, Available(Environment{}, []string{"flood"}), &unknown)
	})
}
