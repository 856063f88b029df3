package docker

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// reaches says whether node from gets an answer of node to over TCP, soon.
func reaches(c *Cluster, from, to string) bool {
	_, err := get(c, from, "/dial?address="+c.Address(to)+":8080")
	return err == nil
}

// requireReach tries for as long as a busy machine may need.
func requireReach(t *testing.T, c *Cluster, from, to string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !reaches(c, from, to); {
		require.True(t, time.Now().Before(deadline), "%s does not reach %s", from, to)
	}
}

// probe says whether datagrams get from one node to another.
func probe(t *testing.T, c *Cluster, from, to, token string, wait time.Duration) bool {
	call[any](t, c, to, protocol.Request{Op: protocol.OpProcess}) // the agent lives
	_, err := c.Call(t.Context(), from, protocol.Request{Op: protocol.OpProbeSend, Token: token, Addresses: []string{c.Address(to)}})
	require.NoError(t, err)
	seen := call[protocol.Seen](t, c, to, protocol.Request{Op: protocol.OpProbeSeen, Token: token, Addresses: []string{c.Address(from)}, WaitMillis: wait.Milliseconds()})
	return len(seen.Addresses) == 1
}

func TestFaultsOnOneCluster(t *testing.T) {
	c := start(t, engine(t), testSpecs(nodeNames(3))...)
	capabilities, err := c.Capabilities(t.Context(), "n1")
	require.NoError(t, err)
	t.Run("partition", func(t *testing.T) { partitionTest(t, c, capabilities) })
	t.Run("lease", func(t *testing.T) { leaseTest(t, c, capabilities) })
	t.Run("pause and kill", func(t *testing.T) { pauseKillTest(t, c, capabilities) })
	t.Run("crash", func(t *testing.T) { crashTest(t, c) })
	t.Run("clock", func(t *testing.T) { clockTest(t, c, capabilities) })
	t.Run("empty", func(t *testing.T) {
		skipUnless(t, capabilities, protocol.FaultDiskLoss)
		emptyTest(t, c)
	})
	t.Run("reset", func(t *testing.T) { resetTest(t, c) })
	t.Run("requests", func(t *testing.T) { requestsTest(t, c) })
}

func skipUnless(t *testing.T, capabilities protocol.Capabilities, kind string) {
	refusal, known := capabilities.Faults[kind]
	require.True(t, known)
	if refusal != "" {
		t.Skip(refusal)
	}
}

func partitionTest(t *testing.T, c *Cluster, capabilities protocol.Capabilities) {
	skipUnless(t, capabilities, protocol.FaultPartition)
	requireReach(t, c, "n1", "n2")
	require.True(t, probe(t, c, "n1", "n2", "p0", patience))

	// Only n2 stops hearing n1: datagrams get through the other way, TCP does not work either way.
	cuts := call[protocol.Cuts](t, c, "n2", within("f1", protocol.Request{Op: protocol.OpCut, Addresses: []string{c.Address("n1")}}))
	require.Equal(t, []string{c.Address("n1")}, cuts.Addresses)
	require.False(t, probe(t, c, "n1", "n2", "p1", 100*time.Millisecond))
	require.True(t, probe(t, c, "n2", "n1", "p2", patience))
	require.True(t, probe(t, c, "n3", "n2", "p3", patience))
	require.False(t, reaches(c, "n1", "n2"))
	requireReach(t, c, "n1", "n3")
	_, err := get(c, "n2", "/ready")
	require.NoError(t, err, "clients are not cut off")

	// A second fault cuts the same link; healing one does not heal the other.
	cuts = call[protocol.Cuts](t, c, "n2", within("f2", protocol.Request{Op: protocol.OpCut, Addresses: []string{c.Address("n1"), c.Address("n3")}}))
	require.Equal(t, []string{c.Address("n1"), c.Address("n3")}, cuts.Addresses)
	cuts = call[protocol.Cuts](t, c, "n2", protocol.Request{Op: protocol.OpMend, Fault: "f1"})
	require.Equal(t, []string{c.Address("n1"), c.Address("n3")}, cuts.Addresses)
	require.False(t, probe(t, c, "n1", "n2", "p4", 100*time.Millisecond))
	cuts = call[protocol.Cuts](t, c, "n2", protocol.Request{Op: protocol.OpMend, Fault: "f2"})
	require.Empty(t, cuts.Addresses)
	require.GreaterOrEqual(t, cuts.Dropped, uint64(6), "the probes at least were dropped")
	require.True(t, probe(t, c, "n1", "n2", "p5", patience))
	requireReach(t, c, "n1", "n2")
}

func leaseTest(t *testing.T, c *Cluster, capabilities protocol.Capabilities) {
	skipUnless(t, capabilities, protocol.FaultPartition)
	drain(c)
	lease := 300 * time.Millisecond
	expired := NodeEvent{Node: "n2", Event: protocol.Event{Event: protocol.EventLease, Fault: "l1"}}
	for {
		began := time.Now()
		_, err := c.Call(t.Context(), "n2", protocol.Request{Op: protocol.OpCut, Fault: "l1", LeaseMillis: lease.Milliseconds(), Addresses: []string{c.Address("n1")}})
		heard, renewed := false, time.Time{}
		if err == nil {
			heard = probe(t, c, "n1", "n2", "l1 "+lease.String(), 50*time.Millisecond)
			renewed = time.Now()
			_, err = c.Call(t.Context(), "n2", protocol.Request{Op: protocol.OpRenew, Fault: "l1", LeaseMillis: 2 * lease.Milliseconds()})
		}
		if err != nil && time.Since(began) >= lease && lease < patience {
			require.Equal(t, expired, nextEvent(t, c))
			lease *= 2 // the machine is too busy for so short a one
			continue
		}
		require.NoError(t, err)
		require.False(t, heard)
		require.Equal(t, expired, nextEvent(t, c))
		require.GreaterOrEqual(t, time.Since(renewed), 2*lease, "the lease was renewed")
		break
	}
	require.True(t, probe(t, c, "n1", "n2", "l2", patience), "the agent heals by itself")
	_, err := c.Call(t.Context(), "n2", protocol.Request{Op: protocol.OpRenew, Fault: "l1", LeaseMillis: 1000})
	require.ErrorContains(t, err, "no lease")

	// A kill whose lease runs out is a restart.
	call[protocol.Process](t, c, "n2", protocol.Request{Op: protocol.OpKill, Fault: "l3", LeaseMillis: 2000})
	require.Equal(t, protocol.EventExit, nextEvent(t, c).Event.Event)
	require.Equal(t, "l3", nextEvent(t, c).Fault)
	ready(t, c, "n2")
}

// drain drops the events that wait.
func drain(c *Cluster) {
	for {
		select {
		case <-c.Events():
		case <-time.After(50 * time.Millisecond):
			return
		}
	}
}

func nextEvent(t *testing.T, c *Cluster) NodeEvent {
	t.Helper()
	select {
	case e := <-c.Events():
		return e
	case <-time.After(patience):
		require.Fail(t, "no event")
		return NodeEvent{}
	}
}

func pauseKillTest(t *testing.T, c *Cluster, capabilities protocol.Capabilities) {
	skipUnless(t, capabilities, protocol.FaultPause)
	skipUnless(t, capabilities, protocol.FaultKill)
	drain(c)
	stopped := func(p protocol.Process) {
		t.Helper()
		require.NotEmpty(t, p.States)
		require.Empty(t, strings.Trim(p.States, "Tt"), "states %q", p.States)
	}
	before := call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpProcess})
	require.NotZero(t, before.PID)
	stopped(call[protocol.Process](t, c, "n1", within("p1", protocol.Request{Op: protocol.OpPause})))
	_, err := getWithin(silence, c, "n1", "/ready")
	require.Error(t, err, "a paused node does not answer")
	stopped(call[protocol.Process](t, c, "n1", within("p2", protocol.Request{Op: protocol.OpPause})))
	stopped(call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpResume, Fault: "p1"}))

	// It is killed while it is paused, and stays paused when it starts again.
	killed := call[protocol.Process](t, c, "n1", within("k1", protocol.Request{Op: protocol.OpKill}))
	require.Zero(t, killed.PID)
	require.Equal(t, "signal: killed", killed.Exit)
	e := nextEvent(t, c)
	require.Equal(t, protocol.Event{Event: protocol.EventExit, Status: "signal: killed", Expected: true}, e.Event)
	killed = call[protocol.Process](t, c, "n1", within("k2", protocol.Request{Op: protocol.OpKill}))
	require.Zero(t, killed.PID)
	held := call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpSpawn, Fault: "k1"})
	require.Zero(t, held.PID, "the other kill still holds it down")
	held = call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpSpawn, Fault: "k2"})
	require.NotZero(t, held.PID)
	require.NotEqual(t, before.PID, held.PID)
	require.Equal(t, before.Starts+1, held.Starts)
	stopped(held)
	resumed := call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpResume, Fault: "p2"})
	require.Equal(t, held.PID, resumed.PID)
	require.NotContains(t, resumed.States, "T")
	ready(t, c, "n1")
}

func crashTest(t *testing.T, c *Cluster) {
	drain(c)
	_, err := get(c, "n3", "/exit")
	require.Error(t, err)
	e := nextEvent(t, c)
	require.Equal(t, NodeEvent{Node: "n3", Event: protocol.Event{Event: protocol.EventExit, Status: "exit status 7"}}, e)
	p := call[protocol.Process](t, c, "n3", protocol.Request{Op: protocol.OpProcess})
	require.Equal(t, "exit status 7", p.Exit)
	require.Zero(t, p.PID)
	call[protocol.Process](t, c, "n3", protocol.Request{Op: protocol.OpSpawn})
	ready(t, c, "n3")
}

// clockOf returns how far the node's wall clock, as the node tells it, is from
// this machine's; at most by how long the question took it is wrong.
func clockOf(t *testing.T, c *Cluster, node string) (offset, tolerance time.Duration) {
	t.Helper()
	before := time.Now()
	text, err := get(c, node, "/time")
	require.NoError(t, err)
	took := time.Since(before)
	nanos, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return time.Unix(0, nanos).Sub(before), took
}

func clockTest(t *testing.T, c *Cluster, capabilities protocol.Capabilities) {
	skipUnless(t, capabilities, protocol.FaultClock)
	set := func(fault string, k protocol.Clock) protocol.ClockState {
		return call[protocol.ClockState](t, c, "n1", within(fault, protocol.Request{Op: protocol.OpClockSet, Clock: &k}))
	}
	offBy := func(node string, want time.Duration) {
		t.Helper()
		offset, tolerance := clockOf(t, c, node)
		require.GreaterOrEqual(t, offset, want)
		require.LessOrEqual(t, offset, want+tolerance)
	}
	offBy("n1", 0)
	state := set("c1", protocol.Clock{OffsetNanos: int64(time.Hour)})
	require.True(t, state.Patched)
	offBy("n1", time.Hour)
	offBy("n2", 0)
	// Two faults add up, the skew survives a restart, and each heals alone.
	set("c2", protocol.Clock{OffsetNanos: -int64(10 * time.Minute)})
	offBy("n1", 50*time.Minute)
	call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpKill})
	call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpSpawn})
	ready(t, c, "n1")
	offBy("n1", 50*time.Minute)
	call[protocol.ClockState](t, c, "n1", protocol.Request{Op: protocol.OpClockClear, Fault: "c1"})
	offBy("n1", -10*time.Minute)
	state = call[protocol.ClockState](t, c, "n1", protocol.Request{Op: protocol.OpClockClear, Fault: "c2"})
	require.Zero(t, state.OffsetNanos)
	offBy("n1", 0)
}

func resetTest(t *testing.T, c *Cluster) {
	for _, n := range c.Nodes() {
		_, err := get(c, n, "/write?v=old")
		require.NoError(t, err)
	}
	before := call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpProcess})
	_, err := c.Call(t.Context(), "n1", within("r1", protocol.Request{Op: protocol.OpCut, Addresses: []string{c.Address("n2")}}))
	require.NoError(t, err)
	_, err = c.Call(t.Context(), "n2", within("r2", protocol.Request{Op: protocol.OpPause}))
	require.NoError(t, err)
	_, err = c.Call(t.Context(), "n3", within("r3", protocol.Request{Op: protocol.OpKill}))
	require.NoError(t, err)
	require.NoError(t, c.Reset(t.Context()))
	for _, n := range c.Nodes() {
		ready(t, c, n)
		_, err := get(c, n, "/read")
		require.ErrorContains(t, err, "404", "the data are gone")
		_, err = get(c, n, "/write?v=new")
		require.NoError(t, err, "and can be written again")
	}
	requireReach(t, c, "n2", "n1")
	after := call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpProcess})
	require.Equal(t, before.Starts+1, after.Starts)
}

func emptyTest(t *testing.T, c *Cluster) {
	_, err := get(c, "n2", "/write?v=old")
	require.NoError(t, err)
	var refused *AgentError
	_, err = c.Call(t.Context(), "n2", protocol.Request{Op: protocol.OpEmpty, Fault: "e1"})
	require.ErrorAs(t, err, &refused, "no disk is taken from a process that runs")
	require.Contains(t, refused.Error(), `the kill of fault "e1" does not hold the node down`)
	call[protocol.Process](t, c, "n2", within("e1", protocol.Request{Op: protocol.OpKill}))
	_, err = c.Call(t.Context(), "n2", protocol.Request{Op: protocol.OpEmpty, Fault: "another"})
	require.ErrorAs(t, err, &refused)
	emptied := call[protocol.Emptied](t, c, "n2", protocol.Request{Op: protocol.OpEmpty, Fault: "e1"})
	require.Positive(t, emptied.Files)
	require.Positive(t, emptied.Bytes)
	require.Zero(t, emptied.Left)
	call[protocol.Process](t, c, "n2", protocol.Request{Op: protocol.OpSpawn, Fault: "e1"})
	ready(t, c, "n2")
	_, err = get(c, "n2", "/read")
	require.ErrorContains(t, err, "404", "the data are gone")
	_, err = get(c, "n2", "/write?v=new")
	require.NoError(t, err, "and can be written again")

	// A copy that was kept is put back.
	copied := call[protocol.Copied](t, c, "n2", protocol.Request{Op: protocol.OpCopy, Fault: "e2"})
	require.Positive(t, copied.Files)
	_, err = get(c, "n2", "/write?v=newer")
	require.NoError(t, err, "the process goes on")
	call[protocol.Process](t, c, "n2", within("e2", protocol.Request{Op: protocol.OpKill}))
	emptied = call[protocol.Emptied](t, c, "n2", protocol.Request{Op: protocol.OpEmpty, Fault: "e2", Restore: true})
	require.Equal(t, copied, emptied.Restored)
	call[protocol.Process](t, c, "n2", protocol.Request{Op: protocol.OpSpawn, Fault: "e2"})
	ready(t, c, "n2")
	value, err := get(c, "n2", "/read")
	require.NoError(t, err)
	require.Equal(t, "new", value)
	// And another node's copy, which the controller carries.
	_, err = get(c, "n3", "/write?v=other")
	require.NoError(t, err)
	copied = call[protocol.Copied](t, c, "n3", protocol.Request{Op: protocol.OpCopy, Fault: "e4"})
	part := call[protocol.CopyPart](t, c, "n3", protocol.Request{Op: protocol.OpCopyRead, Fault: "e4"})
	require.True(t, part.Last)
	require.Equal(t, copied, call[protocol.Copied](t, c, "n2", protocol.Request{Op: protocol.OpCopyWrite, Fault: "e4", Data: part.Data, Last: true}))
	call[protocol.Process](t, c, "n2", within("e4", protocol.Request{Op: protocol.OpKill}))
	emptied = call[protocol.Emptied](t, c, "n2", protocol.Request{Op: protocol.OpEmpty, Fault: "e4", Restore: true})
	require.Equal(t, copied, emptied.Restored)
	call[protocol.Process](t, c, "n2", protocol.Request{Op: protocol.OpSpawn, Fault: "e4"})
	ready(t, c, "n2")
	value, err = get(c, "n2", "/read")
	require.NoError(t, err)
	require.Equal(t, "other", value)
	_, err = get(c, "n2", "/write?v=newest")
	require.NoError(t, err, "the files are still the node's")
	call[protocol.Process](t, c, "n2", within("e3", protocol.Request{Op: protocol.OpKill}))
	_, err = c.Call(t.Context(), "n2", protocol.Request{Op: protocol.OpEmpty, Fault: "e3", Restore: true})
	require.ErrorContains(t, err, "there is no copy")
	call[protocol.Process](t, c, "n2", protocol.Request{Op: protocol.OpSpawn, Fault: "e3"})
	ready(t, c, "n2")
}

func requestsTest(t *testing.T, c *Cluster) {
	for name, r := range map[string]protocol.Request{
		"no lease":    {Op: protocol.OpPause, Fault: "x"},
		"no identity": {Op: protocol.OpCut, LeaseMillis: 1000, Addresses: []string{"198.19.0.1"}},
		"no address":  within("x", protocol.Request{Op: protocol.OpCut, Addresses: []string{"fe80::1"}}),
		"no clock":    within("x", protocol.Request{Op: protocol.OpClockSet}),
		"unknown":     {Op: "frobnicate"},
	} {
		_, err := c.Call(t.Context(), "n1", r)
		var refused *AgentError
		require.ErrorAs(t, err, &refused, name)
	}
	// Many at once, of all kinds, each with its own answer.
	var group sync.WaitGroup
	errs := make(chan error, 300)
	for i := range 100 {
		for _, r := range []protocol.Request{
			{Op: protocol.OpPing},
			within("m"+strconv.Itoa(i), protocol.Request{Op: protocol.OpCut, Addresses: []string{c.Address("n3")}}),
			{Op: protocol.OpProcess},
		} {
			group.Go(func() {
				_, err := c.Call(t.Context(), "n1", r)
				errs <- err
			})
		}
	}
	group.Wait()
	for range 300 {
		require.NoError(t, <-errs)
	}
	_, err := c.Call(t.Context(), "n1", protocol.Request{Op: protocol.OpReset})
	require.NoError(t, err)
	requireReach(t, c, "n3", "n1")
}
