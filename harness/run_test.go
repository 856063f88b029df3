package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/checker"
	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
	"github.com/refute-lab/refute/target"
	"github.com/refute-lab/refute/target/leaderless"
	"github.com/refute-lab/refute/target/leaderless/server"
)

// loopback is a Cluster of servers in this process. Its agents have nothing to
// do but to say that all is well, and that a node is paused when they were
// asked to pause it, though it goes on answering.
type loopback struct {
	t        *testing.T
	settings map[string]string
	peers    []server.Peer
	inner    []net.Listener
	clients  []net.Listener
	servers  []*server.Server
	crashes  chan Crash

	mu     sync.Mutex
	paused map[string]bool
	resets int
}

func newLoopback(t *testing.T, n int, settings map[string]string) *loopback {
	c := &loopback{t: t, settings: settings, crashes: make(chan Crash), paused: map[string]bool{}}
	c.listen(n)
	return c
}

// listen gives the nodes their addresses.
func (c *loopback) listen(n int) {
	c.peers, c.inner, c.clients, c.servers = nil, nil, nil, nil
	for _, name := range plan.NodeNames(n) {
		for _, list := range []*[]net.Listener{&c.inner, &c.clients} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(c.t, err)
			*list = append(*list, l)
		}
		c.peers = append(c.peers, server.Peer{Name: name, Address: c.inner[len(c.inner)-1].Addr().String()})
	}
}

// Reset starts the nodes anew, with nothing in their data directories.
func (c *loopback) Reset(ctx context.Context) error {
	if err := c.Close(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	c.resets++
	clear(c.paused)
	c.mu.Unlock()
	c.listen(len(c.peers))
	return c.Start(ctx)
}

func (c *loopback) Start(context.Context) error {
	for i, p := range c.peers {
		s, err := server.Start(server.Config{Name: p.Name, Peers: c.peers, Nodes: c.inner[i], Clients: c.clients[i],
			Data: c.t.TempDir(), Settings: c.settings})
		if err != nil {
			return err
		}
		c.servers = append(c.servers, s)
	}
	return nil
}

func (c *loopback) Close(context.Context) error {
	for _, s := range c.servers {
		require.NoError(c.t, s.Close())
	}
	return nil
}

func (c *loopback) Nodes() []string        { return plan.NodeNames(len(c.peers)) }
func (c *loopback) Crashes() <-chan Crash  { return c.crashes }
func (c *loopback) Expired() <-chan Expiry { return nil }

func (c *loopback) index(node string) (i int) {
	_, err := fmt.Sscanf(node, "n%d", &i)
	require.NoError(c.t, err)
	return i - 1
}

func (c *loopback) Address(node string) string {
	return fmt.Sprintf("198.19.0.%d", c.index(node)+1)
}
func (c *loopback) Endpoint(node string) string { return c.clients[c.index(node)].Addr().String() }

func (c *loopback) Capabilities(context.Context, string) (protocol.Capabilities, error) {
	return protocol.Capabilities{Faults: map[string]string{protocol.FaultPartition: "", protocol.FaultPause: ""}}, nil
}

// anyPaused says whether an agent was asked to pause its node.
func (c *loopback) anyPaused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.paused) > 0
}

func (c *loopback) Call(_ context.Context, node string, r protocol.Request) (protocol.Response, error) {
	c.mu.Lock()
	switch r.Op {
	case protocol.OpPause:
		c.paused[node] = true
	case protocol.OpResume, protocol.OpReset:
		delete(c.paused, node)
	}
	process := protocol.Process{PID: 7, States: "S", Starts: 1}
	if c.paused[node] {
		process.States = "T"
	}
	c.mu.Unlock()
	var result any = process
	if r.Op == protocol.OpProbeSeen {
		result = protocol.Seen{Addresses: r.Addresses}
	}
	raw, err := json.Marshal(result)
	return protocol.Response{Result: raw}, err
}

// testRun prepares a run of half a second without faults.
func testRun(t *testing.T, cluster Cluster, system target.System, p *plan.Plan) (*Run, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.jsonl")
	writer, err := history.Create(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = writer.Close() })
	run, err := NewRun(RunConfig{Plan: p, System: system, Cluster: cluster, Recorder: NewRecorder(writer), Observer: quietObserver{}})
	require.NoError(t, err)
	return run, path
}

func testPlan(t *testing.T, settings map[string]string) (*plan.Plan, target.System) {
	t.Helper()
	p, system, err := NewPlan(Request{Target: leaderless.New(), Nemesis: []string{}, Settings: settings, Seed: 11})
	require.NoError(t, err)
	p.Limits.Time = plan.Duration(500 * time.Millisecond)
	return p, system
}

func TestARunGoesThroughItsPhases(t *testing.T) {
	settings := map[string]string{"n": "5", "w": "3", "r": "3", "repair": "abd"}
	p, system := testPlan(t, settings)
	cluster := newLoopback(t, 5, settings)
	run, path := testRun(t, cluster, system, p)
	require.NoError(t, run.Execute(t.Context()))
	require.NoError(t, cluster.Close(t.Context()))

	operations, _, err := history.ReadFile(t.Context(), path)
	require.NoError(t, err)
	var phases []string
	dumped := map[string]int{}
	finals := map[string]map[string]bool{}
	keys := map[string]bool{}
	clientsEnd, quietStart, finalStart := int64(0), int64(0), int64(0)
	for _, o := range operations {
		switch {
		case o.F == history.FPhase:
			phases = append(phases, o.Key)
			if o.Key == history.PhaseQuiet {
				quietStart = o.Start
			}
			if o.Key == history.PhaseFinals {
				finalStart = o.Start
			}
			assert.Equal(t, history.Ok, o.Type, "%s: %s", o.Key, o.Error)
		case o.F == history.FDump:
			var dump history.Dump
			require.NoError(t, json.Unmarshal(o.Output.Raw(), &dump))
			dumped[o.Node] = len(dump.Entries)
		case finalStart == 0:
			keys[o.Key] = true
			clientsEnd = max(clientsEnd, o.End)
		case o.Type == history.Ok:
			if finals[o.Key] == nil {
				finals[o.Key] = map[string]bool{}
			}
			finals[o.Key][o.Node] = true
		}
	}
	assert.Equal(t, []string{history.PhaseMain, history.PhaseHeal, history.PhaseQuiet, history.PhaseDumps, history.PhaseFinals}, phases)
	assert.Less(t, clientsEnd, quietStart, "the target can only become quiet after the last client operation")
	require.NotEmpty(t, keys)
	for key := range keys {
		assert.Len(t, finals[key], 5, "%s is read on every node in the end", key)
	}
	assert.Len(t, dumped, 5)
	assert.Positive(t, dumped["n1"])

	outcome, err := CheckFile(t.Context(), path, p.Claims, time.Minute)
	require.NoError(t, err)
	assert.Equal(t, checker.Holds, outcome.Report.Verdict, "%+v", outcome.Report)
	assert.Zero(t, outcome.ExitCode())
	outcome.expect = []string{"refuted:linearizable"}
	assert.Equal(t, 1, outcome.ExitCode(), "an expected refutation that did not happen")
}

// stuck is a system whose clients of n1 answer nothing until their deadline.
type stuck struct{ target.System }

type stuckClient struct{ target.Client }

func (s stuck) Connect(node, address string) (target.Client, error) {
	client, err := s.System.Connect(node, address)
	if node != "n1" {
		return client, err
	}
	return stuckClient{client}, err
}

func (stuckClient) Read(ctx context.Context, _ string) (target.Reading, error) {
	<-ctx.Done()
	return target.Reading{}, ctx.Err()
}

func (stuckClient) Write(ctx context.Context, _ string, _ int64) (*history.Evidence, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestHealingNeverWaitsForClients(t *testing.T) {
	p, system := testPlan(t, nil)
	p.Limits.Operation = plan.Duration(4 * time.Second)
	p.Limits.Finals = plan.Duration(100 * time.Millisecond)
	cluster := newLoopback(t, 5, nil)
	run, path := testRun(t, cluster, stuck{system}, p)
	require.NoError(t, run.Execute(t.Context()))
	require.NoError(t, cluster.Close(t.Context()))
	operations, _, err := history.ReadFile(t.Context(), path)
	require.NoError(t, err)
	healed, longest := int64(0), int64(0)
	for _, o := range operations {
		if o.F == history.FPhase && o.Key == history.PhaseHeal {
			healed = o.End
		}
		if o.Node == "n1" && o.Completion >= 0 && o.Type != history.Info {
			longest = max(longest, o.End)
		}
	}
	require.Positive(t, healed)
	assert.Greater(t, longest-healed, int64(time.Second), "clients were still waiting when everything was healed")
}

func TestACrashMakesTheRunInvalid(t *testing.T) {
	p, system := testPlan(t, nil)
	cluster := newLoopback(t, 5, nil)
	run, path := testRun(t, cluster, system, p)
	var group sync.WaitGroup
	group.Go(func() { cluster.crashes <- Crash{Node: "n3", Status: "exit status 2"} })
	require.NoError(t, run.Execute(t.Context()))
	group.Wait()
	require.NoError(t, cluster.Close(t.Context()))
	outcome, err := CheckFile(t.Context(), path, []string{checker.Linearizable}, time.Minute)
	require.NoError(t, err)
	require.Len(t, outcome.Report.Validity, 1)
	assert.Contains(t, outcome.Report.Validity[0], "n3 ended by itself")
	assert.NotZero(t, outcome.ExitCode())
}
