package docker

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// childRun is the variable by which the test's own executable becomes a controller to be killed.
const childRun = "REFUTE_TEST_CONTROLLER"

func TestMain(m *testing.M) {
	if run := os.Getenv(childRun); run != "" {
		if err := controller(context.Background(), run); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// controller starts a cluster, cuts and pauses, says so, and never ends.
func controller(ctx context.Context, run string) error {
	e, err := Connect(ctx)
	if err != nil {
		return err
	}
	c, err := e.NewCluster(ctx, Options{Run: run, Nodes: nodeNames(3)})
	if err != nil {
		return err
	}
	if err := c.Start(ctx, testSpecs(c.Nodes())); err != nil {
		return err
	}
	if _, err := c.Call(ctx, "n1", within("f1", protocol.Request{Op: protocol.OpCut, Addresses: []string{c.Address("n2")}})); err != nil {
		return err
	}
	if _, err := c.Call(ctx, "n2", within("f2", protocol.Request{Op: protocol.OpPause})); err != nil {
		return err
	}
	fmt.Println("ready")
	<-ctx.Done()
	return nil
}

func TestKilledControllerLeavesNothingRunning(t *testing.T) {
	e := engine(t)
	run := runName("killed")
	other := start(t, e, testSpec("n1")) // a run that lives must not be touched
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childRun+"="+run)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)
	require.Len(t, containersOf(t, e, run), 6)

	require.NoError(t, child.Process.Kill())
	_ = child.Wait()
	killed := time.Now()
	for len(containersOf(t, e, run)) > 0 {
		// The agents' own silence would end them too, but later.
		require.Less(t, time.Since(killed), protocol.SilenceSeconds*time.Second*2/3, "containers outlive their controller")
		<-time.After(20 * time.Millisecond)
	}
	t.Logf("all containers were gone after %v", time.Since(killed))

	removed, err := e.Clean(t.Context(), CleanOptions{})
	require.NoError(t, err)
	require.Contains(t, removed.Runs, run)
	require.Contains(t, removed.Networks, "refute-"+run)
	require.Contains(t, removed.Volumes, "refute-"+run+"-n1-data")
	require.False(t, slices.Contains(removed.Runs, other.options.Run))
	again, err := e.Clean(t.Context(), CleanOptions{})
	require.NoError(t, err)
	require.NotContains(t, again.Runs, run)
	_, err = get(other, "n1", "/ready")
	require.NoError(t, err)
}

func containersOf(t *testing.T, e *Engine, run string) []container.Summary {
	t.Helper()
	all, err := e.client.ContainerList(t.Context(), container.ListOptions{All: true, Filters: filterBy(LabelRun + "=" + run)})
	require.NoError(t, err)
	return all
}

func TestDead(t *testing.T) {
	now := time.Now()
	gone := exec.Command(os.Args[0], "-test.run=^$")
	require.NoError(t, gone.Start())
	place, ok := ownerPlace()
	if !ok {
		t.Skip("no /proc here")
	}
	start, ok := startTime(gone.Process.Pid)
	require.True(t, ok)
	goneOwner := fmt.Sprintf("%s/%d/%s", place, gone.Process.Pid, start)
	require.NoError(t, gone.Wait())
	reused := fmt.Sprintf("%s/%d/%s", place, os.Getpid(), "1")
	for _, x := range []struct {
		name string
		r    remains
		dead bool
	}{
		{"lives here", remains{owner: owner(), created: now.Add(-time.Hour)}, false},
		{"ended here, pods still run", remains{owner: goneOwner, created: now, running: true}, true},
		{"ended here, its number is another's", remains{owner: reused, created: now, running: true}, true},
		{"elsewhere, runs", remains{owner: "elsewhere/1/1", created: now.Add(-time.Hour), running: true}, false},
		{"elsewhere, young", remains{owner: "elsewhere/1/1", created: now.Add(-time.Second)}, false},
		{"elsewhere, old, nothing runs", remains{owner: "elsewhere/1/1", created: now.Add(-2 * youth)}, true},
		{"nameless, old", remains{created: now.Add(-2 * youth)}, true},
	} {
		require.Equal(t, x.dead, x.r.dead(now), x.name)
	}
}
