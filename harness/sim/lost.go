package sim

import (
	"fmt"
	"slices"

	"github.com/refute-lab/refute/harness/plan"
	"github.com/refute-lab/refute/nemesis"
	"github.com/refute-lab/refute/target/leaderless/core"
)

// Lost disks and what operators do. A disk that is lost is another one
// afterwards: empty, as it was once, or a copy of another node's. Records are
// never changed once they are on a disk, so that a copy of all is a list.

// copied returns what a copy of the disk's files would have: all that the
// operating system knows, whether or not it is durable.
func (d *disk) copied() [][]byte { return slices.Concat(d.durable, d.cached) }

// replace puts another disk in the place of this one, whose process is down.
func (d *disk) replace(records [][]byte) {
	*d = disk{durable: append(d.emptied().durable, records...), stalled: d.stalled, full: d.full, slow: d.slow, power: d.power + 1}
}

// compact rewrites the log: what the node wants in it, and what is on its way.
func (d *disk) compact(node *core.Node) {
	var records [][]byte
	for record := range node.Records {
		records = append(records, record)
	}
	clear(d.durable)
	clear(d.cached)
	clear(d.buffer)
	d.durable, d.cached, d.buffer = append(d.durable[:0], records...), d.cached[:0], d.buffer[:0]
}

// awaitSnapshots sees to the snapshots from which disks will be restored.
func (w *World) awaitSnapshots() {
	for number := range w.schedule {
		if f := &w.schedule[number]; f.SnapshotAge > 0 && int64(f.At) < w.deadline {
			*w.queue.add(max(0, int64(f.At-f.SnapshotAge))) = occurrence{kind: happensSnapshot, id: uint64(number)}
		}
	}
}

// snapshot takes those of a fault.
func (w *World) snapshot(number int) {
	f := &w.schedule[number]
	for _, target := range f.Targets {
		w.faults[number].copies = append(w.faults[number].copies, w.hosts[w.hostOf(target)].disk.copied())
	}
}

// applyDiskLoss kills the target and gives it another disk, with which it starts again.
func (w *World) applyDiskLoss(i, number int, f *plan.Fault, count int) {
	h := &w.hosts[i]
	h.killed += count
	w.live(i, number, count > 0, false)
	if count < 0 {
		return
	}
	var records [][]byte
	switch f.Shape {
	case nemesis.RestoreSnapshot:
		records = w.faults[number].copies[slices.IndexFunc(f.Targets, func(name string) bool { return w.hostOf(name) == i })]
	case nemesis.RestoreFrom:
		records = w.hosts[w.hostOf(f.Peer)].disk.copied()
	}
	was, is := len(h.disk.copied()), len(records)
	if f.Shape != nemesis.Wipe {
		records = append(slices.Clip(records), core.CopiedLog())
	}
	h.disk.replace(records)
	w.say(number, fmt.Sprintf("%s's disk had %d records and has %d", w.nodes[i], was, is))
}

// say adds to the evidence of a fault.
func (w *World) say(number int, text string) {
	if !w.options.Brief {
		w.faults[number].said = append(w.faults[number].said, text)
	}
}

// commands are what the core understands.
var commands = map[string]core.AdminKind{
	nemesis.Repair: core.AdminRepair, nemesis.Join: core.AdminJoin, nemesis.Leave: core.AdminLeave, nemesis.Replace: core.AdminReplace,
}

// operate gives an operator's command to a node as the fault begins, and looks
// how far the node has come as it ends.
func (w *World) operate(i, number int, f *plan.Fault, begins bool) {
	h := &w.hosts[i]
	name := w.nodes[i]
	if h.node == nil || h.paused > 0 {
		w.faults[number].unseen = w.faults[number].unseen || begins
		w.say(number, name+" does not run")
		return
	}
	if !begins {
		w.say(number, w.progress(i))
		return
	}
	switch f.Shape {
	case nemesis.Snapshot:
		// It is no part of the run's state: only a disk that is lost has a use for one.
		w.say(number, fmt.Sprintf("%s's snapshot has %d records", name, len(h.disk.copied())))
	case nemesis.Compact:
		was := len(h.disk.copied())
		h.disk.compact(h.node)
		w.say(number, fmt.Sprintf("%s's log had %d records and has %d", name, was, len(h.disk.copied())))
	default:
		admin := core.Admin{ID: operatorRequest | uint64(number), Kind: commands[f.Shape]}
		if f.Peer != "" {
			admin.Node = core.NodeID(w.hostOf(f.Peer))
		}
		w.say(number, w.command(i, &admin))
	}
}

// operatorRequest marks the requests of operators: no worker has this number.
const operatorRequest = uint64(1) << 63

// command lets a node carry out a command and tells what it answered.
func (w *World) command(i int, admin *core.Admin) string {
	h := &w.hosts[i]
	w.out.Reset()
	w.event = core.Event{Kind: core.EventAdmin, Admin: admin}
	h.node.Step(w.clock(h), &w.event, &w.out)
	answer := w.nodes[i] + " has not answered yet"
	w.out.Replies = slices.DeleteFunc(w.out.Replies, func(r core.Reply) bool {
		if r.ID != admin.ID {
			return false
		}
		answer = w.nodes[i] + " has begun"
		if r.Status != core.StatusOK {
			answer = w.nodes[i] + " refused: " + r.Message
		}
		return true
	})
	w.carryOut(i, 0)
	return answer
}

// progress says how far a node has come.
func (w *World) progress(i int) string {
	node := w.hosts[i].node
	text := w.nodes[i] + " is " + node.Members()[i].Status.String()
	if p := node.Pending(); p.Streams > 0 || p.Comparisons > 0 {
		text += " and not done yet"
	}
	return text
}

// evidence is what was said of a fault since it was last asked.
func (w *World) evidence(number int, otherwise string) string {
	f := &w.faults[number]
	if len(f.said) == 0 {
		return otherwise
	}
	text := f.said[0]
	for _, more := range f.said[1:] {
		text += "; " + more
	}
	f.said = f.said[:0]
	return text
}
