package nemesis

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/refute-lab/refute/harness/history"
	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

func lossFault(shape, peer string, age plan.Duration, targets ...string) plan.Fault {
	f := fault("f", DiskLoss, s(2), s(1), targets...)
	f.Shape, f.Peer, f.SnapshotAge = shape, peer, age
	return f
}

func operatorFault(shape, peer string, targets ...string) plan.Fault {
	f := fault("f", Operator, s(2), s(1), targets...)
	f.Shape, f.Peer = shape, peer
	return f
}

func TestDescribeDeliberateFaults(t *testing.T) {
	nodes := plan.NodeNames(5)
	for want, f := range map[string]plan.Fault{
		"n1's disk is lost, and empty afterwards":           lossFault(Wipe, "", 0, "n1"),
		"the disks of n1 n2 are lost, and empty afterwards": lossFault(Wipe, "", 0, "n1", "n2"),
		"n1's disk is lost, and restored from 1.5s before":  lossFault(RestoreSnapshot, "", ms(1500), "n1"),
		"n2's disk is lost, and rebuilt from n3's":          lossFault(RestoreFrom, "n3", 0, "n2"),
		"n1 n2 are repaired":                                operatorFault(Repair, "", "n1", "n2"),
		"n4 joins the ring":                                 operatorFault(Join, "", "n4"),
		"n4 leaves the ring":                                operatorFault(Leave, "", "n4"),
		"n4 takes the place of n2":                          operatorFault(Replace, "n2", "n4"),
		"a snapshot of n4 is taken":                         operatorFault(Snapshot, "", "n4"),
		"n4 compacts its log":                               operatorFault(Compact, "", "n4"),
	} {
		assert.Equal(t, want, Describe(nodes, f))
		assert.NoError(t, Validate([]plan.Fault{f}, nodes))
	}
}

func TestWrongDeliberateFaults(t *testing.T) {
	nodes := plan.NodeNames(5)
	kill := fault("f", Kill, 0, s(1), "n1")
	kill.Peer = "n2"
	aged := operatorFault(Repair, "", "n1")
	aged.SnapshotAge = ms(5)
	for want, f := range map[string]plan.Fault{
		"want wipe, restore-snapshot or restore-from": lossFault("", "", 0, "n1"),
		`restore-from without "peer"`:                 lossFault(RestoreFrom, "", 0, "n1"),
		`"peer" in a fault of the shape wipe`:         lossFault(Wipe, "n2", 0, "n1"),
		"n1 is its own peer":                          lossFault(RestoreFrom, "n1", 0, "n1"),
		`want "snapshot_age" above 0s`:                lossFault(RestoreSnapshot, "", 0, "n1"),
		`"snapshot_age" in a fault of the shape wipe`: lossFault(Wipe, "", ms(1), "n1"),
		"no targets": lossFault(Wipe, "", 0),
		"want repair, snapshot, compact, join, leave or replace":   operatorFault("", "", "n1"),
		`replace without "peer"`:                                   operatorFault(Replace, "", "n1"),
		"2 nodes that take one place":                              operatorFault(Replace, "n3", "n1", "n2"),
		`"peer" in a fault of the shape join`:                      operatorFault(Join, "n3", "n1"),
		`only the kind operator or disk-loss has it`:               kill,
		`"snapshot_age" in a fault of the kind operator: only the`: aged,
	} {
		assert.ErrorContains(t, Validate([]plan.Fault{f}, nodes), want)
	}
}

// Every shape is drawn, and each is a fault that may stand in a plan.
func TestDeliberateFaultsAreDrawn(t *testing.T) {
	nodes := plan.NodeNames(5)
	kinds := []string{Operator, DiskLoss}
	shapes := map[string]bool{}
	for seed := range uint64(60) {
		for _, schedule := range [][]plan.Fault{Schedule(seed, kinds, nodes, time.Minute, ScheduleOptions{}), Swarm(seed, kinds, nodes, time.Minute, SwarmOptions{})} {
			require.NoError(t, Validate(schedule, nodes))
			for _, f := range schedule {
				shapes[f.Kind+" "+f.Shape] = true
			}
		}
		for _, f := range Schedule(seed, kinds, nodes, time.Minute, ScheduleOptions{Caps: ContainerCaps()}) {
			require.NoError(t, ContainerCaps().AllowSchedule([]plan.Fault{f}))
		}
	}
	assert.Len(t, shapes, 9)
	assert.NotContains(t, SimulationCaps().Kinds(), DiskLoss, "only by name")
	assert.NoError(t, SimulationCaps().AllowKinds(kinds))
	assert.NoError(t, ContainerCaps().AllowKinds(kinds))
	assert.NoError(t, ContainerCaps().AllowSchedule([]plan.Fault{lossFault(RestoreFrom, "n3", 0, "n2")}))
	assert.NoError(t, SimulationCaps().AllowSchedule([]plan.Fault{lossFault(RestoreFrom, "n3", 0, "n2")}))
}

// A wiped disk: the process is killed, the agent empties the directory, and the node starts anew.
func TestDiskLossIsVerified(t *testing.T) {
	for files, lost := range map[int]bool{4: true, 0: false} { // a directory that had nothing in it has lost nothing
		synctest.Test(t, func(t *testing.T) {
			b := newBench(3)
			b.node["n2"].files = files
			require.NoError(t, b.nemesis.Run(t.Context(), []plan.Fault{lossFault(Wipe, "", 0, "n2")}))
			_, _, inject := b.tape.of(t, history.FInject, "f")
			_, _, heal := b.tape.of(t, history.FHeal, "f")
			assert.Equal(t, lost, inject.Verified, inject.Evidence)
			assert.Contains(t, inject.Evidence, "signal: killed")
			assert.Contains(t, inject.Evidence, fmt.Sprintf("%d files of %d bytes removed, 0 left", files, 100*files))
			assert.True(t, heal.Verified, heal.Evidence)
			assert.Contains(t, heal.Evidence, "ready after")
			assert.Empty(t, b.harm())
		})
	}
}

// A restored disk: the copy is taken ahead of the fault, and put back when the process is down.
func TestRestoredDisksAreVerified(t *testing.T) {
	for name, c := range map[string]struct {
		lie  func(string, protocol.Request) (any, bool, error)
		want string
	}{
		"restored": {nil, "5 files of 500 bytes removed, 3 of 300 bytes restored"},
		"not taken": {func(_ string, r protocol.Request) (any, bool, error) {
			if r.Op == protocol.OpCopy {
				return nil, true, errors.New("no room")
			}
			return nil, false, nil
		}, "the snapshot: n2: copy: no room"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(3)
				b.lie = c.lie
				b.node["n2"].files = 3
				time.AfterFunc(1500*time.Millisecond, func() {
					b.mu.Lock()
					defer b.mu.Unlock()
					b.node["n2"].files = 5 // since the snapshot
				})
				require.NoError(t, b.nemesis.Run(t.Context(), []plan.Fault{lossFault(RestoreSnapshot, "", ms(1000), "n2")}))
				_, _, inject := b.tape.of(t, history.FInject, "f")
				_, _, heal := b.tape.of(t, history.FHeal, "f")
				assert.Equal(t, c.lie == nil, inject.Verified, inject.Evidence)
				assert.Contains(t, inject.Evidence, c.want)
				assert.True(t, heal.Verified, heal.Evidence)
				assert.Empty(t, b.harm())
			})
		})
	}
}

// A disk that is rebuilt from another node's: its agent copies, the controller
// carries the copy in parts, and it is put in place when the process is down.
func TestCopiedDisksAreVerified(t *testing.T) {
	for name, c := range map[string]struct {
		lie  func(string, protocol.Request) (any, bool, error)
		peer int
		want string
		ok   bool
	}{
		"copied":        {nil, 3, "5 files of 500 bytes removed, 3 of 300 bytes restored from n3", true},
		"nothing there": {nil, 0, "0 of 0 bytes restored from n3", false},
		"not carried": {func(_ string, r protocol.Request) (any, bool, error) {
			if r.Op == protocol.OpCopyWrite && r.Offset > 0 {
				return nil, true, errors.New("no room")
			}
			return nil, false, nil
		}, 3, "the copy of n3's disk: n2: copy-write: no room", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(3)
				b.lie = c.lie
				b.node["n2"].files, b.node["n3"].files = 5, c.peer
				require.NoError(t, b.nemesis.Run(t.Context(), []plan.Fault{lossFault(RestoreFrom, "n3", 0, "n2")}))
				_, _, inject := b.tape.of(t, history.FInject, "f")
				_, _, heal := b.tape.of(t, history.FHeal, "f")
				assert.Equal(t, c.ok, inject.Verified, inject.Evidence)
				assert.Contains(t, inject.Evidence, c.want)
				assert.True(t, heal.Verified, heal.Evidence)
				assert.Empty(t, b.harm())
			})
		})
	}
}

type commander struct {
	given []string
	fail  error
}

func (c *commander) Operate(_ context.Context, node, command, peer string) (string, error) {
	c.given = append(c.given, node+" "+command+" "+peer)
	return "has begun", c.fail
}

func TestCommandsAreGiven(t *testing.T) {
	schedule := []plan.Fault{operatorFault(Replace, "n3", "n2")}
	run := func(c Commander) (inject, heal history.Fault, err error) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(3)
			b.nemesis.operator = c
			if err = b.nemesis.Run(t.Context(), schedule); err == nil {
				_, _, inject = b.tape.of(t, history.FInject, "f")
				_, _, heal = b.tape.of(t, history.FHeal, "f")
			}
		})
		return inject, heal, err
	}
	_, _, err := run(nil)
	var refused *RefusedError
	require.ErrorAs(t, err, &refused)
	assert.Contains(t, refused.Error(), "takes no commands")

	c := &commander{}
	inject, heal, err := run(c)
	require.NoError(t, err)
	assert.Equal(t, []string{"n2 replace n3"}, c.given)
	assert.True(t, inject.Verified)
	assert.Equal(t, "n2: has begun", inject.Evidence)
	assert.True(t, heal.Verified)

	inject, _, err = run(&commander{fail: errors.New("nobody there")})
	require.NoError(t, err)
	assert.False(t, inject.Verified)
	assert.Contains(t, inject.Evidence, "n2: replace: nobody there")
}
