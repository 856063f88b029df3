package docker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

func TestClusterStartsAndAnswers(t *testing.T) {
	c := start(t, engine(t), testSpecs(nodeNames(3))...)
	for _, n := range c.Nodes() {
		who, err := get(c, n, "/who")
		require.NoError(t, err)
		require.Contains(t, who, n+" uid=65532")
		_, err = get(c, n, "/write?v=hello")
		require.NoError(t, err)
		addresses, err := get(c, n, "/addresses")
		require.NoError(t, err)
		require.Contains(t, addresses, c.Address(n)+"/24")
		require.NotContains(t, addresses, ":", "there must be no IPv6 past the filter")
	}
	_, err := get(c, "n1", "/dial?address=n3:8080")
	require.NoError(t, err)
}

func TestLogsAreComplete(t *testing.T) {
	c := start(t, engine(t), testSpec("n1"))
	const lines = 2000
	for i := range lines {
		_, err := get(c, "n1", fmt.Sprintf("/say?v=line%d", i))
		require.NoError(t, err)
	}
	call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpKill})
	require.NoError(t, c.Close(context.Background()))
	log, err := os.ReadFile(filepath.Join(c.options.LogDirectory, "n1.log"))
	require.NoError(t, err)
	said := strings.Split(strings.TrimSpace(string(log)), "\n")
	require.Len(t, said, lines+1)
	for i, line := range said[1:] {
		require.Equal(t, fmt.Sprintf("line%d", i), line)
	}
	_, open := <-c.Events()
	for open {
		_, open = <-c.Events()
	}
}

func TestClustersSideBySide(t *testing.T) {
	e := engine(t)
	var group sync.WaitGroup
	clusters := make([]*Cluster, 3)
	errs := make([]error, len(clusters))
	for i := range clusters {
		group.Go(func() {
			// One engine connection each, as separate processes have.
			other, err := Connect(t.Context())
			if err != nil {
				errs[i] = err
				return
			}
			clusters[i], errs[i] = other.NewCluster(t.Context(), Options{Run: runName("side"), Nodes: nodeNames(2)})
			if errs[i] == nil {
				errs[i] = clusters[i].Start(t.Context(), testSpecs(clusters[i].Nodes()))
			}
		})
	}
	group.Wait()
	for i, c := range clusters {
		require.NoError(t, errs[i])
		ready(t, c, "n1")
		ready(t, c, "n2")
		requireReach(t, c, "n1", "n2")
	}
	require.NotEqual(t, clusters[0].subnet, clusters[1].subnet)
	require.NotEqual(t, clusters[1].subnet, clusters[2].subnet)
	removed, err := e.Clean(t.Context(), CleanOptions{})
	require.NoError(t, err)
	for _, c := range clusters {
		require.NotContains(t, removed.Runs, c.options.Run)
		ready(t, c, "n1")
		require.NoError(t, c.Close(context.Background()))
		require.Empty(t, containersOf(t, e, c.options.Run))
	}
	left, err := e.remains(t.Context())
	require.NoError(t, err)
	for _, c := range clusters {
		require.NotContains(t, left, c.options.Run, "nothing is left: no network, no volume")
	}
}

func TestSubnetInUse(t *testing.T) {
	e := engine(t)
	run := runName("subnet")
	first, err := e.NewCluster(t.Context(), Options{Run: run, Nodes: []string{"n1"}})
	require.NoError(t, err)
	defer func() { require.NoError(t, first.Close(context.Background())) }()
	taken, err := e.takenSubnets(t.Context())
	require.NoError(t, err)
	require.True(t, overlapsAny(first.subnet, taken))

	_, err = e.NewCluster(t.Context(), Options{Run: run, Nodes: []string{"n1"}})
	require.ErrorContains(t, err, "name of its own", "two runs of one name would remove each other's things")
	// The engine refuses what the list did not show, as when another run is
	// quicker; the next subnet is tried.
	second := &Cluster{engine: e, options: Options{Run: run + "-b"}, created: first.created, owner: first.owner}
	next := int(first.subnet.Addr().As4()[2])
	require.NoError(t, second.createNetworkFrom(t.Context(), next, nil))
	require.NotEqual(t, first.subnet, second.subnet)
	require.NoError(t, e.removeNetwork(t.Context(), second.networkID))
}

func TestFastHeal(t *testing.T) {
	c := start(t, engine(t), testSpecs(nodeNames(2))...)
	capabilities, err := c.Capabilities(t.Context(), "n1")
	require.NoError(t, err)
	skipUnless(t, capabilities, protocol.FaultPartition)
	skipUnless(t, capabilities, protocol.FaultFastHeal)
	// n1 holds a connection to n2 that nobody uses.
	held := make(chan error, 1)
	go func() {
		_, err := get(c, "n1", "/hold?address="+c.Address("n2")+":8080")
		held <- err
	}()
	require.Eventually(t, func() bool { text, err := get(c, "n1", "/holds"); return err == nil && text == "1" }, patience, 5*time.Millisecond)
	call[protocol.Cuts](t, c, "n1", within("f", protocol.Request{Op: protocol.OpCut, Addresses: []string{c.Address("n2")}}))
	select {
	case err := <-held:
		require.Fail(t, "a cut must be silent", "%v", err)
	case <-time.After(100 * time.Millisecond):
	}
	cuts := call[protocol.Cuts](t, c, "n1", protocol.Request{Op: protocol.OpMend, Fault: "f", Fast: true})
	require.Equal(t, 1, cuts.Destroyed)
	require.ErrorContains(t, <-held, "abort", "the program notices at once")
}

func TestExamine(t *testing.T) {
	findings, err := engine(t).Examine(t.Context())
	require.NoError(t, err)
	names := map[string]bool{}
	for _, f := range findings {
		names[f.Name] = true
		require.NotEmpty(t, f.Detail)
		require.True(t, f.OK || f.Remedy != "", "%+v", f)
		t.Logf("%+v", f)
	}
	for _, n := range []string{"engine", "image", "pod", "fault: partition", "fault: pause", "fault: kill", "fault: clock", "fault: fast-heal"} {
		require.Contains(t, names, n)
	}
}

func TestNoEngine(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
	_, err := Connect(t.Context())
	var missing *EngineError
	require.ErrorAs(t, err, &missing)
	require.Contains(t, err.Error(), "no Docker engine answers at unix:///nowhere/docker.sock: start it, or set DOCKER_HOST")
	require.NotContains(t, err.Error(), "\n")
}

func TestOptionsAndSpecsAreChecked(t *testing.T) {
	e := engine(t)
	for _, o := range []Options{{Run: "", Nodes: []string{"n1"}}, {Run: "a b", Nodes: []string{"n1"}}, {Run: "x"}, {Run: "x", Nodes: []string{"n1", "n1"}}, {Run: "x", Nodes: []string{"/"}}, {Run: "x", Nodes: nodeNames(MostNodes + 1)}} {
		_, err := e.NewCluster(t.Context(), o)
		require.Error(t, err, "%v", o)
	}
	for name, specs := range map[string][]Spec{
		"none": nil, "a stranger": {testSpec("n9")}, "two": {testSpec("n1"), testSpec("n1")},
		"no image": {{Node: "n1"}}, "port": {{Node: "n1", Image: "x", ClientPort: 70000}}, "data": {{Node: "n1", Image: "x", DataDirectory: "data"}},
	} {
		c := &Cluster{options: Options{Nodes: []string{"n1"}}, nodes: map[string]*node{"n1": {name: "n1"}}}
		require.Error(t, c.assign(specs), name)
	}
}

// TestPauseRightAfterStart pauses a node while it is still being set up to have
// its clock skewed.
func TestPauseRightAfterStart(t *testing.T) {
	c := start(t, engine(t), testSpec("n1"))
	for range 30 {
		call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpKill})
		call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpSpawn})
		p := call[protocol.Process](t, c, "n1", within("p", protocol.Request{Op: protocol.OpPause}))
		require.NotEmpty(t, p.States)
		require.Empty(t, strings.Trim(p.States, "Tt"), "%q", p.States)
		require.Equal(t, p, call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpProcess}), "and so it stays")
		p = call[protocol.Process](t, c, "n1", protocol.Request{Op: protocol.OpResume, Fault: "p"})
		require.NotZero(t, p.PID)
		ready(t, c, "n1")
	}
}
