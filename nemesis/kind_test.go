package nemesis

import (
	"slices"
	"strings"
	"testing"
	"time"

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
	assert.Equal(t, []string{Partition, Pause, Kill, Clock, Power, Network, Disk, Operator, DiskLoss}, names)
	// The agents know the kinds by the same names.
	assert.Equal(t, []string{protocol.FaultPartition, protocol.FaultPause, protocol.FaultKill, protocol.FaultClock}, ContainerCaps().Kinds())
	for _, k := range Kinds() {
		assert.Equal(t, k.SimulationOnly, ContainerCaps().AllowKinds([]string{k.Name}) != nil, k.Name)
		assert.Equal(t, k.Named, !slices.Contains(SimulationCaps().Kinds(), k.Name), k.Name)
		assert.Equal(t, k.SimulationOnly, strings.HasSuffix(k.Help, " (simulation only)"), k.Help)
		assert.Equal(t, k.SimulationOnly, lookup(k.Name).begin == nil, k.Name)
		assert.Contains(t, swarmKinds, k.Name)
	}
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
		{[]string{"disk", "kill", "power"}, []string{Kill, Power, Disk}},
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
		"pasue": Pause, "non": None, "earthquake": "", "x": "", "disc": Disk, "net": Network, "powre": Power,
	} {
		_, err := ParseKinds([]string{"kill", name})
		var unknown *UnknownKindError
		require.ErrorAs(t, err, &unknown, name)
		assert.Equal(t, name, unknown.Name)
		assert.Equal(t, nearest, unknown.Nearest, name)
		assert.Contains(t, err.Error(), "want some of partition, pause, kill, clock, power, network, disk, operator, disk-loss, or none")
		assert.NotContains(t, err.Error(), "\n")
	}
	_, err := ParseKinds([]string{"partitoin"})
	assert.EqualError(t, err, `unknown nemesis "partitoin" (did you mean partition?): want some of partition, pause, kill, clock, power, network, disk, operator, disk-loss, or none`)
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
		{"the clocks of n2 n4 -1.5s", clockFaultOf("f", 0, s(1), plan.Clock{Offset: ms(-1500)}, "n2", "n4")},
		{"n1's clock drift -20000 ppm", clockFaultOf("f", 0, s(1), drift, "n1")},
		{"n1's clock strobe +300ms every other 7ms", clockFaultOf("f", 0, s(1), strobe, "n1")},
		{"n1's clock unchanged", plan.Fault{Kind: Clock, Targets: []string{"n1"}}},
		{"{n1} | {n2 n3 n4 n5}, messages held back", hold(split([]string{"n1"}, nodes[1:]))},
		{"power of n1 n3 cut", fault("f", Power, 0, s(1), "n1", "n3")},
		{"links of n2 lose 12 %", networkFault(plan.Network{LossPPM: 120_000}, "n2")},
		{"links of n2 n3 lose 0.15 %, deliver 30 % twice", networkFault(plan.Network{LossPPM: 1500, DuplicatePPM: 300_000}, "n2", "n3")},
		{"links of n1 deliver 0.0001 % twice, are slower by 20ms…70ms", networkFault(plan.Network{DuplicatePPM: 1, Delay: ms(20), Jitter: ms(50)}, "n1")},
		{"links of n1 are slower by 5ms", networkFault(plan.Network{Delay: ms(5)}, "n1")},
		{"links of n1 are slower by up to 1.5s", networkFault(plan.Network{Jitter: ms(1500)}, "n1")},
		{"links of n1 unchanged", fault("f", Network, 0, s(1), "n1")},
		{"links of n1 unchanged", networkFault(plan.Network{}, "n1")},
		{"n4's disk stalls", diskFault(Stall, 0, "n4")},
		{"the disks of n4 n5 stall", diskFault(Stall, 0, "n4", "n5")},
		{"n4's disk slower by 20ms a record", diskFault(Slow, ms(20), "n4")},
		{"n4's disk is full", diskFault(Full, 0, "n4")},
		{"the disks of n1 n2 are full", diskFault(Full, 0, "n1", "n2")},
		{"n1's disk fails", diskFault("", 0, "n1")},
		{"flood n1", plan.Fault{Kind: "flood", Targets: []string{"n1"}}},
	}
	for _, test := range tests {
		assert.Equal(t, test.want, Describe(nodes, test.fault))
	}
	// With six nodes each fails to hear only the one opposite.
	six := cuts(RingCuts([]string{"n3", "n1", "n4", "n5", "n2", "n6"}))
	assert.Equal(t, "ring n1 n3 n4 n2 n5 n6: each hears its neighbours only", Describe(plan.NodeNames(6), six))
}

func hold(f plan.Fault) plan.Fault {
	f.Hold = true
	return f
}

func networkFault(n plan.Network, targets ...string) plan.Fault {
	f := fault("f4", Network, 0, s(1), targets...)
	f.Network = &n
	return f
}

func diskFault(shape string, delay plan.Duration, targets ...string) plan.Fault {
	f := fault("f4", Disk, 0, s(1), targets...)
	f.Shape, f.Delay = shape, delay
	return f
}

func TestValidate(t *testing.T) {
	good := []plan.Fault{
		partitionFault("f1", 0, s(1), SplitCuts([]string{"n1"}, []string{"n2"})),
		fault("f2", Kill, s(2), s(1), "n1"), clockFaultOf("f3", s(3), s(1), strobe, "n2"),
	}
	require.NoError(t, Validate(good, plan.NodeNames(3)))
	require.NoError(t, Validate(nil, nil))
	simulated := []plan.Fault{hold(good[0]), fault("f2", Power, 0, s(1), "n1"), networkFault(plan.Network{LossPPM: 1_000_000}, "n2"), diskFault(Slow, 1, "n2")}
	simulated[3].ID = "f5"
	require.NoError(t, Validate(simulated, plan.NodeNames(3)))
	with := func(f plan.Fault, change func(*plan.Fault)) plan.Fault {
		change(&f)
		return f
	}
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
		{"no targets", fault("f4", Power, 0, s(1))},
		{"no targets", networkFault(plan.Network{LossPPM: 1})},
		{"no targets", diskFault(Stall, 0)},
		{`the shape "half" is none of a power's`, plan.Fault{ID: "f4", Kind: Power, Shape: "half", Duration: s(1), Targets: []string{"n1"}}},
		{"a network fault that changes nothing", fault("f4", Network, 0, s(1), "n1")},
		{"a network fault that changes nothing", networkFault(plan.Network{}, "n1")},
		{"1000001 ppm lost, 0 ppm duplicated: want 0…1000000", networkFault(plan.Network{LossPPM: 1_000_001}, "n1")},
		{"0 ppm lost, -1 ppm duplicated", networkFault(plan.Network{DuplicatePPM: -1}, "n1")},
		{"a delay of -1ns, a jitter of 0s: want 0s…1h0m0s", networkFault(plan.Network{Delay: -1}, "n1")},
		{"a jitter of 1h0m0.000000001s", networkFault(plan.Network{Jitter: plan.Duration(time.Hour + 1)}, "n1")},
		{"a disk fault without a shape: want slow, stall or full", diskFault("", 0, "n1")},
		{"a disk that is slower by 0s", diskFault(Slow, 0, "n1")},
		{"a disk that is slower by 1h0m0.000000001s", diskFault(Slow, plan.Duration(time.Hour+1), "n1")},
		{"a delay of 1ms: only the shape slow has one, and this is stall", diskFault(Stall, ms(1), "n1")},
		{`"hold" in a fault of the kind pause: only the kind partition has it`, hold(fault("f4", Pause, 0, s(1), "n1"))},
		{`"cuts" in a fault of the kind kill`, with(good[0], func(f *plan.Fault) { f.ID, f.Kind, f.Targets = "f4", Kill, []string{"n1"} })},
		{`"clock" in a fault of the kind disk`, with(diskFault(Stall, 0, "n1"), func(f *plan.Fault) { f.Clock = &bump })},
		{`"network" in a fault of the kind clock`, with(clockFaultOf("f4", 0, s(1), bump, "n1"), func(f *plan.Fault) { f.Network = &plan.Network{LossPPM: 1} })},
		{`"delay" in a fault of the kind network`, with(networkFault(plan.Network{LossPPM: 1}, "n1"), func(f *plan.Fault) { f.Delay = 1 })},
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
	t.Run("simulation only", func(t *testing.T) {
		c := able()
		c["n1"].Faults[Power] = "" // whatever an agent says
		err := Available(Environment{Capabilities: c, TargetClock: true}, []string{Kill, Power})
		assert.EqualError(t, err, "the nemesis power is not available: only the simulation can do it (on containers a process that is killed loses nothing of what it wrote, because the machine below keeps its power); use --on sim, or leave power out of --nemesis")
	})
}

// refusals returns the refusals that are joined in an error.
func refusals(t *testing.T, err error) []*RefusedError {
	t.Helper()
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok, "%v", err)
	var all []*RefusedError
	for _, e := range joined.Unwrap() {
		var r *RefusedError
		require.ErrorAs(t, e, &r)
		all = append(all, r)
	}
	return all
}

func TestCapsOfKinds(t *testing.T) {
	require.NoError(t, SimulationCaps().AllowKinds([]string{Disk, Network, Power, Clock, Kill, Pause, Partition}))
	require.NoError(t, ContainerCaps().AllowKinds(allKinds))
	require.NoError(t, ContainerCaps().AllowKinds([]string{None}))
	refused := refusals(t, ContainerCaps().AllowKinds([]string{Disk, Kill, Network, Power}))
	require.Len(t, refused, 3)
	for i, kind := range []string{Power, Network, Disk} {
		assert.Equal(t, kind, refused[i].Kind)
		assert.ErrorContains(t, refused[i], "the nemesis "+kind+" is not available: only the simulation can do it (on containers ")
		assert.ErrorContains(t, refused[i], "; use --on sim, or leave "+kind+" out of --nemesis")
	}
	var unknown *UnknownKindError
	require.ErrorAs(t, SimulationCaps().AllowKinds([]string{"flood"}), &unknown)

	caps := SimulationCaps()
	caps.Kinds()[0] = "flood"
	require.NoError(t, caps.AllowKinds([]string{Partition}), "the list is the caller's own")
}

func TestCapsOfSchedules(t *testing.T) {
	cut := partitionFault("f1", 0, s(1), SplitCuts([]string{"n1"}, []string{"n2"}))
	held := hold(cut)
	held.ID = "f2"
	power := fault("f3", Power, 0, s(1), "n1")
	disk := diskFault(Full, 0, "n1")
	more := disk
	more.ID = "f5"
	schedule := []plan.Fault{cut, disk, held, power, more}
	require.NoError(t, SimulationCaps().AllowSchedule(schedule))
	require.NoError(t, ContainerCaps().AllowSchedule([]plan.Fault{cut, fault("f2", Kill, 0, s(1), "n1")}))
	assert.True(t, SimulationCaps().Holds())
	assert.False(t, ContainerCaps().Holds())

	refused := refusals(t, ContainerCaps().AllowSchedule(schedule))
	require.Len(t, refused, 3)
	assert.Equal(t, []string{"f2"}, refused[0].Faults)
	assert.EqualError(t, refused[0], `the nemesis partition (f2) is not available: only the simulation can hold messages back (on containers the agents drop packets and cannot keep them); use --on sim, or take "hold" out of the plan's schedule`)
	assert.Equal(t, Power, refused[1].Kind)
	assert.Equal(t, []string{"f3"}, refused[1].Faults)
	assert.Equal(t, []string{"f4", "f5"}, refused[2].Faults)
	assert.ErrorContains(t, refused[2], "the nemesis disk (f4 f5) is not available")
	assert.ErrorContains(t, refused[2], "; use --on sim, or take f4 f5 out of the plan's schedule")

	var unknown *UnknownKindError
	require.ErrorAs(t, SimulationCaps().AllowSchedule([]plan.Fault{fault("f1", "flood", 0, s(1))}), &unknown)
}
