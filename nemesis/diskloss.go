package nemesis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis/agent/protocol"
)

// The shapes of the loss of a disk: what is on the one that takes its place.
const (
	// Wipe leaves nothing on the disk.
	Wipe = "wipe"
	// RestoreSnapshot leaves what was on it when a snapshot was taken: fault.SnapshotAge before.
	RestoreSnapshot = "restore-snapshot"
	// RestoreFrom leaves a copy of what is on the disk of the fault's peer.
	RestoreFrom = "restore-from"
)

// leastAge is the age of the youngest snapshot that is drawn.
const leastAge = 10 * time.Millisecond

// diskLossKind takes a node's disk away: the process is killed as the fault
// begins, and is started when it ends, with another disk. Everything that the
// node had promised hung on that disk. An empty one, an old one and that of a
// neighbour are what operators replace disks with.
func diskLossKind() *kind {
	return &kind{
		name: DiskLoss,
		help: "the disk of nodes is lost: their processes are killed and start again with an empty disk, an old snapshot or another node's data; drawn only where it is asked for by name",
		shapes: []shape{
			{Wipe, "the disk is empty afterwards", 1, false},
			{RestoreSnapshot, "the disk is as it was some time before", 1, false},
			{RestoreFrom, "the disk is a copy of another node's", 2, false},
		},
		named:    true,
		needs:    "the pod to share the node's PID namespace and its data directory",
		resource: process,
		span:     spanOutage,
		draw:     drawDiskLoss,
		describe: describeDiskLoss,
		check:    checkDiskLoss,
		begin: func(n *Nemesis, f *plan.Fault) effect {
			return &diskLoss{kill: newKill(n, f), shape: f.Shape, peer: f.Peer, emptied: map[string]protocol.Emptied{}}
		},
	}
}

// diskLoss is the effect of the loss of disks whose places empty ones take, or
// restored ones: a kill, after which the agents change what is in the data directories.
type diskLoss struct {
	*kill
	shape   string
	peer    string                      // whose disk is copied, of restore-from
	emptied map[string]protocol.Emptied // guarded by kill.mu
}

// copyDisks lets the agents of the fault's targets keep a copy of their data
// directories. What went wrong is told when the fault begins.
func (n *Nemesis) copyDisks(ctx context.Context, f *plan.Fault) {
	err := fan(inOrder(n.nodes, f.Targets), func(node string) error {
		_, err := call[protocol.Copied](ctx, n, node, protocol.Request{Op: protocol.OpCopy, Fault: f.ID})
		return err
	})
	n.mu.Lock()
	defer n.mu.Unlock()
	n.copied[f.ID] = err
}

// carry brings a copy of the peer's data directory, as it is now, to the agents of the fault's targets.
func (d *diskLoss) carry(ctx context.Context) error {
	if _, err := call[protocol.Copied](ctx, d.n, d.peer, protocol.Request{Op: protocol.OpCopy, Fault: d.fault}); err != nil {
		return err
	}
	for offset, last := int64(0), false; !last; {
		part, err := call[protocol.CopyPart](ctx, d.n, d.peer, protocol.Request{Op: protocol.OpCopyRead, Fault: d.fault, Offset: offset})
		if err != nil {
			return err
		}
		last = part.Last
		err = fan(d.targets, func(node string) error {
			_, err := call[protocol.Copied](ctx, d.n, node, protocol.Request{Op: protocol.OpCopyWrite, Fault: d.fault, Offset: offset, Data: part.Data, Last: last})
			return err
		})
		if err != nil {
			return err
		}
		offset += int64(len(part.Data))
	}
	return nil
}

func (d *diskLoss) inject(ctx context.Context) error {
	switch d.shape {
	case RestoreFrom:
		if err := d.carry(ctx); err != nil {
			return fmt.Errorf("the copy of %s's disk: %w", d.peer, err)
		}
	case RestoreSnapshot:
		d.n.mu.Lock()
		failure, taken := d.n.copied[d.fault]
		d.n.mu.Unlock()
		if !taken {
			failure = errors.New("it was not taken")
		}
		if failure != nil {
			return fmt.Errorf("the snapshot: %w", failure)
		}
	}
	if err := d.kill.inject(ctx); err != nil {
		return err
	}
	return fan(d.targets, func(node string) error {
		e, err := call[protocol.Emptied](ctx, d.n, node, protocol.Request{Op: protocol.OpEmpty, Fault: d.fault, Restore: d.shape != Wipe})
		if err != nil {
			return err
		}
		d.mu.Lock()
		d.emptied[node] = e
		d.mu.Unlock()
		return nil
	})
}

// verify wants the process gone and the directory empty, of which the agent
// tells what was in it, or full of what was restored. One that was empty before
// has lost nothing.
func (d *diskLoss) verify(ctx context.Context, until time.Time) observation {
	seen := d.kill.verify(ctx, until)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, node := range d.targets {
		e, ok := d.emptied[node]
		seen.ok = seen.ok && ok && e.Files > 0
		if d.shape != Wipe {
			seen.ok = seen.ok && e.Left > 0 && e.Restored.Files > 0
			seen.text += fmt.Sprintf("; %s: %d files of %d bytes removed, %d of %d bytes restored", node, e.Files, e.Bytes, e.Restored.Files, e.Restored.Bytes)
			if d.peer != "" {
				seen.text += " from " + d.peer
			}
			continue
		}
		seen.ok = seen.ok && e.Left == 0
		seen.text += fmt.Sprintf("; %s: %d files of %d bytes removed, %d left", node, e.Files, e.Bytes, e.Left)
	}
	return seen
}

func drawDiskLoss(r *rand.Rand, nodes []string, _ bool, f *plan.Fault) {
	picked := shuffled(r, nodes)
	f.Targets = picked[:1:1]
	switch f.Shape {
	case RestoreSnapshot:
		f.SnapshotAge = drawAge(r)
	case RestoreFrom:
		f.Peer = picked[1]
	}
}

// drawAge draws how old a snapshot is.
func drawAge(r *rand.Rand) plan.Duration {
	return plan.Duration(logUniform(r, int64(leastAge), int64(20*time.Second), int64(time.Millisecond)))
}

func describeDiskLoss(_ []string, f *plan.Fault) string {
	text, several := owned(f.Targets, "disk")
	is := " is "
	if several {
		is = " are "
	}
	switch f.Shape {
	case Wipe:
		return text + is + "lost, and empty afterwards"
	case RestoreSnapshot:
		return text + is + "lost, and restored from " + shortDuration(time.Duration(f.SnapshotAge)) + " before"
	case RestoreFrom:
		return text + is + "lost, and rebuilt from " + f.Peer + "'s"
	}
	return strings.TrimSpace(text + is + "lost")
}

func checkDiskLoss(nodes []string, f *plan.Fault) error {
	if err := checkTargets(nodes, f); err != nil {
		return err
	}
	switch {
	case f.Shape == "":
		return errors.New("a disk that is lost without a shape: want wipe, restore-snapshot or restore-from")
	case f.Shape == RestoreSnapshot && f.SnapshotAge <= 0:
		return fmt.Errorf("a snapshot that is %s old: want \"snapshot_age\" above 0s", f.SnapshotAge)
	case f.Shape != RestoreSnapshot && f.SnapshotAge != 0:
		return fmt.Errorf("\"snapshot_age\" in a fault of the shape %s: only %s has it", f.Shape, RestoreSnapshot)
	}
	return checkPeer(f, RestoreFrom, "the node whose disk is copied")
}
